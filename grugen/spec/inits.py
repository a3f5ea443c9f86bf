"""`uniform(0; 1/sqrt(D))` -> how a parameter is drawn; `-inf`, `first(x)` -> how a state starts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from grugen.errors import Diagnostic
from grugen.spec.equations import Arguments, parse_arguments
from grugen.spec.expressions import expression_text
from grugen.spec.fields import found_text, is_number, number_of
from grugen.spec.model import Expr, Init, Name, Negation, Number
from grugen.spec.names import did_you_mean, listed
from grugen.spec.tree import Node, Scalar


@dataclass(frozen=True, slots=True)
class InitRule:
    """How many arguments an init takes, and whether it draws matrices only."""

    least: int
    most: int
    usage: str
    matrices_only: bool = False


INITS: dict[str, InitRule] = {
    "zeros": InitRule(0, 0, "zeros"),
    "ones": InitRule(0, 0, "ones"),
    "constant": InitRule(1, 1, "constant(0.5)"),
    "uniform": InitRule(1, 2, "uniform(1/sqrt(H)) or uniform(0; 1)"),
    "normal": InitRule(1, 1, "normal(0.1)"),
    "glorot_uniform": InitRule(0, 0, "glorot_uniform", matrices_only=True),
    "glorot_normal": InitRule(0, 0, "glorot_normal", matrices_only=True),
    "lecun_uniform": InitRule(0, 0, "lecun_uniform", matrices_only=True),
    "orthogonal": InitRule(0, 0, "orthogonal", matrices_only=True),
    "identity": InitRule(0, 0, "identity", matrices_only=True),
    "log_uniform": InitRule(2, 2, "log_uniform(1; 100)"),
}
"""What `init` of a parameter may be; the definitions stand in specs/README.md."""

FIRST = "first"
_STATE_STARTS = (
    "a state starts with the same number everywhere or with an input's first value; "
    "forward(states=...) takes any other"
)


def read_param_init(node: Node, blocks: int, found: list[Diagnostic]) -> Init | None:
    """The init of a parameter."""
    what = "an init such as zeros or uniform(1/sqrt(H))"
    if isinstance(node, Scalar) and is_number(node):
        message = f"expected {what}, found {found_text(node)}"
        found.append(Diagnostic(message, node.span, help=f"write constant({node.text})"))
        return None
    arguments = _arguments(node, what, found)
    if arguments is None:
        return None
    name, args = arguments.name, arguments.args
    rule = INITS.get(name)
    if rule is None:
        advice = did_you_mean(name, INITS) or f"expected {listed(INITS, 'or')}"
        if name == FIRST:
            advice = "only states can start with an input's first value"
        found.append(Diagnostic(f"unknown init '{name}'", arguments.span, help=advice))
        return None
    if not rule.least <= len(args) <= rule.most:
        counts = str(rule.least) if rule.least == rule.most else f"{rule.least} or {rule.most}"
        noun = "argument" if counts == "1" else "arguments"
        message = f"init '{name}' takes {counts if rule.most else 'no'} {noun}, found {len(args)}"
        found.append(Diagnostic(message, arguments.span, help=f"write {rule.usage}"))
        return None
    return Init(name, args, blocks, "", arguments.span)


def read_state_init(node: Node, found: list[Diagnostic]) -> Init | None:
    """What a state is before the first step."""
    what = "a number, inf, -inf or first(x)"
    if not isinstance(node, Scalar) or not node.text.rstrip().endswith(")"):
        advice = "write 0" if isinstance(node, Scalar) and node.text == "zeros" else _STATE_STARTS
        number = number_of(node, what, found, advice)
        if number is None:
            return None
        value: Expr = Number(abs(number), node.span)
        if math.copysign(1, number) < 0:
            value = Negation(value, node.span)
        return Init("constant", (value,), 1, "", node.span)
    arguments = _arguments(node, what, found)
    if arguments is None:
        return None
    match arguments:
        case Arguments("first", (Name(name, False),)):
            return Init(FIRST, (), 1, name, arguments.span)
        case Arguments("first", args):
            shown = "; ".join(expression_text(arg) for arg in args)
            message = f"first takes the name of one input, found '{shown}'"
            found.append(Diagnostic(message, arguments.span))
        case _:
            message = f"expected {what}, found {found_text(node)}"
            found.append(Diagnostic(message, arguments.span, help=_STATE_STARTS))
    return None


def _arguments(node: Node, what: str, found: list[Diagnostic]) -> Arguments | None:
    if not isinstance(node, Scalar) or len(node.lines) != 1 or not node.text.strip():
        advice = "write it in one line, without escapes" if isinstance(node, Scalar) else ""
        if isinstance(node, Scalar) and not node.text.strip():
            advice = ""
        message = f"expected {what}, found {found_text(node)}"
        found.append(Diagnostic(message, node.span, help=advice))
        return None
    before = len(found)
    arguments = parse_arguments(node.span.source, node.lines, found)
    if arguments is None and len(found) == before:
        found.append(Diagnostic(f"expected {what}, found {found_text(node)}", node.span))
    return arguments
