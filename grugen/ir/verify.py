"""What every pass may rely on: single assignment, definition before use, types that follow.

A violation is a defect of grugen, never of a spec.
"""

from __future__ import annotations

from grugen.errors import InternalError
from grugen.ir.nodes import Function, Op, ResultRole, SourceRole
from grugen.ir.shapes import ShapeMismatch, result_type
from grugen.ir.types import Level, Type

_CALL_ROLES = {SourceRole.CONSTANT, SourceRole.HYPER, SourceRole.PARAM}
_ATTRIBUTES = {
    Op.LITERAL: (True, False, False),
    Op.POWER: (True, False, False),
    Op.EXTENT: (False, True, False),
    Op.BROADCAST: (False, True, False),
    Op.SLICE: (False, True, True),
}
"""Which of (value, size, offset) an operation carries; every other carries none."""


def verify(function: Function) -> Function:
    """The function itself; raises InternalError, naming the line, if it is not well formed."""
    known: dict[str, Type] = {}
    for source in function.sources:
        _require(source.name not in known, function, f"source '{source.name}' stands twice")
        level = _source_level(source.role)
        _require(source.type.level is level, function, f"source '{source.name}' is not {level}")
        known[source.name] = source.type
    for let in function.lets:
        _require(let.name not in known, function, f"'{let.name}' is assigned twice")
        for arg in let.args:
            _require(arg in known, function, f"'{let.name}' reads '{arg}' before its definition")
        carried = (let.value is not None, let.size is not None, let.offset is not None)
        expected = _ATTRIBUTES.get(let.op, (False, False, False))
        _require(carried == expected, function, f"'{let.name}' has wrong attributes for {let.op}")
        try:
            type_ = result_type(let.op, [known[arg] for arg in let.args], let.size)
        except ShapeMismatch as wrong:
            raise InternalError(f"{function.name}: '{let.name}': {wrong}") from wrong
        _require(let.type == type_, function, f"'{let.name}' is {let.type}, should be {type_}")
        known[let.name] = type_
    _verify_results(function, known)
    return function


def _verify_results(function: Function, known: dict[str, Type]) -> None:
    states = {source.key: source.type for source in function.sources_of(SourceRole.STATE)}
    for result in function.results:
        _require(result.value in known, function, f"result '{result.key}' is not defined")
        type_ = known[result.value]
        _require(not type_.condition, function, f"result '{result.key}' is a condition")
        matrix_allowed = result.role is ResultRole.TOTAL
        _require(
            len(type_.shape) < 2 or matrix_allowed, function, f"'{result.key}' must be no matrix"
        )
        if result.role is ResultRole.NEXT_STATE:
            _require(result.key in states, function, f"'{result.key}' is no state")
            same = states[result.key].shape == type_.shape
            _require(same, function, f"the next value of '{result.key}' has another shape")
    nexts = [result.key for result in function.results_of(ResultRole.NEXT_STATE)]
    _require(sorted(nexts) == sorted(states), function, "not every state has one next value")


def _source_level(role: SourceRole) -> Level:
    if role in _CALL_ROLES:
        return Level.CALL
    return Level.SEQUENCE if role is SourceRole.STATIC else Level.STEP


def _require(holds: bool, function: Function, message: str) -> None:
    if not holds:
        raise InternalError(f"{function.name}: {message}")
