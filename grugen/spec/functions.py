"""The functions that equations may call: how many arguments, which options.

What they mean is written in specs/README.md; their shapes and derivatives belong to the IR.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Function:
    """How often and with what a function may be called; `most` is None for any number."""

    least: int
    most: int | None
    usage: str
    options: tuple[str, ...] = ()


def _elementwise(name: str) -> Function:
    return Function(1, 1, f"{name}(v)")


FUNCTIONS: dict[str, Function] = {
    "sigmoid": _elementwise("sigmoid"),
    "tanh": _elementwise("tanh"),
    "relu": _elementwise("relu"),
    "exp": _elementwise("exp"),
    "log": _elementwise("log"),
    "sqrt": _elementwise("sqrt"),
    "abs": _elementwise("abs"),
    "softplus": _elementwise("softplus"),
    "logsigmoid": _elementwise("logsigmoid"),
    "hard_sigmoid": _elementwise("hard_sigmoid"),
    "min": Function(2, 2, "min(a, b)"),
    "max": Function(2, 2, "max(a, b)"),
    "mod": Function(2, 2, "mod(a, b)"),
    "clip": Function(3, 3, "clip(v, low, high)"),
    "where": Function(3, 3, "where(condition, a, b)"),
    "dot": Function(2, 2, "dot(a, b)"),
    "sum": Function(1, 1, "sum(v)"),
    "mean": Function(1, 1, "mean(v)"),
    "layernorm": Function(1, 3, "layernorm(v, gain, bias, eps=1e-5)", ("eps",)),
    "split": Function(2, 2, "split(v, 2)"),
    "concat": Function(1, None, "concat(a, b)"),
}
"""Primitives of tiers 1 and 2 in section 2.7 of the language's design."""

OPTIONS = frozenset(option for function in FUNCTIONS.values() for option in function.options)
"""Every word that may stand before `=` inside a call."""

LATER = {
    "T": "write the product with the matrix as it is, or declare the transposed matrix",
    "softmax": "exp(v) / sum(exp(v)) says the same where exp does not overflow",
    "dropout": "multiply with an input of 'role: mask', whose default is the value at inference",
    "stop_grad": "declare the value as an input with 'grad: false'",
    "repeat": "write the rounds out, one equation each",
    "outer": "values are numbers and vectors; only parameters and constants are matrices",
}
"""Functions that this version lacks, and what to do instead."""

INIT_FUNCTIONS = frozenset({"sqrt", "exp", "log", "abs", "min", "max"})
"""What the arguments of an init may call."""
