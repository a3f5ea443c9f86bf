"""Where threads that share the rows of a loop must wait for each other.

A value that one nest leaves in memory and another one finds there may have been written by another
thread: of the same block if both go through single elements, of any block that works on the same
sequences if a vector is read whole. Nests with the same `way` give every element to the same
thread. Steps follow each other without a pause, so the last nests of one and the first of the next
are neighbours like any others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from grugen.ir.nodes import Let
from grugen.ir.shapes import ELEMENTWISE
from grugen.spec.dims import Dim
from grugen.target.abi import Argument
from grugen.target.nests import INLINE, Join, Nest, Pointwise
from grugen.target.plan import Buffer, Carry, Copy, Index, KernelPlan, Loop, Place


@dataclass(frozen=True, slots=True)
class Turn:
    """One of the pieces of memory that an array has in turn, from step to step."""

    array: Argument | Buffer
    number: int


Array = Argument | Buffer | Turn
Way = tuple[str, Dim | int]

GATHERED = Buffer("gathered", Index.TILE_SEQUENCE, Dim.fixed(1), number=True)
"""Where a block may bring the rows of a stage together: each stage has it for itself."""


class Meeting(IntEnum):
    """Who waits for each other."""

    NONE = 0
    BLOCK = 1
    ALL = 2


@dataclass(frozen=True, slots=True)
class Access:
    """What a nest does to memory: arrays whose elements it reads or writes at its own place.

    `whole` are read at other places, too. A `way` that is None is like no other.
    """

    way: Way | None
    own: frozenset[Array]
    whole: frozenset[Array]
    written: frozenset[Array]


def swapped_carries(plan: KernelPlan, loop: Loop) -> tuple[Carry, ...]:
    """The states whose next value has memory of the same form: the two can change places."""
    values = [plan.views[carry.value].base for carry in loop.carries]

    def is_swapped(carry: Carry) -> bool:
        place = plan.reads.get(carry.value)
        return (
            plan.views[carry.value].base == carry.value
            and values.count(carry.value) == 1
            and place is not None
            and isinstance(place.array, Buffer)
            and place.array.index is carry.buffer.index
            and place.array.width == carry.buffer.width
            and place.array not in {other.buffer for other in loop.carries}
        )

    return tuple(carry for carry in loop.carries if is_swapped(carry))


def folded_copies(plan: KernelPlan, loop: Loop) -> Mapping[int, tuple[Copy, ...]]:
    """The copies that a nest makes beside its own work, element by element, by the nest's number.

    They are of states as they enter the step, which nobody changes before its end.
    """
    found: dict[int, list[Copy]] = {}
    states = {carry.state for carry in loop.carries}
    sizes = [nest.size if isinstance(nest, Pointwise) else None for nest in loop.phase.nests]
    for copy in loop.phase.copies:
        shape = plan.function.types()[copy.value].shape
        if not copy.add and copy.value in states and shape and shape[0] in sizes:
            found.setdefault(sizes.index(shape[0]), []).append(copy)
    return {number: tuple(copies) for number, copies in found.items()}


def own_copies(plan: KernelPlan, loop: Loop) -> tuple[Copy, ...]:
    """The copies that are nests of their own."""
    folded = [copy for copies in folded_copies(plan, loop).values() for copy in copies]
    return tuple(copy for copy in loop.phase.copies if copy not in folded)


def loop_accesses(plan: KernelPlan, loop: Loop, reads: Mapping[str, Place]) -> tuple[Access, ...]:
    """Of each nest, each copy and each carry that is copied, in order of execution."""
    folded = folded_copies(plan, loop)
    found = [
        _nest_access(plan, loop, nest, reads, folded.get(number, ()))
        for number, nest in enumerate(loop.phase.nests)
    ]
    found += [_copy_access(plan, copy, reads) for copy in own_copies(plan, loop)]
    swapped = swapped_carries(plan, loop)
    found += [
        _copy_access(plan, Copy(carry.value, Place(carry.buffer)), plan.reads)
        for carry in loop.carries
        if carry not in swapped
    ]
    return tuple(found)


def meetings(steps: Sequence[Sequence[Access]]) -> tuple[Meeting, ...]:
    """Who must meet before each access of a step: the same in all steps, and no more than needed.

    `steps` are as many as it takes until memory has been used in all ways in which steps follow
    each other. All have met before the first.
    """
    count = len(steps[0])
    found = (_lowered(steps, order) for order in (range(count), reversed(range(count))))
    return min(found, key=_cost)


def _lowered(steps: Sequence[Sequence[Access]], order: Iterable[int]) -> tuple[Meeting, ...]:
    """Meetings of all before each access, made smaller in `order` as far as that goes."""
    levels = [Meeting.ALL] * len(steps[0])
    for number in order:
        for level in Meeting:
            levels[number] = level
            if is_ordered(steps, levels):
                break
    return tuple(levels)


def _cost(levels: Sequence[Meeting]) -> tuple[int, ...]:
    return tuple(levels.count(level) for level in sorted(Meeting, reverse=True)[:-1])


def is_ordered(steps: Sequence[Sequence[Access]], levels: Sequence[Meeting]) -> bool:
    """Whether nobody touches memory without order if `levels` meet before a step's accesses."""
    # what was done since a block met, and since all did
    block: list[Access] = []
    everyone: list[Access] = []
    for step in steps:
        for access, level in zip(step, levels, strict=True):
            if level >= Meeting.BLOCK:
                block = []
            if level is Meeting.ALL:
                everyone = []
            if any(_between(before, access, Meeting.BLOCK) for before in block):
                return False
            if any(_between(before, access, Meeting.ALL) for before in everyone):
                return False
            block.append(access)
            everyone.append(access)
    return True


def _between(before: Access, after: Access, level: Meeting) -> Meeting:
    """`level`, if so much is needed between two nests."""
    conflicts = before.written & after.whole | before.whole & after.written
    if level is Meeting.ALL:
        # numbers are computed by every block for itself
        return Meeting.NONE if all(is_number(array) for array in conflicts) else level
    if before.way is None or before.way != after.way:
        conflicts |= before.written & (after.own | after.written) | before.own & after.written
    return level if conflicts else Meeting.NONE


def is_number(array: Array) -> bool:
    """Whether there is a single number in each row."""
    if isinstance(array, Turn):
        return is_number(array.array)
    return not array.shape if isinstance(array, Argument) else array.number


def _nest_access(
    plan: KernelPlan,
    loop: Loop,
    nest: Nest,
    reads: Mapping[str, Place],
    copies: tuple[Copy, ...],
) -> Access:
    lets = nest.lets if isinstance(nest, Pointwise) else (nest.let,)
    size = nest.size if isinstance(nest, Pointwise) else lets[0].type.shape[0]
    inside = {let.name for let in lets}
    own: set[Array] = set()
    whole: set[Array] = set()
    for let in lets:
        for value, elementwise in _stored_args(plan, let, inside):
            view = plan.views[value]
            array = reads[view.base].array
            shape = plan.function.types()[value].shape
            is_own = elementwise and bool(shape) and view.base == value and shape[0] == size
            (own if is_own else whole).add(array)
    written = {place.array for let in lets for place in loop.phase.writes.get(let.name, ())} | {
        reads[let.name].array for let in lets if isinstance(nest, Join)
    }
    own.update(reads[copy.value].array for copy in copies)
    written.update(copy.place.array for copy in copies)
    is_stage = isinstance(nest, Pointwise) and bool(nest.products)
    if is_stage:
        written.add(GATHERED)
    way: Way | None = None
    if size is not None and not is_stage:
        way = ("spread", size)
    return Access(way, frozenset(own), frozenset(whole), frozenset(written))


def _stored_args(plan: KernelPlan, let: Let, inside: set[str]) -> Iterator[tuple[str, bool]]:
    """What a line finds in memory, and whether at its own place."""
    inline = {found.name for found in plan.function.lets if found.op in INLINE}
    elementwise = let.op in ELEMENTWISE
    for arg in let.args:
        if arg not in inline and not (elementwise and arg in inside):
            yield arg, elementwise


def _copy_access(plan: KernelPlan, copy: Copy, reads: Mapping[str, Place]) -> Access:
    view = plan.views[copy.value]
    source = reads[view.base].array
    shape = plan.function.types()[copy.value].shape
    is_own = bool(shape) and view.base == copy.value
    return Access(
        ("spread", shape[0]) if shape else None,
        frozenset({source} if is_own else ()),
        frozenset(() if is_own else {source}),
        frozenset({copy.place.array}),
    )
