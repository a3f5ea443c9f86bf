"""What crosses the border of a generated library: the one source of headers, cdef and checks.

A kernel is called with one struct of sizes and pointers; `Signature` lists its arguments. The
forward and the backward kernel of a cell have the same form, because both come from a `Function`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from grugen.ir.nodes import Function, ResultRole, SourceRole
from grugen.spec.dims import Shape
from grugen.target.c_names import member_name


class Group(StrEnum):
    """What an argument is, and with it its layout; the value is its member in the C struct."""

    INPUT = "input"  # read (T, B, shape)
    TAPE_READ = "tape_read"  # read (T, B, shape)
    OUTPUT_GRADIENT = "output_gradient"  # read (T, B, shape)
    STATIC = "fixed"  # read (B, shape)
    CONSTANT = "constant"  # read (shape)
    HYPER = "hyper"  # a number, by value
    PARAM = "param"  # read (shape)
    INITIAL = "initial"  # read (B, shape): the states before the first step
    FINAL = "final"  # written (B, shape): the states after the last valid step
    OUTPUT = "output"  # written (T, B, shape), 0 past a sequence's end
    TAPE = "tape"  # written (T, B, shape) if keep_tape is above 0: states, above 1: all of them
    SEQUENCE_SUM = "sequence_sum"  # written (B, shape)
    TOTAL = "total"  # written (shape)


SUFFIXES = {"float32": "f32", "float64": "f64", "bfloat16": "bf16"}
"""What stands for an element type in the names of files and functions."""
COMPUTED = {"float32": "float32", "float64": "float64", "bfloat16": "float32"}
"""The type that arithmetic and sums have, by the type that arrays have."""
IN_FULL = (Group.HYPER, Group.INITIAL, Group.FINAL)
"""What is not kept as other arrays are, but in the type that is computed in."""

PER_STEP = (Group.INPUT, Group.TAPE_READ, Group.OUTPUT_GRADIENT, Group.OUTPUT, Group.TAPE)
PER_SEQUENCE = (Group.STATIC, Group.INITIAL, Group.FINAL, Group.SEQUENCE_SUM)
WRITTEN = (Group.FINAL, Group.OUTPUT, Group.TAPE, Group.SEQUENCE_SUM, Group.TOTAL)


@dataclass(frozen=True, slots=True)
class Argument:
    """One array (or number) of a call.

    `key` is the spec's name of what it holds: in the backward kernel OUTPUT "x" is
    d loss / d x, INITIAL "h" is d loss / d (final h), TAPE_READ "z" is what the forward kernel
    wrote to TAPE "z", TOTAL "W_z" is d loss / d W_z. `field` is its name in the C struct.
    `shape` is without time and batch.
    """

    group: Group
    key: str
    shape: Shape
    field: str


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of one kernel, in the order of the struct."""

    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class ParamInit:
    """How a parameter is drawn: `spec.model.Init`, arguments as text over dims and hypers."""

    kind: str
    args: tuple[str, ...] = ()
    blocks: int = 1


@dataclass(frozen=True, slots=True)
class StateInit:
    """The state before the first step: `value` everywhere, or input `first` at its first step."""

    value: float = 0.0
    first: str = ""


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """A declared array as its user sees it; `default` None means required."""

    name: str
    shape: Shape
    doc: str = ""
    mask: bool = False
    gradient: bool = True
    default: float | None = None


@dataclass(frozen=True, slots=True)
class ParamInfo:
    """A trained array."""

    name: str
    shape: Shape
    init: ParamInit
    doc: str = ""


@dataclass(frozen=True, slots=True)
class StateInfo:
    """A carried array."""

    name: str
    shape: Shape
    init: StateInit
    doc: str = ""


@dataclass(frozen=True, slots=True)
class OutputInfo:
    """A per-step result."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Interface:
    """All that the runtime knows of a cell; target and element type are no part of it.

    `dims` are the named dimensions in order of first use; `hyper` maps names to defaults.
    """

    name: str
    doc: str
    dims: tuple[str, ...]
    inputs: tuple[ArrayInfo, ...]
    static: tuple[ArrayInfo, ...]
    constants: tuple[ArrayInfo, ...]
    hyper: tuple[tuple[str, float], ...]
    states: tuple[StateInfo, ...]
    params: tuple[ParamInfo, ...]
    outputs: tuple[OutputInfo, ...]
    forward: Signature
    backward: Signature
    backward_states: Signature | None = None
    """Of the backward kernel that reads states only from the tape; None: `backward` does."""


_SOURCE_GROUPS = {
    SourceRole.INPUT: Group.INPUT,
    SourceRole.TAPE: Group.TAPE_READ,
    SourceRole.OUTPUT_GRADIENT: Group.OUTPUT_GRADIENT,
    SourceRole.STATIC: Group.STATIC,
    SourceRole.CONSTANT: Group.CONSTANT,
    SourceRole.HYPER: Group.HYPER,
    SourceRole.PARAM: Group.PARAM,
    SourceRole.STATE: Group.INITIAL,
}
_RESULT_GROUPS = {
    ResultRole.NEXT_STATE: Group.FINAL,
    ResultRole.OUTPUT: Group.OUTPUT,
    ResultRole.TAPE: Group.TAPE,
    ResultRole.SEQUENCE_SUM: Group.SEQUENCE_SUM,
    ResultRole.TOTAL: Group.TOTAL,
}


def group_of(role: SourceRole | ResultRole) -> Group:
    """The group of the arguments that carry sources or results of `role`."""
    if isinstance(role, SourceRole):
        return _SOURCE_GROUPS[role]
    return _RESULT_GROUPS[role]


def signature_of(function: Function) -> Signature:
    """The arguments of the kernel that runs `function`, by group, then in the function's order."""
    types = function.types()
    found = {(group_of(s.role), s.key): s.type.shape for s in function.sources}
    found |= {(group_of(r.role), r.key): types[r.value].shape for r in function.results}
    order = list(Group)
    return Signature(
        tuple(
            Argument(group, key, shape, member_name(key))
            for (group, key), shape in sorted(
                found.items(), key=lambda item: order.index(item[0][0])
            )
        )
    )
