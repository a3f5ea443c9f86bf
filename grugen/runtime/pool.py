"""Large memory is kept and handed out again: a loop of calls takes no new pages from the system.

Fresh pages cost more than the kernels that fill them: the system clears every one at its first
touch. A block of memory is lent as a `Lease`; arrays made on it, and all views of those, keep the
lease alive, and with the last of them the block comes back. Small arrays are none of its business.

There are no locks: every change is one operation of a deque or a dict, and each of those is
atomic. So a signal handler, the garbage collector or a fork may come at any point.
"""

from __future__ import annotations

import mmap
import sys
from collections import deque
from contextlib import suppress
from itertools import count
from sys import getrefcount

import numpy as np

PAGE = 2**16
"""The smallest block, in bytes: a page, wherever pages are large."""
HUGE = 2**21
"""Blocks of at least so many bytes start at such an address, and ask for pages of that size."""


RARELY = 16
"""How many small blocks come back before their sum is looked at."""


class Block:
    """`size` bytes from `start` on in a mapping of its own."""

    __slots__ = ("address", "mapping", "returned", "size", "start")

    def __init__(self, size: int) -> None:
        """Raises MemoryError where the system has no such memory."""
        self.size = size
        self.returned = 0
        spare = HUGE if size >= HUGE else 0
        try:
            # private: a forked child gets a copy, as of all other memory
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
            self.mapping = mmap.mmap(-1, size + spare, flags)
        except (OSError, OverflowError, ValueError) as error:
            raise MemoryError from error
        first = np.frombuffer(self.mapping, np.uint8, 1).ctypes.data
        self.start = -first % HUGE if spare else 0
        self.address = first + self.start
        if spare and hasattr(mmap, "MADV_HUGEPAGE"):
            # a kernel may have been built without huge pages
            with suppress(OSError):
                self.mapping.madvise(mmap.MADV_HUGEPAGE, self.start, size // HUGE * HUGE)


class Lease(np.ndarray[tuple[int], np.dtype[np.uint8]]):
    """The first bytes of a block, not filled, for as long as something refers to them.

    An array on it is `np.ndarray(shape, dtype, lease)`: NumPy keeps what such an array was made
    on, for all its views too, and stops there because a lease is of another class.
    """

    __slots__ = ("_pool", "block")

    _pool: Pool
    block: Block

    def __del__(self) -> None:
        try:
            block = self.block
        except AttributeError:
            # a view of a lease is of this class too, and owns nothing
            return
        self._pool.take_back(block)


Shelf = deque[Block]
"""The blocks of one size that are not lent, what was returned last at the right."""
OWN_REFERENCES = 2
"""What `getrefcount` finds for the mapping of a block that nothing else refers to."""
_BYTE = np.dtype(np.uint8)


class Pool:
    """Blocks of memory that are not lent, at most about `most` bytes of them.

    What is more is given back to the system, what was returned first before the rest. It may be a
    little more, because their sum is not looked at for every small block.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        # so many at a time are a sixteenth of the most
        self._small = most // (16 * RARELY)
        self._free: dict[int, Shelf] = {}
        self._clock = count(1)
        self._small_returns = count(1)

    @property
    def free_bytes(self) -> int:
        """The size of all blocks that are not lent."""
        return sum(size * len(blocks) for size, blocks in tuple(self._free.items()))

    def shelf(self, whole: int) -> Shelf:
        """The blocks of `whole` bytes that are not lent, for who cannot afford `take`.

        One that has more than `OWN_REFERENCES` is not to be used. What was on the shelf may be put
        back there as it is: the sum of all is what it was. It counts as old then, and if there is
        too much it goes and is made anew once.
        """
        # one operation, so that all find the same one
        return self._free.setdefault(whole, deque())

    def lend(self, whole: int) -> Lease:
        """`whole` bytes, as `block_size` says. Raises MemoryError where they cannot be had."""
        block = self.take(whole)
        lease = Lease(whole, _BYTE, block.mapping, block.start)
        lease._pool = self
        lease.block = block
        return lease

    def take(self, whole: int) -> Block:
        """A block of so many bytes, to be given back. Raises MemoryError as `lend` does."""
        try:
            free = self._free[whole]
            # the one that was returned last, as it is likely to be in a cache
            block = free.pop()
            # a finalizer of an object that referred to the lease may have saved it from its end;
            # then the block is not ours any more, and something else refers to its memory
            while getrefcount(block.mapping) > OWN_REFERENCES:
                block = free.pop()
            return block
        except (KeyError, IndexError):
            pass
        return self._new(whole)

    def give_back(self, block: Block) -> None:
        """Keep a block that nothing refers to any more.

        One that was free before is kept without a look at the sum: calls that take and return the
        same blocks leave it as it is.
        """
        if block.returned:
            block.returned = next(self._clock)
            self._free[block.size].append(block)
        else:
            self.take_back(block)

    def take_back(self, block: Block) -> None:
        """Keep a block that nothing refers to any more."""
        block.returned = next(self._clock)
        self._free.setdefault(block.size, deque()).append(block)
        if block.size > self._small or next(self._small_returns) % RARELY == 0:
            self.release(self.most)

    def release(self, keep: int = 0) -> int:
        """Give the oldest blocks back to the system until `keep` bytes are left; how many went."""
        released = 0
        while self.free_bytes > keep:
            oldest = self._oldest()
            if oldest is not None:
                released += oldest.size
        return released

    def _oldest(self) -> Block | None:
        """Take out the block that was returned first; None if another thread was faster."""
        try:
            blocks = min(filter(None, tuple(self._free.values())), key=lambda b: b[0].returned)
            return blocks.popleft()
        except (IndexError, ValueError):
            return None

    def _new(self, size: int) -> Block:
        if size > sys.maxsize:
            raise MemoryError
        try:
            return Block(size)
        except MemoryError:
            if not self.release():
                raise
            return Block(size)


def block_size(size: int) -> int:
    """The size of the blocks that serve `size` bytes: four sizes between powers of two.

    So calls of about one size share blocks, and no more than a quarter of one lies idle.
    """
    if size <= PAGE:
        return PAGE
    step = 1 << ((size - 1).bit_length() - 3)
    return -(-size // step) * step
