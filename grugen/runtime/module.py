"""A loaded spec: makes cells of any size, each with the engine for its target and dtype.

Where engines come from is up to the caller; they are made when a cell first needs one.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from grugen.errors import UsageError
from grugen.runtime.arrays import is_number
from grugen.runtime.binding import accept_settings, bind
from grugen.runtime.cell import Cell
from grugen.runtime.elements import element_type, is_opaque, name_of
from grugen.runtime.engine import DTYPES, OFFERED, TARGETS, Engine
from grugen.runtime.params import new_params
from grugen.spec.names import did_you_mean, listed
from grugen.target.abi import Interface
from grugen.target.arithmetic import IEEE

MakeEngine = Callable[[str, np.dtype[Any]], Engine]
"""Gives the engine for a target and a dtype; UsageError where there is none."""


class CellModule:
    """A spec, ready to make cells.

    `default_dtype` None means float32, and float64 for the target `numpy`. `products` is how the
    target `cuda` forms products over all rows of float32, as `grugen.load` takes it.
    """

    def __init__(
        self,
        interface: Interface,
        engines: MakeEngine,
        default_target: str,
        default_dtype: str | None = None,
        *,
        products: str = IEEE,
    ) -> None:
        self.interface = interface
        self.products = products
        self._make_engine = engines
        self._default_target = default_target
        self._default_dtype = default_dtype
        self._engines: dict[tuple[str, str], Engine] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<cell module {self.interface.name}>"

    def Cell(
        self,
        /,
        *unnamed: object,
        seed: int | None = None,
        target: str | None = None,
        dtype: str | type[np.floating[Any]] | np.dtype[Any] | None = None,
        device: str | None = None,
        **settings: object,
    ) -> Cell:
        """A cell with its dims, constants and hypers given by name, and its parameters drawn.

        A `seed` draws the same parameters every time, whatever the target and dtype. With a
        `device` the cell is `Cell.to` that device. Raises UsageError for what does not fit,
        ToolchainError where a library cannot be built, DeviceError where there is no GPU for it.
        """
        if unnamed:
            raise _by_name(self.interface, unnamed)
        chosen = self._default_target if target is None else checked_target(target)
        element = self._element(chosen, dtype)
        accepted = accept_settings(self.interface, settings, element)
        start = _checked_seed(seed)
        # last: the first engine of its kind may have to be compiled
        params = new_params(self.interface, accepted.sizes, accepted.numbers, element, start)
        cell = Cell(bind(self.interface, self._engine(chosen, element), accepted), params)
        return cell if device is None else cell.to(device)

    def _engine(self, target: str, dtype: np.dtype[Any]) -> Engine:
        with self._lock:
            key = target, name_of(dtype)
            if key not in self._engines:
                self._engines[key] = self._make_engine(target, dtype)
            return self._engines[key]

    def _element(self, target: str, dtype: object) -> np.dtype[Any]:
        chosen = self._default_dtype if dtype is None else dtype
        if chosen is None:
            chosen = "float64" if target == "numpy" else "float32"
        element = checked_dtype(chosen)
        check_offered(target, element)
        return element


def _by_name(interface: Interface, values: tuple[object, ...]) -> UsageError:
    dims = interface.dims
    # what is more than the dims need not be a number, and may be long
    fits = len(values) <= len(dims) and all(map(is_number, values))
    shown = (*values, *["..."] * len(dims)) if fits else ("...",) * len(dims)
    example = ", ".join(f"{name}={value}" for name, value in zip(dims, shown, strict=False))
    return UsageError(
        f"Cell of '{interface.name}' takes its arguments by name\nhelp: write Cell({example})"
    )


def checked_target(target: object) -> str:
    """The target itself; raises UsageError if there is none of this name."""
    if isinstance(target, str) and target in TARGETS:
        return target
    advice = did_you_mean(str(target), TARGETS) or f"the targets are {listed(TARGETS)}"
    raise UsageError(f"there is no target {target!r}\nhelp: {advice}")


def checked_dtype(dtype: object) -> np.dtype[Any]:
    """One of DTYPES; raises UsageError if it is another, or none."""
    for name in DTYPES:
        # compared with names first: np.dtype takes many things for a type
        if isinstance(dtype, str) and dtype == name:
            return element_type(name)
        found = element_type(name)
        if not is_opaque(found) and (dtype is found.type or dtype == found):
            return found
    raise UsageError(f"dtype is {dtype!r}; {listed(DTYPES, 'or')} is needed")


def check_offered(target: str, dtype: np.dtype[Any]) -> None:
    """Raise UsageError unless `target` has elements of this type."""
    name = name_of(dtype)
    if name not in OFFERED[target]:
        others = [other for other in TARGETS if name in OFFERED[other]]
        raise UsageError(
            f"target '{target}' has no {name}; it offers {listed(OFFERED[target])}\n"
            f"help: target='{others[0]}' has it"
        )


def _checked_seed(seed: object) -> int | None:
    if seed is None:
        return None
    try:
        number = -1 if isinstance(seed, bool) else operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < 0:
        raise UsageError(f"seed is {seed!r}; a whole number of at least 0, or None, is needed")
    return number
