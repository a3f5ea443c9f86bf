"""Where a piece of a spec stands in its file, and how to show it: the line, the caret.

Positions are 1-based and count characters, as editors do. This module knows nothing of YAML.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class SourceText:
    """A spec as text.

    `name` is what messages and generated comments call it: the path as the user typed it.
    """

    name: str
    text: str

    @property
    def file_name(self) -> str:
        """The last part of the path: what generated text cites, so that it names no machine."""
        return self.name.replace("\\", "/").rsplit("/", 1)[-1]

    def line(self, number: int) -> str:
        """The text of line `number` (1-based) without its line end; empty past the end."""
        lines = self.text.split("\n")
        return lines[number - 1].rstrip("\r") if 1 <= number <= len(lines) else ""


@dataclass(frozen=True, slots=True)
class Span:
    """`length` characters of one line of a source, from `line`:`column` (1-based)."""

    source: SourceText
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    @property
    def cite(self) -> str:
        """`gru.yaml:21`: how a comment in generated text refers here."""
        return f"{self.source.file_name}:{self.line}"

    def through(self, last: Span) -> Span:
        """From the start of this span to the end of `last`, or of the line if that is elsewhere."""
        if last.line == self.line:
            return Span(
                self.source, self.line, self.column, last.column + last.length - self.column
            )
        rest = len(self.source.line(self.line)) - self.column + 1
        return Span(self.source, self.line, self.column, max(rest, 1))

    def excerpt(self, label: str = "") -> str:
        """The line with its number, and carets under the span followed by `label`."""
        text = self.source.line(self.line).replace("\t", " ")
        number = str(self.line)
        gutter = " " * len(number)
        carets = "^" * max(1, min(self.length, len(text) - self.column + 1))
        under = " " * (self.column - 1) + carets + (f" {label}" if label else "")
        return f"{gutter} |\n{number} | {text}\n{gutter} | {under}"
