"""Functions of the language that are made of other operations, spelled out once.

Each entry adds lines and returns the name of the last one. Keeping them out of the operation
tables means one derivative and one C spelling less for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from grugen.ir.build import Builder
from grugen.ir.nodes import Op
from grugen.ir.shapes import ShapeMismatch
from grugen.source import Span
from grugen.spec.dims import Dim, shape_text
from grugen.spec.model import Equation


@dataclass(frozen=True, slots=True)
class Line:
    """Adds lines that all stand at one place of the spec."""

    builder: Builder
    span: Span
    equation: Equation

    def let(
        self,
        op: Op,
        *args: str,
        name: str = "",
        value: float | None = None,
        size: Dim | None = None,
        offset: Dim | None = None,
        given: bool = False,
    ) -> str:
        """Append `op args`; see `Builder.let`."""
        return self.builder.let(
            op,
            *args,
            name=name,
            value=value,
            size=size,
            offset=offset,
            span=self.span,
            equation=self.equation,
            given=given,
        )

    def number(self, value: float) -> str:
        """A literal."""
        return self.let(Op.LITERAL, value=value)

    def length(self, vector: str) -> Dim:
        """The size of a vector; raises ShapeMismatch for anything else."""
        shape = self.builder.types[vector].shape
        if len(shape) != 1:
            raise ShapeMismatch(f"a vector is needed, not {shape_text(shape)}")
        return shape[0]


Args = tuple[str, ...]
Options = Mapping[str, float]


def _mean(line: Line, args: Args, options: Options, name: str) -> str:
    count = line.let(Op.EXTENT, size=line.length(args[0]))
    total = line.let(Op.SUM, args[0])
    return line.let(Op.DIV, total, count, name=name, given=bool(name))


def _layernorm(line: Line, args: Args, options: Options, name: str) -> str:
    """(v - mean) / sqrt(variance + eps) * gain + bias, with the population variance."""
    types = line.builder.types
    if any(types[arg].shape != (line.length(args[0]),) for arg in args[1:]):
        raise ShapeMismatch("gain and bias must have the vector's shape")
    centred = line.let(Op.SUB, args[0], _mean(line, args[:1], {}, ""))
    variance = _mean(line, (line.let(Op.MUL, centred, centred),), {}, "")
    shifted = line.let(Op.ADD, variance, line.number(options.get("eps", 1e-5)))
    steps = [(Op.DIV, line.let(Op.SQRT, shifted))]
    steps += zip((Op.MUL, Op.ADD), args[1:], strict=False)
    value = centred
    for number, (op, operand) in enumerate(steps, start=1):
        last = number == len(steps)
        value = line.let(op, value, operand, name=name if last else "", given=last and bool(name))
    return value


def _clip(line: Line, args: Args, options: Options, name: str) -> str:
    low = line.let(Op.MAX, args[0], args[1])
    return line.let(Op.MIN, low, args[2], name=name, given=bool(name))


def _hard_sigmoid(line: Line, args: Args, options: Options, name: str) -> str:
    """clip(0.2 a + 0.5, 0, 1), as Keras defines it."""
    scaled = line.let(Op.MUL, line.number(0.2), args[0])
    shifted = line.let(Op.ADD, scaled, line.number(0.5))
    return _clip(line, (shifted, line.number(0.0), line.number(1.0)), {}, name)


def _mod(line: Line, args: Args, options: Options, name: str) -> str:
    """a - floor(a / b) * b: has the sign of b."""
    whole = line.let(Op.FLOOR, line.let(Op.DIV, *args))
    return line.let(Op.SUB, args[0], line.let(Op.MUL, whole, args[1]), name=name, given=bool(name))


def _logsigmoid(line: Line, args: Args, options: Options, name: str) -> str:
    """-softplus(-a)."""
    inner = line.let(Op.SOFTPLUS, line.let(Op.NEG, args[0]))
    return line.let(Op.NEG, inner, name=name, given=bool(name))


EXPANSIONS: dict[str, Callable[[Line, Args, Options, str], str]] = {
    "mean": _mean,
    "layernorm": _layernorm,
    "clip": _clip,
    "hard_sigmoid": _hard_sigmoid,
    "mod": _mod,
    "logsigmoid": _logsigmoid,
}
