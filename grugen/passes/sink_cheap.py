"""What costs little runs where it is read, if what it reads is in memory anyway.

A line that is computed ahead of the phase that reads it costs a store and a load of every element.
A few additions of values from the caller's arrays cost less, and what is read in one later phase
costs the same there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from grugen.ir.nodes import Function, Let, ResultRole, SourceRole
from grugen.ir.shapes import ELEMENTWISE
from grugen.ir.types import Level
from grugen.passes.plan_tape import COSTLY
from grugen.passes.rename import with_args
from grugen.passes.split_strata import Strata

_FEW = 1
"""So many arrays are read once more rather than one value stored and loaded."""


def sink_cheap(function: Function, strata: Strata) -> tuple[Function, Strata]:
    """No cheap line is computed ahead of the phases that read it; each has its own copy.

    In loop 1 and in the rows behind it, with x and m given:

    rows 0: c = gt m, 0                    loop 1: c = gt m, 0
    loop 1: a = select c, x, a_last   ->           a = select c, x, a_last
    rows 1: b = select c, x, y             rows 1: c_2 = gt m, 0
                                                   b = select c_2, x, y
    """
    return _Sinking(function, strata).done()


@dataclass(slots=True)
class _Sinking:
    function: Function
    strata: Strata
    lets: dict[str, Let] = field(init=False)
    given: set[str] = field(init=False)
    """What is in memory in every phase."""
    handed_out: set[str] = field(init=False)

    def __post_init__(self) -> None:
        function, strata = self.function, self.strata
        self.lets = {let.name: let for let in function.lets}
        self.given = {s.name for s in function.sources if s.role is not SourceRole.STATE}
        self.given |= {*strata.once, *strata.per_sequence}
        self.handed_out = {result.value for result in function.results}

    def done(self) -> tuple[Function, Strata]:
        phases = self.phases()
        cheap = self.cheap_lines(phases)
        phases = self.delayed(phases)
        copies: dict[str, Let] = {}
        taken = {*self.lets, *(source.name for source in self.function.sources)}
        after: list[list[Let]] = []
        for number, lines in enumerate(phases):
            own = [self.lets[name] for name in lines]
            earlier = {name for phase in phases[:number] for name in phase}
            wanted = self.wanted(own, cheap, earlier)
            names: dict[str, str] = {}
            fresh: list[Let] = []
            for name in wanted:
                names[name] = _fresh(name, taken)
                copies[names[name]] = replace(
                    with_args(self.lets[name], names), name=names[name], given=False
                )
                fresh.append(copies[names[name]])
            after.append([*fresh, *(with_args(let, names) for let in own)])
        return self.rebuilt(_without_unused(after, self.handed_out, cheap))

    def phases(self) -> list[list[str]]:
        """The phases over rows in order: rows, loop, rows, ..."""
        found = [list(self.strata.rows[0])]
        for loop, rows in zip(self.strata.loops, self.strata.rows[1:], strict=True):
            found += [list(loop.lines), list(rows)]
        return found

    def cheap_lines(self, phases: list[list[str]]) -> dict[str, frozenset[str]]:
        """The cheap lines that need nothing but what is given, and which of it each reads."""
        found: dict[str, frozenset[str]] = {}
        for name in (name for lines in phases[::2] for name in lines):
            let = self.lets[name]
            if not _is_cheap(let) or name in self.handed_out:
                continue
            if all(arg in self.given or arg in found for arg in let.args):
                read = [found.get(arg, self.moving(arg)) for arg in let.args]
                found[name] = frozenset().union(*read)
        return found

    def moving(self, name: str) -> frozenset[str]:
        """`name`, if it has rows of its own to be read."""
        steady = {*self.strata.once, *self.strata.per_sequence}
        source = next((s for s in self.function.sources if s.name == name), None)
        varies = source is not None and source.type.level is Level.STEP
        return frozenset({name} if varies and name not in steady else ())

    def delayed(self, phases: list[list[str]]) -> list[list[str]]:
        """Lines that need only what is given stand in the first phase that reads them.

        Where that is a loop they stay ahead of it.
        """
        place = {name: number for number, lines in enumerate(phases) for name in lines}
        readers: dict[str, list[str]] = {}
        free: set[str] = set()
        for name in place:
            for arg in self.lets[name].args:
                readers.setdefault(arg, []).append(name)
        for name in (name for lines in phases[::2] for name in lines):
            if all(arg in self.given or arg in free for arg in self.lets[name].args):
                free.add(name)
        carried = self.carried()
        for name in reversed([let.name for let in self.function.lets if let.name in free]):
            read = [place[reader] for reader in readers.get(name, ())]
            first = min([*read, *carried.get(name, ())], default=0)
            if first % 2 == 0:
                place[name] = max(first, place[name])
        order = [let.name for let in self.function.lets if let.name in place]
        return [[n for n in order if place[n] == number] for number in range(len(phases))]

    def carried(self) -> dict[str, list[int]]:
        """The loops whose states take a value, as numbers of phases, by the value's name."""
        states = {s.key: s.name for s in self.function.sources_of(SourceRole.STATE)}
        found: dict[str, list[int]] = {}
        for result in self.function.results_of(ResultRole.NEXT_STATE):
            for number, loop in enumerate(self.strata.loops):
                if states[result.key] in loop.states:
                    found.setdefault(result.value, []).append(2 * number + 1)
        return found

    def wanted(
        self, own: list[Let], cheap: Mapping[str, frozenset[str]], earlier: set[str]
    ) -> list[str]:
        """The cheap lines of earlier phases to be computed once more in this one, in order."""
        read = {arg for let in own for arg in let.args}
        loaded = frozenset().union(*(self.moving(arg) for arg in read))
        found: set[str] = set()
        for name in read:
            if name in cheap and name in earlier and len(cheap[name] - loaded) <= _FEW:
                found |= self.closure(name, cheap, earlier)
        return [let.name for let in self.function.lets if let.name in found]

    def closure(
        self, name: str, cheap: Mapping[str, frozenset[str]], earlier: set[str]
    ) -> set[str]:
        found = {name}
        for arg in self.lets[name].args:
            if arg in cheap and arg in earlier:
                found |= self.closure(arg, cheap, earlier)
        return found

    def rebuilt(self, phases: list[list[Let]]) -> tuple[Function, Strata]:
        placed = [let for lines in phases for let in lines]
        over_rows = {let.name for let in placed} | {n for lines in self.phases() for n in lines}
        rest = [let for let in self.function.lets if let.name not in over_rows]
        names = [tuple(let.name for let in lines) for lines in phases]
        loops = tuple(
            replace(loop, lines=lines)
            for loop, lines in zip(self.strata.loops, names[1::2], strict=True)
        )
        function = replace(self.function, lets=(*rest, *placed))
        return function, replace(self.strata, rows=tuple(names[::2]), loops=loops)


def _without_unused(
    phases: list[list[Let]], handed_out: set[str], cheap: Iterable[str]
) -> list[list[Let]]:
    """The phases without the cheap lines that everybody has copies of."""
    unused = set(cheap)
    needed = set(handed_out)
    kept: list[list[Let]] = []
    for lines in reversed(phases):
        own: list[Let] = []
        for let in reversed(lines):
            if let.name in unused and let.name not in needed:
                continue
            needed.update(let.args)
            own.append(let)
        kept.append(own[::-1])
    return kept[::-1]


def _fresh(name: str, taken: set[str]) -> str:
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    taken.add(f"{name}_{number}")
    return f"{name}_{number}"


def _is_cheap(let: Let) -> bool:
    return let.op in ELEMENTWISE and let.op not in COSTLY and let.type.level is Level.STEP
