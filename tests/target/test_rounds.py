"""Rounds: what waits for other functions runs behind them, and finds what it reads."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))
sys.path.append(str(Path(__file__).parents[1] / "passes"))

from snippets import step
from trials import compiled, invented

from grugen.ir.nodes import Function
from grugen.passes.order_terms import order_terms
from grugen.target.nests import INLINE, Pointwise
from grugen.target.planning import plan_openmp
from grugen.target.rounds import Round, rounds_of
from grugen.target.stages import stage_of, use_counts

CELLS = 60
SEED = 37
AFTER = "r = sigmoid(W @ h + x)\nz = sigmoid(U @ h + x)\nn = tanh(x + r * (V @ h))\n"


def rounds(equations: str, output: str = "h'") -> tuple[Round, ...]:
    """Those of a snippet as one loop."""
    function = order_terms(step(equations, output=output))
    nest = Pointwise(function.lets[-1].type.shape[0], function.lets)
    stored = {result.value for result in function.results}
    return rounds_of(nest, stage_of(nest, use_counts(function)), stored, ())


def names(part: Round) -> set[str]:
    return {let.name for let in part.lets}


def test_functions_that_need_each_other_run_in_rounds() -> None:
    first, second = rounds(f"{AFTER}h' = (1 - z) * n + z * h")
    assert {"r", "z"} <= names(first)
    assert {"V_h", "n", "h_next"} <= names(second)
    assert first.leaves == second.enters
    assert set(first.leaves) == {"r", "z"}
    assert not first.enters
    assert not second.leaves


def test_functions_that_do_not_wait_run_together() -> None:
    (only,) = rounds("r = sigmoid(W @ h + x)\nz = tanh(U @ h)\nh' = r * z + x")
    assert not only.enters
    assert not only.leaves


def test_named_values_run_early_and_what_has_no_name_where_it_is_read() -> None:
    first, second = rounds(
        "i = sigmoid(W @ h)\ng = tanh(U @ h)\nc = i * g\nk = exp(V @ h - x)\nh' = tanh(c) * (1 - k)"
    )
    assert "c" in names(first)
    assert set(second.enters) == {"c", "k"}


def test_one_round_where_too_little_is_free() -> None:
    """Two values would go on, and the only accumulator has room for one."""
    (only,) = rounds("r = sigmoid(W @ h)\nz = exp(x - r)\nn = tanh(z)\nh' = tanh(n * x) * z * r")
    assert "h_next" in names(only)


def test_a_sum_that_is_read_later_makes_no_room() -> None:
    (only,) = rounds("r = sigmoid(x)\nh' = tanh(r * (W @ h))")
    assert {"r", "W_h"} <= names(only)


def test_what_is_copied_goes_on_to_the_last_round() -> None:
    function = order_terms(step(f"{AFTER}h' = n + z"))
    nest = Pointwise(function.lets[-1].type.shape[0], function.lets)
    _, second = rounds_of(nest, stage_of(nest, use_counts(function)), (), ("r",))
    assert "r" in second.enters


def test_every_round_finds_what_it_reads() -> None:
    several = 0
    for invention in invented(CELLS, SEED):
        steps = compiled(invention.named("cell")).steps
        functions: list[Function] = [steps.forward, steps.backward, steps.backward_states]
        for plan in (plan_openmp(function, "any") for function in functions):
            stages = plan.stages()
            for phase in plan.phases():
                for nest in (nest for nest in phase.nests if nest in stages):
                    assert isinstance(nest, Pointwise)
                    stage = stages[nest]
                    found = rounds_of(nest, stage, {*phase.writes, *phase.sums}, ())
                    several += len(found) > 1
                    held = list(stage.sums)
                    own = {let.name for let in nest.lets if let.op not in INLINE}
                    parts = {*stage.sums, *stage.inner}
                    for part in found:
                        assert all(held[slot] == value for value, slot in part.enters.items())
                        there = {*part.enters, *stage.inner}
                        for let in part.lets:
                            if let.name in stage.sums:
                                assert held[stage.sums.index(let.name)] == let.name
                            elif let.name not in parts:
                                assert own & {*let.args} <= there
                            there.add(let.name)
                        for value, slot in part.leaves.items():
                            assert value in there
                            held[slot] = value
                    # every line once
                    every = [let.name for part in found for let in part.lets]
                    assert sorted(every) == sorted(let.name for let in nest.lets)
    assert several > CELLS // 10
