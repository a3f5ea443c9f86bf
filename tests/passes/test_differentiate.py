"""differentiate: which gradients there are, what they are called, where they are stopped.

That they are right is tested by the complex step.
"""

from __future__ import annotations

import pytest
from snippets import lines, results, step

from grugen.ir.nodes import Function, Op, SourceRole
from grugen.passes.differentiate import differentiate
from grugen.passes.drop_dead import drop_dead
from grugen.passes.share import share
from grugen.passes.simplify import simplify


def gradient(equations: str, *constant: str, output: str = "h'") -> Function:
    function = step(equations, output=output)
    return drop_dead(share(simplify(differentiate(function, constant))))


def test_what_is_given_and_what_comes_out() -> None:
    found = gradient("h' = tanh(W @ x + b) * h", "m")
    assert [f"{source.role} {source.name}" for source in found.sources] == [
        "input x",
        "tape h",
        "param W",
        "param b",
        "state d_h_carried",
        "output_gradient d_y",
    ]
    assert [line.split(" = ")[0] for line in results(found)] == [
        "output x",
        "next_state h",
        "total W",
        "total b",
    ]


def test_constants_have_no_gradient() -> None:
    found = gradient("h' = tanh(W @ x + b) * h", "x")
    assert "output x" not in "\n".join(results(found))
    assert not any(let.op is Op.MATVEC_T for let in found.lets)


def test_gradients_are_called_after_values() -> None:
    found = gradient("z = sigmoid(W @ x)\nh' = z * h")
    assert "d_z = mul d_h_next, h" in lines(found)
    assert "total W = d_W" in results(found)
    assert "d_W = outer d_z_pre, x" in lines(found)


def test_uses_add_up() -> None:
    found = gradient("h' = x * x + x")
    assert [let.op for let in found.lets if let.name == "d_x"] == [Op.ADD]


def test_a_matrix_that_is_used_twice_has_two_parts() -> None:
    """They are sums over all rows, which the target forms; nothing is added in a step."""
    found = gradient("h' = tanh(W @ x) + W @ h")
    totals = [line for line in results(found) if line.startswith("total W")]
    assert len(totals) == 2


def test_numbers_that_are_spread_gather_their_gradients() -> None:
    head = "spec: 1\nname: c\ninputs: {x: [H]}\nstates: {h: [H]}\nparams: {k: []}\n"
    found = differentiate(step("h' = k * x + h", head))
    assert [let.op for let in found.lets if let.name == "d_k"] == [Op.SUM]


def test_parts_of_a_vector_join_their_gradients() -> None:
    head = "spec: 1\nname: c\ninputs: {x: [2*H]}\nstates: {h: [H]}\n"
    found = differentiate(step("p, q = split(x, 2)\nh' = q * h + relu(p)", head))
    (joined,) = [let for let in found.lets if let.op is Op.CONCAT]
    assert joined.name == "d_x"


def test_a_part_that_nobody_reads_has_gradient_zero() -> None:
    head = "spec: 1\nname: c\ninputs: {x: [2*H]}\nstates: {h: [H]}\n"
    found = differentiate(step("p, q = split(x, 2)\nh' = where(p > 0, q, h)", head))
    (joined,) = [let for let in found.lets if let.op is Op.CONCAT]
    first = next(let for let in found.lets if let.name == joined.args[0])
    assert first.op is Op.BROADCAST


@pytest.mark.parametrize(
    "equations",
    [
        "h' = h + where(m > 0, log(x), 0)",
        "h' = h + where(m > 0, 1 / x, 0)",
        "h' = h + where(m > 0, x * b, 0)",
        "h' = h + where(m > 0, sqrt(x), 0)",
        "h' = h + where(m > 0, exp(x), 0)",
        "h' = h + where(m > 0, x ** -1, 0)",
    ],
)
def test_behind_a_select_gradients_are_guarded(equations: str) -> None:
    """0 * infinity is NaN: where the branch was not taken, 0 is chosen, not multiplied."""
    found = gradient(equations, "m")
    (d_x,) = [line for line in results(found) if line.startswith("output x")]
    last = next(let for let in found.lets if let.name == d_x.split(" = ")[1])
    assert last.op is Op.SELECT


def test_outside_of_selects_nothing_is_guarded() -> None:
    found = gradient("h' = h + log(x) * b + where(m > 0, x, 0)", "m")
    slopes = [line for line in lines(found) if " ne " in line]
    assert slopes == []


def test_floor_and_comparisons_stop_gradients() -> None:
    found = gradient("h' = where(x > 0, h, 1)")
    (d_x,) = [line for line in results(found) if line.startswith("output x")]
    zero = next(let for let in found.lets if let.name == d_x.split(" = ")[1])
    assert zero.op is Op.BROADCAST


def test_a_state_without_use_has_gradient_zero() -> None:
    found = gradient("h' = tanh(x)")
    (d_h,) = [line for line in results(found) if line.startswith("next_state h")]
    assert lines(found, [d_h.split(" = ")[1]])[0].split()[2] == "broadcast"


def test_states_come_from_the_tape() -> None:
    found = gradient("h' = h * h + x")
    assert [source.name for source in found.sources_of(SourceRole.TAPE)] == ["h"]
