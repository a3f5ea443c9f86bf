"""Every cell that is shipped or described, emulated: all ways to run a loop, odd sizes.

Two values of two settings come together for each cell. A shipped one has float32 and by turns one
of the other element types, another one of them; `make test-all` tries all combinations.
"""

from __future__ import annotations

import os
import zlib
from itertools import product
from typing import Any

import cells
import numpy as np
import pytest
from calls import Call, random_call, run
from emulated_calls import drawn_call
from emulated_cells import (
    BLOCK,
    CLUSTER,
    GRID,
    REGIMES,
    WORDS,
    Emulated,
    emulated,
    products_of,
)
from emulator.build import Order
from known_cells import CELLS, POSITIVE, READS_X_WHERE_M, VALID
from pairwise import Row, pairwise, product_of
from trials import compiled
from yardstick import Yardstick

from grugen.driver import Compiled, compile_spec, load

FACTORS = {
    "element": ("float32", "float64", "bfloat16"),
    "regime": REGIMES,
    "tape": ("gates", "states"),
    "lengths": ("whole", "ragged", "empty"),
    "reverse": (False, True),
    "states": (True, False),
    "batch": (5, 1, 9, 8),
    "processors": (2, 5, 8),
    "order": tuple(Order),
}
ALL = bool(os.environ.get("GRUGEN_ALL"))

pytestmark = pytest.mark.compiles


def rows_of(name: str) -> list[Row]:
    """The settings that are tried with a cell."""
    if ALL:
        return list(product_of(FACTORS))
    number = CELLS.index(name)
    other = ("float64", "bfloat16")[number % 2]
    types = ("float32", other) if name not in VALID else ("float32", other)[number // 2 % 2 :][:1]
    return list(pairwise({**FACTORS, "element": types}))


def test_pairs_are_few() -> None:
    assert max(len(rows_of(name)) for name in CELLS[:2]) <= 20


@pytest.mark.parametrize("name", CELLS)
def test_emulated_is_interpreted(name: str) -> None:
    cell = compile_spec(VALID.get(name, name))
    rows = rows_of(name)
    libraries = {element: emulated(cell, element) for element in {row["element"] for row in rows}}
    heard: set[str] = set()
    for number, row in enumerate(rows):
        rng = np.random.default_rng([zlib.crc32(name.encode()), number])
        call = drawn_call(
            cell,
            rng,
            gaps=[("x", "m")] if name in READS_X_WHERE_M else [],
            positive=POSITIVE.get(name, ""),
            **{key: row[key] for key in ("element", "batch", "lengths", "reverse", "states")},
        )
        heard |= _check(libraries[row["element"]], cell, call, row, number)
    assert heard in ({"block", "grid", "steps", "cluster"}, {"rows"})


def _check(library: Emulated, cell: Compiled, call: Call, row: Row, seed: int) -> set[str]:
    """How the two kernels say that they ran."""
    library.device(row["processors"], row["order"], seed + 1)
    found = library.run(call, regime=row["regime"], tape=row["tape"])
    products = products_of(row["element"], row["regime"])
    Yardstick(cell, call).check(found, row["element"], f"{row}:", products)
    assert set(library.heard) <= {WORDS[row["regime"]], "rows"}, row
    return set(library.heard)


def sized(cell: Compiled, hidden: int, batch: int) -> Call:
    rng = np.random.default_rng(hidden)
    return random_call(
        cell.interface, rng, sizes={"D": 2, "H": hidden}, steps=2, batch=batch, everything=True
    )


@pytest.mark.parametrize(
    ("element", "hidden", "batch", "processors"),
    [
        pytest.param("float64", 112, 3, 1, id="matrices-in-no-shared-memory"),
        pytest.param("float32", 112, 40, 1, id="more-blocks-than-run-at-once"),
        pytest.param("float32", 112, 40, 8, id="many-groups"),
    ],
)
def test_large(element: str, hidden: int, batch: int, processors: int) -> None:
    cell = compile_spec("gru")
    library = emulated(cell, element)
    call = sized(cell, hidden, batch)
    yardstick = Yardstick(cell, call)
    for regime in (BLOCK, GRID, CLUSTER) if processors > 1 else (BLOCK,):
        library.device(processors)
        yardstick.check(library.run(call, regime=regime), element, WORDS[regime])
        assert library.heard[0] == WORDS[regime]


@pytest.mark.parametrize(("hidden", "batch", "posts"), [(6, 5, True), (208, 300, False)])
def test_blocks_post_if_they_have_memory_for_it(hidden: int, batch: int, posts: bool) -> None:
    cell = compile_spec("gru_reset_after")
    library = emulated(cell, "float32")
    library.device(2)
    library.engine.regime = GRID
    made = library.module.Cell(D=2, H=hidden, seed=0, dtype="float32")
    x = np.random.default_rng(4).normal(size=(2, batch, 2)).astype(np.float32)
    found = made.forward(x=x)
    assert ["that post" in line for line in found.plan.loops] == [posts]
    # the same seed draws the same params
    wanted = load("gru_reset_after", target="numpy").Cell(D=2, H=hidden, seed=0, dtype="float32")
    np.testing.assert_allclose(found.outputs["y"], wanted.forward(x=x).outputs["y"], atol=1e-5)


def test_model_chooses() -> None:
    """Whatever it is, a small call is a block's."""
    cell = compile_spec("gru")
    library = emulated(cell, "float32")
    call = sized(cell, 5, 3)
    library.device(132)
    Yardstick(cell, call).check(library.run(call), "float32", "as the model chooses")
    assert library.heard == ["block", "block"]


@pytest.mark.parametrize("regime", REGIMES)
def test_same_bits_in_any_order(regime: int) -> None:
    cell = compile_spec("gru")
    library = emulated(cell, "float32")
    call = sized(cell, 17, 5)
    found: list[dict[str, Any]] = []
    for order, seed in [
        (Order.FORWARD, 1),
        (Order.REVERSE, 1),
        *((Order.RANDOM, n) for n in range(6)),
    ]:
        library.device(4, order, seed)
        found.append(library.run(call, regime=regime))
    for other in found[1:]:
        assert all(np.array_equal(a, other[key], equal_nan=True) for key, a in found[0].items())


def test_wrong_numbers_are_found() -> None:
    cell = compile_spec("gru")
    call = sized(cell, 5, 3)
    found = run(emulated(cell, "float32").module, call, "cuda", "float32")
    found["output y"] = found["output y"] + np.float32(1e-4)
    with pytest.raises(AssertionError, match="output y"):
        Yardstick(cell, call).check(found, "float32", "moved")


# the gradient of a parameter that several products read is the sum over all of them; a vector of
# other blocks that nobody multiplies must be waited for
@pytest.mark.parametrize("name", ["TIED", "SUMMED_STATE"])
@pytest.mark.parametrize("element", ["float32", "float64"])
def test_cells_of_tests(element: str, name: str) -> None:
    cell = compiled(getattr(cells, name))
    library = emulated(cell, element)
    for seed, (regime, tape) in enumerate(product(REGIMES, ("gates", "states"))):
        rng = np.random.default_rng(seed)
        call = random_call(cell.interface, rng, sizes={"H": 9}, steps=3, batch=5, everything=True)
        library.device(4, Order.RANDOM, seed)
        found = library.run(call, regime=regime, tape=tape)
        Yardstick(cell, call).check(found, element, "cuda", products_of(element, regime))
