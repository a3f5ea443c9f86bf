"""Gradients: against differences of the forward call, and what has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import grugen
from grugen.errors import UsageError
from grugen.runtime import Cell, CellModule, Grads

Array = NDArray[Any]
T, B = 4, 3


class Case:
    """A loss on outputs and last states with fixed random weights."""

    def __init__(self, cell: Cell, **options: Any) -> None:
        generator = np.random.default_rng(2)
        self.cell = cell
        self.options = options
        self.x = generator.normal(size=(T, B, 3))
        self.s = generator.normal(size=(B, 3))
        self.dy, self.dg = generator.normal(size=(2, T, B, 3))
        self.dh, self.df = generator.normal(size=(2, B, 3))

    def loss(self) -> float:
        run = self.cell.forward(x=self.x, s=self.s, **self.options)
        total = np.sum(self.dy * run.outputs["y"]) + np.sum(self.dg * run.outputs["g"])
        return float(total + np.sum(self.dh * run.states["h"]) + np.sum(self.df * run.states["f"]))

    def grads(self) -> Grads:
        run = self.cell.forward(x=self.x, s=self.s, tape=True, **self.options)
        return self.cell.backward(
            run,
            outputs={"y": self.dy, "g": self.dg},
            states={"h": self.dh, "f": self.df},
        )


def differences(loss: Callable[[], float], array: Array, step: float = 1e-6) -> Array:
    found = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + step
        above = loss()
        array[index] = value - step
        found[index] = (above - loss()) / (2 * step)
        array[index] = value
    return found


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, np.array([4, 0, 2])])
@pytest.mark.parametrize("given", [False, True])
def test_gradients_are_those_of_differences(
    cell: Cell, reverse: bool, lengths: Array | None, given: bool
) -> None:
    states = {"h": np.ones((B, 3))}
    if given:
        states["f"] = np.full((B, 3), 0.5)
    case = Case(cell, reverse=reverse, lengths=lengths, states=states)
    grads = case.grads()
    pairs = [
        (grads.params["w"], cell.params["w"]),
        (grads.params["b"], cell.params["b"]),
        (grads.inputs["x"], case.x),
        (grads.static["s"], case.s),
        *((grads.states[name], array) for name, array in states.items()),
    ]
    for found, array in pairs:
        assert found.shape == array.shape
        np.testing.assert_allclose(found, differences(case.loss, array), rtol=1e-5, atol=1e-7)


def test_keys(cell: Cell) -> None:
    grads = Case(cell).grads()
    assert list(grads.params) == ["w", "b"]
    assert list(grads.inputs) == ["x"]
    assert list(grads.static) == ["s"]
    assert list(grads.states) == ["h", "f"]


def test_missing_gradients_are_zero(cell: Cell) -> None:
    x = np.ones((T, B, 3))
    run = cell.forward(x=x, tape=True)
    nothing = cell.backward(run)
    np.testing.assert_array_equal(nothing.inputs["x"], 0)
    some = cell.backward(run, outputs={"y": x})
    same = cell.backward(
        run,
        outputs={"y": x, "g": np.zeros_like(x)},
        states={"h": np.zeros((B, 3)), "f": np.zeros((B, 3))},
    )
    for name in ("w", "b"):
        np.testing.assert_array_equal(some.params[name], same.params[name])


def test_again_gives_fresh_gradients(cell: Cell) -> None:
    x = np.ones((T, B, 3))
    run = cell.forward(x=x, tape=True)
    first = cell.backward(run, outputs={"y": x, "g": x})
    kept = {name: array.copy() for name, array in {**first.params, **first.inputs}.items()}
    for array in (*first.params.values(), *first.inputs.values(), *first.states.values()):
        array[...] = np.nan
    second = cell.backward(run, outputs={"y": x, "g": x})
    for name, array in {**second.params, **second.inputs}.items():
        np.testing.assert_array_equal(array, kept[name])


def test_gradients_past_the_end_are_not_read(cell: Cell) -> None:
    lengths = np.array([4, 0, 2])
    x = np.ones((T, B, 3))
    dy = np.ones((T, B, 3))
    for b, end in enumerate(lengths):
        dy[end:, b] = np.nan
    run = cell.forward(x=x, lengths=lengths, tape=True)
    grads = cell.backward(run, outputs={"y": dy, "g": dy})
    assert np.all(np.isfinite(grads.inputs["x"]))
    assert np.all(np.isfinite(grads.params["w"]))


def test_without_tape(cell: Cell) -> None:
    run = cell.forward(x=np.ones((T, B, 3)))
    with pytest.raises(UsageError) as caught:
        cell.backward(run)
    assert str(caught.value) == "this run kept no tape\nhelp: pass tape=True to forward"


def test_run_of_another_cell(module: CellModule, cell: Cell) -> None:
    other = module.Cell(D=3, c=np.ones(3), dtype="float64")
    run = other.forward(x=np.ones((T, B, 3)), tape=True)
    with pytest.raises(UsageError) as caught:
        cell.backward(run)
    assert str(caught.value) == (
        "this run is not one of this 'leak' cell\n"
        "help: call backward of the cell whose forward made the run"
    )


def test_what_is_no_run(cell: Cell) -> None:
    with pytest.raises(UsageError) as caught:
        cell.backward({})  # type: ignore[arg-type]
    assert str(caught.value) == "backward of 'leak' got a dict; what forward returned is needed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"outputs": {"z": np.ones((T, B, 3))}},
            "outputs of 'leak' has no 'z'\nhelp: its outputs are 'y' and 'g'",
        ),
        (
            {"states": {"hh": np.ones((B, 3))}},
            "states of 'leak' has no 'hh'\nhelp: did you mean 'h'?",
        ),
        (
            {"outputs": {"y": np.ones((T, 2, 3))}},
            "gradient of output 'y' has shape (4, 2, 3); (T, B, D) = (4, 3, 3) is needed, because "
            "the run has T = 4 and B = 3",
        ),
        (
            {"states": {"h": np.ones((B, 3), np.float32)}},
            "gradient of state 'h' has dtype float32; float64 is needed\n"
            "help: pass h.astype(np.float64)",
        ),
        (
            {"outputs": np.ones((T, B, 3))},
            "outputs is of type ndarray; a mapping of names to arrays is needed",
        ),
        ({"threads": 0}, "threads is 0; a whole number of at least 1 is needed"),
    ],
)
def test_messages(arguments: dict[str, Any], message: str, cell: Cell) -> None:
    run = cell.forward(x=np.ones((T, B, 3)), tape=True)
    with pytest.raises(UsageError) as caught:
        cell.backward(run, **arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize("target", ["numpy", pytest.param("openmp", marks=pytest.mark.compiles)])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_tape_of_states_gives_the_same_gradients(target: str, reverse: bool) -> None:
    cell = grugen.load("lstm", target=target).Cell(D=3, H=19, seed=0, dtype="float64")
    x = np.random.default_rng(0).normal(size=(6, 4, 3))
    lengths = np.array([6, 0, 3, 5])
    runs = [
        cell.forward(x=x, lengths=lengths, reverse=reverse, tape=tape)
        for tape in ("gates", "states")
    ]
    gates, states = (
        cell.backward(run, outputs={"y": np.cos(run.outputs["y"])}, states=run.states)
        for run in runs
    )
    # c and h, and no gate
    assert runs[1].tape_bytes == 2 * 6 * 4 * 19 * 8 < runs[0].tape_bytes
    for group in ("params", "inputs", "states"):
        for name, gradient in getattr(gates, group).items():
            np.testing.assert_allclose(getattr(states, group)[name], gradient, 1e-10, 1e-12)
