"""No two threads meet in memory without order, and none leaves what it was given."""

from __future__ import annotations

from pathlib import Path

import pytest
from emulated import build_emulated, left_out
from emulated_cells import WORDS, emulated
from emulator.build import Order, run_sanitized
from raced_cells import RACED, all_ways, calls_of, cell_of

from grugen.driver import bundle
from grugen.toolchain.build import DEFAULTS

SANITIZED = ("gru:ieee", "every_meeting:ieee", "gru:3xtf32")
"""Cells, and how their products over all rows are formed."""

pytestmark = pytest.mark.compiles


@pytest.mark.parametrize("name", RACED)
def test_no_races(name: str) -> None:
    cell = cell_of(name)
    library = emulated(cell, "float32", "race")
    for order, processors in ((Order.FORWARD, 4), (Order.RANDOM, 5)):
        library.device(processors, order, seed=3)
        for call in calls_of(cell):
            for regime, tape in all_ways():
                message = library.message_of(call, regime=regime, tape=tape)
                assert not message, f"{WORDS[regime]} {tape} {order.name}: {message}\n{call}"


def test_nothing_is_touched_beyond_its_end() -> None:
    reason = left_out()
    if reason:
        pytest.skip(reason)
    for name in SANITIZED:
        word, products = name.split(":")
        sources = bundle(cell_of(word), "cuda", "float32", products)
        build_emulated(sources, DEFAULTS, mode="asan")
    program = Path(__file__).with_name("sanitized_emulated_cells.py")
    done = run_sanitized([str(program), *SANITIZED])
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == "".join(f"{name} is clean\n" for name in SANITIZED)
