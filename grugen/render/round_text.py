"""The epilogue of a stage as lines of C: loops over the rows of a tile, one for each round."""

from __future__ import annotations

from collections.abc import Collection

from grugen.render.c_expr import Atom, c_text
from grugen.render.nest_text import PhaseText
from grugen.render.vector_expr import Term
from grugen.render.vector_text import VectorText
from grugen.render.views import RoundView
from grugen.target.nests import Pointwise
from grugen.target.plan import Copy
from grugen.target.rounds import Round, rounds_of
from grugen.target.stages import Stage


def round_views(
    phase: PhaseText, nest: Pointwise, stage: Stage, copies: Collection[Copy]
) -> tuple[tuple[str, ...], tuple[RoundView, ...]]:
    """The loads that are the same for all rows, and the rounds; the last one makes `copies`."""
    stored = {*phase.phase.writes, *phase.phase.sums}
    rounds = rounds_of(nest, stage, stored, [copy.value for copy in copies])
    steady: list[str] = []
    views: list[RoundView] = []
    for part in rounds:
        text = VectorText(phase, nest, stage, steady, named=frozenset(part.leaves))
        entering = [_entering(text, value, slot) for value, slot in part.enters.items()]
        lines = text.lines(part.lets)
        if part is rounds[-1]:
            lines += [text.copy(copy) for copy in copies]
        lines += _leaving(text, part)
        heads: tuple[str, ...] = ()
        if views:
            back = f"sum -= (at.row_end - at.row) * {len(stage.sums)};"
            heads = ("// what needs those, once all rows have them", back)
        views.append(RoundView(heads, phase.rows(text.places), (*text.loads, *entering, *lines)))
    return tuple(steady), tuple(views)


def _entering(text: VectorText, value: str, slot: int) -> str:
    """The declaration of what an earlier round left in an accumulator."""
    name = text.phase.name(value)
    condition = text.phase.spelling.types[value].condition
    held = Atom(f"sum[{slot}]")
    text.inlined[value] = Term(Atom(name), True)
    found = text.as_condition(held) if condition else held
    return f"const {text.c_type(condition)} {name} = {c_text(found)};"


def _leaving(text: VectorText, part: Round) -> list[str]:
    """What later rounds read, behind all that this one reads itself."""
    lines: list[str] = []
    for value, slot in part.leaves.items():
        held = text.inlined[value].expr
        if text.phase.spelling.types[value].condition:
            held = text.as_value(held)
        lines.append(f"sum[{slot}] = {c_text(held)};")
    return lines
