"""C expressions as trees, and the one place that knows precedence and the spelling of operations.

Statements, loops and memory are not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grugen.errors import InternalError
from grugen.ir.nodes import Let, Op
from grugen.ir.shapes import ELEMENTWISE
from grugen.spec.dims import Dim
from grugen.target.abi import SUFFIXES

ElementType = str
"""`float32` or `float64`; what arrays are made of may also be `bfloat16`."""

C_TYPES = {"float32": "float", "float64": "double", "bfloat16": "__nv_bfloat16"}


@dataclass(frozen=True, slots=True)
class Atom:
    """A name, a positive literal or anything else that needs no parentheses."""

    text: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """`-operand` or a cast such as `(float)operand`."""

    operator: str
    operand: CExpr


@dataclass(frozen=True, slots=True)
class Infix:
    """`left operator right`."""

    operator: str
    left: CExpr
    right: CExpr


@dataclass(frozen=True, slots=True)
class Conditional:
    """`condition ? taken : otherwise`."""

    condition: CExpr
    taken: CExpr
    otherwise: CExpr


@dataclass(frozen=True, slots=True)
class Apply:
    """`function(args)`."""

    function: str
    args: tuple[CExpr, ...]


CExpr = Atom | Prefix | Infix | Conditional | Apply

# C11 6.5; a higher number binds tighter
_PRECEDENCE = {"*": 13, "/": 13, "+": 12, "-": 12, "<": 10, "<=": 10, ">": 10, ">=": 10}
_PRECEDENCE |= {"==": 9, "!=": 9}
_PREFIX = 14
_CONDITIONAL = 3
_ATOM = 16


def c_text(expr: CExpr) -> str:
    """The expression with as few parentheses as C allows, but for readability and warnings.

    `a - (b - c)` and `-(-a)` keep theirs; comparisons inside a condition get none.
    """
    match expr:
        case Atom():
            return expr.text
        case Prefix():
            operand = _inside(expr.operand, _PREFIX)
            # --a would be a decrement
            return f"{expr.operator}({operand})" if operand[0] in "+-" else expr.operator + operand
        case Infix():
            return _chain(expr)
        case Conditional():
            condition = _inside(expr.condition, _CONDITIONAL + 1)
            taken = _inside(expr.taken, _CONDITIONAL + 1)
            return f"{condition} ? {taken} : {_inside(expr.otherwise, _CONDITIONAL + 1)}"
        case Apply():
            return f"{expr.function}({', '.join(c_text(arg) for arg in expr.args)})"


def _chain(expr: Infix) -> str:
    """Operators one after the other, without a call in a call for each term of a long sum."""
    ends: list[str] = []
    first: CExpr = expr
    level = 0
    while isinstance(first, Infix) and _binding(first) >= level:
        level = _binding(first)
        ends.append(f" {first.operator} {_inside(first.right, level + 1)}")
        first = first.left
    return _inside(first, level) + "".join(reversed(ends))


def _inside(expr: CExpr, level: int) -> str:
    """The text of an operand of an operator that binds at `level`."""
    text = c_text(expr)
    return f"({text})" if _binding(expr) < level else text


def _binding(expr: CExpr) -> int:
    match expr:
        case Prefix():
            return _PREFIX
        case Infix():
            return _PRECEDENCE[expr.operator]
        case Conditional():
            return _CONDITIONAL
        case _:
            return _ATOM


def depth(expr: CExpr) -> int:
    """How many operations are nested in each other."""
    match expr:
        case Atom():
            return 0
        case Prefix():
            return 1 + depth(expr.operand)
        case Infix():
            return 1 + max(depth(expr.left), depth(expr.right))
        case Conditional():
            return 1 + max(depth(expr.condition), depth(expr.taken), depth(expr.otherwise))
        case Apply():
            return 1 + max((depth(arg) for arg in expr.args), default=0)


def literal(value: float, element: ElementType) -> CExpr:
    """The shortest literal that is read back as the same number of type `element`."""
    rounded = np.float32(value) if element == "float32" else np.float64(value)
    if np.isnan(rounded):
        raise InternalError("a NaN literal reaches the printer")
    if np.signbit(rounded):
        return Prefix("-", literal(-value, element))
    if np.isinf(rounded):
        return Atom("INFINITY")
    digits = str(rounded)
    if not any(mark in digits for mark in ".e"):
        digits += ".0"
    return Atom(digits + ("f" if element == "float32" else ""))


def dim_expr(dim: Dim, names: Mapping[str, str]) -> CExpr:
    """A dimension; `names` are the local variables that hold the sizes."""
    terms: list[CExpr] = [
        Atom(names[name]) if factor == 1 else Infix("*", Atom(str(factor)), Atom(names[name]))
        for name, factor in dim.terms
    ]
    if dim.constant or not terms:
        terms.append(Atom(str(dim.constant)))
    total = terms[0]
    for term in terms[1:]:
        total = Infix("+", total, term)
    return total


Spelling = Callable[[Let, Sequence[CExpr], ElementType], CExpr]


def _infix(operator: str) -> Spelling:
    return lambda let, args, element: Infix(operator, args[0], args[1])


def _function(name: str) -> Spelling:
    return lambda let, args, element: Apply(f"grugen_{name}_{SUFFIXES[element]}", tuple(args))


def _literal(let: Let, args: Sequence[CExpr], element: ElementType) -> CExpr:
    assert let.value is not None
    return literal(let.value, element)


def _extent(let: Let, args: Sequence[CExpr], element: ElementType) -> CExpr:
    return Prefix(f"({C_TYPES[element]})", args[0])


def _power(let: Let, args: Sequence[CExpr], element: ElementType) -> CExpr:
    assert let.value is not None
    suffix = SUFFIXES[element]
    if let.value.is_integer() and abs(let.value) <= 64:
        exponent = Atom(str(int(abs(let.value))))
        whole = Apply(f"grugen_whole_power_{suffix}", (args[0], exponent))
        return Infix("/", literal(1.0, element), whole) if let.value < 0 else whole
    return Apply(f"grugen_power_{suffix}", (args[0], literal(let.value, element)))


def _select(let: Let, args: Sequence[CExpr], element: ElementType) -> CExpr:
    return Conditional(args[0], args[1], args[2])


C_SPELLINGS: dict[Op, Spelling] = {
    Op.LITERAL: _literal,
    Op.EXTENT: _extent,
    Op.NEG: lambda let, args, element: Prefix("-", args[0]),
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
    Op.LT: _infix("<"),
    Op.LE: _infix("<="),
    Op.GT: _infix(">"),
    Op.GE: _infix(">="),
    Op.EQ: _infix("=="),
    Op.NE: _infix("!="),
    Op.SELECT: _select,
    Op.BROADCAST: lambda let, args, element: args[0],
}
"""Element by element operations; the others are loops, and `nest_text` writes those."""


def spell(let: Let, args: Sequence[CExpr], element: ElementType) -> CExpr:
    """One line of a step as an expression for one element; EXTENT gets its size as argument."""
    if let.op not in ELEMENTWISE:
        raise InternalError(f"'{let.op}' reaches the expression printer; plan the kernel first")
    return C_SPELLINGS[let.op](let, args, element)
