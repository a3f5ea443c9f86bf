"""What is compared before anything is timed."""

from __future__ import annotations

import numpy as np
import pytest

from grugen.bench.reference import comparable, largest_error

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
