"""Tokens -> the tokens of one equation after another, and an equation's text as it was written."""

from __future__ import annotations

from collections.abc import Iterator

from grugen.errors import Diagnostic
from grugen.spec.functions import OPTIONS
from grugen.spec.lexer import Kind, Token
from grugen.spec.tree import Line


def only_statement(tokens: tuple[Token, ...]) -> tuple[Token, ...] | None:
    """All tokens as one statement, in whatever lines; None where some are BAD or none are."""
    statement = tuple(token for token in tokens if token.kind is not Kind.LINE_END)
    is_bad = any(token.kind is Kind.BAD for token in statement)
    return None if is_bad or len(statement) < 2 else statement


def statements(tokens: tuple[Token, ...], found: list[Diagnostic]) -> Iterator[tuple[Token, ...]]:
    """The tokens of one equation after another, each with an END; broken ones are left out.

    A line end inside parentheses is a space, unless the next line begins like an equation: then the
    parenthesis was never closed.
    """
    statement: list[Token] = []
    opened: list[Token] = []
    for token, *ahead in _with_two_ahead(tokens):
        if token.is_sign("("):
            opened.append(token)
        elif token.is_sign(")") and opened:
            opened.pop()
        if token.kind not in (Kind.LINE_END, Kind.END):
            statement.append(token)
            continue
        if opened and (token.kind is Kind.END or _starts_equation(*ahead)):
            advice = "close it with ')'"
            found.append(Diagnostic("'(' is never closed", opened[-1].span, help=advice))
        elif opened:
            continue
        elif statement and not any(part.kind is Kind.BAD for part in statement):
            yield (*statement, Token(Kind.END, "", token.span))
        statement, opened = [], []


def _with_two_ahead(tokens: tuple[Token, ...]) -> Iterator[tuple[Token, Token, Token]]:
    after = (*tokens[1:], tokens[-1])
    return zip(tokens, after, (*after[1:], tokens[-1]), strict=True)


def _starts_equation(first: Token, second: Token) -> bool:
    is_name = first.kind is Kind.NEXT or (first.kind is Kind.NAME and first.text not in OPTIONS)
    return is_name and second.is_sign("=")


def written(tokens: tuple[Token, ...], lines: dict[int, Line]) -> str:
    """The text of an equation in one line, as its author spaced it."""
    reach: dict[int, tuple[int, int]] = {}
    for token in tokens[:-1]:
        first, _ = reach.get(token.span.line, (token.span.column, 0))
        reach[token.span.line] = first, token.span.column + token.span.length
    pieces = []
    for number, (first, last) in reach.items():
        line = lines[number]
        pieces.append(line.text[first - line.column : last - line.column])
    return " ".join(pieces)
