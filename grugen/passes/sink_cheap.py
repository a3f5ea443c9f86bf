"""Cheap lines run in the loop that reads them, where what they read is in memory anyway."""

from __future__ import annotations

from dataclasses import replace

from grugen.ir.nodes import Function, Let, SourceRole
from grugen.ir.shapes import ELEMENTWISE
from grugen.ir.types import Level
from grugen.passes.plan_tape import COSTLY
from grugen.passes.split_strata import Strata

_LATER = (SourceRole.STATE,)


def sink_cheap(function: Function, strata: Strata) -> Strata:
    """No cheap line is computed ahead of the only loop that needs it from what the caller gave.

    A line ahead of a loop costs a store and a load for every element; a few additions and
    multiplications of values that are read from the caller's arrays cost less.
    """
    given = {s.name for s in function.sources if s.role not in _LATER}
    lets = {let.name: let for let in function.lets}
    handed_out = {result.value for result in function.results}
    users: dict[str, set[str]] = {}
    for let in function.lets:
        for arg in let.args:
            users.setdefault(arg, set()).add(let.name)
    given |= {*strata.once, *strata.per_sequence}
    rows = [list(lines) for lines in strata.rows]
    loops = list(strata.loops)
    for number, loop in enumerate(loops):
        pure: set[str] = set()
        for name in rows[number]:
            if _is_cheap(lets[name]) and all(arg in given | pure for arg in lets[name].args):
                pure.add(name)
        inside = set(loop.lines)
        for name in reversed(rows[number]):
            needed = users.get(name, set())
            if name in pure and name not in handed_out and needed and needed <= inside:
                inside.add(name)
        rows[number] = [name for name in rows[number] if name not in inside]
        lines = tuple(let.name for let in function.lets if let.name in inside)
        loops[number] = replace(loop, lines=lines)
    return replace(strata, rows=tuple(map(tuple, rows)), loops=tuple(loops))


def _is_cheap(let: Let) -> bool:
    return let.op in ELEMENTWISE and let.op not in COSTLY and let.type.level is Level.STEP
