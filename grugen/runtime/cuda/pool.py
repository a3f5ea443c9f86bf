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


class Lease:
    """`size` bytes at `address`, for as long as something refers to this."""

    __slots__ = ("_home", "_pool", "_whole", "address", "size")

    def __init__(self, pool: DevicePool, home: Home, whole: int, address: int, size: int) -> None:
        self._pool = pool
        self._home = home
        self._whole = whole
        self.address = address
        self.size = size

    def __del__(self) -> None:
        self._pool.take_back(self._home, self._whole, self.address)


class DevicePool:
    """Blocks of device memory that are not lent; all of them are kept until they are needed."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._free: dict[tuple[Home, int], deque[int]] = {}

    @property
    def free_bytes(self) -> int:
        """The size of all blocks that are not lent."""
        return sum(whole * len(blocks) for (_, whole), blocks in tuple(self._free.items()))

    def lend(self, size: int, device: int, stream: int) -> Lease:
        """`size` bytes. Raises MemoryError where the device has no more."""
        home, whole = (device, stream), block_size(size)
        try:
            address = self._free[home, whole].pop()
        except (KeyError, IndexError):
            address = self._new(whole, device)
        return Lease(self, home, whole, address, size)

    def take_back(self, home: Home, whole: int, address: int) -> None:
        """Keep a block that nobody uses any more, but for what is on its stream already."""
        self._free.setdefault((home, whole), deque()).append(address)

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
