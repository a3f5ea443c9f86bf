"""Few combinations of many settings, so that each two values of two settings come together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

Row = dict[str, Any]
Pair = tuple[str, Any, str, Any]


def product_of(factors: Mapping[str, Sequence[Any]]) -> list[Row]:
    """All combinations."""
    return [dict(zip(factors, values, strict=True)) for values in product(*factors.values())]


def pairwise(factors: Mapping[str, Sequence[Any]]) -> list[Row]:
    """Combinations in which all pairs are; the same ones for the same factors."""
    missing = dict.fromkeys(_pairs_of(factors))
    rows: list[Row] = []
    while missing:
        first, a, second, b = next(iter(missing))
        row = {first: a, second: b}
        for name, values in factors.items():
            if name not in row:
                row[name] = max(values, key=lambda value: _gain({**row, name: value}, missing))
        row = {name: row[name] for name in factors}
        rows.append(row)
        for pair in _pairs_in(row):
            missing.pop(pair, None)
    return rows


def _pairs_of(factors: Mapping[str, Sequence[Any]]) -> Iterator[Pair]:
    for first, second in combinations(factors, 2):
        for a, b in product(factors[first], factors[second]):
            yield first, a, second, b


def _pairs_in(row: Mapping[str, Any]) -> Iterator[Pair]:
    for (first, a), (second, b) in combinations(row.items(), 2):
        yield first, a, second, b


def _gain(row: Row, missing: Mapping[Pair, None]) -> int:
    """How many missing pairs the row has; its settings may be in any order."""
    return sum(
        (first, a, second, b) in missing or (second, b, first, a) in missing
        for first, a, second, b in _pairs_in(row)
    )
