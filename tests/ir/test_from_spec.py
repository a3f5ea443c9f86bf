"""How equations become lines: order, names, places. Mistakes are in test_shape_errors."""

from __future__ import annotations

import pytest
from small_cells import step_of

from grugen.ir.nodes import Function, Op, ResultRole
from grugen.ir.types import Level

SPEC = """\
spec: 1
name: cell
inputs: {{x: [D]}}
static: {{s: [D]}}
constants: {{c: [D]}}
states: {{h: [D]}}
params: {{W: [D, D]}}
equations: |
  v = x + s + c + W @ h
{equations}
outputs: {{y: h'}}
"""


def lowered(*equations: str) -> Function:
    return step_of(SPEC.format(equations="\n".join(f"  {line}" for line in equations)))


def line_of(step: Function, name: str) -> str:
    let = next(let for let in step.lets if let.name == name)
    return f"{let.op} {', '.join(let.args)}"


def test_an_equation_names_its_last_line() -> None:
    step = lowered("h' = tanh(v)")
    assert line_of(step, "v") == "add t2, W_h"
    assert line_of(step, "h_next") == "tanh v"
    assert {let.name for let in step.lets if let.given} == {"v", "h_next"}


def test_products_are_called_by_their_operands() -> None:
    step = lowered("a = W @ v", "b = (W @ a) + W @ (a * v) + W @ h", "h' = b")
    names = [let.name for let in step.lets if let.op is Op.MATVEC]
    assert names == ["W_h", "a", "W_a", "W_product", "W_h_2"]


def test_a_name_for_another_value_makes_no_line() -> None:
    step = lowered("a = v", "h' = a")
    assert [let.name for let in step.lets if let.given] == ["v"]
    assert {result.value for result in step.results} == {"v"}


def test_a_number_becomes_every_element_of_a_state() -> None:
    step = lowered("h' = sum(v)")
    (result,) = step.results_of(ResultRole.NEXT_STATE)
    (output,) = step.results_of(ResultRole.OUTPUT)
    assert line_of(step, result.value) == "broadcast h_next"
    assert output.value == "h_next"


def test_a_name_that_the_spec_wants_is_not_invented() -> None:
    step = lowered("t1 = v * v", "h_next = t1 + 1", "W_h = h_next", "h' = W_h + v")
    names = [let.name for let in step.lets]
    assert len(set(names)) == len(names)
    assert line_of(step, "t1") == "mul v, v"
    assert line_of(step, "h_next_2") == "add h_next, v"


def test_results_change_as_often_as_their_arguments() -> None:
    step = lowered("a = exp(c)", "b = a * s", "d = b * x", "h' = v + d")
    levels = {let.name: let.type.level for let in step.lets}
    assert levels["a"] is Level.CALL
    assert levels["b"] is Level.SEQUENCE
    assert levels["d"] is Level.STEP


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("v ** 0.5", "sqrt v"),
        ("v ** 2", "power v"),
        ("v @ h", "dot v, h"),
        ("dot(v, h)", "dot v, h"),
        ("W @ v", "matvec W, v"),
        ("-v", "neg v"),
        ("where(v == h, v, h)", "select t3, v, h"),
    ],
)
def test_an_operator_is_an_operation(text: str, line: str) -> None:
    assert line_of(lowered(f"a = {text}", "h' = a + v"), "a") == line


@pytest.mark.parametrize("text", ["mean(v)", "layernorm(v)", "clip(v, 0, 1)", "mod(v, 2)"])
def test_lines_of_an_expansion_stand_at_its_call(text: str) -> None:
    step = lowered(f"a = {text}", "h' = a + v")
    lets = [let for let in step.lets if let.span is not None and let.span.line == 10]
    assert lets[-1].name == "a"
    assert lets[-1].given
    assert all(let.equation is not None for let in lets)
    assert {let.span.column for let in lets if let.span and let.op is not Op.LITERAL} == {7}


def test_a_very_long_sum_is_no_deep_one() -> None:
    step = lowered("h' = v" + " + v" * 240)
    assert sum(let.op is Op.ADD for let in step.lets) == 243
