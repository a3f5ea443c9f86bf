"""No line multiplies by one, subtracts zero, negates in vain or computes with literals only.

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
            lets[let.name] = _folded(_subtracted(let, lets), lets)
    results = tuple(with_value(result, names) for result in function.results)
    return replace(function, lets=tuple(lets.values()), results=results)


def _literal(name: str, lets: Mapping[str, Let]) -> float | None:
    let = lets.get(name)
    return let.value if let is not None and let.op is Op.LITERAL else None


def _same_value(let: Let, lets: Mapping[str, Let], types: Mapping[str, Type]) -> str | None:
    """The argument that the line merely repeats, if it does."""
    literals = [_literal(arg, lets) for arg in let.args]
    match let.op, literals:
        case Op.MUL, [1.0, _]:
            return let.args[1]
        case (Op.MUL | Op.DIV, [_, 1.0]):
            return let.args[0]
        case Op.SUB, [_, 0.0 as zero] if math.copysign(1.0, zero or 0.0) > 0:
            # adding 0.0 is not neutral: it makes 0.0 of -0.0
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


def _subtracted(let: Let, lets: Mapping[str, Let]) -> Let:
    """a + -b as a - b."""
    if let.op is Op.ADD:
        left, right = (lets.get(arg) for arg in let.args)
        if right is not None and right.op is Op.NEG:
            return replace(let, op=Op.SUB, args=(let.args[0], right.args[0]))
        if left is not None and left.op is Op.NEG:
            return replace(let, op=Op.SUB, args=(let.args[1], left.args[0]))
    return let


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
