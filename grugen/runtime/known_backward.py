"""A backward call like one before: all that need not be decided again, in one record.

Calls are alike if their runs were calls that are alike, and gradients of the same names were given,
all on the host. What users give is looked at every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from grugen.runtime.backward import WRITTEN, Grads, Info, handed_out
from grugen.runtime.binding import Binding, Slot, tail_of
from grugen.runtime.elements import type_in
from grugen.runtime.engine import Array, Common, KernelCall, Key, Repeated
from grugen.runtime.host_place import HOST
from grugen.runtime.known import Made, made, make, point, start_kernel
from grugen.runtime.known_forward import Default, KnownForward, KnownRecord, kept
from grugen.runtime.memory import POOL
from grugen.runtime.pool import block_size
from grugen.runtime.structs import VOID, pointer_to
from grugen.target.abi import Group


class KnownBackward:
    """Backward calls that are alike."""

    __slots__ = (
        "_first",
        "_groups",
        "_inputs",
        "_large",
        "_outputs",
        "_repeated",
        "_reverse",
        "_shelf",
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
        absent: tuple[Default, ...],
        repeated: Repeated,
    ) -> None:
        """`known` are the runs; gradients of `outputs` and `states` are given, others `absent`."""
        places, sizes, rules = repeated.places, (known.steps, known.batch), binding.rules
        self._repeated = repeated
        self._shelf = POOL.shelf(block_size(repeated.workspace_bytes))
        self._reverse = known.template.reverse
        self._outputs, self._states = (
            tuple(
                (
                    name,
                    rules[of][name].dtype,
                    (*leading, *rules[of][name].tail),
                    places.get((group, name)),
                )
                for name in names
            )
            for of, group, names, leading in (
                (Group.OUTPUT, Group.OUTPUT_GRADIENT, outputs, sizes),
                (Group.FINAL, Group.INITIAL, states, sizes[1:]),
            )
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
        self._large = tuple(
            (default, places[default.key]) for default in absent if not default.is_small
        )
        written = {slot.key: slot for slot in slots if slot.group in WRITTEN}
        self._groups = tuple(
            tuple(
                _made(binding, written.get((group, info.name)), group, info, axes, places)
                for info in infos
            )
            for group, infos, axes in handed_out(binding, sizes)
        )
        targets = {entry[0] for entry in self._groups[1]}
        self._first = tuple(
            (state.name, state.init.first)
            for state in binding.interface.states
            if state.init.first in targets and state.name not in known.template.passed
        )

    def run(
        self, record: KnownRecord, outputs: Mapping[str, Any], states: Mapping[str, Any]
    ) -> Grads | None:
        """Run once; None if an array is not as it was.

        `outputs` and `states` are the caller's own mappings, with the names of the known call.
        Raises UsageError where there is no memory.
        """
        repeated = self._repeated
        try:
            struct = repeated.spare.pop()
        except IndexError:
            # the first ones are in use by other threads
            struct = repeated.new()
        _, pointers, addresses = struct
        if not point(self._outputs, outputs, pointers) or (
            self._states and not point(self._states, states, pointers)
        ):
            repeated.spare.append(struct)
            return None
        _, _, arrays, lengths, _, start = record
        for name, place in self._inputs:
            pointers[place] = pointer_to(VOID, arrays[name])
        for place, offset in self._tape:
            addresses[place] = start + offset
        if lengths is not None:
            pointers[repeated.lengths] = pointer_to(VOID, lengths)
        more: list[Array] = []
        for default, place in self._large:
            more.append(default.array())
            pointers[place] = pointer_to(VOID, more[-1])
        of_params, of_inputs, of_static, of_states = self._groups
        params = make(of_params, pointers, addresses)
        inputs = make(of_inputs, pointers, addresses)
        static = make(of_static, pointers, addresses)
        first = make(of_states, pointers, addresses)
        plan = start_kernel(repeated, self._shelf, struct)
        # the struct pointed into it
        del more
        for state, name in self._first:
            HOST.add_first_states(inputs[name], first[state], lengths, self._reverse)
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
    slots = binding.backward_states if known.states_only else binding.backward
    absent = tuple(
        Default(slot.key, slot.what, slot.full(known.steps, known.batch), 0.0, slot.dtype)
        for slot in slots
        if (slot.group is Group.OUTPUT_GRADIENT and slot.key[1] not in outputs)
        or (slot.group is Group.INITIAL and slot.key[1] not in states)
    )
    constants = kept(absent)
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
        HOST,
    )
    repeated = binding.engine.repeated(call, backward=True)
    if repeated is None:
        return None
    return KnownBackward(binding, known, slots, outputs, states, absent, repeated)


def _made(
    binding: Binding,
    slot: Slot | None,
    group: Group,
    info: Info,
    axes: tuple[int, ...],
    places: Mapping[Key, int],
) -> Made:
    """The entry of a gradient; the kernel does not write what the cell does not depend on."""
    what = f"gradient of '{info.name}'" if slot is None else slot.what
    shape = (*axes, *tail_of(info.shape, binding.settings.sizes))
    place = None if slot is None else places[slot.key]
    return made(info.name, what, type_in(group, binding.dtype), shape, place)


_READ = (Group.INPUT, Group.STATIC)
