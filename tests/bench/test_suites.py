"""Suites are data: they name shipped specs, and their shapes fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grugen.assets import shipped_specs
from grugen.bench.draw import draw, restore, rounded, save
from grugen.bench.flops import flops_of, loop_bytes
from grugen.bench.suites import Case, cases_at, cases_of, parse_shape, suite_names
from grugen.driver import compile_spec
from grugen.errors import UsageError


def test_suites_that_the_command_promises() -> None:
    assert {"clinical", "medium", "large", "deepbench"} <= set(suite_names())


@pytest.mark.parametrize("name", suite_names())
def test_every_case_fits_its_spec(name: str) -> None:
    for case in cases_of([name]):
        assert case.spec in shipped_specs()
        assert len(case.sizes) == len(compile_spec(case.spec).interface.dims)


def test_a_case_that_is_in_two_suites_is_measured_once() -> None:
    cases = cases_of(["clinical", "batches"])
    assert len(cases) == len(set(cases))


def test_modes() -> None:
    assert {case.mode for case in cases_of(["clinical"], ["training"])} == {"training"}
    assert cases_at(["gru"], ["5,2,3,4"], ["forward"]) == (Case("gru", 5, 2, (3, 4), "forward"),)


@pytest.mark.parametrize("text", ["", "1,2", "1,2,0,4", "a,b,c,d", "1,2,-3,4"])
def test_shapes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="is no shape"):
        parse_shape(text)


def test_unknown_suite() -> None:
    with pytest.raises(UsageError, match=r"no suite 'clinic'\nhelp: did you mean 'clinical'"):
        cases_of(["clinic"])


def test_shape_with_too_few_sizes() -> None:
    with pytest.raises(UsageError, match="its shapes are T,B,D,H"):
        draw(Case("gru", 2, 2, (3,), "forward"), compile_spec("gru").interface)


def test_drawn_numbers_are_the_same_and_survive_a_file(tmp_path: Path) -> None:
    case = Case("gru_d", 3, 2, (4, 5), "forward")
    first, second = (draw(case, compile_spec("gru_d").interface) for _ in range(2))
    save(first, tmp_path / "case.npz")
    third = restore(tmp_path / "case.npz")
    assert set(first.inputs) == {"x", "m", "delta"}
    assert (first.inputs["delta"] >= 0).all()
    assert set(np.unique(first.inputs["m"])) <= {0.0, 1.0}
    for name, array in first.params.items():
        np.testing.assert_array_equal(array, second.params[name])
        np.testing.assert_array_equal(array, third.params[name])
    assert third.sizes == {"D": 4, "H": 5}


def test_numbers_of_bfloat16_are_drawn(tmp_path: Path) -> None:
    case = Case("gru", 3, 2, (4, 5), "forward", numbers="bfloat16")
    assert str(case) == "gru 3,2,4,5 forward bfloat16"
    data = draw(case, compile_spec("gru").interface)
    save(data, tmp_path / "case.npz")
    assert restore(tmp_path / "case.npz").numbers == data.numbers == "bfloat16"
    for arrays in (data.params, data.inputs, data.d_outputs):
        for array in arrays.values():
            assert not (array.view(np.uint32) & 0xFFFF).any()
    exact = draw(replace(case, numbers="float32"), compile_spec("gru").interface)
    np.testing.assert_allclose(data.inputs["x"], exact.inputs["x"], rtol=2**-8)
    # between 1 and the next number of bfloat16, 1 + 2**-7: ties go to the even one
    given = np.float32([1, 1 + 2**-9, 1 + 2**-8, 1 + 2**-8 + 2**-20, 1 + 3 * 2**-8, -1 - 2**-8])
    wanted = np.float32([1, 1, 1, 1 + 2**-7, 1 + 2**-6, -1])
    np.testing.assert_array_equal(rounded(given), wanted)


def test_operations_are_counted_from_the_equations() -> None:
    cell, sizes = compile_spec("gru"), {"D": 3, "H": 5}
    forward = Case("gru", 7, 2, (3, 5), "forward")
    data = draw(forward, cell.interface)
    one_step = 2 * 3 * (5 * 3 + 5 * 5)
    assert flops_of(cell.steps, data, forward) == 7 * 2 * one_step
    training = Case("gru", 7, 2, (3, 5), "training")
    # backward: to the operand and to the weights of each product
    assert flops_of(cell.steps, data, training) == 3 * 7 * 2 * one_step
    ragged = replace(forward, ragged=True)
    short = draw(ragged, cell.interface)
    assert short.lengths is not None
    assert flops_of(cell.steps, short, ragged) == short.lengths.sum() * one_step
    assert loop_bytes(cell.steps.forward, sizes) == 4 * 3 * 5 * 5
