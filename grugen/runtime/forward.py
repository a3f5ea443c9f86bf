"""A call's keyword arguments become a kernel call, and the filled arrays become a run.

What a call needs and was not given is made here: defaults, first states, fresh arrays. The
kernels never see anything that was not checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from grugen.errors import UsageError
from grugen.runtime.arrays import ArrayRule, check_keys, check_lengths, check_mapping
from grugen.runtime.binding import Binding, Slot
from grugen.runtime.device_array import DeviceArray
from grugen.runtime.elements import check_for_numpy
from grugen.runtime.engine import MOST_FORMS, Common, KernelCall, Key, Plan
from grugen.runtime.host_place import HOST
from grugen.runtime.places import AnyArray, Place
from grugen.runtime.threads import checked_threads, get_num_threads
from grugen.spec.names import listed
from grugen.target.abi import Group

Tape = bool | Literal["gates", "states"]
OPTIONS = ("states", "lengths", "reverse", "tape", "threads", "stream")
"""The arguments of `forward` that are no names of the spec."""


class Given(NamedTuple):
    """What a forward call was given, checked and completed.

    `passed` names the states that the caller gave; `initial` has those that were not, too, but for
    those that start at 0 where `Place.takes_null`. The kernel runs in `work`; results are made in
    `place`: there too if any array was on the device, else on the host.
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


class Record(Protocol):
    """What `backward` needs of a run: who ran it, on what, and the tape."""

    @property
    def owner(self) -> object:
        """Whose `backward` may read it."""

    @property
    def given(self) -> Given:
        """What the call was given."""

    @property
    def tape(self) -> Mapping[str, AnyArray]:
        """The arrays of the tape."""

    @property
    def states_only(self) -> bool:
        """Whether the tape has the states and nothing else."""

    @property
    def tape_bytes(self) -> int:
        """The size of its arrays."""


class _Record(NamedTuple):
    """See `Record`."""

    owner: object
    given: Given
    tape: Mapping[str, AnyArray]
    states_only: bool

    @property
    def tape_bytes(self) -> int:
        """See `Record`."""
        return sum(array.nbytes for array in self.tape.values())


class Run:
    """What `forward` returns.

    `outputs` has an array (T, B, ...) for each output, 0 past a sequence's end; `states` has the
    last state (B, ...) of each state. They are fresh arrays: NumPy's, or DeviceArrays if any array
    that the call was given was on a device; there outputs share their memory, and so do states: it
    is free when the last of them is gone. With a tape, the run holds on to the inputs it was given,
    without copying them.

    The call needed `tape_bytes` and `workspace_bytes` of memory beside its inputs and results; the
    tape stays until the run is gone.
    """

    # no frozen dataclass: it takes as long to make one as it takes to make its arrays
    __slots__ = ("_outputs", "_plan", "_record", "_states")

    def __init__(
        self,
        outputs: Mapping[str, Any],
        states: Mapping[str, Any],
        plan: Plan,
        record: Record | None = None,
    ) -> None:
        self._outputs = outputs
        self._states = states
        self._plan = plan
        self._record = record

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The outputs by name."""
        return self._outputs

    @property
    def states(self) -> Mapping[str, Any]:
        """The last states by name."""
        return self._states

    @property
    def plan(self) -> Plan:
        """How the call was run."""
        return self._plan

    @property
    def record(self) -> Record | None:
        """What `backward` needs; None without a tape."""
        return self._record

    @property
    def tape_bytes(self) -> int:
        """The size of the tape that `backward` reads; 0 without one."""
        return 0 if self.record is None else self.record.tape_bytes

    @property
    def workspace_bytes(self) -> int:
        """The size of the memory that the kernel worked in; it is free again."""
        return self.plan.workspace_bytes

    def __repr__(self) -> str:
        return f"Run(outputs={self.outputs!r}, states={self.states!r}, plan={self.plan!r})"


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
    _check_names(binding, unnamed, arrays)
    interface = binding.interface
    found = adopted(work, binding.given, arrays)
    passed = _NO_STATES if states is None else check_mapping("states", states)
    if passed:
        passed = adopted(work, binding.rules[Group.INITIAL], passed)
    place: Place = HOST
    if work is not HOST:
        given = (*found.values(), *passed.values())
        place = work if any(isinstance(value, DeviceArray) for value in given) else HOST
        if place is HOST:
            check_for_numpy("results", binding.dtype, "pass arrays that are on the device")
    sizes, inputs = _accept_inputs(binding, found, place)
    steps, batch = sizes.steps, sizes.batch
    static: dict[str, AnyArray] = {}
    for info in interface.static:
        rule = binding.rules[Group.STATIC][info.name]
        if info.name in found:
            static[info.name] = sizes.checked(rule, found[info.name], (batch,))
        else:
            shape = (batch, *rule.tail)
            static[info.name] = place.filled(rule.what, shape, info.default, binding.dtype)
    if reverse is not False and not isinstance(reverse, (bool, np.bool_)):
        raise UsageError(f"reverse is {reverse!r}; True or False is needed")
    ends = None if lengths is None else _accept_lengths(work, lengths, sizes)
    rules = binding.rules[Group.INITIAL]
    if passed:
        check_keys(f"states of '{interface.name}'", passed, rules, "its states")
    initial: dict[str, AnyArray] = {}
    for state in interface.states:
        if state.name in passed:
            rule = rules[state.name]
            initial[state.name] = sizes.checked(rule, passed[state.name], (batch,))
    names = frozenset(passed)
    given = Given(steps, batch, inputs, static, initial, names, ends, bool(reverse), work, place)
    _add_first_states(binding, given, initial)
    return given


def _add_first_states(binding: Binding, given: Given, initial: dict[str, AnyArray]) -> None:
    """Complete `initial` by the states that were not passed, as the spec lets them start."""
    place = given.place
    for state in binding.interface.states:
        if state.name in initial:
            continue
        rule = binding.rules[Group.INITIAL][state.name]
        if state.init.first:
            values = given.inputs[state.init.first]
            found = place.first_states(values, rule.tail, given.lengths, given.reverse)
            initial[state.name] = found
        elif state.init.value or not given.work.takes_null:
            shape = (given.batch, *rule.tail)
            initial[state.name] = place.filled(rule.what, shape, state.init.value, rule.dtype)


_NO_STATES: Mapping[str, object] = {}


def _check_names(
    binding: Binding, unnamed: tuple[object, ...], arrays: Mapping[str, object]
) -> None:
    """Raise UsageError for arrays without a name, of an unknown name, or that are not there."""
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


class _Sizes(NamedTuple):
    """T and B, and the input that fixed them."""

    steps: int
    batch: int
    fixed_by: str

    @property
    def reason(self) -> str:
        return f"input '{self.fixed_by}' has T = {self.steps} and B = {self.batch}"

    def checked(self, rule: ArrayRule, value: object, leading: tuple[int, ...]) -> AnyArray:
        """`value` if it fits the rule. The words for one that does not are made only then."""
        if rule.fits(value, leading):
            return value  # type: ignore[return-value]
        return rule.check(value, leading, self.reason)


def adopted(
    work: Place, rules: Mapping[str, ArrayRule], values: Mapping[str, object]
) -> Mapping[str, object]:
    """`values` by name, those that are on the device of `work` as DeviceArrays."""
    if work is HOST:
        for value in values.values():
            if isinstance(value, DeviceArray):
                break
        else:
            # a call should cost microseconds
            return values
    return {
        # a name that is not known is for others to refuse
        name: work.adopt(rules[name].what, name, value) if name in rules else value
        for name, value in values.items()
    }


def _accept_lengths(work: Place, lengths: object, sizes: _Sizes) -> NDArray[np.int64]:
    """Lengths are checked on the host wherever they are: kernels trust them."""
    found = work.adopt("lengths", "lengths", lengths)
    on_host = found.numpy() if isinstance(found, DeviceArray) else found
    return check_lengths(on_host, sizes.steps, sizes.batch, sizes.reason)


def _accept_inputs(
    binding: Binding, arrays: Mapping[str, object], place: Place
) -> tuple[_Sizes, dict[str, AnyArray]]:
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
    inputs: dict[str, AnyArray] = {}
    for info in infos:
        if info.name == given[0]:
            inputs[info.name] = found
        elif info.name in arrays:
            inputs[info.name] = sizes.checked(rules[info.name], arrays[info.name], (steps, batch))
        else:
            rule = rules[info.name]
            shape = (steps, batch, *rule.tail)
            inputs[info.name] = place.filled(rule.what, shape, info.default, binding.dtype)
    return sizes, inputs


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
    steps, batch, place = given.steps, given.batch, given.place
    read = {Group.INPUT: given.inputs, Group.STATIC: given.static, Group.INITIAL: given.initial}
    outputs: dict[str, AnyArray] = {}
    finals: dict[str, AnyArray] = {}
    written = {Group.OUTPUT: outputs, Group.FINAL: finals}
    arrays: dict[Key, AnyArray | float] = {}
    for slot in binding.reads:
        key = slot.key
        present = read[slot.group].get(key[1])
        if present is not None:
            arrays[key] = present
    for group, results in written.items():
        slots = [slot for slot in binding.writes if slot.group is group]
        for slot, array in zip(slots, new_arrays(place, slots, steps, batch), strict=True):
            arrays[slot.key] = results[slot.key[1]] = array
    keep_tape = owner is not None
    tape = _new_tape(binding, given, states_only) if keep_tape else {}
    for name, array in tape.items():
        arrays[Group.TAPE, name] = array
    if steps and batch:
        count = get_num_threads() if threads is None else checked_threads(threads)
        plan = binding.engine.forward(
            KernelCall(
                common,
                steps,
                batch,
                given.lengths,
                given.reverse,
                keep_tape,
                count,
                arrays,
                states_only,
                given.work,
            )
        )
    else:
        plan = EMPTY
        for name, final in finals.items():
            first = given.initial.get(name)
            if first is None:
                finals[name] = place.filled(f"last state '{name}'", final.shape, 0.0, final.dtype)
            else:
                place.copy(final, first)
    record = _Record(owner, given, tape, states_only) if keep_tape else None
    return Run(outputs, finals, plan, record)


def new_arrays(place: Place, slots: Sequence[Slot], steps: int, batch: int) -> Sequence[AnyArray]:
    """Arrays for results of one kind, not yet filled; on a device they share memory."""
    if place is HOST or not slots:
        return [slot.new(place, steps, batch) for slot in slots]
    # as known calls make them: those find the blocks of the first one in the pool
    shapes = tuple(slot.full(steps, batch) for slot in slots)
    return place.empties(tuple(slot.what for slot in slots), shapes, slots[0].dtype)


def _new_tape(binding: Binding, given: Given, states_only: bool) -> dict[str, AnyArray]:
    """Arrays for the tape, not yet filled, in one piece of memory: nobody keeps a part of it.

    They are where the kernel runs, as nobody else reads them.
    """
    steps, batch = given.steps, given.batch
    known = binding.known_tapes
    found = known.get((steps, batch, states_only))
    if found is None:
        slots = binding.tapes[states_only]
        names = tuple(slot.key[1] for slot in slots)
        whats = tuple(slot.what for slot in slots)
        found = names, whats, tuple(slot.full(steps, batch) for slot in slots)
        if len(known) >= MOST_FORMS:
            known.clear()
        known[steps, batch, states_only] = found
    names, whats, shapes = found
    return dict(zip(names, given.work.empties(whats, shapes, binding.dtype), strict=True))


EMPTY = Plan("empty", 0)
"""The plan of a call without steps or without sequences: no kernel runs."""
