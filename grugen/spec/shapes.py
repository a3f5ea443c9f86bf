"""`[3*H, D]` -> a shape: sums of named dimensions with whole factors."""

from __future__ import annotations

from grugen.errors import Diagnostic
from grugen.spec.dims import Dim, Shape
from grugen.spec.equations import parse_expression
from grugen.spec.expressions import expression_text, walk
from grugen.spec.fields import Word, found_text, items
from grugen.spec.model import Binary, Expr, Name, Number
from grugen.spec.tree import Node, Scalar

LARGEST_SIZE = 2**31 - 1


class _NoDim(Exception):
    """A part of an expression that is no dimension; `args` holds the part and the reason."""

    def __init__(self, part: Expr, reason: str) -> None:
        self.part = part
        self.reason = reason


def read_shape(node: Node, uses: dict[str, Word], found: list[Diagnostic]) -> Shape | None:
    """The shape; the first use of every dim is added to `uses`."""
    if isinstance(node, Scalar):
        shown = node.text if node.text and len(node.text) < 40 else "D"
        message = f"expected a shape, found {found_text(node)}"
        advice = f"a shape is a list: [{shown}] is a vector, [] one number"
        found.append(Diagnostic(message, node.span, help=advice))
        return None
    parts = items(node, "a shape such as [H] or [H, D]", found)
    if parts is None:
        return None
    dims = [_read_dim(part, uses, found) for part in parts]
    return None if None in dims else tuple(dim for dim in dims if dim is not None)


def _read_dim(node: Node, uses: dict[str, Word], found: list[Diagnostic]) -> Dim | None:
    if not isinstance(node, Scalar) or not node.lines or len(node.lines) > 1:
        message = f"expected a dimension such as H or 3*H, found {found_text(node)}"
        found.append(Diagnostic(message, node.span))
        return None
    expr = parse_expression(node.span.source, node.lines, found)
    if expr is None:
        return None
    try:
        dim = _dim(expr)
        if max(dim.constant, *(factor for _, factor in dim.terms), 0) > LARGEST_SIZE:
            raise _NoDim(expr, f"a dimension is at most {LARGEST_SIZE}")
    except _NoDim as error:
        advice = "a dimension is a sum of names and whole numbers, such as H, 3*H or D + H"
        found.append(Diagnostic(error.reason, error.part.span, help=advice))
        return None
    for part in walk(expr):
        if isinstance(part, Name):
            uses.setdefault(part.name, Word(part.name, part.span))
    return dim


def _dim(expr: Expr) -> Dim:
    match expr:
        case Number(value):
            if value != int(min(value, LARGEST_SIZE + 1)) or not 1 <= value <= LARGEST_SIZE:
                shown = expression_text(expr)
                reason = f"expected a whole number from 1 to {LARGEST_SIZE}, found '{shown}'"
                raise _NoDim(expr, reason)
            return Dim.fixed(int(value))
        case Name(name, is_next):
            if is_next:
                raise _NoDim(expr, f"expected a dimension, found '{expr}'")
            return Dim.named(name)
        case Binary("+", left, right):
            return _dim(left) + _dim(right)
        case Binary("*", left, right):
            first, second = _dim(left), _dim(right)
            if not first.terms:
                return second.times(first.constant)
            if not second.terms:
                return first.times(second.constant)
            raise _NoDim(expr, "a product of two named dimensions")
        case _:
            raise _NoDim(expr, f"'{expression_text(expr)}' is not a dimension")
