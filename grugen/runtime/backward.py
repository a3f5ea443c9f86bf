"""A run and the gradients of its results become the gradients of all that it read.

Gradients are fresh arrays at every call. The chain rule itself is in the kernels, except for
states that started as an input did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from grugen.errors import UsageError
from grugen.runtime.arrays import check_keys, check_mapping
from grugen.runtime.binding import Binding, Slot, tail_of
from grugen.runtime.device_array import DeviceArray
from grugen.runtime.elements import type_in
from grugen.runtime.engine import Common, KernelCall, Key, Plan
from grugen.runtime.forward import EMPTY, Given, Record, Run, adopted, new_arrays
from grugen.runtime.host_place import HOST
from grugen.runtime.places import AnyArray, Place
from grugen.runtime.threads import checked_threads, get_num_threads
from grugen.target.abi import ArrayInfo, Group, ParamInfo, StateInfo

Info = ArrayInfo | ParamInfo | StateInfo
Read = Mapping[Group, Mapping[str, AnyArray]]
"""What a backward call was given, and the arrays of its run, by group and name."""

WRITTEN = (Group.FINAL, Group.OUTPUT, Group.SEQUENCE_SUM, Group.TOTAL)
"""What the backward kernel writes; it keeps no tape."""


class Grads:
    """What `backward` returns: d loss / d of what the names stand for.

    They are NumPy arrays; DeviceArrays if those of the run were, or if any of the gradients that
    `backward` was given. `params` are shaped as the params, `inputs` (T, B, ...) with 0 past a
    sequence's end, `static` (B, ...), `states` (B, ...) for the states before the first step. What
    has no gradient has no key: masks, inputs declared without one, constants, hypers. On a device
    those of a kind share their memory, which is free when the last of them is gone.
    """

    # no frozen dataclass, as `Run` is none
    __slots__ = ("_inputs", "_params", "_plan", "_states", "_static")

    def __init__(
        self,
        params: Mapping[str, Any],
        inputs: Mapping[str, Any],
        static: Mapping[str, Any],
        states: Mapping[str, Any],
        plan: Plan,
    ) -> None:
        self._params = params
        self._inputs = inputs
        self._static = static
        self._states = states
        self._plan = plan

    @property
    def params(self) -> Mapping[str, Any]:
        """Of the params by name."""
        return self._params

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Of the inputs by name."""
        return self._inputs

    @property
    def static(self) -> Mapping[str, Any]:
        """Of the static inputs by name."""
        return self._static

    @property
    def states(self) -> Mapping[str, Any]:
        """Of the states before the first step by name."""
        return self._states

    @property
    def plan(self) -> Plan:
        """How the call was run."""
        return self._plan

    @property
    def workspace_bytes(self) -> int:
        """The size of the memory that the kernel worked in beside the tape; it is free again."""
        return self.plan.workspace_bytes

    def __repr__(self) -> str:
        return (
            f"Grads(params={self.params!r}, inputs={self.inputs!r}, static={self.static!r}, "
            f"states={self.states!r}, plan={self.plan!r})"
        )


def run_backward(
    binding: Binding,
    common: Common,
    run: Run,
    owner: object,
    outputs: object,
    states: object,
    threads: int | None,
    stream: object,
) -> Grads:
    """Call the backward kernel. Raises UsageError for a run or gradients that do not fit."""
    record = _record(binding, run, owner)
    given = record.given
    work = given.work if stream is None else binding.engine.place(given.work.device, stream)
    work.after(given.work)
    d_outputs = _accept(binding, work, Group.OUTPUT, outputs, given)
    d_states = _accept(binding, work, Group.FINAL, states, given)
    found = (*d_outputs.values(), *d_states.values())
    on_device = given.place is not HOST or any(isinstance(a, DeviceArray) for a in found)
    place = work if on_device else HOST
    read = {
        Group.INPUT: given.inputs,
        Group.STATIC: given.static,
        Group.TAPE_READ: record.tape,
        Group.OUTPUT_GRADIENT: d_outputs,
        Group.INITIAL: d_states,
    }
    steps, batch = given.steps, given.batch
    arrays, written = _arrays(binding, record, read, work, place)
    plan = EMPTY
    if steps and batch:
        plan = _run(binding, common, record, threads, arrays, work)
    else:
        for name, gradient in written[Group.FINAL].items():
            place.copy(gradient, d_states.get(name, gradient))
    grads = _grads(binding, place, written, (steps, batch), plan)
    return _with_first_states(binding, place, record, grads)


def _run(
    binding: Binding,
    common: Common,
    record: Record,
    threads: int | None,
    arrays: Mapping[Key, AnyArray | float],
    work: Place,
) -> Plan:
    given = record.given
    return binding.engine.backward(
        KernelCall(
            common,
            given.steps,
            given.batch,
            given.lengths,
            # the derivative of a cell is a cell that runs the other way
            not given.reverse,
            False,
            get_num_threads() if threads is None else checked_threads(threads),
            arrays,
            states_only=record.states_only,
            place=work,
        )
    )


def _slots(binding: Binding, record: Record) -> tuple[Slot, ...]:
    return binding.backward_states if record.states_only else binding.backward


def _arrays(
    binding: Binding, record: Record, read: Read, work: Place, place: Place
) -> tuple[dict[Key, AnyArray | float], dict[Group, dict[str, AnyArray]]]:
    """The arrays of a call, and those that the kernel writes by group and name."""
    given = record.given
    steps, batch = given.steps, given.batch
    arrays: dict[Key, AnyArray | float] = {}
    written: dict[Group, dict[str, AnyArray]] = {group: {} for group in WRITTEN}
    runs = bool(steps and batch)
    if runs:
        for group, results in written.items():
            slots = [slot for slot in _slots(binding, record) if slot.group is group]
            for slot, array in zip(slots, new_arrays(place, slots, steps, batch), strict=True):
                arrays[slot.key] = results[slot.key[1]] = array
    for slot in _slots(binding, record):
        key, group = slot.key, slot.group
        if key in arrays:
            continue
        if group in written:
            arrays[key] = written[group][key[1]] = slot.zeros(place, steps, batch)
        else:
            present = read[group].get(key[1])
            if present is None:
                # an output or a state whose gradient was not given: it counts as 0
                if group is Group.INITIAL and work.takes_null:
                    continue
                present = slot.zeros(place, steps, batch)
            arrays[key] = present
    return arrays, written


def _record(binding: Binding, run: object, owner: object) -> Record:
    name = binding.interface.name
    if not isinstance(run, Run):
        raise UsageError(
            f"backward of '{name}' got a {type(run).__name__}; what forward returned is needed"
        )
    if run.record is None:
        raise UsageError("this run kept no tape\nhelp: pass tape=True to forward")
    if run.record.owner is not owner:
        raise UsageError(
            f"this run is not one of this '{name}' cell\n"
            "help: call backward of the cell whose forward made the run"
        )
    return run.record


_ARGUMENTS = {Group.OUTPUT: "outputs", Group.FINAL: "states"}


def _accept(
    binding: Binding, work: Place, group: Group, values: object, given: Given
) -> dict[str, AnyArray]:
    """The checked gradients that were given for outputs or states."""
    if values is None:
        return {}
    rules, argument = binding.rules[group], _ARGUMENTS[group]
    found = adopted(work, rules, check_mapping(argument, values))
    if not found.keys() <= rules.keys():
        check_keys(f"{argument} of '{binding.interface.name}'", found, rules, f"its {argument}")
    leading = (given.steps, given.batch) if group is Group.OUTPUT else (given.batch,)
    return {
        name: value  # type: ignore[misc]
        if rules[name].fits(value, leading)
        else rules[name].check(
            value, leading, f"the run has T = {given.steps} and B = {given.batch}"
        )
        for name, value in found.items()
    }


def _grads(
    binding: Binding,
    place: Place,
    written: Mapping[Group, Mapping[str, AnyArray]],
    leading: tuple[int, int],
    plan: Plan,
) -> Grads:
    """The results by what they are gradients of; 0 for what the cell does not depend on."""
    sizes = binding.settings.sizes
    params, inputs, static, states = (
        {
            info.name: written[group][info.name]
            if info.name in written[group]
            else place.filled(
                f"gradient of '{info.name}'",
                (*axes, *tail_of(info.shape, sizes)),
                0.0,
                type_in(group, binding.dtype),
            )
            for info in infos
        }
        for group, infos, axes in handed_out(binding, leading)
    )
    return Grads(params, inputs, static, states, plan)


def handed_out(
    binding: Binding, leading: tuple[int, int]
) -> Iterable[tuple[Group, tuple[Info, ...], tuple[int, ...]]]:
    """What `backward` returns for a run of T and B: by group, what has a gradient, leading axes.

    The groups come in the order of the fields of `Grads`.
    """
    interface = binding.interface
    inputs, static = (
        tuple(info for info in infos if info.gradient and not info.mask)
        for infos in (interface.inputs, interface.static)
    )
    return (
        (Group.TOTAL, interface.params, ()),
        (Group.OUTPUT, inputs, leading),
        (Group.SEQUENCE_SUM, static, leading[1:]),
        (Group.FINAL, interface.states, leading[1:]),
    )


def _with_first_states(binding: Binding, place: Place, record: Record, grads: Grads) -> Grads:
    """Let the gradient of a state that started as an input flow on into that input."""
    given = record.given
    for state in binding.interface.states:
        target = grads.inputs.get(state.init.first)
        if target is None or state.name in given.passed:
            continue
        gradient = grads.states[state.name]
        place.add_first_states(target, gradient, given.lengths, given.reverse)
    return grads
