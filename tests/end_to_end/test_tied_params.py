"""The gradient of a parameter that several products read is the sum over all of them."""

from __future__ import annotations

import cells
import numpy as np
import pytest
from calls import random_call, run
from libraries import STRICT, build_together
from trials import compiled
from yardstick import Yardstick

from grugen.driver import CPU_TARGETS

pytestmark = pytest.mark.compiles


@pytest.mark.parametrize("target", CPU_TARGETS)
def test_tied_params(target: str) -> None:
    cell = compiled(cells.TIED)
    module = build_together([cell], [target], ["float64"], *STRICT)["tied"]
    for seed, batch in enumerate((1, 5, 40)):
        rng = np.random.default_rng(seed)
        call = random_call(
            cell.interface, rng, sizes={"H": 9}, steps=4, batch=batch, everything=True
        )
        Yardstick(cell, call).check(run(module, call, target, "float64"), "float64", target)
