"""What mutations of a text are, and that the race detector notices each one of a kernel."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
from emulator.build import Order, compile_library, last_message, set_order
from emulator.conftest import KERNELS, Built
from emulator.mutate import Mutation, mutations

TEXT = """\
__device__ void meet(int goal);
__device__ void meet(int goal) { __syncthreads(); }  // __syncthreads();
__global__ void kernel() {
    if (a) __syncwarp(mask(1)); else __threadfence();
    /* grid.sync(); */
    cg::this_grid().sync();
    meet(
        3);
    const int n = __syncthreads_count(1);
    // no test can show what this one is for
    cluster.sync();
    __pipeline_wait_prior(0);  // no test can show it
    cg::sync(grid);
}
"""


def test_sites() -> None:
    found = [(mutation.line, mutation.call) for mutation in mutations(TEXT, ["meet"])]
    assert found == [
        (2, "__syncthreads()"),
        (4, "__syncwarp(mask(1))"),
        (4, "__threadfence()"),
        (6, "cg::this_grid().sync()"),
        (7, "meet( 3)"),
        (11, "cluster.sync()"),
        (12, "__pipeline_wait_prior(0)"),
        (13, "cg::sync(grid)"),
    ]
    assert [m.line for m in mutations(TEXT) if m.is_argued] == [11, 12]


def test_one_is_dropped_and_lines_stay() -> None:
    (meet,) = [m for m in mutations(TEXT, ["meet"]) if m.call.startswith("meet")]
    before, after = TEXT.splitlines(), meet.text.splitlines()
    assert len(after) == len(before)
    assert after[6:8] == ["    static_cast<void>(0)", ";"]
    assert after[:6] + after[8:] == before[:6] + before[8:]


RELAY = (KERNELS / "relay.cu").read_text(encoding="utf-8")
OF_RELAY = mutations(RELAY, ["own_barrier"])


def message_of(library: Path) -> str:
    results = (ctypes.c_float * 512)()
    set_order(library, Order.FORWARD)
    ctypes.CDLL(str(library)).run_relay(results, 512)
    return last_message(library)


def test_nothing_is_wrong_to_begin_with(built: Built) -> None:
    assert not message_of(built("relay", "race"))
    assert len(OF_RELAY) == 10


@pytest.mark.compiles
@pytest.mark.parametrize("mutation", OF_RELAY, ids=str)
def test_each_is_noticed(built: Built, tmp_path: Path, mutation: Mutation) -> None:
    built("relay", "race")
    source = tmp_path / "relay.cu"
    source.write_text(mutation.text, encoding="utf-8")
    library = compile_library(source, "race", tmp_path, include=[KERNELS], flags=["-w"])
    assert bool(message_of(library)) != mutation.is_argued
