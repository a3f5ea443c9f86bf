"""What is compared before anything is timed."""

from __future__ import annotations

import numpy as np
import pytest

from grugen.bench.reference import Results, comparable, largest_error, verdict

ONES = np.ones((2, 3))
FOUND = {"output y": ONES, "state h": ONES, "d state h": ONES, "d input x": ONES}


def test_a_layer_that_hands_out_no_states_says_nothing_of_them() -> None:
    layer = {"output y": ONES, "d input x": ONES + 0.5}
    assert set(comparable(FOUND, layer)) == {"output y", "d input x"}
    assert largest_error(comparable(FOUND, layer), layer) == (pytest.approx(1 / 3), "d input x")


def test_states_are_compared_where_they_are_known() -> None:
    interpreter = {**FOUND, "state h": ONES - 0.5}
    assert comparable(FOUND, interpreter) == FOUND
    assert largest_error(comparable(FOUND, interpreter), interpreter) == (0.5, "state h")


def test_a_tensor_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError, match="output z"):
        largest_error(comparable({"output z": ONES}, FOUND), FOUND)


def never() -> Results:
    raise AssertionError("what is near needs nothing else")


def test_what_is_near_is_right() -> None:
    wanted = {"output y": ONES, "d input x": 8 * ONES}
    found = {"output y": ONES + 5e-5, "d input x": 8 * ONES + 5e-4}
    assert verdict(found, wanted, 1e-4, never) == (pytest.approx(6.25e-5), "")


@pytest.mark.parametrize(("far", "reason"), [(0.39, ""), (0.41, "'d input x' is 4.1e-01")])
def test_a_cell_may_make_much_of_rounding_errors(far: float, reason: str) -> None:
    """Four times what float32 does to the interpreter itself, tensor by tensor."""
    wanted = {"output y": ONES, "d input x": ONES}
    rounded = {"output y": ONES, "d input x": ONES + 0.1}
    found = {"output y": ONES, "d input x": ONES + far}
    error, said = verdict(found, wanted, 1e-4, lambda: rounded)
    assert error == pytest.approx(far)
    assert said == (f"{reason} from the interpreter, 4e-01 is allowed" if reason else "")
    other = {"output y": ONES + far, "d input x": ONES}
    said = verdict(other, wanted, 1e-4, lambda: rounded)[1]
    assert said == f"'output y' is {far:.1e} from the interpreter, 1e-04 is allowed"


def test_what_is_not_finite_is_wrong_whatever_float32_does() -> None:
    nothing = {"output y": ONES * np.nan}
    said = verdict(nothing, {"output y": ONES}, 1e-4, lambda: nothing)[1]
    assert said == "'output y' is inf from the interpreter, 1e-04 is allowed"


def test_where_float32_takes_too_long_the_bound_stands() -> None:
    said = verdict({"output y": ONES + 1e-3}, {"output y": ONES}, 1e-4, dict)[1]
    assert said == "'output y' is 1.0e-03 from the interpreter, 1e-04 is allowed"
