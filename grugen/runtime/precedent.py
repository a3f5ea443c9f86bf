"""What one forward call on a device decided and a later one like it need not decide again.

Calls are alike if they were given arrays of the same names and shapes and the same settings; then
only the arrays themselves are looked at. A short call takes as long as Python takes to check it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np

from grugen.runtime.arrays import ArrayRule
from grugen.runtime.binding import Binding
from grugen.runtime.engine import MOST_FORMS
from grugen.runtime.forward import Given, accept, add_first_states
from grugen.runtime.host_place import HOST
from grugen.runtime.places import AnyArray
from grugen.runtime.pool import PAGE
from grugen.target.abi import Group

Expected = tuple[str, ArrayRule, tuple[int, ...], type]
"""The name of an array, its rule, its whole shape, and its type, which says where it lies."""


class Precedent:
    """A call whose arrays were all given."""

    __slots__ = ("_binding", "_given", "_initial", "_inputs", "_static")

    def __init__(self, binding: Binding, given: Given) -> None:
        self._binding = binding
        # without the arrays: they are not to live on
        self._given = given._replace(inputs={}, static={}, initial={})
        self._initial = _constant(binding, given)
        self._inputs = _expected(binding, Group.INPUT, given.inputs)
        self._static = _expected(binding, Group.STATIC, given.static)

    def follow(self, arrays: Mapping[str, object]) -> Given | None:
        """What `accept` would make of arrays of these names; None if one is not as it was.

        Raises UsageError for an array that is on another device.
        """
        inputs = self._checked(self._inputs, arrays)
        if inputs is None:
            return None
        static = self._checked(self._static, arrays) if self._static else {}
        if static is None:
            return None
        initial = self._initial.copy()
        steps, batch, _, _, _, passed, lengths, reverse, work, place = self._given
        given = Given(steps, batch, inputs, static, initial, passed, lengths, reverse, work, place)
        add_first_states(self._binding, given, initial)
        return given

    def _checked(
        self, expected: tuple[Expected, ...], arrays: Mapping[str, object]
    ) -> dict[str, AnyArray] | None:
        work = self._given.work
        found: dict[str, AnyArray] = {}
        for name, rule, shape, kind in expected:
            value = arrays[name]
            value = work.adopt(rule.what, name, value)
            if type(value) is not kind or not rule.is_like(value, shape):
                return None
            found[name] = value  # type: ignore[assignment]
        return found


def _constant(binding: Binding, given: Given) -> dict[str, AnyArray]:
    """The first states that are the same in all such calls, if little memory is kept for them.

    Nobody writes into them: kernels and users get their own.
    """
    if given.passed or given.place is not HOST:
        return {}
    found: dict[str, AnyArray] = {}
    for state in binding.interface.states:
        array = given.initial.get(state.name)
        if not state.init.first and isinstance(array, np.ndarray) and array.nbytes < PAGE:
            array.flags.writeable = False
            found[state.name] = array
    return found


def _expected(
    binding: Binding, group: Group, arrays: Mapping[str, AnyArray]
) -> tuple[Expected, ...]:
    rules = binding.rules[group]
    return tuple((name, rules[name], array.shape, type(array)) for name, array in arrays.items())


class Precedents:
    """Those of a cell, by the names of the arrays and the settings of a call.

    Any thread may use them at any time.
    """

    __slots__ = ("_binding", "_known")

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._known: dict[Hashable, Precedent] = {}

    def accept(
        self,
        unnamed: tuple[object, ...],
        arrays: Mapping[str, object],
        states: object,
        lengths: object,
        reverse: object,
        stream: object,
    ) -> Given:
        """See `forward.accept`; calls with lengths or states follow no other."""
        # by type as well: 1 is equal to True, and is refused
        is_short = not unnamed and states is None and lengths is None and type(reverse) is bool
        if not is_short or not (stream is None or type(stream) is int):
            return accept(self._binding, unnamed, arrays, states, lengths, reverse, stream)
        key = (reverse, stream, *arrays)
        known = self._known.get(key)
        given = None if known is None else known.follow(arrays)
        if given is None:
            given = accept(self._binding, unnamed, arrays, states, lengths, reverse, stream)
            if arrays.keys() == given.inputs.keys() | given.static.keys():
                if len(self._known) >= MOST_FORMS:
                    self._known.clear()
                self._known[key] = Precedent(self._binding, given)
        return given
