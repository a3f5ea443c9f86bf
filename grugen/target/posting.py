"""Whether blocks that share units can do without meetings in a loop over steps.

Instead of meeting, a block posts each element that others read together with the number of the
step, and who needs a vector for a product waits for its elements. A vector that has come from all
blocks says as much as a meeting: each of them has read what it needed to compute its share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from grugen.spec.dims import Dim
from grugen.target.meetings import GATHERED, Access, Array, is_number, loop_accesses
from grugen.target.nests import Join, Nest, Pointwise
from grugen.target.plan import NO_OFFSET, Buffer, KernelPlan, Loop, Place
from grugen.target.stages import Stage
from grugen.target.step_meetings import StepMeetings, steps_of


@dataclass(frozen=True, slots=True)
class Exchange:
    """The vectors that a part of a step waits for, and those that it posts."""

    awaited: frozenset[Array]
    posted: frozenset[Array]


def can_post(plan: KernelPlan, loop: Loop, reads: Mapping[str, Place], met: StepMeetings) -> bool:
    """Whether every vector that blocks have of each other comes to a product, in good time."""
    if met.of_all == 0 or not met.all_near:
        return False
    accesses = loop_accesses(plan, loop, reads)
    stages = plan.stages()
    awaited = [
        _operands(stages[nest], reads) & met.shared
        if isinstance(nest, Pointwise) and nest in stages
        else frozenset()
        for nest in loop.phase.nests
    ]
    # copies and carries behind the nests multiply nothing
    awaited += [frozenset()] * (len(accesses) - len(awaited))
    written = frozenset(array for access in accesses for array in access.written)
    states = frozenset(carry.buffer for carry in loop.carries)
    # states change places with what is written
    changing = (written | states) - {GATHERED}
    if not all(arrays <= changing for arrays in awaited):
        return False
    if not all(map(_is_whole, (array for arrays in awaited for array in arrays))):
        return False
    for access, arrays in zip(accesses, awaited, strict=True):
        if any(not is_number(array) for array in (access.whole - arrays) & changing):
            return False
    if len(_sizes(loop, accesses, stages, met.shared)) != 1:
        return False
    return is_in_time(_exchanges(plan, loop, accesses, awaited, met))


def _operands(stage: Stage, reads: Mapping[str, Place]) -> frozenset[Array]:
    """Where the vectors of a stage's products lie; those that are parts of others are in none."""
    places = [
        reads[name] for segment in stage.segments for name in segment.operands if name in reads
    ]
    return frozenset(place.array for place in places if place.offset == NO_OFFSET)


def _is_whole(array: Array) -> bool:
    return isinstance(array, Buffer) and not array.parts


def _sizes(
    loop: Loop,
    accesses: Sequence[Access],
    stages: Mapping[Pointwise, Stage],
    shared: frozenset[Array],
) -> set[Dim | int | None]:
    """The sizes of all that is multiplied or posted: the blocks that have units are the same."""
    sizes: set[Dim | int | None] = {c.buffer.width for c in loop.carries if c.buffer in shared}
    for nest in loop.phase.nests:
        if isinstance(nest, Pointwise) and nest in stages:
            sizes.add(nest.size)
    posting = [bool(access.written & shared) for access in accesses]
    nests = loop.phase.nests
    sizes.update(_size(nest) for nest, posts in zip(nests, posting, strict=False) if posts)
    # copies and carries behind the nests go from element to element
    behind = zip(accesses[len(nests) :], posting[len(nests) :], strict=True)
    sizes.update(access.way[1] if access.way else None for access, posts in behind if posts)
    return sizes


def _size(nest: Nest) -> Dim | None:
    return nest.let.type.shape[0] if isinstance(nest, Join) else nest.size


def _exchanges(
    plan: KernelPlan,
    loop: Loop,
    accesses: tuple[Access, ...],
    awaited: Sequence[frozenset[Array]],
    met: StepMeetings,
) -> list[Exchange]:
    """Of the parts of some steps that follow each other."""
    empty = frozenset[Array]()
    narrow = tuple(
        replace(access, own=empty, whole=arrays, written=access.written & met.shared)
        for access, arrays in zip(accesses, awaited, strict=True)
    )
    return [
        Exchange(access.whole, access.written)
        for _, *step in steps_of(plan, loop, narrow, met.doubled)
        for access in step
    ]


def is_in_time(parts: Sequence[Exchange]) -> bool:
    """Whether nobody posts anew what somebody may still wait for.

    Between the two stands a vector that all wait for, and that each block posts after it has read.
    """
    for first, reader in enumerate(parts):
        for last in range(first, len(parts)):
            if not reader.awaited & parts[last].posted:
                continue
            if not any(
                parts[post].posted & parts[wait].awaited
                for wait in range(first + 1, last + 1)
                for post in range(first, wait)
            ):
                return False
    return True
