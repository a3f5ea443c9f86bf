"""Totals that one call forms together: matrices that share their right operand, and vectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from grugen.target.plan import OuterTotal, Total, VectorTotal


@dataclass(frozen=True, slots=True)
class OuterTotals:
    """Outer totals with the same right operand: it is read once for all of them."""

    right: str
    members: tuple[OuterTotal, ...]


def outer_totals(totals: Iterable[Total]) -> tuple[OuterTotals, ...]:
    """The outer totals by right operand, in order of their first members."""
    groups: dict[str, list[OuterTotal]] = {}
    for total in totals:
        if isinstance(total, OuterTotal):
            groups.setdefault(total.right, []).append(total)
    return tuple(OuterTotals(right, tuple(members)) for right, members in groups.items())


def vector_totals(totals: Iterable[Total]) -> tuple[VectorTotal, ...]:
    """Those that are vectors or numbers."""
    return tuple(total for total in totals if isinstance(total, VectorTotal))
