"""Which sequences of a batch a caller means: an index of the batch axis, checked before its use."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grugen.errors import UsageError

Rows = int | slice | list[int] | NDArray[np.integer[Any]] | NDArray[np.bool_]


def check_rows(value: object, batch: int) -> slice | NDArray[Any]:
    """`value` as NumPy takes it for an axis of `batch` rows. Raises UsageError if it is no such."""
    if isinstance(value, slice):
        try:
            value.indices(batch)
        except (TypeError, ValueError):
            raise _unfit(repr(value), batch) from None
        return value
    rows = _array(value, batch)
    if rows.dtype == np.bool_:
        if rows.shape != (batch,):
            raise _unfit(f"a mask of shape {rows.shape}", batch)
        return rows
    outside = rows[(rows < -batch) | (rows >= batch)]
    if outside.size:
        raise UsageError(f"there is no row {outside[0]}; rows are from {-batch} to {batch - 1}")
    return rows


def _array(value: object, batch: int) -> NDArray[Any]:
    """Whole numbers or truth values."""
    if isinstance(value, np.ma.MaskedArray):
        raise _unfit("a masked array", batch)
    try:
        rows = np.asarray(value)
    except ValueError:  # such as lists of different lengths
        raise _unfit(repr(value), batch) from None
    if isinstance(value, list) and not value:
        return rows.astype(np.intp)  # no rows at all; NumPy makes floats of them
    if rows.dtype.kind not in "iub" or rows.ndim > 1:
        found = f"an array of {rows.dtype} {rows.shape}" if value is rows else repr(value)
        raise _unfit(found, batch)
    return rows


def _unfit(found: str, batch: int) -> UsageError:
    return UsageError(
        f"rows is {found}; a whole number from {-batch} to {batch - 1}, a slice, a list of such "
        f"numbers or a mask of shape ({batch},) is needed"
    )
