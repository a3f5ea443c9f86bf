"""Totals: what shares an operand is formed together, and nothing twice."""

from __future__ import annotations

from grugen.spec.dims import Dim, shape
from grugen.target.abi import Argument, Group
from grugen.target.plan import Buffer, Index, OuterTotal, Place, VectorTotal
from grugen.target.totals import as_they_lie, outer_totals, totals_again, vector_totals


def argument(key: str) -> Argument:
    return Argument(Group.TOTAL, key, shape("H"), key)


def outer(left: str, right: str) -> OuterTotal:
    return OuterTotal(left, right, argument(f"{left}_{right}"))


def vector(value: str, key: str) -> VectorTotal:
    return VectorTotal(value, argument(key))


TOTALS = (
    *(outer("dz", "x"), outer("dr", "x"), outer("dz", "h"), outer("dn", "h")),
    *(vector("dz", "b"), vector("dn", "c"), vector("dz", "b2"), vector("dw", "w")),
)


def test_a_left_operand_is_summed_up_where_it_is_first_read() -> None:
    of_x, of_h = outer_totals(TOTALS)
    assert (of_x.right, of_x.members) == ("x", TOTALS[:2])
    assert of_x.sums == (vector("dz", "b"), None)
    assert (of_h.right, of_h.members) == ("h", TOTALS[2:4])
    assert of_h.sums == (None, vector("dn", "c"))
    assert of_x.has_sums
    assert of_h.all == (*TOTALS[2:4], vector("dn", "c"))


def test_other_vectors_are_summed_up_by_themselves() -> None:
    assert vector_totals(TOTALS) == (vector("dw", "w"),)


def test_the_same_sum_is_formed_once() -> None:
    (again,) = totals_again(TOTALS)
    assert (again.total, again.formed) == (vector("dz", "b2"), vector("dz", "b"))


def test_every_total_is_formed_once() -> None:
    formed = [total for group in outer_totals(TOTALS) for total in group.all]
    formed += [*vector_totals(TOTALS), *(again.total for again in totals_again(TOTALS))]
    assert sorted(total.argument.key for total in formed) == sorted(
        total.argument.key for total in TOTALS
    )


def test_operands_are_listed_as_they_lie() -> None:
    """Those of one row in its order, with their sums; the others keep their places."""
    row = Buffer("row", Index.STEP, Dim.fixed(3), ("dn", "dz", "dr"))
    alone = Buffer("alone", Index.STEP, Dim.fixed(1))
    places = {value: Place(row) for value in row.parts} | {"x": Place(alone)}
    lefts = ("dr", "x", "dz", "dn")
    members = [outer(left, "h") for left in lefts]
    (group,) = outer_totals([*members, vector("dz", "b"), vector("x", "c")])
    found = as_they_lie(group, places)
    assert [member.left for member in found.members] == ["dn", "dz", "dr", "x"]
    assert found.sums == (None, vector("dz", "b"), None, vector("x", "c"))
    assert (found.right, found.all[4:]) == ("h", (vector("dz", "b"), vector("x", "c")))
