"""Where a cell's step has kinks and jumps, and how close a call comes to one.

Close to a switch a rounding error picks the other branch, so nothing can be said about such a call.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grugen.ir import interpret
from grugen.ir.build import Builder
from grugen.ir.nodes import Function, Op, Result, ResultRole, SourceRole
from grugen.ir.shapes import COMPARISONS
from grugen.passes.drop_dead import drop_dead
from grugen.runtime import KernelCall, Plan
from grugen.runtime.host_place import HOST
from grugen.runtime.places import Place
from grugen.target.abi import group_of

CLOSE = 1e-3
_BETWEEN_TWO = COMPARISONS | {Op.MIN, Op.MAX}
_OF_ONE = {Op.RELU, Op.ABS, Op.FLOOR}


def with_distances(step: Function) -> Function:
    """The step with an output for every switch: how far its arguments are from it."""
    builder = Builder(step.sources, [let.name for let in step.lets])
    distances: list[Result] = []
    # what the caller gives is the same number for everyone: it may be as close as it likes
    exact = {source.name for source in step.sources if source.role is not SourceRole.STATE}
    for let in step.lets:
        builder.add(let)
        if let.op is Op.LITERAL:
            exact.add(let.name)
        if exact.issuperset(let.args):
            continue
        if let.op in _BETWEEN_TWO:
            value = builder.let(Op.SUB, *let.args)
        elif let.op in _OF_ONE:
            value = let.args[0]
            if let.op is Op.FLOOR:
                half = builder.let(Op.LITERAL, value=0.5)
                nearest = builder.let(Op.FLOOR, builder.let(Op.ADD, value, half))
                value = builder.let(Op.SUB, value, nearest)
        else:
            continue
        distances.append(Result(value, ResultRole.OUTPUT, f"{len(distances)} {let.op}"))
    nexts = tuple(step.results_of(ResultRole.NEXT_STATE))
    return drop_dead(replace(step, lets=tuple(builder.lets), results=(*nexts, *distances)))


class SwitchWatch:
    """An engine that computes nothing but the smallest distance from a switch over all its calls.

    A value that is exactly on a switch is there by construction, as relu(relu(v)) is, and stays.
    Not so for abs, whose slope there is a convention that no difference quotient knows, and for
    floor: a whole number may be luck, as mod(layernorm(h), v) of equal elements is.
    """

    target = "numpy"

    def __init__(self, step: Function) -> None:
        self.dtype = np.dtype(np.float64)
        self.smallest = np.inf
        self._step = with_distances(step)

    def place(self, device: object, stream: object) -> Place:
        return HOST

    def repeated(self, call: KernelCall, *, backward: bool) -> None:
        """See `Engine`."""

    def forward(self, call: KernelCall) -> Plan:
        given = {
            (source.role, source.key): np.asarray(
                call.argument((group_of(source.role), source.key))
            )
            for source in self._step.sources
        }
        results = interpret.run(
            self._step,
            sizes=call.common.sizes,
            steps=call.steps,
            batch=call.batch,
            given=given,
            lengths=call.lengths,
            reverse=call.reverse,
            dtype=self.dtype,
        )
        ends = call.steps if call.lengths is None else call.lengths
        valid = np.broadcast_to(np.arange(call.steps)[:, None] < ends, (call.steps, call.batch))
        for (role, key), found in results.items():
            if role is ResultRole.OUTPUT:
                away = np.abs(found[valid])
                away = away if key.endswith((Op.ABS, Op.FLOOR)) else away[away != 0]
                self.smallest = float(np.fmin.reduce(away, axis=None, initial=self.smallest))
        return Plan(self.target, 1)
