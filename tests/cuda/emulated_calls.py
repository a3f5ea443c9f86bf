"""Calls of cells with settings that tests choose; everything else is random."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from calls import Call, random_call, stored
from switches import CLOSE
from trials import distance_from_switches

from grugen.driver import Compiled

SIZES = (1, 3, 5, 8, 17, 33)
TRIES = 60


def drawn_call(
    cell: Compiled,
    rng: np.random.Generator,
    *,
    batch: int,
    lengths: str,
    reverse: bool,
    states: bool,
    gaps: Iterable[tuple[str, str]] = (),
    positive: str = "",
    sizes: Sequence[int] = SIZES,
    element: str = "float32",
) -> Call:
    """A call of odd sizes, of numbers that `element` has, that stays away from switches.

    `lengths` are `whole`, `ragged`, or `empty`: the first sequence has no step. The elements of
    the parameter `positive` are.
    """
    for number in range(TRIES):
        # small calls come close to a switch less often
        small = number > TRIES // 2
        few = sizes[: 2 if small else None]
        call = random_call(
            cell.interface,
            rng,
            sizes={dim: int(rng.choice(few)) for dim in cell.interface.dims},
            steps=int(rng.integers(1, 3 if small else 7)),
            batch=batch,
            gaps=tuple(gaps),
        )
        if (call.lengths is None) != (lengths == "whole") or (states and not call.states):
            continue
        call = replace(call, reverse=reverse, states=call.states if states else {})
        if lengths == "empty":
            call = _without_steps(call, 0)
        if positive:
            params: Mapping[str, Any] = call.params
            call = replace(call, params={**params, positive: np.abs(params[positive]) + 0.5})
        call = stored(call, element)
        # on a tape of bfloat16 a value moves by so much
        if distance_from_switches(cell, call) > (16 * CLOSE if element == "bfloat16" else CLOSE):
            return call
    raise AssertionError(f"no call of '{cell.spec.name}' stays away from its switches")


def _without_steps(call: Call, sequence: int) -> Call:
    assert call.lengths is not None
    ends = call.lengths.copy()
    ends[sequence] = 0
    for array in (*call.inputs.values(), *call.d_outputs.values()):
        array[:, sequence] = np.nan
    return replace(call, lengths=ends)
