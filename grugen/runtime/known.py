"""What calls on the host that are alike read and make, and where a C struct points to it.

The methods of `Place` for calls like one before, where arrays are NumPy's. The functions are few
and long, for the reason that `Expected` gives.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy import empty, ndarray  # without a look-up in the module each time

from grugen.runtime.engine import Array
from grugen.runtime.memory import POOL, filled, too_large
from grugen.runtime.places import Expected, Largest, Wanted
from grugen.runtime.pool import PAGE, block_size
from grugen.runtime.structs import VOID, pointer_to

Made = tuple[str, np.dtype[Any], tuple[int, ...], int | None, int, str]
"""A result: its name, dtype and shape, which pointer it is, the size of its block, and its words.

The size is 0 if it is small.
"""

_BYTE = np.dtype(np.uint8)


def point(
    expected: tuple[Expected, ...], arrays: dict[str, Any], pointers: Any, addresses: Any
) -> bool:
    """See `Place`."""
    for name, dtype, shape, place, _ in expected:
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


def refer(
    places: tuple[tuple[str, int], ...], arrays: Mapping[str, Any], pointers: Any, addresses: Any
) -> None:
    """See `Place`."""
    for name, place in places:
        pointers[place] = pointer_to(VOID, arrays[name])


def point_to(array: Any, place: int, pointers: Any, addresses: Any) -> object:
    """See `Place`."""
    pointers[place] = pointer_to(VOID, array)
    return array


def laid_out(wanted: tuple[Wanted, ...]) -> tuple[Made, ...]:
    """See `Place`."""
    return tuple(
        (name, dtype, shape, place, 0 if size < PAGE else block_size(size), what)
        for name, what, dtype, shape, place in wanted
        for size in (math.prod(shape) * dtype.itemsize,)
    )


def make(entries: tuple[Made, ...], pointers: Any, addresses: Any) -> dict[str, Array]:
    """See `Place`."""
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


def span(
    size: int, largest: Largest, place: int, pointers: Any, addresses: Any
) -> tuple[object, int]:
    """See `Place`."""
    try:
        if size >= PAGE:
            lease = POOL.lend(size)
            addresses[place] = lease.block.address
            return lease, lease.block.address
        memory = empty(size, _BYTE)
    except MemoryError as error:
        what, shape, needed = largest
        raise too_large(what, str(shape), needed) from error
    # NumPy takes far longer to tell it
    pointers[place] = pointer_to(VOID, memory)
    return memory, addresses[place]


def part(memory: Any, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """See `Place`."""
    return ndarray(shape, dtype, memory, offset)
