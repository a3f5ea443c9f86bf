"""order_terms: products in a sum come first, known ones before others; the rest keeps its order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from snippets import lines, results, step

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))

from calls import run
from trials import trials
from yardstick import Yardstick, interpreted

from grugen.driver import Compiled
from grugen.passes.order_terms import order_terms
from grugen.passes.pipeline import Steps

CELLS = 40
SEED = 23


def ordered(equations: str) -> list[str]:
    return lines(order_terms(step(equations)))


def test_products_come_first_and_known_ones_before_those_of_states() -> None:
    assert ordered("h' = tanh(W @ x + U @ h + V @ m + b)") == [
        "W_x = matvec W, x",
        "U_h = matvec U, h",
        "V_m = matvec V, m",
        "t4 = add W_x, V_m",
        "t5 = add t4, U_h",
        "t3 = add t5, b",
        "h_next = tanh t3",
    ]


@pytest.mark.parametrize(
    "equations",
    [
        "h' = tanh(W @ x + b)",  # a single product
        "h' = tanh(x + m - x + b)",  # none
        "h' = tanh(W @ x + U @ h)",  # nothing between them
        "h' = tanh(b * (W @ x) + c * (U @ h) + x)",  # products of products are no terms
    ],
)
def test_other_sums_stay(equations: str) -> None:
    before = step(equations)
    assert lines(order_terms(before)) == lines(before)


def test_what_cancels_keeps_its_order() -> None:
    """What is left of x - x + m is exactly m."""
    found = ordered("h' = tanh(x - x + W @ x + m + U @ h)")
    sums = [line for line in found if " add " in line or " sub " in line]
    assert sums == ["t5 = sub x, x", "t6 = add t5, m", "t7 = add W_x, U_h", "t4 = add t7, t6"]


def test_signs_stay_with_their_terms() -> None:
    assert ordered("h' = b - (U @ h) - (c - (W @ x))") == [
        "U_h = matvec U, h",
        "W_x = matvec W, x",
        "t3 = sub b, c",
        "t4 = sub W_x, U_h",
        "h_next = add t4, t3",
    ]
    assert ordered("h' = b - (U @ h) - (V @ x)") == [
        "U_h = matvec U, h",
        "V_x = matvec V, x",
        "t2 = add V_x, U_h",
        "h_next = sub b, t2",
    ]
    assert ordered("h' = x * (-b - (U @ h) - (V @ x))")[-2:] == [
        "t3 = sub t1, t4",
        "h_next = mul x, t3",
    ]


def test_sums_that_others_read_are_terms() -> None:
    """z is handed out and read twice: it stays as it is."""
    found = ordered("z = W @ x + b\nh' = tanh(z + U @ h + V @ m) + z")
    assert "z = add W_x, b" in found
    assert any(line.startswith("h_next = add") for line in found)


def test_results_keep_their_names() -> None:
    before = step("z = W @ x + b + U @ h\nh' = tanh(z)", output="z")
    assert results(order_terms(before)) == results(before)


def test_the_meaning_is_kept() -> None:
    """Sums in another order are as far from the spec as sums in any order are: the yardstick."""
    found, _ = trials(CELLS, SEED)
    changed = 0
    for trial in found:
        cell, steps = trial.cell, trial.cell.steps
        other = Steps(*map(order_terms, (steps.forward, steps.backward, steps.backward_states)))
        changed += other != steps
        moved = interpreted(Compiled(cell.spec, other, cell.interface))
        yardstick = Yardstick(cell, trial.call)
        for dtype in ("float32", "float64"):
            yardstick.check(run(moved, trial.call, "numpy", dtype), dtype, "reordered")
    assert changed > len(found) // 4, "the pass did nothing"
