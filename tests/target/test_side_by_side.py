"""Vectors that are multiplied one after the other lie side by side; nothing else moves."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))

from trials import compiled

from grugen.assets import spec_path
from grugen.spec.dims import Dim
from grugen.target.plan import Buffer, KernelPlan, Place
from grugen.target.planning import plan_openmp, plan_sequential
from grugen.target.side_by_side import best_order

RESET_AFTER = """\
spec: 1
name: after
inputs: {x: [D]}
states: {h: [H]}
params: {W: [H, D], V: [H, D], U: [H, H], R: [H, H]}
equations: |
  r = sigmoid(W @ x + U @ h)
  h' = tanh(V @ x + r * (R @ h)) + h
outputs: {y: h'}
"""


def shared_buffers(plan: KernelPlan) -> list[Buffer]:
    return [buffer for buffer in plan.buffers() if buffer.parts]


def test_gradients_of_gates_are_one_row() -> None:
    plan = plan_openmp(compiled(RESET_AFTER).steps.backward, "backward")
    (shared,) = shared_buffers(plan)
    assert shared.width == Dim.named("H").times(3)
    assert sorted(len(s.operands) for stage in plan.stages().values() for s in stage.segments) == [
        2,
        2,
    ]
    for number, value in enumerate(shared.parts):
        assert plan.reads[value] == Place(shared, Dim.named("H").times(number))
        assert plan.total_reads[value] == plan.reads[value]


def test_the_baseline_has_each_on_its_own() -> None:
    plan = plan_sequential(compiled(RESET_AFTER).steps.backward, "backward")
    assert not shared_buffers(plan)


@pytest.mark.parametrize(
    ("sets", "order"),
    [
        ((("a", "b"),), "abcd"),
        ((("a", "c"), ("c", "d")), "acdb"),
        ((("a", "d"), ("b", "c")), "adbc"),
    ],
)
def test_sets_stand_together(sets: tuple[tuple[str, ...], ...], order: str) -> None:
    found = best_order("abcd", sets)
    assert all("".join(s) in "".join(found) or "".join(reversed(s)) in "".join(found) for s in sets)
    assert "".join(found) == order


def test_many_vectors_keep_their_order() -> None:
    assert best_order("abcdefgh", [("a", "h")]) == tuple("abcdefgh")


def test_parts_do_not_overlap_and_are_found_where_they_are_written() -> None:
    seen = 0
    for name in ("gru", "gru_d", "gru_reset_after", "lstm", "lstm_peephole", "mgu"):
        steps = compiled(spec_path(name).read_text(encoding="utf-8")).steps
        for function in (steps.forward, steps.backward, steps.backward_states):
            plan = plan_openmp(function, "any")
            written = {
                value: places for phase in plan.phases() for value, places in phase.writes.items()
            }
            for shared in shared_buffers(plan):
                seen += 1
                offset = Dim(())
                for value in shared.parts:
                    assert plan.reads[value] == Place(shared, offset)
                    assert plan.reads[value] in written[value]
                    offset = offset + plan.function.types()[value].shape[0]
                assert offset == shared.width
    assert seen > 6
