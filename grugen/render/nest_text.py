"""The loops of a phase as lines of C: one statement a line of the step, equations cited above.

Where the loops over rows stand is the template's business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from grugen.ir.nodes import Let, Op
from grugen.ir.shapes import ELEMENTWISE, PRODUCTS
from grugen.render.c_expr import C_TYPES, Atom, CExpr, c_text, depth, dim_expr, literal, spell
from grugen.render.places import Spelling, factor, index_of, width_of
from grugen.render.views import NestView
from grugen.spec.dims import Dim
from grugen.target.abi import WRITTEN, Group
from grugen.target.nests import INLINE, Join, Pointwise
from grugen.target.plan import Buffer, Copy, Index, OuterTotal, Phase, Place, Total

DEEPEST = 12
"""Nameless lines are written inside their only user up to this depth of operations."""


@dataclass(frozen=True, slots=True)
class PhaseText:
    """Writes the nests of one phase.

    `reads` says where values are found in this phase; `row_lines` declares the variables that
    pick rows, by name, where the loop around the nests does not; `span` is the first row and the
    end.
    """

    spelling: Spelling
    phase: Phase
    reads: Mapping[str, Place]
    row_lines: Mapping[str, str]
    span: tuple[str, str]
    back: bool
    constants: dict[str, str] = field(default_factory=dict)
    """Declarations of what does not change from row to row; filled by `nests`."""
    wants: dict[str, str] = field(default_factory=dict)
    """Calls that list the rows of the next step; filled with the constants."""

    def scalar(self, nest: Pointwise) -> NestView:
        """A loop over single elements, or straight code for numbers."""
        return _PointwiseText(self, nest).view()

    def name(self, value: str) -> str:
        """The identifier of a value."""
        return self.spelling.names.values[value]

    def place(self, value: str) -> Place:
        """Where a stored value is read: a slice inside its vector."""
        view = self.spelling.plan.views[value]
        whole = self.reads[view.base]
        return Place(whole.array, whole.offset + view.offset)

    def read(self, value: str) -> tuple[list[str], list[Place]]:
        """How `value` is declared for reading in a row; nothing if it is the same for all rows."""
        place = self.place(value)
        number = value in self.spelling.numbers
        return self._declared(self.name(value), place, number, False)

    def write(self, name: str, place: Place) -> tuple[list[str], list[Place]]:
        """How the pointer called `name` is declared for writing in a row."""
        return self._declared(name, place, False, True)

    def _declared(
        self, name: str, place: Place, number: bool, written: bool
    ) -> tuple[list[str], list[Place]]:
        spelling = self.spelling
        once = index_of(place.array) is Index.NONE
        # the one row of a buffer is written by one nest and read by another
        if written or (once and isinstance(place.array, Buffer)):
            line = spelling.writing(name, place, restrict=not once)
        else:
            line = spelling.reading(name, place, number)
        if not once:
            return [line], [place]
        if spelling.plan.schedule.staged:
            # other loops of the function call a vector by this name
            return [line], []
        self.constants[name] = line
        return [], []

    def base(self, value: str, place: Place) -> str:
        """The pointer to the first element of an array, declared once for the whole function."""
        array = place.array
        spelling = self.spelling
        const = ""
        if isinstance(array, Buffer):
            name = self.beside(spelling.names.buffers[array], "at")
        elif array.group in WRITTEN:
            name = self.target(place)
        else:
            # not "at": memory of our own may be called like a value, h.entering like h_entering
            const, name = "const ", self.beside(value, "given")
        c_type = spelling.c_type(array)
        self.constants[name] = f"{const}{c_type} *const {name} = {spelling.base(array)};"
        if index_of(array) is Index.STEP:
            sizes = f"{spelling.stride(array)}, {spelling.dim(width_of(array))}"
            rows = f"tile->{spelling.row_variable(array)}"
            wanted = f"grugen_want(tile->wanted, {name}, {sizes}, {rows}, last, next);"
            self.wants[name] = guarded(spelling, place, wanted)
        return name

    def number(self, value: str, place: Place) -> str:
        """The declaration of a number of the current row."""
        spelling = self.spelling
        if value in spelling.numbers or index_of(place.array) is Index.NONE:
            return spelling.reading(self.name(value), place, True)
        offsets = " + ".join(spelling.offsets(place)) or "0"
        c_type = C_TYPES[spelling.element]
        text = spelling.loaded(place.array, f"{self.base(value, place)}[{offsets}]")
        return f"const {c_type} {self.name(value)} = {text};"

    def beside(self, name: str, suffix: str) -> str:
        """An identifier made from `name` that no value has."""
        return self.spelling.names.local.beside(name, suffix)

    def target(self, place: Place) -> str:
        """The name of a pointer through which a value is handed out."""
        array = place.array
        if isinstance(array, Buffer):
            return self.beside(self.spelling.names.buffers[array], "to")
        if array.group is Group.TAPE:
            return self.beside(array.key, "tape")
        key = f"d_{array.key}" if self.back else array.key
        return self.beside(key, "sum" if array.group is Group.SEQUENCE_SUM else "out")

    def rows(self, places: Collection[Place]) -> tuple[str, ...]:
        """The declarations of what picks the rows of `places`."""
        needed = {self.spelling.row_variable(place.array) for place in places}
        return tuple(line for name, line in self.row_lines.items() if name in needed)

    def copy(self, copy: Copy) -> NestView:
        """A row as it is from place to place, or added element by element."""
        spelling = self.spelling
        source = self.place(copy.value)
        places = [
            place for place in (source, copy.place) if index_of(place.array) is not Index.NONE
        ]
        shape = spelling.types[copy.value].shape
        size = spelling.dim(shape[0]) if shape else "1"
        if copy.value in spelling.numbers:
            declared, _ = self.read(copy.value)
            operator = "+=" if copy.add else "="
            store = f"*({spelling.row(copy.place)}) {operator} {self.name(copy.value)};"
            return NestView(
                "", self.rows(places), tuple(declared), "", (guarded(spelling, copy.place, store),)
            )
        if not copy.add:
            rows = f"{spelling.row(copy.place)}, {spelling.row(source)}"
            c_type = C_TYPES[spelling.element]
            move = f"memcpy({rows}, (size_t){factor(size)} * sizeof({c_type}));"
            condition = spelling.tape_condition(copy.place)
            lines = (f"if ({condition}) {{", move, "}") if condition else (move,)
            return NestView("", self.rows(places), (), "", lines)
        target = self.target(copy.place)
        source_name = self.beside(target, "from")
        read, _ = self._declared(source_name, source, False, False)
        write, _ = self.write(target, copy.place)
        line = f"{target}[j] += {source_name}[j];"
        return NestView("", self.rows(places), (*read, *write), size, (line,))

    def join(self, nest: Join) -> NestView:
        """The parts of a vector, one after the other."""
        lines: list[str] = []
        target = self.name(nest.let.name)
        pointers, places = self.write(target, self.reads[nest.let.name])
        offset = Dim(())
        types = self.spelling.types
        for arg in dict.fromkeys(nest.let.args):
            let = self.spelling.lets.get(arg)
            if let is None or let.op not in INLINE:
                line, place = self.read(arg)
                pointers += line
                places += place
        for arg in nest.let.args:
            shape = types[arg].shape
            start = "" if offset == Dim(()) else f"{self.spelling.dim(offset)} + "
            if shape:
                size = self.spelling.dim(shape[0])
                element = f"{self.name(arg)}[k]"
                lines.append(
                    f"for (int64_t k = 0; k < {size}; ++k) {{ {target}[{start}k] = {element}; }}"
                )
                offset = offset + shape[0]
            else:
                text = c_text(_PointwiseText(self, Pointwise(None, ())).element(arg))
                lines.append(f"{target}[{self.spelling.dim(offset)}] = {text};")
                offset = offset + Dim.fixed(1)
        title = self.cited(nest.let)
        return NestView(title, self.rows(places), tuple(pointers), "", tuple(lines))

    def total(self, total: Total) -> NestView:
        """A row's part of a total, added as soon as the row is there."""
        spelling = self.spelling
        target = spelling.base(total.argument)
        sizes = [spelling.dim(dim) for dim in total.argument.shape] or ["1"]
        values = (total.left, total.right) if isinstance(total, OuterTotal) else (total.value,)
        pointers = tuple(line for value in values for line in self.read(value)[0])
        elements = [
            self._element_of_row(value, index) for value, index in zip(values, "jk", strict=False)
        ]
        line = f"{target}[j] += {elements[0]};"
        if isinstance(total, OuterTotal):
            line = f"{target}[j * {factor(sizes[1])} + k] += {elements[0]} * {elements[1]};"
            line = f"for (int64_t k = 0; k < {sizes[1]}; ++k) {{ {line} }}"
        title = f"// d loss / d {total.argument.key}"
        return NestView(title, (), pointers, sizes[0], (line,))

    def _element_of_row(self, value: str, index: str) -> str:
        if value in self.spelling.numbers:
            return self.name(value)
        vector = self.spelling.types[value].shape
        return f"{self.name(value)}[{index if vector else '0'}]"

    def cited(self, let: Let) -> str:
        """A comment with the equation that a line comes from."""
        if let.equation is None:
            return ""
        text = let.equation.text
        if self.back:
            text = "back through " + ", ".join(str(target) for target in let.equation.targets)
        return f"// {text}    {let.equation.span.cite}"


class _PointwiseText:
    """One loop over elements: which values are local, which are read, which are written."""

    def __init__(self, phase: PhaseText, nest: Pointwise) -> None:
        self.phase = phase
        self.nest = nest
        self.element_type = phase.spelling.element
        self.own = {let.name: let for let in nest.lets}
        self.read: dict[str, None] = {}
        self.inlined: dict[str, CExpr] = {}
        self.uses = use_counts(nest)

    def view(self) -> NestView:
        """The loop as the template sees it."""
        lines: list[str] = []
        title = ""
        for let in self.nest.lets:
            cited = self.phase.cited(let)
            statements = list(self.statements(let))
            if statements and cited and cited != title:
                lines.append(cited)
                title = cited
            lines += statements
        pointers, places = self.pointers()
        size = "" if self.nest.size is None else self.phase.spelling.dim(self.nest.size)
        return NestView("", self.phase.rows(places), tuple(pointers), size, tuple(lines))

    def statements(self, let: Let) -> Iterator[str]:
        """What one line of the step becomes: nothing, if it is written inside its user."""
        written = self.phase.phase.writes.get(let.name, ())
        summed = self.phase.phase.sums.get(let.name, ())
        stored = let.name in self.phase.reads
        if let.op in ELEMENTWISE:
            args = [self.element(arg) for arg in let.args]
            if let.op is Op.EXTENT:
                assert let.size is not None
                args = [dim_expr(let.size, self.phase.spelling.names.dims)]
            value = spell(let, args, self.element_type)
            alone = self.uses.get(let.name, 0) == 1 and not let.given
            if alone and not (written or summed) and depth(value) < DEEPEST:
                self.inlined[let.name] = value
                return
            text = c_text(value)
        else:
            text = self.phase.beside(let.name, "acc") if stored else self.name(let.name)
            yield from self.accumulated(let, text)
        name = self.name(let.name)
        c_type = "int" if let.type.condition else C_TYPES[self.element_type]
        if stored:
            yield f"{name}[{self.index}] = {text};"
            name = f"{name}[{self.index}]"
        elif text != name:
            yield f"const {c_type} {name} = {text};"
        for place in self.others(let.name):
            store = f"{self.phase.target(place)}[{self.index}] = {name};"
            yield guarded(self.phase.spelling, place, store)
        for place in summed:
            yield f"{self.phase.target(place)}[{self.index}] += {name};"

    def accumulated(self, let: Let, name: str) -> Iterator[str]:
        """A sum over a whole vector: a reduction, or one element of a product."""
        c_type = C_TYPES[self.element_type]
        vector = self.vector(let.args[-1])
        types = self.phase.spelling.types
        size = self.phase.spelling.dim(types[let.args[-1]].shape[0])
        vectors = self.phase.spelling.plan.schedule.staged
        match let.op:
            case Op.SUM if vectors:
                yield f"const {c_type} {name} = grugen_sum_v({vector}, {size});"
                return
            case Op.DOT if vectors:
                other = self.vector(let.args[0])
                yield f"const {c_type} {name} = grugen_dot_v({other}, {vector}, {size});"
                return
            case Op.SUM:
                term = f"{vector}[k]"
            case Op.DOT:
                term = f"{self.vector(let.args[0])}[k] * {vector}[k]"
            case Op.MATVEC:
                term = f"{self.matrix(let)}[j * {factor(size)} + k] * {vector}[k]"
            case _:
                columns = self.phase.spelling.dim(types[let.args[0]].shape[1])
                term = f"{self.matrix(let)}[k * {factor(columns)} + j] * {vector}[k]"
        yield f"{c_type} {name} = {c_text(literal(0.0, self.element_type))};"
        yield f"for (int64_t k = 0; k < {size}; ++k) {{ {name} += {term}; }}"

    def element(self, value: str) -> CExpr:
        """The current element of a value, as an expression."""
        if value in self.inlined:
            return self.inlined[value]
        let = self.phase.spelling.lets.get(value)
        if let is not None and let.op in INLINE:
            args = []
            if let.size is not None:
                args = [dim_expr(let.size, self.phase.spelling.names.dims)]
            return spell(let, args, self.element_type)
        if value in self.own:
            stored = value in self.phase.reads
            return Atom(f"{self.name(value)}[{self.index}]" if stored else self.name(value))
        self.read[value] = None
        if value in self.phase.spelling.numbers:
            return Atom(self.name(value))
        shape = self.phase.spelling.types[value].shape
        return Atom(f"{self.name(value)}[{'j' if shape else '0'}]")

    def vector(self, value: str) -> str:
        """The name of a vector that is read whole."""
        self.read[value] = None
        return self.name(value)

    def matrix(self, let: Let) -> str:
        """The name of a product's matrix."""
        assert let.op in PRODUCTS
        self.read[let.args[0]] = None
        return self.name(let.args[0])

    def pointers(self) -> tuple[list[str], list[Place]]:
        """Declarations of everything that is read or written row by row, and its places."""
        found = [self.phase.read(value) for value in self.read]
        for let in self.nest.lets:
            if let.name in self.phase.reads:
                found.append(self.phase.write(self.name(let.name), self.phase.reads[let.name]))
            for place in (*self.others(let.name), *self.phase.phase.sums.get(let.name, ())):
                found.append(self.phase.write(self.phase.target(place), place))
        return [line for lines, _ in found for line in lines], [p for _, ps in found for p in ps]

    def others(self, value: str) -> tuple[Place, ...]:
        """The places a value is written to beside the one it is read from."""
        main = self.phase.reads.get(value)
        return tuple(p for p in self.phase.phase.writes.get(value, ()) if p != main)

    @property
    def index(self) -> str:
        return "0" if self.nest.size is None else "j"

    def name(self, value: str) -> str:
        return self.phase.name(value)


def use_counts(nest: Pointwise) -> dict[str, int]:
    """How often each value is read element by element within one loop."""
    counts: dict[str, int] = {}
    for let in nest.lets:
        if let.op in ELEMENTWISE:
            for arg in let.args:
                counts[arg] = counts.get(arg, 0) + 1
    return counts


def guarded(spelling: Spelling, place: Place, statement: str) -> str:
    """A store that happens only if the caller asked for a tape, where it goes to the tape."""
    condition = spelling.tape_condition(place)
    # on lines of its own, so that a long one can be broken
    return f"if ({condition}) {{\n{statement}\n}}" if condition else statement
