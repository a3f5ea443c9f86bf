"""A cell's interface with its sizes, constants, hypers and engine: what all of its calls share.

Parameters are no part of it, because they change between calls.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from grugen.errors import UsageError
from grugen.runtime.arrays import BATCH, TIME, ArrayRule, check_keys, is_number
from grugen.runtime.elements import rounded, type_in
from grugen.runtime.engine import Common, Engine, Key
from grugen.runtime.host_place import HOST
from grugen.runtime.memory import filled, too_large
from grugen.runtime.places import AnyArray, Place
from grugen.runtime.pool import PAGE
from grugen.spec.dims import Shape
from grugen.spec.names import listed
from grugen.spec.shapes import LARGEST_SIZE
from grugen.target.abi import PER_SEQUENCE, PER_STEP, ArrayInfo, Group, Interface, Signature

OPTIONS = ("seed", "target", "dtype", "device")
"""The arguments of `Cell` that are no names of the spec."""

_LEADING = {
    **dict.fromkeys(PER_STEP, (TIME, BATCH)),
    **dict.fromkeys(PER_SEQUENCE, (BATCH,)),
}


_COMMON = (Group.CONSTANT, Group.HYPER, Group.PARAM)
_GIVEN = (Group.INPUT, Group.STATIC, Group.INITIAL)
_FORWARD_WORDS = {Group.OUTPUT: "output", Group.FINAL: "last state", Group.TAPE: "tape of"}
_BACKWARD_WORDS = {
    Group.OUTPUT_GRADIENT: "gradient of output",
    Group.INITIAL: "gradient of last state",
    Group.OUTPUT: "gradient of input",
    Group.FINAL: "gradient of state",
    Group.SEQUENCE_SUM: "gradient of static input",
    Group.TOTAL: "gradient of param",
}
"""What messages call the arrays that are made for a call."""


@dataclass(frozen=True, slots=True)
class Slot:
    """An argument of a kernel with its sizes: `leading` counts its axes before `tail`."""

    group: Group
    key: Key
    what: str
    leading: int
    tail: tuple[int, ...]
    dtype: np.dtype[Any]
    row_bytes: int

    def new(self, place: Place, steps: int, batch: int) -> AnyArray:
        """An array for it, not yet filled."""
        shape = self.full(steps, batch)
        rows = steps * batch if self.leading == 2 else batch if self.leading else 1
        if place is not HOST or not 0 < rows * self.row_bytes < PAGE:
            return place.empty(self.what, shape, self.dtype)
        try:
            # as the host's `empty` does, with what is known of the shape already
            return np.empty(shape, self.dtype)
        except MemoryError as error:
            raise too_large(self.what, str(shape), rows * self.row_bytes) from error

    def zeros(self, place: Place, steps: int, batch: int) -> AnyArray:
        """An array of zeros for it."""
        return place.filled(self.what, self.full(steps, batch), 0.0, self.dtype)

    def full(self, steps: int, batch: int) -> tuple[int, ...]:
        """Its shape."""
        if self.leading == 2:
            return steps, batch, *self.tail
        return (batch, *self.tail) if self.leading else self.tail


@dataclass(frozen=True, slots=True)
class Settings:
    """What `Cell(...)` was given: `sizes` of the dims, and `fixed` constants and hypers."""

    sizes: Mapping[str, int]
    fixed: Mapping[Key, AnyArray | float]

    @property
    def numbers(self) -> dict[str, float]:
        """Dims and hypers by name: what the init of a parameter may be made of."""
        hypers = {key: v for (_, key), v in self.fixed.items() if isinstance(v, float)}
        return {**self.sizes, **hypers}


Tapes = tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[int, ...], ...]]
"""The arrays of a tape: names, what messages call them, and shapes."""


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """An interface whose sizes are known, and the engine that runs it.

    `rules` has, by group, what each argument of a user must be; OUTPUT stands for the gradients of
    outputs and FINAL for those of final states. `given` are those of inputs and static inputs, of
    which the `required` ones have no default. The slots are the arguments of the kernels
    that change from call to call: `reads` and `writes` are what a forward call is given and
    returns, `tapes` what it can keep (all of it, or the states), `backward` and, where the tape
    has states only, `backward_states` what a backward call reads and returns. Kernels run in
    `place`. `known_tapes` has the arrays of tapes of earlier calls by T, B and whether they have
    the states only; any thread may use it at any time.
    """

    interface: Interface
    engine: Engine
    settings: Settings
    rules: Mapping[Group, Mapping[str, ArrayRule]]
    backward: tuple[Slot, ...]
    backward_states: tuple[Slot, ...]
    given: Mapping[str, ArrayRule]
    required: tuple[str, ...]
    reads: tuple[Slot, ...]
    writes: tuple[Slot, ...]
    tapes: tuple[tuple[Slot, ...], tuple[Slot, ...]]
    place: Place
    known_tapes: dict[tuple[int, int, bool], Tapes] = field(default_factory=dict)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type of arrays; states and their gradients have `computed_type` of it."""
        return self.engine.dtype

    def common(self, params: Mapping[str, AnyArray], packed: AnyArray | None = None) -> Common:
        """What calls with these params share."""
        arrays: dict[Key, AnyArray | float] = dict(self.settings.fixed)
        arrays.update(((Group.PARAM, name), array) for name, array in params.items())
        return Common(self.settings.sizes, arrays, packed)


def bind(
    interface: Interface, engine: Engine, settings: Settings, device: object = None
) -> Binding:
    """Work out once what every call needs. Raises UsageError for a device that there is not."""
    kinds: tuple[tuple[Group, str, tuple[Any, ...]], ...] = (
        (Group.INPUT, "input", interface.inputs),
        (Group.STATIC, "static input", interface.static),
        (Group.INITIAL, "state", interface.states),
        (Group.OUTPUT, "gradient of output", interface.outputs),
        (Group.FINAL, "gradient of state", interface.states),
    )
    rules = {
        group: {
            info.name: _rule(f"{what} '{info.name}'", group, info, settings.sizes, engine.dtype)
            for info in infos
        }
        for group, what, infos in kinds
    }

    def slots(signature: Signature, words: Mapping[Group, str]) -> tuple[Slot, ...]:
        return _slots(signature, settings.sizes, words, engine.dtype)

    forward = slots(interface.forward, _FORWARD_WORDS)
    backward = slots(interface.backward, _BACKWARD_WORDS)
    backward_states = slots(interface.backward_states or interface.backward, _BACKWARD_WORDS)
    states = {slot.key[1] for slot in backward_states if slot.group is Group.TAPE_READ}
    tape = tuple(slot for slot in forward if slot.group is Group.TAPE)
    return Binding(
        interface,
        engine,
        settings,
        rules,
        tuple(slot for slot in backward if slot.group not in _COMMON),
        tuple(slot for slot in backward_states if slot.group not in _COMMON),
        {**rules[Group.INPUT], **rules[Group.STATIC]},
        tuple(i.name for i in (*interface.inputs, *interface.static) if i.default is None),
        tuple(slot for slot in forward if slot.group in _GIVEN),
        tuple(slot for slot in forward if slot.group in (Group.OUTPUT, Group.FINAL)),
        (tape, tuple(slot for slot in tape if slot.key[1] in states)),
        engine.place(device, None),
    )


def moved(binding: Binding, place: Place, home: Place) -> Binding:
    """The same with kernels that run in `place`, and constants that are kept in `home`."""
    fixed = {
        key: value if isinstance(value, float) else home.copy_of(f"constant '{key[1]}'", value)
        for key, value in binding.settings.fixed.items()
    }
    return replace(binding, settings=Settings(binding.settings.sizes, fixed), place=place)


def accept_settings(
    interface: Interface, values: Mapping[str, object], dtype: np.dtype[Any]
) -> Settings:
    """The keyword arguments of `Cell` that are no options, checked and complete."""
    constants = {info.name: info for info in interface.constants}
    hypers = dict(interface.hyper)
    where = f"Cell of '{interface.name}'"
    check_keys(where, values, (*interface.dims, *constants, *hypers), "its arguments", OPTIONS)
    required = [*interface.dims, *(n for n, info in constants.items() if info.default is None)]
    missing = [name for name in required if name not in values]
    if missing:
        raise UsageError(f"{where} needs {listed(missing)} too")
    sizes = {name: _size(name, values[name]) for name in interface.dims}
    fixed: dict[Key, AnyArray | float] = {}
    for name, info in constants.items():
        rule = _rule(f"constant '{name}'", Group.CONSTANT, info, sizes, dtype)
        if name not in values:
            fixed[Group.CONSTANT, name] = filled(rule.what, rule.tail, info.default, dtype)
        elif not rule.tail and is_number(values[name]):
            number: Any = values[name]
            fixed[Group.CONSTANT, name] = rounded(number, dtype)
        else:
            fixed[Group.CONSTANT, name] = HOST.copy_of(rule.what, rule.check_rounding(values[name]))
    for name, default in hypers.items():
        fixed[Group.HYPER, name] = _number(name, values.get(name, default))
    return Settings(sizes, fixed)


def tail_of(shape: Shape, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """`shape` in numbers."""
    return tuple(dim.size(sizes) for dim in shape)


def _rule(
    what: str, group: Group, info: Any, sizes: Mapping[str, int], dtype: np.dtype[Any]
) -> ArrayRule:
    mask = isinstance(info, ArrayInfo) and info.mask
    tail = tail_of(info.shape, sizes)
    element, leading = type_in(group, dtype), _LEADING.get(group, ())
    return ArrayRule(what, info.name, leading, info.shape, tail, element, mask)


def _slots(
    signature: Signature,
    sizes: Mapping[str, int],
    words: Mapping[Group, str],
    dtype: np.dtype[Any],
) -> tuple[Slot, ...]:
    return tuple(
        Slot(
            argument.group,
            (argument.group, argument.key),
            f"{words.get(argument.group, argument.group)} '{argument.key}'",
            len(_LEADING.get(argument.group, ())),
            tail_of(argument.shape, sizes),
            type_in(argument.group, dtype),
            math.prod(tail_of(argument.shape, sizes)) * type_in(argument.group, dtype).itemsize,
        )
        for argument in signature.arguments
    )


def _size(name: str, value: object) -> int:
    try:
        size = 0 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        size = 0
    if size < 1:
        raise UsageError(f"dim '{name}' is {value!r}; a whole number of at least 1 is needed")
    if size > LARGEST_SIZE:
        raise UsageError(f"dim '{name}' is {size}; at most {LARGEST_SIZE} is possible")
    return size


def _number(name: str, value: object) -> float:
    if is_number(value):
        return float(value)  # type: ignore[arg-type]
    raise UsageError(f"hyper '{name}' is {value!r}; a number is needed")
