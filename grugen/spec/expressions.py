"""Walking over expressions, and printing them back with the fewest parentheses."""

from __future__ import annotations

import math
from collections.abc import Iterator

from grugen.spec.model import Binary, Call, Expr, Name, Negation, Number

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")

BINDING = {**dict.fromkeys(COMPARISONS, 1), "+": 2, "-": 2, "*": 3, "/": 3, "@": 3, "**": 5}
"""How tightly an operator binds; from the grammar in specs/README.md, which follows Python's."""
NEGATION_BINDING = 4
_ATOM = 6


def walk(expr: Expr) -> Iterator[Expr]:
    """`expr` and everything in it, from left to right, a whole before its parts."""
    left_over = [expr]
    while left_over:
        here = left_over.pop()
        yield here
        left_over += reversed(parts(here))


def parts(expr: Expr) -> tuple[Expr, ...]:
    """What `expr` is directly made of."""
    match expr:
        case Negation(operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Call(_, args, options):
            return (*args, *(value for _, value in options))
        case _:
            return ()


def number_text(value: float) -> str:
    """The shortest text that reads back to `value`; whole numbers have no point."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e16:
        return str(int(value)) if value or math.copysign(1, value) > 0 else "-0"
    return repr(value)


def expression_text(expr: Expr) -> str:
    """Text that parses to the same tree."""
    return _text(expr, 0)


def _text(expr: Expr, floor: int) -> str:
    """The text of `expr`, in parentheses if it binds less than `floor`."""
    match expr:
        case Number(value):
            return number_text(value)
        case Name():
            return str(expr)
        case Call(function, args, options):
            texts = [_text(arg, 0) for arg in args]
            texts += [f"{name}={_text(value, 0)}" for name, value in options]
            return f"{function}({', '.join(texts)})"
        case Negation(operand):
            binding, text = NEGATION_BINDING, "-" + _text(operand, NEGATION_BINDING)
        case Binary(operator, left, right):
            binding = BINDING[operator]
            before, after = _floors(operator, left)
            sign = operator if operator == "**" else f" {operator} "
            text = _text(left, before) + sign + _text(right, after)
    return text if binding >= floor else f"({text})"


def _floors(operator: str, left: Expr) -> tuple[int, int]:
    """What the left and the right side must bind at least to stand without parentheses."""
    binding = BINDING[operator]
    if operator == "@":
        return _ATOM, NEGATION_BINDING
    if operator == "**":
        return _ATOM, NEGATION_BINDING
    is_mixture = isinstance(left, Binary) and left.operator == "@" and binding == 3
    if operator in COMPARISONS or is_mixture:
        return binding + 1, binding + 1
    return binding, binding + 1
