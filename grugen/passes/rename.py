"""Replacing values by others throughout a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from grugen.ir.nodes import Function, Let, Result


def with_args(let: Let, names: Mapping[str, str]) -> Let:
    """The line reading `names[a]` wherever it read `a`."""
    if not any(arg in names for arg in let.args):
        return let
    return replace(let, args=tuple(names.get(arg, arg) for arg in let.args))


def with_value(result: Result, names: Mapping[str, str]) -> Result:
    """The result handing out `names[v]` where it handed out `v`."""
    return replace(result, value=names.get(result.value, result.value))


def renamed(function: Function, names: Mapping[str, str]) -> Function:
    """The function with values called by other names; nothing else changes."""
    lets = tuple(
        replace(with_args(let, names), name=names.get(let.name, let.name)) for let in function.lets
    )
    results = tuple(with_value(result, names) for result in function.results)
    return replace(function, lets=lets, results=results)
