"""How the gradient of a result flows back to the arguments, one rule an operation.

A rule adds lines and yields (argument place, contribution). Conventions at kinks are those of the
language: relu'(0) = abs'(0) = 0, ties of min and max go to the first argument, comparisons and
floor have no gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from grugen.ir.build import Builder
from grugen.ir.nodes import Let, Op
from grugen.spec.dims import Dim


@dataclass(frozen=True, slots=True)
class Backward:
    """One line being differentiated.

    `gradient` is the gradient of its value. `shielded` says that the value reaches results only
    through the branches of selects: where such a branch was not taken the gradient is 0, and must
    stay 0 even if the local derivative is NaN or infinite there.
    """

    builder: Builder
    let: Let
    gradient: str
    shielded: bool

    def line(
        self,
        op: Op,
        *args: str,
        value: float | None = None,
        size: Dim | None = None,
        offset: Dim | None = None,
    ) -> str:
        """Append a line that stands where the differentiated one stands."""
        return self.builder.let(
            op,
            *args,
            value=value,
            size=size,
            offset=offset,
            span=self.let.span,
            equation=self.let.equation,
        )

    def number(self, value: float) -> str:
        """A literal."""
        return self.line(Op.LITERAL, value=value)

    def times(self, factor: str) -> str:
        """gradient * factor, 0 where a shielded gradient is 0."""
        return self.guarded(self.line(Op.MUL, self.gradient, factor))

    def guarded(self, contribution: str) -> str:
        """`contribution`, or 0 where a shielded gradient is 0."""
        if not self.shielded:
            return contribution
        zero = self.number(0.0)
        return self.line(Op.SELECT, self.line(Op.NE, self.gradient, zero), contribution, zero)

    def where(self, condition: str, taken: str, otherwise: str) -> str:
        """A select."""
        return self.line(Op.SELECT, condition, taken, otherwise)


Contributions = Iterator[tuple[int, str]]
Rule = Callable[[Backward], Contributions]


def _none(b: Backward) -> Contributions:
    return iter(())


def _neg(b: Backward) -> Contributions:
    yield 0, b.line(Op.NEG, b.gradient)


def _add(b: Backward) -> Contributions:
    yield 0, b.gradient
    yield 1, b.gradient


def _sub(b: Backward) -> Contributions:
    yield 0, b.gradient
    yield 1, b.line(Op.NEG, b.gradient)


def _mul(b: Backward) -> Contributions:
    left, right = b.let.args
    yield 0, b.times(right)
    yield 1, b.times(left)


def _div(b: Backward) -> Contributions:
    _, divisor = b.let.args
    quotient = b.guarded(b.line(Op.DIV, b.gradient, divisor))
    yield 0, quotient
    # -(g / divisor) * value: value is left / divisor already
    yield 1, b.guarded(b.line(Op.NEG, b.line(Op.MUL, quotient, b.let.name)))


def _choice(second: Op) -> Rule:
    """min and max: `second(right, left)` tells where the second argument was the one."""

    def rule(b: Backward) -> Contributions:
        left, right = b.let.args
        chosen = b.line(second, right, left)
        zero = b.number(0.0)
        yield 0, b.where(chosen, zero, b.gradient)
        yield 1, b.where(chosen, b.gradient, zero)

    return rule


def _power(b: Backward) -> Contributions:
    assert b.let.value is not None
    if b.let.value == 0.0:
        return
    lower = b.line(Op.POWER, b.let.args[0], value=b.let.value - 1.0)
    slope = b.line(Op.MUL, b.number(b.let.value), lower)
    yield 0, b.times(slope)


def _exp(b: Backward) -> Contributions:
    yield 0, b.times(b.let.name)


def _log(b: Backward) -> Contributions:
    yield 0, b.guarded(b.line(Op.DIV, b.gradient, b.let.args[0]))


def _sqrt(b: Backward) -> Contributions:
    half = b.line(Op.MUL, b.number(0.5), b.gradient)
    yield 0, b.guarded(b.line(Op.DIV, half, b.let.name))


def _abs(b: Backward) -> Contributions:
    zero = b.number(0.0)
    argument = b.let.args[0]
    falling = b.where(b.line(Op.LT, argument, zero), b.line(Op.NEG, b.gradient), zero)
    yield 0, b.where(b.line(Op.GT, argument, zero), b.gradient, falling)


def _sigmoid(b: Backward) -> Contributions:
    rest = b.line(Op.SUB, b.number(1.0), b.let.name)
    yield 0, b.times(b.line(Op.MUL, b.let.name, rest))


def _tanh(b: Backward) -> Contributions:
    square = b.line(Op.MUL, b.let.name, b.let.name)
    yield 0, b.times(b.line(Op.SUB, b.number(1.0), square))


def _relu(b: Backward) -> Contributions:
    zero = b.number(0.0)
    yield 0, b.where(b.line(Op.GT, b.let.name, zero), b.gradient, zero)


def _softplus(b: Backward) -> Contributions:
    yield 0, b.times(b.line(Op.SIGMOID, b.let.args[0]))


def _select(b: Backward) -> Contributions:
    condition = b.let.args[0]
    zero = b.number(0.0)
    yield 1, b.where(condition, b.gradient, zero)
    yield 2, b.where(condition, zero, b.gradient)


def _broadcast(b: Backward) -> Contributions:
    yield 0, b.line(Op.SUM, b.gradient)


def _concat(b: Backward) -> Contributions:
    offset = Dim(())
    for place, arg in enumerate(b.let.args):
        shape = b.builder.types[arg].shape
        size = shape[0] if shape else Dim.fixed(1)
        part = b.line(Op.SLICE, b.gradient, size=size, offset=offset)
        yield place, part if shape else b.line(Op.SUM, part)
        offset = offset + size


def _sum(b: Backward) -> Contributions:
    yield 0, b.line(Op.BROADCAST, b.gradient, size=b.builder.types[b.let.args[0]].shape[0])


def _dot(b: Backward) -> Contributions:
    left, right = b.let.args
    yield 0, b.times(right)
    yield 1, b.times(left)


def _matvec(b: Backward) -> Contributions:
    matrix, vector = b.let.args
    yield 0, b.line(Op.OUTER, b.gradient, vector)
    yield 1, b.line(Op.MATVEC_T, matrix, b.gradient)


def _matvec_t(b: Backward) -> Contributions:
    matrix, vector = b.let.args
    yield 0, b.line(Op.OUTER, vector, b.gradient)
    yield 1, b.line(Op.MATVEC, matrix, b.gradient)


VJP_RULES: Mapping[Op, Rule] = {
    Op.LITERAL: _none,
    Op.EXTENT: _none,
    Op.NEG: _neg,
    Op.ADD: _add,
    Op.SUB: _sub,
    Op.MUL: _mul,
    Op.DIV: _div,
    Op.MIN: _choice(Op.LT),
    Op.MAX: _choice(Op.GT),
    Op.POWER: _power,
    Op.EXP: _exp,
    Op.LOG: _log,
    Op.SQRT: _sqrt,
    Op.ABS: _abs,
    Op.FLOOR: _none,
    Op.SIGMOID: _sigmoid,
    Op.TANH: _tanh,
    Op.RELU: _relu,
    Op.SOFTPLUS: _softplus,
    Op.LT: _none,
    Op.LE: _none,
    Op.GT: _none,
    Op.GE: _none,
    Op.EQ: _none,
    Op.NE: _none,
    Op.SELECT: _select,
    Op.BROADCAST: _broadcast,
    # a part of a vector has its gradient gathered with the other parts: see differentiate
    Op.SLICE: _none,
    Op.CONCAT: _concat,
    Op.SUM: _sum,
    Op.DOT: _dot,
    Op.MATVEC: _matvec,
    Op.MATVEC_T: _matvec_t,
    # a matrix is never a value inside a forward step
    Op.OUTER: _none,
}

BRANCHING = frozenset({Op.SELECT, Op.MIN, Op.MAX})
"""Operations whose contributions are exactly 0 where another branch was taken."""
