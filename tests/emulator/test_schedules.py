"""A right kernel has one result in every schedule, and a seed is one schedule."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulator.build import Mode, Order, allocations, last_message, set_order
from emulator.conftest import Built

pytestmark = pytest.mark.compiles

Array = np.ndarray[Any, np.dtype[np.float32]]


class Gru:
    """Arguments of the GRU of gru.cu, and what it should find."""

    def __init__(self, steps: int, batch: int, hidden: int) -> None:
        rng = np.random.default_rng(steps)

        def random(*shape: int) -> Array:
            return rng.standard_normal(shape).astype(np.float32)

        self.sizes = (steps, batch, hidden)
        self.projected = random(steps, batch, 3 * hidden)
        self.recurrent = random(3 * hidden, hidden) / np.float32(hidden**0.5)
        self.bias = random(hidden)
        self.initial = random(batch, hidden)

    def run(self, library: Path, threads: int) -> Array:
        states = np.full(self.sizes, np.nan, np.float32)
        arrays = (self.projected, self.recurrent, self.bias, self.initial, states)
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        status = ctypes.CDLL(str(library)).run_gru(*pointers, *self.sizes, threads)
        assert (status, last_message(library)) == (0, "")
        assert not allocations(library)
        return states

    def expected(self) -> Array:
        hidden = self.sizes[2]
        state = self.initial.astype(np.float64)
        states = []
        for x in self.projected.astype(np.float64):
            r, z, n = np.split(state @ self.recurrent.T.astype(np.float64), 3, axis=1)
            r = 1 / (1 + np.exp(-(x[:, :hidden] + r)))
            z = 1 / (1 + np.exp(-(x[:, hidden : 2 * hidden] + z)))
            n = np.tanh(x[:, 2 * hidden :] + r * (n + self.bias))
            state = n + z * (state - n)
            states.append(state)
        return np.stack(states)


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("mode", ["plain", "race"])
def test_gru(built: Built, mode: Mode, order: Order) -> None:
    library = built("gru", mode)
    set_order(library, order, seed=1)
    gru = Gru(steps=8, batch=8, hidden=64)
    np.testing.assert_allclose(gru.run(library, threads=256), gru.expected(), atol=2e-6)


def test_two_hundred_schedules_have_one_result(built: Built) -> None:
    library = built("gru", "plain")
    gru = Gru(steps=6, batch=4, hidden=32)
    results = set()
    for seed in range(200):
        set_order(library, Order.RANDOM, seed)
        results.add(gru.run(library, threads=128).tobytes())
    assert len(results) == 1


def test_schedules_differ(built: Built) -> None:
    # the first thread to find the place empty takes it
    library = built("features", "plain")
    firsts = [_first(library, Order.RANDOM, seed) for seed in range(20)]
    assert len(set(firsts)) > 10
    assert _first(library, Order.FORWARD, 1) == 1
    assert _first(library, Order.REVERSE, 1) == 64


@pytest.mark.parametrize("seed", [1, 7])
def test_a_seed_is_one_schedule(built: Built, seed: int) -> None:
    library = built("features", "plain")
    assert _first(library, Order.RANDOM, seed) == _first(library, Order.RANDOM, seed)
    bugs = built("grid_bugs", "race")
    messages = []
    for _ in range(3):
        set_order(bugs, Order.RANDOM, seed)
        results = (ctypes.c_float * 512)()
        assert ctypes.CDLL(str(bugs)).run_no_fence_before(results, 512)
        messages.append(last_message(bugs))
    assert len(set(messages)) == 1
    assert messages[0]


def _first(library: Path, order: Order, seed: int) -> int:
    set_order(library, order, seed)
    results = (ctypes.c_int * 8)()
    assert ctypes.CDLL(str(library)).run_atomics(results, 8) == 0
    return results[4]
