"""A call's keyword arguments become a kernel call, and the filled arrays become a run.

What a call needs and was not given is made here: defaults, first states, fresh arrays. The
kernels never see anything that was not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grugen.errors import UsageError
from grugen.runtime.arrays import check_keys, check_lengths, check_mapping
from grugen.runtime.binding import Binding
from grugen.runtime.engine import Array, KernelCall, Plan
from grugen.runtime.memory import empties, filled
from grugen.runtime.threads import checked_threads, get_num_threads
from grugen.spec.names import listed
from grugen.target.abi import WRITTEN, ArrayInfo, Group, StateInfo

Tape = bool | Literal["gates", "states"]
OPTIONS = ("states", "lengths", "reverse", "tape", "threads")
"""The arguments of `forward` that are no names of the spec."""


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a forward call was given, checked and completed.

    `passed` names the states that the caller gave; `initial` has those that were not, too.
    """

    steps: int
    batch: int
    inputs: Mapping[str, Array]
    static: Mapping[str, Array]
    initial: Mapping[str, Array]
    passed: frozenset[str]
    lengths: NDArray[np.int64] | None
    reverse: bool


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What `backward` needs of a run: who ran it, on what, and the tape."""

    owner: object
    given: Given
    tape: Mapping[str, Array]
    states_only: bool


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What `forward` returns.

    `outputs` has an array (T, B, ...) for each output, 0 past a sequence's end; `states` has the
    last state (B, ...) of each state. They are fresh arrays. With a tape, the run holds on to the
    inputs it was given, without copying them.

    The call needed `tape_bytes` and `workspace_bytes` of memory beside its inputs and results; the
    tape stays until the run is gone.
    """

    outputs: Mapping[str, Array]
    states: Mapping[str, Array]
    plan: Plan
    record: Record | None = field(default=None, repr=False)

    @property
    def tape_bytes(self) -> int:
        """The size of the tape that `backward` reads; 0 without one."""
        return 0 if self.record is None else sum(a.nbytes for a in self.record.tape.values())

    @property
    def workspace_bytes(self) -> int:
        """The size of the memory that the kernel worked in; it is free again."""
        return self.plan.workspace_bytes


def accept(
    binding: Binding,
    unnamed: tuple[object, ...],
    arrays: Mapping[str, object],
    states: object,
    lengths: object,
    reverse: object,
) -> Given:
    """Check the arguments of a forward call. Raises UsageError for the first that does not fit."""
    interface = binding.interface
    where = f"forward of '{interface.name}'"
    infos = (*interface.inputs, *interface.static)
    if unnamed:
        required = [f"{info.name}=..." for info in infos if info.default is None]
        example = f"\nhelp: write forward({', '.join(required)})" if required else ""
        raise UsageError(f"{where} takes its arrays by name{example}")
    check_keys(where, arrays, (info.name for info in infos), "its arrays", OPTIONS)
    missing = [info for info in infos if info.default is None and info.name not in arrays]
    if missing:
        forms = [f"'{info.name}' with shape {_form(binding, info)}" for info in missing]
        raise UsageError(f"{where} needs {', '.join(forms)} too")
    steps, batch, reason, inputs = _accept_inputs(binding, arrays)
    static: dict[str, Array] = {}
    for info in interface.static:
        rule = binding.rules[Group.STATIC][info.name]
        if info.name in arrays:
            static[info.name] = rule.check(arrays[info.name], (batch,), reason)
        else:
            shape = (batch, *rule.tail)
            static[info.name] = filled(rule.what, shape, info.default, binding.dtype)
    if not isinstance(reverse, (bool, np.bool_)):
        raise UsageError(f"reverse is {reverse!r}; True or False is needed")
    ends = None if lengths is None else check_lengths(lengths, steps, batch, reason)
    passed = check_mapping("states", states)
    known = (state.name for state in interface.states)
    check_keys(f"states of '{interface.name}'", passed, known, "its states")
    initial: dict[str, Array] = {}
    for state in interface.states:
        rule = binding.rules[Group.INITIAL][state.name]
        if state.name in passed:
            initial[state.name] = rule.check(passed[state.name], (batch,), reason)
        elif state.init.first:
            first = first_steps(steps, batch, ends, bool(reverse))
            initial[state.name] = _first(binding, state, inputs[state.init.first], first)
        else:
            shape = (batch, *rule.tail)
            initial[state.name] = filled(rule.what, shape, state.init.value, binding.dtype)
    return Given(steps, batch, inputs, static, initial, frozenset(passed), ends, bool(reverse))


def _form(binding: Binding, info: ArrayInfo) -> str:
    inputs = binding.rules[Group.INPUT]
    rules = inputs if info.name in inputs else binding.rules[Group.STATIC]
    return rules[info.name].form


def _accept_inputs(
    binding: Binding, arrays: Mapping[str, object]
) -> tuple[int, int, str, dict[str, Array]]:
    """T, B, a sentence that says what fixed them, and every per-step input."""
    infos = binding.interface.inputs
    rules = binding.rules[Group.INPUT]
    given = [info.name for info in infos if info.name in arrays]
    if not given:
        names = listed((info.name for info in infos), "or")
        means = f"give one of {names}" if names else "the cell has no per-step inputs"
        raise UsageError(f"forward of '{binding.interface.name}' cannot tell T and B: {means}")
    found = rules[given[0]].check(arrays[given[0]])
    steps, batch = found.shape[:2]
    reason = f"input '{given[0]}' has T = {steps} and B = {batch}"
    inputs: dict[str, Array] = {}
    for info in infos:
        if info.name == given[0]:
            inputs[info.name] = found
        elif info.name in arrays:
            inputs[info.name] = rules[info.name].check(arrays[info.name], (steps, batch), reason)
        else:
            rule = rules[info.name]
            shape = (steps, batch, *rule.tail)
            inputs[info.name] = filled(rule.what, shape, info.default, binding.dtype)
    return steps, batch, reason, inputs


@dataclass(frozen=True, slots=True, eq=False)
class FirstSteps:
    """Where sequences start: `rows[i]` at time `times[i]`; those of length 0 are left out."""

    rows: NDArray[np.intp]
    times: NDArray[np.intp]


def first_steps(
    steps: int, batch: int, lengths: NDArray[np.int64] | None, reverse: bool
) -> FirstSteps:
    """The first valid step of each sequence in the direction of the run."""
    ends = np.full(batch, steps) if lengths is None else lengths
    rows = np.flatnonzero(ends > 0)
    times = (ends[rows] - 1) if reverse else np.zeros_like(rows)
    return FirstSteps(rows, times.astype(np.intp))


def _first(binding: Binding, state: StateInfo, values: Array, first: FirstSteps) -> Array:
    """A state that starts as an input does; 0 for a sequence without steps."""
    tail = binding.rules[Group.INITIAL][state.name].tail
    initial = np.zeros((values.shape[1], *tail), binding.dtype)
    initial[first.rows] = spread(values[first.times, first.rows], len(tail))
    return initial


def spread(values: Array, axes: int) -> Array:
    """(B, ...) with axes of size 1 added behind, to give each row `axes` axes."""
    return values.reshape(values.shape + (1,) * (1 + axes - values.ndim))


def run_forward(
    binding: Binding,
    params: Mapping[str, Array],
    given: Given,
    threads: int | None,
    owner: object = None,
    packed: Array | None = None,
    states_only: bool = False,
) -> Run:
    """Call the kernel on fresh arrays; the tape is kept for `owner`, if there is one.

    It has all that is costly to compute again, or the states only. `packed` is what `pack` made of
    the params.
    """
    keep_tape = owner is not None
    arrays: dict[tuple[Group, str], Array | float] = dict(binding.settings.fixed)
    read = {
        Group.INPUT: given.inputs,
        Group.STATIC: given.static,
        Group.INITIAL: given.initial,
        Group.PARAM: params,
    }
    written: dict[Group, dict[str, Array]] = {group: {} for group in WRITTEN}
    for slot in binding.forward:
        group, name = slot.key
        if group in read:
            arrays[slot.key] = read[group][name]
        elif group in written and group is not Group.TAPE:
            array = slot.new(given.steps, given.batch, binding.dtype)
            arrays[slot.key] = written[group][name] = array
    tape = _new_tape(binding, given, states_only) if keep_tape else {}
    arrays.update(((Group.TAPE, name), array) for name, array in tape.items())
    if given.steps and given.batch:
        count = get_num_threads() if threads is None else checked_threads(threads)
        plan = binding.engine.forward(
            KernelCall(
                given.steps,
                given.batch,
                binding.settings.sizes,
                given.lengths,
                given.reverse,
                keep_tape,
                count,
                arrays,
                packed,
                states_only,
            )
        )
    else:
        plan = EMPTY
        for name, final in written[Group.FINAL].items():
            final[...] = given.initial[name]
    record = Record(owner, given, tape, states_only) if keep_tape else None
    return Run(written[Group.OUTPUT], written[Group.FINAL], plan, record)


def _new_tape(binding: Binding, given: Given, states_only: bool) -> dict[str, Array]:
    """Arrays for the tape, not yet filled, in one piece of memory: nobody keeps a part of it."""
    steps, batch = given.steps, given.batch
    slots = [slot for slot in binding.forward if slot.group is Group.TAPE]
    if states_only:
        read = {s.key[1] for s in binding.backward_states if s.group is Group.TAPE_READ}
        slots = [slot for slot in slots if slot.key[1] in read]
    whats = tuple(slot.what for slot in slots)
    shapes = tuple(slot.full(steps, batch) for slot in slots)
    arrays = empties(whats, shapes, binding.dtype)
    return {slot.key[1]: array for slot, array in zip(slots, arrays, strict=True)}


EMPTY = Plan("empty", 0)
"""The plan of a call without steps or without sequences: no kernel runs."""
