"""A library's functions about devices, memory and order; what CUDA says becomes a DeviceError.

Every library has them for itself: CUDA is linked into it, and nothing of CUDA is needed in Python.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from _cffi_backend import cast, from_buffer, newp  # without the look-up of types that ffi's own do
from numpy.typing import NDArray

from grugen.errors import DeviceError

OUT_OF_MEMORY = 2
_NO_DRIVER = (35, 100, 999)
"""No driver or one that is too old, no device, none that can be seen."""
_ENDED = (700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 720, 721)
"""After these no call of the process works any more."""
MOST_NAME = 256
_AS_IT_IS = nullcontext()


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What a device is: its name, its capability such as `9.0`, its parts, its memory in bytes."""

    name: str
    capability: str
    processors: int
    threads_per_processor: int
    shared_per_processor: int
    shared_per_block: int
    second_level_cache: int
    memory: int
    free_memory: int


class Driver:
    """CUDA as the library `stem` has it; handles and addresses are numbers, 0 stands for NULL."""

    def __init__(self, ffi: Any, library: Any, stem: str) -> None:
        """Raises AttributeError if the library lacks a function."""
        self._ffi = ffi
        self._library = library
        self._stem = stem
        self._process = os.getpid()
        self._pointer = ffi.typeof("void *")
        self._number = ffi.typeof("int32_t *")
        find = self._find
        self._current_device, self._use_device = find("current_device"), find("use_device")
        self._allocate, self._release = find("allocate"), find("release")
        self._copy, self._fill_zero = find("copy"), find("fill_zero")
        self._synchronize, self._wait = find("synchronize"), find("wait")
        self._put = find("put")
        self._integers = ffi.typeof("int64_t *")
        self._fill, self._fill_states = find("fill"), find("fill_states")
        self._from_bytes = find("from_bytes")

    def _find(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(self._library, f"{self._stem}_{name}")
        return found

    def address(self, number: int) -> Any:
        """A number as a pointer of C."""
        there: Any = number
        return cast(self._pointer, there)

    def check(self, error: int, what: str, device: int | None = None) -> None:
        """Raise DeviceError, which says that `what` failed, for an error of CUDA."""
        if error:
            raise self.failure(error, what, device)

    def failure(self, error: int, what: str, device: int | None = None) -> DeviceError:
        """The error that says that `what` failed."""
        text, name = (
            self._ffi.string(self._find(function)(error)).decode()
            for function in ("error_text", "error_name")
        )
        where = "" if device is None else f" on cuda:{device}"
        lines = [f"{what} failed{where}: {text} ({name})"]
        if self.is_forked:
            lines.append(
                "help: CUDA does not work in a process that was forked from one that used it; "
                "start processes by the method 'spawn'"
            )
        elif error in _ENDED:
            lines.append("help: CUDA does not work in this process any more; start a new one")
        return DeviceError("\n".join(lines))

    @property
    def is_forked(self) -> bool:
        """Whether this process is a child of the one that loaded the library."""
        return os.getpid() != self._process

    # --- devices ---

    def check_device(self, index: int, library: str) -> None:
        """Raise DeviceError unless there is a device of this number; `library` is its file."""
        count = self._ffi.new("int32_t *")
        error = self._find("device_count")(count)
        if error in _NO_DRIVER or (not error and not count[0]):
            text = self._ffi.string(self._find("error_text")(error or 100)).decode()
            raise DeviceError(
                f"the library '{library}' is built, but there is no GPU to run it: CUDA says "
                f"'{text}'\n"
                "help: CUDA's driver (libcuda.so.1), a GPU, and CUDA_VISIBLE_DEVICES if it is set "
                "must allow it; target='openmp' runs on the CPU"
            )
        self.check(error, "counting devices")
        if index >= count[0]:
            plural = "is one device" if count[0] == 1 else f"are {count[0]} devices"
            raise DeviceError(f"there is no device cuda:{index}; there {plural}, from cuda:0 on")

    def facts(self, index: int) -> DeviceFacts:
        """What device `index` is."""
        name = self._ffi.new("char[]", MOST_NAME)
        self.check(self._find("device_name")(index, name, MOST_NAME), "asking a device", index)
        told = self._ffi.new(f"{self._stem}_device_facts *")
        self.check(self._find("ask_device")(index, told), "asking a device", index)
        return DeviceFacts(
            self._ffi.string(name).decode(errors="replace"),
            f"{told.major_capability}.{told.minor_capability}",
            told.processors,
            told.threads_per_processor,
            told.shared_per_processor,
            told.shared_per_block,
            told.second_level_cache,
            told.memory,
            told.free_memory,
        )

    def on(self, device: int) -> AbstractContextManager[None]:
        """Let the calls of this thread mean `device` in the block; then the one from before."""
        found = newp(self._number)
        self.check(self._current_device(found), "asking for the device")
        before = found[0]
        return _AS_IT_IS if before == device else self._instead_of(before, device)

    def call(self, function: Callable[[Any], int], struct: Any, device: int) -> int:
        """What `function` returns for the struct, on `device`."""
        found = newp(self._number)
        # one device is what most have, and a call should cost microseconds
        if not self._current_device(found) and found[0] == device:
            return function(struct)
        with self.on(device):
            return function(struct)

    @contextmanager
    def _instead_of(self, before: int, device: int) -> Iterator[None]:
        self.check(self._use_device(device), "choosing a device", device)
        try:
            yield
        finally:
            # of what happens in the block the first error tells more
            self._use_device(before)

    # --- memory ---

    def allocate(self, size: int, device: int) -> int:
        """The address of `size` bytes. Raises MemoryError where the device has none."""
        place = self._ffi.new("void **")
        with self.on(device):
            error = self._allocate(place, size)
        if error == OUT_OF_MEMORY:
            raise MemoryError
        self.check(error, "allocating memory", device)
        return int(self._ffi.cast("uintptr_t", place[0]))

    def release(self, address: int) -> None:
        """Give memory back; waits for all that uses its device."""
        self.check(self._release(self.address(address)), "releasing memory")

    def device_of(self, address: int) -> int:
        """The number of the device that has the memory; -1: the host, or nobody."""
        found = self._ffi.new("int32_t *")
        self.check(self._find("device_of")(self.address(address), found), "asking for memory")
        return int(found[0])

    def copy(self, to: Any, source: Any, size: int, stream: int) -> None:
        """Start to copy between pointers of C, from and to host or device."""
        self.check(self._copy(to, source, size, self.address(stream)), "copying")

    def put(self, to: int, numbers: NDArray[np.int64], stream: int) -> None:
        """Start to write `numbers`, which may change as soon as this returns."""
        array: Any = numbers
        place: Any = to
        pointers = cast(self._integers, place), from_buffer(self._integers, array)
        error = self._put(*pointers, numbers.size, self.address(stream))
        self.check(error, "copying lengths")

    def fill_zero(self, to: int, size: int, stream: int) -> None:
        """Start to fill bytes with 0."""
        error = self._fill_zero(self.address(to), size, self.address(stream))
        self.check(error, "filling memory")

    def fill(self, to: int, elements: int, value: float, stream: int) -> None:
        """Start to fill elements of the library's type."""
        error = self._fill(self.address(to), elements, value, self.address(stream))
        self.check(error, "filling memory")

    def fill_states(self, to: int, elements: int, value: float, stream: int) -> None:
        """Start to fill elements of the type that the library's states have."""
        error = self._fill_states(self.address(to), elements, value, self.address(stream))
        self.check(error, "filling memory")

    def from_bytes(self, to: int, source: int, elements: int, stream: int) -> None:
        """Start to make elements of the library's type of bytes."""
        pointers = self.address(to), self.address(source)
        error = self._from_bytes(*pointers, elements, self.address(stream))
        self.check(error, "reading a mask")

    # --- order ---

    def synchronize(self, stream: int, what: str, device: int) -> None:
        """Return when all that is on the stream is done; what failed there is said to be `what`."""
        self.check(self._synchronize(self.address(stream)), what, device)

    def wait(self, stream: int, other: int) -> None:
        """What comes on `stream` from now on waits for what is on `other` now."""
        self.check(self._wait(self.address(stream), self.address(other)), "waiting for a stream")

    def first_states(self, name: str, **members: Any) -> None:
        """Start `first_states` or `add_first_states`; `members` are those of the struct."""
        call = self._ffi.new(f"{self._stem}_first_call *")
        for member, value in members.items():
            setattr(call, member, value)
        self.check(self._find(name)(call), "starting states as an input does")
