"""YAML text -> a tree of mappings, lists and scalars that know where they stand in the file.

Only the parser's events are used: nothing is constructed, and anchors, aliases, tags and further
documents are refused where they appear, before they can cost anything. Types of scalars are no
matter of this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, Protocol

import yaml

from grugen.errors import Diagnostic, SpecError
from grugen.source import SourceText, Span

LARGEST = 1024 * 1024
"""The most characters (in a file: bytes) of a spec."""
MOST_LINES = 20_000
MOST_NODES = 10_000
DEEPEST = 12
"""Limits far above what a cell needs: within them the slowest text takes about a second."""

# What may stand in a spec: printable characters, tab and line ends. YAML takes U+0085, U+2028,
# U+2029 and a lone carriage return for line ends; editors do not, so positions would go wrong. The
# signs that turn the direction of writing can make generated comments look like code.
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd"
    "\U00010000-\U0010ffff]|\r(?!\n)"
)
# Plain words that other YAML readers take for a truth value, nothing or a number.
_NOT_TEXT = re.compile(
    r"(?i:yes|no|on|off|true|false|null|~)|[-+]?[0-9.][0-9_.:]*(?:[eE][-+]?[0-9]+)?"
)
_NAMES = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:, [A-Za-z][A-Za-z0-9_]*)*")


def is_plain_key(text: str) -> bool:
    """Whether `text`, names separated by commas, is read as text when it stands unquoted."""
    return bool(_NAMES.fullmatch(text)) and not _NOT_TEXT.fullmatch(text)


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of a scalar's text that stands in one line of the file, from `column` on."""

    text: str
    number: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text. `lines` says where it stands; empty where folding or escapes moved its characters."""

    text: str
    plain: bool
    lines: tuple[Line, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    """`key: value`."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Entries in the order of the file; no key occurs twice."""

    entries: tuple[Entry, ...]
    span: Span


Node = Scalar | Sequence | Mapping


def parse_yaml(source: SourceText) -> Mapping:
    """The mapping that the text consists of."""
    start = Span(source, 1, 1)
    if len(source.text) > LARGEST:
        raise SpecError([Diagnostic("the spec is larger than 1 MiB", start)])
    if source.text.count("\n") > MOST_LINES:
        raise SpecError([Diagnostic(f"the spec has more than {MOST_LINES} lines", start)])
    _refuse_unprintable(source)
    found: list[Diagnostic] = []
    root = _Composer(source, found).document()
    if not isinstance(root, Mapping):
        empty = isinstance(root, Scalar) and root.plain and not root.text
        what = "nothing" if empty else "a list" if isinstance(root, Sequence) else "plain text"
        place = start if empty else root.span
        message = f"expected a mapping that starts with 'spec: 1', found {what}"
        found.append(Diagnostic(message, place))
    if found or not isinstance(root, Mapping):
        raise SpecError(found)
    return root


def _refuse_unprintable(source: SourceText) -> None:
    bad = _UNPRINTABLE.search(source.text)
    if bad is None:
        return
    before = source.text[: bad.start()]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    message = f"unprintable character U+{ord(bad[0][0]):04X}"
    raise SpecError([Diagnostic(message, Span(source, line, column), help="remove it")])


class _Mark(Protocol):
    """A place as PyYAML has it, counted from 0."""

    line: int
    column: int


class _Composer:
    """Takes the events of one text one by one."""

    def __init__(self, source: SourceText, found: list[Diagnostic]) -> None:
        self.source = source
        self.found = found
        self.nodes = 0
        self.file_lines = source.text.split("\n")
        self.events = self._read_events()

    def _read_events(self) -> Iterator[yaml.Event]:
        loader = yaml.SafeLoader(self.source.text)
        try:
            while loader.check_event():
                event: yaml.Event = loader.get_event()  # type: ignore[no-untyped-call]
                yield event
        except yaml.MarkedYAMLError as error:
            raise SpecError([self._syntax_error(error)]) from None
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # PyYAML lets int() and chr() fail on "\UFFFFFFFF" and on endless version numbers
            reason = "a number or a character code is out of range"
            if isinstance(error, yaml.YAMLError):
                reason = " ".join(str(error).split())
            place = self._span(loader.get_mark())
            raise SpecError([Diagnostic(f"not valid YAML: {reason}", place)]) from None
        finally:
            loader.dispose()

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> Diagnostic:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem).split())
        note = None
        if error.context and error.context_mark and error.context_mark is not mark:
            note = (" ".join(error.context.split()), self._span(error.context_mark))
        return Diagnostic(
            f"not valid YAML: {problem}", self._span(mark), note=note, help=_syntax_help(problem)
        )

    def document(self) -> Node:
        next(self.events)  # the start of the stream
        event = next(self.events)
        if not isinstance(event, yaml.DocumentStartEvent):
            return Scalar("", True, (), Span(self.source, 1, 1))
        if event.version is not None or event.tags:
            self._refuse("a YAML directive", event, "remove the lines that start with '%'")
        root = self._node(next(self.events), 1)
        next(self.events)  # the end of the document
        after = next(self.events)
        if isinstance(after, yaml.DocumentStartEvent):
            self._refuse("a second document", after, "put each cell into a file of its own")
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            self._refuse(f"more than {MOST_NODES} entries", event, "")
        if depth > DEEPEST:
            self._refuse(f"more than {DEEPEST} levels of nesting", event, "")
        if isinstance(event, yaml.AliasEvent):
            advice = f'write the value out, or quote the text: "*{event.anchor}"'
            self._refuse(f"an alias, '*{event.anchor}'", event, advice)
        assert isinstance(event, yaml.NodeEvent)
        if event.anchor is not None:
            self._refuse(f"an anchor, '&{event.anchor}'", event, "remove it")
        if isinstance(event, yaml.ScalarEvent):
            if event.tag is not None:
                self._refuse("a tag", event, "remove it; text that starts with '!' is quoted")
            return self._scalar(event)
        assert isinstance(event, yaml.CollectionStartEvent)
        if event.tag is not None:
            self._refuse("a tag", event, "remove it")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, depth)
        return self._mapping(event, depth)

    def _sequence(self, start: yaml.CollectionStartEvent, depth: int) -> Sequence:
        items = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return Sequence(tuple(items), self._span(start.start_mark))

    def _mapping(self, start: yaml.CollectionStartEvent, depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, Scalar):
                self._refuse("a list or mapping as a key", event, "a key is a name")
            value = self._node(next(self.events), depth + 1)
            self._check_key(key)
            first = entries.get(key.text)
            if first is None:
                entries[key.text] = Entry(key, value)
            else:
                note = ("the first one is here", first.key.span)
                message = f"duplicate key '{key.text}'"
                self.found.append(Diagnostic(message, key.span, note=note))
        return Mapping(tuple(entries.values()), self._span(start.start_mark))

    def _check_key(self, key: Scalar) -> None:
        if not key.plain:
            return
        if key.text == "<<":
            advice = "write the entries out, or use 'extends'"
            self.found.append(Diagnostic("merge keys are not read", key.span, help=advice))
        elif _NOT_TEXT.fullmatch(key.text):
            message = f"YAML does not read the key '{key.text}' as text"
            advice = f'quote it: "{key.text}"'
            self.found.append(Diagnostic(message, key.span, help=advice))

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        text = event.value
        start, end = event.start_mark, event.end_mark
        assert start is not None
        assert end is not None
        bad = _UNPRINTABLE.search(text)
        if bad is not None:
            self._refuse(f"the unprintable character U+{ord(bad[0][0]):04X}", event, "remove it")
        span = self._span(start)
        lines: tuple[Line, ...] = ()
        if event.style == "|":
            lines = self._block_lines(text, start.line + 1)
        elif event.style != ">" and start.line == end.line:
            quote = 1 if event.style else 0
            first, last = start.column + quote, end.column - quote
            if self.file_lines[start.line][first:last] == text:
                lines = (Line(text, span.line, first + 1),)
                span = Span(self.source, span.line, first + 1, max(len(text), 1))
        return Scalar(text, not event.style, lines, span)

    def _block_lines(self, text: str, after: int) -> tuple[Line, ...]:
        """The lines of a `|` block whose first line has the 0-based number `after`."""
        lines = []
        for number, line in enumerate(text.split("\n"), after):
            if line.strip():
                indent = len(self.file_lines[number].rstrip("\r")) - len(line)
                lines.append(Line(line, number + 1, indent + 1))
        return tuple(lines)

    def _span(self, mark: _Mark | None) -> Span:
        if mark is None:
            return Span(self.source, 1, 1)
        # At the end of the text the mark stands past the last line; show the last line instead.
        line = min(mark.line, len(self.file_lines) - 1)
        return Span(self.source, line + 1, mark.column + 1 if line == mark.line else 1)

    def _refuse(self, what: str, event: yaml.Event, advice: str) -> NoReturn:
        place = self._span(event.start_mark)
        raise SpecError([Diagnostic(f"a spec cannot have {what}", place, help=advice)])


def _syntax_help(problem: str) -> str:
    if "'\\t'" in problem:
        return "indent with spaces, not tabs"
    if "cannot start any token" in problem:
        return "quote the text; equations stand in a block: 'equations: |'"
    if "mapping values are not allowed" in problem:
        return "text with ': ' in it is quoted"
    return ""
