"""A cell's parameters: a mapping of arrays that are written in place and never replaced.

How they are drawn is in `init`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from grugen.errors import UsageError
from grugen.runtime.arrays import ArrayRule, check_keys, check_mapping, is_number
from grugen.runtime.elements import check_for_numpy, rounded
from grugen.runtime.engine import Array
from grugen.runtime.host_place import HOST
from grugen.runtime.init import DRAWN, draw
from grugen.runtime.memory import gib, too_large, usable_memory
from grugen.runtime.places import AnyArray, Place
from grugen.target.abi import Interface


class Params(Mapping[str, Any]):
    """Writable arrays by name, in the spec's order; what is written is used by the next call.

    `params["W"][...] = a` writes in place, as `params["W"] = a` does after a check of dtype and
    shape. A parameter that is one number is an array of shape ().

    Those of a cell that was moved to a device are device arrays: `params["W"].numpy()` reads one,
    `params["W"] = a` writes one, `a` being on the device or NumPy's. Where params are bfloat16, `a`
    may be NumPy's float32, too, and is rounded to the nearest.
    """

    def __init__(
        self,
        rules: Mapping[str, ArrayRule],
        arrays: Mapping[str, AnyArray],
        place: Place = HOST,
    ) -> None:
        self._rules = rules
        self._arrays = dict(arrays)
        self._place = place

    def __getitem__(self, name: str) -> Any:
        if name not in self._arrays:
            check_keys("params", [name], self._arrays, "the params")
        array = self._arrays[name]
        if isinstance(array, np.ndarray):
            what, instead = self._rules[name].what, "write params of a cell.to('cuda:0')"
            check_for_numpy(what, array.dtype, instead)
        return array

    @property
    def held(self) -> Mapping[str, AnyArray]:
        """The arrays themselves, for who hands them on."""
        return self._arrays

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {array.shape}" for name, array in self._arrays.items())
        return f"<params {{{shapes}}}>"

    def __setitem__(self, name: str, value: object) -> None:
        if name not in self._arrays:
            check_keys("params", [name], self._arrays, "the params")
        self._place.copy(self._arrays[name], self._checked(name, value))

    def update(self, values: Mapping[str, Any]) -> None:
        """Assign several; if one of them does not fit, none is changed."""
        found = values.held if isinstance(values, Params) else check_mapping("params", values)
        check_keys("params", found, self._arrays, "the params")
        checked = {name: self._checked(name, value) for name, value in found.items()}
        for name, array in checked.items():
            self._place.copy(self._arrays[name], array)

    def copy(self, place: Place | None = None) -> Params:
        """A snapshot: the same values in arrays of its own, in `place` or where these are."""
        there = self._place if place is None else place
        copies = {
            name: there.copy_of(self._rules[name].what, array)
            for name, array in self._arrays.items()
        }
        return Params(self._rules, copies, there)

    def _checked(self, name: str, value: object) -> AnyArray:
        rule = self._rules[name]
        if not rule.tail and is_number(value):
            number: Any = value
            return rounded(number, rule.dtype)
        return rule.check_rounding(self._place.adopt(rule.what, rule.name, value))


def new_params(
    interface: Interface,
    sizes: Mapping[str, int],
    numbers: Mapping[str, float],
    dtype: np.dtype[Any],
    seed: int | None,
) -> Params:
    """Parameters drawn as the spec says; the same for a seed, whatever the target and dtype."""
    generator = np.random.default_rng(seed)
    rules: dict[str, ArrayRule] = {}
    for info in interface.params:
        tail = tuple(dim.size(sizes) for dim in info.shape)
        what = f"param '{info.name}'"
        rules[info.name] = ArrayRule(what, info.name, (), info.shape, tail, dtype)
    _check_that_they_fit(tuple(rules.values()))
    arrays: dict[str, Array] = {}
    for info in interface.params:
        rule = rules[info.name]
        try:
            # drawn in float64 and then rounded, so that the dtype does not change the draw
            drawn = draw(info, rule.tail, numbers, generator)
            arrays[info.name] = rounded(drawn, dtype)
        except MemoryError as error:
            raise too_large(rule.what, rule.form, _bytes(rule)) from error
    return Params(rules, arrays)


def _check_that_they_fit(rules: tuple[ArrayRule, ...]) -> None:
    """Refuse params that cannot be drawn: the system would end the process, without an error."""
    if not rules:
        return
    largest, memory = max(rules, key=_bytes), usable_memory()
    needed = sum(_bytes(rule) for rule in rules) + math.prod(largest.tail) * DRAWN.itemsize
    if needed > memory:
        raise UsageError(
            f"the params need {gib(needed)} while they are drawn, there are {gib(memory)}\n"
            f"help: {largest.what} with shape {largest.form} needs {gib(_bytes(largest))}"
        )


def _bytes(rule: ArrayRule) -> int:
    return math.prod(rule.tail) * rule.dtype.itemsize
