"""The passes in order: from the forward step as written to the pair of steps that targets run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from grugen.errors import InternalError
from grugen.ir.nodes import Function
from grugen.ir.verify import verify
from grugen.passes.differentiate import differentiate
from grugen.passes.drop_dead import drop_dead
from grugen.passes.plan_tape import plan_tape
from grugen.passes.share import share
from grugen.passes.simplify import simplify

Observer = Callable[[str, Function], None]
"""Called after each pass with the pass's name and what it made; serves dumps and tests."""


def ignore(name: str, function: Function) -> None:
    """The observer that does nothing."""


CLEANING: tuple[tuple[str, Callable[[Function], Function]], ...] = (
    ("simplify", simplify),  # first, so that what became equal can be shared
    ("share", share),
    ("drop-dead", drop_dead),  # last: the others leave lines behind
)


@dataclass(frozen=True, slots=True)
class Steps:
    """A cell's step and its derivative; TAPE sources of backward are TAPE results of forward.

    `backward_states` reads from the tape nothing but the states that entered each step.
    """

    forward: Function
    backward: Function
    backward_states: Function


def lower(
    step: Function,
    constant: Iterable[str] = (),
    observe: Observer = ignore,
) -> Steps:
    """Clean `step`, differentiate it and plan both tapes; `constant` names get no gradient."""
    forward = _clean(step, observe)
    raw = _seen("differentiate", differentiate(forward, constant), observe)
    backward = _clean(raw, observe)
    with_states, from_states = plan_tape(forward, backward, "states")
    with_gates, from_gates = plan_tape(forward, backward, "gates")
    # one forward step serves both: it writes what either of them reads
    written = dict.fromkeys(with_states.results + with_gates.results)
    return Steps(
        _seen("plan-tape", replace(forward, results=tuple(written)), observe),
        _seen("plan-tape", from_gates, observe),
        _seen("plan-tape-states", from_states, observe),
    )


def _clean(function: Function, observe: Observer) -> Function:
    for name, clean in CLEANING:
        function = _seen(name, clean(function), observe)
    return function


def _seen(name: str, function: Function, observe: Observer) -> Function:
    try:
        observe(name, verify(function))
    except InternalError as broken:
        raise InternalError(f"after the pass '{name}': {broken.what}") from broken
    return function
