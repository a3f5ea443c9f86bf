"""The vectors that a stage of target `cuda` multiplies, and the calls that do it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grugen.render.cuda_memory import depth_of
from grugen.render.cuda_tensor import TensorLoop
from grugen.render.cuda_views import CudaOperandView, ProductView
from grugen.render.nest_text import PhaseText
from grugen.render.places import Spelling
from grugen.target.abi import Argument
from grugen.target.meetings import Array
from grugen.target.plan import Buffer, Copy, Index, Place
from grugen.target.stages import Stage

_SIDE = 6
"""Pairs of elements that a thread asks for at the same time; of several vectors fewer of each."""

_MOST_TILED_SUMS = 20
"""With more sums for a unit, a block's tile would not fit its shared memory."""


@dataclass(frozen=True, slots=True)
class InLoop:
    """What a nest of a loop knows beside its lines.

    `meet` is who waits for each other before it, `copies` are made beside its own work, and of
    `shared` arrays other blocks read what it writes; those that are `written` change from step to
    step. Where blocks can post what they share to each other there are `states`: vectors that the
    step before computed. They may be multiplied on `tensor` cores.
    """

    meet: str
    copies: tuple[Copy, ...]
    shared: frozenset[Array]
    written: frozenset[Array]
    states: frozenset[Buffer] | None
    tensor: TensorLoop | None


def operand_views(
    text: PhaseText, stage: Stage, inside: InLoop | None
) -> tuple[tuple[CudaOperandView, ...], tuple[str, ...]]:
    """The vectors that a stage multiplies, and the calls that do it."""
    values = stage.operands
    names = {value: f"operand_{number}" for number, value in enumerate(values, start=1)}
    operands = []
    offset = ""
    for number, value in enumerate(values, start=1):
        depth = text.spelling.dim(text.spelling.types[value].shape[0])
        operands.append(
            CudaOperandView(
                names[value],
                text.spelling.c_type(text.place(value).array),
                text.rows([text.place(value)]),
                text.spelling.row(text.place(value)),
                depth,
                str(_is_own(text.place(value))).lower(),
                str(_is_aligned(text.spelling, text.place(value))).lower(),
                _layout(text.spelling, text.place(value)),
                _gathered_at(text.spelling, text.place(value), offset),
                *_collect(text, stage, number, inside),
            )
        )
        offset += f" + rows.count() * grugen_padded({depth})"
    calls = []
    for segment in stage.segments:
        template = f"{segment.first}, {len(segment.lets)}, {names[segment.operand]}_is"
        calls.append(
            f"grugen_multiply<{template}>(at, panels.{text.spelling.panel(segment)}, "
            f"{depth_of(text.spelling, segment)}, {names[segment.operand]}, sums);"
        )
    return tuple(operands), tuple(calls)


def _gathered_at(spelling: Spelling, place: Place, offset: str) -> str:
    """Where gathered rows of a vector begin; elements that are shorter have room to spare."""
    start = f"gathered{offset}"
    if not spelling.converts(place.array):
        return start
    return f"reinterpret_cast<{spelling.c_type(place.array)} *>({start})"


def tensor_lines(
    spelling: Spelling, stage: Stage, operands: Sequence[CudaOperandView]
) -> Iterator[str]:
    """The lines that multiply what was asked for, and ask for what comes next."""
    if len(operands) > 1:
        yield from (f"{operand.name}_asked.ask(0);" for operand in operands)
    yield "#pragma unroll"
    yield "for (int begin = 0; begin < Panels::steps; begin += Panels::room) {"
    for value, operand in zip(stage.operands, operands, strict=True):
        asked = f"{operand.name}_asked"
        yield f"{asked}.take(begin);"
        for segment in stage.segments:
            if segment.operand == value:
                panel = f"panels.{spelling.panel(segment)}"
                given = f"{panel}, begin, {operand.depth}, {asked}, shares"
                yield f"grugen_multiply<{segment.first}, Panels::room>({given});"
        rest = "begin + Panels::room"
        yield f"if ({rest} < Panels::steps) {{ {asked}.ask({rest}); }}"
    yield "}"


def _collect(text: PhaseText, stage: Stage, number: int, inside: InLoop | None) -> tuple[str, str]:
    """The lines that ask for operand `number` of all rows, and that have it come.

    Only where blocks post; tensor cores have eight rows at a time.
    """
    if inside is None or inside.states is None:
        return "", ""
    values = stage.operands
    place = text.place(values[number - 1])
    depth = text.spelling.dim(text.spelling.types[values[number - 1]].shape[0])
    name = f"operand_{number}"
    asked = f"{name}_asked"
    is_posted = place.array in inside.shared
    age = int(place.array in inside.states)
    first = text.spelling.base(place.array)
    if inside.tensor:
        call = f"grugen_ask<Panels, {age}>(at, team, rows, {depth}, {first})"
        return f"auto {asked} = {call};", f"{asked}.turn_to(eight + GRUGEN_EIGHT);"
    if not is_posted:
        found = f"{depth}, {name}_of, {name}_at"
        return "", f"grugen_gather<{_layout(text.spelling, place)}>(team, rows, {found});"
    side = max(2, _SIDE // len(values))
    ask = f"grugen_collect<{age}, {side}>"
    return (
        f"auto {asked} = {ask}(team, rows, {depth}, {first}, {name}_at);",
        f"{asked}.take(rows);",
    )


def _layout(spelling: Spelling, place: Place) -> str:
    """How the rows of a vector lie where nobody brought them."""
    return "GRUGEN_ALIGNED" if _is_aligned(spelling, place) else "GRUGEN_LOOSE"


def _is_own(place: Place) -> bool:
    """Whether the sequences of a block have memory of their own for it."""
    return isinstance(place.array, Buffer) and place.array.index is Index.TILE_SEQUENCE


def _is_aligned(spelling: Spelling, place: Place) -> bool:
    """Whether a row can be read by fours to its end, where zeros fill it up."""
    return _is_own(place) and spelling.is_whole(place)


def tiled_products(text: PhaseText, stage: Stage) -> tuple[ProductView, ...]:
    """The products of a stage for tiles of many rows."""
    if len(stage.sums) > _MOST_TILED_SUMS:
        return ()
    found = []
    for segment in stage.segments:
        place = text.place(segment.operand)
        found.append(
            ProductView(
                f"{segment.first}, {len(segment.lets)}",
                text.spelling.panel(segment),
                depth_of(text.spelling, segment),
                text.rows([place]),
                _read_only(text.spelling, place),
            )
        )
    return tuple(found)


def tile_shape(text: PhaseText, stage: Stage, *, back: bool) -> str:
    """The arguments of the templates for tiles: how many sums, and what they are formed of.

    Where that loses nothing, and of gradients, factors are bfloat16 if arrays are.
    """
    sums = str(len(stage.sums))
    if text.spelling.stored != "bfloat16":
        return sums
    is_stored = all(text.spelling.converts(text.place(v).array) for v in stage.operands)
    return f"{sums}, GRUGEN_BFLOAT16" if is_stored or back else sums


def _read_only(spelling: Spelling, place: Place) -> str:
    """The pointer to a row, which nobody writes through."""
    row = spelling.row(place)
    # what is cast for its type is read only already
    given = isinstance(place.array, Argument) and spelling.converts(place.array)
    return row if given else f"static_cast<const {spelling.c_type(place.array)} *>({row})"
