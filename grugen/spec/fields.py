"""Nodes of the tree -> names, numbers, flags, texts, with a diagnostic where one does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from grugen.errors import Diagnostic
from grugen.source import Span
from grugen.spec.model import Name
from grugen.spec.names import did_you_mean, listed
from grugen.spec.tree import Entry, Mapping, Node, Scalar, Sequence

_NUMBER = re.compile(r"[-+]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|inf)")
_WHOLE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Word:
    """A text and its place."""

    text: str
    span: Span


def found_text(node: Node) -> str:
    """What a node is, for messages: `a list`, `'1:30'`, `nothing`."""
    match node:
        case Sequence():
            return "a list"
        case Mapping():
            return "a mapping"
        case Scalar(text):
            shown = text.split("\n")[0]
            return f"'{shown[:40]}'" if text else "nothing"


def mapping_entries(node: Node, what: str, found: list[Diagnostic]) -> tuple[Entry, ...]:
    """The entries of a mapping; nothing at all counts as an empty one."""
    if isinstance(node, Mapping):
        return node.entries
    if not _is_nothing(node):
        message = f"expected {what}, found {found_text(node)}"
        found.append(Diagnostic(message, node.span))
    return ()


def items(node: Node, what: str, found: list[Diagnostic]) -> tuple[Node, ...] | None:
    """The items of a list."""
    if isinstance(node, Sequence):
        return node.items
    found.append(Diagnostic(f"expected {what}, found {found_text(node)}", node.span))
    return None


def known_fields(
    node: Mapping, known: Iterable[str], what: str, found: list[Diagnostic]
) -> dict[str, Node]:
    """The entries by key, those with unknown keys left out."""
    known = tuple(known)
    fields: dict[str, Node] = {}
    previous: Entry | None = None
    for entry in node.entries:
        key = entry.key.text
        if key in known:
            fields[key] = entry.value
        else:
            found.append(_unknown_key(entry, previous, known, what))
            if _is_cut_by(entry, previous) and previous is not None:
                fields.pop(previous.key.text, None)  # a half text: one mistake is reported once
        previous = entry
    return fields


def _unknown_key(
    entry: Entry, previous: Entry | None, known: tuple[str, ...], what: str
) -> Diagnostic:
    key = entry.key.text
    if previous is not None and _is_cut_by(entry, previous):
        whole = f"{found_text(previous.value)[1:-1]}; {key}"
        advice = f"YAML splits at commas inside braces: write  {whole}"
    else:
        advice = did_you_mean(key, known) or f"expected {listed(known, 'or')}"
    return Diagnostic(f"unknown key '{key}' in {what}", entry.key.span, help=advice)


def _is_cut_by(entry: Entry, previous: Entry | None) -> bool:
    """Whether a comma cut the text of `previous`, so that its rest became the key of `entry`."""
    if previous is None or not isinstance(previous.value, Scalar):
        return False
    text = previous.value.text
    return text.count("(") > text.count(")") and _is_nothing(entry.value)


def text_of(node: Node, what: str, found: list[Diagnostic]) -> str | None:
    """A text that is not empty."""
    if isinstance(node, Scalar) and node.text:
        return node.text
    found.append(Diagnostic(f"expected {what}, found {found_text(node)}", node.span))
    return None


def prose(node: Node, what: str, found: list[Diagnostic]) -> str:
    """Free text, without the line end that a block leaves."""
    if isinstance(node, Scalar) and not node.text:
        return ""
    return (text_of(node, what, found) or "").strip()


def is_number(node: Scalar) -> bool:
    """Whether the text is a number, in range or not."""
    return bool(_NUMBER.fullmatch(node.text))


def number_of(node: Node, what: str, found: list[Diagnostic], advice: str = "") -> float | None:
    """A number: `1`, `-0.5`, `1e-5`, `inf`, `-inf`; `advice` is for what is none."""
    if isinstance(node, Scalar) and is_number(node):
        value = float(node.text)
        if abs(value) != float("inf") or node.text.endswith("inf"):
            return value
        found.append(Diagnostic(f"the number {found_text(node)} is too large", node.span))
        return None
    if isinstance(node, Scalar) and re.fullmatch(r"[-+]?\.(?i:inf)", node.text):
        advice = f"write {node.text[:-4].lower()}inf"
    message = f"expected {what}, found {found_text(node)}"
    found.append(Diagnostic(message, node.span, help=advice))
    return None


def whole_of(node: Node, what: str, least: int, found: list[Diagnostic]) -> int | None:
    """A whole number of at most nine digits, not below `least`."""
    if isinstance(node, Scalar) and _WHOLE.fullmatch(node.text) and int(node.text) >= least:
        return int(node.text)
    message = f"expected {what}, a whole number from {least} on, found {found_text(node)}"
    found.append(Diagnostic(message, node.span))
    return None


def flag_of(node: Node, what: str, found: list[Diagnostic]) -> bool | None:
    """`true` or `false`."""
    if isinstance(node, Scalar) and node.text in ("true", "false"):
        return node.text == "true"
    message = f"expected true or false for {what}, found {found_text(node)}"
    found.append(Diagnostic(message, node.span))
    return None


def value_name(node: Node, what: str, found: list[Diagnostic]) -> Name | None:
    """A name, with or without a prime."""
    if isinstance(node, Scalar) and (name := _VALUE_NAME.fullmatch(node.text)):
        return Name(name[1], bool(name[2]), node.span)
    advice = "name the value in an equation" if isinstance(node, Scalar) and node.text else ""
    found.append(Diagnostic(f"expected {what}, found {found_text(node)}", node.span, help=advice))
    return None


_VALUE_NAME = re.compile(r"([A-Za-z][A-Za-z0-9_]*)('?)")


def names_of(key: Scalar) -> Iterator[Word]:
    """The names that a key holds, separated by commas."""
    place = 0
    for piece in key.text.split(","):
        word = piece.strip()
        offset = place + len(piece) - len(piece.lstrip())
        yield Word(word, part_of(key, offset, len(word)))
        place += len(piece) + 1


def shares_next(entry: Entry) -> bool:
    """Whether a name stands before a comma inside braces: `{U_z, U_r: [H, H]}`.

    YAML takes it for a key without a value; it shares the value of the next one.
    """
    span = entry.key.span
    rest = span.source.line(span.line)[span.column - 1 + span.length :]
    return _is_nothing(entry.value) and rest.lstrip().startswith(",")


def part_of(scalar: Scalar, offset: int, length: int) -> Span:
    """Where `length` characters of a one-line scalar stand; the scalar's own place if unknown."""
    if len(scalar.lines) != 1:
        return scalar.span
    column = scalar.lines[0].column + offset
    return replace(scalar.span, column=column, length=max(length, 1))


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text == ""
