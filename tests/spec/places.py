"""Specs compared without regard to where in a file each piece stood."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from grugen.assets import shipped_specs, spec_path
from grugen.source import SourceText, Span
from grugen.spec import read_text
from grugen.spec.model import CellSpec

VALID = sorted((Path(__file__).parent / "valid").glob("*.yaml"))
ALL_SPECS = [*(spec_path(name) for name in shipped_specs()), *VALID]


def without_places(value: Any) -> Any:
    """`value` as plain tuples."""
    if isinstance(value, Span | SourceText):
        return None
    if isinstance(value, tuple):
        return tuple(without_places(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return type(value).__name__, *(without_places(getattr(value, f.name)) for f in fields)
    return value


def spec_of(text: str) -> CellSpec:
    return read_text(SourceText("cell.yaml", text))
