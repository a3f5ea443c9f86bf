"""Memory of a CUDA kernel: what is carved out of the workspace, and what blocks keep."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from grugen.ir.nodes import Op
from grugen.render.c_expr import C_TYPES
from grugen.render.places import Spelling, factor
from grugen.target.abi import Argument, Group
from grugen.target.nests import Pointwise
from grugen.target.plan import Buffer, Index, Loop, Place
from grugen.target.stages import Segment, Stage
from grugen.target.step_meetings import second_piece

_COUNTS = {
    Index.STEP: "call->T * call->B",
    Index.BATCH: "call->B",
    Index.TILE_SEQUENCE: "sequences",
}


def take(spelling: Spelling, owner: str, buffer: Buffer) -> str:
    """The line that carves out the memory of `buffer`."""
    c_type = spelling.c_type(buffer)
    count = factor(spelling.stride(buffer))
    if buffer.index is not Index.NONE:
        count = f"{_COUNTS[buffer.index]} * {count}"
    name = spelling.names.buffers[buffer]
    return (
        f"{owner}->{name} = static_cast<{c_type} *>("
        f"grugen_take(arena, {count} * (int64_t)sizeof({c_type})));"
    )


def member(spelling: Spelling, buffer: Buffer) -> str:
    """The declaration of a buffer's pointer."""
    rows = "" if buffer.index is Index.NONE else f"[{buffer.index}]"
    name = spelling.names.buffers[buffer]
    return f"{spelling.c_type(buffer)} *{name}; // {rows}[{buffer.width}]"


def or_zero(spelling: Spelling, place: Place, offsets: str) -> str:
    """An element of an array; 0 for states that start so and have no array."""
    base = spelling.base(place.array)
    element = f"{base}[{offsets}]"
    is_start = isinstance(place.array, Argument) and place.array.group is Group.INITIAL
    return f"{base} == nullptr ? 0 : {element}" if is_start else element


def loop_buffers(
    spelling: Spelling, loop: Loop, doubled: Collection[Buffer]
) -> tuple[list[Buffer], list[Buffer]]:
    """Memory of the sequences of a loop: vectors, which blocks share, and numbers."""
    places = [place for group in loop.phase.writes.values() for place in group]
    places += [copy.place for copy in loop.phase.copies]
    arrays = {place.array for place in places} | {carry.buffer for carry in loop.carries}
    arrays |= {second_piece(buffer) for buffer in doubled}
    own = [
        buffer
        for buffer in spelling.names.buffers
        if buffer in arrays and buffer.index is Index.TILE_SEQUENCE
    ]
    vectors = [buffer for buffer in own if not buffer.number]
    return vectors, [buffer for buffer in own if buffer not in vectors]


Panel = tuple[Pointwise, Stage, Segment]


def panels_of(spelling: Spelling, nests: Iterable[object]) -> Iterator[Panel]:
    """The packed matrices of those of `nests` that are stages."""
    stages = spelling.plan.stages()
    for nest in nests:
        if isinstance(nest, Pointwise) and nest in stages:
            for segment in stages[nest].segments:
                yield nest, stages[nest], segment


def depth_of(spelling: Spelling, segment: Segment) -> str:
    """How many elements the vector of a segment has."""
    return spelling.dim(spelling.types[segment.operand].shape[0])


def panel_sizes(spelling: Spelling, panel: Panel) -> str:
    """Depth, matrices and units of a panel, as arguments."""
    nest, _, segment = panel
    assert nest.size is not None
    return f"{depth_of(spelling, segment)}, {len(segment.lets)}, {spelling.dim(nest.size)}"


def found(spelling: Spelling, owner: str, panel: Panel) -> str:
    """The line that takes a panel as it lies in memory."""
    nest, _, segment = panel
    assert nest.size is not None
    name = spelling.panel(segment)
    matrices = len(segment.lets)
    return f"{owner}{name} = grugen_panel_at(work->{name}, {matrices}, {spelling.dim(nest.size)});"


def kept_bytes(spelling: Spelling, panel: Panel, parts: str) -> str:
    """What a block's slice of a panel takes."""
    size = f"grugen_kept_size({panel_sizes(spelling, panel)}, {parts})"
    return f"{size} * (int64_t)sizeof({C_TYPES[spelling.stored]})"


def kept(spelling: Spelling, panel: Panel, plan: str) -> str:
    """The line that copies a block's slice of a panel to where it stays.

    `plan` is how its stage is spread over threads.
    """
    name = spelling.panel(panel[2])
    memory = f"grugen_take(&own, {kept_bytes(spelling, panel, 'tiling.parts')})"
    return (
        f"tile.{name} = grugen_keep_panel(team, work->{name}, {panel_sizes(spelling, panel)}, "
        f"{plan}.split, {memory});"
    )


def packs(spelling: Spelling, panels: Iterable[Panel]) -> Iterator[str]:
    """The calls that bring matrices into the order in which products read them."""
    for panel in panels:
        segment = panel[2]
        for number, let in enumerate(segment.lets):
            rows, columns = (spelling.dim(dim) for dim in spelling.types[let.args[0]].shape)
            units, strides = rows, f"{columns}, 1"
            if let.op is Op.MATVEC_T:
                units, strides = columns, f"1, {columns}"
            matrix = spelling.base(spelling.plan.reads[let.args[0]].array)
            place = f"{number}, {len(segment.lets)}"
            name = f"work->{spelling.panel(segment)}"
            yield (
                f"grugen_pack(&grugen_turn, {name}, {depth_of(spelling, segment)}, {place}, "
                f"{matrix}, {units}, {strides});"
            )
