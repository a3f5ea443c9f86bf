"""Fresh arrays, and a sentence in place of one that is too large to be had.

NumPy's own errors name neither the array nor what the user called it, and a system that is out of
memory ends the process without a word.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from grugen.errors import UsageError
from grugen.runtime.engine import Array


def allocate(
    make: Callable[..., Array], what: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    """`make(shape, dtype=dtype)`, such as np.empty; raises UsageError that names `what`."""
    try:
        return make(shape, dtype=dtype)
    except (MemoryError, ValueError, OverflowError) as error:
        # NumPy raises a ValueError where the number of bytes is not even an int64
        raise too_large(what, str(shape), math.prod(shape) * dtype.itemsize) from error


def filled(what: str, shape: tuple[int, ...], value: float | None, dtype: np.dtype[Any]) -> Array:
    """An array of `value`s."""
    return allocate(partial(np.full, fill_value=value), what, shape, dtype)


def too_large(what: str, shape: str, size: int) -> UsageError:
    """The error for an array of `size` bytes that cannot be had."""
    return UsageError(f"{what} with shape {shape} needs {gib(size)}, more memory than there is")


def gib(size: int) -> str:
    """`14.9 GiB`."""
    return f"{size / 2**30:.1f} GiB"


def machine_memory() -> int:
    """The bytes of memory that this machine has; where it does not say, as many as can be."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return sys.maxsize
