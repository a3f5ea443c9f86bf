"""A cell as its author wrote it: declarations, equations, outputs, each with its place in the file.

Nothing here is typed or ordered beyond what the text says; `grugen.ir` gives it meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from grugen.source import SourceText, Span
from grugen.spec.dims import Shape


@dataclass(frozen=True, slots=True)
class Number:
    """A literal such as `1`, `0.5`, `1e-5`, `inf`."""

    value: float
    span: Span


@dataclass(frozen=True, slots=True)
class Name:
    """A declared or defined name; `next` is True for `h'`, the value a state takes in this step."""

    name: str
    next: bool
    span: Span

    def __str__(self) -> str:
        return f"{self.name}'" if self.next else self.name


@dataclass(frozen=True, slots=True)
class Negation:
    """`-operand`."""

    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`; operator is one of + - * / @ ** < <= > >= == !=.

    `operator_span` is where the operator stands, `span` covers the whole expression.
    """

    operator: str
    left: Expr
    right: Expr
    operator_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """`function(args, option=value)`; `function_span` covers the function's name."""

    function: str
    args: tuple[Expr, ...]
    options: tuple[tuple[str, Expr], ...]
    function_span: Span
    span: Span


Expr = Number | Name | Negation | Binary | Call


class Role(StrEnum):
    """What a declared name is; the value is its section in the spec."""

    INPUT = "inputs"
    STATIC = "static"
    CONSTANT = "constants"
    HYPER = "hyper"
    STATE = "states"
    PARAM = "params"


@dataclass(frozen=True, slots=True)
class Init:
    """How a parameter's first values are drawn, or the state before the first step is made.

    Parameters: zeros, ones, constant, uniform, normal, glorot_uniform, glorot_normal,
    lecun_uniform, orthogonal, identity, log_uniform; `args` are expressions of numbers, dims and
    hypers (`1/sqrt(H)`); `blocks` row blocks of a matrix are drawn apart.
    States: constant (one argument, may be infinite) or first (`input_name` at the first valid
    step of the run).
    """

    kind: str
    args: tuple[Expr, ...]
    blocks: int
    input_name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declared name.

    `default` is a hyper's value, or what an input takes when it is left out (None: required).
    `mask` marks `role: mask`; `gradient` says whether the backward pass returns d loss / d name.
    `init` is set for states and params only.
    """

    name: str
    role: Role
    shape: Shape
    span: Span
    doc: str = ""
    mask: bool = False
    gradient: bool = True
    default: float | None = None
    init: Init | None = None


@dataclass(frozen=True, slots=True)
class Equation:
    """`targets = value`; several targets only for split. `text` is the equation as written.

    `text` has its comment and line ends removed; `span` covers its first line.
    """

    targets: tuple[Name, ...]
    value: Expr
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Output:
    """A per-step result called `name`: any defined value, or the next value of a state."""

    name: str
    value: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Piece:
    """A parameter inside an external tensor: `W_z`, `-W_z` (negated), `diag(w)` (diagonal)."""

    name: str
    negated: bool
    diagonal: bool
    span: Span


@dataclass(frozen=True, slots=True)
class ExternalTensor:
    """How a framework stores parameters: an entry of the `interchange` table.

    `layout` is stack (`rows` holds one row of pieces, joined along axis 0), rows (one external row
    each) or cols (one row of pieces, joined along the last axis). `transpose` is applied after
    joining, then `lead` axes of size one are put in front.
    """

    format: str
    name: str
    layout: str
    rows: tuple[tuple[Piece, ...], ...]
    transpose: bool
    lead: int
    span: Span


@dataclass(frozen=True, slots=True)
class CellSpec:
    """A whole spec, `extends` already merged. `dims` holds (name, description) in order of use."""

    name: str
    doc: str
    cite: str
    dims: tuple[tuple[str, str], ...]
    declarations: tuple[Declaration, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Output, ...]
    interchange: tuple[ExternalTensor, ...]
    source: SourceText
