"""Totals that one call forms together: matrices that share their right operand, and vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from grugen.target.plan import Buffer, OuterTotal, Place, Total, VectorTotal


@dataclass(frozen=True, slots=True)
class OuterTotals:
    """Outer totals with the same right operand: it is read once for all of them.

    `sums` has for each the total that is its left operand summed up, if it is formed with it.
    """

    right: str
    members: tuple[OuterTotal, ...]
    sums: tuple[VectorTotal | None, ...]

    @property
    def has_sums(self) -> bool:
        """Whether any left operand is summed up."""
        return any(self.sums)

    @property
    def all(self) -> tuple[Total, ...]:
        """Every total that is formed."""
        return (*self.members, *(total for total in self.sums if total is not None))


@dataclass(frozen=True, slots=True)
class Again:
    """A total that is the same as one formed already."""

    total: VectorTotal
    formed: VectorTotal


def outer_totals(totals: Sequence[Total]) -> tuple[OuterTotals, ...]:
    """The outer totals by right operand, in order of their first members.

    A vector that is summed up, too, is summed up where it is a left operand for the first time.
    """
    groups: dict[str, list[OuterTotal]] = {}
    for total in totals:
        if isinstance(total, OuterTotal):
            groups.setdefault(total.right, []).append(total)
    vectors = _by_value(totals)
    return tuple(
        OuterTotals(right, tuple(members), tuple(vectors.pop(m.left, None) for m in members))
        for right, members in groups.items()
    )


def as_they_lie(group: OuterTotals, places: Mapping[str, Place]) -> OuterTotals:
    """`group` with left operands that lie side by side in that order, to be read as one matrix."""
    lefts = [member.left for member in group.members]
    arrays = [places[left].array for left in lefts]

    def place(number: int) -> tuple[int, int]:
        array = arrays[number]
        parts = array.parts if isinstance(array, Buffer) else ()
        within = parts.index(lefts[number]) if lefts[number] in parts else 0
        return arrays.index(array), within

    order = sorted(range(len(lefts)), key=place)
    return replace(
        group,
        members=tuple(group.members[number] for number in order),
        sums=tuple(group.sums[number] for number in order),
    )


def vector_totals(totals: Sequence[Total]) -> tuple[VectorTotal, ...]:
    """Those that are vectors or numbers, and no left operand."""
    lefts = {total.left for total in totals if isinstance(total, OuterTotal)}
    return tuple(total for value, total in _by_value(totals).items() if value not in lefts)


def totals_again(totals: Sequence[Total]) -> tuple[Again, ...]:
    """Those that sum up what another one does."""
    formed = _by_value(totals)
    vectors = [total for total in totals if isinstance(total, VectorTotal)]
    return tuple(
        Again(total, formed[total.value]) for total in vectors if total != formed[total.value]
    )


def _by_value(totals: Iterable[Total]) -> dict[str, VectorTotal]:
    """The first total of each vector or number that is summed up."""
    found: dict[str, VectorTotal] = {}
    for total in totals:
        if isinstance(total, VectorTotal):
            found.setdefault(total.value, total)
    return found
