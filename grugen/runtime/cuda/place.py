"""A device and a stream as a place: arrays are made in the pool's memory, copies run on the stream.

Nothing waits for the device but copies from and to the host.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grugen.errors import DeviceError
from grugen.runtime.cuda.adopt import adopt
from grugen.runtime.cuda.driver import Driver
from grugen.runtime.cuda.pool import DevicePool, Lease
from grugen.runtime.device_array import DeviceArray
from grugen.runtime.elements import computed_type
from grugen.runtime.memory import gib
from grugen.runtime.places import AnyArray, Lengths, Place

ALIGNMENT = 256
"""Of arrays that share a block, in bytes: what CUDA's own memory has."""
BYTE = np.dtype(np.uint8)


@lru_cache(maxsize=256)
def _laid_out(
    shapes: tuple[tuple[int, ...], ...], itemsize: int
) -> tuple[tuple[int, ...], int, int]:
    """Where arrays that share a block start, how much they take, and which one takes the most."""
    sizes = [math.prod(shape) * itemsize for shape in shapes]
    starts, end = [], 0
    for size in sizes:
        starts.append(end)
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return tuple(starts), end, sizes.index(max(sizes))


@dataclass(frozen=True, slots=True)
class DevicePlace:
    """See `Place`; `real` is the element type of the library, whose functions `driver` has."""

    takes_null = True

    driver: Driver
    pool: DevicePool
    index: int
    stream: int
    real: np.dtype[Any]

    @property
    def device(self) -> str:
        """See `Place`."""
        return f"cuda:{self.index}"

    def adopt(self, what: str, name: str, value: object) -> object:
        """See `Place`."""
        return adopt(self, what, name, value)

    def after(self, other: Place) -> None:
        """See `Place`."""
        if isinstance(other, DevicePlace) and other.stream != self.stream:
            other.let_wait(self.stream)

    # --- new arrays ---

    def empty(self, what: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DeviceArray:
        """See `Place`."""
        lease = self.lend(what, shape, math.prod(shape) * dtype.itemsize)
        return DeviceArray(shape, dtype, lease.address, lease, self)

    def filled(
        self, what: str, shape: tuple[int, ...], value: float | None, dtype: np.dtype[Any]
    ) -> DeviceArray:
        """See `Place`."""
        array = self.empty(what, shape, dtype)
        with self.driver.on(self.index):
            if value:
                fill = self.driver.fill if dtype == self.real else self.driver.fill_states
                fill(array.address, array.size, value, self.stream)
            else:
                self.driver.fill_zero(array.address, array.nbytes, self.stream)
        return array

    def empties(
        self, whats: tuple[str, ...], shapes: tuple[tuple[int, ...], ...], dtype: np.dtype[Any]
    ) -> list[AnyArray]:
        """See `Place`."""
        if not shapes:
            return []
        starts, end, largest = _laid_out(shapes, dtype.itemsize)
        lease = self.lend(whats[largest], shapes[largest], end)
        first = lease.address
        return [
            DeviceArray(shape, dtype, first + start, lease, self)
            for shape, start in zip(shapes, starts, strict=True)
        ]

    def workspace(self, what: str, size: int) -> DeviceArray:
        """See `Place`."""
        return self.empty(what, (size,), BYTE)

    def lend(self, what: str, shape: tuple[int, ...], size: int) -> Lease:
        """`size` bytes for an array of `shape`. Raises DeviceError that names `what`."""
        try:
            return self.pool.lend(size, self.index, self.stream)
        except (MemoryError, OverflowError) as error:
            raise DeviceError(
                f"{what} with shape {shape} needs {gib(size)}, more memory than {self.device} has "
                "free"
            ) from error

    # --- copies ---

    def copy(self, to: AnyArray, array: AnyArray) -> None:
        """See `Place`; returns when it is done, so that any stream may use `to` next."""
        if not isinstance(to, DeviceArray):
            raise TypeError("the host's arrays are not for a device to write")
        if to is array:
            return
        self.start_copy(to, array)
        self.settle("copying an array")

    def copy_of(self, what: str, array: AnyArray) -> DeviceArray:
        """See `Place`; returns when it is done."""
        made = self.empty(what, array.shape, array.dtype)
        self.copy(made, array)
        return made

    def put(self, lengths: NDArray[np.int64]) -> DeviceArray:
        """Lengths for a kernel to read; nobody waits, and the host's may change."""
        made = self.empty("the copy of the lengths", lengths.shape, lengths.dtype)
        with self.driver.on(self.index):
            self.driver.put(made.address, lengths, self.stream)
        return made

    def start_copy(self, to: DeviceArray, array: AnyArray) -> None:
        """Start to overwrite `to`; an array of the host must live and stay until it is done."""
        with self.driver.on(self.index):
            if isinstance(array, DeviceArray):
                array.let_wait(self.stream)
                source = self.driver.address(array.address)
            else:
                array = np.ascontiguousarray(array)
                source = self.driver.address(array.ctypes.data)
            self.driver.copy(self.driver.address(to.address), source, to.nbytes, self.stream)
            if not isinstance(array, DeviceArray):
                # what `ascontiguousarray` may have made ends here
                self.settle("copying an array")

    def fetch(self, array: DeviceArray) -> NDArray[Any]:
        """See `Keeper`."""
        made = np.empty(array.shape, array.dtype)
        self.fetch_into(made, array.address)
        self.settle("copying an array")
        return made

    def fetch_into(self, to: NDArray[Any], address: int) -> None:
        """Start to copy to the host, into an array that is C-contiguous."""
        with self.driver.on(self.index):
            pointers = self.driver.address(to.ctypes.data), self.driver.address(address)
            self.driver.copy(*pointers, to.nbytes, self.stream)

    # --- order ---

    def settle(self, what: str) -> None:
        """Return when all that was started here is done. Raises DeviceError: `what` failed."""
        with self.driver.on(self.index):
            self.driver.synchronize(self.stream, what, self.index)

    def let_wait(self, stream: int) -> None:
        """See `Keeper`."""
        with self.driver.on(self.index):
            self.driver.wait(stream, self.stream)

    # --- elements ---

    def converted(self, array: DeviceArray, dtype: np.dtype[Any]) -> DeviceArray:
        """See `Keeper`."""
        made = self.empty("a mask", array.shape, dtype)
        with self.driver.on(self.index):
            self.driver.from_bytes(made.address, array.address, array.size, self.stream)
        return made

    def first_states(
        self, values: AnyArray, tail: tuple[int, ...], lengths: Lengths, reverse: bool
    ) -> DeviceArray:
        """See `Place`."""
        batch = values.shape[1]
        states = self.empty("a first state", (batch, *tail), computed_type(values.dtype))
        found = self._here("an input", values)
        self._run_first("first_states", found, states, lengths, reverse)
        return states

    def add_first_states(
        self, to: AnyArray, states: AnyArray, lengths: Lengths, reverse: bool
    ) -> None:
        """See `Place`."""
        found = self._here("a gradient", states)
        self._run_first("add_first_states", self._here("a gradient", to), found, lengths, reverse)

    def _here(self, what: str, array: AnyArray) -> DeviceArray:
        return array if isinstance(array, DeviceArray) else self.copy_of(what, array)

    def _run_first(
        self, name: str, inputs: DeviceArray, states: DeviceArray, lengths: Lengths, reverse: bool
    ) -> None:
        steps, batch = inputs.shape[:2]
        width = math.prod(states.shape[1:])
        ends = None if lengths is None else self.put(lengths)
        address = self.driver.address
        with self.driver.on(self.index):
            self.driver.first_states(
                name,
                T=steps,
                B=batch,
                width=width,
                copies=width // math.prod(inputs.shape[2:]),
                lengths=self.driver.address(0) if ends is None else address(ends.address),
                reverse=reverse,
                states=address(states.address),
                inputs=address(inputs.address),
                stream=address(self.stream),
            )
