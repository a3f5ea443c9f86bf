"""A call's keyword arguments become a kernel call, and the filled arrays become a run.

What a call needs and was not given is made here: defaults, first states, fresh arrays. The
kernels never see anything that was not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from grugen.errors import UsageError
from grugen.runtime.arrays import check_keys, check_lengths, check_mapping
from grugen.runtime.binding import Binding
from grugen.runtime.device_array import DeviceArray
from grugen.runtime.engine import KernelCall, Plan
from grugen.runtime.host_place import HOST
from grugen.runtime.places import AnyArray, Place
from grugen.runtime.threads import checked_threads, get_num_threads
from grugen.spec.names import listed
from grugen.target.abi import WRITTEN, ArrayInfo, Group

Tape = bool | Literal["gates", "states"]
OPTIONS = ("states", "lengths", "reverse", "tape", "threads", "stream")
"""The arguments of `forward` that are no names of the spec."""


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a forward call was given, checked and completed.

    `passed` names the states that the caller gave; `initial` has those that were not, too. The
    kernel runs in `work`; results are made in `place`: there too if any array was on the device,
    else on the host.
    """

    steps: int
    batch: int
    inputs: Mapping[str, AnyArray]
    static: Mapping[str, AnyArray]
    initial: Mapping[str, AnyArray]
    passed: frozenset[str]
    lengths: NDArray[np.int64] | None
    reverse: bool
    work: Place
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What `backward` needs of a run: who ran it, on what, and the tape."""

    owner: object
    given: Given
    tape: Mapping[str, AnyArray]
    states_only: bool


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What `forward` returns.

    `outputs` has an array (T, B, ...) for each output, 0 past a sequence's end; `states` has the
    last state (B, ...) of each state. They are fresh arrays: NumPy's, or DeviceArrays if any array
    that the call was given was on a device. With a tape, the run holds on to the inputs it was
    given, without copying them.

    The call needed `tape_bytes` and `workspace_bytes` of memory beside its inputs and results; the
    tape stays until the run is gone.
    """

    outputs: Mapping[str, Any]
    states: Mapping[str, Any]
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
    stream: object = None,
) -> Given:
    """Check the arguments of a forward call. Raises UsageError for the first that does not fit."""
    work = binding.place if stream is None else binding.engine.place(binding.place.device, stream)
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
    passed = check_mapping("states", states)
    found, passed = adopted(binding, work, arrays), adopted(binding, work, passed, Group.INITIAL)
    given = () if work is HOST else (*found.values(), *passed.values())
    place = work if any(isinstance(value, DeviceArray) for value in given) else HOST
    steps, batch, reason, inputs = _accept_inputs(binding, found, place)
    static: dict[str, AnyArray] = {}
    for info in interface.static:
        rule = binding.rules[Group.STATIC][info.name]
        if info.name in found:
            static[info.name] = rule.check(found[info.name], (batch,), reason)
        else:
            shape = (batch, *rule.tail)
            static[info.name] = place.filled(rule.what, shape, info.default, binding.dtype)
    if not isinstance(reverse, (bool, np.bool_)):
        raise UsageError(f"reverse is {reverse!r}; True or False is needed")
    ends = None if lengths is None else _accept_lengths(work, lengths, steps, batch, reason)
    known = (state.name for state in interface.states)
    check_keys(f"states of '{interface.name}'", passed, known, "its states")
    initial: dict[str, AnyArray] = {}
    for state in interface.states:
        rule = binding.rules[Group.INITIAL][state.name]
        if state.name in passed:
            initial[state.name] = rule.check(passed[state.name], (batch,), reason)
        elif state.init.first:
            values = inputs[state.init.first]
            initial[state.name] = place.first_states(values, rule.tail, ends, bool(reverse))
        else:
            shape = (batch, *rule.tail)
            initial[state.name] = place.filled(rule.what, shape, state.init.value, binding.dtype)
    names = frozenset(passed)
    return Given(steps, batch, inputs, static, initial, names, ends, bool(reverse), work, place)


def adopted(
    binding: Binding, work: Place, values: Mapping[str, object], *groups: Group
) -> Mapping[str, object]:
    """`values` by name, those that are on the device of `work` as DeviceArrays."""
    if work is HOST and not any(isinstance(value, DeviceArray) for value in values.values()):
        # a call should cost microseconds
        return values
    rules = {
        name: rule
        for group in groups or (Group.INPUT, Group.STATIC)
        for name, rule in binding.rules[group].items()
    }
    return {
        # a name that is not known is for others to refuse
        name: work.adopt(rules[name].what, name, value) if name in rules else value
        for name, value in values.items()
    }


def _accept_lengths(
    work: Place, lengths: object, steps: int, batch: int, reason: str
) -> NDArray[np.int64]:
    """Lengths are checked on the host wherever they are: kernels trust them."""
    found = work.adopt("lengths", "lengths", lengths)
    on_host = found.numpy() if isinstance(found, DeviceArray) else found
    return check_lengths(on_host, steps, batch, reason)


def _form(binding: Binding, info: ArrayInfo) -> str:
    inputs = binding.rules[Group.INPUT]
    rules = inputs if info.name in inputs else binding.rules[Group.STATIC]
    return rules[info.name].form


def _accept_inputs(
    binding: Binding, arrays: Mapping[str, object], place: Place
) -> tuple[int, int, str, dict[str, AnyArray]]:
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
    inputs: dict[str, AnyArray] = {}
    for info in infos:
        if info.name == given[0]:
            inputs[info.name] = found
        elif info.name in arrays:
            inputs[info.name] = rules[info.name].check(arrays[info.name], (steps, batch), reason)
        else:
            rule = rules[info.name]
            shape = (steps, batch, *rule.tail)
            inputs[info.name] = place.filled(rule.what, shape, info.default, binding.dtype)
    return steps, batch, reason, inputs


def run_forward(
    binding: Binding,
    params: Mapping[str, AnyArray],
    given: Given,
    threads: int | None,
    owner: object = None,
    packed: AnyArray | None = None,
    states_only: bool = False,
) -> Run:
    """Call the kernel on fresh arrays; the tape is kept for `owner`, if there is one.

    It has all that is costly to compute again, or the states only. `packed` is what `pack` made of
    the params.
    """
    keep_tape = owner is not None
    arrays: dict[tuple[Group, str], AnyArray | float] = dict(binding.settings.fixed)
    read = {
        Group.INPUT: given.inputs,
        Group.STATIC: given.static,
        Group.INITIAL: given.initial,
        Group.PARAM: params,
    }
    written: dict[Group, dict[str, AnyArray]] = {group: {} for group in WRITTEN}
    for slot in binding.forward:
        group, name = slot.key
        if group in read:
            arrays[slot.key] = read[group][name]
        elif group in written and group is not Group.TAPE:
            array = slot.new(given.place, given.steps, given.batch, binding.dtype)
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
                given.work,
            )
        )
    else:
        plan = EMPTY
        for name, final in written[Group.FINAL].items():
            given.place.copy(final, given.initial[name])
    record = Record(owner, given, tape, states_only) if keep_tape else None
    return Run(written[Group.OUTPUT], written[Group.FINAL], plan, record)


def _new_tape(binding: Binding, given: Given, states_only: bool) -> dict[str, AnyArray]:
    """Arrays for the tape, not yet filled, in one piece of memory: nobody keeps a part of it.

    They are where the kernel runs, as nobody else reads them.
    """
    steps, batch = given.steps, given.batch
    slots = [slot for slot in binding.forward if slot.group is Group.TAPE]
    if states_only:
        read = {s.key[1] for s in binding.backward_states if s.group is Group.TAPE_READ}
        slots = [slot for slot in slots if slot.key[1] in read]
    whats = tuple(slot.what for slot in slots)
    shapes = tuple(slot.full(steps, batch) for slot in slots)
    arrays = given.work.empties(whats, shapes, binding.dtype)
    return {slot.key[1]: array for slot, array in zip(slots, arrays, strict=True)}


EMPTY = Plan("empty", 0)
"""The plan of a call without steps or without sequences: no kernel runs."""
