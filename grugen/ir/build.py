"""Appending lines to a step: fresh names, inferred types.

Everything that makes a `Function` makes its lines here, so that no line is ever untyped.
"""

from __future__ import annotations

from collections.abc import Iterable

from grugen.ir.nodes import Let, Op, Source
from grugen.ir.shapes import result_type
from grugen.ir.types import Type
from grugen.source import Span
from grugen.spec.dims import Dim
from grugen.spec.model import Equation


class Builder:
    """The lines of a step under construction; `taken` are names it must not invent."""

    def __init__(self, sources: Iterable[Source], taken: Iterable[str] = ()) -> None:
        self.types: dict[str, Type] = {source.name: source.type for source in sources}
        self.lets: list[Let] = []
        self._taken = {*self.types, *taken}
        self._count = 0

    def fresh(self, wish: str = "") -> str:
        """`wish` if it is free, else the first free of `wish_2`, ...; without a wish `t1`, ..."""
        name = wish
        number = 1
        while not name or name in self._taken:
            if wish:
                number += 1
                name = f"{wish}_{number}"
            else:
                self._count += 1
                name = f"t{self._count}"
        self._taken.add(name)
        return name

    def let(
        self,
        op: Op,
        *args: str,
        name: str = "",
        value: float | None = None,
        size: Dim | None = None,
        offset: Dim | None = None,
        span: Span | None = None,
        equation: Equation | None = None,
        given: bool = False,
    ) -> str:
        """Append `op args` and return its name; raises ShapeMismatch before anything is added."""
        type_ = result_type(op, [self.types[arg] for arg in args], size)
        name = name or self.fresh()
        self.add(Let(name, op, args, type_, span, equation, value, size, offset, given))
        return name

    def add(self, let: Let) -> None:
        """Append a line that is already typed, under its own name."""
        self._taken.add(let.name)
        self.types[let.name] = let.type
        self.lets.append(let)
