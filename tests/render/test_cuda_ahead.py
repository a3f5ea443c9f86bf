"""What steps of target `cuda` ask for before they begin."""

from __future__ import annotations

import re

import pytest

from grugen.driver import bundle, compile_spec
from grugen.render.c_expr import ElementType
from grugen.render.cuda_variants import looks_ahead


def text_of(name: str, element: str = "float32") -> str:
    """The main file of a cell."""
    sources = bundle(compile_spec(name), "cuda", element)
    return sources.text(sources.main)


def members(text: str, direction: str) -> set[str]:
    """What the steps of a direction ask for."""
    structs = re.findall(rf"struct \w+_{direction}_\d+\w*_ahead {{\n(.*?)}};", text, re.DOTALL)
    return {line.split()[-1].rstrip(";") for struct in structs for line in struct.splitlines()}


def test_a_step_asks_for_the_tape_of_the_next_one() -> None:
    found = members(text_of("gru_reset_after"), "backward")
    assert {"z", "n", "r", "h", "d_y", "U_n_h"} <= found


def kept(text: str, direction: str) -> set[str]:
    """What a lane keeps from step to step that has the same row in all of them."""
    structs = re.findall(rf"struct \w+_{direction}_\d+_\w*_kept {{\n(.*?)}};", text, re.DOTALL)
    return {line.split()[-1].rstrip(";") for struct in structs for line in struct.splitlines()}


def test_a_lane_keeps_what_is_the_same_and_what_the_next_step_reads() -> None:
    """Not the state: that is not there before."""
    found = kept(text_of("gru_reset_after"), "forward")
    assert {"c_n", "W_r_x", "W_z_x"} <= found
    assert not {"h", "U_r_h", "U_z_h"} & found


def test_what_an_earlier_stage_of_the_step_computes_is_not_kept() -> None:
    """In `gru` the second stage reads z of the first."""
    assert not {"r", "z", "h"} & kept(text_of("gru"), "forward")


@pytest.mark.parametrize("name", ["gru", "gru_reset_after", "gru_d", "lstm"])
def test_what_is_held_has_come_before_the_first_step(name: str) -> None:
    """All packed matrices of a loop, where its lanes have a single row or their block alone."""
    text = text_of(name)
    loops = re.findall(r"\n    if constexpr \(HELD > 0\) {\n(.*?)\n    } else", text, re.DOTALL)
    loops = [loop for loop in loops if "grugen_hold(" in loop]
    assert loops
    for loop in loops:
        awaited = loop[loop.index("grugen_await(") :]
        for panel in re.findall(r"&panels\.(\w+)\)", loop):
            assert re.search(rf"grugen_bits\(panels\.{panel}\)", awaited), panel


def test_tensor_cores_ask_for_posts_before_they_look_ahead() -> None:
    """Both at once is what a warp can wait for."""
    text = text_of("gru_reset_after", "bfloat16")
    assert re.search(r"operand_1_asked\.ask\(0\);\n.*\n.*meanwhile\(\); }", text)
    assert re.search(r"const auto meanwhile = \[&\] {\n.*_look_ahead\(call, work, rows, team", text)
    # blocks without units, and warps without tiles, look ahead, too
    assert text.count("meanwhile();") == 3 * len(re.findall(r"const auto meanwhile = ", text))


def test_what_a_step_computes_is_not_there_before() -> None:
    """The gradient that a step carries to the next."""
    assert "d_h_carried" not in members(text_of("gru_reset_after"), "backward")


def test_stages_ask_while_they_multiply() -> None:
    assert members(text_of("gru_reset_after"), "forward") == set()


def test_short_elements_are_on_their_way_as_they_lie() -> None:
    """To convert one is to wait for it."""
    text = text_of("gru_reset_after", "bfloat16")
    struct = re.search(r"struct \w+_ahead {\n(.*?)};", text, re.DOTALL)
    assert struct is not None
    assert set(re.findall(r"(\S+) \w+;", struct[1])) == {"__nv_bfloat16"}


@pytest.mark.parametrize(("name", "waits"), [("gru_reset_after", True), ("layernorm_gru", False)])
def test_blocks_that_post_look_ahead_at_once_and_others_behind_a_meeting(
    name: str, waits: bool
) -> None:
    """Where blocks cannot post, all look ahead when their nest is done."""
    text = text_of(name)
    assert ("if constexpr (!Team::posts) {" in text) == waits
    assert "_look_ahead(call, work, rows, team" in text


@pytest.mark.parametrize(
    ("element", "matrices", "condition"),
    [
        ("float32", 1, "true"),
        ("float32", 3, "(ROWS == 1 && HELD < 16) || 12 * HELD < 128"),
        ("float32", 4, "(ROWS == 1 && HELD < 16) || 16 * HELD < 128"),
        ("float64", 3, "HELD == 0 || !Team::posts"),
    ],
)
def test_kernels_whose_registers_are_full_do_not_look_ahead(
    element: ElementType, matrices: int, condition: str
) -> None:
    """Of four matrices a lane holds eight fours each, half of its registers."""
    assert looks_ahead(element, matrices) == condition
