"""What calls that are alike read and make, array by array, and where a C struct points to it.

A call like one before goes through such lists and looks nothing up. They are plain tuples, and the
functions few and long: a kernel leaves nothing of Python in a cache, and then a call takes as long
as it takes to fetch what it touches. See `known_forward` and `known_backward`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from sys import getrefcount
from typing import Any

import numpy as np
from numpy import empty, ndarray  # without a look-up in the module each time
from numpy.typing import NDArray

from grugen.runtime.engine import Array, Plan, Repeated, Struct
from grugen.runtime.memory import POOL, borrow, filled, give_back, too_large
from grugen.runtime.pool import OWN_REFERENCES, PAGE, Shelf, block_size
from grugen.runtime.structs import VOID, pointer_to

Expected = tuple[str, np.dtype[Any], tuple[int, ...], int | None]
"""An array that is given: its name, dtype and shape, and which pointer it is, if it is any."""

Made = tuple[str, np.dtype[Any], tuple[int, ...], int | None, int, str]
"""A result: its name, dtype and shape, which pointer it is, the size of its block, and its words.

The size is 0 if it is small, the words are what messages call it. It is 0 everywhere if no pointer
is to it.
"""

_BYTE = np.dtype(np.uint8)


def made(
    name: str, what: str, dtype: np.dtype[Any], shape: tuple[int, ...], place: int | None
) -> Made:
    """The entry of a result."""
    size = math.prod(shape) * dtype.itemsize
    return name, dtype, shape, place, 0 if size < PAGE else block_size(size), what


def point(expected: tuple[Expected, ...], arrays: Mapping[str, Any], pointers: Any) -> bool:
    """Point to the given arrays; False if one of them is not as expected."""
    for name, dtype, shape, place in expected:
        array = arrays[name]
        if type(array) is not ndarray or array.shape != shape:
            return False
        found = array.dtype
        if found is not dtype and found != dtype:
            return False
        flags = array.flags
        # the first is one flag for three: contiguous, aligned, and writable, which need not be
        if not (flags.carray or (flags.c_contiguous and flags.aligned)):
            return False
        if place is not None:
            pointers[place] = pointer_to(VOID, array)
    return True


def make(entries: tuple[Made, ...], pointers: Any, addresses: Any) -> dict[str, Array]:
    """Fresh arrays, and point to them. Raises UsageError where there is no memory."""
    results: dict[str, Array] = {}
    for name, dtype, shape, place, whole, what in entries:
        if place is None:
            results[name] = filled(what, shape, 0.0, dtype)
            continue
        try:
            if whole:
                lease = POOL.lend(whole)
                addresses[place] = lease.block.address
                results[name] = ndarray(shape, dtype, lease)
            else:
                # memory that small is kept by the C library
                results[name] = array = empty(shape, dtype)
                pointers[place] = pointer_to(VOID, array)
        except MemoryError as error:
            raise too_large(what, str(shape), math.prod(shape) * dtype.itemsize) from error
    return results


def span(size: int, place: int, pointers: Any, addresses: Any) -> tuple[NDArray[np.uint8], int]:
    """Memory for arrays that live and die together, and where it starts.

    `size` is less than a page, or a `block_size`. The pointer at `place` is written, too. Raises
    MemoryError.
    """
    if size >= PAGE:
        lease = POOL.lend(size)
        addresses[place] = lease.block.address
        return lease, lease.block.address
    memory = empty(size, _BYTE)
    # NumPy takes far longer to tell it
    pointers[place] = pointer_to(VOID, memory)
    return memory, addresses[place]


def start_kernel(repeated: Repeated, shelf: Shelf, struct: Struct) -> Plan:
    """Run once with a workspace from `shelf`; the struct is spare afterwards.

    What the struct points to has to live until then. Raises UsageError where there is no memory.
    """
    whole, _, addresses = struct
    # as `Pool.take` and `give_back` do, without a call of them
    try:
        block = shelf.pop()
    except IndexError:
        block = borrow("a kernel's workspace", repeated.workspace_bytes)
    if getrefcount(block.mapping) > OWN_REFERENCES:
        block = borrow("a kernel's workspace", repeated.workspace_bytes)
    addresses[repeated.workspace] = block.address
    granted = repeated.kernel.run(whole)
    if block.returned:
        shelf.append(block)
    else:
        give_back(block)
    repeated.spare.append(struct)
    return repeated.plans.get(granted) or repeated.plan(granted)
