"""Loops whose products run on tensor cores: what a lane holds, and where warps put their sums."""

from __future__ import annotations

import re

import pytest
from known_cells import CELLS, VALID

from grugen.driver import bundle, compile_spec
from grugen.render.cuda_tensor import TensorLoop
from grugen.target.stages import Stage


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        # 3 matrices and 1 vector forward, 3 and 3 backward; few pieces are all asked for at once,
        # and there are kernels for every third number of them
        ("gru_reset_after", {"forward": {3, 6, 9, 10}, "backward": {3, 6, 9}}),
        ("gru", {"forward": {3, 6, 9, 10}, "backward": {3, 6, 7, 10}}),
        ("lstm", {"forward": {3, 6, 7, 8}, "backward": {3, 4, 6}}),
    ],
)
def test_lanes_hold_what_registers_have_room_for(name: str, steps: dict[str, set[int]]) -> None:
    sources = bundle(compile_spec(name), "cuda", "bfloat16")
    text = sources.text(sources.main)
    for direction, wanted in steps.items():
        kernel = rf"_{direction}_step\w*_kernel<grugen_tensor_posted,\s+1,\s+(\d+),"
        assert {int(n) for n in re.findall(kernel, text)} == wanted, direction


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_has_a_text(name: str) -> None:
    """One whose stages multiply parts of vectors, too: `every_function`."""
    sources = bundle(compile_spec(VALID.get(name, name)), "cuda", "bfloat16")
    assert "__global__" in sources.text(sources.main)


def test_parts_of_vectors_are_not_posted() -> None:
    sources = bundle(compile_spec(VALID["every_function"]), "cuda", "bfloat16")
    assert "grugen_tensor_posted" not in sources.text(sources.main)


def test_float32_has_none() -> None:
    sources = bundle(compile_spec("gru"), "cuda", "float32")
    assert "grugen_tensor_posted" not in sources.text(sources.main)


def test_blocks_that_cannot_post_have_none() -> None:
    sources = bundle(compile_spec("layernorm_gru"), "cuda", "bfloat16")
    assert "grugen_tensor_posted" not in sources.text(sources.main)


def test_sums_lie_where_nobody_reads_any_more() -> None:
    """One stage takes turns with itself, more with each other."""
    first, second = (Stage((name,), frozenset(), ()) for name in ("a", "b"))
    alone = TensorLoop({6: 6}, (first,), 3)
    assert "(int)(team.turn % 2) *" in alone.memory(first)
    both = TensorLoop({6: 6}, (first, second), 3)
    assert "0 * grugen" in both.memory(first)
    assert "1 * grugen" in both.memory(second)
    assert alone.size() == both.size() == "2 * grugen_shares_size(tiling.sequences, 3)"


def test_few_pieces_are_asked_for_at_once_and_many_in_turns() -> None:
    assert TensorLoop({6: 6}, (), 1).room() == "6"
    assert TensorLoop({6: 6, 9: 2}, (), 1).room() == "HELD > 6 ? 2 : 6"
