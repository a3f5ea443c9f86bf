"""The nests of a phase in order, each in the form that its target gives it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import wrap

from grugen.render.components import product_text
from grugen.render.nest_text import PhaseText
from grugen.render.round_text import round_views
from grugen.render.vector_text import VectorText
from grugen.render.views import NestView, OperandView
from grugen.target.nests import Join, Nest, Pointwise
from grugen.target.plan import Copy
from grugen.target.stages import Segment, Stage

WIDEST = 80
"""Columns of a comment above a product; what is longer goes on in the next line."""


def nest_views(
    phase: PhaseText,
    stages: Mapping[Pointwise, Stage],
    folded: Mapping[int, tuple[Copy, ...]],
    copies: Iterable[Copy],
) -> tuple[NestView, ...]:
    """All nests of `phase`, then `copies` of their own; `stages` are those of the kernel.

    `folded` are the copies that nests make beside their own work, by the nest's number.
    """
    views = [
        _nest(phase, nest, stages, folded.get(number, ()))
        for number, nest in enumerate(phase.phase.nests)
    ]
    views += [phase.copy(copy) for copy in copies]
    return tuple(views)


def _nest(
    phase: PhaseText, nest: Nest, stages: Mapping[Pointwise, Stage], copies: tuple[Copy, ...]
) -> NestView:
    if isinstance(nest, Join):
        return phase.join(nest)
    if nest in stages:
        return _stage(phase, nest, stages[nest], copies)
    if nest.size is None or nest.products or not phase.spelling.plan.schedule.staged:
        return phase.scalar(nest)
    return VectorText(phase, nest, copies=copies).view()


def _stage(phase: PhaseText, nest: Pointwise, stage: Stage, copies: tuple[Copy, ...]) -> NestView:
    """A loop over vectors of units that begins with the products of a tile of rows."""
    assert nest.size is not None
    operands = list(dict.fromkeys(segment.operand for segment in stage.segments))
    steady, rounds = round_views(phase, nest, stage, copies)
    return NestView(
        title=title_of(stage.segments),
        rows=(),
        pointers=(),
        size=phase.spelling.dim(nest.size),
        lines=(),
        steady=steady,
        vectors=True,
        operands=tuple(_operand(phase, name, i) for i, name in enumerate(operands)),
        multiplies=tuple(
            _multiply(phase, segment, operands.index(segment.operand), len(stage.sums))
            for segment in stage.segments
        ),
        wide=str(len(stage.sums)),
        rounds=rounds,
    )


def title_of(segments: tuple[Segment, ...]) -> str:
    """The products of a stage and their equations, as a comment."""
    names: list[str] = []
    cites: dict[str, None] = {}
    for segment in segments:
        names += [product_text(let) for let in segment.lets]
        cites |= {let.equation.span.cite: None for let in segment.lets if let.equation}
    # a product stays in one line
    listed = wrap(", ".join(names).replace(" @ ", "\u00a0@\u00a0"), WIDEST)
    first, *others = (line.replace("\u00a0", " ") for line in listed)
    cited = ", ".join(cites)
    lines = [first, *others, *wrap(cited, WIDEST)]
    if len(lines) == 2 and len(first) + len(cited) < WIDEST:
        lines = [f"{first}    {cited}"]
    return "\n".join(f"// {line}" for line in lines)


def _operand(phase: PhaseText, value: str, number: int) -> OperandView:
    place = phase.place(value)
    return OperandView(phase.rows((place,)), f"tile->operand[{number}]", phase.spelling.row(place))


def _multiply(phase: PhaseText, segment: Segment, operand: int, wide: int) -> str:
    spelling = phase.spelling
    panel = f"work->{spelling.panel(segment)}"
    return (
        f"grugen_multiply(&at, tile->wanted, {panel}, {spelling.depth(segment)}, "
        f"tile->operand[{operand}], "
        f"{segment.first}, {segment.count}, {wide}, {int(segment.adds)}, sums);"
    )
