"""The host's memory as a place: NumPy's arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grugen.errors import UsageError
from grugen.runtime import known, memory
from grugen.runtime.device_array import DeviceArray
from grugen.runtime.elements import computed_type
from grugen.runtime.engine import Array
from grugen.runtime.places import HOST_NAME, AnyArray, Lengths, Place


class HostPlace:
    """See `Place`; every array here is NumPy's."""

    device = HOST_NAME
    stream = None
    takes_null = False
    alignment = memory.ALIGNMENT

    def adopt(self, what: str, name: str, value: object) -> object:
        """See `Place`; there is nothing to adopt."""
        if isinstance(value, DeviceArray):
            raise UsageError(
                f"{what} is on {value.device}; a cell of a target that runs on the CPU takes NumPy "
                f"arrays\nhelp: pass {name}.numpy()"
            )
        return value

    def after(self, other: Place) -> None:
        """See `Place`; nothing is started here that is not done."""

    # without a call of our own in between: a call of a small cell takes microseconds
    empty = staticmethod(memory.empty)
    filled = staticmethod(memory.filled)
    workspace = staticmethod(memory.workspace)
    point = staticmethod(known.point)
    refer = staticmethod(known.refer)
    point_to = staticmethod(known.point_to)
    laid_out = staticmethod(known.laid_out)
    make = staticmethod(known.make)
    span = staticmethod(known.span)
    part = staticmethod(known.part)

    def empties(
        self, whats: tuple[str, ...], shapes: tuple[tuple[int, ...], ...], dtype: np.dtype[Any]
    ) -> list[AnyArray]:
        """See `Place`."""
        return list(memory.empties(whats, shapes, dtype))

    def copy(self, to: AnyArray, array: AnyArray) -> None:
        """See `Place`."""
        np.copyto(_host(to), _host(array))

    def copy_of(self, what: str, array: AnyArray) -> Array:
        """See `Place`."""
        return np.array(_host(array), order="C")

    def first_states(
        self, values: AnyArray, tail: tuple[int, ...], lengths: Lengths, reverse: bool
    ) -> Array:
        """See `Place`."""
        found = _host(values)
        steps, batch = found.shape[:2]
        first = first_steps(steps, batch, lengths, reverse)
        states = np.zeros((batch, *tail), computed_type(found.dtype))
        states[first.rows] = spread(found[first.times, first.rows], len(tail))
        return states

    def add_first_states(
        self, to: AnyArray, states: AnyArray, lengths: Lengths, reverse: bool
    ) -> None:
        """See `Place`."""
        target = _host(to)
        steps, batch = target.shape[:2]
        first = first_steps(steps, batch, lengths, reverse)
        gradient = _host(states)[first.rows]
        if gradient.ndim > target.ndim - 1:
            # one number was spread over the whole state
            gradient = gradient.sum(axis=tuple(range(1, gradient.ndim)))
        target[first.times, first.rows] += gradient


HOST = HostPlace()


def only_host(target: str, device: object, stream: object) -> HostPlace:
    """The place of a target that runs on the host. Raises UsageError for any other."""
    if device not in (None, HOST_NAME):
        raise UsageError(
            f"device is {device!r}; a cell of target '{target}' runs on the CPU\n"
            "help: make it with target='cuda'"
        )
    if stream is not None:
        raise UsageError(f"stream is for target 'cuda'; this cell runs on '{target}'")
    return HOST


def _host(array: AnyArray) -> Array:
    return array if isinstance(array, np.ndarray) else array.numpy()


@dataclass(frozen=True, slots=True, eq=False)
class FirstSteps:
    """Where sequences start: `rows[i]` at time `times[i]`; those of length 0 are left out."""

    rows: NDArray[np.intp]
    times: NDArray[np.intp]


def first_steps(steps: int, batch: int, lengths: Lengths, reverse: bool) -> FirstSteps:
    """The first valid step of each sequence in the direction of the run."""
    ends = np.full(batch, steps) if lengths is None else lengths
    rows = np.flatnonzero(ends > 0)
    times = (ends[rows] - 1) if reverse else np.zeros_like(rows)
    return FirstSteps(rows, times.astype(np.intp))


def spread(values: Array, axes: int) -> Array:
    """(B, ...) with axes of size 1 added behind, to give each row `axes` axes."""
    return values.reshape(values.shape + (1,) * (1 + axes - values.ndim))
