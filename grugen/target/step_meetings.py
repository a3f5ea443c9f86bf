"""A loop's steps as they follow each other: which memory each of them uses, and who must meet.

A step's rows of the caller's arrays are its own. Swapped states change places after each step. An
array that is doubled has a second piece of memory, and steps use the two in turn: what a block
still reads in one step, another one may write anew in the next.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from grugen.target.abi import PER_STEP, Argument
from grugen.target.meetings import (
    Access,
    Array,
    Meeting,
    Turn,
    is_number,
    loop_accesses,
    meetings,
    swapped_carries,
)
from grugen.target.plan import Buffer, Index, KernelPlan, Loop, Place

_STEPS = 4
"""After two steps memory is used again as at the beginning; a third and fourth follow those."""


@dataclass(frozen=True, slots=True)
class StepMeetings:
    """Who meets before each of a loop's accesses, and at the `end` of a step.

    States may be handed out behind the end of a step. `doubled` are the arrays that steps use in
    turn, and of those that are `shared` other blocks read what a block writes. They are
    `all_near` if blocks read nothing of each other in memory for all rows. `written` are all that
    a step writes.
    """

    levels: tuple[Meeting, ...]
    end: Meeting
    doubled: tuple[Buffer, ...]
    shared: frozenset[Array]
    all_near: bool
    written: frozenset[Array]

    @property
    def of_all(self) -> int:
        """How often all blocks meet in a step."""
        return _of_all((*self.levels, self.end))


def second_piece(buffer: Buffer) -> Buffer:
    """The memory that a doubled array changes places with after each step."""
    return replace(buffer, name=f"{buffer.name}.other")


def step_meetings(plan: KernelPlan, loop: Loop, reads: Mapping[str, Place]) -> StepMeetings:
    """The fewest meetings, and no array doubled that does not save one."""
    accesses = loop_accesses(plan, loop, reads)
    doubled = _candidates(plan, loop, accesses)
    fewest = _of_all(_levels(plan, loop, accesses, doubled))
    for candidate in tuple(doubled):
        fewer = tuple(buffer for buffer in doubled if buffer != candidate)
        if _of_all(_levels(plan, loop, accesses, fewer)) == fewest:
            doubled = fewer
    end, *levels = _levels(plan, loop, accesses, doubled)
    shared = _shared(plan, loop, accesses)
    written = frozenset(array for access in accesses for array in access.written)
    exchanged = {array for access in accesses for array in access.whole} & written
    all_near = all(is_number(array) or array in shared for array in exchanged)
    return StepMeetings(tuple(levels), end, doubled, shared, all_near, written)


def steps_of(
    plan: KernelPlan, loop: Loop, accesses: tuple[Access, ...], doubled: Collection[Buffer]
) -> list[list[Access]]:
    """Some steps after each other, each with the hand-out of states before it."""
    states = frozenset[Array](carry.buffer for carry in loop.carries)
    widths = {carry.buffer.width for carry in loop.carries}
    alike = len(widths) == 1 and not any(carry.buffer.number for carry in loop.carries)
    way = ("spread", widths.pop()) if alike else None
    hand_out = Access(way, states, frozenset(), frozenset())
    return [
        [_in_step(plan, loop, doubled, access, step) for access in (hand_out, *accesses)]
        for step in range(_STEPS)
    ]


def _levels(
    plan: KernelPlan, loop: Loop, accesses: tuple[Access, ...], doubled: Collection[Buffer]
) -> tuple[Meeting, ...]:
    return meetings(steps_of(plan, loop, accesses, doubled))


def _of_all(levels: tuple[Meeting, ...]) -> int:
    return levels.count(Meeting.ALL)


def _candidates(plan: KernelPlan, loop: Loop, accesses: tuple[Access, ...]) -> tuple[Buffer, ...]:
    """The vectors that somebody writes and somebody else reads, and that have no second piece."""
    swapped = {array for pair in _pairs(plan, loop) for array in pair}
    written = {array for access in accesses for array in access.written}
    whole = {array for access in accesses for array in access.whole}
    carried = {carry.buffer for carry in loop.carries}
    return tuple(
        buffer
        for buffer in plan.buffers()
        if buffer.index is Index.TILE_SEQUENCE
        and not buffer.number
        and buffer in written & whole - swapped - carried
    )


def _shared(plan: KernelPlan, loop: Loop, accesses: tuple[Access, ...]) -> frozenset[Array]:
    """The vectors of a block's sequences that somebody reads whole, or will after a swap."""
    whole = {array for access in accesses for array in access.whole}
    for pair in _pairs(plan, loop):
        if whole.intersection(pair):
            whole.update(pair)
    return frozenset(
        array
        for array in whole
        if isinstance(array, Buffer) and array.index is Index.TILE_SEQUENCE and not array.number
    )


def _pairs(plan: KernelPlan, loop: Loop) -> list[tuple[Buffer, Array]]:
    return [(carry.buffer, plan.reads[carry.value].array) for carry in swapped_carries(plan, loop)]


def _in_step(
    plan: KernelPlan, loop: Loop, doubled: Collection[Buffer], access: Access, step: int
) -> Access:
    """`access` as step number `step` makes it."""
    turns: dict[Array, Turn] = {}
    for state, value in _pairs(plan, loop):
        turns[state] = Turn(state, step % 2)
        turns[value] = Turn(state, (step + 1) % 2)

    def used(array: Array) -> Array:
        if array in doubled:
            assert isinstance(array, Buffer)
            return Turn(array, step % 2)
        if _is_per_step(array):
            assert isinstance(array, Argument | Buffer)
            return Turn(array, step)
        return turns.get(array, array)

    def all_used(arrays: frozenset[Array]) -> frozenset[Array]:
        return frozenset(used(array) for array in arrays)

    return replace(
        access,
        own=all_used(access.own),
        whole=all_used(access.whole),
        written=all_used(access.written),
    )


def _is_per_step(array: Array) -> bool:
    if isinstance(array, Argument):
        return array.group in PER_STEP
    return isinstance(array, Buffer) and array.index is Index.STEP
