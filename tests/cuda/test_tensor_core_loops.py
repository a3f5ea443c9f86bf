"""Products inside loops on tensor cores: bfloat16, where blocks post what others multiply."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import random_call, stored
from emulated_cells import GRID, emulated
from yardstick import Yardstick

from grugen.driver import bundle, compile_spec

pytestmark = pytest.mark.compiles

POSTS = "grugen_post.cuh"


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


def test_turns_start_anew_after_65536() -> None:
    """As if some steps fewer than that had gone before: nothing else changes."""
    cell = compile_spec("gru")
    sources = bundle(cell, "cuda", "bfloat16")
    text = sources.text(POSTS)
    late = text.replace("turn = 1;", "turn = 65531;").replace("step + 2;", "step + 65532;")
    assert late.count("6553") == 2
    files = tuple((name, late if name == POSTS else text) for name, text in sources.files)
    late_one = emulated(cell, "bfloat16", sources=replace(sources, files=files))
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        call = random_call(cell.interface, rng, sizes={"D": 2, "H": 40}, steps=14, batch=3)
        call = stored(call, "bfloat16")
        found = []
        for library in (emulated(cell, "bfloat16"), late_one):
            library.device(4)
            found.append(library.run(call, regime=GRID))
            assert all("for tensor cores" in cut for cut in library.listening.cuts)
        first, second = ({name: a.tobytes() for name, a in one.items()} for one in found)
        assert first == second
