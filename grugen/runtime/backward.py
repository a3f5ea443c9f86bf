"""A run and the gradients of its results become the gradients of all that it read.

Gradients are fresh arrays at every call. The chain rule itself is in the kernels, except for
states that started as an input did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from grugen.errors import UsageError
from grugen.runtime.arrays import check_keys, check_mapping
from grugen.runtime.binding import Binding, tail_of
from grugen.runtime.engine import Array, Common, KernelCall, Key, Plan
from grugen.runtime.forward import EMPTY, Record, Run, first_steps
from grugen.runtime.threads import checked_threads, get_num_threads
from grugen.target.abi import ArrayInfo, Group, ParamInfo, StateInfo

_Info = ArrayInfo | ParamInfo | StateInfo

_RESULTS = (Group.FINAL, Group.OUTPUT, Group.SEQUENCE_SUM, Group.TOTAL)
"""What the backward kernel writes; it keeps no tape."""


@dataclass(frozen=True, slots=True, eq=False)
class Grads:
    """What `backward` returns: d loss / d of what the names stand for.

    `params` are shaped as the params, `inputs` (T, B, ...) with 0 past a sequence's end, `static`
    (B, ...), `states` (B, ...) for the states before the first step. What has no gradient has no
    key: masks, inputs declared without one, constants, hypers.
    """

    params: Mapping[str, Array]
    inputs: Mapping[str, Array]
    static: Mapping[str, Array]
    states: Mapping[str, Array]
    plan: Plan

    @property
    def workspace_bytes(self) -> int:
        """The size of the memory that the kernel worked in beside the tape; it is free again."""
        return self.plan.workspace_bytes


def run_backward(
    binding: Binding,
    common: Common,
    run: Run,
    owner: object,
    outputs: object,
    states: object,
    threads: int | None,
) -> Grads:
    """Call the backward kernel. Raises UsageError for a run or gradients that do not fit."""
    record = _record(binding, run, owner)
    given = record.given
    reason = f"the run has T = {given.steps} and B = {given.batch}"
    leading = (given.steps, given.batch)
    d_outputs = _accept(binding, Group.OUTPUT, "outputs", outputs, leading, reason)
    d_states = _accept(binding, Group.FINAL, "states", states, leading[1:], reason)
    read = {
        Group.INPUT: given.inputs,
        Group.STATIC: given.static,
        Group.TAPE_READ: record.tape,
        Group.OUTPUT_GRADIENT: d_outputs,
        Group.INITIAL: d_states,
    }
    arrays: dict[Key, Array | float] = {}
    written: dict[Group, dict[str, Array]] = {group: {} for group in _RESULTS}
    runs = bool(given.steps and given.batch)
    dtype, steps, batch = binding.engine.dtype, given.steps, given.batch
    for slot in binding.backward_states if record.states_only else binding.backward:
        key, group = slot.key, slot.group
        if group in written:
            make = slot.new if runs else slot.zeros
            arrays[key] = written[group][key[1]] = make(steps, batch, dtype)
        else:
            present = read[group].get(key[1])
            if present is None:
                # an output or a state whose gradient was not given: it counts as 0
                present = slot.zeros(steps, batch, dtype)
            arrays[key] = present
    plan = EMPTY
    if runs:
        plan = binding.engine.backward(
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
            )
        )
    else:
        for name, gradient in written[Group.FINAL].items():
            gradient[...] = arrays[Group.INITIAL, name]
    return _with_first_states(binding, record, _grads(binding, written, leading, plan))


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


def _accept(
    binding: Binding,
    group: Group,
    argument: str,
    values: object,
    leading: tuple[int, ...],
    reason: str,
) -> dict[str, Array]:
    """The checked gradients that were given for outputs or states."""
    if values is None:
        return {}
    rules = binding.rules[group]
    found = check_mapping(argument, values)
    if not found.keys() <= rules.keys():
        check_keys(f"{argument} of '{binding.interface.name}'", found, rules, f"its {argument}")
    return {
        name: value  # type: ignore[misc]
        if rules[name].fits(value, leading)
        else rules[name].check(value, leading, reason)
        for name, value in found.items()
    }


def _grads(
    binding: Binding,
    written: Mapping[Group, Mapping[str, Array]],
    leading: tuple[int, int],
    plan: Plan,
) -> Grads:
    """The results by what they are gradients of; 0 for what the cell does not depend on."""
    interface = binding.interface
    sizes = binding.settings.sizes

    def collect(group: Group, infos: tuple[_Info, ...], axes: tuple[int, ...]) -> dict[str, Array]:
        found = written[group]
        return {
            info.name: found[info.name]
            if info.name in found
            else np.zeros((*axes, *tail_of(info.shape, sizes)), binding.dtype)
            for info in infos
            if not isinstance(info, ArrayInfo) or (info.gradient and not info.mask)
        }

    return Grads(
        params=collect(Group.TOTAL, interface.params, ()),
        inputs=collect(Group.OUTPUT, interface.inputs, leading),
        static=collect(Group.SEQUENCE_SUM, interface.static, leading[1:]),
        states=collect(Group.FINAL, interface.states, leading[1:]),
        plan=plan,
    )


def _with_first_states(binding: Binding, record: Record, grads: Grads) -> Grads:
    """Let the gradient of a state that started as an input flow on into that input."""
    given = record.given
    for state in binding.interface.states:
        target = grads.inputs.get(state.init.first)
        if target is None or state.name in given.passed:
            continue
        first = first_steps(given.steps, given.batch, given.lengths, given.reverse)
        gradient = grads.states[state.name][first.rows]
        if gradient.ndim > target.ndim - 1:
            # one number was spread over the whole state
            gradient = gradient.sum(axis=tuple(range(1, gradient.ndim)))
        target[first.times, first.rows] += gradient
    return grads
