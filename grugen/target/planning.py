"""A step becomes a `KernelPlan`: phases from strata, nests from phases, a place for every value.

The baseline is the same plan with a single phase: nothing hoisted, nothing stacked, one row of
scratch memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from grugen.ir.nodes import Function, Let, Op, Result, ResultRole, Source, SourceRole
from grugen.ir.shapes import ELEMENTWISE
from grugen.ir.types import Type
from grugen.passes.order_terms import order_terms
from grugen.passes.sink_cheap import sink_cheap
from grugen.passes.split_strata import Strata, split_strata
from grugen.spec.dims import Dim
from grugen.target.abi import Argument, Group, group_of, signature_of
from grugen.target.in_place import LoopLines, runs_in_place
from grugen.target.nests import (
    Join,
    Nest,
    Pointwise,
    View,
    find_views,
    split_nests,
)
from grugen.target.plan import (
    Buffer,
    Carry,
    Copy,
    Index,
    KernelPlan,
    Loop,
    OuterTotal,
    Phase,
    Place,
    SequenceTotal,
    Total,
    VectorTotal,
)
from grugen.target.schedule import CUDA, OPENMP, SEQUENTIAL, Schedule
from grugen.target.side_by_side import side_by_side

_ALL_ROWS = (SourceRole.INPUT, SourceRole.TAPE, SourceRole.OUTPUT_GRADIENT)
_PER_STEP = (ResultRole.OUTPUT, ResultRole.TAPE)


def plan_sequential(function: Function, direction: str) -> KernelPlan:
    """The baseline: step by step, sequence by sequence, every line where it stands."""
    states = tuple(source.name for source in function.sources_of(SourceRole.STATE))
    lines = tuple(let.name for let in function.lets)
    draft = _Draft("step", lines, Index.NONE, states)
    return _Planner(function, direction, SEQUENTIAL, [draft]).plan()


def plan_openmp(function: Function, direction: str) -> KernelPlan:
    """Threads own sequences; what does not depend on a stratum's states is out of its loop."""
    function = order_terms(function)
    function, strata = sink_cheap(function, split_strata(function))
    return side_by_side(_Planner(function, direction, OPENMP, _drafts(strata)).plan())


def plan_cuda(function: Function, direction: str) -> KernelPlan:
    """As for `openmp`, but without time blocks: memory holds all rows of a call."""
    function = order_terms(function)
    function, strata = sink_cheap(function, split_strata(function))
    drafts = _drafts(strata, sequences=Index.BATCH, rows=Index.STEP)
    return _Planner(function, direction, CUDA, drafts).plan()


@dataclass(slots=True)
class _Draft:
    """A phase before its values have places: names of lines; `states` make it a loop."""

    name: str
    lines: tuple[str, ...]
    index: Index
    states: tuple[str, ...] | None = None
    nests: tuple[Nest, ...] = ()
    writes: dict[str, list[Place]] = field(default_factory=dict)
    sums: dict[str, list[Place]] = field(default_factory=dict)
    copies: list[Copy] = field(default_factory=list)
    pointwise: frozenset[str] = frozenset()
    """The values that loops over single elements have in registers here."""
    in_place: bool = False
    """Whether the loop overwrites its states as it goes, and has all it computes in registers."""
    near: dict[str, Place] = field(default_factory=dict)
    """Where the loop reads again what it keeps of all rows."""

    def finished(self) -> Phase:
        return Phase(
            self.name,
            self.nests,
            {value: tuple(places) for value, places in self.writes.items()},
            {value: tuple(places) for value, places in self.sums.items()},
            tuple(self.copies),
        )


def _drafts(
    strata: Strata, sequences: Index = Index.TILE_SEQUENCE, rows: Index = Index.TILE_ROW
) -> list[_Draft]:
    drafts = [
        _Draft("once", strata.once, Index.NONE),
        _Draft("per_sequence", strata.per_sequence, sequences),
        _Draft("ahead", strata.rows[0], rows),
    ]
    for number, (loop, lines) in enumerate(
        zip(strata.loops, strata.rows[1:], strict=True), start=1
    ):
        name = "step_" + "_".join(loop.states)
        while any(draft.name == name for draft in drafts):
            name += "_"  # loops over a, b and over a_b
        drafts.append(_Draft(name, loop.lines, rows, loop.states))
        last = number == len(strata.loops)
        drafts.append(_Draft("behind" if last else f"between_{number}", lines, rows))
    return drafts


@dataclass(slots=True)
class _Planner:
    """One kernel in the making; `drafts` in order of execution."""

    function: Function
    direction: str
    schedule: Schedule
    drafts: list[_Draft]
    lets: dict[str, Let] = field(init=False)
    types: dict[str, Type] = field(init=False)
    views: dict[str, View] = field(init=False)
    arguments: dict[tuple[Group, str], Argument] = field(init=False)
    reads: dict[str, Place] = field(default_factory=dict)
    total_reads: dict[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lets = {let.name: let for let in self.function.lets}
        self.types = self.function.types()
        self.views = find_views(self.function)
        found = signature_of(self.function).arguments
        self.arguments = {(argument.group, argument.key): argument for argument in found}

    @property
    def baseline(self) -> bool:
        return not self.schedule.staged

    @property
    def at_once(self) -> bool:
        """Whether the rows of a phase are computed in no order: nothing can be added up there."""
        return self.schedule.staged and not self.schedule.block_bytes

    def plan(self) -> KernelPlan:
        self.split()
        self.place_sources()
        carries = {
            number: self.carries(draft)
            for number, draft in enumerate(self.drafts)
            if draft.states is not None
        }
        totals = tuple(self.total(result) for result in self.summed())
        self.place_values(carries)
        for result in self.function.results:
            self.hand_out(result)
        phases = {draft.name: draft.finished() for draft in self.drafts}
        in_place = [draft.in_place for draft in self.drafts]
        near = [draft.near for draft in self.drafts]
        body = [
            Loop(phase, carries[number], in_place[number], near[number])
            if number in carries
            else phase
            for number, phase in enumerate(phases.values())
            if number in carries or (phase and phase.name not in ("once", "per_sequence"))
        ]
        return KernelPlan(
            self.direction,
            self.function,
            signature_of(self.function),
            self.schedule,
            self.views,
            self.reads,
            phases.get("once", Phase("once")),
            phases.get("per_sequence", Phase("per_sequence")),
            tuple(body),
            totals,
            self.total_reads,
        )

    def split(self) -> None:
        """Group every draft's lines into nests."""
        handed_out = {result.value for result in self.function.results}
        whole = handed_out.union(self.total_operands())
        known = {source.name for source in self.function.sources}
        for draft in self.drafts:
            lets = [self.lets[name] for name in draft.lines if self.lets[name].op is not Op.OUTER]
            draft.nests = split_nests(lets, known, self.views, handed_out)
            loops = [nest for nest in draft.nests if isinstance(nest, Pointwise)]
            draft.pointwise = frozenset(let.name for nest in loops for let in nest.lets)
            known.update(draft.lines)
            if draft.states is not None and not self.baseline:
                loop = LoopLines(draft.states, lets, draft.nests)
                draft.in_place = runs_in_place(loop, self.types, self.views, whole)
                draft.pointwise |= frozenset(draft.states if draft.in_place else ())

    def width(self, value: str) -> Dim:
        shape = self.types[value].shape
        return shape[0] if shape else Dim.fixed(1)

    def buffer(self, value: str, index: Index, suffix: str = "") -> Buffer:
        """Memory for the rows of `value`."""
        number = not self.types[value].shape
        return Buffer(f"{value}{suffix}", index, self.width(value), number=number)

    def place_sources(self) -> None:
        """Sources that are the caller's arrays are read where they lie."""
        for source in self.function.sources:
            if source.role is not SourceRole.STATE:
                self.reads[source.name] = Place(self.arguments[group_of(source.role), source.key])

    def carries(self, draft: _Draft) -> tuple[Carry, ...]:
        """The states of a loop; one that takes another's old value takes it from a copy."""
        assert draft.states is not None
        index = Index.BATCH if self.baseline else Index.TILE_SEQUENCE
        by_name = {source.name: source for source in self.function.sources_of(SourceRole.STATE)}
        nexts = {r.key: r.value for r in self.function.results_of(ResultRole.NEXT_STATE)}
        return tuple(
            Carry(
                state,
                nexts[by_name[state].key],
                self.buffer(state, index),
                self.arguments[Group.INITIAL, by_name[state].key],
                self.arguments[Group.FINAL, by_name[state].key],
            )
            for state in draft.states
        )

    def summed(self) -> Iterator[Result]:
        """The results that are summed up when all rows are there."""
        late = (ResultRole.SEQUENCE_SUM,) if self.at_once else ()
        return self.function.results_of(ResultRole.TOTAL, *late)

    def total(self, result: Result) -> Total:
        argument = self.arguments[group_of(result.role), result.key]
        if result.role is ResultRole.SEQUENCE_SUM:
            return SequenceTotal(result.value, argument)
        let = self.lets.get(result.value)
        if let is not None and let.op is Op.OUTER:
            return OuterTotal(let.args[0], let.args[1], argument)
        return VectorTotal(result.value, argument)

    # Where values that are read outside the loop that computes them are stored.

    def place_values(self, carries: Mapping[int, tuple[Carry, ...]]) -> None:
        users = self.users(carries)
        # in the memory of a block is faster to read again than what is kept of all rows
        early = self.baseline or self.at_once
        kept = frozenset() if early else frozenset(self.total_operands())
        for draft in self.drafts:
            over_rows = draft.name not in ("once", "per_sequence")
            for number, nest in enumerate(draft.nests):
                lets = nest.lets if isinstance(nest, Pointwise) else (nest.let,)
                for let in lets:
                    outside = users.get(let.name, set()) - {(draft.name, number)}
                    if draft.in_place:
                        outside = {use for use in outside if use[0] != draft.name}
                    keep = over_rows and let.name in kept
                    if outside or keep or isinstance(nest, Join):
                        phases = {name for name, _ in outside}
                        index = self.index_of(draft, phases)
                        index = Index.STEP if keep else index
                        self.store(draft, let.name, self.buffer(let.name, index))
                        if self.at_once and index is Index.STEP and draft.name in phases:
                            self.store_near(draft, let.name)
        self.save_states(carries, users)
        for value in [] if self.baseline else self.total_operands():
            self.keep_all_rows(value)

    def users(self, carries: Mapping[int, tuple[Carry, ...]]) -> dict[str, set[tuple[str, int]]]:
        """Where each stored value is read: (phase, nest); nest -1 is the end of the phase."""
        users: dict[str, set[tuple[str, int]]] = {}

        def use(value: str, phase: str, nest: int) -> None:
            users.setdefault(self.views[value].base, set()).add((phase, nest))

        for number, draft in enumerate(self.drafts):
            for place, nest in enumerate(draft.nests):
                for arg, elementwise in _read_by(nest):
                    # whole vectors are read from memory, also within one nest
                    use(arg, draft.name, place if elementwise else -1)
            for carry in carries.get(number, ()):
                use(carry.value, draft.name, -1)
        operands = self.total_operands()
        for value in [*(result.value for result in self.function.results), *operands]:
            phase = self.row_phase(value)
            # what the loop that computes it cannot write where it belongs is copied from memory
            copied = self.views[value].base != value or value not in phase.lines
            if copied or (self.baseline and value in operands):
                use(value, phase.name, -1)
        return users

    def index_of(self, draft: _Draft, phases: set[str]) -> Index:
        """Values of a loop that only the loop reads are overwritten at every step."""
        if draft.states is not None and phases <= {draft.name} and not self.baseline:
            return Index.TILE_SEQUENCE
        return draft.index

    def store(self, draft: _Draft, value: str, buffer: Buffer) -> None:
        place = Place(buffer)
        self.reads[value] = place
        draft.writes.setdefault(value, []).append(place)

    def store_near(self, draft: _Draft, value: str) -> None:
        """What a loop keeps of all rows it finds again in the memory of its block."""
        # a nest that joins vectors writes to where they are read, and nowhere else
        if draft.states is not None and value in draft.pointwise:
            place = Place(self.buffer(value, Index.TILE_SEQUENCE, ".near"))
            draft.near[value] = place
            draft.writes.setdefault(value, []).append(place)

    def save_states(
        self,
        carries: Mapping[int, tuple[Carry, ...]],
        users: Mapping[str, set[tuple[str, int]]],
    ) -> None:
        """States read outside their loop, or taken over by another state, are copied first."""
        taken_over = {self.views[carry.value].base for group in carries.values() for carry in group}
        for number, group in carries.items():
            draft = self.drafts[number]
            for carry in group:
                readers = {phase for phase, _ in users.get(carry.state, set())}
                if readers - {draft.name} or (carry.state in taken_over and not draft.in_place):
                    buffer = self.buffer(carry.state, draft.index, ".entering")
                    self.reads[carry.state] = Place(buffer)
                    self.write(carry.state, Place(buffer))

    def total_operands(self) -> list[str]:
        """Every vector that totals are made of."""
        operands: dict[str, None] = {}
        for result in self.summed():
            let = self.lets.get(result.value)
            outer = let is not None and let.op is Op.OUTER
            operands |= dict.fromkeys(let.args if let and outer else (result.value,))
        return list(operands)

    def keep_all_rows(self, value: str) -> None:
        """Make a total's operand readable for all T * B rows when the tiles are done."""
        source = self.source(value)
        found = self.reads.get(value)
        kept = found is not None and found.array == self.buffer(value, Index.STEP)
        if found is not None and (kept or (source is not None and source.role in _ALL_ROWS)):
            self.total_reads[value] = found
            return
        place = Place(self.buffer(value, Index.STEP, ".rows"))
        self.total_reads[value] = place
        self.write(value, place)

    def source(self, value: str) -> Source | None:
        return next((found for found in self.function.sources if found.name == value), None)

    # Results.

    def hand_out(self, result: Result) -> None:
        """Store a per-step result in the caller's array, or add it up over a sequence."""
        argument = self.arguments[group_of(result.role), result.key]
        if result.role in _PER_STEP:
            self.write(result.value, Place(argument))
        elif result.role is ResultRole.SEQUENCE_SUM and not self.at_once:
            self.write(result.value, Place(argument), add=True)

    def write(self, value: str, place: Place, *, add: bool = False) -> None:
        """Have `value` written for every row: where it is computed, or copied when it is known."""
        draft = self.row_phase(value)
        if value in draft.pointwise:
            target = draft.sums if add else draft.writes
            target.setdefault(value, []).append(place)
        else:
            draft.copies.append(Copy(value, place, add))

    def row_phase(self, value: str) -> _Draft:
        """The phase over rows in which `value` is known: its own, or the first over rows."""
        base = self.views[value].base
        rows = [draft for draft in self.drafts if draft.name not in ("once", "per_sequence")]
        for draft in rows:
            if base in draft.lines or base in (draft.states or ()):
                return draft
        return rows[0]


def _read_by(nest: Nest) -> Iterator[tuple[str, bool]]:
    """What a nest reads, and whether element by element."""
    for let in nest.lets if isinstance(nest, Pointwise) else (nest.let,):
        for arg in let.args:
            yield arg, let.op in ELEMENTWISE


def reads_in(plan: KernelPlan, part: Phase | Loop) -> Mapping[str, Place]:
    """Where values are found inside `part`: the loop's own states in their carries."""
    if isinstance(part, Loop):
        return {**plan.reads, **part.near, **{c.state: Place(c.buffer) for c in part.carries}}
    return plan.reads
