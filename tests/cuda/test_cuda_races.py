"""No two threads meet in memory without order, and none leaves what it was given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from emulated import build_emulated, left_out
from emulated_cells import CLUSTER, WORDS, emulated
from emulator.build import Order, run_sanitized
from raced_cells import RACED, all_ways, calls_of, cell_of

from grugen.driver import bundle
from grugen.toolchain.build import DEFAULTS

ALL = bool(os.environ.get("GRUGEN_ALL"))
LIKE_OTHERS = ("gru_reset_after", "lstm")
"""Cells whose loops are like those of others of these."""
TYPED = (
    *((name, "float32") for name in RACED if ALL or name not in LIKE_OTHERS),
    ("gru", "bfloat16"),
)
SANITIZED = (
    *("gru:float32:ieee", "every_meeting:float32:ieee"),
    *("gru:float32:3xtf32", "gru:bfloat16:ieee"),
)
"""Cells, their element types, and how their products over all rows are formed."""

RARE = ((Order.FORWARD, 0, "gates"), (Order.RANDOM, 1, "states"))
"""When clusters run: each element that a block sends is followed, which takes ten times as long."""

pytestmark = pytest.mark.compiles


@pytest.mark.parametrize(("name", "element"), TYPED)
def test_no_races(name: str, element: str) -> None:
    cell = cell_of(name)
    library = emulated(cell, element, "race")
    for order, processors in ((Order.FORWARD, 4), (Order.RANDOM, 5)):
        library.device(processors, order, seed=3)
        for number, call in enumerate(calls_of(cell)):
            for regime, tape in all_ways():
                if regime == CLUSTER and not ALL and (order, number, tape) not in RARE:
                    continue
                message = library.message_of(call, regime=regime, tape=tape)
                assert not message, f"{WORDS[regime]} {tape} {order.name}: {message}\n{call}"


def test_nothing_is_touched_beyond_its_end() -> None:
    reason = left_out()
    if reason:
        pytest.skip(reason)
    for name in SANITIZED:
        word, element, products = name.split(":")
        sources = bundle(cell_of(word), "cuda", element, products)
        build_emulated(sources, DEFAULTS, mode="asan")
    program = Path(__file__).with_name("sanitized_emulated_cells.py")
    done = run_sanitized([str(program), *SANITIZED])
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == "".join(f"{name} is clean\n" for name in SANITIZED)
