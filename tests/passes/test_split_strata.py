"""split_strata: which products stay in the loop, how deep they are, what a stratum costs.

The numbers of cells are those of section 2.2 of the survey of cells, computed by another program.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from snippets import step

from grugen.driver import compile_spec
from grugen.ir.nodes import Function
from grugen.ir.shapes import PRODUCTS
from grugen.passes.split_strata import Kind, Strata, split_strata

VALID = Path(__file__).parents[1] / "spec" / "valid"

# cell: products in the loop, all products, depth, kind of the deepest stratum, strata
TABLE = {
    "elman": (1, 2, 1, Kind.DENSE, 1),
    "gru_cho": (3, 6, 2, Kind.DENSE, 1),
    "gru": (3, 6, 2, Kind.DENSE, 1),
    "gru_reset_after": (3, 6, 1, Kind.DENSE, 1),
    "gru_mean": (3, 6, 2, Kind.DENSE, 1),
    "gru_forward": (3, 6, 2, Kind.DENSE, 2),
    "gru_simple": (3, 12, 2, Kind.DENSE, 1),
    "gru_d": (3, 10, 2, Kind.DENSE, 2),
    "gru_d_author_keras": (3, 10, 2, Kind.DENSE, 3),
    "gru_d_pypots": (6, 7, 1, Kind.DENSE, 1),
    "lstm": (4, 8, 1, Kind.DENSE, 1),
    "lstm_peephole": (4, 8, 1, Kind.DENSE, 1),
    "lstm_coupled": (3, 6, 1, Kind.DENSE, 1),
    "lstmp": (5, 9, 2, Kind.DENSE, 1),
    "layernorm_gru": (1, 2, 1, Kind.DENSE, 1),
    "gru_zoneout": (3, 6, 1, Kind.DENSE, 1),
    "gru_variational_dropout": (3, 6, 2, Kind.DENSE, 1),
    "mgu": (2, 4, 2, Kind.DENSE, 1),
    "ligru": (2, 4, 1, Kind.DENSE, 1),
    "janet": (2, 4, 1, Kind.DENSE, 1),
    "star": (1, 3, 1, Kind.DENSE, 1),
    "brc": (0, 3, 0, Kind.DIAGONAL, 1),
    "indrnn": (0, 1, 0, Kind.DIAGONAL, 1),
    "mingru": (0, 2, 0, Kind.SCAN, 1),
    "minlstm": (0, 3, 0, Kind.SCAN, 1),
    "augru_paper": (3, 6, 2, Kind.DENSE, 1),
}


@pytest.mark.parametrize("name", TABLE)
def test_cells_of_the_survey(name: str) -> None:
    path = VALID / f"{name}.yaml"
    forward = compile_spec(path if path.is_file() else name).steps.forward
    strata = split_strata(forward)
    products = {let.name for let in forward.lets if let.op in PRODUCTS}
    in_loops = [line for loop in strata.loops for line in loop.lines if line in products]
    deepest = max(strata.loops, key=lambda loop: loop.depth)
    found = (len(in_loops), len(products), deepest.depth, deepest.kind, len(strata.loops))
    assert found == TABLE[name]


def test_the_other_strata_of_gru_d_are_scans() -> None:
    strata = split_strata(compile_spec("gru_d").steps.forward)
    kinds = {loop.states: loop.kind for loop in strata.loops}
    assert kinds == {("x_last",): Kind.SCAN, ("h",): Kind.DENSE}
    # a stratum stands behind what it reads
    assert [loop.states for loop in strata.loops] == [("x_last",), ("h",)]


TWO = "spec: 1\nname: c\ninputs: {x: [H]}\nstates: {h: [H], c: [H]}\n"


def places(function: Function) -> Strata:
    strata = split_strata(function)
    everywhere = [*strata.once, *strata.per_sequence]
    everywhere += [line for lines in strata.rows for line in lines]
    everywhere += [line for loop in strata.loops for line in loop.lines]
    assert sorted(everywhere) == sorted(let.name for let in function.lets)
    return strata


def test_states_that_swap_are_one_stratum() -> None:
    (loop,) = places(step("v = x\nh' = c\nc' = h", TWO, "v")).loops
    assert loop.states == ("h", "c")


def test_a_state_that_only_delays() -> None:
    head = "spec: 1\nname: c\ninputs: {x: [H]}\nstates: {h: [H], before: [H]}\n"
    strata = places(step("h' = tanh(h + before)\nbefore' = x", head))
    assert {loop.states: loop.kind for loop in strata.loops} == {
        ("before",): Kind.DELAY,
        ("h",): Kind.DIAGONAL,
    }


def test_what_only_outputs_need_is_behind_the_loop() -> None:
    strata = places(step("h' = tanh(W @ h + x)\ny = W @ h'", output="y"))
    assert "y" in strata.rows[-1]
    assert "y" not in strata.loops[0].lines


def test_what_does_not_read_the_state_is_ahead() -> None:
    strata = places(step("z = sigmoid(W @ x)\nh' = tanh(h * z)"))
    assert "z" in strata.rows[0]
    assert "h_next" in strata.loops[0].lines


def test_sums_couple_elements() -> None:
    (loop,) = places(step("h' = x + mean(h)")).loops
    assert loop.kind is Kind.COUPLED


def test_once_and_once_a_sequence() -> None:
    head = (
        "spec: 1\nname: c\ninputs: {x: [H]}\nstatic: {s: [H]}\nstates: {h: [H]}\n"
        "params: {W: [H, H], b: [H]}\n"
    )
    strata = places(step("p = exp(b)\nq = W @ s\nh' = p * h + q * x", head))
    assert strata.once == ("p",)
    assert strata.per_sequence == ("q",)
