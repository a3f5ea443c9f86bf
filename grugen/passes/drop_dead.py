"""Every line and source that is left is needed by a result."""

from __future__ import annotations

from dataclasses import replace

from grugen.ir.nodes import Function, Result, ResultRole, SourceRole


def drop_dead(function: Function) -> Function:
    """Only lines and sources that some result needs are left; states stay with their results.

    t3 = tanh t2        (unused)
    h_next = add t1, t2               ->   h_next = add t1, t2
    """
    needed = {result.value for result in function.results}
    lets = []
    for let in reversed(function.lets):
        if let.name in needed:
            needed.update(let.args)
            lets.append(let)
    sources = tuple(
        source
        for source in function.sources
        if source.name in needed or source.role is SourceRole.STATE
    )
    return replace(function, sources=sources, lets=tuple(reversed(lets)))


def drop_results(function: Function, *roles: ResultRole) -> Function:
    """The function without its results of `roles`, and without what only they needed."""
    kept: tuple[Result, ...] = tuple(r for r in function.results if r.role not in roles)
    return drop_dead(replace(function, results=kept))
