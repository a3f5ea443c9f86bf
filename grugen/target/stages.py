"""What a stage multiplies: accumulators, and the packed matrices that feed them.

A stage is a loop over elements with matrix products in it. Products that are only ever added to
each other share an accumulator; products that read the same vector share a panel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from grugen.ir.nodes import Function, Let, Op
from grugen.ir.shapes import PRODUCTS
from grugen.target.nests import Pointwise


@dataclass(frozen=True, slots=True)
class Segment:
    """Products that read the same vector and feed the accumulators from number `first` on.

    `adds` tells that an earlier segment has begun these sums.
    """

    op: Op
    operand: str
    lets: tuple[Let, ...]
    first: int
    adds: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """`sums` are the values that accumulators hold, in their order; `inner` are parts of them."""

    sums: tuple[str, ...]
    inner: frozenset[str]
    segments: tuple[Segment, ...]


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
            yield Segment(op, operand, tuple(let for _, let in run), run[0][0], adds)
