"""Arrays by name that are written into and never replaced: what a stepper reads and returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from grugen.errors import UsageError
from grugen.runtime.arrays import check_keys
from grugen.runtime.elements import name_of
from grugen.runtime.engine import Array


class Buffers(Mapping[str, Array]):
    """`buffers["x"][...] = a` writes in place, as `buffers["x"] = a` does after a check.

    `what` is what messages call them, `the inputs` say. Raises UsageError for a name that is not
    there, and for an array whose shape or dtype is not the buffer's.
    """

    def __init__(self, what: str, arrays: Mapping[str, Array]) -> None:
        self._what = what
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> Array:
        if name not in self._arrays:
            check_keys("step", [name], self._arrays, self._what)
        return self._arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __setitem__(self, name: str, value: Array) -> None:
        target = self[name]
        if value is target:
            return  # step.inputs["x"] *= 2 assigns the array itself
        found = np.asarray(value)
        if found.shape != target.shape or found.dtype != target.dtype:
            raise UsageError(
                f"'{name}' of {self._what} is {name_of(found.dtype)} {found.shape}; "
                f"{name_of(target.dtype)} {target.shape} is needed"
            )
        target[...] = found
