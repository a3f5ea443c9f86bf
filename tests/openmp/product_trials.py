"""Random totals and products: sizes down to 1, rows left out, operands side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from blocked import Array, Blocked, Rows

ORDERS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """The operands of one call; `before` is what stands in the totals when it begins.

    `summed` tells which lefts are summed up by themselves, too, from 1 on.
    """

    lefts: tuple[Array, ...]
    right: Array
    before: tuple[Array, ...]
    rows: Rows | None
    summed: tuple[bool, ...] = ()

    def __str__(self) -> str:
        units = [left.shape[1] for left in self.lefts]
        chosen = "all" if self.rows is None else len(self.rows)
        rights = f"{self.right.shape[1]}, sums {self.summed}"
        return f"{chosen} of {len(self.right)} rows, {units} x {rights}"

    def chosen(self, operand: Array) -> Array:
        return operand if self.rows is None else operand[self.rows]

    def found(self, blocked: Blocked, threads: int) -> list[Array]:
        """The totals and then the sums, by our own code."""
        totals = [total.copy() for total in self.before]
        sums = [
            np.ones(left.shape[1], left.dtype) if wanted else None
            for left, wanted in zip(self.lefts, self.summed, strict=False)
        ]
        blocked.outer_totals(self.lefts, self.right, totals, self.rows, threads, sums)()
        return [*totals, *(found for found in sums if found is not None)]

    def expected(
        self, dtype: np.dtype[Any], order: np.ndarray | slice = slice(None)
    ) -> list[Array]:
        """The same, by NumPy, with the rows in some order."""
        right = self.chosen(self.right).astype(dtype)[order]
        lefts = [self.chosen(left).astype(dtype)[order] for left in self.lefts]
        totals = [
            before.astype(dtype) + left.T @ right
            for left, before in zip(lefts, self.before, strict=True)
        ]
        wanted = [left for left, summed in zip(lefts, self.summed, strict=False) if summed]
        return [*totals, *(left.sum(0, dtype=dtype) + dtype.type(1) for left in wanted)]


def some_units(random: np.random.Generator) -> int:
    return int(random.integers(1, random.choice([3, 20, 70, 200])))


def some_trial(random: np.random.Generator, dtype: str) -> Trial:
    count = int(random.integers(0, random.choice([2, 20, 300, 3000])))
    number = int(random.integers(1, 4))
    units = [some_units(random) for _ in range(number)]
    if random.random() < 0.3:
        units = units[:1] * number
    lefts = [_numbers(random, count, width, dtype) for width in units]
    if random.random() < 0.4:
        lefts = np.split(np.concatenate(lefts, axis=1), np.cumsum(units)[:-1], axis=1)
    right = _numbers(random, count, some_units(random), dtype)
    before = tuple(_numbers(random, width, right.shape[1], dtype) for width in units)
    rows = None
    if random.random() < 0.5:
        kept = random.random(count) < random.random()
        rows = np.flatnonzero(kept).astype(np.int64)
        # the rest belongs to no sequence
        for operand in (*lefts, right):
            operand[~kept] = np.nan
    summed = tuple(random.random(number) < 0.4) if random.random() < 0.6 else ()
    return Trial(tuple(lefts), right, before, rows, summed)


def _numbers(random: np.random.Generator, rows: int, columns: int, dtype: str) -> Array:
    return random.standard_normal((rows, columns)).astype(dtype)
