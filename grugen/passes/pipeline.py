"""The passes in order: from the forward step as written to the pair of steps that targets run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from grugen.errors import InternalError
from grugen.ir.nodes import Function
from grugen.ir.verify import verify
from grugen.passes.differentiate import differentiate
from grugen.passes.drop_dead import drop_dead
from grugen.passes.plan_tape import Keep, plan_tape
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
    """A cell's two steps; every TAPE source of `backward` is a TAPE result of `forward`."""

    forward: Function
    backward: Function


def lower(
    step: Function,
    constant: Iterable[str] = (),
    keep: Keep = "gates",
    observe: Observer = ignore,
) -> Steps:
    """Clean `step`, differentiate it and plan the tape; `constant` names get no gradient."""
    forward = _clean(step, observe)
    raw = _seen("differentiate", differentiate(forward, constant), observe)
    backward = _clean(raw, observe)
    forward, backward = plan_tape(forward, backward, keep)
    _seen("plan-tape", forward, observe)
    return Steps(forward, _seen("plan-tape", backward, observe))


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
