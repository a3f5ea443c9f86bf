"""Two drafts, a parent and the child that extends it -> one draft, merged by name.

Every piece keeps its place, so that a mistake points into the file that it came from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Protocol, TypeVar

from grugen.errors import Diagnostic, SpecError
from grugen.spec.draft import Draft
from grugen.spec.fields import Word
from grugen.spec.model import Declaration, Equation, ExternalTensor, Role
from grugen.spec.names import did_you_mean


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Item = TypeVar("Item", bound=_Named)


def merge(parent: Draft, child: Draft) -> Draft:
    """The child's draft, completed from its parent's."""
    _refuse_grandparent(parent, child)
    _check_drops(parent, child)
    drop = {word.text for word in child.drop}
    kept = tuple(declared for declared in parent.declarations if declared.name not in drop)
    return replace(
        child,
        doc=parent.doc if child.doc is None else child.doc,
        cite=parent.cite if child.cite is None else child.cite,
        dims=_by_name(parent.dims, child.dims, drop),
        dim_uses=_first_uses(parent, child),
        declarations=_merged_declarations(kept, child.declarations),
        equations=_merged_equations(parent, child, drop),
        outputs=_by_name(parent.outputs, child.outputs, drop),
        interchange=_merged_interchange(parent, child, drop),
    )


def _refuse_grandparent(parent: Draft, child: Draft) -> None:
    if parent.extends is None or child.extends is None:
        return
    note = (f"'{parent.name.text}' extends '{parent.extends.text}'", parent.extends.span)
    message = f"'{child.extends.text}' extends another spec itself"
    advice = "only one level of 'extends' is allowed; extend a spec that stands alone"
    raise SpecError([Diagnostic(message, child.extends.span, note=note, help=advice)])


def _check_drops(parent: Draft, child: Draft) -> None:
    names = [declared.name for declared in parent.declarations]
    names += [target.name for equation in parent.equations for target in equation.targets]
    names += [output.name for output in parent.outputs]
    names += [described.name for described in parent.dims]
    found = []
    for word in child.drop:
        if word.text not in names:
            message = f"'{parent.name.text}' has no '{word.text}' to drop"
            advice = did_you_mean(word.text, names)
            found.append(Diagnostic(message, word.span, help=advice))
    if found:
        raise SpecError(found)


def _by_name(
    parents: Iterable[Item], children: Iterable[Item], drop: Collection[str]
) -> tuple[Item, ...]:
    """The parent's items, the child's in place of those they replace, then the child's others."""
    own = tuple(children)
    replaced: set[str] = set()
    merged: list[Item] = []
    for item in parents:
        if item.name in drop:
            continue
        if item.name not in replaced:
            replacements = [other for other in own if other.name == item.name]
            merged += replacements or [item]
            replaced |= {other.name for other in replacements}
    return (*merged, *(other for other in own if other.name not in replaced))


def _merged_declarations(
    kept: tuple[Declaration, ...], own: tuple[Declaration, ...]
) -> tuple[Declaration, ...]:
    roles = list(Role)
    return tuple(sorted(_by_name(kept, own, ()), key=lambda declared: roles.index(declared.role)))


def _first_uses(parent: Draft, child: Draft) -> tuple[Word, ...]:
    """Where each dim of the merged declarations is used first; the child's own places go first."""
    places = {word.text: word for word in (*parent.dim_uses, *child.dim_uses)}
    return tuple(places.values())


def _left_side(equation: Equation) -> tuple[tuple[str, bool], ...]:
    return tuple((target.name, target.next) for target in equation.targets)


def _merged_equations(parent: Draft, child: Draft, drop: Collection[str]) -> tuple[Equation, ...]:
    """An equation of the child replaces the one with the same left side, in its place.

    The child's other equations are inserted before the parent's first state update.
    """
    replacements: dict[tuple[tuple[str, bool], ...], list[Equation]] = {}
    for equation in child.equations:
        replacements.setdefault(_left_side(equation), []).append(equation)
    kept = [
        equation
        for equation in parent.equations
        if not any(target.name in drop for target in equation.targets)
    ]
    sides = {_left_side(equation) for equation in kept}
    new = [equation for equation in child.equations if _left_side(equation) not in sides]
    merged: list[Equation] = []
    for equation in kept:
        if new and any(target.next for target in equation.targets):
            merged += new
            new = []
        merged += replacements.pop(_left_side(equation), [equation])
    return (*merged, *new)


def _merged_interchange(
    parent: Draft, child: Draft, drop: Collection[str]
) -> tuple[ExternalTensor, ...] | None:
    """The child's formats; those of the parent only where no parameter changed."""
    if parent.interchange is None or child.interchange == ():
        return child.interchange
    own = child.interchange or ()
    shapes = {p.name: p.shape for p in parent.declarations if p.role is Role.PARAM}
    changed = {name for name in drop if name in shapes} | {
        declared.name
        for declared in child.declarations
        if (declared.role is Role.PARAM and shapes.get(declared.name) != declared.shape)
        or (declared.role is not Role.PARAM and declared.name in shapes)
    }
    if changed:
        return child.interchange
    formats = {tensor.format for tensor in own}
    inherited = (tensor for tensor in parent.interchange if tensor.format not in formats)
    return (*inherited, *own)
