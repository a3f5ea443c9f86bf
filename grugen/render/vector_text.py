"""One loop over elements, a vector at a time: loads, one statement a line of the step, stores.

A stage is such a loop, too: some of its values come out of the registers of a product's tile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from grugen.ir.nodes import Let, Op
from grugen.ir.shapes import PRODUCTS
from grugen.render.c_expr import Atom, CExpr, c_text, depth, dim_expr
from grugen.render.nest_text import DEEPEST, PhaseText, guarded, use_counts
from grugen.render.places import index_of
from grugen.render.vector_expr import Term, as_condition, as_value, spell_vector
from grugen.render.views import NestView
from grugen.target.nests import INLINE, Pointwise
from grugen.target.plan import Copy, Index, Place
from grugen.target.stages import Stage


@dataclass(slots=True)
class VectorText:
    """Writes one nest of a phase; `stage` says which values are sums of products."""

    phase: PhaseText
    nest: Pointwise
    stage: Stage | None = None
    steady: list[str] = field(default_factory=list)
    """Loads that are the same for all rows."""
    loads: list[str] = field(default_factory=list)
    loaded: dict[str, Term] = field(default_factory=dict)
    inlined: dict[str, Term] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    named: frozenset[str] = frozenset()
    """Values that are read again behind the last line."""
    copies: tuple[Copy, ...] = ()
    """What is copied beside the loop's own work."""

    def view(self) -> NestView:
        """The loop as the template sees it."""
        assert self.nest.size is not None
        lines = [*self.lines(), *(self.copy(copy) for copy in self.copies)]
        return NestView(
            title="",
            rows=self.phase.rows(self.places),
            pointers=(),
            size=self.phase.spelling.dim(self.nest.size),
            lines=(*self.loads, *lines),
            steady=tuple(self.steady),
            vectors=True,
        )

    def lines(self, lets: Iterable[Let] | None = None) -> list[str]:
        """The statements of `lets`, or of all, under their equations; fills `loads`."""
        lines: list[str] = []
        title = ""
        for let in self.nest.lets if lets is None else lets:
            cited = self.phase.cited(let)
            statements = list(self.statements(let))
            if statements and cited and cited != title:
                lines.append(cited)
                title = cited
            lines += statements
        return lines

    def statements(self, let: Let) -> Iterator[str]:
        """What one line of the step becomes: nothing, if it is written inside its user."""
        if self.stage is not None and let.name in self.stage.inner:
            return
        written = self.phase.phase.writes.get(let.name, ())
        summed = self.phase.phase.sums.get(let.name, ())
        value = self.value(let)
        alone = use_counts(self.nest).get(let.name, 0) == 1 and not self.is_named(let)
        if alone and not (written or summed) and depth(value.expr) < DEEPEST:
            self.inlined[let.name] = value
            return
        name = self.phase.name(let.name)
        text = c_text(value.expr if let.type.condition else value.spread)
        yield f"const {self.c_type(let.type.condition)} {name} = {text};"
        self.inlined[let.name] = Term(Atom(name), True)
        yield from self.stores(let.name)

    def stores(self, value: str) -> Iterator[str]:
        """Writes and sums of a value that has its name here."""
        name = self.phase.name(value)
        stored: CExpr = Atom(name)
        if self.phase.spelling.types[value].condition:
            stored = self.as_value(stored)
        for place in self.phase.phase.writes.get(value, ()):
            yield guarded(self.phase.spelling, place, self.store(value, place, c_text(stored)))
        for place in self.phase.phase.sums.get(value, ()):
            yield self.store(value, place, f"{self.load(value, place)} + {name}")

    def value(self, let: Let) -> Term:
        """One line of the step as an expression; a sum of products is in a register already."""
        if self.stage is not None and let.name in self.stage.sums:
            return Term(Atom(f"sum[{self.stage.sums.index(let.name)}]"), True)
        args = [self.element(arg) for arg in let.args]
        if let.op is Op.EXTENT:
            assert let.size is not None
            args = [Term(dim_expr(let.size, self.phase.spelling.names.dims), False)]
        return self.spelled(let, args)

    # What another kind of element, a number for each thread, would have otherwise.

    def c_type(self, condition: bool) -> str:
        """The type of a value, or of a condition."""
        return "grugen_mask" if condition else "grugen_vector"

    def spelled(self, let: Let, args: Sequence[Term]) -> Term:
        """One line of the step, from its arguments."""
        return spell_vector(let, args, self.phase.spelling.element)

    def spread(self, number: CExpr) -> CExpr:
        """A number as an element."""
        return Term(number, False).spread

    def as_value(self, condition: CExpr) -> CExpr:
        """A condition as it is stored."""
        return as_value(condition, self.phase.spelling.element)

    def as_condition(self, stored: CExpr) -> CExpr:
        """A condition as it was stored."""
        return as_condition(stored, self.phase.spelling.element)

    def is_named(self, let: Let) -> bool:
        """Whether a reader of the spec, or of a title above, looks for the value by its name."""
        return let.given or let.op in PRODUCTS or let.name in self.named

    def element(self, value: str) -> Term:
        """The current vector of a value: computed here, a number, or loaded first."""
        if value in self.inlined:
            return self.inlined[value]
        spelling = self.phase.spelling
        let = spelling.lets.get(value)
        if let is not None and let.op in INLINE:
            return self.value(let)
        if value not in self.loaded:
            self.loaded[value] = self.read(value)
        return self.loaded[value]

    def read(self, value: str) -> Term:
        """Have a value declared before the lines: a vector, or a number of the row."""
        spelling, phase = self.phase.spelling, self.phase
        place = phase.place(value)
        once = index_of(place.array) is Index.NONE
        lines = self.steady if once else self.loads
        if not once:
            self.places.append(place)
        name = phase.name(value)
        condition = spelling.types[value].condition
        if not spelling.types[value].shape:
            _append(lines, phase.number(value, place))
            if condition:
                return Term(self.as_condition(self.spread(Atom(name))), True)
            return Term(Atom(name), False)
        loaded = self.load(value, place)
        text = c_text(self.as_condition(Atom(loaded))) if condition else loaded
        _append(lines, f"const {self.c_type(condition)} {name} = {text};")
        return Term(Atom(name), True)

    def copy(self, copy: Copy) -> str:
        """The statement that copies what is there as it is."""
        spelling = self.phase.spelling
        expr = self.element(copy.value).expr
        if spelling.types[copy.value].condition:
            expr = self.as_value(expr)
        return guarded(spelling, copy.place, self.store(copy.value, copy.place, c_text(expr)))

    def load(self, value: str, place: Place) -> str:
        """The current vector as an expression."""
        address = self.address(value, place)
        if self.phase.spelling.is_whole(place):
            return f"grugen_load_whole_v({address})"
        return f"grugen_load_v({address}, lanes)"

    def store(self, value: str, place: Place, text: str) -> str:
        """The statement that writes the current vector."""
        if index_of(place.array) is not Index.NONE:
            self.places.append(place)
        address = self.address(value, place)
        if self.phase.spelling.is_whole(place):
            return f"grugen_store_whole_v({address}, {text});"
        return f"grugen_store_v({address}, {text}, lanes);"

    def address(self, value: str, place: Place) -> str:
        """The current vector in memory, from a pointer that the function declares once."""
        base = self.phase.base(value, place)
        return " + ".join([base, *self.phase.spelling.offsets(place), "j"])


def _append(lines: list[str], line: str) -> None:
    """Another round of a stage may have it already."""
    if line not in lines:
        lines.append(line)
