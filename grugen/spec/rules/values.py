"""Rules about the flow of values through the equations: defined once, before use, and for a use."""

from __future__ import annotations

import re
from collections.abc import Iterator

from grugen.errors import Diagnostic
from grugen.source import Span
from grugen.spec.declarations import noun
from grugen.spec.draft import Draft
from grugen.spec.expressions import walk
from grugen.spec.functions import FUNCTIONS
from grugen.spec.model import Name, Role
from grugen.spec.names import did_you_mean
from grugen.spec.rules.scope import declarations, definitions, dims_in_use, expressions, of_role


def targets_may_be_assigned(draft: Draft) -> Iterator[Diagnostic]:
    """Equations define new names and the next values of states, nothing else."""
    known = declarations(draft)
    for target in (target for equation in draft.equations for target in equation.targets):
        declared = known.get(target.name)
        if declared is None:
            if target.next:
                message = f"'{target}' is the next value of a state, but '{target.name}' is none"
                advice = f"declare '{target.name}' in 'states', or write  {target.name} = ..."
                yield Diagnostic(message, target.span, help=advice)
            continue
        note = (f"'{target.name}' is declared here", declared.span)
        if declared.role is not Role.STATE:
            message = f"cannot assign to '{target.name}': it is {noun(declared.role)}"
            yield Diagnostic(message, target.span, note=note, help="choose another name")
        elif not target.next:
            message = f"'{target.name}' is a state; equations define its next value"
            advice = f"write  {target.name}' = ..."
            yield Diagnostic(message, target.span, note=note, help=advice)


def values_are_defined_once(draft: Draft) -> Iterator[Diagnostic]:
    """A name means the same in all lines."""
    first: dict[tuple[str, bool], Name] = {}
    for target in (target for equation in draft.equations for target in equation.targets):
        other = first.setdefault((target.name, target.next), target)
        if other is not target:
            note = ("first defined here", other.span)
            message = f"'{target}' is defined twice"
            yield Diagnostic(message, target.span, note=note, help="give one of them another name")


def states_are_updated(draft: Draft) -> Iterator[Diagnostic]:
    """Every state needs its next value."""
    defined = definitions(draft)
    for state in of_role(draft, Role.STATE):
        is_unprimed = (state.name, False) in defined  # reported where it is written
        if (state.name, True) not in defined and not is_unprimed:
            message = f"no equation defines the next value of the state '{state.name}'"
            yield Diagnostic(message, state.span, help=f"add  {state.name}' = ...")


def names_are_known_where_read(draft: Draft) -> Iterator[Diagnostic]:
    """Equations are evaluated from top to bottom; each name is reported once."""
    known = declarations(draft)
    defined = definitions(draft)
    reported: set[tuple[str, bool]] = set()
    for place, equation in enumerate(draft.equations):
        for part in walk(equation.value):
            if not isinstance(part, Name) or (part.name, part.next) in reported:
                continue
            declared = known.get(part.name)
            if declared is not None and (not part.next or declared.role is not Role.STATE):
                breach = None if not part.next else _no_next(part, f"it is {noun(declared.role)}")
            else:
                breach = _undefined(draft, part, place, defined)
            if breach is not None:
                reported.add((part.name, part.next))
                yield breach


def _no_next(name: Name, reason: str) -> Diagnostic:
    message = f"'{name.name}' has no next value: {reason}"
    return Diagnostic(message, name.span, help=f"write {name.name}")


def _undefined(
    draft: Draft, name: Name, place: int, defined: dict[tuple[str, bool], int]
) -> Diagnostic | None:
    """What is wrong with reading `name`, which is no declared value, in equation `place`."""
    here = defined.get((name.name, name.next))
    if here is not None:
        return _too_early(draft, name, place, here) if here >= place else None
    if name.next:
        if name.name in {state.name for state in of_role(draft, Role.STATE)}:
            return None  # a state without its equation is reported at the state
        if (name.name, False) in defined:
            return _no_next(name, "it is no state")
    return _unknown(draft, name, defined)


def _too_early(draft: Draft, name: Name, place: int, here: int) -> Diagnostic:
    """`name` is read in equation `place`, but defined in `here`, the same or a later one."""
    if here == place:
        advice = "" if name.next else "only a state has a previous value"
        return Diagnostic(f"'{name}' is read in its own definition", name.span, help=advice)
    target = next(t for t in draft.equations[here].targets if str(t) == str(name))
    where = f"in line {target.span.line}"
    if target.span.source is not name.span.source:
        where = f"in {target.span.cite}"
    note = (f"'{name}' is defined here", target.span)
    advice = "equations are in order of evaluation"
    if draft.extends is not None and target.span.source is draft.source:
        advice += "; the new ones of an extending spec come before the first state update"
    message = f"'{name}' is read before it is defined {where}"
    return Diagnostic(message, name.span, note=note, help=advice)


def _unknown(draft: Draft, name: Name, defined: dict[tuple[str, bool], int]) -> Diagnostic:
    label = "not declared and not defined"
    candidates = [*declarations(draft), *(defined_name for defined_name, _ in defined)]
    advice = did_you_mean(name.name, candidates)
    if name.name in FUNCTIONS:
        advice = f"it is a function: write {FUNCTIONS[name.name].usage}"
    elif (state := _previous(draft, name.name)) is not None:
        advice = f"{state} is the state's previous value and {state}' its next one"
    elif name.name in dims_in_use(draft):
        advice = "it is a dimension: dimensions stand in shapes and inits only"
    dropped = next((word for word in draft.drop if word.text == name.name), None)
    note = None if dropped is None else (f"'{name.name}' is dropped here", dropped.span)
    return Diagnostic(f"unknown name '{name}'", name.span, label, note=note, help=advice)


def _previous(draft: Draft, name: str) -> str | None:
    """The state that a name such as h_t, h_prev or h_tm1 is meant for."""
    stem = re.fullmatch(r"(\w+?)_?(t|tm1|prev|old|last|next|new|t_1|t1)", name)
    states = [d.name for d in declarations(draft).values() if d.role is Role.STATE]
    return stem[1] if stem is not None and stem[1] in states else None


def _removal(draft: Draft, name: str, span: Span) -> str:
    """How to be rid of a name: what comes from the parent's file is dropped in the child's."""
    return "remove it" if span.source is draft.source else f"add  drop: [{name}]"


def declarations_are_used(draft: Draft) -> Iterator[Diagnostic]:
    """An unused declaration is mostly a slip in an equation."""
    used = {part.name for part in expressions(draft) if isinstance(part, Name)}
    for declared in draft.declarations:
        if declared.init is not None:
            used.add(declared.init.input_name)
            args = (part for arg in declared.init.args for part in walk(arg))
            used |= {part.name for part in args if isinstance(part, Name)}
    for declared in draft.declarations:
        # A state is used by its own update; an output is the only thing that may be missing.
        if declared.role is not Role.STATE and declared.name not in used:
            message = f"'{declared.name}' is {noun(declared.role)} that no equation reads"
            advice = _removal(draft, declared.name, declared.span)
            yield Diagnostic(message, declared.span, help=f"use it or {advice}")


def values_reach_a_result(draft: Draft) -> Iterator[Diagnostic]:
    """What neither a state nor an output needs is mostly a slip, too."""
    needed = {output.value.name for output in draft.outputs if not output.value.next}
    read = {part.name for part in expressions(draft) if isinstance(part, Name) and not part.next}
    for equation in reversed(draft.equations):
        if any(target.next or target.name in needed for target in equation.targets):
            parts = (part for part in walk(equation.value) if isinstance(part, Name))
            needed |= {part.name for part in parts if not part.next}
    known = declarations(draft)
    for target in (target for equation in draft.equations for target in equation.targets):
        if target.next or target.name in needed or target.name in known:
            continue
        message = f"'{target}' is computed but never read"
        if target.name in read:
            message = f"'{target}' is read only for values that reach no state and no output"
        advice = _removal(draft, target.name, target.span)
        yield Diagnostic(message, target.span, help=f"use it in a state or an output, or {advice}")


RULES = (
    targets_may_be_assigned,
    values_are_defined_once,
    states_are_updated,
    names_are_known_where_read,
)
USE_RULES = (declarations_are_used, values_reach_a_result)
"""For a spec without other breaches: a misspelt name also leaves another one unused."""
