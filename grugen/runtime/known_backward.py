"""A backward call like one before: all that need not be decided again, in one record.

Calls are alike if their runs were calls that are alike, and gradients of the same names were given,
all where the runs are, on the same stream. What users give is looked at every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from grugen.runtime.backward import WRITTEN, Grads, Info, handed_out
from grugen.runtime.binding import Binding, Slot, tail_of
from grugen.runtime.elements import type_in
from grugen.runtime.engine import Common, KernelCall, Key, Repeated
from grugen.runtime.known_forward import Default, KnownForward, KnownRecord, expected, kept
from grugen.runtime.places import Wanted
from grugen.target.abi import Group


class KnownBackward:
    """Backward calls that are alike."""

    __slots__ = (
        "_first",
        "_groups",
        "_inputs",
        "_large",
        "_outputs",
        "_place",
        "_repeated",
        "_reverse",
        "_states",
        "_tape",
    )

    def __init__(
        self,
        binding: Binding,
        known: KnownForward,
        slots: tuple[Slot, ...],
        outputs: Iterable[str],
        states: Iterable[str],
        absent: tuple[tuple[Default, int], ...],
        repeated: Repeated,
    ) -> None:
        """`known` are the runs; gradients of `outputs` and `states` are given.

        Those that are `absent` are made for each call, and pointed to.
        """
        places, sizes, rules = repeated.places, (known.steps, known.batch), binding.rules
        self._repeated = repeated
        self._place = known.place
        self._reverse = known.template.reverse
        self._outputs = tuple(
            expected(rules[Group.OUTPUT][name], sizes, places.get((Group.OUTPUT_GRADIENT, name)))
            for name in outputs
        )
        self._states = tuple(
            expected(rules[Group.FINAL][name], sizes[1:], places.get((Group.INITIAL, name)))
            for name in states
        )
        self._inputs = tuple(
            (slot.key[1], places[slot.key])
            for slot in slots
            if slot.group in _READ and slot.key not in known.constants
        )
        self._tape = tuple(
            (places[slot.key], known.offsets[slot.key[1]])
            for slot in slots
            if slot.group is Group.TAPE_READ
        )
        self._large = absent
        written = {slot.key: slot for slot in slots if slot.group in WRITTEN}
        groups = tuple(
            tuple(
                _wanted(binding, written.get((group, info.name)), group, info, axes, places)
                for info in infos
            )
            for group, infos, axes in handed_out(binding, sizes)
        )
        self._groups = tuple(known.place.laid_out(group) for group in groups)
        targets = {entry[0] for entry in groups[1]}
        self._first = tuple(
            (state.name, state.init.first)
            for state in binding.interface.states
            if state.init.first in targets and state.name not in known.template.passed
        )

    def run(
        self, record: KnownRecord, outputs: dict[str, Any], states: dict[str, Any]
    ) -> Grads | None:
        """Run once; None if an array is not as it was.

        `outputs` and `states` are the call's own mappings, with the names of the known call. Raises
        an error where there is no memory, and where a kernel fails.
        """
        repeated, where = self._repeated, self._place
        try:
            struct = repeated.spare.pop()
        except IndexError:
            # the first ones are in use by other threads
            struct = repeated.new()
        _, pointers, addresses = struct
        if not where.point(self._outputs, outputs, pointers, addresses) or (
            self._states and not where.point(self._states, states, pointers, addresses)
        ):
            repeated.spare.append(struct)
            return None
        _, _, arrays, lengths, _, start = record
        where.refer(self._inputs, arrays, pointers, addresses)
        for place, offset in self._tape:
            addresses[place] = start + offset
        more: list[object] = []
        if lengths is not None:
            more.append(where.point_to(lengths, repeated.lengths, pointers, addresses))
        for default, place in self._large:
            zeros = default.array(where)
            more.append(where.point_to(zeros, place, pointers, addresses))
        of_params, of_inputs, of_static, of_states = self._groups
        params = where.make(of_params, pointers, addresses)
        inputs = where.make(of_inputs, pointers, addresses)
        static = where.make(of_static, pointers, addresses)
        first = where.make(of_states, pointers, addresses)
        plan = repeated.start(struct)
        # the struct pointed into it
        del more
        for state, name in self._first:
            where.add_first_states(inputs[name], first[state], lengths, self._reverse)
        return Grads(params, inputs, static, first, plan)


def known_backward(
    binding: Binding,
    common: Common,
    record: KnownRecord,
    outputs: Mapping[str, object],
    states: Mapping[str, object],
    threads: int,
) -> KnownBackward | None:
    """What calls like this one have in common; None if the engine has no short way for them."""
    known = record.known
    place = known.place
    slots = binding.backward_states if known.states_only else binding.backward
    absent = tuple(
        Default(slot.key, slot.what, slot.full(known.steps, known.batch), 0.0, slot.dtype)
        for slot in slots
        if (slot.group is Group.OUTPUT_GRADIENT and slot.key[1] not in outputs)
        or (slot.group is Group.INITIAL and slot.key[1] not in states and not place.takes_null)
    )
    constants = kept(place, absent)
    constants.update((key, array) for key, array in known.constants.items() if key[0] in _READ)
    call = KernelCall(
        common,
        known.steps,
        known.batch,
        None,
        # the derivative of a cell is a cell that runs the other way
        not known.template.reverse,
        False,
        threads,
        constants,
        known.states_only,
        place,
    )
    repeated = binding.engine.repeated(call, backward=True)
    if repeated is None:
        return None
    large = tuple((d, repeated.places[d.key]) for d in absent if d.key not in constants)
    return KnownBackward(binding, known, slots, outputs, states, large, repeated)


def _wanted(
    binding: Binding,
    slot: Slot | None,
    group: Group,
    info: Info,
    axes: tuple[int, ...],
    places: Mapping[Key, int],
) -> Wanted:
    """The entry of a gradient; the kernel does not write what the cell does not depend on."""
    what = f"gradient of '{info.name}'" if slot is None else slot.what
    shape = (*axes, *tail_of(info.shape, binding.settings.sizes))
    place = None if slot is None else places[slot.key]
    return info.name, what, type_in(group, binding.dtype), shape, place


_READ = (Group.INPUT, Group.STATIC)
