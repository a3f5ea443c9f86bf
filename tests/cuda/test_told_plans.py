"""What a run says of how its loops were cut."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated import build_emulated
from emulator.build import Order, set_device, set_order

from grugen.driver import bundle, compile_spec
from grugen.runtime import CellModule, cuda_engine
from grugen.toolchain.build import BuildOptions, SourceBundle

pytestmark = pytest.mark.compiles
LOOP = (
    r"step_h: (block|grid|cluster), (\d+) x (\d+) blocks(?: that post)?, (\d+) sequences a block, "
    r"matrices (in registers|in shared memory|read from memory), (\d+) bytes of shared memory, "
    r"about (\d+) cycles a step"
)


def build_as_new(bundle: SourceBundle, options: BuildOptions, *, afresh: bool = False) -> Path:
    """A library that other tests may have set a device for: this one is as it was at first."""
    library = build_emulated(bundle, options, afresh=afresh)
    set_device(library)
    set_order(library, Order.FORWARD)
    return library


def told(regime: int, *, batch: int = 5) -> tuple[str, ...]:
    """What a forward run of this size says, NumPy arrays given."""
    cell = compile_spec("gru")
    sources = bundle(cell, "cuda", "float32")

    def engine(_: str, dtype: Any) -> Any:
        return cuda_engine(
            sources, cell.interface, dtype, regime=regime, build_library=build_as_new
        )

    made = CellModule(cell.interface, engine, "cuda").Cell(D=3, H=12, seed=0, dtype="float32")
    run = made.forward(x=np.zeros((2, batch, 3), np.float32))
    assert made.forward(x=np.zeros((2, batch, 3), np.float32)).plan.loops == run.plan.loops
    return run.plan.loops


@pytest.mark.parametrize(("regime", "word"), [(1, "block"), (2, "grid"), (4, "cluster")])
def test_a_loop_says_how_it_is_cut(regime: int, word: str) -> None:
    (line,) = told(regime)
    found = re.fullmatch(LOOP, line)
    assert found, line
    groups, parts, sequences, shared = (int(found[i]) for i in (2, 3, 4, 6))
    assert found[1] == word
    assert (parts == 1) == (word == "block")
    assert groups * sequences >= 5 > (groups - 1) * sequences
    assert 0 <= shared <= 232448
    assert int(found[7]) > 0


def test_launches_are_said_to_be_such() -> None:
    assert told(3) == ("step_h: steps, a launch for each part of each step",)
