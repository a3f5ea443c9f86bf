"""Stages: which sums the accumulators hold, and which packed matrices feed them in which order."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))
sys.path.append(str(Path(__file__).parents[1] / "passes"))

from snippets import step
from trials import compiled, invented

from grugen.ir.nodes import Function, Op
from grugen.ir.shapes import PRODUCTS
from grugen.passes.order_terms import order_terms
from grugen.target.nests import Pointwise
from grugen.target.plan import KernelPlan
from grugen.target.planning import plan_openmp
from grugen.target.stages import Segment, Stage, join_segments, stage_of, use_counts

CELLS = 60
SEED = 31


def stage(equations: str, output: str = "h'") -> Stage:
    """All lines of a snippet as one loop."""
    function = order_terms(step(equations, output=output))
    return stage_of(Pointwise(function.lets[-1].type.shape[0], function.lets), use_counts(function))


def shown(segment: Segment) -> tuple[str, list[str], int, bool]:
    return segment.operand, [let.name for let in segment.lets], segment.first, segment.adds


def test_gates_of_one_vector_stand_side_by_side() -> None:
    found = stage("z = sigmoid(W @ h)\nr = tanh(U @ h)\nn = V @ h\nh' = z * r + n * x")
    assert found.sums == ("W_h", "U_h", "n")
    assert [shown(s) for s in found.segments] == [("h", ["W_h", "U_h", "n"], 0, False)]
    assert not found.inner


def test_products_that_are_added_share_an_accumulator() -> None:
    found = stage("h' = tanh(W @ x + U @ h + V @ m + b)")
    assert len(found.sums) == 1
    assert found.inner == {"W_x", "V_m", "t4", "U_h"}
    assert [shown(s) for s in found.segments] == [
        ("x", ["W_x"], 0, False),
        ("h", ["U_h"], 0, True),
        ("m", ["V_m"], 0, True),
    ]


def test_what_is_read_on_its_own_is_a_sum_of_its_own() -> None:
    found = stage("z = W @ x\nh' = tanh(z + U @ h) * z")
    assert set(found.sums) == {"z", "U_h"}
    assert not found.inner


def test_what_is_handed_out_is_a_sum_of_its_own() -> None:
    found = stage("z = W @ x\nh' = tanh(z + U @ h)", "z")
    assert set(found.sums) == {"z", "U_h"}


def test_subtracted_products_are_sums_of_their_own() -> None:
    found = stage("h' = tanh(W @ x - U @ h)")
    assert set(found.sums) == {"W_x", "U_h"}


def test_what_belongs_to_two_vectors_stands_between_them() -> None:
    """GRU, reset after the product: the input's part of n is not the state's."""
    found = stage("z = sigmoid(V @ m + U @ h)\nn = tanh(W @ m + z * (V @ h))\nh' = z * n")
    sums = list(found.sums)
    assert sums.index("W_m") == 0
    assert sums[-1] == "V_h"
    assert [shown(s) for s in found.segments] == [
        ("m", ["W_m", "V_m"], 0, False),
        ("h", ["U_h"], 1, True),
        ("h", ["V_h"], 2, False),
    ]


def test_transposed_products_of_a_vector_are_segments_of_their_own() -> None:
    cell = compiled(
        "spec: 1\nname: both\ninputs: {x: [H]}\nstates: {h: [H]}\nparams: {W: [H, H], U: [H, H]}\n"
        "equations: |\n  h' = tanh(W @ h + U @ (W @ h) + x)\noutputs: {y: h'}\n"
    )
    for function in (cell.steps.backward, cell.steps.backward_states):
        plan = plan_openmp(function, "backward")
        for found in plan.stages().values():
            for segment in found.segments:
                assert {let.op for let in segment.lets} == {segment.op}


def test_vectors_side_by_side_are_one_segment() -> None:
    found = stage("h' = tanh(W @ x + U @ h + V @ m)")
    joined = join_segments(found, {"h": "x", "x": "y"})
    assert [(s.operands, [let.name for let in s.lets], s.adds) for s in joined.segments] == [
        (("h", "x"), ["U_h", "W_x"], False),
        (("m",), ["V_m"], True),
    ]
    assert [segment.count for segment in joined.segments] == [1, 1]


def test_segments_of_different_sums_stay_apart() -> None:
    found = stage("z = W @ x\nh' = tanh(z + U @ h) * z")
    assert join_segments(found, {"x": "h"}) == found


def test_a_vector_that_is_read_twice_is_not_joined() -> None:
    found = stage("h' = tanh(W @ x + U @ h + V @ h)")
    assert join_segments(found, {"x": "h"}) == found


@pytest.fixture(scope="module")
def plans() -> list[KernelPlan]:
    found = []
    for invention in invented(CELLS, SEED):
        steps = compiled(invention.named("cell")).steps
        functions: list[Function] = [steps.forward, steps.backward, steps.backward_states]
        found += [plan_openmp(function, "any") for function in functions]
    assert sum(len(plan.stages()) for plan in found) > CELLS
    return found


def test_every_product_is_multiplied_once(plans: list[KernelPlan]) -> None:
    for plan in plans:
        for nest, found in plan.stages().items():
            fed = [let.name for segment in found.segments for let in segment.lets]
            assert sorted(fed) == sorted(let.name for let in nest.products)
            for segment in found.segments:
                read = [operand for operand in segment.operands for _ in range(segment.count)]
                assert [let.args[1] for let in segment.lets] == read


def test_every_sum_is_begun_once_and_before_it_goes_on(plans: list[KernelPlan]) -> None:
    for plan in plans:
        for found in plan.stages().values():
            begun: set[int] = set()
            for segment in found.segments:
                places = set(range(segment.first, segment.first + segment.count))
                assert places <= set(range(len(found.sums)))
                assert places <= begun if segment.adds else not places & begun
                begun |= places
            assert begun == set(range(len(found.sums)))


def test_accumulators_hold_what_the_lines_say(plans: list[KernelPlan]) -> None:
    """Sums formed segment by segment are the values that the lines of the step compute."""
    random = np.random.default_rng(SEED)
    for plan in plans:
        for nest, found in plan.stages().items():
            values = {let.name: float(random.integers(1, 99)) for let in nest.products}
            accumulators = [-1e9] * len(found.sums)
            for segment in found.segments:
                for index, let in enumerate(segment.lets):
                    number = segment.first + index % segment.count
                    begun = segment.adds or index >= segment.count
                    accumulators[number] = values[let.name] + begun * accumulators[number]
            for let in nest.lets:
                if let.name in {*found.sums, *found.inner} and let.op not in PRODUCTS:
                    assert let.op is Op.ADD
                    values[let.name] = values[let.args[0]] + values[let.args[1]]
            assert accumulators == [values[name] for name in found.sums]


def test_nobody_reads_part_of_a_sum(plans: list[KernelPlan]) -> None:
    for plan in plans:
        handed_out = {result.value for result in plan.function.results}
        stored = {value for phase in plan.phases() for value in (*phase.writes, *phase.sums)}
        for nest, found in plan.stages().items():
            assert not found.inner & (handed_out | stored)
            own = {let.name for let in nest.lets}
            for let in plan.function.lets:
                if found.inner & set(let.args):
                    assert let.name in own
                    assert let.name in {*found.inner, *found.sums}
