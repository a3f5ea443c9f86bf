"""Frozen dataclasses as Python expressions that make them again, laid out to be read."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum

from grugen.spec.dims import Dim

WIDTH = 100


def python_literal(value: object, indent: int = 0) -> str:
    """An expression for `value`; the names of its classes must be in scope.

    Fields that have their default value are left out.
    """
    flat = _flat(value)
    if indent + len(flat) <= WIDTH - 1 and "\n" not in flat:
        return flat
    pad = " " * (indent + 4)
    close = " " * indent
    if isinstance(value, tuple):
        items = "".join(f"{pad}{python_literal(item, indent + 4)},\n" for item in value)
        return f"(\n{items}{close})"
    if is_dataclass(value):
        items = "".join(
            f"{pad}{name}={python_literal(item, indent + 4)},\n" for name, item in _given(value)
        )
        return f"{type(value).__name__}(\n{items}{close})"
    return flat


def _given(value: object) -> list[tuple[str, object]]:
    assert is_dataclass(value)
    found = [(field, getattr(value, field.name)) for field in fields(value)]
    return [(field.name, item) for field, item in found if item != field.default]


def _flat(value: object) -> str:
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, tuple) and value and all(isinstance(item, Dim) for item in value):
        return f"shape({', '.join(repr(str(dim)) for dim in value)})"
    if isinstance(value, tuple):
        inner = ", ".join(_flat(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if is_dataclass(value):
        inner = ", ".join(f"{name}={_flat(item)}" for name, item in _given(value))
        return f"{type(value).__name__}({inner})"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return f"float('{value}')"
    return repr(value)
