"""Lines of a step, grouped into the loops that compute them for one row.

Lines of one size that need each other only element by element share a loop, matrix products among
them; a line that needs whole vectors starts after them. Nothing is known here of threads, tiles
or memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from grugen.errors import InternalError
from grugen.ir.nodes import Function, Let, Op
from grugen.ir.shapes import ELEMENTWISE, PRODUCTS, REDUCTIONS
from grugen.spec.dims import Dim

INLINE = frozenset({Op.LITERAL, Op.EXTENT})
"""Lines that are written out where they are used, and never stored."""


@dataclass(frozen=True, slots=True)
class Pointwise:
    """`for j < size: lets`; size None is straight code for numbers, reductions among them.

    With products among the lets it is a stage: the products end in registers, and the other lets
    are their epilogue.
    """

    size: Dim | None
    lets: tuple[Let, ...]

    @property
    def products(self) -> tuple[Let, ...]:
        """The matrix products, in order."""
        return tuple(let for let in self.lets if let.op in PRODUCTS)


@dataclass(frozen=True, slots=True)
class Join:
    """One CONCAT."""

    let: Let


Nest = Pointwise | Join


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
    handed_out: Collection[str] = (),
) -> tuple[Nest, ...]:
    """The loops that compute `lets` for one row when the values `known` are in memory.

    Literals are computed only if they are `handed_out` as they are.
    """
    inline = {let.name for let in lets if let.op in INLINE}
    users: dict[str, set[str]] = {}
    for let in lets:
        for arg in let.args:
            users.setdefault(arg, set()).add(let.name)
    partition = _Partition(
        pending=[
            let
            for let in lets
            if let.op is not Op.SLICE and (let.name not in inline or let.name in handed_out)
        ],
        done={*known, *inline},
        views=views,
        users=users,
    )
    nests: list[Nest] = []
    while partition.pending:
        nests.append(partition.joined() or partition.pointwise())
    return tuple(nests)


@dataclass(slots=True)
class _Partition:
    pending: list[Let]
    done: set[str]
    views: dict[str, View]
    users: dict[str, set[str]]

    def take(self, lets: Iterable[Let]) -> None:
        """`lets` are in memory from here on."""
        names = {let.name for let in lets}
        self.pending = [let for let in self.pending if let.name not in names]
        self.done |= names

    def stored(self, name: str) -> bool:
        return self.views[name].base in self.done

    def joined(self) -> Nest | None:
        """The first CONCAT that can run now."""
        for let in self.pending:
            if let.op is Op.CONCAT and all(self.stored(arg) for arg in let.args):
                self.take([let])
                return Join(let)
        return None

    def pointwise(self) -> Nest:
        """One loop with every line of one size that can run now, sizes in order of appearance."""
        sizes: dict[Dim | None, list[Let]] = {}
        for let in self.pending:
            if len(let.type.shape) < 2:
                sizes.setdefault(_size(let), []).append(let)
        ready = [(size, self._ready(lets)) for size, lets in sizes.items()]
        # products that nobody can use yet are left for the loop that uses them, if there is other
        # work: their results then need no memory
        for choose in (self._useful, list[Let]):
            for size, group in ready:
                chosen = choose(group)
                if chosen:
                    self.take(chosen)
                    return Pointwise(size, tuple(chosen))
        raise InternalError(f"lines need each other: {', '.join(let.name for let in self.pending)}")

    def _useful(self, group: list[Let]) -> list[Let]:
        """`group` without the products whose users are all still to come."""
        inside = {let.name for let in group}
        return [
            let
            for let in group
            if let.op not in PRODUCTS
            or not self.users.get(let.name)
            or self.users[let.name] & inside
        ]

    def _ready(self, lets: Iterable[Let]) -> list[Let]:
        """Those of one size that need nothing but each other and what is in memory."""
        group: list[Let] = []
        inside: set[str] = set()
        for let in lets:
            if let.op in ELEMENTWISE:
                ready = all(arg in inside or self.stored(arg) for arg in let.args)
            elif let.op in REDUCTIONS:
                ready = all(self.stored(arg) for arg in let.args)
            else:
                ready = let.op in PRODUCTS and self.stored(let.args[1])
            if ready:
                group.append(let)
                inside.add(let.name)
        return group


def _size(let: Let) -> Dim | None:
    return let.type.shape[0] if let.type.shape else None
