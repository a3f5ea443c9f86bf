"""States that start as an input does: one number spread over a vector, and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from grugen.ir.from_spec import lower_spec
from grugen.passes.pipeline import lower
from grugen.runtime import Cell, CellModule, InterpretedEngine
from grugen.source import SourceText
from grugen.spec.load import read_text
from grugen.target.interface import interface_of

SPEC = """\
spec: 1
name: starts
inputs:
  x: [D]
  dt: []
states:
  f: {shape: [D], init: first(dt)}
  e: {shape: [], init: first(dt)}
  h: {shape: [D], init: -inf}
params:
  w: [D]
equations: |
  f' = f * 0.5 + x * w
  e' = e * dt
  h' = max(h, x)
outputs: {y: f', z: e', top: h'}
"""
T, B = 4, 3
LENGTHS = np.array([4, 0, 2])


@pytest.fixture
def cell() -> Cell:
    spec = read_text(SourceText("starts.yaml", SPEC))
    steps = lower(lower_spec(spec))
    engine = InterpretedEngine(steps, np.dtype(np.float64))
    module = CellModule(interface_of(spec, steps), lambda target, dtype: engine, "numpy")
    made = module.Cell(D=2)
    made.params["w"] = np.array([0.5, -1.5])
    return made


def data() -> tuple[NDArray[Any], NDArray[Any]]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(T, B, 2)), generator.normal(size=(T, B))


@pytest.mark.parametrize("reverse", [False, True])
def test_states(cell: Cell, reverse: bool) -> None:
    x, dt = data()
    run = cell.forward(x=x, dt=dt, lengths=LENGTHS, reverse=reverse)
    for b, end in enumerate(LENGTHS):
        order = range(end)[:: -1 if reverse else 1]
        f = np.full(2, dt[order[0], b] if end else 0.0)
        e = dt[order[0], b] if end else 0.0
        for t in order:
            f = f * 0.5 + x[t, b] * cell.params["w"]
            e = e * dt[t, b]
        np.testing.assert_allclose(run.states["f"][b], f, rtol=1e-12)
        np.testing.assert_allclose(run.states["e"][b], e, rtol=1e-12)
    assert np.all(np.isneginf(run.states["h"][1]))
    np.testing.assert_array_equal(run.states["h"][0], x[:, 0].max(axis=0))


@pytest.mark.parametrize("reverse", [False, True])
def test_gradient_of_the_input(cell: Cell, reverse: bool) -> None:
    x, dt = data()

    def run(tape: bool = False) -> Any:
        return cell.forward(x=x, dt=dt, lengths=LENGTHS, reverse=reverse, tape=tape)

    def loss() -> float:
        states = run().states
        return float(states["f"].sum() + (2 * states["e"]).sum())

    ones = np.ones((B, 2))
    found = cell.backward(run(True), states={"f": ones, "e": np.full(B, 2.0)}).inputs["dt"]
    expected = np.zeros_like(dt)
    for index in np.ndindex(dt.shape):
        value = dt[index]
        dt[index] = value + 1e-6
        above = loss()
        dt[index] = value - 1e-6
        expected[index] = (above - loss()) / 2e-6
        dt[index] = value
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_stepper_spreads_the_first_input(cell: Cell) -> None:
    x, dt = data()
    run = cell.forward(x=x, dt=dt)
    step = cell.stepper(batch=B)
    for t in range(T):
        step.x[:] = x[t]
        step.dt[:] = dt[t]
        step()
        np.testing.assert_array_equal(step.y, run.outputs["y"][t])
        np.testing.assert_array_equal(step.z, run.outputs["z"][t])
