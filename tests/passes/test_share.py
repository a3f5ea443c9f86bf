"""share: no two lines compute the same thing."""

from __future__ import annotations

from dataclasses import replace

from snippets import lines, step

from grugen.ir.nodes import Function
from grugen.passes.share import share


def doubled(function: Function) -> Function:
    """Every line twice; the second half reads the first names only of sources."""
    names = {let.name: f"{let.name}_again" for let in function.lets}
    again = [
        replace(let, name=names[let.name], args=tuple(names.get(arg, arg) for arg in let.args))
        for let in function.lets
    ]
    results = tuple(replace(r, value=names.get(r.value, r.value)) for r in function.results)
    return replace(function, lets=(*function.lets, *again), results=results)


def test_equal_lines_are_one_and_later_lines_follow() -> None:
    function = share(step("z = sigmoid(W @ x)\nh' = tanh(W @ x + b) + z"))
    assert lines(share(doubled(function))) == lines(function)
    assert share(doubled(function)) == function


def test_attributes_make_a_difference() -> None:
    head = "spec: 1\nname: c\ninputs: {x: [2*H]}\nstates: {h: [H]}\n"
    function = step("a, c = split(x, 2)\nh' = a * c ** 2 + c ** 3 + a * 2 + 3", head)
    assert lines(share(function)) == lines(function)


def test_signs_of_zero_are_different() -> None:
    function = step("h' = max(x, 0) / max(h, -0)")
    zeros = [let for let in share(function).lets if let.value == 0.0]
    assert [repr(let.value) for let in zeros] == ["0.0", "-0.0"]


def test_order_of_operands_matters() -> None:
    function = step("h' = (x - h) * (h - x)")
    assert len(share(function).lets) == 3
