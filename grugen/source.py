"""Where a piece of a spec stands in its file, and how to show it: the line, the caret.

Positions are 1-based and count characters, as editors do. This module knows nothing of YAML.
"""

from __future__ import annotations

from dataclasses import dataclass

WIDEST = 160
"""Characters of a line that an excerpt shows."""


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
        """The line with its number, and carets under the span followed by `label`.

        Of a very long line only what is around the carets is shown. What a terminal would obey
        instead of showing it has a sign in its place.
        """
        line = self.source.line(self.line).replace("\t", " ")
        text = "".join(sign if sign.isprintable() else "\ufffd" for sign in line)
        column = self.column
        length = max(1, min(self.length, len(text) - column + 1))
        if len(text) > WIDEST:
            start = max(0, min(column - 1 - WIDEST // 3, len(text) - WIDEST))
            shown = text[start : start + WIDEST]
            text = ("..." if start else "") + shown + ("..." if start + WIDEST < len(text) else "")
            column += (3 if start else 0) - start
            length = max(1, min(length, len(shown) - (self.column - 1 - start)))
        number = str(self.line)
        gutter = " " * len(number)
        under = " " * (column - 1) + "^" * length + (f" {label}" if label else "")
        return f"{gutter} |\n{number} | {text}\n{gutter} | {under}"
