"""Arrays on a device: taken from others without a copy, given to others, and refused with reasons.

The device is the emulator's, so what lies on it can be looked at with NumPy.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Any

import leak_cuda
import numpy as np
import pytest

from grugen.errors import UsageError
from grugen.runtime import Cell, CellModule, CudaEngine, DeviceArray
from grugen.runtime.cuda.place import DevicePlace
from grugen.runtime.dlpack import _EXPORTED, export, read

Array = np.ndarray[Any, Any]
C = np.array([0.5, 1.0, 2.0], np.float32)


class Foreign:
    """An array of another library on the emulated device."""

    def __init__(self, place: DevicePlace, array: Array, **interface: object) -> None:
        self.array = place.copy_of("a test's array", array)
        self._more = interface

    @property
    def __cuda_array_interface__(self) -> dict[str, object]:
        return {**self.array.__cuda_array_interface__, **self._more}


class Packed:
    """An array of another library that speaks DLPack only."""

    def __init__(self, place: DevicePlace, array: Array, device: tuple[int, int] = (2, 0)) -> None:
        self.array = place.copy_of("a test's array", array)
        self.device = device
        self.streams: list[object] = []

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, *, stream: int | None = None) -> object:
        self.streams.append(stream)
        return self.array.__dlpack__(stream=-1)


class Tracked(Packed):
    """As PyTorch's tensor that a gradient is asked of."""

    def __dlpack__(self, *, stream: int | None = None) -> object:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")


@pytest.fixture
def cell(cuda_module: CellModule) -> Cell:
    return cuda_module.Cell(D=3, c=C, seed=1)


@pytest.fixture
def engine(cuda_module: CellModule) -> CudaEngine:
    found = cuda_module._engine("cuda", np.dtype(np.float32))
    assert isinstance(found, CudaEngine)
    return found


@pytest.fixture
def place(engine: CudaEngine) -> DevicePlace:
    return engine.place(None, None)


@pytest.fixture
def x() -> Array:
    return np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)


def said(call: Callable[..., object], *args: object, **kwargs: object) -> str:
    with pytest.raises(UsageError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


# --- what comes in and goes out ---


@pytest.mark.parametrize("kind", [Foreign, Packed])
def test_device_arrays_give_device_arrays(
    kind: Any, cell: Cell, place: DevicePlace, x: Array
) -> None:
    expected = cell.forward(x=x, tape=True)
    dy = np.ones_like(expected.outputs["y"])
    wanted = cell.backward(expected, outputs={"y": dy})
    run = cell.forward(x=kind(place, x), tape=True)
    for name, output in {**run.outputs, **run.states}.items():
        assert isinstance(output, DeviceArray)
        other = expected.outputs.get(name, expected.states.get(name))
        np.testing.assert_array_equal(output.numpy(), other)
    grads = cell.backward(run, outputs={"y": dy})
    for group in ("params", "inputs", "static", "states"):
        for name, gradient in getattr(grads, group).items():
            assert isinstance(gradient, DeviceArray)
            np.testing.assert_allclose(gradient.numpy(), getattr(wanted, group)[name], rtol=1e-6)


def test_nothing_is_copied(cell: Cell, place: DevicePlace, x: Array) -> None:
    there = place.copy_of("x", x)
    run = cell.forward(x=there, tape=True)
    assert run.record is not None
    assert run.record.given.inputs["x"] is there


def test_results_follow_the_arrays_of_the_call(cell: Cell, place: DevicePlace, x: Array) -> None:
    h = np.ones((2, 3), np.float32)
    assert isinstance(cell.forward(x=x, states={"h": h}).outputs["y"], np.ndarray)
    mixed = cell.forward(x=x, states={"h": place.copy_of("h", h)})
    assert isinstance(mixed.outputs["y"], DeviceArray)
    moved = cell.to("cuda:0")
    run = moved.forward(x=x, tape=True)
    assert isinstance(run.outputs["y"], np.ndarray)
    assert isinstance(moved.backward(run).params["w"], np.ndarray)
    dy = place.copy_of("dy", np.ones_like(x))
    assert isinstance(moved.backward(run, outputs={"y": dy}).params["w"], DeviceArray)


def test_outputs_are_inputs(cell: Cell, place: DevicePlace, x: Array) -> None:
    first = cell.forward(x=place.copy_of("x", x))
    second = cell.forward(x=first.outputs["y"], states=first.states)
    expected = cell.forward(x=x)
    again = cell.forward(x=expected.outputs["y"], states=expected.states)
    np.testing.assert_array_equal(second.outputs["y"].numpy(), again.outputs["y"])


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.float32])
def test_masks_on_the_device(dtype: Any, cell: Cell, place: DevicePlace, x: Array) -> None:
    m = np.random.default_rng(1).integers(0, 2, x.shape).astype(dtype)
    run = cell.forward(x=place.copy_of("x", x), m=Foreign(place, m))
    np.testing.assert_array_equal(run.outputs["y"].numpy(), cell.forward(x=x, m=m).outputs["y"])


@pytest.mark.parametrize("reverse", [False, True])
def test_lengths_and_first_states_on_the_device(
    reverse: bool, cell: Cell, place: DevicePlace, x: Array
) -> None:
    lengths = np.array([0, 3])
    expected = cell.forward(x=x, lengths=lengths, reverse=reverse, tape=True)
    wanted = cell.backward(expected, states={"f": np.ones((2, 3), np.float32)})
    on_device = Foreign(place, lengths)
    run = cell.forward(x=place.copy_of("x", x), lengths=on_device, reverse=reverse, tape=True)
    np.testing.assert_array_equal(run.states["f"].numpy(), expected.states["f"])
    grads = cell.backward(run, states={"f": np.ones((2, 3), np.float32)})
    np.testing.assert_allclose(grads.inputs["x"].numpy(), wanted.inputs["x"], rtol=1e-6)


def test_no_steps(cell: Cell, place: DevicePlace) -> None:
    x = place.copy_of("x", np.zeros((0, 2, 3), np.float32))
    h = place.copy_of("h", np.ones((2, 3), np.float32))
    run = cell.forward(x=x, states={"h": h}, tape=True)
    np.testing.assert_array_equal(run.states["h"].numpy(), np.ones((2, 3)))
    assert run.plan.name == "empty"
    grads = cell.backward(run, states={"h": h})
    np.testing.assert_array_equal(grads.states["h"].numpy(), np.ones((2, 3)))


# --- streams ---


def test_streams_are_waited_for(
    cell: Cell, place: DevicePlace, x: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[tuple[int, int]] = []
    monkeypatch.setattr(
        type(place.driver), "wait", lambda self, stream, other: waited.append((stream, other))
    )
    stream = _stream(place)
    packed = Packed(place, x)
    run = cell.forward(x=packed, stream=stream)
    # DLPack tells the owner who reads; 1 is the default stream
    assert (packed.streams, waited) == ([stream], [])
    assert run.outputs["y"].stream == stream
    assert run.outputs["y"].__cuda_array_interface__["stream"] == stream
    cell.forward(x=Packed(place, x, (2, 0)))
    # what was made on one stream is read on another
    cell.forward(x=run.outputs["y"])
    assert waited == [(0, stream)]
    waited.clear()
    cell.forward(x=Foreign(place, x, stream=stream))
    cell.forward(x=Foreign(place, x, stream=1), stream=stream)
    cell.forward(x=Foreign(place, x, stream=None), stream=stream)
    assert waited == [(0, stream), (stream, 0)]
    waited.clear()
    run.outputs["y"].__dlpack__(stream=-1)
    run.outputs["y"].__dlpack__(stream=stream)
    run.outputs["y"].__dlpack__(stream=None)
    assert waited == [(0, stream)]


def _stream(place: DevicePlace) -> int:
    made = place.driver._ffi.new("void **")
    assert place.driver._find("create_stream")(made) == 0
    return int(place.driver._ffi.cast("uintptr_t", made[0]))


@pytest.mark.parametrize("stream", [-1, 1.5, True, "0", 2**64])
def test_no_stream(stream: object, cell: Cell, x: Array) -> None:
    assert said(cell.forward, x=x, stream=stream) == (
        f"stream is {stream!r}; the handle of a CUDA stream is needed, a whole number\n"
        "help: it is stream.ptr of CuPy's, stream.cuda_stream of PyTorch's"
    )


def test_stream_of_another_target(module: CellModule, x: Array) -> None:
    cell = module.Cell(D=3, c=C, dtype="float32")
    if cell.target != "cuda":
        assert said(cell.forward, x=x, stream=3) == (
            f"stream is for target 'cuda'; this cell runs on '{cell.target}'"
        )


# --- what is refused ---


def test_arrays_that_do_not_fit(cell: Cell, place: DevicePlace, x: Array) -> None:
    def refused(array: object) -> str:
        return said(cell.forward, x=array)

    assert refused(place.copy_of("x", x.astype(np.float64))) == (
        "input 'x' has dtype float64; float32 is needed\nhelp: pass x.astype(np.float32)"
    )
    assert refused(Foreign(place, x[:, :, :2])) == (
        "input 'x' has shape (4, 2, 2); (T, B, D) = (?, ?, 3) is needed"
    )
    assert refused(Foreign(place, x, strides=(4, 16, 32))) == (
        "input 'x' is not C-contiguous\nhelp: pass a contiguous copy of x"
    )
    assert refused(Foreign(place, x, data=(x.ctypes.data, False))) == (
        "input 'x' is on the host; this cell runs on cuda:0"
    )
    assert refused(Packed(place, x, (2, 1))) == (
        "input 'x' is on cuda:1; this cell runs on cuda:0\n"
        "help: cell.to('cuda:1') is a cell that runs there"
    )
    assert refused(Tracked(place, x)) == (
        "input 'x' cannot be read: BufferError: Can't export tensors that require gradient, use "
        "tensor.detach()"
    )
    assert refused(Packed(place, x, (1, 0))) == (
        "input 'x' is of type Packed; a NumPy array of float32 is needed"
    )
    assert refused(Foreign(place, x, mask=object())) == (
        "input 'x' is a masked array, and its mask would be lost"
    )


def test_contiguous_strides_are_fine(cell: Cell, place: DevicePlace, x: Array) -> None:
    run = cell.forward(x=Foreign(place, x, strides=x.strides))
    np.testing.assert_array_equal(run.outputs["y"].numpy(), cell.forward(x=x).outputs["y"])


def test_other_arguments_that_do_not_fit(cell: Cell, place: DevicePlace, x: Array) -> None:
    there = place.copy_of("x", x)
    wrong = place.copy_of("h", np.zeros((3, 3), np.float32))
    assert said(cell.forward, x=there, states={"h": wrong}) == (
        "state 'h' has shape (3, 3); (B, D) = (2, 3) is needed, "
        "because input 'x' has T = 4 and B = 2"
    )
    lengths = place.copy_of("lengths", np.array([1, 5]))
    assert said(cell.forward, x=there, lengths=lengths) == (
        "lengths[1] is 5; it must be from 0 to T = 4"
    )
    run = cell.forward(x=there, tape=True)
    assert said(cell.backward, run, outputs={"y": wrong}) == (
        "gradient of output 'y' has shape (3, 3); (T, B, D) = (4, 2, 3) is needed, "
        "because the run has T = 4 and B = 2"
    )


def test_arrays_for_the_cpu(place: DevicePlace, module: CellModule, x: Array) -> None:
    cell = module.Cell(D=3, c=C, dtype="float32")
    if cell.target != "cuda":
        assert said(cell.forward, x=place.copy_of("x", x)) == (
            "input 'x' is on cuda:0; a cell of a target that runs on the CPU takes NumPy arrays\n"
            "help: pass x.numpy()"
        )


# --- an array by itself ---


def test_what_an_array_tells(place: DevicePlace) -> None:
    array = place.copy_of("it", np.arange(6, dtype=np.float32).reshape(2, 3))
    assert (array.shape, array.dtype, array.ndim) == ((2, 3), np.float32, 2)
    assert (array.size, array.nbytes, len(array), array.device) == (6, 24, 2, "cuda:0")
    assert repr(array) == "<device array (2, 3) float32 cuda:0>"
    assert array.__cuda_array_interface__ == {
        "shape": (2, 3),
        "typestr": "<f4",
        "data": (array.address, False),
        "strides": None,
        "version": 3,
        "stream": 1,
    }
    with pytest.raises(TypeError) as caught:
        np.asarray(array)
    assert str(caught.value) == (
        "this array is on cuda:0 and becomes no NumPy array by itself\nhelp: call its numpy()"
    )
    with pytest.raises(BufferError, match=r"^this array is on cuda:0; it is not copied elsewhere$"):
        array.__dlpack__(dl_device=(1, 0))
    with pytest.raises(BufferError, match=r"^this array is exported without a copy only$"):
        array.__dlpack__(copy=True)


def test_capsule_says_what_was_exported() -> None:
    owner = np.arange(24, dtype=np.float64)
    tensor = read(export(owner.ctypes.data, (2, 3, 4), owner.dtype, 5, owner))
    assert (tensor.device, tensor.address) == ((2, 5), owner.ctypes.data)
    assert (tensor.shape, tensor.strides) == ((2, 3, 4), (12, 4, 1))
    assert (tensor.dtype, tensor.type_name) == (np.float64, "float64")


def test_capsule_keeps_memory_until_it_goes(place: DevicePlace) -> None:
    gc.collect()
    before = len(_EXPORTED)
    array = place.copy_of("it", np.ones(3, np.float32))
    capsule = array.__dlpack__()
    assert len(_EXPORTED) == before + 1
    del array
    assert len(_EXPORTED) == before + 1
    del capsule
    assert len(_EXPORTED) == before


def test_consumer_deletes_what_it_took(place: DevicePlace) -> None:
    """As other libraries do: they rename the capsule and call the deleter later."""
    before = len(_EXPORTED)
    capsule = place.copy_of("it", np.ones(3, np.float32)).__dlpack__()
    api = ctypes.pythonapi
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    api.PyCapsule_SetName.argtypes = (ctypes.py_object, ctypes.c_char_p)
    managed = api.PyCapsule_GetPointer(capsule, b"dltensor")
    used = ctypes.create_string_buffer(b"used_dltensor")
    assert api.PyCapsule_SetName(capsule, used) == 0
    del capsule
    assert len(_EXPORTED) == before + 1
    # behind data, device, ndim, type, shape, strides, offset and context: the deleter
    deleter = ctypes.cast(managed + 56, ctypes.POINTER(ctypes.c_void_p))[0]
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(deleter)(managed)
    assert len(_EXPORTED) == before


def test_memory_is_used_again(cell: Cell, engine: CudaEngine, place: DevicePlace, x: Array) -> None:
    there = place.copy_of("x", x)
    gc.collect()
    cell.forward(x=there, tape=True)
    kept = engine._pool.free_bytes
    assert kept > 0
    for _ in range(5):
        cell.forward(x=there, tape=True)
    assert engine._pool.free_bytes == kept
    assert engine._pool.release() == kept
    assert engine._pool.free_bytes == 0


class Brain(Packed):
    """An array of a kind of number that nobody else has."""

    def __dlpack__(self, *, stream: int | None = None) -> object:
        capsule = super().__dlpack__(stream=stream)
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype = ctypes.c_void_p
        get.argtypes = (ctypes.py_object, ctypes.c_char_p)
        kind = ctypes.cast(get(capsule, b"dltensor") + 20, ctypes.POINTER(ctypes.c_uint8))
        kind[0], kind[1] = 4, 8
        return capsule


def test_type_that_numpy_lacks(cell: Cell, place: DevicePlace, x: Array) -> None:
    assert said(cell.forward, x=Brain(place, x)) == (
        "input 'x' has dtype bfloat8, which NumPy has none for"
    )


def test_regime_is_handed_on(x: Array, cuda_module: CellModule) -> None:
    engine = leak_cuda.cuda(np.dtype(np.float32), regime=2)
    module = CellModule(cuda_module.interface, lambda target, dtype: engine, "cuda")
    assert module.Cell(D=3, c=C, seed=1).forward(x=x).plan.name == "grid"
