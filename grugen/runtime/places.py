"""Where the arrays of a call are: in the memory of the host, or in that of a device.

Forward and backward make and move arrays only through a place, and so are the same for all
targets.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from grugen.runtime.device_array import DeviceArray

AnyArray = NDArray[Any] | DeviceArray
Lengths = NDArray[np.int64] | None

HOST_NAME = "cpu"


class Place(Protocol):
    """Memory to make arrays in; on a device, with the stream that calls run on.

    What cannot be had raises an error that names `what` it was to be.
    """

    takes_null: bool
    """Whether states that start at 0 need no array: kernels take None for them."""

    @property
    def device(self) -> str:
        """`cpu` or such as `cuda:0`."""

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
