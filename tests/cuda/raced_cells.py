"""The cells whose memory is watched, and calls that come to its edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cells
import numpy as np
from calls import Call, random_call
from trials import compiled

from grugen.driver import Compiled, compile_spec

RACED = (
    *("gru", "gru_reset_after", "gru_d", "lstm", "layernorm_gru", "indrnn"),
    "every_meeting",
)


def cell_of(name: str) -> Compiled:
    return compiled(cells.EVERY_MEETING) if name == "every_meeting" else compile_spec(name)


def calls_of(cell: Compiled) -> list[Call]:
    """Of several tiles: with ends of their own, and backwards."""
    made = [_call(cell, (17, 33), steps=3, batch=batch) for batch in (5, 9)]
    return [
        replace(made[0], lengths=np.array([3, 0, 2, 1, 3]), reverse=False),
        replace(made[1], lengths=None, reverse=True),
    ]


def edge_calls(cell: Compiled) -> list[Call]:
    """Of sizes at which vectors, tiles and warps begin or end, and of rows that all exist."""
    sizes = [(1, 1), (3, 4), (5, 31), (33, 65)]
    made = [_call(cell, s, steps=n, batch=n + 1) for n, s in enumerate(sizes, start=1)]
    found = [replace(call, lengths=None if n % 2 else call.lengths) for n, call in enumerate(made)]
    for batch in (2, 4):
        call = _call(cell, (4, 32), steps=4, batch=batch)
        found.append(replace(call, lengths=None, reverse=batch == 2))
    return found


def _call(cell: Compiled, sizes: tuple[int, ...], steps: int, batch: int) -> Call:
    rng = np.random.default_rng(3)
    named = dict(zip(cell.interface.dims, sizes, strict=False))
    call = random_call(cell.interface, rng, sizes=named, steps=steps, batch=batch, everything=True)
    # nothing is NaN: what must not be read is for other tests to show
    for array in (*call.inputs.values(), *call.d_outputs.values()):
        array[~np.isfinite(array)] = 0.5
    return call


def all_ways() -> Iterator[tuple[int, str]]:
    """Regimes and tapes."""
    for regime in (1, 2, 3, 4):
        for tape in ("gates", "states"):
            yield regime, tape
