"""Lines of a spec -> tokens, each with its place in the file.

A character that no token starts with is reported with what to write instead, and leaves a BAD
token, so that the rest of the text is still checked.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass, replace
from enum import Enum, auto

from grugen.errors import Diagnostic
from grugen.source import SourceText, Span
from grugen.spec.names import NAME
from grugen.spec.tree import Line


class Kind(Enum):
    """What a token is; NEXT is a name with a prime, END follows the last token."""

    NUMBER = auto()
    NAME = auto()
    NEXT = auto()
    SIGN = auto()
    LINE_END = auto()
    BAD = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """`text` leaves out the prime of a NEXT."""

    kind: Kind
    text: str
    span: Span

    def __str__(self) -> str:
        if self.kind in (Kind.END, Kind.LINE_END):
            return "the end of the line"
        return f"'{self.text}''" if self.kind is Kind.NEXT else f"'{self.text}'"

    def is_sign(self, *texts: str) -> bool:
        """Whether this is one of these signs."""
        return self.kind is Kind.SIGN and self.text in texts


_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NAME = re.compile(r"([A-Za-z][A-Za-z0-9_]*)('*)")
_SIGN = re.compile(r"\*\*|<=|>=|==|!=|[-+*/@<>=(),;]")
_NUMBER_TAIL = re.compile(r"[A-Za-z0-9_.]*")

_INDEXING = "there is no indexing: h is the previous value, h' the next, split(v, 2) cuts a vector"
_ASCII_ADVICE = {
    "^": "a power is written **",
    "[": _INDEXING,
    "]": _INDEXING,
    "{": "parentheses are the only brackets",
    "}": "parentheses are the only brackets",
    ".": "there are no attributes and no methods",
    "%": "the remainder is written mod(a, b)",
    "&": "write one where inside another for 'and'",
    "|": "write one where inside another for 'or'",
    "!": "swap the last two arguments of where for 'not'",
    "~": "swap the last two arguments of where for 'not'",
    "?": "a choice is written where(condition, a, b)",
    ":": "an equation is written  name = expression",
    "\\": "an expression in parentheses may go on in the next line",
    "_": "a name starts with a letter",
    "'": "the next value of a state is written h', with no space before the prime",
    '"': "equations have no texts",
    "`": "equations have no texts",
}
_SPELLINGS = {
    "−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "⊙": "*", "∘": "*", "∗": "*", "÷": "/",
    "≤": "<=", "≥": ">=", "≠": "!=", "′": "'", "’": "'", "ʹ": "'", "²": "**2", "³": "**3",
    "∞": "inf", "√": "sqrt(...)",
}  # fmt: skip

LONGEST_LINE = 4000
MOST_TOKENS = 50_000
"""Limits for texts that no person wrote: what is beyond them is not even looked at."""


def tokenize(
    source: SourceText, lines: tuple[Line, ...], found: list[Diagnostic]
) -> tuple[Token, ...]:
    """The tokens of the lines, a LINE_END after each line and an END at last."""
    tokens: list[Token] = []
    for line in lines:
        start = Span(source, line.number, line.column)
        if len(line.text) > LONGEST_LINE:
            message = f"a line of {len(line.text)} characters, at most {LONGEST_LINE}"
            found.append(Diagnostic(message, start))
            tokens += (Token(Kind.BAD, "", start), Token(Kind.LINE_END, "", start))
            continue
        tokens += _line_tokens(source, line, found)
        if len(tokens) > MOST_TOKENS:
            message = f"more than {MOST_TOKENS} names, numbers and signs in all equations"
            found.append(Diagnostic(message, start))
            break
    last = lines[-1] if lines else Line("", 1, 1)
    tokens.append(Token(Kind.END, "", Span(source, last.number, last.column + len(last.text))))
    return tuple(tokens)


def _line_tokens(source: SourceText, line: Line, found: list[Diagnostic]) -> list[Token]:
    tokens: list[Token] = []
    is_reported = False  # one bad character a line: the next ones mostly follow from the first
    place = 0
    while place < len(line.text) and line.text[place] != "#":
        start = Span(source, line.number, line.column + place)
        if line.text[place] in " \t":
            place += 1
            continue
        token, mistake = _token(line.text, place, start)
        if mistake is not None and not is_reported:
            found.append(mistake)
            is_reported = True
        tokens.append(token)
        place = token.span.column + token.span.length - line.column
    end = Span(source, line.number, line.column + place)
    tokens.append(Token(Kind.LINE_END, "", end))
    return tokens


def _token(text: str, place: int, start: Span) -> tuple[Token, Diagnostic | None]:
    """The token that begins at `place`, which is no space."""
    if number := _NUMBER.match(text, place):
        return _number_token(text, number, start)
    if name := _NAME.match(text, place):
        span = replace(start, length=len(name[0]))
        if len(name[2]) > 1:
            advice = f"one prime is the next value of a state: {name[1]}'"
            mistake = Diagnostic(f"'{name[0]}' has {len(name[2])} primes", span, help=advice)
            return Token(Kind.BAD, name[0], span), mistake
        return Token(Kind.NEXT if name[2] else Kind.NAME, name[1], span), None
    if sign := _SIGN.match(text, place):
        return Token(Kind.SIGN, sign[0], replace(start, length=len(sign[0]))), None
    char = text[place]
    mistake = Diagnostic(f"unexpected character {_quoted(char)}", start, help=_char_advice(char))
    return Token(Kind.BAD, char, start), mistake


def _number_token(text: str, number: re.Match[str], start: Span) -> tuple[Token, Diagnostic | None]:
    tail = _NUMBER_TAIL.match(text, number.end())
    whole = number[0] + (tail[0] if tail else "")
    span = replace(start, length=len(whole))
    if whole != number[0]:
        rest = whole[len(number[0]) :]
        advice = "a number is written 2, 0.5 or 1e-5"
        if NAME.fullmatch(rest) and not re.fullmatch("[eEjJ]|[xX][0-9a-fA-F]*", rest):
            advice = f"a product is written {number[0]} * {rest}"
        mistake = Diagnostic(f"'{whole}' is not a number", span, help=advice)
        return Token(Kind.BAD, whole, span), mistake
    value = float(whole)
    is_lost = math.isinf(value) or (value == 0 and re.search("[1-9]", re.split("[eE]", whole)[0]))
    if is_lost:
        size = "large" if value else "small"
        shown = whole if len(whole) <= 20 else f"{whole[:20]}..."
        mistake = Diagnostic(f"the number '{shown}' is too {size} for a float64", span)
        return Token(Kind.BAD, whole, span), mistake
    return Token(Kind.NUMBER, whole, span), None


def _quoted(char: str) -> str:
    if not char.isprintable():
        return f"U+{ord(char):04X}"
    return '"\'"' if char == "'" else f"'{char}'"


def _char_advice(char: str) -> str:
    if char in _ASCII_ADVICE:
        return _ASCII_ADVICE[char]
    if char.isascii():
        return ""
    if char in _SPELLINGS:
        return f"write {_SPELLINGS[char]}"
    if char.isspace():
        return "write a plain space"
    if not char.isprintable():
        return "remove it: it cannot be seen"
    words = unicodedata.name(char, "").split()
    if words[:1] == ["GREEK"] and "LETTER" in words:
        names = words[words.index("LETTER") + 1 :]
        letter = names[1] if names[:1] == ["FINAL"] else names[0]
        spelt = letter.lower() if "SMALL" in words else letter.capitalize()
        return f"names are ASCII: spell Greek letters out, here '{spelt}'"
    return "names consist of ASCII letters, digits and '_'; other text stands in 'doc'"
