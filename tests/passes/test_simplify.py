"""simplify: what repeats a value is gone, arithmetic on literals is done, results stay."""

from __future__ import annotations

import pytest
from snippets import lines, results, step

from grugen.passes.drop_dead import drop_dead
from grugen.passes.simplify import simplify


def simplified(equations: str) -> list[str]:
    return lines(drop_dead(simplify(step(equations))))


@pytest.mark.parametrize(
    ("equations", "expected"),
    [
        ("h' = tanh(1 * x)", "h_next = tanh x"),
        ("h' = tanh(x * 1)", "h_next = tanh x"),
        ("h' = tanh(x / 1)", "h_next = tanh x"),
        ("h' = tanh(x - 0)", "h_next = tanh x"),
        ("h' = tanh(x ** 1)", "h_next = tanh x"),
        ("h' = tanh(-(-x))", "h_next = tanh x"),
        ("h' = tanh(concat(x))", "h_next = tanh x"),
        ("h' = tanh((2 * 3 - 5) * x)", "h_next = tanh x"),
    ],
)
def test_neutral_operations_are_gone(equations: str, expected: str) -> None:
    assert simplified(equations) == [expected]


@pytest.mark.parametrize(
    "equations",
    [
        "h' = 0 * x",  # x may be NaN or infinite
        "h' = x + 0",  # of -0 this is 0
        "h' = x - x",
        "h' = 0 - x",  # of 0 this is 0, and -x is -0
        "h' = 1 / x",
        "h' = x ** 0",
        "h' = x ** 2",
        "h' = x + x",
    ],
)
def test_what_could_change_a_result_stays(equations: str) -> None:
    before = step(equations)
    assert lines(simplify(before)) == lines(before)


def test_literals_are_computed() -> None:
    assert simplified("h' = (2 + 3) * (4 - 1) * x") == ["t7 = literal 15", "h_next = mul t7, x"]


@pytest.mark.parametrize("equations", ["h' = x + (-b)", "h' = (-b) + x"])
def test_a_negation_that_is_added_is_subtracted(equations: str) -> None:
    assert simplified(equations) == ["h_next = sub x, b"]


def test_infinite_literals_are_left_alone() -> None:
    found = simplified("h' = max(x, inf - inf)")
    assert "t1 = literal inf" in found


def test_a_number_is_not_taken_for_a_vector() -> None:
    """1 * 2 is a number; spread over h it is another line."""
    assert simplified("v = 1 * 2\nh' = x + v") == ["t2 = literal 2", "h_next = add x, t2"]


def test_results_follow() -> None:
    found = simplify(step("h' = 1 * x"))
    assert results(found) == ["next_state h = x", "output y = x"]
