"""Rules about outputs: what a step may return."""

from __future__ import annotations

from collections.abc import Iterator

from grugen.errors import Diagnostic
from grugen.spec.declarations import noun
from grugen.spec.draft import Draft
from grugen.spec.model import Role
from grugen.spec.names import did_you_mean
from grugen.spec.rules.scope import declarations, definitions


def has_outputs(draft: Draft) -> Iterator[Diagnostic]:
    """A step returns something."""
    if not draft.outputs:
        advice = "say what each step returns:  outputs: {y: h'}"
        yield Diagnostic("the spec declares no output", draft.start, help=advice)


def outputs_are_values_of_the_step(draft: Draft) -> Iterator[Diagnostic]:
    """An output is the value of an equation: a defined name or the next value of a state."""
    known = declarations(draft)
    defined = definitions(draft)
    for output in draft.outputs:
        value = output.value
        declared = known.get(value.name)
        is_state = declared is not None and declared.role is Role.STATE
        if (value.name, value.next) in defined or (is_state and value.next):
            continue
        advice = ""
        if is_state:
            message = f"output '{output.name}': '{value}' is the previous value of a state"
            advice = f"write {value}' for the new value"
        elif declared is not None:
            message = f"output '{output.name}': '{value}' is {noun(declared.role)}"
            advice = "an output is the value of an equation"
        elif (value.name, False) in defined:
            message = f"output '{output.name}': '{value.name}' has no next value: it is no state"
            advice = f"write {value.name}"
        else:
            message = f"output '{output.name}': unknown name '{value}'"
            states = (name for name in known if known[name].role is Role.STATE)
            advice = did_you_mean(value.name, (*states, *(name for name, _ in defined)))
        yield Diagnostic(message, value.span, help=advice)


RULES = (has_outputs, outputs_are_values_of_the_step)
