"""Every two values come together, in far fewer combinations than there are."""

from __future__ import annotations

from itertools import combinations, product

from pairwise import pairwise, product_of

FACTORS = {"a": range(4), "b": "xyz", "c": (True, False), "d": (None, 1, 2), "e": (0.5, 1.5)}


def test_all_pairs_are_there() -> None:
    rows = pairwise(FACTORS)
    for first, second in combinations(FACTORS, 2):
        found = {(row[first], row[second]) for row in rows}
        assert found == set(product(FACTORS[first], FACTORS[second]))


def test_few_are_enough() -> None:
    assert len(product_of(FACTORS)) == 144
    assert 12 <= len(pairwise(FACTORS)) <= 16


def test_one_row_without_choice() -> None:
    assert pairwise({"a": [1], "b": [2]}) == product_of({"a": [1], "b": [2]})
