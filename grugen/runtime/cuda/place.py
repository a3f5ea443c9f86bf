"""A device and a stream as a place: arrays are made in the pool's memory, copies run on the stream.

Nothing waits for the device but copies from and to the host.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grugen.errors import DeviceError, UsageError
from grugen.runtime.cuda.adopt import adopt
from grugen.runtime.cuda.driver import Driver
from grugen.runtime.cuda.pool import DevicePool, Lease
from grugen.runtime.device_array import DeviceArray
from grugen.runtime.elements import computed_type
from grugen.runtime.memory import gib
from grugen.runtime.places import AnyArray, Expected, Largest, Layout, Lengths, Place, Wanted
from grugen.runtime.pool import block_size

ALIGNMENT = 256
"""Of arrays that share a block, in bytes: what CUDA's own memory has."""
BYTE = np.dtype(np.uint8)
BYTES = (BYTE, np.dtype(np.bool_))
"""The types of elements that a mask may have beside that of the cell."""


def _side_by_side(sizes: Sequence[int]) -> tuple[list[int], int, int]:
    """Where arrays that share a block start, how much they take, and which one takes the most."""
    starts, end = [], 0
    for size in sizes:
        starts.append(end)
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return starts, end, max(range(len(sizes)), key=lambda i: sizes[i], default=0)


@dataclass(frozen=True, slots=True)
class DevicePlace:
    """See `Place`; `real` is the element type of the library, whose functions `driver` has."""

    takes_null = True
    alignment = ALIGNMENT

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
                return array
        self._clear(array)
        return array

    def _clear(self, array: DeviceArray) -> None:
        with self.driver.on(self.index):
            self.driver.fill_zero(array.address, array.nbytes, self.stream)

    def empties(
        self, whats: tuple[str, ...], shapes: tuple[tuple[int, ...], ...], dtype: np.dtype[Any]
    ) -> list[AnyArray]:
        """See `Place`."""
        if not shapes:
            return []
        starts, end, largest = _side_by_side([math.prod(s) * dtype.itemsize for s in shapes])
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
            raise self._too_large((what, shape, size)) from error

    def lend_whole(self, whole: int, largest: Largest) -> Lease:
        """A block of the pool. Raises DeviceError that names the `largest` array in it."""
        try:
            return self.pool.lend_whole(whole, (self.index, self.stream))
        except (MemoryError, OverflowError) as error:
            raise self._too_large(largest) from error

    def _too_large(self, largest: Largest) -> DeviceError:
        what, shape, size = largest
        return DeviceError(
            f"{what} with shape {shape} needs {gib(size)}, more memory than {self.device} has free"
        )

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

    # --- calls like one before ---

    def point(
        self,
        expected: tuple[Expected, ...],
        arrays: dict[str, Any],
        pointers: Any,
        addresses: Any,
    ) -> bool:
        """See `Place`; a mask of bytes is converted."""
        for name, dtype, shape, place, mask in expected:
            array = arrays[name]
            if type(array) is not DeviceArray or not array.is_of(self):
                try:
                    array = arrays[name] = adopt(self, name, name, array)
                except UsageError:
                    # the long way says why
                    return False
                if type(array) is not DeviceArray:
                    return False
            if array.shape != shape:
                return False
            found = array.dtype
            if found is not dtype and found != dtype:
                if not mask or found not in BYTES:
                    return False
                array = arrays[name] = self.converted(array, dtype)
            if place is not None:
                addresses[place] = array.address
        return True

    def refer(
        self,
        places: tuple[tuple[str, int], ...],
        arrays: Mapping[str, Any],
        pointers: Any,
        addresses: Any,
    ) -> None:
        """See `Place`."""
        for name, place in places:
            addresses[place] = arrays[name].address

    def point_to(self, array: AnyArray, place: int, pointers: Any, addresses: Any) -> object:
        """See `Place`."""
        there = array if isinstance(array, DeviceArray) else self.put(array)
        addresses[place] = there.address
        return there

    def laid_out(self, wanted: tuple[Wanted, ...]) -> Layout:
        """See `Place`; results of a kind share their memory."""
        shapes = tuple(shape for _, _, _, shape, _ in wanted)
        sizes = [math.prod(shape) * dtype.itemsize for _, _, dtype, shape, _ in wanted]
        starts, end, largest = _side_by_side(sizes)
        entries = tuple(
            (name, dtype, shape, place, start)
            for (name, _, dtype, shape, place), start in zip(wanted, starts, strict=True)
        )
        named = (wanted[largest][1], shapes[largest], sizes[largest]) if wanted else ("", (), 0)
        return entries, block_size(end), named

    def make(self, layout: Layout, pointers: Any, addresses: Any) -> dict[str, Any]:
        """See `Place`."""
        entries, whole, largest = layout
        if not entries:
            return {}
        lease = self.lend_whole(whole, largest)
        first = lease.address
        results = {}
        for name, dtype, shape, place, start in entries:
            address = first + start
            results[name] = DeviceArray(shape, dtype, address, lease, self)
            if place is not None:
                addresses[place] = address
            else:
                self._clear(results[name])
        return results

    def span(
        self, size: int, largest: Largest, place: int, pointers: Any, addresses: Any
    ) -> tuple[Lease, int]:
        """See `Place`."""
        lease = self.lend_whole(block_size(size), largest)
        return lease, lease.address

    def part(
        self, memory: Lease, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> DeviceArray:
        """See `Place`."""
        return DeviceArray(shape, dtype, memory.address + offset, memory, self)
