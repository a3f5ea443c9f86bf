"""Element by element operations on vectors: the same trees as for single elements, other words.

Where a number meets a vector in arithmetic, C spreads it out; anywhere else that is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grugen.ir.nodes import Let, Op
from grugen.render.c_expr import Apply, CExpr, ElementType, Infix, literal, spell


@dataclass(frozen=True, slots=True)
class Term:
    """An expression, and whether it stands for a whole vector or for one number."""

    expr: CExpr
    vector: bool

    @property
    def spread(self) -> CExpr:
        """The expression as a vector."""
        return self.expr if self.vector else Apply("grugen_spread_v", (self.expr,))


VectorSpelling = Callable[[Let, Sequence[Term], ElementType], CExpr]


def _infix(operator: str) -> VectorSpelling:
    def spelled(let: Let, args: Sequence[Term], element: ElementType) -> CExpr:
        left, right = args
        # one vector is enough to make the operation one of vectors
        return Infix(operator, left.expr if right.vector else left.spread, right.expr)

    return spelled


def _comparison(operator: str) -> VectorSpelling:
    return lambda let, args, element: Infix(operator, args[0].spread, args[1].spread)


def _function(name: str) -> VectorSpelling:
    return lambda let, args, element: Apply(f"grugen_{name}_v", tuple(arg.spread for arg in args))


def _negated(let: Let, args: Sequence[Term], element: ElementType) -> CExpr:
    return spell(let, [args[0].spread], element)


def _power(let: Let, args: Sequence[Term], element: ElementType) -> CExpr:
    scalar = spell(let, [args[0].spread], element)
    return _renamed(scalar, element)


def _renamed(expr: CExpr, element: ElementType) -> CExpr:
    """`grugen_power_f32(...)` as `grugen_power_v(...)`."""
    if isinstance(expr, Infix):
        return Infix(expr.operator, expr.left, _renamed(expr.right, element))
    assert isinstance(expr, Apply)
    return Apply(expr.function.rsplit("_", 1)[0] + "_v", expr.args)


VECTOR_SPELLINGS: dict[Op, VectorSpelling] = {
    Op.NEG: _negated,
    Op.ADD: _infix("+"),
    Op.SUB: _infix("-"),
    Op.MUL: _infix("*"),
    Op.DIV: _infix("/"),
    Op.MIN: _function("min"),
    Op.MAX: _function("max"),
    Op.POWER: _power,
    Op.EXP: _function("exp"),
    Op.LOG: _function("log"),
    Op.SQRT: _function("sqrt"),
    Op.ABS: _function("abs"),
    Op.FLOOR: _function("floor"),
    Op.SIGMOID: _function("sigmoid"),
    Op.TANH: _function("tanh"),
    Op.RELU: _function("relu"),
    Op.SOFTPLUS: _function("softplus"),
    Op.LT: _comparison("<"),
    Op.LE: _comparison("<="),
    Op.GT: _comparison(">"),
    Op.GE: _comparison(">="),
    Op.EQ: _comparison("=="),
    Op.NE: _comparison("!="),
    Op.SELECT: _function("select"),
    Op.BROADCAST: lambda let, args, element: args[0].spread,
}
"""What makes a vector; literals and extents are numbers wherever they stand."""


def spell_vector(let: Let, args: Sequence[Term], element: ElementType) -> Term:
    """One line of a step as an expression for a vector of elements."""
    if let.op in VECTOR_SPELLINGS:
        return Term(VECTOR_SPELLINGS[let.op](let, args, element), True)
    return Term(spell(let, [arg.expr for arg in args], element), False)


def as_condition(expr: CExpr, element: ElementType) -> CExpr:
    """A truth value that was stored as 0 or 1, as a mask."""
    return Infix("!=", expr, Apply("grugen_spread_v", (literal(0.0, element),)))


def as_value(mask: CExpr, element: ElementType) -> CExpr:
    """A mask as 0 or 1, to be stored."""
    one, zero = (Apply("grugen_spread_v", (literal(n, element),)) for n in (1.0, 0.0))
    return Apply("grugen_select_v", (mask, one, zero))
