"""The text of one spec file -> a draft: every section read by itself, nothing checked across them.

The schema is written in specs/README.md.
"""

from __future__ import annotations

from grugen.errors import Diagnostic, SpecError
from grugen.source import SourceText
from grugen.spec.declarations import read_section
from grugen.spec.draft import Described, Draft
from grugen.spec.equations import parse_equations
from grugen.spec.fields import (
    Word,
    found_text,
    is_number,
    items,
    known_fields,
    mapping_entries,
    prose,
    text_of,
    value_name,
)
from grugen.spec.interchange import read_interchange
from grugen.spec.model import Declaration, Equation, Output, Role
from grugen.spec.tree import Entry, Mapping, Node, Scalar, parse_yaml

VERSION = "1"
SECTIONS = (
    "spec", "name", "doc", "cite", "extends", "drop", "dims", *(role.value for role in Role),
    "equations", "outputs", "interchange",
)  # fmt: skip


def read_draft(source: SourceText) -> Draft:
    """The draft of one file; all mistakes that show in this file alone are raised together."""
    root = parse_yaml(source)
    _check_version(root)
    found: list[Diagnostic] = []
    fields = known_fields(root, SECTIONS, "the spec", found)
    draft = _Reader(root, fields, found).draft()
    if found:
        raise SpecError(found)
    return draft


def _check_version(root: Mapping) -> None:
    for entry in root.entries:
        if entry.key.text == "spec":
            if isinstance(entry.value, Scalar) and entry.value.text == VERSION:
                return
            shown = found_text(entry.value)
            message = f"this grugen reads version {VERSION} of the spec language, found {shown}"
            raise SpecError([Diagnostic(message, entry.value.span, help=f"write  spec: {VERSION}")])
    message = "the spec does not say its version"
    raise SpecError([Diagnostic(message, root.span, help=f"begin with  spec: {VERSION}")])


class _Reader:
    """Takes the sections of one file."""

    def __init__(self, root: Mapping, fields: dict[str, Node], found: list[Diagnostic]) -> None:
        self.root = root
        self.fields = fields
        self.found = found
        self.uses: dict[str, Word] = {}

    def draft(self) -> Draft:
        extends = self._word("extends", "the file or the name of another spec")
        name = self._word("name", "the cell's name")
        if "name" not in self.fields:
            self._missing("name", "add  name: my_cell")
        has_unknown_keys = len(self.fields) < len(self.root.entries)
        if "extends" not in self.fields and not has_unknown_keys:
            self._check_present()
        interchange = self.fields.get("interchange")
        return Draft(
            source=self.root.span.source,
            start=self.root.span,
            name=name or Word("", self.root.span),
            doc=self._prose("doc"),
            cite=self._prose("cite"),
            extends=extends,
            drop=self._drop(),
            dims=self._dims(),
            declarations=self._declarations(),
            dim_uses=tuple(self.uses.values()),
            equations=self._equations(),
            outputs=self._outputs(),
            interchange=None if interchange is None else read_interchange(interchange, self.found),
        )

    def _check_present(self) -> None:
        """A whole spec has these; one that extends another may leave all of them to it."""
        if "states" not in self.fields:
            self._missing("states", "a recurrent cell carries a state:  states: {h: [H]}")
        if "equations" not in self.fields:
            self._missing("equations", "add a block  equations: |  with one equation per line")
        if "outputs" not in self.fields:
            self._missing("outputs", "say what each step returns:  outputs: {y: h'}")
        if "drop" in self.fields:
            message = "'drop' without 'extends'"
            advice = "only what is taken over from another spec can be dropped"
            self.found.append(Diagnostic(message, self.fields["drop"].span, help=advice))

    def _missing(self, section: str, advice: str) -> None:
        message = f"the spec has no section '{section}'"
        self.found.append(Diagnostic(message, self.root.span, help=advice))

    def _word(self, key: str, what: str) -> Word | None:
        if key not in self.fields:
            return None
        node = self.fields[key]
        text = text_of(node, what, self.found)
        return None if text is None else Word(text, node.span)

    def _prose(self, key: str) -> str | None:
        return prose(self.fields[key], "text", self.found) if key in self.fields else None

    def _drop(self) -> tuple[Word, ...]:
        if "drop" not in self.fields:
            return ()
        names = items(self.fields["drop"], "a list of names", self.found) or ()
        read = (value_name(node, "a name", self.found) for node in names)
        return tuple(Word(name.name, name.span) for name in read if name is not None)

    def _dims(self) -> tuple[Described, ...]:
        entries = self._entries("dims", "descriptions, such as  H: hidden units")
        for entry in entries:
            if isinstance(entry.value, Scalar) and is_number(entry.value):
                key = entry.key.text
                message = f"expected a description of '{key}', found {found_text(entry.value)}"
                advice = f"sizes are given at run time: Cell({key}={entry.value.text}, ...)"
                self.found.append(Diagnostic(message, entry.value.span, help=advice))
        return tuple(
            Described(entry.key.text, prose(entry.value, "text", self.found), entry.key.span)
            for entry in entries
        )

    def _entries(self, section: str, what: str) -> tuple[Entry, ...]:
        if section not in self.fields:
            return ()
        return mapping_entries(self.fields[section], what, self.found)

    def _declarations(self) -> tuple[Declaration, ...]:
        return tuple(
            declaration
            for role in Role
            if role.value in self.fields
            for declaration in read_section(role, self.fields[role.value], self.uses, self.found)
        )

    def _equations(self) -> tuple[Equation, ...]:
        if "equations" not in self.fields:
            return ()
        node = self.fields["equations"]
        advice = "write  equations: |  and below it, indented, one equation per line"
        if not isinstance(node, Scalar):
            message = f"expected the equations as text, found {found_text(node)}"
            self.found.append(Diagnostic(message, node.span, help=advice))
            return ()
        if node.text.strip() and not node.lines:
            message = "equations in a text that YAML joins or unescapes"
            self.found.append(Diagnostic(message, node.span, help=advice))
            return ()
        return parse_equations(node.span.source, node.lines, self.found)

    def _outputs(self) -> tuple[Output, ...]:
        outputs = []
        for entry in self._entries("outputs", "outputs, such as  y: h'"):
            what = f"a value for the output '{entry.key.text}'"
            value = value_name(entry.value, what, self.found)
            if value is not None:
                outputs.append(Output(entry.key.text, value, entry.key.span))
        return tuple(outputs)
