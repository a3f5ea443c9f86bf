"""A CUDA library becomes an engine: arrays of the device go to its kernels, others are carried.

A call whose arrays are all on the device is only started. One that reads or fills NumPy arrays
returns when they are filled.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cffi
import numpy as np
from numpy.typing import NDArray

from grugen.errors import InternalError, UsageError
from grugen.runtime.cuda.driver import Driver
from grugen.runtime.cuda.place import DevicePlace
from grugen.runtime.cuda.pool import DevicePool
from grugen.runtime.cuda.repeated import RepeatedThere
from grugen.runtime.device_array import DeviceArray
from grugen.runtime.engine import KernelCall, Plan, Prepared, Repeated
from grugen.runtime.loading import Build, load_built, open_library
from grugen.runtime.memory import also_release
from grugen.runtime.structs import CallForm
from grugen.target.abi import WRITTEN, Group, Interface, Signature
from grugen.toolchain.build import DEFAULTS, BuildOptions, SourceBundle

STEADY = (Group.PARAM, Group.CONSTANT)
"""What stays the same between the calls of a prepared kernel."""

MOST_TOLD = 4096
"""Bytes of text about the loops of a kernel."""

MOST_STREAMS = 64
"""How many streams an engine remembers; with more of them it starts anew."""

_WRITTEN = frozenset(group.value for group in WRITTEN)
_STEADY = frozenset(group.value for group in STEADY)

Host = NDArray[Any]


class _Kernel:
    """One of a library's kernels, with what all its calls have in common."""

    def __init__(
        self, ffi: Any, library: Any, name: str, signature: Signature, dims: tuple[str, ...]
    ) -> None:
        self._ffi = ffi
        self.form = CallForm(ffi, name, signature, dims)
        self.run: Callable[[Any], int] = getattr(library, name)
        self.workspace_size: Callable[[Any], int] = getattr(library, f"{name}_workspace")
        self.packed_bytes: Callable[[Any], int] = getattr(library, f"{name}_packed_bytes")
        self.pack: Callable[[Any], int] = getattr(library, f"{name}_pack")
        self._plan: Callable[[Any], Any] = getattr(library, f"{name}_plan")
        self._tell: Callable[[Any, Any, int], int] = getattr(library, f"{name}_tell")
        self._symbol = name

    def plan(self, struct: Any) -> str:
        """The word for how a call runs."""
        return str(self._ffi.string(self._plan(struct)).decode())

    def loops(self, struct: Any) -> tuple[str, ...]:
        """A line for each loop: how it is cut."""
        text = self._ffi.new("char[]", MOST_TOLD)
        if self._tell(struct, text, MOST_TOLD):
            return ()
        lines = str(self._ffi.string(text).decode()).splitlines()
        return tuple(line.removeprefix(f"{self._symbol}_") for line in lines)


class _Started:
    """The struct of a call, and what has to be carried for it.

    `sources` are copied to the device before each run, `results` to the host after it.
    """

    def __init__(self, ffi: Any, kernel: _Kernel, call: KernelCall, place: DevicePlace) -> None:
        self.place = place
        self.struct = kernel.form.filled(call)
        self.steady: list[tuple[DeviceArray, Host]] = []
        self.sources: list[tuple[DeviceArray, Host]] = []
        self.results: list[tuple[DeviceArray, Host]] = []
        # the struct points into them
        self.kept: list[object] = []
        cast = ffi.cast
        self.struct.stream = cast("void *", place.stream)
        _, _, addresses = kernel.form.views(self.struct)
        for key, place_of in kernel.form.places.items():
            array: Any = call.argument(key)
            if array is not None:
                there = self._on_device(f"'{key[1]}'", key[0].value, array)
                addresses[place_of] = there.address
        if call.lengths is not None:
            ends = place.put(call.lengths)
            self.kept.append(ends)
            self.struct.lengths = cast("int64_t *", ends.address)
        packed = call.common.packed
        if isinstance(packed, DeviceArray):
            self.struct.packed = cast("void *", packed.address)
            self.kept.append(packed)

    def _on_device(self, what: str, group: str, array: DeviceArray | Host) -> DeviceArray:
        if isinstance(array, DeviceArray):
            self.kept.append(array)
            return array
        there = self.place.empty(f"the copy of {what}", array.shape, array.dtype)
        self.kept.append(there)
        if group in _WRITTEN:
            self.results.append((there, array))
        elif group in _STEADY:
            self.steady.append((there, array))
        else:
            self.sources.append((there, array))
        return there

    def send(self, arrays: list[tuple[DeviceArray, Host]]) -> None:
        """Start to copy arrays to the device; they stay as they are until the call has settled."""
        driver, stream = self.place.driver, self.place.stream
        for there, array in arrays:
            source = driver.address(array.ctypes.data)
            driver.copy(driver.address(there.address), source, array.nbytes, stream)

    @property
    def carries(self) -> bool:
        """Whether the call has to do with the host at all."""
        return bool(self.steady or self.sources or self.results)

    def settle(self, what: str) -> None:
        """Fetch the results, if the call has to do with the host at all."""
        for there, array in self.results:
            self.place.fetch_into(array, there.address)
        if self.carries:
            self.place.settle(what)


class CudaEngine:
    """The kernels of one CUDA library, on every device of this machine.

    `regime` is one of the library's ways to run a loop; 0 lets its model choose.
    """

    target = "cuda"

    def __init__(
        self,
        library: Path,
        declarations: str,
        stem: str,
        interface: Interface,
        dtype: np.dtype[Any],
        regime: int = 0,
    ) -> None:
        """`declarations` is C without preprocessor lines. Raises OSError if it cannot be loaded.

        Raises DeviceError where there is no GPU.
        """
        self.dtype = dtype
        self.regime = regime
        self._name = interface.name
        self._file = library
        self._ffi = cffi.FFI()
        self._ffi.cdef(declarations)
        # kept: the functions are its attributes
        self._library = open_library(self._ffi, library)
        signatures = {
            "forward": interface.forward,
            "backward": interface.backward,
            "backward_states": interface.backward_states,
        }
        try:
            self.driver = Driver(self._ffi, self._library, stem)
            self._kernels = {
                name: _Kernel(self._ffi, self._library, f"{stem}_{name}", signature, interface.dims)
                for name, signature in signatures.items()
                if signature is not None
            }
        except (AttributeError, KeyError) as error:
            raise InternalError(f"{library} does not fit its interface: {error}") from error
        self._kernels.setdefault("backward_states", self._kernels["backward"])
        self._pool = DevicePool(self.driver)
        also_release(self._pool)
        self._default = self._place(0, 0)
        self._places: dict[tuple[str, int], DevicePlace] = {}

    def place(self, device: object, stream: object) -> DevicePlace:
        """See `Engine`; the default device is cuda:0, the default stream CUDA's default stream."""
        if device is None and stream is None:
            return self._default
        name = self._default.device if device is None else device
        # by its type as well: True is equal to 1, and no stream
        if type(name) is str and type(stream) is int and (name, stream) in self._places:
            return self._places[name, stream]
        index = checked_device(name)
        place = self._place(index, 0 if stream is None else checked_stream(stream))
        if type(name) is str:
            if len(self._places) >= MOST_STREAMS:
                self._places.clear()
            # one place for a stream: who compares two of them looks at what they are
            self._places[name, place.stream] = place
        return place

    def _place(self, index: int, stream: int) -> DevicePlace:
        self.driver.check_device(index, str(self._file))
        return DevicePlace(self.driver, self._pool, index, stream, self.dtype)

    def forward(self, call: KernelCall) -> Plan:
        """See `Engine`."""
        return self._run(call, backward=False)

    def backward(self, call: KernelCall) -> Plan:
        """See `Engine`."""
        return self._run(call, backward=True)

    def repeated(self, call: KernelCall, *, backward: bool) -> Repeated | None:
        """See `Engine`; there is a short way if params and constants are on the device."""
        if not all(isinstance(a, (DeviceArray, float)) for a in call.common.arrays.values()):
            return None
        kernel, word = self._chosen(call, backward=backward)
        place = self._place_of(call)
        words = f"{word} of '{self._name}'"
        found = RepeatedThere(kernel, call, place, self.regime, words)
        struct = found.new()
        with self.driver.on(place.index):
            size = self._workspace_size(kernel, word, struct[0], place)
            found.runs_as(self._plan(kernel, struct[0], size))
        found.spare.append(struct)
        return found

    def packed_bytes(self, call: KernelCall) -> int:
        """See `Engine`."""
        kernel, place = self._kernels["forward"], self._place_of(call)
        with self.driver.on(place.index):
            size = kernel.packed_bytes(kernel.form.filled(call))
            self.driver.check(max(-size, 0), f"packing for '{self._name}'", place.index)
        return size

    def pack(self, call: KernelCall) -> None:
        """See `Engine`; returns when it is done, so that any stream may read what was packed."""
        kernel, what = self._kernels["forward"], f"packing for '{self._name}'"
        started = _Started(self._ffi, kernel, call, self._place_of(call))
        with self.driver.on(started.place.index):
            started.send(started.steady)
            self.driver.check(kernel.pack(started.struct), what, started.place.index)
            started.place.settle(what)

    def prepare(self, call: KernelCall) -> Prepared:
        """See `Engine`; what is NumPy's is carried by every run, but for params and constants."""
        kernel = self._kernels["forward"]
        started, workspace = self._started(kernel, "forward", call)
        with self.driver.on(started.place.index):
            started.send(started.steady)
            started.place.settle("copying params")
        return Prepared(
            partial(self._again, kernel, started, f"a step of '{self._name}'"),
            (call, started, workspace),
        )

    def _run(self, call: KernelCall, *, backward: bool) -> Plan:
        """Run once."""
        kernel, word = self._chosen(call, backward=backward)
        started, workspace = self._started(kernel, word, call)
        with self.driver.on(started.place.index):
            started.send(started.steady)
            plan = self._plan(kernel, started.struct, workspace.nbytes)
        self._again(kernel, started, f"{word} of '{self._name}'")
        return plan

    def _chosen(self, call: KernelCall, *, backward: bool) -> tuple[_Kernel, str]:
        """The kernel of a call, and the word for what it does."""
        if not backward:
            return self._kernels["forward"], "forward"
        return self._kernels["backward_states" if call.states_only else "backward"], "backward"

    def _plan(self, kernel: _Kernel, struct: Any, size: int) -> Plan:
        return Plan(kernel.plan(struct), 0, size, kernel.loops(struct))

    def _workspace_size(self, kernel: _Kernel, word: str, struct: Any, place: DevicePlace) -> int:
        size = kernel.workspace_size(struct)
        self.driver.check(max(-size, 0), f"{word} of '{self._name}'", place.index)
        return size

    def _started(
        self, kernel: _Kernel, word: str, call: KernelCall
    ) -> tuple[_Started, DeviceArray]:
        started = _Started(self._ffi, kernel, call, self._place_of(call))
        struct, place = started.struct, started.place
        struct.regime = self.regime
        with self.driver.on(place.index):
            size = self._workspace_size(kernel, word, struct, place)
        workspace = place.workspace("a kernel's workspace", size)
        struct.workspace = self.driver.address(workspace.address)
        return started, workspace

    def _again(self, kernel: _Kernel, started: _Started, what: str) -> None:
        with self.driver.on(started.place.index):
            started.send(started.sources)
            self.driver.check(kernel.run(started.struct), what, started.place.index)
            started.settle(what)

    def _place_of(self, call: KernelCall) -> DevicePlace:
        return call.place if isinstance(call.place, DevicePlace) else self._default


def checked_device(device: object) -> int:
    """The number in `cuda:0`. Raises UsageError for what is no device."""
    found = re.fullmatch(r"cuda(?::(\d{1,4}))?", device) if isinstance(device, str) else None
    if found is None:
        raise UsageError(f"device is {device!r}; 'cpu' or a GPU such as 'cuda:0' is needed")
    return int(found[1] or 0)


def checked_stream(stream: object) -> int:
    """The handle of a stream. Raises UsageError for what is none."""
    if isinstance(stream, int) and not isinstance(stream, bool) and 0 <= stream < 2**64:
        return stream
    raise UsageError(
        f"stream is {stream!r}; the handle of a CUDA stream is needed, a whole number\n"
        "help: it is stream.ptr of CuPy's, stream.cuda_stream of PyTorch's"
    )


def cuda_engine(
    bundle: SourceBundle,
    interface: Interface,
    dtype: np.dtype[Any],
    options: BuildOptions = DEFAULTS,
    *,
    regime: int = 0,
    build_library: Build | None = None,
) -> CudaEngine:
    """The engine of `bundle`, built if the cache lacks it; `STEM_abi.h` holds the declarations.

    `build_library` builds it in place of the toolchain. Raises ToolchainError where that fails,
    DeviceError where there is no GPU.
    """
    declarations = bundle.text(f"{bundle.stem}_abi.h")

    def load(library: Path) -> CudaEngine:
        return CudaEngine(library, declarations, bundle.stem, interface, dtype, regime)

    return load_built(bundle, options, load, build_library)
