"""How the memory of a plan is spelled in C: base pointers, rows, pointer declarations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from grugen.ir.nodes import Function, Let, SourceRole
from grugen.ir.types import Type
from grugen.render.c_expr import C_TYPES, ElementType, c_text, dim_expr
from grugen.spec.dims import Dim
from grugen.target.abi import IN_FULL, PER_SEQUENCE, PER_STEP, WRITTEN, Argument, Group
from grugen.target.c_names import FRAME_MEMBERS, FRAME_WORDS, LocalNames
from grugen.target.plan import NO_OFFSET, Buffer, Index, KernelPlan, Place
from grugen.target.stages import Segment

_ROW_VARIABLES = {
    Index.STEP: "row",
    Index.BATCH: "b",
    Index.TILE_ROW: "q",
    Index.TILE_SEQUENCE: "slot",
}
"""The variables of a row loop that pick a row of an array."""


@dataclass(frozen=True, slots=True)
class KernelNames:
    """The identifiers of one kernel: of dims, of values, and of the kernel's own buffers."""

    dims: Mapping[str, str]
    values: Mapping[str, str]
    buffers: Mapping[Buffer, str]
    panels: Mapping[str, str]
    """The packed weights of a segment, by the name of its first product."""
    local: LocalNames


def kernel_names(plan: KernelPlan, dims: Iterable[str], more: Iterable[Buffer] = ()) -> KernelNames:
    """Distinct identifiers for everything in `plan`; spec names keep their spelling if C does.

    `more` are buffers that a target has beside those of the plan.
    """
    values = [source.name for source in plan.function.sources]
    values += [let.name for let in plan.function.lets]
    local = LocalNames(values)
    # a dim may have the name of a value, and a buffer has that of the value in it
    sizes = {dim: local.fresh(dim, FRAME_WORDS) for dim in dims}
    members = LocalNames(())
    buffers = {
        buffer: members.fresh(buffer.name.replace(".", "_"), FRAME_MEMBERS)
        for buffer in (*plan.buffers(), *more)
    }
    panels = {
        segment.lets[0].name: members.fresh(f"panel_{segment.lets[0].name}")
        for stage in plan.stages().values()
        for segment in stage.segments
    }
    return KernelNames(sizes, {name: local[name] for name in values}, buffers, panels, local)


def index_of(array: Argument | Buffer) -> Index:
    """What picks a row of `array`."""
    if isinstance(array, Buffer):
        return array.index
    if array.group in PER_STEP:
        return Index.STEP
    return Index.BATCH if array.group in PER_SEQUENCE else Index.NONE


def width_of(array: Argument | Buffer) -> Dim:
    """The number of elements in a row of `array`."""
    if isinstance(array, Buffer):
        return array.width
    return array.shape[0] if array.shape else Dim.fixed(1)


def given_numbers(function: Function) -> frozenset[str]:
    """The numbers that the caller hands in: they are read once, not through a pointer."""
    sources = (s for s in function.sources if s.role is not SourceRole.STATE)
    return frozenset(source.name for source in sources if not source.type.shape)


@dataclass(frozen=True, slots=True)
class Spelling:
    """Spells the places of one kernel. `owner` names the struct that holds the buffers of an index.

    `restrict` is set where pointers live only as long as the loop that uses them. `lets` and
    `types` are those of the plan's function, `numbers` its `given_numbers`. `element` is the type
    that is computed in, `stored` the one in which the caller's arrays and packed matrices are
    kept, and of our own memory the `rounded_rows`. `own_row` picks a row of a step there.
    """

    plan: KernelPlan
    element: ElementType
    names: KernelNames
    owner: Mapping[Index, str]
    restrict: bool
    lets: Mapping[str, Let]
    types: Mapping[str, Type]
    numbers: frozenset[str]
    stored: ElementType
    rounded_rows: frozenset[Buffer] = frozenset()
    own_row: str = "row"

    def dim(self, dim: Dim) -> str:
        """A size as C text."""
        return c_text(dim_expr(dim, self.names.dims))

    def base(self, array: Argument | Buffer) -> str:
        """The pointer to row 0."""
        if isinstance(array, Argument):
            member = f"call->{array.group}.{array.field}"
            if self.converts(array):
                const = "" if array.group in WRITTEN else "const "
                return f"static_cast<{const}{self.c_type(array)} *>({member})"
            # hypers stand in the struct by value
            return f"&{member}" if array.group is Group.HYPER else member
        return f"{self.owner[array.index]}->{self.names.buffers[array]}"

    def c_type(self, array: Argument | Buffer) -> str:
        """The type of an array's elements: most of what is our own is kept as it is computed."""
        if isinstance(array, Buffer):
            kept = array in self.rounded_rows
        else:
            kept = array.group not in IN_FULL
        return C_TYPES[self.stored if kept else self.element]

    def converts(self, array: Argument | Buffer) -> bool:
        """Whether elements are kept in another type than the one that is computed in."""
        return self.c_type(array) != C_TYPES[self.element]

    def loaded(self, array: Argument | Buffer, element: str) -> str:
        """An element of an array as a number to compute with."""
        return f"grugen_real_of({element})" if self.converts(array) else element

    def rounded(self, array: Argument | Buffer, number: str) -> str:
        """A number as an element of an array."""
        return f"grugen_stored_of({number})" if self.converts(array) else number

    def panel(self, segment: Segment) -> str:
        """The member of the work struct that holds a segment's packed weights."""
        return self.names.panels[segment.lets[0].name]

    def depth(self, segment: Segment) -> str:
        """How long the vector is that a segment multiplies, side by side with others or alone."""
        return self.dim(self.length(segment.operands))

    def length(self, values: Iterable[str]) -> Dim:
        """The number of elements of some vectors together."""
        total = Dim(())
        for value in values:
            total = total + self.types[value].shape[0]
        return total

    def tape_condition(self, place: Place) -> str:
        """When memory is there that the caller must ask for, as C text; else empty.

        The states are on every tape, the rest only where gates are kept.
        """
        array = place.array
        if not (isinstance(array, Argument) and array.group is Group.TAPE):
            return ""
        states = (a.key for a in self.plan.signature.arguments if a.group is Group.INITIAL)
        return "keep_tape" if array.key in states else "keep_tape > 1"

    def is_padded(self, buffer: Buffer) -> bool:
        """Whether rows end on a whole vector; numbers stand side by side."""
        return self.plan.schedule.staged and buffer.width != Dim.fixed(1)

    def is_whole(self, place: Place) -> bool:
        """Whether the row can be read and written by whole vectors to its end."""
        array = place.array
        if not isinstance(array, Buffer) or not self.is_padded(array):
            return False
        # behind one that lies side by side with others the next one begins
        return not array.parts and place.offset == NO_OFFSET

    def stride(self, array: Argument | Buffer) -> str:
        """Elements from row to row."""
        if isinstance(array, Buffer) and self.is_padded(array):
            return f"grugen_padded({self.dim(array.width)})"
        return self.dim(width_of(array))

    def row_variable(self, array: Argument | Buffer) -> str:
        """The variable that picks a row of `array`; empty where there is but one."""
        index = index_of(array)
        is_own = index is Index.STEP and isinstance(array, Buffer)
        return self.own_row if is_own else _ROW_VARIABLES.get(index, "")

    def offsets(self, place: Place) -> list[str]:
        """What leads from the first element of an array to the current row of a value."""
        array = place.array
        found: list[str] = []
        index = index_of(array)
        if index is not Index.NONE:
            stride = self.stride(array)
            row = self.row_variable(array)
            found.append(row if stride == "1" else f"{row} * {factor(stride)}")
        if place.offset != Dim(()):
            found.append(self.dim(place.offset))
        return found

    def row(self, place: Place) -> str:
        """The pointer to the current row of a value."""
        return " + ".join([self.base(place.array), *self.offsets(place)])

    def reading(self, name: str, place: Place, number: bool) -> str:
        """The declaration of a value that is read from memory: a row, or the number itself."""
        c_type = self.c_type(place.array)
        if not number:
            alone = "restrict " if self.restrict else ""
            return f"const {c_type} *const {alone}{name} = {self.row(place)};"
        row = self.row(place)
        c_type = C_TYPES[self.element]
        if row.startswith("&"):
            return f"const {c_type} {name} = {row[1:]};"
        return f"const {c_type} {name} = {self.loaded(place.array, _element(row))};"

    def writing(self, name: str, place: Place, *, restrict: bool) -> str:
        """The declaration of a pointer to the row that a value is written to."""
        alone = "restrict " if restrict and self.restrict else ""
        row = self.row(place)
        condition = self.tape_condition(place)
        if condition:
            row = f"{condition} ? {row} : NULL"
        return f"{self.c_type(place.array)} *const {alone}{name} = {row};"


def factor(text: str) -> str:
    """`text` as an operand of a product: in parentheses if an operator stands outside of any."""
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == " " and depth == 0:
            return f"({text})"
    return text


def _element(pointer: str) -> str:
    """`p + q` as `p[q]`."""
    base, plus, index = pointer.partition(" + ")
    return f"{base}[{index}]" if plus else f"{base}[0]"
