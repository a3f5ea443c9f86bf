"""Fresh arrays, and a sentence in place of one that is too large to be had.

NumPy's own errors name neither the array nor what the user called it, and a system that is out of
memory ends the process without a word.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakSet

import numpy as np

from grugen.errors import UsageError
from grugen.runtime.cgroup import memory_limits
from grugen.runtime.elements import rounded
from grugen.runtime.engine import Array
from grugen.runtime.pool import PAGE, Block, Lease, Pool, block_size

ALIGNMENT = 64
"""Of memory that kernels work in, in bytes: a cache line and the widest vector."""
MOST_KEPT = 2**30
"""Bytes that are kept for later calls, where that is at most an eighth of the memory there is."""


class ReleasesMemory(Protocol):
    """Something that keeps memory for later calls."""

    def release(self) -> int:
        """Give it back; returns how many bytes."""


def empty(what: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array, not yet filled. Raises UsageError that names `what` where it cannot be had."""
    size = math.prod(shape) * dtype.itemsize
    try:
        if size < PAGE:
            # memory that small is kept by the C library
            return np.empty(shape, dtype=dtype)
        return np.ndarray(shape, dtype, POOL.lend(block_size(size)))
    except (MemoryError, ValueError, OverflowError) as error:
        # NumPy raises a ValueError where an axis is not even an int64
        raise too_large(what, str(shape), size) from error


def filled(what: str, shape: tuple[int, ...], value: float | None, dtype: np.dtype[Any]) -> Array:
    """An array of `value`s, None being 0. Raises UsageError as `empty` does."""
    if not value and 0 < math.prod(shape) * dtype.itemsize < PAGE:
        return np.zeros(shape, dtype)
    array = empty(what, shape, dtype)
    array[...] = rounded(value or 0.0, dtype)
    return array


def empties(
    whats: tuple[str, ...], shapes: tuple[tuple[int, ...], ...], dtype: np.dtype[Any]
) -> list[Array]:
    """Arrays that live and die together, in one piece of memory. Raises UsageError as `empty`."""
    starts, end = [], 0
    for shape in shapes:
        starts.append(end)
        end += -(-math.prod(shape) * dtype.itemsize // ALIGNMENT) * ALIGNMENT
    try:
        if end < PAGE:
            # memory that small is kept by the C library
            return [np.empty(shape, dtype) for shape in shapes]
        lease = POOL.lend(block_size(end))
        return [
            np.ndarray(shape, dtype, lease, start)
            for shape, start in zip(shapes, starts, strict=True)
        ]
    except (MemoryError, ValueError, OverflowError) as error:
        sizes = [math.prod(shape) for shape in shapes]
        largest = sizes.index(max(sizes))
        size = sizes[largest] * dtype.itemsize
        raise too_large(whats[largest], str(shapes[largest]), size) from error


def workspace(what: str, size: int) -> Lease:
    """`size` aligned bytes, not filled. Raises UsageError as `empty` does."""
    try:
        return POOL.lend(block_size(size))
    except MemoryError as error:
        raise too_large(what, f"({size},)", size) from error


def borrow(what: str, size: int) -> Block:
    """Memory for `size` bytes until it is given back. Raises UsageError as `empty` does."""
    try:
        return POOL.take(block_size(size))
    except MemoryError as error:
        raise too_large(what, f"({size},)", size) from error


def give_back(block: Block) -> None:
    """End a `borrow`: nothing may use the block's memory any more."""
    POOL.give_back(block)


def release_memory() -> int:
    """Give the memory that is kept for later calls back to the system; returns how many bytes.

    Arrays that are still in use, and their memory, stay as they are. Memory of devices is given
    back, too.
    """
    return POOL.release() + sum(pool.release() for pool in list(_OTHERS))


def also_release(pool: ReleasesMemory) -> None:
    """Let `release_memory` release what `pool` keeps."""
    _OTHERS.add(pool)


def too_large(what: str, shape: str, size: int) -> UsageError:
    """The error for an array of `size` bytes that cannot be had."""
    return UsageError(f"{what} with shape {shape} needs {gib(size)}, more memory than there is")


def gib(size: int) -> str:
    """`14.9 GiB`."""
    return f"{size / 2**30:.1f} GiB"


def usable_memory(root: Path = Path("/")) -> int:
    """The bytes of memory that this process may use: what the machine has, or its control group.

    As many as can be, where neither says.
    """
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        machine = sys.maxsize
    return min([machine, *memory_limits(root)])


_OTHERS: WeakSet[ReleasesMemory] = WeakSet()
# of the process, as its heap is
POOL = Pool(min(MOST_KEPT, usable_memory() // 8))
