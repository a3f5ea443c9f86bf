"""Where the arrays of a call are: in the memory of the host, or in that of a device.

Forward and backward make and move arrays only through a place, and so are the same for all
targets. Calls that are like one before tell it once what arrays they are given and what arrays they
make, and are not told about each again: see `known_forward` and `known_backward`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from grugen.runtime.device_array import DeviceArray

AnyArray = NDArray[Any] | DeviceArray
Lengths = NDArray[np.int64] | None

HOST_NAME = "cpu"

Expected = tuple[str, np.dtype[Any], tuple[int, ...], int | None, bool]
"""An array that is given: its name, dtype and shape, which pointer it is, whether it is a mask.

In place of a pointer there is None where a kernel does not read the array. They are plain tuples,
and so are those below: a kernel leaves nothing of Python in a cache, and then a call takes as long
as it takes to fetch what it touches.
"""

Wanted = tuple[str, str, np.dtype[Any], tuple[int, ...], int | None]
"""A result: its name, what messages call it, its dtype and shape, and which pointer it is.

None in place of a pointer: no kernel writes it, it is 0 everywhere.
"""

Largest = tuple[str, tuple[int, ...], int]
"""What messages call an array, its shape, and its size in bytes."""

Layout = Any
"""What a place made of results that are wanted, for itself alone."""


class Place(Protocol):
    """Memory to make arrays in; on a device, with the stream that calls run on.

    What cannot be had raises an error that names `what` it was to be.
    """

    takes_null: bool
    """Whether states that start at 0 need no array: kernels take None for them."""
    alignment: int
    """Of arrays that share memory, in bytes."""

    @property
    def device(self) -> str:
        """`cpu` or such as `cuda:0`."""

    @property
    def stream(self) -> int | None:
        """The handle of the stream that calls run on; None on the host."""

    def adopt(self, what: str, name: str, value: object) -> object:
        """An array of this place's device in `value` as a DeviceArray, without a copy.

        All else is returned as it is. Raises UsageError for arrays that the place cannot use;
        `what` and `name` are those of an `ArrayRule`.
        """

    def after(self, other: Place) -> None:
        """What comes here from now on finds done what was started in `other`."""

    def empty(self, what: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """An array, not yet filled."""

    def filled(
        self, what: str, shape: tuple[int, ...], value: float | None, dtype: np.dtype[Any]
    ) -> AnyArray:
        """An array of `value`s, None being 0."""

    def empties(
        self, whats: tuple[str, ...], shapes: tuple[tuple[int, ...], ...], dtype: np.dtype[Any]
    ) -> list[AnyArray]:
        """Arrays that live and die together, not yet filled."""

    def workspace(self, what: str, size: int) -> AnyArray:
        """`size` bytes for a kernel to work in, not filled."""

    def copy(self, to: AnyArray, array: AnyArray) -> None:
        """Overwrite `to`, an array of this place, with one of its dtype and shape from anywhere."""

    def copy_of(self, what: str, array: AnyArray) -> AnyArray:
        """A new array of this place with the same elements."""

    def first_states(
        self, values: AnyArray, tail: tuple[int, ...], lengths: Lengths, reverse: bool
    ) -> AnyArray:
        """States (B, tail) that start as `values` (T, B, ...) do; 0 for a sequence without steps.

        A number of `values` is spread over the axes that it lacks.
        """

    def add_first_states(
        self, to: AnyArray, states: AnyArray, lengths: Lengths, reverse: bool
    ) -> None:
        """Add the gradients of such states to those (T, B, ...) of the values."""

    # --- calls like one before; `pointers` and `addresses` are a struct's members as either ---

    def point(
        self,
        expected: tuple[Expected, ...],
        arrays: dict[str, Any],
        pointers: Any,
        addresses: Any,
    ) -> bool:
        """Point to the given arrays; False if one of them is not as expected.

        What is adopted or converted takes the place of what was given.
        """

    def refer(
        self,
        places: tuple[tuple[str, int], ...],
        arrays: Mapping[str, Any],
        pointers: Any,
        addresses: Any,
    ) -> None:
        """Point to arrays that were looked at before."""

    def point_to(self, array: AnyArray, place: int, pointers: Any, addresses: Any) -> object:
        """Point to an array of this place, or to lengths.

        What is returned has to live until the kernel was started.
        """

    def laid_out(self, wanted: tuple[Wanted, ...]) -> Layout:
        """All that need not be decided again when such results are made."""

    def make(self, layout: Layout, pointers: Any, addresses: Any) -> dict[str, Any]:
        """Fresh arrays, and point to them. Raises an error that names what cannot be had."""

    def span(
        self, size: int, largest: Largest, place: int, pointers: Any, addresses: Any
    ) -> tuple[object, int]:
        """Memory for arrays that live and die together, and where it starts.

        `size` is less than a page, or a `block_size`. The pointer at `place` may be written, too,
        and is to be one that is written later. Raises an error that names the `largest` array where
        there is no memory.
        """

    def part(
        self, memory: Any, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> AnyArray:
        """One of the arrays in such memory."""
