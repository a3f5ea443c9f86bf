"""The step of a cell as a flat list of single-assignment lines.

A `Function` is what happens in one time step of one sequence; batch and time are implicit. The
derivative of a step is again a `Function`: its states are the gradients that travel back in time.
Every value is known by its name; every line knows its place in the spec.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from grugen.ir.types import Type
from grugen.source import Span
from grugen.spec.dims import Dim
from grugen.spec.model import Equation


class Op(StrEnum):
    """Every operation. Elementwise ones take equal shapes, or numbers that are spread out.

    ONE table per meaning has an entry for each: shapes (ir.shapes), NumPy (ir.interpret),
    derivative (passes.vjp_rules), C (render.c_expr and render.nest_text).
    """

    LITERAL = "literal"  # attribute value
    EXTENT = "extent"  # attribute size: a dimension as a number
    NEG = "neg"
    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    DIV = "div"
    MIN = "min"
    MAX = "max"
    POWER = "power"  # attribute value: the exponent
    EXP = "exp"
    LOG = "log"
    SQRT = "sqrt"
    ABS = "abs"
    FLOOR = "floor"
    SIGMOID = "sigmoid"
    TANH = "tanh"
    RELU = "relu"
    SOFTPLUS = "softplus"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    EQ = "eq"
    NE = "ne"
    SELECT = "select"  # condition, value where true, value where false
    BROADCAST = "broadcast"  # a number to a vector of `size`
    SLICE = "slice"  # `size` elements of a vector from `offset`
    CONCAT = "concat"
    SUM = "sum"  # of a vector: a number
    DOT = "dot"
    MATVEC = "matvec"  # matrix [m, n], vector [n] -> [m]
    MATVEC_T = "matvec_t"  # matrix [m, n], vector [m] -> [n]
    OUTER = "outer"  # vectors [m], [n] -> [m, n]; only as a total


@dataclass(frozen=True, slots=True)
class Let:
    """`name = op args`: one line of a step.

    `value` belongs to LITERAL and POWER, `size` to EXTENT, BROADCAST and SLICE, `offset` to SLICE.
    `span` is the expression, `equation` the whole equation it came from; in a derivative both are
    those of the line that is differentiated. `given` tells that the spec gave the name.
    """

    name: str
    op: Op
    args: tuple[str, ...]
    type: Type
    span: Span | None = None
    equation: Equation | None = None
    value: float | None = None
    size: Dim | None = None
    offset: Dim | None = None
    given: bool = False


class SourceRole(StrEnum):
    """What the caller of a step hands in."""

    INPUT = "input"
    """Per step: (T, B, shape)."""
    TAPE = "tape"
    """Per step, kept by the forward pass: (T, B, shape); `key` is the forward value's name."""
    OUTPUT_GRADIENT = "output_gradient"
    """Per step: (T, B, shape); `key` is the output's name."""
    STATIC = "static"
    """Per sequence: (B, shape)."""
    CONSTANT = "constant"
    """The same for the call: (shape)."""
    HYPER = "hyper"
    """A number."""
    PARAM = "param"
    """The same for the call: (shape)."""
    STATE = "state"
    """Carried from step to step; the caller gives the first: (B, shape)."""


@dataclass(frozen=True, slots=True)
class Source:
    """A value that a step reads; `key` is the spec's name for what it holds."""

    name: str
    role: SourceRole
    key: str
    type: Type
    span: Span | None = None


class ResultRole(StrEnum):
    """What a step hands out."""

    NEXT_STATE = "next_state"
    """`key` is that of the state's source; the caller gets the last: (B, shape)."""
    OUTPUT = "output"
    """Per step: (T, B, shape), 0 past a sequence's end."""
    TAPE = "tape"
    """Per step, when the caller asks for a tape: (T, B, shape)."""
    SEQUENCE_SUM = "sequence_sum"
    """Summed over a sequence's steps: (B, shape)."""
    TOTAL = "total"
    """Summed over all steps of all sequences: (shape)."""


@dataclass(frozen=True, slots=True)
class Result:
    """The value called `value`, handed out under the spec's name `key`."""

    value: str
    role: ResultRole
    key: str


@dataclass(frozen=True, slots=True)
class Function:
    """One step: sources in, lines in order, results out."""

    name: str
    sources: tuple[Source, ...]
    lets: tuple[Let, ...]
    results: tuple[Result, ...]

    def types(self) -> dict[str, Type]:
        """The type of every value by name, sources first."""
        found = {source.name: source.type for source in self.sources}
        return found | {let.name: let.type for let in self.lets}

    def sources_of(self, *roles: SourceRole) -> Iterator[Source]:
        """The sources that have one of `roles`, in order."""
        return (source for source in self.sources if source.role in roles)

    def results_of(self, *roles: ResultRole) -> Iterator[Result]:
        """The results that have one of `roles`, in order."""
        return (result for result in self.results if result.role in roles)
