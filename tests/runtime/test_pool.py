"""Memory is handed out again when nothing refers to it any more, and never before."""

from __future__ import annotations

import gc
import os
import pickle
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
import pytest

import grugen
from grugen.runtime import memory, pool
from grugen.runtime.engine import Array
from grugen.runtime.pool import HUGE, OWN_REFERENCES, PAGE, Block, Pool, block_size

GRU = {"D": 33, "H": 64, "seed": 0}


def array(source: Pool, size: int) -> Array:
    return np.ndarray((size,), np.uint8, source.lend(size))


def address(found: Array) -> int:
    return int(found.__array_interface__["data"][0])


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all blocks that were taken from the system."""
    taken: list[int] = []

    class Counted(Block):
        def __init__(self, size: int) -> None:
            taken.append(size)
            super().__init__(size)

    monkeypatch.setattr(pool, "Block", Counted)
    return taken


def test_sizes_of_blocks() -> None:
    for size in (0, 1, PAGE, PAGE + 1, 5 * 2**20, 5 * 2**20 + 1, 2**40 - 1, 10**30):
        found = block_size(size)
        assert size <= found
        assert found == block_size(found)
        assert found == PAGE or found <= size * 1.25


def test_a_block_is_used_again_when_its_last_view_is_gone(blocks: list[int]) -> None:
    source = Pool(2**30)
    found = array(source, 3 * PAGE)
    view = found[5:].view(np.uint8)[::2].reshape(2, -1).T
    exported = memoryview(view[0].base)  # type: ignore[arg-type]
    del found
    gc.collect()
    assert source.free_bytes == 0
    del view
    assert source.free_bytes == 0
    del exported
    assert source.free_bytes == 3 * PAGE
    array(source, 3 * PAGE)
    assert blocks == [3 * PAGE]


def test_arrays_are_ordinary() -> None:
    for size in (PAGE, HUGE, 3 * HUGE):
        found = array(Pool(2**30), size)
        assert found.flags.c_contiguous
        assert found.flags.writeable
        assert type(found) is np.ndarray
        assert address(found) % (HUGE if size >= HUGE else 64) == 0
        found[...] = 7
        assert np.array_equal(pickle.loads(pickle.dumps(found)), found)


def test_a_lease_that_a_finalizer_saves_stays_lent() -> None:
    saved: list[Any] = []

    class Phoenix:
        def __init__(self, lease: object) -> None:
            self.lease, self.me = lease, self

        def __del__(self) -> None:
            saved.append(self.lease)

    source = Pool(2**30)
    Phoenix(source.lend(PAGE))
    gc.collect()
    array(source, PAGE)
    assert len(saved) == 1
    saved[0][...] = 1
    array(source, PAGE)[...] = 2
    assert np.all(saved[0] == 1)


def test_what_is_too_much_goes_oldest_first() -> None:
    source = Pool(4 * PAGE)
    sizes = [PAGE, 2 * PAGE, PAGE, 3 * PAGE]
    lent = [array(source, size) for size in sizes]
    places = [address(found) for found in lent]
    kept = []
    while lent:
        del lent[0]
        kept.append(source.free_bytes // PAGE)
    assert kept == [1, 3, 4, 4]
    # the last two are left
    again = array(source, PAGE), array(source, 3 * PAGE)
    assert [address(found) for found in again] == places[2:]


@pytest.mark.parametrize(
    ("texts", "limit"),
    [
        ({}, None),
        ({"a/memory.max": "max\n"}, None),
        ({"a/memory.max": "4096\n", "memory.max": "8192\n"}, 4096),
        ({"a/memory.max": "8192\n", "memory.max": "4096\n"}, 4096),
        ({"memory/b/memory.limit_in_bytes": f"{2**63 - 4096}\n"}, None),
        ({"memory/b/memory.limit_in_bytes": "12288\n"}, 12288),
    ],
)
def test_memory_of_the_control_group(
    texts: dict[str, str], limit: int | None, tmp_path: Path
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("4:memory:/b\n0::/a\n")
    for name, text in texts.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert memory.usable_memory(tmp_path) == (limit or machine)


def test_a_block_that_was_borrowed_is_used_again(blocks: list[int]) -> None:
    source = Pool(4 * PAGE)
    for size in (3 * PAGE, 2 * PAGE, 3 * PAGE, 3 * PAGE):
        block = source.take(size)
        source.give_back(block)
    # what is more than the pool may keep went first
    assert source.free_bytes == 3 * PAGE
    assert blocks == [3 * PAGE, 2 * PAGE, 3 * PAGE]


def test_small_blocks_are_counted_now_and_then() -> None:
    source = Pool(256 * PAGE)
    lent = [array(source, PAGE) for _ in range(400)]
    del lent
    gc.collect()
    assert 256 * PAGE <= source.free_bytes <= 272 * PAGE


def test_a_block_may_be_taken_from_its_shelf_and_put_back() -> None:
    source = Pool(2**30)
    shelf = source.shelf(2 * PAGE)
    assert shelf is source.shelf(2 * PAGE)
    array(source, 2 * PAGE)
    block = shelf.pop()
    assert source.free_bytes == 0
    # outside of an assert, which refers to what it looks at
    alone = sys.getrefcount(block.mapping)
    view = np.frombuffer(block.mapping, np.uint8)
    shared = sys.getrefcount(block.mapping)
    assert alone == OWN_REFERENCES < shared
    del view
    shelf.append(block)
    assert source.free_bytes == source.release() == 2 * PAGE


def test_release() -> None:
    source = Pool(2**30)
    lent = array(source, PAGE)
    lent[...] = 9
    array(source, 5 * PAGE)
    assert source.release() == 5 * PAGE
    assert source.release() == 0
    assert np.all(lent == 9)


def test_memory_that_cannot_be_had() -> None:
    source = Pool(2**30)
    array(source, PAGE)
    for size in (2**60, 2**63, 10**30):
        with pytest.raises(MemoryError):
            source.lend(size)
        # what was kept went first, in case that it was enough
        assert source.free_bytes == 0


def juggle(source: Pool, seed: int, turns: int, wrong: list[str]) -> None:
    """Hold arrays for random times; each is full of a number of its own as long as it is held."""
    chance = random.Random(seed)
    held: list[tuple[int, Array]] = []
    for turn in range(turns):
        mark = chance.randrange(2**31)
        size = chance.choice([PAGE, 2 * PAGE, 2 * PAGE, 5 * PAGE]) // 4
        found = np.ndarray((size,), np.int32, source.lend(4 * size))
        found[...] = mark
        match chance.randrange(4):
            case 0:
                held.append((mark, found[chance.randrange(100) :: 7]))
            case 1:
                held.append((mark, found.reshape(-1, 64).T[3]))
            case 2:
                loop: list[Any] = [found]
                loop.append(loop)  # only the garbage collector ends this one
                held.append((mark, np.asarray(memoryview(found)[8:])))
            case _:
                held.append((mark, found))
        del found
        while held and chance.random() < 0.55:
            mark, view = held.pop(chance.randrange(len(held)))
            if not np.all(view == mark):
                wrong.append(f"turn {turn}: {mark} was overwritten")
        if chance.random() < 0.01:
            source.release()
    wrong += [f"{mark} was overwritten" for mark, view in held if not np.all(view == mark)]


def test_nothing_is_handed_out_twice() -> None:
    source = Pool(20 * PAGE)
    wrong: list[str] = []
    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=juggle, args=(source, seed, 1500, wrong)) for seed in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(old)
    gc.collect()
    assert wrong == []
    assert source.free_bytes <= source.most


def test_a_forked_child_has_memory_of_its_own() -> None:
    source = Pool(2**30)
    kept = array(source, PAGE)
    kept[...] = 1
    array(source, PAGE)[...] = 2
    child = os.fork()
    if child == 0:
        kept[...] = 3
        same = array(source, PAGE)
        same[...] = 4
        os._exit(0 if np.all(kept == 3) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    again = array(source, PAGE)
    assert np.all(kept == 1)
    assert np.all(again == 2)


def test_an_array_at_the_end_of_the_process() -> None:
    program = (
        "import numpy, grugen\n"
        "cell = grugen.load('gru', target='numpy').Cell(D=33, H=64)\n"
        "run = cell.forward(x=numpy.ones((48, 64, 33)), tape=True)\n"
        "grads = cell.backward(run)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.compiles
def test_a_training_loop_takes_no_memory(blocks: list[int]) -> None:
    cell = grugen.load("gru").Cell(**GRU)
    x = np.ones((48, 64, 33), np.float32)
    for turn in range(5):
        run = cell.forward(x=x, tape=True, threads=1)
        grads = cell.backward(run, outputs={"y": run.outputs["y"]}, threads=1)
        if turn == 2:
            # from here on, the results of one call live while the next ones are made
            blocks.clear()
    assert blocks == []
    assert grads.inputs["x"].shape == x.shape


@pytest.mark.compiles
def test_results_that_are_held_stay() -> None:
    cell = grugen.load("gru").Cell(**GRU)
    chance = np.random.default_rng(0)
    held = []
    for _ in range(6):
        x = chance.standard_normal((48, 64, 33), np.float32)
        run = cell.forward(x=x, tape=True)
        grads = cell.backward(run, outputs={"y": run.outputs["y"]})
        part = run.outputs["y"][3:, ::2]
        held.append((part, part.copy(), grads.inputs["x"], grads.inputs["x"].copy()))
    for part, copy, gradient, same in held:
        assert np.array_equal(part, copy)
        assert np.array_equal(gradient, same)


@pytest.mark.compiles
def test_what_a_call_needs_is_told() -> None:
    cell = grugen.load("gru").Cell(**GRU)
    x = np.ones((48, 64, 33), np.float32)
    assert cell.forward(x=x).tape_bytes == 0
    run = cell.forward(x=x, tape=True)
    rows = run.tape_bytes // (48 * 64 * 64 * 4)
    assert rows >= 3  # gates, at least
    assert run.tape_bytes == rows * 48 * 64 * 64 * 4
    assert run.workspace_bytes == run.plan.workspace_bytes > 0
    grads = cell.backward(run, outputs={"y": run.outputs["y"]})
    assert grads.workspace_bytes == grads.plan.workspace_bytes > 0


def test_release_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "POOL", Pool(2**30))
    monkeypatch.setattr(memory, "_OTHERS", WeakSet())
    memory.empty("it", (PAGE,), np.dtype(np.float32))
    assert grugen.release_memory() == 4 * PAGE
    assert grugen.release_memory() == 0
