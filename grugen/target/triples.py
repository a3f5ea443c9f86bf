"""Vectors that blocks post three at a time: one nest computes them, the same stages multiply them.

An element of bfloat16 takes a quarter of the 64 bits that are written at once, and the number of
the step another one: with three elements in a post, those who wait read a third less.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping

from grugen.target.meetings import swapped_carries
from grugen.target.nests import Pointwise
from grugen.target.plan import NO_OFFSET, Buffer, KernelPlan, Loop, Place
from grugen.target.step_meetings import StepMeetings

Triple = tuple[Buffer, Buffer, Buffer]


def triples(
    plan: KernelPlan, loop: Loop, reads: Mapping[str, Place], met: StepMeetings
) -> tuple[Triple, ...]:
    """Those of a loop whose stages multiply whole vectors only, in the order of its lines."""
    readers = _readers(plan, loop, reads)
    alike: dict[Hashable, list[Buffer]] = {}
    for number, buffer in _posted(plan, loop, met):
        if buffer in readers:
            key = (number, readers[buffer], buffer in met.doubled)
            alike.setdefault(key, []).append(buffer)
    return tuple(
        (group[i], group[i + 1], group[i + 2])
        for group in alike.values()
        for i in range(0, len(group) - 2, 3)
    )


def _readers(
    plan: KernelPlan, loop: Loop, reads: Mapping[str, Place]
) -> Mapping[object, frozenset[int]]:
    """The numbers of the nests that multiply each vector."""
    stages = plan.stages()
    found: dict[object, frozenset[int]] = {}
    for number, nest in enumerate(loop.phase.nests):
        if isinstance(nest, Pointwise) and nest in stages:
            for operand in stages[nest].operands:
                array = reads[operand].array
                found[array] = found.get(array, frozenset()) | {number}
    return found


def _posted(plan: KernelPlan, loop: Loop, met: StepMeetings) -> Iterator[tuple[int, Buffer]]:
    """The vectors that one line of one nest writes, with its number; states are of other steps."""
    phase = loop.phase
    others = {copy.place.array for copy in phase.copies}
    others.update(carry.buffer for carry in loop.carries)
    others.update(plan.reads[carry.value].array for carry in swapped_carries(plan, loop))
    written = [place.array for places in phase.writes.values() for place in places]
    for number, nest in enumerate(phase.nests):
        if not isinstance(nest, Pointwise):
            continue
        for let in nest.lets:
            for place in phase.writes.get(let.name, ()):
                array = place.array
                is_whole = place.offset == NO_OFFSET and isinstance(array, Buffer)
                if not is_whole or array not in met.shared - others:
                    continue
                assert isinstance(array, Buffer)
                if array.width == nest.size and written.count(array) == 1:
                    yield number, array
