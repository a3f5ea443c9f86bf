"""Products inside loops on tensor cores: bfloat16, where blocks post what others multiply."""

from __future__ import annotations

import numpy as np
import pytest
from calls import random_call, stored
from emulated_cells import GRID, emulated
from yardstick import Yardstick

from grugen.driver import compile_spec

pytestmark = pytest.mark.compiles


@pytest.mark.parametrize("name", ["gru", "gru_reset_after", "lstm"])
def test_deep_products_of_many_rows(name: str) -> None:
    """More than one piece of the depth for some warps, rows and units that fill no tile."""
    cell = compile_spec(name)
    library = emulated(cell, "bfloat16")
    for seed, (hidden, batch, processors) in enumerate([(150, 19, 12), (135, 6, 12)]):
        rng = np.random.default_rng(seed)
        sizes = {"D": 2, "H": hidden}
        call = random_call(
            cell.interface, rng, sizes=sizes, steps=4, batch=batch, everything=seed == 0
        )
        call = stored(call, "bfloat16")
        library.device(processors)
        found = library.run(call, regime=GRID)
        Yardstick(cell, call).check(found, "bfloat16", f"{name} {hidden}:", "bfloat16")
        cuts = library.listening.cuts
        assert len(cuts) == 2
        assert all("that post" in cut and "for tensor cores" in cut for cut in cuts), cuts
