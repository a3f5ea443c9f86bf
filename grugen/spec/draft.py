"""One spec file as it reads: what stands in it, nothing merged or checked across sections."""

from __future__ import annotations

from dataclasses import dataclass

from grugen.source import SourceText, Span
from grugen.spec.fields import Word
from grugen.spec.model import Declaration, Equation, ExternalTensor, Output


@dataclass(frozen=True, slots=True)
class Described:
    """An entry of `dims`."""

    name: str
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class Draft:
    """What a `CellSpec` is made of, with the places that only checks need.

    `dim_uses` holds the first use of every dim. `start` is where the file's first key stands.
    `doc`, `cite` and `interchange` are None where the file lacks them.
    """

    source: SourceText
    start: Span
    name: Word
    doc: str | None
    cite: str | None
    extends: Word | None
    drop: tuple[Word, ...]
    dims: tuple[Described, ...]
    dim_uses: tuple[Word, ...]
    declarations: tuple[Declaration, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Output, ...]
    interchange: tuple[ExternalTensor, ...] | None
