"""The structs of a kernel's own memory: members, and how they are carved out of a workspace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from grugen.ir.nodes import Op
from grugen.render.c_expr import C_TYPES
from grugen.render.places import Spelling, factor, index_of, width_of
from grugen.render.views import MemoryView
from grugen.spec.dims import Dim
from grugen.target.abi import Argument
from grugen.target.plan import Buffer, Index

_COUNTS = {
    Index.STEP: "call->T * call->B",
    Index.BATCH: "call->B",
    Index.TILE_ROW: "rows",
    Index.TILE_SEQUENCE: "sequences",
}
"""How many rows a buffer has, by what picks a row."""


def memory_view(spelling: Spelling, owner: str) -> MemoryView:
    """The struct called `owner` (work or tile)."""
    real = C_TYPES[spelling.element]
    members: list[str] = []
    takes: list[str] = []

    def add(name: str, count: str, comment: str) -> None:
        members.append(f"{real} *{name}; // {comment}")
        size = f"{count} * (int64_t)sizeof({real})"
        takes.append(f"{owner}->{name} = grugen_take(arena, {size});")

    for buffer, name in spelling.names.buffers.items():
        if spelling.owner[buffer.index] == owner:
            count = factor(spelling.stride(buffer))
            if buffer.index is not Index.NONE:
                count = f"{_COUNTS[buffer.index]} * {count}"
            parts = f": {', '.join(buffer.parts)}" if buffer.parts else ""
            add(name, count, f"{_rows_of(buffer.index)}[{buffer.width}]{parts}")
    return MemoryView(tuple(members), (), tuple(takes))


def panels_view(spelling: Spelling) -> MemoryView:
    """The members of the work struct that hold packed weights."""
    real = C_TYPES[spelling.element]
    members: list[str] = []
    takes: list[str] = []
    for nest, stage in spelling.plan.stages().items():
        assert nest.size is not None
        for segment in stage.segments:
            name = spelling.panel(segment)
            matrices = ", ".join(let.args[0] for let in segment.lets)
            members.append(f"{real} *{name}; // packed {matrices}")
            sizes = f"{len(stage.sums)}, {segment.count}, {spelling.dim(nest.size)}"
            count = f"grugen_panel_size({spelling.depth(segment)}, {sizes})"
            takes.append(f"work->{name} = grugen_take(arena, {count} * (int64_t)sizeof({real}));")
    return MemoryView(tuple(members), (), tuple(takes))


def _rows_of(index: Index) -> str:
    return "" if index is Index.NONE else f"[{index}]"


def row_bytes(spelling: Spelling) -> str:
    """How much memory of the kernel's own each row of a time block takes.

    What is kept for all rows counts, too: a block is to find it in the cache as it left it.
    """
    strides = [
        spelling.stride(buffer)
        for buffer in spelling.names.buffers
        if buffer.index in (Index.TILE_ROW, Index.STEP)
    ]
    return f"({' + '.join(strides) or '1'}) * (int64_t)sizeof({C_TYPES[spelling.element]})"


def packs(spelling: Spelling) -> Iterator[str]:
    """The calls that bring matrices into the order in which products read them."""
    types = spelling.types
    for stage in spelling.plan.stages().values():
        for segment in stage.segments:
            for index, let in enumerate(segment.lets):
                rows, columns = (spelling.dim(dim) for dim in types[let.args[0]].shape)
                matrix = spelling.base(spelling.plan.reads[let.args[0]].array)
                units, strides = rows, f"{columns}, 1"
                if let.op is Op.MATVEC_T:
                    units, strides = columns, f"1, {columns}"
                operand, number = divmod(index, segment.count)
                before = spelling.dim(spelling.length(segment.operands[:operand]))
                depth = spelling.dim(types[segment.operands[operand]].shape[0])
                place = f"{before}, {depth}, {number}, {segment.count}, {len(stage.sums)}"
                panel = f"work->{spelling.panel(segment)}, {spelling.depth(segment)}"
                yield f"grugen_pack(team, {panel}, {place}, {matrix}, {units}, {strides});"


def with_wanted_memory(spelling: Spelling, own: MemoryView) -> MemoryView:
    """A thread's own memory with the list of lines that the next step wants."""
    arguments = spelling.plan.signature.arguments
    known: tuple[Argument | Buffer, ...] = (*arguments, *spelling.names.buffers)
    arrays = [array for array in known if index_of(array) is Index.STEP]
    width = sum((width_of(array) for array in arrays), start=Dim(()))
    segments = [segment for stage in spelling.plan.stages().values() for segment in stage.segments]
    # together they are at least as deep as any of them
    depths = dict.fromkeys(spelling.length(segment.operands) for segment in segments)
    depth = spelling.dim(sum(depths, start=Dim(())))
    most = f"grugen_most_wanted(sequences, {spelling.dim(width)}, {len(arrays)}, {depth})"
    return replace(
        own,
        members=(
            *own.members,
            "grugen_wanted *wanted; // by the next step",
            "int64_t most_wanted;",
        ),
        takes=(
            *own.takes,
            f"tile->most_wanted = {most};",
            "tile->wanted = grugen_take(arena, grugen_wanted_bytes(tile->most_wanted));",
        ),
    )


def most_operands(spelling: Spelling) -> int:
    """How many vectors a stage multiplies at most."""
    stages = spelling.plan.stages().values()
    return max((len({s.operand for s in stage.segments}) for stage in stages), default=0)
