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
from grugen.target.triples import Triple

_FEW_NESTS, _FEW_VECTORS = 2, 3
"""With more a loop has no registers left: `gru_d` spills at three nests, `lstm` at four vectors."""

_MOST_TILED_SUMS = 20
"""With more sums for a unit, a block's tile would not fit its shared memory."""


@dataclass(frozen=True, slots=True)
class InLoop:
    """What a nest of a loop knows beside its lines.

    `meet` is who waits for each other before it, `copies` are made beside its own work, and of
    `shared` arrays other blocks read what it writes; those that are `written` change from step to
    step. Where blocks can post what they share to each other there are `states`: vectors that the
    step before computed. They may be multiplied on `tensor` cores, and some posted as `triples`.
    The loop has so many `nests`.
    """

    meet: str
    copies: tuple[Copy, ...]
    shared: frozenset[Array]
    written: frozenset[Array]
    states: frozenset[Buffer] | None
    tensor: TensorLoop | None
    triples: tuple[Triple, ...]
    nests: int


def operand_views(
    text: PhaseText, stage: Stage, inside: InLoop | None
) -> tuple[tuple[CudaOperandView, ...], tuple[str, ...]]:
    """The vectors that a stage multiplies, and the calls that do it."""
    values = _side_by_side(text, stage, inside)
    names = {value: f"operand_{number}" for number, value in enumerate(values, start=1)}
    operands = []
    offset = ""
    for value in values:
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
                *_collect(text, stage, value, names[value], inside),
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


def asked_first(operands: Sequence[CudaOperandView]) -> tuple[str, ...]:
    """The lines that ask for vectors on tensor cores before anything else is done."""
    return tuple(f"{operand.name}_asked.ask(0);" for operand in operands if operand.ask)


def tensor_lines(
    text: PhaseText, stage: Stage, operands: Sequence[CudaOperandView], inside: InLoop
) -> Iterator[str]:
    """The lines that multiply what was asked for, and ask for what comes next."""
    first = asked_first(operands)
    if len(first) > 1:
        yield from first
    yield "#pragma unroll"
    yield "for (int begin = 0; begin < Panels::steps; begin += Panels::room) {"
    again = ""
    for value, operand in zip(_side_by_side(text, stage, inside), operands, strict=True):
        if operand.ask:
            if again:
                yield again
            asked, of_triple = f"{operand.name}_asked", 0
            again = _ask_again(asked)
            yield f"{asked}.take(begin);"
        for segment in stage.segments:
            if segment.operand == value:
                panel = f"panels.{text.spelling.panel(segment)}"
                template = f"{segment.first}, Panels::room, {of_triple}"
                yield f"grugen_multiply<{template}>({panel}, begin, {asked}, shares);"
        of_triple += 1
    yield again
    yield "}"


def _ask_again(asked: str) -> str:
    rest = "begin + Panels::room"
    return f"if ({rest} < Panels::steps) {{ {asked}.ask({rest}); }}"


def _side_by_side(text: PhaseText, stage: Stage, inside: InLoop | None) -> tuple[str, ...]:
    """The vectors that a stage multiplies; those that are posted together follow each other."""
    values: dict[str, None] = {}
    for value in stage.operands:
        posted = _posted_with(text.place(value), inside) if inside is not None else ()
        others = {text.place(other).array: other for other in stage.operands}
        values.update(dict.fromkeys(others[array] for array in posted))
        values[value] = None
    return tuple(values)


def _collect(
    text: PhaseText, stage: Stage, value: str, name: str, inside: InLoop | None
) -> tuple[str, str]:
    """The lines that ask for the operand called `name` of all rows, and that have it come.

    Only where blocks post; tensor cores have eight rows at a time.
    """
    if inside is None or inside.states is None:
        return "", ""
    place = text.place(value)
    depth = text.spelling.dim(text.spelling.types[value].shape[0])
    asked = f"{name}_asked"
    is_posted = place.array in inside.shared
    age = int(place.array in inside.states)
    first = text.spelling.base(place.array)
    if inside.tensor:
        together = _posted_with(place, inside)
        if together and together[0] != place.array:
            return "", ""
        template = f"Panels, {'uint64_t' if together else 'uint32_t'}, {age}"
        call = f"grugen_ask<{template}>(at, team, rows, {depth}, {first})"
        return f"auto {asked} = {call};", f"{asked}.turn_to(eight + GRUGEN_EIGHT);"
    if not is_posted:
        found = f"{depth}, {name}_of, {name}_at"
        return "", f"grugen_gather<{_layout(text.spelling, place)}>(team, rows, {found});"
    side, has_straight_code = _pairs_at_once(len(stage.operands), inside.nests)
    ask = f"grugen_collect<{age}, {side}, {str(has_straight_code).lower()}>"
    return (
        f"auto {asked} = {ask}(team, rows, {depth}, {first}, {name}_at);",
        f"{asked}.take(rows);",
    )


def _pairs_at_once(vectors: int, nests: int) -> tuple[int, bool]:
    """Pairs of each vector that a thread asks for at once, and whether there is straight code, too.

    The most that spill no register of the shipped cells: each nest has addresses of its own.
    """
    if vectors == 1:
        return (4 if nests <= _FEW_NESTS else 2), True
    return (3 if vectors == 2 else 2), vectors <= _FEW_VECTORS


def _posted_with(place: Place, inside: InLoop) -> Triple | tuple[()]:
    """The vectors that are posted together with this one, in their order."""
    return next((triple for triple in inside.triples if place.array in triple), ())


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
