"""What grugen raises, and how an error in a spec reads.

Every message says what was found, what was expected, where, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grugen.source import Span

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake in a spec: a sentence, its place, a label for the caret, a second place, help."""

    message: str
    span: Span
    label: str = ""
    note: tuple[str, Span] | None = None
    help: str = ""

    def __str__(self) -> str:
        parts = [f"{self.span}: error: {self.message}", self.span.excerpt(self.label)]
        if self.note is not None:
            text, place = self.note
            parts += [f"{place}: note: {text}", place.excerpt()]
        if self.help:
            parts.append(f"help: {self.help}")
        return "\n".join(parts)


class GrugenError(Exception):
    """The base of everything grugen raises on purpose; its text is complete as it stands."""


class SpecError(GrugenError):
    """One or more mistakes in a spec, in the order of their positions; at most 20 are printed."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        def place(found: Diagnostic) -> tuple[str, int, int]:
            return found.span.source.name, found.span.line, found.span.column

        self.diagnostics = tuple(sorted(diagnostics, key=place))
        shown = [str(found) for found in self.diagnostics[:MOST_SHOWN]]
        left_out = len(self.diagnostics) - len(shown)
        if left_out:
            shown.append(f"... and {left_out} more")
        super().__init__("\n\n".join(shown))


class SpecFileError(GrugenError):
    """A spec that cannot be read at all: no such file, not a text file, an unknown shipped name."""


class UsageError(GrugenError):
    """A call that does not fit: a wrong argument, array, size or option."""


class ToolchainError(GrugenError):
    """No compiler, a compiler that failed, or a folder that cannot be written."""


class DeviceError(GrugenError):
    """No GPU, a GPU without memory for an array, or work that failed on it."""


class InternalError(GrugenError):
    """A defect of grugen itself."""

    def __init__(self, message: str) -> None:
        self.what = message
        super().__init__(f"{message}\nthis is a bug in grugen; please report it with the spec")
