"""plan_tape: backward reads what is costly, forward writes exactly what is read."""

from __future__ import annotations

import pytest
from snippets import lines, results, step

from grugen.ir.nodes import Function, SourceRole
from grugen.passes.differentiate import differentiate
from grugen.passes.drop_dead import drop_dead
from grugen.passes.plan_tape import Keep, plan_tape
from grugen.passes.share import share
from grugen.passes.simplify import simplify

CELL = "z = sigmoid(W @ x)\nn = tanh(W @ h) * 2\nh' = z * h + (1 - z) * relu(n)"


def planned(equations: str, keep: Keep) -> tuple[Function, Function]:
    forward = drop_dead(share(simplify(step(equations))))
    backward = drop_dead(share(simplify(differentiate(forward))))
    return plan_tape(forward, backward, keep)


def tape(function: Function) -> list[str]:
    return [result for result in results(function) if result.startswith("tape")]


def test_gates_are_kept() -> None:
    forward, backward = planned(CELL, "gates")
    assert [line.split(" = ")[0] for line in tape(forward)] == ["tape h", "tape z", "tape t1"]
    assert not [line for line in lines(backward) if " sigmoid " in line or " tanh " in line]
    # cheap lines are computed anew from what is kept
    assert "n = mul t1, t2" in lines(backward)


def test_or_only_the_states() -> None:
    forward, backward = planned(CELL, "states")
    assert tape(forward) == ["tape h = h"]
    assert "z = sigmoid W_x" in lines(backward)


@pytest.mark.parametrize("keep", ["gates", "states"])
def test_what_is_read_is_written(keep: Keep) -> None:
    forward, backward = planned(CELL, keep)
    read = {source.key for source in backward.sources_of(SourceRole.TAPE)}
    assert {line.split()[1] for line in tape(forward)} == read


def test_what_no_gradient_needs_is_not_kept() -> None:
    forward, _ = planned("h' = W @ x + h", "gates")
    assert tape(forward) == []


def test_what_is_the_same_for_all_steps_is_not_kept() -> None:
    """exp(b) does not change from step to step: one array would become T * B of them."""
    forward, backward = planned("h' = exp(b) * x + h", "gates")
    assert tape(forward) == []
    assert "t1 = exp b" in lines(backward)
