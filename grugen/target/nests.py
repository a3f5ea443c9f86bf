"""Lines of a step, grouped into the loops that compute them for one row.

Lines of one size that need each other only element by element share a loop; a line that needs
whole vectors starts after them. Nothing is known here of threads, tiles or memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from grugen.ir.nodes import Function, Let, Op
from grugen.ir.shapes import ELEMENTWISE, PRODUCTS, REDUCTIONS
from grugen.spec.dims import Dim

INLINE = frozenset({Op.LITERAL, Op.EXTENT})
"""Lines that are written out where they are used, and never stored."""


@dataclass(frozen=True, slots=True)
class Pointwise:
    """`for j < size: lets`; size None is straight code for numbers, reductions among them.

    Where products are not stacked they are among the lets, each a loop over its operand.
    """

    size: Dim | None
    lets: tuple[Let, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """One CONCAT."""

    let: Let


@dataclass(frozen=True, slots=True)
class Stack:
    """Products of one kind that read the same vector: their matrices are stacked into one.

    `lets` are in the order of their rows in the stack.
    """

    op: Op
    operand: str
    lets: tuple[Let, ...]


Nest = Pointwise | Join | Stack


@dataclass(frozen=True, slots=True)
class View:
    """A value that is part of another: `size` elements of `base` from `offset`."""

    base: str
    offset: Dim


def find_views(function: Function) -> dict[str, View]:
    """Every value as a part of what is stored: slices of their vector, others of themselves."""
    views = {name: View(name, Dim(())) for name in function.types()}
    for let in function.lets:
        if let.op is Op.SLICE:
            assert let.offset is not None
            whole = views[let.args[0]]
            views[let.name] = View(whole.base, whole.offset + let.offset)
    return views


def split_nests(
    lets: Sequence[Let],
    known: Iterable[str],
    views: dict[str, View],
    *,
    stack_products: bool,
    handed_out: Collection[str] = (),
) -> tuple[Nest, ...]:
    """The loops that compute `lets` for one row when the values `known` are in memory.

    Literals are computed only if they are `handed_out` as they are.
    """
    inline = {let.name for let in lets if let.op in INLINE}
    partition = _Partition(
        pending=[
            let
            for let in lets
            if let.op is not Op.SLICE and (let.name not in inline or let.name in handed_out)
        ],
        done={*known, *inline},
        views=views,
        stack_products=stack_products,
    )
    nests: list[Nest] = []
    while partition.pending:
        nests += partition.stacks()
        nest = partition.joined() or partition.pointwise()
        if nest is not None:
            nests.append(nest)
    return tuple(nests)


@dataclass(slots=True)
class _Partition:
    pending: list[Let]
    done: set[str]
    views: dict[str, View]
    stack_products: bool

    def take(self, lets: Iterable[Let]) -> None:
        """`lets` are in memory from here on."""
        names = {let.name for let in lets}
        self.pending = [let for let in self.pending if let.name not in names]
        self.done |= names

    def stored(self, name: str) -> bool:
        return self.views[name].base in self.done

    def stacks(self) -> list[Nest]:
        """All products that can run now, those that read the same vector together."""
        if not self.stack_products:
            return []
        groups: dict[tuple[Op, str], list[Let]] = {}
        for let in self.pending:
            if let.op in PRODUCTS and self.stored(let.args[1]):
                groups.setdefault((let.op, let.args[1]), []).append(let)
        for group in groups.values():
            self.take(group)
        return [Stack(op, operand, tuple(group)) for (op, operand), group in groups.items()]

    def joined(self) -> Nest | None:
        """The first CONCAT that can run now."""
        for let in self.pending:
            if let.op is Op.CONCAT and all(self.stored(arg) for arg in let.args):
                self.take([let])
                return Join(let)
        return None

    def pointwise(self) -> Nest | None:
        """One loop with every line of one size that can run now, sizes in order of appearance."""
        tried: set[Dim | None] = set()
        for let in self.pending:
            size = let.type.shape[0] if len(let.type.shape) == 1 else None
            if size in tried or len(let.type.shape) == 2:
                continue
            tried.add(size)
            group = self._ready(size)
            if group:
                self.take(group)
                return Pointwise(size, tuple(group))
        return None

    def _ready(self, size: Dim | None) -> list[Let]:
        group: list[Let] = []
        inside: set[str] = set()
        for let in self.pending:
            if let.type.shape != (() if size is None else (size,)):
                continue
            if let.op in ELEMENTWISE:
                ready = all(arg in inside or self.stored(arg) for arg in let.args)
            elif let.op in REDUCTIONS:
                ready = all(self.stored(arg) for arg in let.args)
            else:
                inlined = let.op in PRODUCTS and not self.stack_products
                ready = inlined and self.stored(let.args[1])
            if ready:
                group.append(let)
                inside.add(let.name)
        return group
