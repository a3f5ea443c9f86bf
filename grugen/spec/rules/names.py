"""Rules about the names themselves: how they look, which are taken, which occur twice."""

from __future__ import annotations

from collections.abc import Iterator

from grugen.errors import Diagnostic
from grugen.source import Span
from grugen.spec.declarations import noun
from grugen.spec.draft import Draft
from grugen.spec.equations import INFINITY
from grugen.spec.fields import Word
from grugen.spec.functions import FUNCTIONS
from grugen.spec.model import Role
from grugen.spec.names import (
    C_KEYWORDS,
    CELL_OPTIONS,
    FORWARD_OPTIONS,
    MODULE_NAME,
    NAME,
    PYTHON_KEYWORDS,
    listed,
)
from grugen.spec.rules.scope import declarations, dims_in_use, of_role


def cell_name_is_a_module_name(draft: Draft) -> Iterator[Diagnostic]:
    """The generated module is called like the cell."""
    name = draft.name
    if name.text in PYTHON_KEYWORDS:
        yield _keyword(name.text, name.span, "Python")
    elif not MODULE_NAME.fullmatch(name.text):
        message = f"'{name.text}' cannot be the name of a cell"
        advice = "it becomes a Python module: lower-case letters, digits and '_', a letter first"
        yield Diagnostic(message, name.span, help=advice)


def names_are_identifiers(draft: Draft) -> Iterator[Diagnostic]:
    """Names become C identifiers and Python attributes."""
    words = [Word(declared.name, declared.span) for declared in draft.declarations]
    words += [Word(output.name, output.span) for output in draft.outputs]
    for word in words:
        if not NAME.fullmatch(word.text):
            message = f"'{word.text}' cannot be a name" if word.text else "a name is missing"
            advice = "a name consists of ASCII letters, digits and '_', and starts with a letter"
            yield Diagnostic(message, word.span, help=advice)


def names_are_not_taken(draft: Draft) -> Iterator[Diagnostic]:
    """Keywords would break generated text, function names would break equations."""
    words = [Word(declared.name, declared.span) for declared in draft.declarations]
    words += [Word(t.name, t.span) for equation in draft.equations for t in equation.targets]
    words += _dims(draft)
    outputs = [Word(output.name, output.span) for output in draft.outputs]
    for word in words + outputs:
        if word.text in PYTHON_KEYWORDS:
            yield _keyword(word.text, word.span, "Python")
        elif word.text in C_KEYWORDS:
            yield _keyword(word.text, word.span, "C")
    for word in words:
        if word.text in FUNCTIONS:
            advice = f"choose another name, such as '{word.text}_'"
            yield Diagnostic(f"'{word.text}' is a function of the language", word.span, help=advice)
        elif word.text == INFINITY:
            yield Diagnostic("'inf' is the infinite number", word.span, help="choose another name")


def _dims(draft: Draft) -> list[Word]:
    """The first use of every dim that is still in use after merging."""
    used = set(dims_in_use(draft))
    return [word for word in draft.dim_uses if word.text in used]


def _keyword(name: str, span: Span, language: str) -> Diagnostic:
    advice = f"choose another name, such as '{name}_'"
    return Diagnostic(f"'{name}' is a keyword of {language}", span, help=advice)


def arguments_are_not_options(draft: Draft) -> Iterator[Diagnostic]:
    """`Cell` and `forward` take options beside the names of the spec."""
    roles = (Role.INPUT, Role.STATIC, Role.CONSTANT, Role.HYPER)
    words = [(Word(d.name, d.span), noun(d.role)) for d in of_role(draft, *roles)]
    words += [(word, "a dimension") for word in _dims(draft)]
    for word, what in words:
        for callee, options in (("Cell", CELL_OPTIONS), ("forward", FORWARD_OPTIONS)):
            if word.text in options:
                message = f"'{word.text}' is an option of {callee} and cannot name {what}"
                advice = f"choose another name; the options of {callee} are {listed(options)}"
                yield Diagnostic(message, word.span, help=advice)


def names_are_declared_once(draft: Draft) -> Iterator[Diagnostic]:
    """Inputs, static inputs, constants, hypers, states and params share one namespace."""
    first = declarations(draft)
    for declared in draft.declarations:
        other = first[declared.name]
        if other is not declared:
            message = f"'{declared.name}' is declared twice"
            note = (f"first declared here, as {noun(other.role)}", other.span)
            yield Diagnostic(message, declared.span, note=note, help="rename one of them")


def dims_differ_from_cell_arguments(draft: Draft) -> Iterator[Diagnostic]:
    """Dims, constants and hypers are keyword arguments of `Cell` together."""
    places = {word.text: word.span for word in _dims(draft)}
    for declared in of_role(draft, Role.CONSTANT, Role.HYPER):
        if declared.name in places:
            message = f"'{declared.name}' is {noun(declared.role)} and a dimension"
            note = ("used as a dimension here", places[declared.name])
            advice = "rename one of them: both are arguments of Cell"
            yield Diagnostic(message, declared.span, note=note, help=advice)


RULES = (
    cell_name_is_a_module_name,
    names_are_identifiers,
    names_are_not_taken,
    arguments_are_not_options,
    names_are_declared_once,
    dims_differ_from_cell_arguments,
)
