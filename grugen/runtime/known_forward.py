"""A forward call like one before: all that need not be decided again, in one record.

Calls are alike if they were given arrays of the same names, the same sizes and the same settings,
all where results are made: on the host, or on a device with the same stream. What users give is
looked at every time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from grugen.runtime.arrays import ArrayRule, check_lengths
from grugen.runtime.binding import Binding
from grugen.runtime.engine import Common, KernelCall, Key, Repeated
from grugen.runtime.forward import Given, Run, Tape
from grugen.runtime.host_place import HOST
from grugen.runtime.places import AnyArray, Expected, Lengths, Place
from grugen.runtime.pool import PAGE, block_size
from grugen.target.abi import Group


class Default(NamedTuple):
    """What stands for an array that was not given."""

    key: Key
    what: str
    shape: tuple[int, ...]
    value: float | None
    dtype: np.dtype[Any]

    @property
    def is_small(self) -> bool:
        """Whether it may be kept between calls: nobody writes into it."""
        return math.prod(self.shape) * self.dtype.itemsize < PAGE

    def array(self, place: Place) -> AnyArray:
        """One of its own."""
        return place.filled(self.what, self.shape, self.value, self.dtype)


def kept(place: Place, defaults: Iterable[Default]) -> dict[Key, AnyArray]:
    """Arrays that serve all calls, because kernels only read them.

    There are none on a device: a call that is captured into a graph fills its own.
    """
    if place is not HOST:
        return {}
    arrays = {default.key: default.array(place) for default in defaults if default.is_small}
    for array in arrays.values():
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return arrays


class KnownForward:
    """Forward calls that are alike.

    `constants` are the small arrays that all of them read in place of some that were not given;
    `offsets` are where the arrays of a tape start in its memory. `template` is what such calls were
    given, but for all arrays; they run in `place`, and their results are there.
    """

    __slots__ = (
        "_binding",
        "_finals",
        "_first",
        "_inputs",
        "_large",
        "_largest",
        "_outputs",
        "_reason",
        "_repeated",
        "_shapes",
        "_size",
        "_states",
        "_tape",
        "batch",
        "constants",
        "offsets",
        "place",
        "states_only",
        "steps",
        "tape_bytes",
        "template",
    )

    def __init__(
        self,
        binding: Binding,
        given: Given,
        names: tuple[str, ...],
        states_only: bool,
        defaults: tuple[Default, ...],
        constants: dict[Key, AnyArray],
        repeated: Repeated,
    ) -> None:
        """`given` is such a call, which was given arrays of these `names` beside its states."""
        self._binding = binding
        # without the arrays: they are not to live on
        self.template = given._replace(inputs={}, static={}, initial={}, lengths=None)
        self.place = place = given.work
        self._repeated = repeated
        self.steps, self.batch = given.steps, given.batch
        self.states_only = states_only
        self.constants = constants
        places, sizes, rules = repeated.places, (given.steps, given.batch), binding.rules
        inputs: list[Expected] = []
        for name in names:
            group = Group.INPUT if name in given.inputs else Group.STATIC
            leading = sizes if group is Group.INPUT else sizes[1:]
            inputs.append(expected(rules[group][name], leading, places.get((group, name))))
        self._inputs = tuple(inputs)
        initial = rules[Group.INITIAL]
        self._states = tuple(
            expected(rule, sizes[1:], places.get((Group.INITIAL, name)))
            for name, rule in initial.items()
            if name in given.passed
        )
        fixed_by = next(info.name for info in binding.interface.inputs if info.name in names)
        self._reason = f"input '{fixed_by}' has T = {given.steps} and B = {given.batch}"
        self._large = tuple(
            (default, places.get(default.key))
            for default in defaults
            if default.key not in constants
        )
        self._first = tuple(
            (state.init.first, initial[state.name].tail, places[Group.INITIAL, state.name])
            for state in binding.interface.states
            if state.init.first and state.name not in given.passed
        )
        self._outputs, self._finals = (
            place.laid_out(
                tuple(
                    (slot.key[1], slot.what, slot.dtype, slot.full(*sizes), places[slot.key])
                    for slot in binding.writes
                    if slot.group is group
                )
            )
            for group in (Group.OUTPUT, Group.FINAL)
        )
        self._lay_out_tape(places)

    def _lay_out_tape(self, places: Mapping[Key, int]) -> None:
        slots = self._binding.tapes[self.states_only]
        self._shapes = {slot.key[1]: slot.full(self.steps, self.batch) for slot in slots}
        itemsize, alignment = self._binding.dtype.itemsize, self.place.alignment
        bytes_of = {name: math.prod(shape) * itemsize for name, shape in self._shapes.items()}
        self.tape_bytes = sum(bytes_of.values())
        self.offsets: dict[str, int] = {}
        self._size = 0
        for name, size in bytes_of.items():
            self.offsets[name] = self._size
            self._size += -(-size // alignment) * alignment
        if self._size >= PAGE:
            self._size = block_size(self._size)
        self._tape = tuple((places[slot.key], self.offsets[slot.key[1]]) for slot in slots)
        largest = max(slots, key=lambda slot: bytes_of[slot.key[1]], default=None)
        name = "" if largest is None else largest.key[1]
        self._largest = (
            "" if largest is None else largest.what,
            self._shapes.get(name, ()),
            bytes_of.get(name, 0),
        )

    def run(
        self, owner: object, arrays: dict[str, Any], states: dict[str, Any], lengths: Any
    ) -> Run | None:
        """Run once; None if an array is not as it was. The tape is kept for `owner`, if any.

        `arrays` and `states` are the call's own mappings, with the names of the known call. Raises
        an error for `lengths` that do not fit, where there is no memory, and where a kernel fails.
        """
        repeated, where = self._repeated, self.place
        try:
            struct = repeated.spare.pop()
        except IndexError:
            # the first ones are in use by other threads
            struct = repeated.new()
        _, pointers, addresses = struct
        if not where.point(self._inputs, arrays, pointers, addresses) or (
            self._states and not where.point(self._states, states, pointers, addresses)
        ):
            repeated.spare.append(struct)
            return None
        ends: Lengths = None
        more: list[object] = []
        if lengths is not None:
            ends = check_lengths(lengths, self.steps, self.batch, self._reason)
            more.append(where.point_to(ends, repeated.lengths, pointers, addresses))
        if self._large or self._first:
            more += self._fill(arrays, ends, pointers, addresses)
        outputs = where.make(self._outputs, pointers, addresses)
        finals = where.make(self._finals, pointers, addresses)
        record = None
        if owner is not None:
            place = repeated.workspace
            memory, start = where.span(self._size, self._largest, place, pointers, addresses)
            for place, offset in self._tape:
                addresses[place] = start + offset
            # as NamedTuple's own function does, without a call of it
            fields = owner, self, arrays, ends, memory, start
            record = tuple.__new__(KnownRecord, fields)
        plan = repeated.start(struct)
        # the struct pointed into it
        del more
        return Run(outputs, finals, plan, record)

    def _fill(
        self, arrays: dict[str, Any], lengths: Lengths, pointers: Any, addresses: Any
    ) -> list[AnyArray]:
        """Make what was not given and is not kept: inputs join `arrays`, states are returned."""
        states: list[AnyArray] = []
        where = self.place
        for default, place in self._large:
            array = default.array(where)
            if place is not None:
                where.point_to(array, place, pointers, addresses)
            if default.key[0] is Group.INITIAL:
                states.append(array)
            else:
                arrays[default.key[1]] = array
        for name, tail, first_place in self._first:
            values = self._read(Group.INPUT, name, arrays)
            state = where.first_states(values, tail, lengths, self.template.reverse)
            where.point_to(state, first_place, pointers, addresses)
            states.append(state)
        return states

    def _read(self, group: Group, name: str, arrays: Mapping[str, AnyArray]) -> AnyArray:
        found = arrays.get(name)
        return self.constants[group, name] if found is None else found

    def given(self, arrays: Mapping[str, AnyArray], lengths: Lengths) -> Given:
        """What `backward` needs to know of a call, which is all but the first states."""
        inputs, static = (
            {info.name: self._read(group, info.name, arrays) for info in infos}
            for group, infos in (
                (Group.INPUT, self._binding.interface.inputs),
                (Group.STATIC, self._binding.interface.static),
            )
        )
        return self.template._replace(inputs=inputs, static=static, lengths=lengths)

    def tape(self, memory: object) -> dict[str, AnyArray]:
        """The arrays of a tape."""
        dtype = self._binding.dtype
        return {
            name: self.place.part(memory, self.offsets[name], shape, dtype)
            for name, shape in self._shapes.items()
        }


def expected(rule: ArrayRule, leading: tuple[int, ...], place: int | None) -> Expected:
    """The entry of an array that is given."""
    return rule.name, rule.dtype, (*leading, *rule.tail), place, rule.mask


class KnownRecord(NamedTuple):
    """See `Record`; the tape is `memory`, and starts at `address`.

    `arrays` are the inputs and static inputs but for the constants of the known call.
    """

    owner: object
    known: KnownForward
    arrays: dict[str, AnyArray]
    lengths: Lengths
    memory: object
    address: int

    @property
    def given(self) -> Given:
        """See `Record`."""
        return self.known.given(self.arrays, self.lengths)

    @property
    def tape(self) -> Mapping[str, AnyArray]:
        """See `Record`."""
        return self.known.tape(self.memory)

    @property
    def states_only(self) -> bool:
        """See `Record`."""
        return self.known.states_only

    @property
    def tape_bytes(self) -> int:
        """See `Record`."""
        return self.known.tape_bytes


def known_forward(
    binding: Binding,
    common: Common,
    given: Given,
    names: tuple[str, ...],
    threads: int,
    tape: Tape,
) -> KnownForward | None:
    """What calls like this one have in common; None if the engine has no short way for them."""
    defaults = tuple(_defaults(binding, given, names))
    constants = kept(given.work, defaults)
    states_only = tape == "states"
    call = KernelCall(
        common,
        given.steps,
        given.batch,
        None,
        given.reverse,
        tape is not False,
        threads,
        constants,
        states_only,
        given.work,
    )
    repeated = binding.engine.repeated(call, backward=False)
    if repeated is None:
        return None
    return KnownForward(binding, given, names, states_only, defaults, constants, repeated)


def _defaults(binding: Binding, given: Given, names: tuple[str, ...]) -> Iterable[Default]:
    """What was not given, but for states that start as an input does or need no array."""
    interface, rules = binding.interface, binding.rules
    batch = (given.batch,)
    for group, infos, leading in (
        (Group.INPUT, interface.inputs, (given.steps, given.batch)),
        (Group.STATIC, interface.static, batch),
    ):
        for info in infos:
            if info.name not in names:
                rule = rules[group][info.name]
                shape = (*leading, *rule.tail)
                yield Default((group, info.name), rule.what, shape, info.default, rule.dtype)
    for state in interface.states:
        is_there = state.init.value or not given.work.takes_null
        if is_there and not state.init.first and state.name not in given.passed:
            rule = rules[Group.INITIAL][state.name]
            key, shape = (Group.INITIAL, state.name), (*batch, *rule.tail)
            yield Default(key, rule.what, shape, state.init.value, rule.dtype)
