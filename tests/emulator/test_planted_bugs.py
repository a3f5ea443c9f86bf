"""Each planted bug is reported, with the right words and the right lines, in the modes that can."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from emulator.build import (
    MODES,
    Mode,
    Order,
    allocations,
    last_message,
    run_sanitized,
    set_most_spins,
    set_order,
)
from emulator.conftest import KERNELS, Built

pytestmark = pytest.mark.compiles

SIZES = {"grid_bugs": 512, "cluster_bugs": 256}
LAUNCH_FAILURE = 719
NAN = "results that are not numbers"
NAN_BACKWARDS = "results that are not numbers, in reverse and random order"
WRONG = "numbers that are wrong"
WRONG_BACKWARDS = "numbers that are wrong, in reverse and random order"
UNSEEN = "nothing to see"
NEVER_WRITTEN = "that was never written"
RACE = "is not ordered with the"


@dataclass(frozen=True)
class Bug:
    stem: str
    name: str
    plain: str
    race: str


BUGS = (
    Bug("block_bugs", "unordered_read", NAN, NEVER_WRITTEN),
    Bug("block_bugs", "hidden_read", NAN_BACKWARDS, RACE),
    Bug("block_bugs", "early_write", WRONG, RACE),
    Bug("block_bugs", "hidden_write", WRONG_BACKWARDS, RACE),
    Bug("block_bugs", "lost_update", UNSEEN, RACE),
    *(
        Bug(stem, name, message, message)
        for stem, name, message in (
            ("block_bugs", "divergent", "barrier divergence: thread"),
            ("block_bugs", "early_exit", "has exited the kernel"),
            ("block_bugs", "first_exits", "has exited the kernel"),
            ("block_bugs", "mixed_wait", "deadlock in block (0,0,0): 63 threads at the __sync"),
            ("block_bugs", "trapped", "__trap(); thread (7,0,0) of block (0,0,0)"),
            ("warp_bugs", "absent_lanes", "exited"),
            ("warp_bugs", "exited_lanes", "exited"),
            ("warp_bugs", "outside_of_mask", "not in its own mask 0x0000ffff"),
            ("warp_bugs", "overlapping_masks", "a lane exited while others of its mask wait"),
            ("warp_bugs", "different_operations", "lanes of one warp are in different operations"),
            ("warp_bugs", "reads_absent_lane", "lane 0 reads lane 9, which is not in mask"),
            ("grid_bugs", "some_blocks", "deadlock: block (0,0,0) waits at the grid.sync()"),
            ("grid_bugs", "two_barriers", "blocks are at different grid.sync() calls"),
            ("grid_bugs", "not_cooperative", "was not launched as cooperative"),
            ("grid_bugs", "waits_for_nobody", "a loop that waits for nobody?"),
            ("cluster_bugs", "too_far", "a cluster of 4 blocks has no block 4"),
            ("cluster_bugs", "one_leaves", "waits at the cluster.sync()"),
            ("copy_bugs", "exits_with_copies", "copies that it has not waited for"),
            ("copy_bugs", "misaligned", "not aligned"),
            ("copy_bugs", "wrong_size", "copy of 12 bytes"),
            ("memory_bugs", "wrong_free", "cudaFree: no allocation begins there"),
            ("memory_bugs", "wrong_copy", "do not fit the direction or their allocations"),
            ("matrices", "unaligned", "the pointer is not aligned to 32 bytes"),
            ("matrices", "unaligned_line", "ldmatrix: a line is not aligned to 16 bytes"),
        )
    ),
    Bug("block_bugs", "never_written", NAN, NEVER_WRITTEN),
    Bug("block_bugs", "never_written_global", NAN, NEVER_WRITTEN),
    Bug("warp_bugs", "no_syncwarp", NAN, NEVER_WRITTEN),
    Bug("grid_bugs", "no_grid_sync", NAN, NEVER_WRITTEN),
    Bug("grid_bugs", "two_writers", UNSEEN, RACE),
    Bug("grid_bugs", "no_fence_before", UNSEEN, RACE),
    Bug("grid_bugs", "no_fence_after", UNSEEN, RACE),
    Bug("grid_bugs", "relaxed_flag", UNSEEN, RACE),
    Bug("grid_bugs", "after_release", UNSEEN, RACE),
    Bug("cluster_bugs", "no_sync_before", NAN, NEVER_WRITTEN),
    Bug("cluster_bugs", "no_sync_after", NAN, "the shared memory of a block that has exited"),
    Bug("copy_bugs", "no_wait", NAN, RACE),
    Bug("copy_bugs", "wait_without_barrier", NAN_BACKWARDS, RACE),
    Bug("memory_bugs", "beyond_part", UNSEEN, "outside of the arrays of shared memory"),
    Bug("memory_bugs", "beyond_dynamic", UNSEEN, "outside of the arrays of shared memory"),
    Bug("memory_bugs", "beyond_static", UNSEEN, UNSEEN),
)
SEEN_BY_VALUES = (NAN, NAN_BACKWARDS, WRONG, WRONG_BACKWARDS, UNSEEN)


def marked_lines(stem: str, name: str) -> set[str]:
    lines = (KERNELS / f"{stem}.cu").read_text(encoding="utf-8").splitlines()
    marked = (n for n, line in enumerate(lines, 1) if re.search(rf"// at {name}\b", line))
    return {f"{stem}.cu:{n}" for n in marked}


def run(library: Path, bug: Bug, order: Order) -> tuple[int, str, np.ndarray]:
    count = SIZES.get(bug.stem, 64)
    results = np.zeros(256 if bug.stem == "matrices" else count, np.float32)
    set_order(library, order, seed=3)
    set_most_spins(library, 20_000)
    function = getattr(ctypes.CDLL(str(library)), f"run_{bug.name}")
    # so that a pointer is not cut to 32 bits
    status = function(ctypes.c_void_p(results.ctypes.data), results.size)
    return status, last_message(library), results


def check_message(bug: Bug, expected: str, message: str) -> None:
    assert expected in message
    named = set(re.findall(r"\w+\.cu:\d+", message))
    marked = marked_lines(bug.stem, bug.name)
    if expected == NEVER_WRITTEN:
        assert len(named) == 1
        assert named <= marked, message
    else:
        assert named == marked, message


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_plain(built: Built, bug: Bug, order: Order) -> None:
    library = built(bug.stem, "plain")
    status, message, results = run(library, bug, order)
    assert not allocations(library)
    if bug.plain not in SEEN_BY_VALUES:
        assert status
        check_message(bug, bug.plain, message)
        return
    assert not message
    backwards = order is not Order.FORWARD
    expected = bug.plain == NAN or (bug.plain == NAN_BACKWARDS and backwards)
    assert np.isnan(results).any() == expected
    if bug.plain == WRONG:
        assert (results != (np.arange(64) + 1) % 64).any()
    if bug.plain == WRONG_BACKWARDS:
        assert (results != np.arange(64) + 1).any() == backwards


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_race(built: Built, bug: Bug) -> None:
    # threads in the order of their numbers: what the detector sees does not depend on luck
    status, message, _ = run(built(bug.stem, "race"), bug, Order.FORWARD)
    if bug.race == UNSEEN:
        assert not message
        return
    assert status == (1 if bug.name.startswith("wrong_") and "mem" in bug.stem else LAUNCH_FAILURE)
    check_message(bug, bug.race, message)


RIGHT = (
    ("block_bugs", "right"),
    ("grid_bugs", "own_barrier_right"),
    ("grid_bugs", "a_lane_for_its_warp"),
    ("grid_bugs", "released_twice"),
    ("cluster_bugs", "neighbours"),
    ("copy_bugs", "copied"),
    ("memory_bugs", "parts_right"),
)


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "asan"])
@pytest.mark.parametrize(("stem", "name"), RIGHT)
def test_right_kernels_are_silent(
    built: Built, stem: str, name: str, mode: Mode, order: Order
) -> None:
    status, message, results = run(built(stem, mode), Bug(stem, name, "", ""), order)
    assert (status, message) == (0, "")
    assert np.isfinite(results).all()


SANITIZED = {
    "beyond_global": "heap-buffer-overflow",
    "beyond_dynamic": "use-after-poison",
    "beyond_part": "use-after-poison",
    "beyond_static": "index 64 out of bounds for type 'float [64]'",
}


def run_alone(library: Path, name: str) -> tuple[str, str]:
    program = Path(__file__).with_name("sanitized_kernel.py")
    done = run_sanitized([str(program), str(library), f"run_{name}"])
    return done.stdout, done.stderr


@pytest.mark.parametrize("name", SANITIZED)
def test_sanitizer(built: Built, name: str) -> None:
    output, errors = run_alone(built("memory_bugs", "asan"), name)
    assert not output
    assert SANITIZED[name] in errors
    (line,) = marked_lines("memory_bugs", name)
    assert line in errors


def test_sanitizer_is_silent(built: Built) -> None:
    output, errors = run_alone(built("memory_bugs", "asan"), "parts_right")
    assert (output, errors) == ("status 0\n", "")
