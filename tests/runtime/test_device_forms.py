"""Calls on a device of several forms, with arrays of several kinds, in turns."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
import pytest

from grugen.errors import UsageError
from grugen.runtime import Cell, CellModule, CudaEngine, DeviceArray
from grugen.runtime.cuda.driver import Driver
from grugen.runtime.cuda.place import DevicePlace
from grugen.runtime.dlpack_exchange import Exchange, _Managed, _Table, exchange_of
from grugen.runtime.engine import MOST_FORMS

Array = np.ndarray[Any, Any]
C = np.array([0.5, 1.0, 2.0], np.float32)


@pytest.fixture
def engine(cuda_module: CellModule) -> CudaEngine:
    found = cuda_module._engine("cuda", np.dtype(np.float32))
    assert isinstance(found, CudaEngine)
    return found


@pytest.fixture
def place(engine: CudaEngine) -> DevicePlace:
    return engine.place(None, None)


@pytest.fixture
def host(cuda_module: CellModule) -> Cell:
    return cuda_module.Cell(D=3, c=C, seed=1)


@pytest.fixture
def cell(host: Cell) -> Cell:
    return host.to("cuda:0")


def drawn(steps: int = 4, batch: int = 2, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(steps, batch, 3)).astype(np.float32)


def stream_of(place: DevicePlace) -> int:
    made = place.driver._ffi.new("void **")
    assert place.driver._find("create_stream")(made) == 0
    return int(place.driver._ffi.cast("uintptr_t", made[0]))


def agree(cell: Cell, host: Cell, place: DevicePlace, x: Array, **options: Any) -> None:
    """A call and its gradients are what a cell finds that carries everything."""
    run = cell.forward(x=place.copy_of("x", x), tape=True, **options)
    expected = host.forward(x=x, tape=True, **options)
    for name, output in {**run.outputs, **run.states}.items():
        wanted = {**expected.outputs, **expected.states}[name]
        np.testing.assert_array_equal(output.numpy(), wanted)
    dy = np.ones_like(x)
    grads = cell.backward(run, outputs={"y": place.copy_of("dy", dy)})
    wanted_grads = host.backward(expected, outputs={"y": dy})
    for group in ("params", "inputs", "static", "states"):
        for name, gradient in getattr(grads, group).items():
            assert isinstance(gradient, DeviceArray)
            np.testing.assert_allclose(
                gradient.numpy(), getattr(wanted_grads, group)[name], rtol=1e-6
            )


def test_calls_of_several_forms_in_turns(cell: Cell, host: Cell, place: DevicePlace) -> None:
    calls: list[dict[str, Any]] = [
        {},
        {"reverse": True},
        {"lengths": np.array([0, 3])},
        {"lengths": np.array([4, 1]), "reverse": True},
    ]
    for seed in range(3):
        for options in calls:
            agree(cell, host, place, drawn(seed=seed), **options)
        for steps, batch in ((1, 1), (7, 5)):
            agree(cell, host, place, drawn(steps, batch, seed))


def test_states_come_and_go(cell: Cell, place: DevicePlace) -> None:
    there = place.copy_of("x", drawn())
    h = np.full((2, 3), 0.5, np.float32)
    first = cell.forward(x=there).outputs["y"].numpy()
    for _ in range(2):
        with_state = cell.forward(x=there, states={"h": place.copy_of("h", h)}).outputs["y"]
        assert not np.array_equal(with_state.numpy(), first)
        # carried there
        again = cell.forward(x=there, states={"h": h}).outputs["y"]
        np.testing.assert_array_equal(again.numpy(), with_state.numpy())
        np.testing.assert_array_equal(cell.forward(x=there).outputs["y"].numpy(), first)


def test_params_that_change_and_cells_that_move(cell: Cell, host: Cell, place: DevicePlace) -> None:
    there = place.copy_of("x", drawn())
    frozen = cell.freeze()
    first = [cell.forward(x=there).outputs["y"].numpy() for _ in range(2)]
    other = cell.to("cuda:0")
    cell.params["b"] = 3.0
    host.params["b"][...] = 3.0
    agree(cell, host, place, drawn())
    for unchanged in (frozen, other):
        for _ in range(2):
            y = unchanged.forward(x=there).outputs["y"]
            np.testing.assert_array_equal(y.numpy(), first[0])
    frozen.refresh()
    expected = cell.forward(x=there).outputs["y"].numpy()
    np.testing.assert_array_equal(frozen.forward(x=there).outputs["y"].numpy(), expected)


def test_results_stay_as_they_are(cell: Cell, place: DevicePlace) -> None:
    there = [place.copy_of("x", drawn(seed=seed)) for seed in range(8)]
    runs = [cell.forward(x=x) for x in there]
    found = [run.outputs["y"].numpy() for run in runs]
    for x, run, y in zip(there, runs, found, strict=True):
        np.testing.assert_array_equal(cell.forward(x=x).outputs["y"].numpy(), y)
        np.testing.assert_array_equal(run.outputs["y"].numpy(), y)
    # what is left of a result keeps its memory
    grads = cell.backward(cell.forward(x=there[0], tape=True))
    w = grads.params["w"]
    before = w.numpy()
    del grads
    gc.collect()
    for _ in range(3):
        cell.backward(cell.forward(x=there[1], tape=True))
    np.testing.assert_array_equal(w.numpy(), before)


def test_several_streams(cell: Cell, host: Cell, place: DevicePlace, engine: CudaEngine) -> None:
    streams = [stream_of(place), stream_of(place), 0]
    x = drawn()
    expected = host.forward(x=x).outputs["y"]
    for _ in range(3):
        for stream in streams:
            y = cell.forward(x=place.copy_of("x", x), stream=stream).outputs["y"]
            assert y.stream == stream
            np.testing.assert_array_equal(y.numpy(), expected)
    assert engine.place(None, streams[0]) is engine.place("cuda:0", streams[0])
    with pytest.raises(UsageError, match="stream is True"):
        engine.place(None, True)


def test_several_threads(cell: Cell, host: Cell, place: DevicePlace) -> None:
    arrays = [drawn(seed=seed) for seed in range(6)]
    expected = [host.forward(x=x).outputs["y"] for x in arrays]
    there = [place.copy_of("x", x) for x in arrays]
    streams = [stream_of(place) for _ in range(3)]

    def call(number: int) -> Array:
        stream = streams[number % 3]
        found: Array = cell.forward(x=there[number], stream=stream).outputs["y"].numpy()
        return found

    with ThreadPoolExecutor(3) as pool:
        for _ in range(10):
            for found, wanted in zip(pool.map(call, range(6)), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)


def test_many_forms(cell: Cell, host: Cell, place: DevicePlace) -> None:
    for steps in range(1, MOST_FORMS + 4):
        x = drawn(steps, 1)
        y = cell.forward(x=place.copy_of("x", x)).outputs["y"]
        np.testing.assert_array_equal(y.numpy(), host.forward(x=x).outputs["y"])
    assert 0 < len(cell._calls._forward) <= MOST_FORMS


def test_many_lengths(cell: Cell, host: Cell, place: DevicePlace) -> None:
    """More than go along with one launch; nobody waits for the device."""
    batch = 1100
    lengths = np.random.default_rng(0).integers(0, 4, batch)
    agree(cell, host, place, drawn(3, batch), lengths=lengths)


def test_lengths_wait_for_nobody(
    cell: Cell, place: DevicePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = place.copy_of("x", drawn())

    def waits(*arguments: object) -> None:
        raise AssertionError("somebody waits")

    monkeypatch.setattr(Driver, "synchronize", waits)
    for _ in range(2):
        cell.backward(cell.forward(x=there, lengths=np.array([1, 4]), tape=True))


# --- DLPack's functions for C ---

_FROM = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(ctypes.c_void_p))
_STREAM = ctypes.PYFUNCTYPE(
    ctypes.c_int, ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p)
)
_DELETE = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_CAPSULE = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", ctypes.pythonapi)
)


class Fast:
    """An array of another library that has DLPack's functions for C."""

    alive: ClassVar[dict[int, object]]
    current = 0
    fails = False

    def __init__(
        self, place: DevicePlace, array: Array, device: tuple[int, int] = (2, 0), lanes: int = 1
    ) -> None:
        self.array = place.copy_of("a test's array", array)
        self.device = device
        self.lanes = lanes
        self.requires_grad = False

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, *, stream: int | None = None) -> object:
        raise BufferError("use tensor.detach()")


@pytest.fixture
def fast() -> Iterator[type[Fast]]:
    class Kind(Fast):
        alive: ClassVar = {}

    def tell(array: Fast, made: Any) -> int:
        if Kind.fails:
            return -1
        managed = _Managed(major=1, minor=3)
        tensor = managed.tensor
        shape = (ctypes.c_int64 * array.array.ndim)(*array.array.shape)
        tensor.data = array.array.address - 8
        tensor.byte_offset = 8
        tensor.device_type, tensor.device_id = array.device
        tensor.ndim, tensor.shape = array.array.ndim, shape
        tensor.code, tensor.bits, tensor.lanes = 2, 32, array.lanes
        managed.deleter = ctypes.cast(delete, ctypes.c_void_p).value
        address = ctypes.addressof(managed)
        Kind.alive[address] = managed, shape, array.array
        made[0] = address
        return 0

    def stream(kind: int, number: int, found: Any) -> int:
        found[0] = Kind.current
        return 0

    delete = _DELETE(Kind.alive.pop)
    functions = _FROM(tell), _STREAM(stream), delete
    table = _Table(major=1, minor=3)
    table.managed_from_object = ctypes.cast(functions[0], ctypes.c_void_p).value
    table.current_stream = ctypes.cast(functions[1], ctypes.c_void_p).value
    name = ctypes.create_string_buffer(b"dlpack_exchange_api")
    capsule = _CAPSULE(ctypes.addressof(table), name, None)
    Kind.__dlpack_c_exchange_api__ = capsule  # type: ignore[attr-defined]
    Kind.kept = table, name, functions  # type: ignore[attr-defined]
    yield Kind
    exchange_of.cache_clear()


def test_arrays_by_functions_for_c(fast: Any, cell: Cell, host: Cell, place: DevicePlace) -> None:
    x = drawn()
    given = fast(place, x)
    run = cell.forward(x=given, tape=True)
    np.testing.assert_array_equal(run.outputs["y"].numpy(), host.forward(x=x).outputs["y"])
    # kept for backward, and not longer
    gc.collect()
    assert len(fast.alive) == 1
    del run
    gc.collect()
    assert not fast.alive


def test_streams_of_other_libraries(
    fast: Any, cell: Cell, place: DevicePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[tuple[int, int]] = []
    monkeypatch.setattr(Driver, "wait", lambda self, stream, other: waited.append((stream, other)))
    given, stream = fast(place, drawn()), stream_of(place)
    for fast.current in (0, 1):
        cell.forward(x=given)
    assert not waited
    cell.forward(x=given, stream=stream)
    fast.current = stream
    cell.forward(x=given)
    cell.forward(x=given, stream=stream)
    assert waited == [(stream, 0), (0, stream)]


def test_arrays_by_functions_for_c_that_are_refused(
    fast: Any, cell: Cell, place: DevicePlace
) -> None:
    def refused(array: object) -> str:
        with pytest.raises(UsageError) as caught:
            cell.forward(x=array)
        return str(caught.value)

    x = drawn()
    assert refused(fast(place, x[:, :, :2])) == (
        "input 'x' has shape (4, 2, 2); (T, B, D) = (?, ?, 3) is needed"
    )
    assert refused(fast(place, x, (2, 1))) == (
        "input 'x' is on cuda:1; this cell runs on cuda:0\n"
        "help: cell.to('cuda:1') is a cell that runs there"
    )
    assert refused(fast(place, x, (1, 0))) == (
        "input 'x' is of type Kind; a NumPy array of float32 is needed"
    )
    assert refused(fast(place, x, lanes=2)) == (
        "input 'x' has dtype float32, which NumPy has none for"
    )
    tracked = fast(place, x)
    tracked.requires_grad = True
    said = "input 'x' cannot be read: BufferError: use tensor.detach()"
    assert refused(tracked) == said
    # what its functions do not say, `__dlpack__` says
    fast.fails = True
    assert refused(fast(place, x)) == said


def test_tables_that_are_not_understood(fast: Any) -> None:
    assert isinstance(exchange_of(fast), Exchange)
    exchange_of.cache_clear()
    fast.kept[0].major = 2
    assert exchange_of(fast) is None
    assert exchange_of(np.ndarray) is None
