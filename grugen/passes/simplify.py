"""No line multiplies by one, adds zero, negates twice or computes with literals only.

Nothing here may change a result: x * 0 stays (x may be NaN or infinite), sums keep their order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from grugen.ir.nodes import Function, Let, Op
from grugen.ir.types import Type
from grugen.passes.rename import with_args, with_value

_FOLDED = {
    Op.ADD: lambda a, b: a + b,
    Op.SUB: lambda a, b: a - b,
    Op.MUL: lambda a, b: a * b,
}


def simplify(function: Function) -> Function:
    """Neutral operations are gone and arithmetic on literals is done.

    t1 = literal 1
    t2 = mul t1, z                  ->     (every use of t2 reads z)
    """
    names: dict[str, str] = {}
    lets: dict[str, Let] = {}
    types = function.types()
    for original in function.lets:
        let = with_args(original, names)
        same = _same_value(let, lets, types)
        if same is not None and types[same].shape == let.type.shape:
            names[let.name] = same
        else:
            lets[let.name] = _folded(let, lets)
    results = tuple(with_value(result, names) for result in function.results)
    return replace(function, lets=tuple(lets.values()), results=results)


def _literal(name: str, lets: Mapping[str, Let]) -> float | None:
    let = lets.get(name)
    return let.value if let is not None and let.op is Op.LITERAL else None


def _same_value(let: Let, lets: Mapping[str, Let], types: Mapping[str, Type]) -> str | None:
    """The argument that the line merely repeats, if it does."""
    literals = [_literal(arg, lets) for arg in let.args]
    match let.op, literals:
        case (Op.MUL, [1.0, _]) | (Op.ADD, [0.0, _]):
            return let.args[1]
        case (Op.MUL | Op.DIV, [_, 1.0]) | (Op.ADD | Op.SUB, [_, 0.0]):
            return let.args[0]
        case Op.POWER, _ if let.value == 1.0:
            return let.args[0]
        case Op.CONCAT, [_] if types[let.args[0]].shape:
            return let.args[0]
        case Op.NEG, _:
            inner = lets.get(let.args[0])
            return inner.args[0] if inner is not None and inner.op is Op.NEG else None
        case Op.SLICE, _ if let.type == types[let.args[0]]:
            return let.args[0]
    return None


def _folded(let: Let, lets: Mapping[str, Let]) -> Let:
    """The line as a literal, if it computes with finite literals only."""
    literals = [_literal(arg, lets) for arg in let.args]
    values = [value for value in literals if value is not None and math.isfinite(value)]
    if len(values) != len(literals) or not values:
        return let
    if let.op is Op.NEG:
        return replace(let, op=Op.LITERAL, args=(), value=-values[0])
    if let.op in _FOLDED:
        return replace(let, op=Op.LITERAL, args=(), value=_FOLDED[let.op](*values))
    return let
