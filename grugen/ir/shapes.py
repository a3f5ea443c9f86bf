"""The type that each operation gives its result, or why its arguments do not fit.

This is the meaning of shapes: `from_spec` builds with it, `verify` checks with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grugen.ir.nodes import Op
from grugen.ir.types import Level, Type
from grugen.spec.dims import Dim, Shape, shape_text

ONE = Dim.fixed(1)


class ShapeMismatch(Exception):
    """Arguments that do not fit an operation; the text is a sentence without a place."""


def _number_or_vector(shapes: Sequence[Shape]) -> Shape:
    """The shape that elementwise arguments agree on: numbers are spread over vectors."""
    found: Shape = ()
    for shape in shapes:
        if len(shape) > 1:
            raise ShapeMismatch(f"a matrix {shape_text(shape)} can only stand to the left of '@'")
        if shape and found and shape != found:
            raise ShapeMismatch(f"{shape_text(found)} and {shape_text(shape)} differ")
        found = found or shape
    return found


def _elementwise(args: Sequence[Type], size: Dim | None) -> Shape:
    return _number_or_vector([arg.shape for arg in args])


def _vector(arg: Type) -> Dim:
    if len(arg.shape) != 1:
        raise ShapeMismatch(f"a vector is needed, not {shape_text(arg.shape)}")
    return arg.shape[0]


def _matrix(arg: Type) -> tuple[Dim, Dim]:
    if len(arg.shape) != 2:
        raise ShapeMismatch(f"a matrix is needed, not {shape_text(arg.shape)}")
    return arg.shape[0], arg.shape[1]


def _given_size(size: Dim | None) -> Shape:
    assert size is not None
    return (size,)


def _literal(args: Sequence[Type], size: Dim | None) -> Shape:
    return ()


def _broadcast(args: Sequence[Type], size: Dim | None) -> Shape:
    if args[0].shape:
        raise ShapeMismatch(f"a number is needed, not {shape_text(args[0].shape)}")
    return _given_size(size)


def _slice(args: Sequence[Type], size: Dim | None) -> Shape:
    _vector(args[0])
    return _given_size(size)


def _concat(args: Sequence[Type], size: Dim | None) -> Shape:
    total = Dim(())
    for arg in args:
        total = total + (_vector(arg) if arg.shape else ONE)
    return (total,)


def _sum(args: Sequence[Type], size: Dim | None) -> Shape:
    _vector(args[0])
    return ()


def _dot(args: Sequence[Type], size: Dim | None) -> Shape:
    left, right = (_vector(arg) for arg in args)
    if left != right:
        raise ShapeMismatch(f"{left} is not {right}")
    return ()


def _matvec(args: Sequence[Type], size: Dim | None) -> Shape:
    rows, columns = _matrix(args[0])
    if columns != _vector(args[1]):
        raise ShapeMismatch(f"{columns} is not {_vector(args[1])}")
    return (rows,)


def _matvec_t(args: Sequence[Type], size: Dim | None) -> Shape:
    rows, columns = _matrix(args[0])
    if rows != _vector(args[1]):
        raise ShapeMismatch(f"{rows} is not {_vector(args[1])}")
    return (columns,)


def _outer(args: Sequence[Type], size: Dim | None) -> Shape:
    return (_vector(args[0]), _vector(args[1]))


ShapeRule = Callable[[Sequence[Type], Dim | None], Shape]

SHAPE_RULES: dict[Op, ShapeRule] = {
    **{op: _elementwise for op in Op},
    Op.LITERAL: _literal,
    Op.EXTENT: _literal,
    Op.BROADCAST: _broadcast,
    Op.SLICE: _slice,
    Op.CONCAT: _concat,
    Op.SUM: _sum,
    Op.DOT: _dot,
    Op.MATVEC: _matvec,
    Op.MATVEC_T: _matvec_t,
    Op.OUTER: _outer,
}

ARITY: dict[Op, int] = {
    **{op: 1 for op in Op},
    **{op: 0 for op in (Op.LITERAL, Op.EXTENT)},
    **{op: 2 for op in (Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.MIN, Op.MAX)},
    **{op: 2 for op in (Op.LT, Op.LE, Op.GT, Op.GE, Op.EQ, Op.NE)},
    **{op: 2 for op in (Op.DOT, Op.MATVEC, Op.MATVEC_T, Op.OUTER)},
    Op.SELECT: 3,
}
"""How many arguments; CONCAT takes any number from one."""

COMPARISONS = frozenset({Op.LT, Op.LE, Op.GT, Op.GE, Op.EQ, Op.NE})
PRODUCTS = frozenset({Op.MATVEC, Op.MATVEC_T})
REDUCTIONS = frozenset({Op.SUM, Op.DOT})
STRUCTURAL = frozenset({Op.SLICE, Op.CONCAT, Op.OUTER}) | PRODUCTS | REDUCTIONS
ELEMENTWISE = frozenset(Op) - STRUCTURAL
"""Element j of the result needs only element j of the arguments."""


def result_type(op: Op, args: Sequence[Type], size: Dim | None = None) -> Type:
    """The type of `op` applied to `args`; raises ShapeMismatch where they do not fit."""
    if op is not Op.CONCAT and len(args) != ARITY[op]:
        raise ShapeMismatch(f"{op} takes {ARITY[op]} arguments, not {len(args)}")
    conditions = [arg.condition for arg in args]
    if conditions != [op is Op.SELECT and place == 0 for place in range(len(args))]:
        raise ShapeMismatch("a comparison can only be the first argument of where")
    level = max((arg.level for arg in args), default=Level.CALL)
    return Type(SHAPE_RULES[op](args, size), level, op in COMPARISONS)
