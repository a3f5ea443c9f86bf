"""A loop that overwrites its states as it goes, as lines of C: one nest over rows and vectors."""

from __future__ import annotations

from grugen.render.c_expr import c_text
from grugen.render.nest_text import PhaseText
from grugen.render.vector_text import VectorText
from grugen.render.views import NestView
from grugen.target.nests import Pointwise
from grugen.target.plan import Loop, Place


def in_place_view(phase: PhaseText, loop: Loop) -> NestView:
    """The lines of `loop` for one vector, with what enters read before and written behind them."""
    loops = (nest for nest in phase.phase.nests if isinstance(nest, Pointwise))
    lets = tuple(let for nest in loops for let in nest.lets)
    size = loop.carries[0].buffer.width
    text = VectorText(phase, Pointwise(size, lets))
    text.named = frozenset(carry.value for carry in loop.carries)
    entering: list[str] = []
    for carry in loop.carries:
        if carry.state in phase.phase.writes or carry.state in phase.phase.sums:
            text.element(carry.state)
            entering += text.stores(carry.state)
    lines = text.lines()
    # all states are read before the first of them changes
    for carry in loop.carries:
        value = c_text(text.element(carry.value).spread)
        lines.append(text.store(carry.state, Place(carry.buffer), value))
    return NestView(
        title="",
        rows=phase.rows(text.places),
        pointers=(),
        size=phase.spelling.dim(size),
        lines=(*text.loads, *entering, *lines),
        steady=tuple(text.steady),
        vectors=True,
    )
