"""Frozen cells and steppers: snapshots of the parameters, and streaming on buffers."""

from __future__ import annotations

import dataclasses
from typing import Any

import leak
import numpy as np
import pytest
from numpy.typing import NDArray

import grugen
from grugen.runtime import ArrayInfo, Cell, CellModule, OutputInfo

T, B = 5, 2


@pytest.fixture
def x() -> NDArray[Any]:
    return np.random.default_rng(3).normal(size=(T, B, 3))


def test_frozen_cell_keeps_its_params(cell: Cell, x: NDArray[Any]) -> None:
    frozen = cell.freeze()
    before = cell.forward(x=x).outputs["y"]
    cell.params["w"][...] = 0
    after = cell.forward(x=x).outputs["y"]
    np.testing.assert_array_equal(frozen.forward(x=x).outputs["y"], before)
    frozen.refresh()
    np.testing.assert_array_equal(frozen.forward(x=x).outputs["y"], after)
    assert not np.array_equal(before, after)


def test_steps_are_those_of_forward(cell: Cell, x: NDArray[Any]) -> None:
    s = np.random.default_rng(4).normal(size=(B, 3))
    run = cell.forward(x=x, s=s)
    step = cell.stepper(batch=B)
    step.s[...] = s
    for t in range(T):
        step.x[:] = x[t]
        step()
        np.testing.assert_array_equal(step.y, run.outputs["y"][t])
        np.testing.assert_array_equal(step.outputs["g"], run.outputs["g"][t])
    for name, state in run.states.items():
        np.testing.assert_array_equal(step.states[name], state)


@pytest.mark.compiles
@pytest.mark.parametrize("name", ["gru", "gru_d", "lstm"])
def test_steps_of_shipped_cells_are_those_of_forward(name: str) -> None:
    module = grugen.load(name)
    constants = {info.name: np.zeros(33, np.float32) for info in module.interface.constants}
    cell = module.Cell(D=33, H=64, seed=0, **constants)
    chance = np.random.default_rng(5)
    inputs = {
        info.name: (chance.random((T, B, 33)) < 0.5).astype(np.float32)
        if info.mask
        else chance.random((T, B, 33), np.float32)
        for info in module.interface.inputs
    }
    step, frozen = cell.stepper(batch=B), cell.freeze()
    for factor in (1.0, 0.5):
        for array in cell.params.values():
            array[...] = factor * array
        run = cell.forward(**inputs)
        step.refresh()
        frozen.refresh()
        step.reset()
        same = frozen.forward(**inputs)
        for t in range(T):
            for key, array in inputs.items():
                step.inputs[key] = array[t]
            step()
            for key, output in run.outputs.items():
                np.testing.assert_allclose(step.outputs[key], output[t], 1e-5, 1e-6)
        for key, output in run.outputs.items():
            np.testing.assert_array_equal(same.outputs[key], output)


def test_reset(cell: Cell, x: NDArray[Any]) -> None:
    step = cell.stepper(batch=B)

    def take(t: int) -> NDArray[Any]:
        step.x[:] = x[t]
        step()
        return np.concatenate([step.y, step.g])

    first = take(0)
    assert not np.array_equal(take(0), first)
    step.reset()
    np.testing.assert_array_equal(take(0), first)
    before = take(1)
    step.reset()
    take(0)
    step.reset([1])
    after = take(1)
    # sequence 0 went on, sequence 1 began anew
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
    fresh = cell.forward(x=x[1:2]).outputs
    np.testing.assert_array_equal(after[[1, 3]], [fresh["y"][0, 1], fresh["g"][0, 1]])


def test_states_can_be_written(cell: Cell, x: NDArray[Any]) -> None:
    step = cell.stepper(batch=B)
    step.states["h"][...] = 2
    step.x[:] = x[0]
    step()
    expected = cell.forward(x=x[:1], states={"h": np.full((B, 3), 2.0)})
    np.testing.assert_array_equal(step.y, expected.outputs["y"][0])


def test_buffers_start_at_the_defaults(cell: Cell) -> None:
    step = cell.stepper()
    np.testing.assert_array_equal(step.m, np.ones((1, 3)))
    np.testing.assert_array_equal(step.x, np.zeros((1, 3)))
    np.testing.assert_array_equal(step.static["s"], np.zeros((1, 3)))


def test_params_are_a_snapshot(cell: Cell) -> None:
    step = cell.stepper()
    bias = float(cell.params["b"])
    cell.params["b"] = 5
    step()
    np.testing.assert_array_equal(step.y, np.full((1, 3), bias))
    step.refresh()
    step.reset()
    step()
    np.testing.assert_array_equal(step.y, np.full((1, 3), 5.0))


def test_two_steppers_are_apart(cell: Cell) -> None:
    one, other = cell.stepper(), cell.stepper()
    one.x[:] = 1
    one()
    assert np.all(other.x == 0)
    assert np.all(other.states["f"] == 0)


def test_buffers_cannot_be_replaced(cell: Cell) -> None:
    step = cell.stepper()
    for name in ("x", "y", "inputs"):
        with pytest.raises(AttributeError) as caught:
            setattr(step, name, np.ones((1, 3)))
        assert str(caught.value) == (
            f"'{name}' is a buffer and cannot be replaced\n"
            f"help: write into it: step.{name}[...] = value"
        )
    step.x += 1
    np.testing.assert_array_equal(step.x, np.ones((1, 3)))
    with pytest.raises(AttributeError, match=r"^the stepper has no 'z'$"):
        step.z = 1


def test_unknown_attribute(cell: Cell) -> None:
    step = cell.stepper()
    with pytest.raises(AttributeError, match=r"^the stepper has no 'z'$"):
        _ = step.z
    assert not hasattr(step, "_z")
    assert {"x", "m", "s", "y", "g", "reset"} <= set(dir(step))


def test_names_that_clash() -> None:
    interface = dataclasses.replace(
        leak.interface("numpy"),
        inputs=(ArrayInfo("x", leak.D), ArrayInfo("m", leak.D, default=1.0)),
        outputs=(OutputInfo("y", leak.D), OutputInfo("x", leak.D), OutputInfo("s", leak.D)),
    )
    step = CellModule(interface, leak.engine, "numpy").Cell(D=3, c=np.ones(3)).stepper()
    for name, what, holder in (("x", "an input", "inputs"), ("s", "a static input", "static")):
        expected = (
            f"'{name}' is {what} and an output\n"
            f"help: write step.{holder}['{name}'] or step.outputs['{name}']"
        )
        with pytest.raises(AttributeError) as caught:
            getattr(step, name)
        assert str(caught.value) == expected
        with pytest.raises(AttributeError) as caught:
            setattr(step, name, 1.0)
        assert str(caught.value) == expected


def test_repr(module: CellModule, cell: Cell) -> None:
    assert repr(module) == "<cell module leak>"
    assert repr(cell) == f"<leak cell D=3 float64 {cell.target}>"
    assert (cell.dims, cell.dtype) == ({"D": 3}, np.float64)
