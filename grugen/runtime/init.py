"""Draws a parameter's first values as its spec says, in float64.

The definitions are those of Glorot & Bengio 2010, LeCun et al. 1998 and Saxe et al. 2014; in a
matrix [m, n], n counts what goes in and m what comes out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from grugen.errors import InternalError, UsageError
from grugen.source import SourceText
from grugen.spec.equations import parse_expression
from grugen.spec.model import Binary, Call, Expr, Name, Negation, Number
from grugen.spec.tree import Line
from grugen.target.abi import ParamInfo

Drawn = NDArray[np.float64]
DRAWN = np.dtype(np.float64)
Sizes = tuple[int, ...]


def _divided(a: float, b: float) -> float:
    # Python's own message is not the same in all its versions
    if b == 0:
        raise ValueError("division by zero")
    return a / b


_FUNCTIONS: dict[str, Callable[..., float]] = {
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "abs": abs,
    "min": min,
    "max": max,
}
_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "**": math.pow,
}
"""What the arguments of an init may be made of; `spec.functions.INIT_FUNCTIONS` has the names."""


def draw(
    info: ParamInfo, shape: Sizes, numbers: Mapping[str, float], generator: np.random.Generator
) -> Drawn:
    """First values of `shape` for a parameter; `numbers` has dims and hypers.

    Raises UsageError where these sizes make an argument meaningless, such as 1/(H - 1) for H = 1.
    """
    init = info.init
    kind = _KINDS.get(init.kind)
    if kind is None:
        raise InternalError(f"param '{info.name}' has the unknown init '{init.kind}'")
    try:
        args = [evaluate(text, numbers) for text in init.args]
        if not all(map(math.isfinite, args)):
            raise ValueError("an argument is not finite")
        block = (shape[0] // init.blocks, *shape[1:]) if shape else shape
        blocks = [kind(generator, block, *args) for _ in range(init.blocks)]
    except (ArithmeticError, ValueError) as error:
        sizes = ", ".join(f"{name} = {number}" for name, number in numbers.items())
        written = f"{init.kind}({'; '.join(init.args)})"
        raise UsageError(
            f"param '{info.name}' cannot be drawn from {written} where {sizes}: {error}"
        ) from error
    return np.concatenate(blocks) if init.blocks > 1 else blocks[0]


def evaluate(text: str, numbers: Mapping[str, float]) -> float:
    """The value of `1/sqrt(H)`. Raises ArithmeticError or ValueError where it has none."""
    source = SourceText("init", text)
    expr = parse_expression(source, (Line(text, 1, 1),), [])
    if expr is None:
        raise InternalError(f"the init argument '{text}' cannot be read")
    return _value(expr, numbers)


def _value(expr: Expr, numbers: Mapping[str, float]) -> float:
    match expr:
        case Number(value):
            return value
        case Name(name) if name in numbers:
            return numbers[name]
        case Negation(operand):
            return -_value(operand, numbers)
        case Binary(operator, left, right) if operator in _OPERATORS:
            return _OPERATORS[operator](_value(left, numbers), _value(right, numbers))
        case Call(function, args, ()) if function in _FUNCTIONS:
            return float(_FUNCTIONS[function](*(_value(arg, numbers) for arg in args)))
    raise InternalError(f"the init argument '{expr.span.excerpt()}' is no number")


def _uniform(generator: np.random.Generator, shape: Sizes, *bounds: float) -> Drawn:
    low, high = bounds if len(bounds) == 2 else (-bounds[0], bounds[0])
    if low > high:
        raise ValueError(f"the lower bound {low} is above the upper bound {high}")
    return np.asarray(generator.uniform(low, high, shape))


def _log_uniform(generator: np.random.Generator, shape: Sizes, low: float, high: float) -> Drawn:
    # chrono initialisation (Tallec & Ollivier 2018): the logarithm of what is uniform
    if low <= 0:
        raise ValueError(f"the lower bound {low} is not positive")
    return np.log(_uniform(generator, shape, low, high))


def _normal(generator: np.random.Generator, shape: Sizes, deviation: float) -> Drawn:
    return np.asarray(generator.normal(0.0, abs(deviation), shape))


def _fans(shape: Sizes) -> tuple[int, int]:
    """How many numbers go in and come out."""
    rows, columns = shape
    return columns, rows


def _glorot_uniform(generator: np.random.Generator, shape: Sizes) -> Drawn:
    return _uniform(generator, shape, math.sqrt(6 / sum(_fans(shape))))


def _glorot_normal(generator: np.random.Generator, shape: Sizes) -> Drawn:
    return _normal(generator, shape, math.sqrt(2 / sum(_fans(shape))))


def _lecun_uniform(generator: np.random.Generator, shape: Sizes) -> Drawn:
    return _uniform(generator, shape, math.sqrt(3 / _fans(shape)[0]))


def _orthogonal(generator: np.random.Generator, shape: Sizes) -> Drawn:
    rows, columns = shape
    tall = generator.normal(size=(max(shape), min(shape)))
    q, r = np.linalg.qr(tall)
    # without the signs of r the draw would not be uniform over the orthogonal matrices
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return q if rows >= columns else q.T


_KINDS: dict[str, Callable[..., Drawn]] = {
    "zeros": lambda generator, shape: np.zeros(shape),
    "ones": lambda generator, shape: np.ones(shape),
    "constant": lambda generator, shape, value: np.full(shape, value),
    "uniform": _uniform,
    "normal": _normal,
    "glorot_uniform": _glorot_uniform,
    "glorot_normal": _glorot_normal,
    "lecun_uniform": _lecun_uniform,
    "orthogonal": _orthogonal,
    "identity": lambda generator, shape: np.eye(*shape),
    "log_uniform": _log_uniform,
}
"""Drawing functions by name; `spec.inits.INITS` says how many arguments each takes."""
