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
