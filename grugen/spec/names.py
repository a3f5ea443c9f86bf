"""What a name may look like, which words are taken, which word a misspelt one was meant to be."""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Iterable

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
MODULE_NAME = re.compile(r"[a-z][a-z0-9_]*")

PYTHON_KEYWORDS = frozenset(keyword.kwlist)

# fmt: off
C_KEYWORDS = frozenset((
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum",
    "extern", "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict",
    "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union",
    "unsigned", "void", "volatile", "while",
))
# fmt: on
"""The keywords of C11 that match `NAME`."""

CELL_OPTIONS = ("seed", "target", "dtype", "device")
FORWARD_OPTIONS = ("states", "lengths", "reverse", "tape", "threads", "stream")
"""The arguments of `Cell` and of `forward` that are no names of a spec. The lists are closed.

Inputs, static inputs, dims, constants and hypers are arguments beside them, so they may not have
these names."""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A question that names the closest of `candidates`; empty when none is close."""
    choice = sorted(set(candidates))
    if len(word) > 60 or len(choice) > 1000:
        return ""  # no spec that a person wrote
    close = difflib.get_close_matches(word, choice, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def listed(words: Iterable[str], last: str = "and") -> str:
    """`a, b and c`, each in quotes."""
    quoted = [f"'{word}'" for word in words]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"
