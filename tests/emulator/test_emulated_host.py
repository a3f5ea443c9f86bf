"""The host's side: graphs, events, what a device says of itself, launches that must fail."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from emulator.build import (
    Mode,
    Order,
    allocations,
    graphs,
    last_message,
    set_device,
    set_failure,
    set_order,
)
from emulator.conftest import Built

pytestmark = pytest.mark.compiles

INVALID_VALUE = 1
INVALID_CONFIGURATION = 9
OUT_OF_MEMORY = 2
TOO_LARGE = 720
UNSUPPORTED_BY_CAPTURE = 900
UPDATE_FAILURE = 910
PROCESSORS = 16
SHARED_PER_BLOCK_OPTIN = 97


@pytest.fixture
def path(built: Built) -> Iterator[Path]:
    library = built("host", "plain")
    set_order(library, Order.FORWARD)
    yield library
    set_device(library)
    last_message(library)


@pytest.fixture
def library(path: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(path))


@pytest.mark.parametrize("mode", ["plain", "race"])
@pytest.mark.parametrize("times", [0, 1, 3])
def test_graph(built: Built, mode: Mode, times: int) -> None:
    path = built("host", mode)
    results = np.full(64, np.nan, np.float32)
    status = ctypes.CDLL(str(path)).add_by_graph(ctypes.c_void_p(results.ctypes.data), times)
    assert (status, last_message(path)) == (0, "")
    # what was captured of both streams, and nothing while it was captured
    assert (results == 3 * times).all()
    assert not allocations(path)
    assert not graphs(path)


@pytest.mark.parametrize(
    ("times", "fills", "status", "sum_"),
    [(2, False, 0, 222), (3, False, UPDATE_FAILURE, 42), (1, True, UPDATE_FAILURE, 42)],
)
def test_graphs_change_what_they_are_handed(
    library: ctypes.CDLL, path: Path, times: int, fills: bool, status: int, sum_: int
) -> None:
    """Not what they launch: two kernels stay two kernels."""
    results = np.full(64, np.nan, np.float32)
    found = library.update_graph(ctypes.c_void_p(results.ctypes.data), times, int(fills))
    assert (found, last_message(path)) == (status, "")
    assert (results == sum_).all()
    assert not graphs(path)


@pytest.mark.parametrize(
    ("which", "message"),
    [
        (0, "cudaGraphLaunch: there is no such graph any more"),
        (1, "cudaGraphInstantiate: there is no such graph any more"),
        (2, "cudaGraphLaunch: a kernel was handed memory that has been freed since"),
    ],
)
def test_what_is_gone_is_not_used(
    library: ctypes.CDLL, path: Path, which: int, message: str
) -> None:
    assert library.use_what_is_gone(which) == INVALID_VALUE
    assert last_message(path) == message
    assert not graphs(path)


def test_graphs_are_made_beside_a_capture(library: ctypes.CDLL) -> None:
    assert library.make_graph_while_capturing(0) == UNSUPPORTED_BY_CAPTURE
    assert library.make_graph_while_capturing(1) == 0


def test_calls_fail_when_they_are_told_to(library: ctypes.CDLL, path: Path) -> None:
    assert set_failure(path, 1) == -1
    assert [library.launch_cooperative(1) for _ in range(3)] == [0, OUT_OF_MEMORY, 0]
    set_failure(path, 5)
    assert [library.launch_cooperative(1) for _ in range(2)] == [0, 0]
    assert set_failure(path, -1) == 3


@pytest.mark.parametrize("mode", ["plain", "race"])
def test_host_keeps_its_own_variables(built: Built, mode: Mode) -> None:
    library = ctypes.CDLL(str(built("host", mode)))
    assert [library.kept_by_host(number) for number in (4, 0, -4)] == [5, 5, 1]


def test_capture_refuses_what_waits(library: ctypes.CDLL) -> None:
    assert library.allocate_while_capturing() == UNSUPPORTED_BY_CAPTURE


def test_events_tell_time(library: ctypes.CDLL) -> None:
    times = []
    for launches in (1, 400):
        milliseconds = ctypes.c_float(math.nan)
        assert library.time_of_launches(ctypes.byref(milliseconds), launches) == 0
        times.append(milliseconds.value)
    assert 0 < times[0] < times[1]


@pytest.mark.parametrize(
    ("kilobytes", "allowed", "status"),
    [
        (48, False, 0),
        (49, False, INVALID_VALUE),
        (49, True, 0),
        (227, True, 0),
        (228, True, INVALID_VALUE),
    ],
)
def test_shared_memory_must_be_asked_for(
    library: ctypes.CDLL, kilobytes: int, allowed: bool, status: int
) -> None:
    assert library.launch_with_shared(kilobytes << 10, int(allowed)) == status


def test_cooperative_grids_must_fit(library: ctypes.CDLL, path: Path) -> None:
    set_device(library=path, processors=3, blocks_per_processor=2)
    assert library.launch_cooperative(6) == 0
    assert library.launch_cooperative(7) == TOO_LARGE
    set_device(path, processors=3)
    # 64 threads: 32 blocks of a processor
    assert library.launch_cooperative(96) == 0
    assert library.launch_cooperative(97) == TOO_LARGE
    assert library.launch_cooperative(0) == INVALID_CONFIGURATION
    assert library.remembered_error() == 1


def test_blocks_at_once(library: ctypes.CDLL, path: Path) -> None:
    assert library.blocks_at_once(256, 0) == 8
    assert library.blocks_at_once(1024, 0) == 2
    assert library.blocks_at_once(128, 227 << 10) == 1
    assert library.blocks_at_once(128, 100 << 10) == 2
    set_device(path, 132, 1)
    assert library.blocks_at_once(256, 0) == 1


def test_attributes(library: ctypes.CDLL, path: Path) -> None:
    assert library.attribute(PROCESSORS) == 132
    assert library.attribute(SHARED_PER_BLOCK_OPTIN) == 227 << 10
    set_device(path, processors=5)
    assert library.attribute(PROCESSORS) == 5


def test_pointers_know_where_they_are(library: ctypes.CDLL) -> None:
    assert library.kind_of_pointer(1) == 2
    assert library.kind_of_pointer(0) == 0


def test_errors_have_words(library: ctypes.CDLL) -> None:
    library.words_of.restype = ctypes.c_char_p
    assert library.words_of(TOO_LARGE) == b"too many blocks in cooperative launch"
