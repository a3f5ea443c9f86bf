"""What every name of a draft stands for; the one place where rules look names up."""

from __future__ import annotations

from collections.abc import Iterator

from grugen.spec.draft import Draft
from grugen.spec.expressions import walk
from grugen.spec.model import Call, Declaration, Equation, Expr, Role


def declarations(draft: Draft) -> dict[str, Declaration]:
    """The first declaration of every name."""
    found: dict[str, Declaration] = {}
    for declared in draft.declarations:
        found.setdefault(declared.name, declared)
    return found


def of_role(draft: Draft, *roles: Role) -> tuple[Declaration, ...]:
    """The declarations that have one of `roles`."""
    return tuple(declared for declared in draft.declarations if declared.role in roles)


def definitions(draft: Draft) -> dict[tuple[str, bool], int]:
    """The place in the order of equations where `name` or `name'` is defined first."""
    found: dict[tuple[str, bool], int] = {}
    for place, equation in enumerate(draft.equations):
        for target in equation.targets:
            found.setdefault((target.name, target.next), place)
    return found


def calls(equation: Equation) -> Iterator[Call]:
    """The calls in an equation."""
    return (part for part in walk(equation.value) if isinstance(part, Call))


def expressions(draft: Draft) -> Iterator[Expr]:
    """Every part of every equation's right side."""
    return (part for equation in draft.equations for part in walk(equation.value))


def dims_in_use(draft: Draft) -> tuple[str, ...]:
    """The dims that declarations are made of, in their order."""
    used = (n for declared in draft.declarations for dim in declared.shape for n in dim.names)
    return tuple(dict.fromkeys(used))
