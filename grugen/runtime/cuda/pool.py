"""Device memory is kept and handed out again: taking it from CUDA stops the device.

A block is lent as a `Lease`, and comes back with the last reference to it. It is lent again for
work on the same stream only, where what used it before comes before what uses it next. There are
no locks, for the reasons that `grugen.runtime.pool` gives.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress

from grugen.errors import DeviceError
from grugen.runtime.cuda.driver import Driver
from grugen.runtime.pool import block_size

Home = tuple[int, int]
"""A device and a stream."""
Shelf = deque[int]
"""Where the blocks of one size and one home start that are not lent, what came last at the right.

A lease appends to it and needs nothing else: one that ends when the process does finds it there.
"""


class Lease:
    """Memory from `address` on, for as long as something refers to this."""

    __slots__ = ("_shelf", "address")

    def __init__(self, shelf: Shelf, address: int) -> None:
        """It goes back to `shelf`."""
        self._shelf = shelf
        self.address = address

    def __del__(self) -> None:
        self._shelf.append(self.address)


class DevicePool:
    """Blocks of device memory that are not lent; all of them are kept until they are needed."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._free: dict[tuple[Home, int], Shelf] = {}

    @property
    def free_bytes(self) -> int:
        """The size of all blocks that are not lent."""
        return sum(whole * len(blocks) for (_, whole), blocks in tuple(self._free.items()))

    def lend(self, size: int, device: int, stream: int) -> Lease:
        """`size` bytes. Raises MemoryError where the device has no more."""
        return self.lend_whole(block_size(size), (device, stream))

    def lend_whole(self, whole: int, home: Home) -> Lease:
        """The same for the size of a block."""
        try:
            shelf = self._free[home, whole]
            return Lease(shelf, shelf.pop())
        except (KeyError, IndexError):
            pass
        address = self._new(whole, home[0])
        # one operation, so that all find the same one
        return Lease(self._free.setdefault((home, whole), deque()), address)

    def release(self) -> int:
        """Give all blocks that are not lent back to CUDA; returns how many bytes."""
        if self._driver.is_forked:
            return 0  # they belong to the other process
        released = 0
        for (_, whole), blocks in tuple(self._free.items()):
            with suppress(IndexError):
                while True:
                    address = blocks.pop()
                    # a device that failed has lost all memory
                    with suppress(DeviceError):
                        self._driver.release(address)
                    released += whole
        return released

    def _new(self, whole: int, device: int) -> int:
        try:
            return self._driver.allocate(whole, device)
        except MemoryError:
            if not self.release():
                raise
            return self._driver.allocate(whole, device)
