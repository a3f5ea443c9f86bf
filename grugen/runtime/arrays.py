"""Checks arrays that users hand in, and says in one sentence what is wrong with one.

Nothing is converted but masks; an array of the wrong type, shape or layout is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grugen.errors import UsageError
from grugen.runtime.device_array import DeviceArray
from grugen.runtime.elements import is_bfloat16, name_of, python_name, rounded
from grugen.runtime.places import AnyArray
from grugen.spec.dims import Shape
from grugen.spec.names import did_you_mean, listed

TIME = "T"
BATCH = "B"


@dataclass(frozen=True, slots=True)
class ArrayRule:
    """What an argument must be: `leading` axes of sizes known only in a call, then fixed ones.

    `what` names it in messages (`input 'x'`), `name` is what the user calls it. A mask may also be
    bool or uint8.
    """

    what: str
    name: str
    leading: tuple[str, ...]
    shape: Shape
    tail: tuple[int, ...]
    dtype: np.dtype[Any]
    mask: bool = False

    @property
    def form(self) -> str:
        """`(T, B, D) = (?, ?, 33)`."""
        return self._form(None)

    def fits(self, value: object, leading: tuple[int, ...]) -> bool:
        """Whether `check` would return `value` itself; False may also mean that it must look."""
        return self.is_like(value, leading + self.tail)

    def is_like(self, value: object, shape: tuple[int, ...]) -> bool:
        """The same for a whole shape that is right."""
        if type(value) is np.ndarray:
            return (
                value.dtype == self.dtype
                and value.shape == shape
                # one flag for three: contiguous, aligned, and writable too
                and value.flags.carray
            )
        return type(value) is DeviceArray and value.dtype == self.dtype and value.shape == shape

    def check(
        self, value: object, leading: tuple[int, ...] | None = None, reason: str = ""
    ) -> AnyArray:
        """`value` as a plain C-contiguous array of the dtype, without copying unless it is a mask.

        It may be a DeviceArray. `leading` None leaves the leading sizes open; `reason` says what
        fixed them.
        """
        array = self.check_loosely(value, leading, reason)
        if isinstance(array, DeviceArray):
            return array
        if not array.flags.c_contiguous:
            raise UsageError(
                f"{self.what} is not C-contiguous\nhelp: pass np.ascontiguousarray({self.name})"
            )
        if not array.flags.aligned:
            raise UsageError(f"{self.what} is not aligned in memory\nhelp: pass {self.name}.copy()")
        return array

    def check_loosely(
        self, value: object, leading: tuple[int, ...] | None = None, reason: str = ""
    ) -> AnyArray:
        """`value` as a plain array of the right dtype and shape, in any layout."""
        if isinstance(value, DeviceArray):
            return self._fitting(value, leading, reason)
        if not isinstance(value, np.ndarray):
            raise UsageError(
                f"{self.what} is of type {type(value).__name__}; "
                f"a NumPy array of {self._dtypes} is needed"
            )
        if isinstance(value, np.ma.MaskedArray):
            raise UsageError(
                f"{self.what} is a masked array, and its mask would be lost\n"
                f"help: pass {self.name}.filled(0), and what is missing as an input of its own"
            )
        return self._fitting(np.asarray(value), leading, reason)

    def check_rounding(self, value: object) -> AnyArray:
        """As `check_loosely`; NumPy's float32 is rounded, too, where bfloat16 is needed."""
        if isinstance(value, np.ndarray) and value.dtype == np.float32 and is_bfloat16(self.dtype):
            wide = replace(self, dtype=value.dtype)
            return rounded(wide.check_loosely(value), self.dtype)
        return self.check_loosely(value)

    def _fitting(self, array: AnyArray, leading: tuple[int, ...] | None, reason: str) -> AnyArray:
        """`array` in the right dtype, if its shape is right, too."""
        known = len(self.leading)
        if array.dtype != self.dtype and not (self.mask and array.dtype in (np.bool_, np.uint8)):
            # to convert what is meant to be bits would give other numbers
            way = "view" if array.dtype == np.uint16 and is_bfloat16(self.dtype) else "astype"
            raise UsageError(
                f"{self.what} has dtype {name_of(array.dtype)}; {self._dtypes} is needed\n"
                f"help: pass {self.name}.{way}({python_name(self.dtype)})"
            )
        found = array.shape
        is_open = leading is None and len(found) == known + len(self.tail)
        if found[known:] != self.tail or not (is_open or found[:known] == leading):
            because = f", because {reason}" if reason and leading is not None else ""
            raise UsageError(
                f"{self.what} has shape {found}; {self._form(leading)} is needed{because}"
            )
        if array.dtype == self.dtype:
            return array
        is_there = isinstance(array, DeviceArray)
        return array.astype(self.dtype) if is_there else rounded(array, self.dtype)

    @property
    def _dtypes(self) -> str:
        return f"{name_of(self.dtype)}, bool or uint8" if self.mask else name_of(self.dtype)

    def _form(self, leading: tuple[int, ...] | None) -> str:
        axes = [*self.leading, *(str(dim) for dim in self.shape)]
        if not axes:
            return "()"
        sizes: list[object] = [*(leading or "?" * len(self.leading)), *self.tail]
        return f"{_parenthesised(axes)} = {_parenthesised(sizes)}"


def _parenthesised(parts: Iterable[object]) -> str:
    words = [str(part) for part in parts]
    return f"({words[0]},)" if len(words) == 1 else f"({', '.join(words)})"


def check_lengths(value: object, steps: int, batch: int, reason: str) -> NDArray[np.int64]:
    """A copy of `value` as int64: (B,), each within 0..T."""
    wanted = f"({BATCH},) = ({batch},)"
    if not isinstance(value, np.ndarray):
        raise UsageError(
            f"lengths is of type {type(value).__name__}; a NumPy array of integers with shape "
            f"{wanted} is needed\nhelp: pass np.array(lengths)"
        )
    if isinstance(value, np.ma.MaskedArray):
        raise UsageError(
            "lengths is a masked array, and its mask would be lost\nhelp: pass lengths.filled(0)"
        )
    # by kind: to NumPy time differences are integers too
    if value.dtype.kind not in "iu":
        advice = "\nhelp: pass lengths.astype(np.int64)" if value.dtype.kind in "fmO" else ""
        raise UsageError(f"lengths has dtype {value.dtype}; an integer dtype is needed{advice}")
    if value.shape != (batch,):
        raise UsageError(f"lengths has shape {value.shape}; {wanted} is needed, because {reason}")
    lengths = np.array(value, np.int64)
    outside = np.flatnonzero((lengths < 0) | (lengths > steps))
    if outside.size:
        first = int(outside[0])
        raise UsageError(
            f"lengths[{first}] is {value[first]}; it must be from 0 to {TIME} = {steps}"
        )
    return lengths


def is_number(value: object) -> bool:
    """Whether `value` is a real number; truth values and arrays are none."""
    numbers = (int, float, np.integer, np.floating)
    return isinstance(value, numbers) and not isinstance(value, bool)


def check_keys(
    where: str,
    found: Iterable[str],
    known: Iterable[str],
    what: str,
    options: tuple[str, ...] = (),
) -> None:
    """Raise for the first of `found` that is not `known`, with the closest or with all of them.

    `options` are other words that may have been meant.
    """
    names = list(known)
    for name in found:
        if name in names:
            continue
        advice = did_you_mean(str(name), [word for word in (*names, *options) if word != name])
        if not advice:
            advice = f"{what} are {listed(names)}" if names else f"there are no {what}"
        raise UnknownName(f"{where} has no '{name}'\nhelp: {advice}")


class UnknownName(UsageError, KeyError):
    """Nothing has this name; a KeyError too, as mappings promise."""

    # KeyError would show the repr of the message
    __str__ = UsageError.__str__


def check_mapping(what: str, value: object) -> Mapping[str, object]:
    """`value` if it is a mapping; None stands for an empty one."""
    if value is None:
        return {}
    if type(value) is not dict and not isinstance(value, Mapping):
        raise UsageError(
            f"{what} is of type {type(value).__name__}; a mapping of names to arrays is needed"
        )
    return value
