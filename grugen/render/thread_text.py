"""One loop over elements, one element a thread: the lines of a step as CUDA has them.

A stage is such a loop, too: some of its values come out of the registers of a product's tile.
Numbers of a row are computed by all lanes of a warp, which form sums over vectors together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from grugen.ir.nodes import Let, Op
from grugen.ir.shapes import PRODUCTS
from grugen.render.c_expr import (
    C_TYPES,
    Apply,
    Atom,
    CExpr,
    Conditional,
    Infix,
    c_text,
    literal,
    spell,
)
from grugen.render.nest_text import PhaseText
from grugen.render.places import factor, index_of
from grugen.render.vector_expr import Term
from grugen.render.vector_text import VectorText
from grugen.spec.dims import Dim
from grugen.target.abi import WRITTEN, Argument
from grugen.target.meetings import Array
from grugen.target.nests import INLINE, Join, Pointwise
from grugen.target.plan import Buffer, Copy, Index, Place
from grugen.target.triples import Triple


@dataclass(slots=True)
class ThreadText(VectorText):
    """Writes one nest of a phase; `registers` names the states that a thread has in registers.

    A nest that `is_early` has its elements of later steps brought near. In the step before it asks
    for those that its loop has not `written`; a stage has products to wait for, and asks for what
    it finds in memory before them.
    """

    registers: Mapping[Buffer, str] = field(default_factory=dict)
    is_early: bool = False
    early: list[str] = field(default_factory=list)
    """Declarations of what is asked for early."""
    shared: frozenset[Array] = frozenset()
    """Arrays of which other blocks read what this one writes."""
    asks: list[str] = field(default_factory=list)
    takes: list[str] = field(default_factory=list)
    """The same where what is known before the step has been asked for in the step before."""
    take_places: list[Place] = field(default_factory=list)
    early_places: list[Place] = field(default_factory=list)
    written: frozenset[Array] = frozenset()
    ahead: list[str] = field(default_factory=list)
    """Members of what is asked for in the step before."""
    finds: list[str] = field(default_factory=list)
    ahead_places: list[Place] = field(default_factory=list)
    triples: tuple[Triple, ...] = ()
    """Vectors that are posted three at a time, when the last of them is there."""
    posted: dict[Array, str] = field(default_factory=dict)
    stores_last: bool = False
    """Whether what nobody waits for is written behind all else."""
    last: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    """What says early which elements of a step's own row are wanted."""
    hint_places: list[Place] = field(default_factory=list)

    def c_type(self, condition: bool) -> str:
        """The type of a value, or of a condition."""
        return "bool" if condition else C_TYPES[self.phase.spelling.element]

    def spelled(self, let: Let, args: Sequence[Term]) -> Term:
        """One line of the step, from its arguments."""
        return Term(spell(let, [arg.expr for arg in args], self.phase.spelling.element), True)

    def spread(self, number: CExpr) -> CExpr:
        """A number as an element."""
        return number

    def as_value(self, condition: CExpr) -> CExpr:
        """A condition as it is stored."""
        one, zero = (literal(n, self.phase.spelling.element) for n in (1.0, 0.0))
        return Conditional(condition, one, zero)

    def as_condition(self, stored: CExpr) -> CExpr:
        """A condition as it was stored."""
        return Infix("!=", stored, literal(0.0, self.phase.spelling.element))

    def value(self, let: Let) -> Term:
        """One line of the step as an expression; a sum of products is in a register already."""
        if self.stage is not None and let.name in self.stage.sums:
            return Term(Atom(f"sum[{self.stage.sums.index(let.name)}]"), True)
        if let.op in (Op.SUM, Op.DOT) or let.op in PRODUCTS:
            return Term(self.reduced(let), True)
        return VectorText.value(self, let)

    def reduced(self, let: Let) -> CExpr:
        """A sum over vectors: by a warp, or by a thread where a product has but one row."""
        spelling = self.phase.spelling
        size = Atom(spelling.dim(spelling.types[let.args[-1]].shape[0]))
        vectors = tuple(Atom(self.pointer(arg)) for arg in let.args)
        if let.op is Op.SUM:
            return Apply("grugen_sum_v", (*vectors, size))
        if let.op is Op.DOT:
            return Apply("grugen_dot_v", (*vectors, size))
        columns = spelling.dim(spelling.types[let.args[0]].shape[1])
        start, stride = (f"j * {factor(columns)}", "1")
        if let.op is Op.MATVEC_T:
            start, stride = ("j", columns)
        matrix, vector = vectors
        row = Atom(f"{matrix.text} + {start}")
        return Apply("grugen_dot_strided", (row, Atom(stride), vector, size))

    def stores(self, value: str) -> Iterator[str]:
        """Writes and sums of a value: at once if others wait for them."""
        for line in filter(None, VectorText.stores(self, value)):
            if not self.stores_last or line.startswith(("team.share(", "grugen_share_three(")):
                yield line
            else:
                self.last.append(line)

    def last_lines(self) -> Iterator[str]:
        """What is written behind all else, under each condition at once."""
        groups: dict[str, list[str]] = {"": []}
        for line in self.last:
            condition, begin, rest = line.partition(" {\n")
            if begin:
                groups.setdefault(condition, []).append(rest.removesuffix("\n}"))
            else:
                groups[""].append(line)
        if self.last:
            yield "// no other block waits for these"
        for condition, group in groups.items():
            yield from [f"{condition} {{", *group, "}"] if condition else group

    def pointer(self, value: str) -> str:
        """The first element of a vector or matrix that is read whole."""
        place = self.phase.place(value)
        if index_of(place.array) is not Index.NONE:
            self.places.append(place)
        return " + ".join([self.phase.base(value, place), *self.phase.spelling.offsets(place)])

    def read(self, value: str) -> Term:
        """Have a value declared before the lines."""
        array = self.phase.place(value).array
        if isinstance(array, Buffer) and array in self.registers:
            name = self.phase.name(value)
            self.loads.append(f"const {self.c_type(False)} {name} = {self.registers[array]};")
            return Term(Atom(name), True)
        is_row = index_of(array) is not Index.NONE and value not in self.phase.spelling.numbers
        if self.is_early and self.stage is not None and is_row:
            return self.asked(value)
        if self.is_early and is_row and self.is_known(array):
            return self.asked_ahead(value)
        if self.is_early and is_row and self.phase.spelling.types[value].shape:
            self.hint(value)
        # not super(): a class with slots is made anew, and the bare form would look for the old one
        return VectorText.read(self, value)

    def is_known(self, array: Argument | Buffer) -> bool:
        """Whether an array has its rows of all steps before the loop begins."""
        has_elements = self.nest.size is not None
        return has_elements and index_of(array) is Index.STEP and array not in self.written

    def asked_ahead(self, value: str) -> Term:
        """Have a value asked for in the step before; it is on its way as it lies in memory."""
        name = self.phase.name(value)
        place, element = self.request(value, self.ahead_places)
        self.ahead.append(f"{self.phase.spelling.c_type(place.array)} {name};")
        self.finds.append(f"found.{name} = {element};")
        kind, text = self.converted(value, place, f"found.{name}")
        self.loads.append(f"const {kind} {name} = {text};")
        return Term(Atom(name), True)

    def asked(self, value: str) -> Term:
        """Have a value asked for before the products."""
        name = self.phase.name(value)
        place, element = self.request(value, self.early_places)
        kind, text = self.converted(value, place, element)
        self.early.append(f"{kind} {name} = {'false' if kind == 'bool' else 0};")
        self.asks.append(f"{name} = {text};")
        if not self.is_known(place.array):
            self.take_places.append(place)
            self.takes.append(f"{name} = {text};")
            return Term(Atom(name), True)
        self.ahead_places.append(place)
        self.ahead.append(f"{self.phase.spelling.c_type(place.array)} {name};")
        self.finds.append(f"kept->{name} = {element};")
        self.takes.append(f"{name} = {self.converted(value, place, f'kept->{name}')[1]};")
        return Term(Atom(name), True)

    def request(self, value: str, places: list[Place]) -> tuple[Place, str]:
        """Where a value that is asked for lies, which is one of `places`, and its element there.

        Later steps' elements are brought near.
        """
        place = self.phase.place(value)
        places.append(place)
        base = self.phase.base(value, place)
        shape = self.phase.spelling.types[value].shape
        offsets = [*self.phase.spelling.offsets(place), *(["j"] if shape else [])]
        if shape:
            self.hint(value)
        return place, self.stored(base, place, " + ".join(offsets))

    def converted(self, value: str, place: Place, element: str) -> tuple[str, str]:
        """The type of a value, and an element of memory as one."""
        condition = self.phase.spelling.types[value].condition
        text = self.phase.spelling.loaded(place.array, element)
        return self.c_type(condition), c_text(self.as_condition(Atom(text))) if condition else text

    def hint(self, value: str) -> None:
        """Have an element of a step's own row brought near before its step begins."""
        place = self.phase.place(value)
        if index_of(place.array) is not Index.STEP:
            return
        offsets = " + ".join([*self.phase.spelling.offsets(place), "j"])
        self.hint_places.append(place)
        self.hints.append(f"grugen_hint({self.phase.base(value, place)} + {offsets});")

    def load(self, value: str, place: Place) -> str:
        """The current element as an expression."""
        offsets = " + ".join([*self.phase.spelling.offsets(place), "j"])
        return self.fetched(self.phase.base(value, place), place, offsets)

    def fetched(self, base: str, place: Place, offsets: str) -> str:
        """An element of an array as a number."""
        return self.phase.spelling.loaded(place.array, self.stored(base, place, offsets))

    def stored(self, base: str, place: Place, offsets: str) -> str:
        """An element of an array; what a kernel never writes can be read ahead of other work."""
        is_given = isinstance(place.array, Argument) and place.array.group not in WRITTEN
        return f"__ldg({base} + {offsets})" if is_given else f"{base}[{offsets}]"

    def element_of(self, base: str, place: Place, index: str) -> str:
        """Element `index` of the current row of an array."""
        return f"{base}[{' + '.join([*self.phase.spelling.offsets(place), *index.split()])}]"

    def store(self, value: str, place: Place, text: str) -> str:
        """The statement that writes the current element; a number's first lane does it."""
        if isinstance(place.array, Buffer) and place.array in self.registers:
            return f"{self.registers[place.array]} = {text};"
        if index_of(place.array) is not Index.NONE:
            self.places.append(place)
        base = self.phase.base(value, place)
        text = self.phase.spelling.rounded(place.array, text)
        if self.nest.size is not None and place.array in self.shared:
            offsets = " + ".join([base, *self.phase.spelling.offsets(place), "j"])
            return self.share(place.array, f"{offsets}, {text}")
        if self.nest.size is not None:
            return f"{self.element_of(base, place, 'j')} = {text};"
        offsets = " + ".join(self.phase.spelling.offsets(place)) or "0"
        # every block has numbers of its own, but there is one array of the caller's
        is_own = isinstance(place.array, Buffer) and place.array.index is Index.TILE_SEQUENCE
        condition = "team.lane() == 0" if is_own else "team.lane() == 0 && team.part == 0"
        return f"if ({condition}) {{ {base}[{offsets}] = {text}; }}"

    def share(self, array: Array, element: str) -> str:
        """The statement that lets other blocks have an element; none before the last of three."""
        triple = next((triple for triple in self.triples if array in triple), ())
        if not triple:
            return f"team.share({element});"
        self.posted[array] = element
        if not all(one in self.posted for one in triple):
            return ""
        return f"grugen_share_three(team, {', '.join(self.posted[one] for one in triple)});"


def copied(phase: PhaseText, copy: Copy, shared: frozenset[Array] = frozenset()) -> ThreadText:
    """A row as it is from place to place, as a nest of its own."""
    shape = phase.spelling.types[copy.value].shape
    text = ThreadText(phase, Pointwise(shape[0] if shape else None, ()), shared=shared)
    line = text.copy(copy)
    text.steady, steady = [], text.steady
    text.loads = [*steady, *text.loads, line]
    return text


def joined(phase: PhaseText, nest: Join, shared: frozenset[Array] = frozenset()) -> ThreadText:
    """The parts of a vector, one after the other: each element finds the part that it is of."""
    size = nest.let.type.shape[0]
    text = ThreadText(phase, Pointwise(size, (nest.let,)), shared=shared)
    parts = list(_parts(text, nest))
    expr = parts[-1][1]
    for end, part in reversed(parts[:-1]):
        expr = Conditional(Infix("<", Atom("j"), Atom(phase.spelling.dim(end))), part, expr)
    place = phase.reads[nest.let.name]
    text.loads.append(text.store(nest.let.name, place, c_text(expr)))
    return text


def _parts(text: ThreadText, nest: Join) -> Iterator[tuple[Dim, CExpr]]:
    """Each part's end in the joined vector, and its element for number j of the whole."""
    phase = text.phase
    start = Dim(())
    for arg in nest.let.args:
        shape = phase.spelling.types[arg].shape
        end = start + (shape[0] if shape else Dim.fixed(1))
        let = phase.spelling.lets.get(arg)
        if not shape or (let is not None and let.op in INLINE):
            yield end, text.element(arg).expr
        else:
            place = phase.place(arg)
            if index_of(place.array) is not Index.NONE:
                text.places.append(place)
            index = "j" if start == Dim(()) else f"j - {factor(phase.spelling.dim(start))}"
            offsets = " + ".join([*phase.spelling.offsets(place), index])
            element = f"{phase.base(arg, place)}[{offsets}]"
            yield end, Atom(phase.spelling.loaded(place.array, element))
        start = end
