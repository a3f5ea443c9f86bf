"""Which kernels a loop of target `cuda` has: what lanes hold, and for which cuts."""

from __future__ import annotations

import re

import pytest

from grugen.driver import bundle, compile_spec
from grugen.render.c_expr import ElementType
from grugen.render.cuda_tensor import TensorLoop
from grugen.render.cuda_variants import held_fours, variants


@pytest.mark.parametrize(
    ("element", "matrices", "sharing"),
    [
        ("float32", 1, {1: 16, 2: 16, 4: 16}),
        ("float32", 3, {1: 8, 2: 8, 4: 8}),
        ("float32", 4, {1: 8, 2: 8, 4: 4}),
        ("float32", 8, {1: 4, 2: 4, 4: 0}),
        ("float64", 3, {1: 4, 2: 0, 4: 0}),
        ("float32", 9, {1: 0, 2: 0, 4: 0}),
        ("float32", 0, {1: 0, 2: 0, 4: 0}),
    ],
)
def test_held_as_far_as_registers_go(
    element: ElementType, matrices: int, sharing: dict[int, int]
) -> None:
    held = held_fours(element, matrices)
    assert held.sharing == sharing
    assert held.alone == {rows: min(4, fours) for rows, fours in sharing.items()}
    assert bool(held) == any(sharing.values())


def test_every_cut_has_a_kernel() -> None:
    held = held_fours("float32", 4)
    found = {one.condition: one.arguments for one in variants(held, None, posts=False)}
    # each team: three kernels that hold, and one for each number of rows that does not
    assert len(found) == 18
    assert found["is_alone && holds && rows == 1"] == "grugen_block, 1, 4, false"
    assert found["is_cluster && holds && rows == 4"] == "grugen_cluster, 4, 4, false"
    assert found["holds && rows == 2"] == "grugen_blocks, 2, 8, false"
    assert found["rows == 1"] == "grugen_blocks, 1, 0, false"


def test_blocks_that_can_post_hold_nothing_where_they_meet() -> None:
    held = held_fours("float32", 4)
    found = {one.condition: one.arguments for one in variants(held, None, posts=True)}
    # of tiles with several rows that hold, one for rows that all exist as well
    assert len(found) == 23
    assert (
        found["tiling.posts && holds && rows == 4 && tiling.whole"] == "grugen_posted, 4, 4, true"
    )
    assert found["tiling.posts && holds && rows == 4"] == "grugen_posted, 4, 4, false"
    assert found["tiling.posts && rows == 4"] == "grugen_posted, 4, 0, false"
    assert found["rows == 4"] == "grugen_blocks, 4, 0, false"
    assert "holds && rows == 4" not in found


def test_nothing_is_held_where_there_is_nothing_to_hold() -> None:
    assert not any(
        "holds" in one.condition for one in variants(held_fours("float32", 0), None, posts=True)
    )


def test_tensor_cores_multiply_all_that_is_posted() -> None:
    held = held_fours("float32", 3)
    tensor = TensorLoop({3: 3, 6: 6, 9: 2}, (), 1)
    found = {one.condition: one.arguments for one in variants(held, tensor, posts=True)}
    posts = "tiling.posts && tiling"
    assert found[f"{posts}.whole && tiling.held <= 3"] == "grugen_tensor_posted, 1, 3, true"
    assert found[f"{posts}.held <= 6"] == "grugen_tensor_posted, 1, 6, false"
    assert found[f"{posts}.held <= 9"] == "grugen_tensor_posted, 1, 9, false"
    # of rows that may not exist only the kernels with most pieces are there
    assert f"{posts}.held <= 3" not in found
    assert "grugen_posted" not in " ".join(found.values()).replace("grugen_tensor_posted", "")


def test_rows_can_be_whole_if_all_that_is_multiplied_ends_with_four_elements() -> None:
    sources = bundle(compile_spec("gru_d"), "cuda", "float32")
    loops = re.findall(r"const grugen_loop loop = \{([^}]+)\};", sources.text(sources.main))
    assert loops
    assert all(" ".join(loop.split()).endswith(", H % 4 == 0") for loop in loops)
