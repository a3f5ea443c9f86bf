"""Which vectors blocks post three at a time."""

from __future__ import annotations

import cells
import pytest
from trials import compiled

from grugen.driver import Compiled, compile_spec
from grugen.target.plan import Loop
from grugen.target.planning import plan_cuda, reads_in
from grugen.target.step_meetings import step_meetings
from grugen.target.triples import triples


def found(cell: Compiled, direction: str) -> list[list[str]]:
    """The names of the memory of each triple of a cell's loops."""
    step = cell.steps.forward if direction == "forward" else cell.steps.backward
    plan = plan_cuda(step, direction)
    names = []
    for part in plan.body:
        if isinstance(part, Loop) and not part.in_place:
            reads = reads_in(plan, part)
            met = step_meetings(plan, part, reads)
            names += [[one.name for one in triple] for triple in triples(plan, part, reads, met)]
    return names


def test_gradients_of_gates_that_one_product_waits_for() -> None:
    wanted = [["d_c_n", "d_z_pre.near", "d_r_pre.near"]]
    assert found(compile_spec("gru_reset_after"), "backward") == wanted


@pytest.mark.parametrize("name", ["lstm", "lstm_peephole"])
def test_a_fourth_is_posted_alone(name: str) -> None:
    (triple,) = found(compile_spec(name), "backward")
    assert len(triple) == 3


@pytest.mark.parametrize("name", ["gru", "gru_reset_after", "lstm"])
def test_a_state_is_posted_alone(name: str) -> None:
    assert found(compile_spec(name), "forward") == []


def test_vectors_that_are_waited_for_at_different_times_are_not_posted_together() -> None:
    """`r * h` is multiplied before the others' gradients are there."""
    assert found(compile_spec("gru"), "backward") == []


def test_products_that_come_from_others_have_none() -> None:
    assert found(compiled(cells.EVERY_MEETING), "backward") == []
