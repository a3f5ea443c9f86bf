"""What a lane keeps from step to step, whose unit and sequence are the same in all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_DECLARED = re.compile(r"const (?P<kind>\w+) (?P<name>\w+) = (?P<value>.*);", re.DOTALL)


@dataclass(slots=True)
class UnitText:
    """What is the same in all steps of a unit.

    It is `declared` first, and then `reads` it from memory or `takes` it from what is kept. That
    has `members`, and `finds` them once.
    """

    declared: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    takes: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    finds: list[str] = field(default_factory=list)


def unit_text(steady: Iterable[str]) -> UnitText:
    """The same of a nest's declarations `const TYPE NAME = VALUE;` of what is so."""
    text = UnitText()
    for line in steady:
        found = _DECLARED.fullmatch(line)
        assert found is not None, line
        kind, name, value = found["kind"], found["name"], found["value"]
        text.declared.append(f"{kind} {name} = {'false' if kind == 'bool' else 0};")
        text.reads.append(f"{name} = {value};")
        text.takes.append(f"{name} = kept->{name};")
        text.members.append(f"{kind} {name};")
        text.finds.append(f"kept->{name} = {value};")
    return text


def find_first(name: str, number: int) -> tuple[str, ...]:
    """The lines with which a lane finds what it needs in the first step, if there is one."""
    unit = f"plan_{number}.some_unit()"
    return (
        f"{name}_find_unit(call, work, {unit}, &kept_{number});",
        f"const grugen_here first = rows.ahead(plan_{number}.row, 0);",
        f"if (first.alive) {{ {name}_find_row(call, work, first, {unit}, &kept_{number}); }}",
    )
