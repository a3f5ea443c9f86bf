"""What a stage multiplies: accumulators, and the packed matrices that feed them.

A stage is a loop over elements with matrix products in it. Products that are only ever added to
each other share an accumulator; products that read the same vector share a panel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from grugen.ir.nodes import Function, Let, Op
from grugen.ir.shapes import PRODUCTS
from grugen.target.nests import Pointwise


@dataclass(frozen=True, slots=True)
class Segment:
    """Products that read the same vector and feed the accumulators from number `first` on.

    Vectors that lie side by side are read as one: `operands` has them in order, and `lets` first
    all products of the first one. `adds` tells that an earlier segment has begun these sums.
    """

    op: Op
    operands: tuple[str, ...]
    lets: tuple[Let, ...]
    first: int
    adds: bool

    @property
    def operand(self) -> str:
        """The vector that begins where this one does."""
        return self.operands[0]

    @property
    def count(self) -> int:
        """How many accumulators it feeds."""
        return len(self.lets) // len(self.operands)


@dataclass(frozen=True, slots=True)
class Stage:
    """`sums` are the values that accumulators hold, in their order; `inner` are parts of them."""

    sums: tuple[str, ...]
    inner: frozenset[str]
    segments: tuple[Segment, ...]

    @property
    def operands(self) -> tuple[str, ...]:
        """The vectors that are multiplied, each once."""
        return tuple(dict.fromkeys(segment.operand for segment in self.segments))


def use_counts(function: Function) -> Counter[str]:
    """How often each value is read by lines and results."""
    uses = Counter(arg for let in function.lets for arg in let.args)
    uses.update(result.value for result in function.results)
    return uses


def stage_of(nest: Pointwise, uses: Counter[str]) -> Stage:
    """The accumulators and panels of `nest`; `uses` are the counts of the whole function."""
    parts: dict[str, tuple[Let, ...]] = {}
    inner: set[str] = set()
    for let in nest.lets:
        if let.op in PRODUCTS:
            parts[let.name] = (let,)
        elif let.op is Op.ADD and all(arg in parts and uses[arg] == 1 for arg in let.args):
            left, right = (parts.pop(arg) for arg in let.args)
            parts[let.name] = left + right
            inner.update(let.args)
    operands = list(dict.fromkeys(_vector(let) for let in nest.products))

    def span(name: str) -> tuple[int, int]:
        places = [operands.index(_vector(let)) for let in parts[name]]
        return min(places), max(places)

    # sums of one vector stand side by side, and between them those of it and of the next one
    sums = tuple(sorted(parts, key=span))
    return Stage(sums, frozenset(inner), tuple(_segments(sums, parts, operands)))


def chains(stage: Stage) -> list[list[Segment]]:
    """The segments in order, those together that feed the same accumulators one by one."""
    found: list[list[Segment]] = []
    for segment in stage.segments:
        fed = (segment.op, segment.first, segment.count)
        before = found[-1][-1] if found else None
        if before is not None and (before.op, before.first, before.count) == fed:
            found[-1].append(segment)
        else:
            found.append([segment])
    return found


def join_segments(stage: Stage, followers: Mapping[str, str]) -> Stage:
    """`stage` with one segment for vectors that lie side by side.

    `followers` has for a vector the one that begins where it ends.
    """
    return replace(stage, segments=tuple(s for c in chains(stage) for s in _joined(c, followers)))


def _joined(chain: list[Segment], followers: Mapping[str, str]) -> Iterator[Segment]:
    by_operand = {segment.operand: segment for segment in chain}
    if len(by_operand) < len(chain):
        yield from chain
        return
    follow = {a: b for a, b in followers.items() if a in by_operand and b in by_operand}
    adds = chain[0].adds
    for segment in chain:
        if segment.operand in follow.values():
            continue
        run = [segment.operand]
        while run[-1] in follow:
            run.append(follow[run[-1]])
        lets = tuple(let for operand in run for let in by_operand[operand].lets)
        yield replace(segment, operands=tuple(run), lets=lets, adds=adds)
        adds = True


def _vector(let: Let) -> tuple[Op, str]:
    return let.op, let.args[1]


def _segments(
    sums: tuple[str, ...], parts: dict[str, tuple[Let, ...]], operands: list[tuple[Op, str]]
) -> Iterator[Segment]:
    begun: set[int] = set()
    for op, operand in operands:
        waiting = [
            (place, let)
            for place, name in enumerate(sums)
            for let in parts[name]
            if _vector(let) == (op, operand)
        ]
        while waiting:
            run: list[tuple[int, Let]] = []
            adds = waiting[0][0] in begun
            for place, let in waiting:
                follows = not run or place == run[-1][0] + 1
                if follows and (place in begun) == adds:
                    run.append((place, let))
            begun.update(place for place, _ in run)
            waiting = [item for item in waiting if item not in run]
            yield Segment(op, (operand,), tuple(let for _, let in run), run[0][0], adds)
