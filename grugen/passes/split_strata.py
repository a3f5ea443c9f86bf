"""Which lines must stay in a time loop, and which loops there are.

States that need each other form a stratum: a strongly connected component of the graph "the next
value of s reads s'". Strata run one after the other, each over all steps; a line is in the loop
of a stratum only if it reads the stratum's states and feeds their next values. Everything else
is computed for all rows at once, before, between or behind the loops.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from grugen.ir.nodes import Function, Let, Op, ResultRole, SourceRole
from grugen.ir.shapes import PRODUCTS
from grugen.ir.types import Level

_LINEAR = frozenset({Op.ADD, Op.SUB, Op.NEG})


class Kind(StrEnum):
    """What a stratum costs."""

    DENSE = "dense"
    """At least one matrix product a step."""
    DIAGONAL = "diagonal"
    """Elementwise, nonlinear in the state."""
    SCAN = "scan"
    """Elementwise and linear in the state, with factors that do not depend on it."""
    DELAY = "delay"
    """The next value does not depend on the state at all."""
    COUPLED = "coupled"
    """No product, but elements depend on each other (sums, layernorm, concat)."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """States that need each other, by the names of their sources, and their lines in the loop.

    `depth` is the longest chain of dependent products in one step.
    """

    states: tuple[str, ...]
    lines: tuple[str, ...]
    kind: Kind
    depth: int


@dataclass(frozen=True, slots=True)
class Strata:
    """The order of execution: `rows[0]`, `loops[0]`, `rows[1]`, `loops[1]`, ..., `rows[-1]`.

    `once` holds lines that are the same for the whole call, `per_sequence` those that are the
    same for all steps of a sequence; `rows[i]` the lines computed for all rows at once after
    loop i - 1. Lines are named in their order in the function.
    """

    once: tuple[str, ...]
    per_sequence: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    loops: tuple[Stratum, ...]


def split_strata(function: Function) -> Strata:
    """Where each line of `function` runs; depends on nothing but the lines."""
    states = [source.name for source in function.sources_of(SourceRole.STATE)]
    reads = _reads(function, states)
    next_value = _next_values(function)
    graph = {state: reads[next_value[state]] for state in states}
    loops = [_stratum(function, component, reads, next_value) for component in _components(graph)]
    place = {state: i for i, loop in enumerate(loops) for state in loop.states}
    in_loop = {line: i for i, loop in enumerate(loops) for line in loop.lines}
    after: dict[str, int] = {}
    rows: list[list[str]] = [[] for _ in range(len(loops) + 1)]
    once, per_sequence = [], []
    for let in function.lets:
        if let.name in in_loop:
            continue
        if let.type.level is Level.CALL:
            once.append(let.name)
        elif let.type.level is Level.SEQUENCE:
            per_sequence.append(let.name)
        else:
            behind = [place[arg] + 1 for arg in let.args if arg in place]
            behind += [in_loop[arg] + 1 for arg in let.args if arg in in_loop]
            behind += [after[arg] for arg in let.args if arg in after]
            after[let.name] = max(behind, default=0)
            rows[after[let.name]].append(let.name)
    return Strata(
        tuple(once), tuple(per_sequence), tuple(tuple(lines) for lines in rows), tuple(loops)
    )


def _next_values(function: Function) -> dict[str, str]:
    """By the name of a state's source, the value it takes next."""
    by_key = {source.key: source.name for source in function.sources_of(SourceRole.STATE)}
    return {
        by_key[result.key]: result.value for result in function.results_of(ResultRole.NEXT_STATE)
    }


def _reads(function: Function, states: Iterable[str]) -> dict[str, set[str]]:
    """For every value the states it depends on within a step."""
    reads: dict[str, set[str]] = {source.name: set() for source in function.sources}
    reads |= {state: {state} for state in states}
    for let in function.lets:
        reads[let.name] = set().union(*(reads[arg] for arg in let.args))
    return reads


def _components(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Strongly connected components, each after the components it reads; states keep their order.

    By mutual reachability: cells have a handful of states.
    """
    reachable = {state: _reachable(graph, state) for state in graph}
    components: list[list[str]] = []
    placed: set[str] = set()
    while len(placed) < len(graph):
        for state in graph:
            if state in placed:
                continue
            component = [
                other
                for other in graph
                if other == state or (other in reachable[state] and state in reachable[other])
            ]
            if all(found in placed or found in component for found in reachable[state]):
                components.append(component)
                placed.update(component)
                break
    return components


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def _stratum(
    function: Function,
    component: list[str],
    reads: Mapping[str, set[str]],
    next_value: Mapping[str, str],
) -> Stratum:
    own = set(component)
    feeding = {next_value[state] for state in component}
    for let in reversed(function.lets):
        if let.name in feeding:
            feeding.update(let.args)
    lines = [let for let in function.lets if let.name in feeding and reads[let.name] & own]
    depth: dict[str, int] = {}
    for let in lines:
        longest = max((depth.get(arg, 0) for arg in let.args), default=0)
        depth[let.name] = longest + (let.op in PRODUCTS)
    deepest = max(depth.values(), default=0)
    kind = _kind(lines, own, deepest, {next_value[state] for state in component})
    return Stratum(tuple(component), tuple(let.name for let in lines), kind, deepest)


def _kind(lines: list[Let], own: set[str], depth: int, nexts: set[str]) -> Kind:
    if depth:
        return Kind.DENSE
    names = {let.name for let in lines}
    if not names and not nexts & own:
        return Kind.DELAY
    if any(let.op in (Op.SUM, Op.DOT, Op.CONCAT, Op.SLICE) for let in lines):
        return Kind.COUPLED
    moving = names | own
    for let in lines:
        varying = [arg in moving for arg in let.args]
        linear = (
            let.op in _LINEAR
            or (let.op is Op.MUL and sum(varying) == 1)
            or (let.op is Op.DIV and not varying[1])
            or (let.op is Op.SELECT and not varying[0])
            or let.op is Op.BROADCAST
        )
        if not linear:
            return Kind.DIAGONAL
    return Kind.SCAN
