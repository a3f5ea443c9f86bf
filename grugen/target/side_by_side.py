"""Vectors that products read one after the other get places side by side, in one row.

A stage then multiplies them as a single long vector, and whoever reads them all finds one stream in
memory instead of several. What is computed does not change, only where it lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations

from grugen.spec.dims import Dim
from grugen.target.nests import Pointwise
from grugen.target.plan import Buffer, Index, KernelPlan, Phase, Place
from grugen.target.stages import chains

MOST_ORDERED = 6
"""Among more vectors no order is sought that suits all products."""


def side_by_side(plan: KernelPlan) -> KernelPlan:
    """`plan` with one buffer for vectors of one loop whose products are added up."""
    own = _own_vectors(plan)
    sets: list[tuple[str, ...]] = []
    for stage in plan.stages().values():
        for chain in chains(stage):
            operands = dict.fromkeys(s.operand for s in chain if s.operand in own)
            homes = dict.fromkeys(own[operand] for operand in operands)
            sets += [tuple(v for v in operands if own[v] == home) for home in homes]
    moved: dict[Buffer, Place] = {}
    for values, wanted in _connected([found for found in sets if len(found) > 1]):
        moved |= _shared(plan, best_order(values, wanted))
    return _with_places(plan, moved) if moved else plan


def best_order(values: Sequence[str], sets: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """`values` in an order in which as many of the `sets` as can be stand together."""
    if len(values) > MOST_ORDERED:
        return tuple(values)

    def together(order: tuple[str, ...]) -> int:
        places = [[order.index(value) for value in found] for found in sets]
        return sum(max(found) - min(found) == len(found) - 1 for found in places)

    # of equal ones the first, which is nearest to the order of appearance
    return max(permutations(values), key=together)


def _own_vectors(plan: KernelPlan) -> dict[str, tuple[str, Index]]:
    """The vectors that a loop leaves in memory of its own, with its phase and what picks a row."""
    types = plan.function.types()
    found: dict[str, tuple[str, Index]] = {}
    for phase in plan.phases():
        loops = [nest for nest in phase.nests if isinstance(nest, Pointwise)]
        for value in (let.name for nest in loops for let in nest.lets):
            place = plan.reads.get(value)
            if place is None or value not in phase.writes or not types[value].shape:
                continue
            if isinstance(place.array, Buffer) and place.array.index is not Index.NONE:
                found[value] = phase.name, place.array.index
    return found


def _connected(
    sets: Sequence[tuple[str, ...]],
) -> list[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Sets that have values in common together, and all values of theirs."""
    groups: list[tuple[tuple[str, ...], list[tuple[str, ...]]]] = []
    for found in sets:
        values, wanted = dict.fromkeys(found), [found]
        apart = []
        for group in groups:
            if values.keys().isdisjoint(group[0]):
                apart.append(group)
            else:
                values = dict.fromkeys((*group[0], *values))
                wanted = [*group[1], *wanted]
        groups = [*apart, (tuple(values), wanted)]
    return groups


def _shared(plan: KernelPlan, values: tuple[str, ...]) -> dict[Buffer, Place]:
    """The new place of what lies in each of the buffers of `values`."""
    old = [plan.reads[value].array for value in values]
    buffers = [array for array in old if isinstance(array, Buffer)]
    offsets = [Dim(())]
    for buffer in buffers:
        offsets.append(offsets[-1] + buffer.width)
    name = f"{values[0]}.and.{len(values) - 1}.more"
    shared = Buffer(name, buffers[0].index, offsets[-1], values)
    places = [Place(shared, offset) for offset in offsets[:-1]]
    return dict(zip(buffers, places, strict=True))


def _with_places(plan: KernelPlan, moved: Mapping[Buffer, Place]) -> KernelPlan:
    """`plan` with every place in a buffer that has `moved` where it is now."""

    def place(found: Place) -> Place:
        if not isinstance(found.array, Buffer) or found.array not in moved:
            return found
        new = moved[found.array]
        return Place(new.array, new.offset + found.offset)

    def places(group: Mapping[str, tuple[Place, ...]]) -> dict[str, tuple[Place, ...]]:
        return {value: tuple(map(place, found)) for value, found in group.items()}

    def phase(found: Phase) -> Phase:
        copies = tuple(replace(copy, place=place(copy.place)) for copy in found.copies)
        return replace(found, writes=places(found.writes), sums=places(found.sums), copies=copies)

    return replace(
        plan,
        reads={value: place(found) for value, found in plan.reads.items()},
        total_reads={value: place(found) for value, found in plan.total_reads.items()},
        once=phase(plan.once),
        per_sequence=phase(plan.per_sequence),
        body=tuple(
            phase(part) if isinstance(part, Phase) else replace(part, phase=phase(part.phase))
            for part in plan.body
        ),
    )
