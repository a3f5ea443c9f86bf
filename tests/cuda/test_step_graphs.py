"""Steps that are launched as graphs: what a thread keeps of them, and what it makes anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

import numpy as np
import pytest
from calls import Call, Tensors, random_call, run
from emulated import QUICKLY
from emulated_cells import STEPS, Emulated, emulated
from emulator.build import begin_capture, end_capture, graphs, last_message, set_failure
from yardstick import Yardstick

from grugen.driver import Compiled, compile_spec
from grugen.runtime import CudaEngine, KernelCall
from grugen.runtime.cuda.engine import _Kernel, _Started

AS_SHIPPED = (*QUICKLY, "-UGRUGEN_GRAPH_STEPS")
NEVER = (*AS_SHIPPED, "-DGRUGEN_GRAPH_STEPS=4096")
"""No call has so many steps."""
SHIPPED_STEPS = 16
MANY = 10**6

pytestmark = pytest.mark.compiles


@cache
def cell() -> Compiled:
    return compile_spec("gru")


@cache
def library_of(flags: tuple[str, ...]) -> Emulated:
    return emulated(cell(), "float32", flags=flags)


@pytest.fixture
def shipped() -> Emulated:
    return library_of(AS_SHIPPED)


@pytest.fixture
def short() -> Iterator[Emulated]:
    """A library whose graphs have two steps."""
    library = library_of(QUICKLY)
    yield library
    set_failure(library.library, -1)
    last_message(library.library)


Found = TypeVar("Found")


def directly(work: Callable[..., Found], *arguments: object) -> Found:
    """In this thread, which may have kept a graph."""
    return work(*arguments)


def in_thread(work: Callable[..., Found], *arguments: object) -> Found:
    """In a new thread, which has kept nothing."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work, *arguments).result()


def settles(library: Emulated, count: int) -> bool:
    """Whether so many graphs are left: Python has done with a thread a moment before it ends."""
    ends = time.monotonic() + 10
    while graphs(library.library) != count and time.monotonic() < ends:
        time.sleep(0.01)
    return graphs(library.library) == count


def a_call(steps: int, *, ragged: bool = False, reverse: bool = False, seed: int = 1) -> Call:
    """Of all steps, or of ends of their own, of which some are in the middle of a graph."""
    rng = np.random.default_rng([steps, seed])
    call = random_call(
        cell().interface, rng, sizes={"D": 3, "H": 5}, steps=steps, batch=4, everything=True
    )
    for array in (*call.inputs.values(), *call.d_outputs.values()):
        array[~np.isfinite(array)] = 0.5
    ends = np.array([steps, 0, steps // 2 + 1, steps - 1])
    return replace(call, lengths=ends if ragged else None, reverse=reverse)


def same(some: Tensors, others: Tensors) -> bool:
    return all(np.array_equal(value, others[name]) for name, value in some.items())


@pytest.mark.parametrize(
    ("steps", "ragged", "reverse"),
    [(32, False, False), (32, True, True), (37, True, False), (37, False, True)],
)
def test_graphs_change_nothing(shipped: Emulated, steps: int, ragged: bool, reverse: bool) -> None:
    """Not a bit: one call after the other, each with other memory than the one before."""
    call = a_call(steps, ragged=ragged, reverse=reverse)
    found = shipped.run(call, regime=STEPS)
    assert shipped.heard == ["steps", "steps"]
    assert same(found, library_of(NEVER).run(call, regime=STEPS))
    Yardstick(cell(), call).check(found, "float32", f"{steps} steps")


def test_each_loop_keeps_one(shipped: Emulated) -> None:
    """Of the thread that calls; another one has its own, and leaves nothing behind."""
    shipped.run(a_call(2 * SHIPPED_STEPS), regime=STEPS)
    forward_and_backward = 2
    assert graphs(shipped.library) == forward_and_backward
    seen: list[int] = []

    def work() -> None:
        for steps in (40, 50):
            shipped.run(a_call(steps), regime=STEPS)
        seen.append(graphs(shipped.library))

    in_thread(work)
    assert seen == [2 * forward_and_backward]
    assert settles(shipped, forward_and_backward)


def test_short_calls_make_none(shipped: Emulated) -> None:
    before = graphs(shipped.library)

    def work() -> int:
        shipped.run(a_call(2 * SHIPPED_STEPS - 1), regime=STEPS)
        return graphs(shipped.library)

    assert in_thread(work) == before


@dataclass(frozen=True, slots=True)
class Again:
    """A kernel's call whose arrays stay where they are, to be started as often as wanted."""

    engine: CudaEngine
    kernel: _Kernel
    started: _Started
    kept: tuple[object, ...]

    def start(self) -> int:
        """How many launches and things made it took, those of a graph being one."""
        set_failure(self.engine._file, MANY)
        assert self.kernel.run(self.started.struct) == 0
        return MANY - set_failure(self.engine._file, -1)

    def start_or_tell(self, calls: int) -> str:
        """What a caller is told when the call after so many others fails; empty if none does."""
        set_failure(self.engine._file, calls)
        error = self.kernel.run(self.started.struct)
        set_failure(self.engine._file, -1)
        return str(self.engine.driver.failure(error, "forward of 'gru'", 0)) if error else ""

    def results(self) -> list[np.ndarray[Any, Any]]:
        """What it has written, which is forgotten there."""
        self.started.settle("a test")
        found = [array.copy() for _, array in self.started.results]
        driver = self.started.place.driver
        for there, _ in self.started.results:
            driver.fill_zero(there.address, there.nbytes, self.started.place.stream)
        return found


def again(library: Emulated, call: Call, stream: int = 0) -> Again:
    """The forward kernel of a call; it has run once, and its results are forgotten."""
    engine, heard = library.engine, []
    forward = engine.forward

    def listen(kernel_call: KernelCall) -> object:
        heard.append(kernel_call)
        return forward(kernel_call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "forward", listen)
        patch.setattr(engine, "regime", STEPS)
        run(library.module, call, "cuda", "float32")
        first = heard[0]._replace(place=engine._place(0, stream))
        made = _started(library, first)
    made.start()
    assert all(np.isfinite(array).all() for array in made.results())
    return made


def _started(library: Emulated, call: KernelCall) -> Again:
    engine = library.engine
    kernel = engine._kernels["forward"]
    started, workspace = engine._started(kernel, "forward", call)
    started.send(started.steady)
    started.send(started.sources)
    return Again(engine, kernel, started, (workspace, call))


def test_a_call_like_the_last_one_launches_what_there_is(short: Emulated) -> None:
    call = a_call(9, ragged=True)
    one, other = again(short, call), again(short, call)
    alike = other.start()
    expected = other.results()
    assert other.start() == alike
    assert all(map(np.array_equal, other.results(), expected))
    # two steps of three launches and the count, recorded between a beginning, an end and an update
    recorded = 2 * 3 + 1
    assert one.start() == alike + recorded + 3
    assert all(map(np.array_equal, one.results(), expected))
    assert one.start() == alike


def test_lengths_need_other_launches(short: Emulated) -> None:
    whole, ragged = again(short, a_call(9)), again(short, a_call(9, ragged=True))
    alike, update = ragged.start(), 1
    ragged.results()
    whole.start()
    # what cannot be updated is made anew
    assert ragged.start() == alike + 2 * 3 + 1 + 2 + update + 1
    assert not last_message(short.library)


def test_captured_calls_are_launches_of_the_caller(short: Emulated) -> None:
    stream = _new_stream(short)
    one = again(short, a_call(9, ragged=True), stream)
    one.start()
    expected = one.results()
    before = graphs(short.library)
    begin_capture(short.library, stream)
    launches = one.start()
    end_capture(short.library, stream, 2)
    assert all(map(np.array_equal, one.results(), expected))
    # each of them, and none of a graph
    assert launches > 9 * 3
    assert graphs(short.library) == before


def test_graphs_are_made_beside_a_capture(short: Emulated) -> None:
    """Somebody else captures, in a mode that forbids all threads what does not go into a stream."""
    one, ragged = again(short, a_call(9)), again(short, a_call(9, ragged=True))
    one.start()
    expected = one.results()
    # which cannot become a graph of whole sequences
    ragged.start()
    stream = _new_stream(short)
    begin_capture(short.library, stream)
    one.start()
    end_capture(short.library, stream, 0)
    assert all(map(np.array_equal, one.results(), expected))


def _new_stream(library: Emulated) -> int:
    ffi, functions = library.engine._ffi, library.engine._library
    place = ffi.new("void **")
    assert getattr(functions, f"{cell().spec.name}_f32_create_stream")(place) == 0
    return int(ffi.cast("uintptr_t", place[0]))


@pytest.mark.parametrize(
    ("before", "silent"), [("none", 0), ("alike", 0), ("moved", 1), ("whole", 1)]
)
def test_what_fails_is_told_and_leaves_nothing_half_made(
    short: Emulated, before: str, silent: int
) -> None:
    """Each launch, and each part of making a graph, fails in turn; the next call is right."""
    call = a_call(4, ragged=True)
    one, moved, whole = again(short, call), again(short, call), again(short, a_call(4))
    one.start()
    expected, kept = one.results(), graphs(short.library)

    def prepare() -> None:
        if before != "alike":
            (moved if before == "moved" else whole).start()

    def fails(calls: int) -> bool:
        if before != "none":
            prepare()
        told = one.start_or_tell(calls)
        assert told in ("", TOLD)
        one.results()
        one.start()
        assert all(map(np.array_equal, one.results(), expected))
        return bool(told)

    place = in_thread if before == "none" else directly
    prepare()
    most = place(one.start)
    found = [place(fails, calls) for calls in range(most)]
    # nothing is told of an update that fails: there is another way
    assert found.count(False) == silent
    assert not place(fails, most)
    assert settles(short, kept)


TOLD = "forward of 'gru' failed on cuda:0: out of memory (cudaErrorMemoryAllocation)"
