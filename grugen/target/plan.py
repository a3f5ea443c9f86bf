"""A kernel as data: what is computed in which loop, and where every value lies.

Targets make plans, `grugen.render` writes them down; no plan holds text of the target language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from grugen.ir.nodes import Function
from grugen.spec.dims import Dim
from grugen.target.abi import Argument, Signature
from grugen.target.nests import Nest, Pointwise, View
from grugen.target.schedule import Schedule
from grugen.target.stages import Stage, join_segments, stage_of, use_counts

NO_OFFSET = Dim(())


class Index(StrEnum):
    """What picks a row of an array."""

    NONE = "none"
    """One row: for the whole call, or for the one row that is being computed."""
    STEP = "step"
    """Row t * B + b: an argument per step, or memory laid out like one."""
    BATCH = "batch"
    """Row b."""
    TILE_ROW = "tile row"
    """The rows of a time block of a tile, in order of execution."""
    TILE_SEQUENCE = "tile sequence"
    """The sequences of a tile."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory of the kernel's own: rows of `width` elements, one for each value of `index`.

    `parts` are the values that lie side by side in a row, if there are several. Rows that are a
    `number` are no vectors, not even of one element.
    """

    name: str
    index: Index
    width: Dim
    parts: tuple[str, ...] = ()
    number: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value lies: in each row of `array`, from element `offset`."""

    array: Argument | Buffer
    offset: Dim = NO_OFFSET


@dataclass(frozen=True, slots=True)
class Copy:
    """A value that is in memory already is copied (or added) to `place` when the phase ends."""

    value: str
    place: Place
    add: bool = False


@dataclass(frozen=True, slots=True)
class Phase:
    """Nests that run together, and what is copied when they are done.

    `writes` says to which places a loop stores the values it computes; `sums` to which it adds
    them. A value in neither lives in a register. A state in either is stored as it enters a step.
    """

    name: str
    nests: tuple[Nest, ...] = ()
    writes: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)
    sums: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)
    copies: tuple[Copy, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.nests or self.copies)


@dataclass(frozen=True, slots=True)
class Carry:
    """A state between steps: `buffer` starts as `initial`, takes `value` after every step."""

    state: str
    value: str
    buffer: Buffer
    initial: Argument
    final: Argument


@dataclass(frozen=True, slots=True)
class Loop:
    """A phase that runs once for every step, in order of time, and the states it carries.

    One that runs `in_place` is a single nest over all rows of a time block, which follow each other
    in order of time: every element of the states needs only itself, and is overwritten at once.
    `near` says where the loop itself finds values of the step that are kept for all rows as well.
    """

    phase: Phase
    carries: tuple[Carry, ...]
    in_place: bool = False
    near: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OuterTotal:
    """A matrix summed over all rows: left (outer) right, one product over T * B rows."""

    left: str
    right: str
    argument: Argument


@dataclass(frozen=True, slots=True)
class VectorTotal:
    """A vector or number summed over all rows."""

    value: str
    argument: Argument


@dataclass(frozen=True, slots=True)
class SequenceTotal:
    """A vector or number summed over the rows of each sequence."""

    value: str
    argument: Argument


Total = OuterTotal | VectorTotal | SequenceTotal


@dataclass(frozen=True, slots=True)
class KernelPlan:
    """One kernel.

    `once` runs once a call, `per_sequence` once for each sequence of a tile, `body` in order over
    each time block: plain phases and loops in place for all its rows at once, other loops step by
    step. `totals` run when all tiles are done, reading `total_reads`. `reads` says where a value is
    found by whoever did not compute it; inside its loop a state is found in its carry's buffer.
    """

    direction: str
    function: Function
    signature: Signature
    schedule: Schedule
    views: Mapping[str, View]
    reads: Mapping[str, Place]
    once: Phase
    per_sequence: Phase
    body: tuple[Phase | Loop, ...]
    totals: tuple[Total, ...]
    total_reads: Mapping[str, Place]
    # found once: all who write a part of the text ask for it
    _stages: list[Mapping[Pointwise, Stage]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def phases(self) -> Iterator[Phase]:
        """Every phase, in order of execution."""
        yield self.once
        yield self.per_sequence
        for part in self.body:
            yield part.phase if isinstance(part, Loop) else part

    def stages(self) -> Mapping[Pointwise, Stage]:
        """Every loop over rows with matrix products in it; each has panels of its own."""
        if not self._stages:
            self._stages.append(dict(self._each_stage()))
        return self._stages[0]

    def _each_stage(self) -> Iterator[tuple[Pointwise, Stage]]:
        if not self.schedule.staged:
            return
        uses = use_counts(self.function)
        parts = [buffer.parts for buffer in self.buffers()]
        followers = {a: b for values in parts for a, b in pairwise(values)}
        for phase in self.phases():
            for nest in phase.nests:
                # what is computed once a call has no rows to share packed weights
                if phase is not self.once and isinstance(nest, Pointwise) and nest.products:
                    yield nest, join_segments(stage_of(nest, uses), followers)

    def buffers(self) -> tuple[Buffer, ...]:
        """The kernel's own memory, in a fixed order."""
        found: dict[Buffer, None] = {}
        for part in self.body:
            if isinstance(part, Loop):
                found |= {carry.buffer: None for carry in part.carries}
        places = [*self.reads.values(), *self.total_reads.values()]
        for phase in self.phases():
            places += [place for group in phase.writes.values() for place in group]
            places += [copy.place for copy in phase.copies]
        found |= {p.array: None for p in places if isinstance(p.array, Buffer)}
        return tuple(found)
