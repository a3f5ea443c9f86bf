"""A call's keyword arguments become a kernel call, and the filled arrays become a run.

What a call needs and was not given is made here: defaults, first states, fresh arrays. The
kernels never see anything that was not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grugen.errors import UsageError
from grugen.runtime.arrays import ArrayRule, check_keys, check_lengths, check_mapping
from grugen.runtime.binding import Binding
from grugen.runtime.engine import Array, Common, KernelCall, Key, Plan
from grugen.runtime.memory import empties, filled
from grugen.runtime.threads import checked_threads, get_num_threads
from grugen.spec.names import listed
from grugen.target.abi import Group, StateInfo

Tape = bool | Literal["gates", "states"]
OPTIONS = ("states", "lengths", "reverse", "tape", "threads")
"""The arguments of `forward` that are no names of the spec."""


class Given(NamedTuple):
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


class Record(NamedTuple):
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
    if unnamed:
        required = [f"{name}=..." for name in binding.required]
        example = f"\nhelp: write forward({', '.join(required)})" if required else ""
        raise UsageError(f"forward of '{interface.name}' takes its arrays by name{example}")
    if not arrays.keys() <= binding.given.keys():
        check_keys(f"forward of '{interface.name}'", arrays, binding.given, "its arrays", OPTIONS)
    missing = [name for name in binding.required if name not in arrays]
    if missing:
        forms = [f"'{name}' with shape {binding.given[name].form}" for name in missing]
        raise UsageError(f"forward of '{interface.name}' needs {', '.join(forms)} too")
    sizes, inputs = _accept_inputs(binding, arrays)
    steps, batch = sizes.steps, sizes.batch
    static: dict[str, Array] = {}
    for info in interface.static:
        rule = binding.rules[Group.STATIC][info.name]
        if info.name in arrays:
            static[info.name] = sizes.checked(rule, arrays[info.name], (batch,))
        else:
            shape = (batch, *rule.tail)
            static[info.name] = filled(rule.what, shape, info.default, binding.dtype)
    if reverse is not False and not isinstance(reverse, (bool, np.bool_)):
        raise UsageError(f"reverse is {reverse!r}; True or False is needed")
    ends = None if lengths is None else check_lengths(lengths, steps, batch, sizes.reason)
    rules = binding.rules[Group.INITIAL]
    passed = _NO_STATES if states is None else check_mapping("states", states)
    if passed:
        check_keys(f"states of '{interface.name}'", passed, rules, "its states")
    initial: dict[str, Array] = {}
    for state in interface.states:
        rule = rules[state.name]
        if state.name in passed:
            initial[state.name] = sizes.checked(rule, passed[state.name], (batch,))
        elif state.init.first:
            first = first_steps(steps, batch, ends, bool(reverse))
            initial[state.name] = _first(binding, state, inputs[state.init.first], first)
        else:
            shape = (batch, *rule.tail)
            initial[state.name] = filled(rule.what, shape, state.init.value, binding.dtype)
    return Given(steps, batch, inputs, static, initial, frozenset(passed), ends, bool(reverse))


_NO_STATES: Mapping[str, object] = {}


class _Sizes(NamedTuple):
    """T and B, and the input that fixed them."""

    steps: int
    batch: int
    fixed_by: str

    @property
    def reason(self) -> str:
        return f"input '{self.fixed_by}' has T = {self.steps} and B = {self.batch}"

    def checked(self, rule: ArrayRule, value: object, leading: tuple[int, ...]) -> Array:
        """`value` if it fits the rule. The words for one that does not are made only then."""
        if rule.fits(value, leading):
            return value  # type: ignore[return-value]
        return rule.check(value, leading, self.reason)


def _accept_inputs(
    binding: Binding, arrays: Mapping[str, object]
) -> tuple[_Sizes, dict[str, Array]]:
    """The sizes of the call, and every per-step input."""
    infos = binding.interface.inputs
    rules = binding.rules[Group.INPUT]
    given = [info.name for info in infos if info.name in arrays]
    if not given:
        names = listed((info.name for info in infos), "or")
        means = f"give one of {names}" if names else "the cell has no per-step inputs"
        raise UsageError(f"forward of '{binding.interface.name}' cannot tell T and B: {means}")
    found: Any = arrays[given[0]]
    leading = getattr(found, "shape", ())[:2]
    if len(leading) != 2 or not rules[given[0]].fits(found, leading):
        found = rules[given[0]].check(found)
    steps, batch = found.shape[:2]
    sizes = _Sizes(steps, batch, given[0])
    inputs: dict[str, Array] = {}
    for info in infos:
        if info.name == given[0]:
            inputs[info.name] = found
        elif info.name in arrays:
            inputs[info.name] = sizes.checked(rules[info.name], arrays[info.name], (steps, batch))
        else:
            rule = rules[info.name]
            shape = (steps, batch, *rule.tail)
            inputs[info.name] = filled(rule.what, shape, info.default, binding.dtype)
    return sizes, inputs


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
    common: Common,
    given: Given,
    threads: int | None,
    owner: object = None,
    states_only: bool = False,
) -> Run:
    """Call the kernel on fresh arrays; the tape is kept for `owner`, if there is one.

    It has all that is costly to compute again, or the states only.
    """
    steps, batch = given.steps, given.batch
    read = {Group.INPUT: given.inputs, Group.STATIC: given.static, Group.INITIAL: given.initial}
    outputs: dict[str, Array] = {}
    finals: dict[str, Array] = {}
    written = {Group.OUTPUT: outputs, Group.FINAL: finals}
    arrays: dict[Key, Array | float] = {}
    for slot in binding.reads:
        key = slot.key
        arrays[key] = read[slot.group][key[1]]
    dtype = binding.engine.dtype
    for slot in binding.writes:
        key = slot.key
        arrays[key] = written[slot.group][key[1]] = slot.new(steps, batch, dtype)
    keep_tape = owner is not None
    tape = _new_tape(binding, given, states_only) if keep_tape else {}
    for name, array in tape.items():
        arrays[Group.TAPE, name] = array
    if steps and batch:
        count = get_num_threads() if threads is None else checked_threads(threads)
        lengths, reverse = given.lengths, given.reverse
        plan = binding.engine.forward(
            KernelCall(
                common, steps, batch, lengths, reverse, keep_tape, count, arrays, states_only
            )
        )
    else:
        plan = EMPTY
        for name, final in finals.items():
            final[...] = given.initial[name]
    record = Record(owner, given, tape, states_only) if keep_tape else None
    return Run(outputs, finals, plan, record)


def _new_tape(binding: Binding, given: Given, states_only: bool) -> dict[str, Array]:
    """Arrays for the tape, not yet filled, in one piece of memory: nobody keeps a part of it."""
    steps, batch = given.steps, given.batch
    slots = binding.tapes[states_only]
    whats = [slot.what for slot in slots]
    shapes = [slot.full(steps, batch) for slot in slots]
    sizes = [steps * batch * slot.row_bytes for slot in slots]
    arrays = empties(whats, shapes, sizes, binding.dtype)
    return {slot.key[1]: array for slot, array in zip(slots, arrays, strict=True)}


EMPTY = Plan("empty", 0)
"""The plan of a call without steps or without sequences: no kernel runs."""
