"""What arrays are made of. NumPy itself has no bfloat16; the package `ml_dtypes` teaches it.

Without that package, arrays of bfloat16 live on devices. On the host they are bits that are carried
there and back, of a type that is no number to NumPy and that users never see.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grugen.errors import UsageError
from grugen.target.abi import COMPUTED, IN_FULL, Group

BFLOAT16 = "bfloat16"
_BITS = np.dtype([(BFLOAT16, np.uint16)])
"""What stands for bfloat16 where nobody computes with it."""
_HALF, _QUIET = 0x7FFF, 0x7FC0


@cache
def element_type(name: str) -> np.dtype[Any]:
    """NumPy's type for `float32`, `float64` or `bfloat16`."""
    if name != BFLOAT16:
        return np.dtype(name)
    try:
        found: np.dtype[Any] = np.dtype(import_module("ml_dtypes").bfloat16)
    except ImportError:
        return _BITS
    return found


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Whether elements are bfloat16, however they are held."""
    # to NumPy it is of no kind: the package is not looked for where there is none
    return dtype.kind == "V" and dtype == element_type(BFLOAT16)


def name_of(dtype: np.dtype[Any]) -> str:
    """`float32`, say."""
    return BFLOAT16 if is_bfloat16(dtype) else str(dtype)


def python_name(dtype: np.dtype[Any]) -> str:
    """What a user writes for it, such as `np.float32`."""
    return f"ml_dtypes.{BFLOAT16}" if is_bfloat16(dtype) else f"np.{dtype}"


def is_opaque(dtype: np.dtype[Any]) -> bool:
    """Whether NumPy cannot compute with elements of a cell, for want of a package."""
    return dtype == _BITS if dtype.kind == "V" else False


def check_for_numpy(what: str, dtype: np.dtype[Any], instead: str) -> None:
    """Raise UsageError where `what` cannot be NumPy's; `instead` is what works without."""
    if is_opaque(dtype):
        raise UsageError(
            f"{what} of bfloat16 can be NumPy's only where the package ml_dtypes is installed\n"
            f"help: pip install ml_dtypes, or {instead}"
        )


def computed_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type of states in a cell whose other arrays have this one."""
    return np.dtype(COMPUTED[name_of(dtype)])


def type_in(group: Group, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type of the arrays of a group in a cell of this one."""
    return computed_type(dtype) if group in IN_FULL else dtype


def rounded(values: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    """A new C-contiguous array of the nearest elements, ties to even."""
    if not is_bfloat16(dtype):
        return np.array(values, dtype, order="C")
    numbers = np.array(values, np.float32, order="C")
    bits = numbers.view(np.uint32)
    upper = (bits + (_HALF + (bits >> 16 & 1))) >> 16
    # a NaN whose low bits ran over would be infinite, or 0
    kept = np.where(np.isnan(numbers), bits >> 16 | _QUIET, upper)
    return kept.astype(np.uint16).view(dtype)
