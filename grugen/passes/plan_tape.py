"""What the forward pass keeps for the backward pass, and what the backward pass computes anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from grugen.ir.nodes import Function, Let, Op, Result, ResultRole, Source, SourceRole
from grugen.ir.shapes import PRODUCTS, REDUCTIONS
from grugen.ir.types import Level
from grugen.passes.drop_dead import drop_dead

Keep = Literal["gates", "states"]

COSTLY = PRODUCTS | REDUCTIONS | {Op.EXP, Op.LOG, Op.SQRT, Op.SIGMOID, Op.TANH, Op.SOFTPLUS}
COSTLY |= {Op.POWER, Op.DIV}
"""Worth a store and a load; everything else is computed anew from what is kept."""


def plan_tape(forward: Function, backward: Function, keep: Keep) -> tuple[Function, Function]:
    """Backward reads from the tape what is costly; forward writes exactly what is read.

    `keep="gates"` keeps the results of products, reductions and transcendental functions that the
    gradients need, `keep="states"` only the states that entered each step.

        z = sigmoid t4                        (gone from backward; a source of role tape)
        t9 = mul z, h                   ->    t9 = mul z, h
    """
    kept = _kept(forward, backward) if keep == "gates" else ()
    tape = [Source(let.name, SourceRole.TAPE, let.name, let.type) for let in kept]
    names = {source.name for source in tape}
    lets = tuple(let for let in backward.lets if let.name not in names)
    backward = drop_dead(replace(backward, sources=(*backward.sources, *tape), lets=lets))
    written = tuple(
        Result(source.name, ResultRole.TAPE, source.key)
        for source in backward.sources_of(SourceRole.TAPE)
    )
    return replace(forward, results=forward.results + written), backward


def _kept(forward: Function, backward: Function) -> tuple[Let, ...]:
    """The costly forward lines that gradients need, directly or through cheap lines."""
    primal = {let.name: let for let in forward.lets}
    gradient_lets = [let for let in backward.lets if let.name not in primal]
    needed = {arg for let in gradient_lets for arg in let.args}
    needed |= {result.value for result in backward.results}
    kept: set[str] = set()
    for let in reversed(forward.lets):
        if let.name not in needed:
            continue
        if let.op in COSTLY and let.type.level is Level.STEP:
            kept.add(let.name)
        else:
            needed.update(let.args)
    return tuple(let for let in forward.lets if let.name in kept)
