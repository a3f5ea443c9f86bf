"""Cells on a device: where their parameters are, what fails and how it is said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cffi
import leak
import leak_cuda
import numpy as np
import pytest

from grugen.errors import DeviceError, GrugenError, ToolchainError, UsageError
from grugen.runtime import Cell, CellModule, DeviceArray, cuda_engine
from grugen.runtime.cuda.driver import Driver
from grugen.toolchain.build import BuildOptions
from grugen.toolchain.cache import cache_of
from grugen.toolchain.nvcc import find_nvcc

Array = np.ndarray[Any, Any]
C = np.array([0.5, 1.0, 2.0], np.float32)


@pytest.fixture
def cell(cuda_module: CellModule) -> Cell:
    return cuda_module.Cell(D=3, c=C, seed=1)


@pytest.fixture
def x() -> Array:
    return np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)


def said(kind: type[GrugenError], call: Callable[..., object], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(kind) as caught:
        call(*args, **kwargs)
    return str(caught.value)


# --- parameters ---


def test_parameters_on_the_device(cell: Cell, x: Array) -> None:
    moved = cell.to("cuda:0")
    assert (cell.device, moved.device) == ("cuda:0", "cuda:0")
    w = moved.params["w"]
    assert isinstance(w, DeviceArray)
    np.testing.assert_array_equal(w.numpy(), cell.params["w"])
    y = moved.forward(x=x).outputs["y"]
    np.testing.assert_array_equal(y, cell.forward(x=x).outputs["y"])
    # copies: neither cell sees what is written to the other one
    moved.params["w"] = np.full(3, 0.25, np.float32)
    moved.params["b"] = 2.0
    assert moved.params["w"] is w
    np.testing.assert_array_equal(w.numpy(), [0.25] * 3)
    assert not np.array_equal(moved.forward(x=x).outputs["y"], y)
    np.testing.assert_array_equal(cell.forward(x=x).outputs["y"], y)
    moved.params.update({"w": cell.to("cuda").params["w"], "b": cell.params["b"]})
    np.testing.assert_array_equal(moved.forward(x=x).outputs["y"], y)
    back = moved.to("cpu")
    assert isinstance(back.params["w"], np.ndarray)
    np.testing.assert_array_equal(back.forward(x=x).outputs["y"], y)


def test_made_on_a_device(cuda_module: CellModule) -> None:
    cell = cuda_module.Cell(D=3, c=C, seed=1, device="cuda:0")
    assert isinstance(cell.params["w"], DeviceArray)
    assert repr(cell) == "<leak cell D=3 float32 cuda>"


def test_parameters_that_do_not_fit(cell: Cell) -> None:
    moved = cell.to("cuda:0")
    wrong = np.zeros(2, np.float32)

    def assign(value: object) -> None:
        moved.params["w"] = value

    assert said(UsageError, assign, wrong) == ("param 'w' has shape (2,); (D,) = (3,) is needed")
    assert said(UsageError, assign, [1, 2, 3]) == (
        "param 'w' is of type list; a NumPy array of float32 is needed"
    )


def test_snapshots_on_the_device(cell: Cell, x: Array) -> None:
    moved = cell.to("cuda:0")
    frozen, step = moved.freeze(), moved.stepper(2)
    before = moved.forward(x=x).outputs["y"]
    moved.params["b"] = 5.0
    np.testing.assert_array_equal(frozen.forward(x=x).outputs["y"], before)
    there = moved.forward(x=x[:0]).states["h"]
    assert isinstance(there, np.ndarray)
    for t in range(4):
        step.x[...] = x[t]
        step()
        np.testing.assert_array_equal(step.y, before[t])
    frozen.refresh()
    after = moved.forward(x=x).outputs["y"]
    np.testing.assert_array_equal(frozen.forward(x=x).outputs["y"], after)
    step.refresh()
    step.reset()
    step.x[...] = x[0]
    step()
    np.testing.assert_array_equal(step.y, after[0])


# --- what fails ---


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:", 0, None])
def test_no_device(device: Any, cell: Cell) -> None:
    if device is None:
        assert cell.to(device).device == "cuda:0"
    else:
        assert said(UsageError, cell.to, device) == (
            f"device is {device!r}; 'cpu' or a GPU such as 'cuda:0' is needed"
        )


def test_device_that_is_not_there(cell: Cell) -> None:
    assert said(DeviceError, cell.to, "cuda:7") == (
        "there is no device cuda:7; there is one device, from cuda:0 on"
    )


def test_device_of_another_target(module: CellModule) -> None:
    cell = module.Cell(D=3, c=C, dtype="float32")
    if cell.target != "cuda":
        assert cell.to("cpu").device == cell.device == "cpu"
        assert said(UsageError, cell.to, "cuda:0") == (
            f"device is 'cuda:0'; a cell of target '{cell.target}' runs on the CPU\n"
            "help: make it with target='cuda'"
        )


def test_kernel_that_cannot_be_started(cuda_module: CellModule, x: Array) -> None:
    cell = cuda_module.Cell(D=3, c=C, k=777, seed=1)
    assert said(DeviceError, cell.forward, x=x) == (
        "forward of 'leak' failed on cuda:0: invalid argument (cudaErrorInvalidValue)"
    )


def test_device_that_failed(cuda_module: CellModule, x: Array) -> None:
    cell = cuda_module.Cell(D=3, c=C, k=555, seed=1)
    lines = said(DeviceError, cell.forward, x=x).splitlines()
    assert lines[0].startswith("forward of 'leak' failed on cuda:0: ")
    assert lines[0].endswith(" (cudaErrorLaunchFailure)")
    assert lines[1:] == ["help: CUDA does not work in this process any more; start a new one"]


def test_memory_that_is_not_there(cell: Cell, x: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Driver, size: int, device: int) -> int:
        raise MemoryError

    place = cell.to("cuda:0").params["w"]._keeper
    place.pool.release()
    there = place.copy_of("x", x)
    monkeypatch.setattr(Driver, "allocate", refuse)
    place.pool.release()
    assert said(DeviceError, cell.forward, x=there) == (
        "input 'm' with shape (4, 2, 3) needs 0.0 GiB, more memory than cuda:0 has free"
    )


class FakeLibrary:
    """Says of devices what it was told to say."""

    def __init__(self, ffi: cffi.FFI, error: int, count: int) -> None:
        self._ffi, self._error, self._count = ffi, error, count

    def s_device_count(self, count: Any) -> int:
        count[0] = self._count
        return self._error

    def s_error_text(self, error: int) -> Any:
        texts = {35: "CUDA driver version is insufficient", 100: "no CUDA-capable device"}
        return self._ffi.new("char[]", texts.get(error, "an error").encode())

    def s_error_name(self, error: int) -> Any:
        return self._ffi.new("char[]", b"cudaError")

    def __getattr__(self, name: str) -> Callable[..., int]:
        return lambda *arguments: 0


@pytest.mark.parametrize(
    ("error", "count", "text"),
    [
        (35, 0, "CUDA driver version is insufficient"),
        (100, 0, "no CUDA-capable device"),
        (0, 0, "no CUDA-capable device"),
    ],
)
def test_no_gpu(error: int, count: int, text: str) -> None:
    ffi = cffi.FFI()
    driver = Driver(ffi, FakeLibrary(ffi, error, count), "s")
    assert said(DeviceError, driver.check_device, 0, "a.so") == (
        f"the library 'a.so' is built, but there is no GPU to run it: CUDA says '{text}'\n"
        "help: CUDA's driver (libcuda.so.1), a GPU, and CUDA_VISIBLE_DEVICES if it is set must "
        "allow it; target='openmp' runs on the CPU"
    )


def test_several_devices() -> None:
    ffi = cffi.FFI()
    driver = Driver(ffi, FakeLibrary(ffi, 0, 2), "s")
    driver.check_device(1, "a.so")
    assert said(DeviceError, driver.check_device, 2, "a.so") == (
        "there is no device cuda:2; there are 2 devices, from cuda:0 on"
    )


def test_forked_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ffi = cffi.FFI()
    driver = Driver(ffi, FakeLibrary(ffi, 0, 1), "s")
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    assert said(DeviceError, driver.check, 3, "copying") == (
        "copying failed: an error (cudaError)\n"
        "help: CUDA does not work in a process that was forked from one that used it; start "
        "processes by the method 'spawn'"
    )


def test_what_a_device_is(cell: Cell) -> None:
    facts = cell.to("cuda:0").params["w"]._keeper.driver.facts(0)
    assert facts.capability == "9.0"
    assert facts.processors > 0
    assert facts.free_memory <= facts.memory


def test_real_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built by nvcc: it runs where there is a GPU, and says that there is none elsewhere."""
    monkeypatch.setenv("GRUGEN_CACHE", str(tmp_path))
    try:
        find_nvcc(cache_of(os.environ), os.environ)
    except ToolchainError as error:
        pytest.skip(f"left out: {str(error).splitlines()[0]}")
    dtype = np.dtype(np.float32)
    options = BuildOptions(extra=("-Werror=all-warnings",))
    try:
        engine = cuda_engine(leak_cuda.bundle("float32"), leak.INTERFACE, dtype, options)
    except DeviceError as error:
        text = str(error)
        assert text.startswith(f"the library '{tmp_path}/libraries/leak_f32-")
        assert "/leak_f32.so' is built, but there is no GPU to run it: CUDA says '" in text
        pytest.skip("left out: there is no GPU")
    module = CellModule(leak.INTERFACE, lambda target, dtype: engine, "cuda")
    x = np.ones((4, 2, 3), np.float32)
    cell = module.Cell(D=3, c=C, seed=1)
    expected = leak.module("openmp").Cell(D=3, c=C, seed=1).forward(x=x).outputs["y"]
    np.testing.assert_allclose(cell.forward(x=x).outputs["y"], expected, rtol=1e-6)


def test_plans_say_how_loops_are_cut(cell: Cell, x: Array) -> None:
    run = cell.forward(x=x, tape=True)
    assert run.plan.loops == ("loop: all",)
    assert repr(run.plan).startswith("Plan(name='block', threads=0, workspace_bytes=")
