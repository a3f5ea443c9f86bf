"""Which loops can do with posts in the place of meetings."""

from __future__ import annotations

from itertools import pairwise

import cells
import pytest
from trials import compiled

from grugen.driver import Compiled, compile_spec
from grugen.spec.dims import Dim
from grugen.target.meetings import Turn
from grugen.target.plan import Buffer, Index, Loop
from grugen.target.planning import plan_cuda, reads_in
from grugen.target.posting import Exchange, can_post, is_in_time
from grugen.target.step_meetings import step_meetings

A, B = (Buffer(name, Index.TILE_SEQUENCE, Dim.named("H")) for name in "ab")
NOTHING = frozenset[Buffer]()


def answers(cell: Compiled) -> set[bool]:
    """Of all loops of a cell that blocks run step by step."""
    steps = cell.steps
    found = set()
    for step, name in ((steps.forward, "forward"), (steps.backward, "backward")):
        plan = plan_cuda(step, name)
        for part in plan.body:
            if isinstance(part, Loop) and not part.in_place:
                reads = reads_in(plan, part)
                found.add(can_post(plan, part, reads, step_meetings(plan, part, reads)))
    return found


@pytest.mark.parametrize("name", ["gru", "gru_reset_after", "gru_d", "lstm", "mgu"])
def test_products_wait_for_their_vectors(name: str) -> None:
    assert answers(compile_spec(name)) == {True}


def test_a_sum_over_a_vector_is_no_product() -> None:
    assert answers(compile_spec("layernorm_gru")) == {False}


def test_other_uses_of_a_whole_vector_are_none() -> None:
    assert False in answers(compiled(cells.EVERY_MEETING))


def test_a_sum_over_a_state_is_no_product() -> None:
    # what a step writes has changed places with the state that the next one reads
    assert answers(compiled(cells.SUMMED_STATE)) == {False}


def test_nobody_meets_where_nothing_is_exchanged() -> None:
    assert answers(compile_spec("indrnn")) <= {False}


def test_memory_that_is_used_at_once_again_is_too_early() -> None:
    assert not is_in_time([Exchange(frozenset({A}), frozenset({A}))] * 2)


def test_a_vector_between_is_enough() -> None:
    step = [Exchange(frozenset({A}), frozenset({B})), Exchange(frozenset({B}), frozenset({A}))]
    assert is_in_time(step * 3)


def test_two_pieces_of_memory_in_turn_are_enough() -> None:
    turns = [Turn(A, step % 2) for step in range(5)]
    steps = [Exchange(frozenset({now}), frozenset({then})) for now, then in pairwise(turns)]
    assert is_in_time(steps)


def test_what_is_read_after_it_was_posted_anew_is_too_early() -> None:
    # a block that has posted A says nothing of others that still read what A was before
    late = [Exchange(NOTHING, frozenset({A})), Exchange(frozenset({A}), NOTHING)]
    assert not is_in_time(late * 2)
