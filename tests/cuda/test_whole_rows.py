"""Loops in float32 where each thread has as much to ask for and to multiply as others.

What is known then is straight code of its own; other sizes go other ways.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from calls import random_call
from emulated_cells import BLOCK, CLUSTER, GRID, WORDS, emulated
from emulator.build import Order
from yardstick import Yardstick

from grugen.driver import compile_spec

pytestmark = pytest.mark.compiles

# of blocks that post: units, sequences, processors, and how many sequences a block has then
SIZES = [
    pytest.param(128, 4, 2, 4, id="one-pair-for-each-thread"),
    pytest.param(256, 4, 8, 4, id="two-pairs"),
    pytest.param(512, 4, 32, 4, id="four-pairs"),
    pytest.param(384, 4, 24, 4, id="three-pairs-in-turns"),
    pytest.param(64, 2, 8, 1, id="none-for-most-threads"),
    pytest.param(90, 1, 8, 1, id="vectors-that-end-within-four"),
]


@pytest.mark.parametrize(("hidden", "batch", "processors", "sequences"), SIZES)
def test_whole_rows(hidden: int, batch: int, processors: int, sequences: int) -> None:
    cell = compile_spec("gru")
    library = emulated(cell, "float32")
    library.device(processors, Order.RANDOM, hidden)
    rng = np.random.default_rng(hidden)
    call = random_call(cell.interface, rng, sizes={"D": 2, "H": hidden}, steps=3, batch=batch)
    found = library.run(call, regime=GRID)
    Yardstick(cell, call).check(found, "float32", f"{hidden}:")
    assert len(library.listening.cuts) == 2
    for cut in library.listening.cuts:
        assert f"that post, {sequences} sequences a block, matrices in registers" in cut, cut


@pytest.mark.parametrize("name", ["gru", "gru_reset_after", "gru_d"])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_block_with_one_sequence(name: str, *, reverse: bool) -> None:
    """Its lanes ask for a step's row in the step before, as long as there is one."""
    cell = compile_spec(name)
    library = emulated(cell, "float32")
    library.device(8, Order.RANDOM, reverse)
    ends = set()
    for seed, steps in enumerate((1, 4, 5, 6)):
        rng = np.random.default_rng(seed)
        call = random_call(
            cell.interface, rng, sizes={"D": 3, "H": 32}, steps=steps, batch=5, everything=True
        )
        call = replace(call, reverse=reverse)
        ends.add(call.lengths is None)
        found = library.run(call, regime=BLOCK)
        Yardstick(cell, call).check(found, "float32", f"{steps} steps:")
        for cut in library.listening.cuts:
            assert "1 sequences a block, matrices in registers" in cut, cut
    assert ends == {False, True}


@pytest.mark.parametrize("regime", [BLOCK, CLUSTER])
def test_rows_that_do_not_exist(regime: int) -> None:
    """Tiles of four rows, the last of which has fewer."""
    cell = compile_spec("gru")
    library = emulated(cell, "float32")
    library.device(2, Order.RANDOM, regime)
    for hidden in (64, 32):
        rng = np.random.default_rng(hidden)
        sizes = {"D": 2, "H": hidden}
        call = random_call(cell.interface, rng, sizes=sizes, steps=3, batch=10, everything=True)
        found = library.run(call, regime=regime)
        Yardstick(cell, call).check(found, "float32", f"{WORDS[regime]} {hidden}:")
        assert len(library.listening.cuts) == 2
        for cut in library.listening.cuts:
            assert re.search(r"\b(5|10) sequences a block", cut), cut
