"""What right kernels compute: warps, blocks, grids, clusters, tensor cores, arithmetic."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from emulator.build import Mode, Order, last_message, set_order
from emulator.conftest import Built

pytestmark = pytest.mark.compiles

Array = np.ndarray[Any, np.dtype[Any]]
LANES = np.arange(64)
LANE = LANES % 32
WARP = LANES - LANE


def shuffles() -> Array:
    eight = LANES - LANES % 8
    down = np.where(LANE + 2 < 32, LANES + 2, LANES)
    up = np.where(LANE >= 2, LANES - 2, LANES)
    # lanes of a segment may read those before it, and none behind
    crossed = WARP + (LANE ^ 9)
    return np.concatenate(
        [
            WARP + 5,
            LANES ^ 3,
            down,
            up,
            eight + 1,
            np.where(crossed < eight + 8, crossed, LANES),
            np.where(LANES % 8 + 3 < 8, LANES + 3, LANES),
            np.where(LANES % 8 >= 3, LANES - 3, LANES),
        ]
    )


def votes() -> Array:
    first = LANES < 32
    rows = [np.ones(64), first, first, np.full(64, 22), np.ones(64), np.zeros(64)]
    totals = [np.where(first, value, other) for value, other in ((496, 1520), (31, 63), (0, 32))]
    return np.concatenate([*rows, *totals, np.full(64, 32)])


def part_of_a_warp() -> Array:
    return np.concatenate([7 - np.arange(8), np.full(24, -1)])


def tiles() -> Array:
    start = LANES // 8 * 8
    return np.concatenate([8 * start + 28, LANES % 8, LANES // 8])


def halves() -> Array:
    # of bf16, 7 bits are behind the point, and 1 + i/512 lies between two numbers of it
    quarters = LANES / 4
    below = np.floor(quarters)
    rest = quarters - below
    up = (rest > 0.5) | ((rest == 0.5) & (below % 2 == 1))
    return np.concatenate([1 + (below + up) / 128, LANES, 2 * LANES])


def numbers() -> Array:
    x = 0.25 * LANES - 8
    return np.concatenate(
        [
            *(1 / (1 + np.exp(-x)), np.tanh(x), np.log1p(np.exp(-abs(x)))),
            *(x * x + 0.5, abs(x), x + 6, x, 2 * x),
        ]
    )


def places() -> Array:
    of_threads = np.concatenate([LANES + 1000 * block for block in range(4)])
    return np.concatenate([of_threads, of_threads[::-1]])


def ring() -> Array:
    return np.repeat([0 + 1 + 2 + 3, 4 + 5 + 6 + 7], 256)


def acquired() -> Array:
    return np.concatenate([np.arange(256), np.arange(256)[::-1]])


def relaxed() -> Array:
    sums = np.arange(256)
    for _ in range(3):
        sums = sums + np.roll(sums, -64)
    return sums


FEATURES = (
    (shuffles, np.float32, 0),
    (votes, np.int32, 0),
    (part_of_a_warp, np.float32, 0),
    (tiles, np.float32, 0),
    (halves, np.float32, 0),
    (numbers, np.float32, 1e-6),
    (places, np.int32, 0),
    (ring, np.float32, 0),
    (acquired, np.float32, 0),
    (relaxed, np.float32, 0),
)


def call(library: Any, name: str, *arrays: Array) -> int:
    function = getattr(ctypes.CDLL(str(library)), name)
    return int(function(*(ctypes.c_void_p(array.ctypes.data) for array in arrays)))


def results_of(library: Any, name: str, results: Array) -> Array:
    function = getattr(ctypes.CDLL(str(library)), f"run_{name}")
    status = function(ctypes.c_void_p(results.ctypes.data), results.size)
    assert (status, last_message(library)) == (0, "")
    return results


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("mode", ["plain", "race"])
@pytest.mark.parametrize(
    ("expected", "dtype", "tolerance"), FEATURES, ids=[row[0].__name__ for row in FEATURES]
)
def test_values(
    built: Built,
    mode: Mode,
    order: Order,
    expected: Callable[[], Array],
    dtype: type,
    tolerance: float,
) -> None:
    library = built("features", mode)
    set_order(library, order, seed=5)
    wanted = expected()
    results = results_of(library, expected.__name__, np.zeros(wanted.size, dtype))
    np.testing.assert_allclose(results, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("order", Order)
def test_atomics(built: Built, order: Order) -> None:
    library = built("features", "race")
    set_order(library, order, seed=5)
    results = results_of(library, "atomics", np.zeros(8, np.int32))
    assert results[4] in range(1, 65)
    # all but the first find the place taken
    assert results[5] == results[4]
    assert list(results[[0, 1, 2, 3, 6]]) == [2016, 63, -63, 36, -1]


ROUNDING = {
    "half": 2.0**-11,
    "bf16": 2.0**-8,
    "tf32": 2.0**-11,
    "registers": 2.0**-11,
    "pairs": 2.0**-8,
}


@pytest.mark.parametrize("mode", ["plain", "race"])
@pytest.mark.parametrize("kind", ROUNDING)
def test_tensor_cores(built: Built, kind: str, mode: Mode) -> None:
    rng = np.random.default_rng(1)
    left = rng.standard_normal((16, 64)).astype(np.float32)
    right = rng.standard_normal((64, 64)).astype(np.float32)
    result = np.zeros((16, 64), np.float32)
    library = built("matrices", mode)
    set_order(library, Order.RANDOM, seed=2)
    status = call(library, f"multiply_{kind}", left, right, result)
    assert (status, last_message(library)) == (0, "")
    exact = (left @ right.T.astype(np.float64)) * (0.5 if kind in ("half", "bf16") else 1.0)
    error = abs(result - exact) / (abs(left) @ abs(right.T))
    # the numbers are rounded, and no more than that
    assert ROUNDING[kind] / 100 < error.max() < 2 * ROUNDING[kind]


@pytest.mark.parametrize("mode", ["plain", "race"])
def test_matrices_are_loaded(built: Built, mode: Mode) -> None:
    """As PTX says of ldmatrix: two elements of a line each, or of a column."""
    library = built("matrices", mode)
    matrices = np.arange(256, dtype=np.float32).reshape(4, 8, 8)
    for name, wanted in (("loaded_lines", matrices), ("loaded_columns", matrices.swapaxes(1, 2))):
        found = results_of(library, name, np.zeros(256, np.float32))
        # lane, matrix, one of two
        shares = found.reshape(32, 4, 2).swapaxes(0, 1).reshape(4, 8, 8)
        np.testing.assert_array_equal(shares, wanted)


def test_nobody_knows_where_elements_are(built: Built) -> None:
    library = built("matrices", "plain")
    results = results_of(library, "guessed_map", np.zeros(256, np.float32))
    assert sorted(results) == list(range(256))
    rows = results.reshape(16, 16)
    # the map that the hardware happens to have: four lanes a row, two neighbours each
    assert not (np.diff(rows[:, ::2], axis=0) == 32).all()
    assert not (rows.ravel() == np.arange(256)).all()
