"""Backward calls like one before: what is remembered changes nothing that a user can see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from grugen.errors import UsageError
from grugen.runtime import Cell, CellModule, backward
from grugen.runtime.backward import Grads
from grugen.runtime.engine import MOST_FORMS

Array = np.ndarray[Any, Any]
C = np.array([0.5, 1.0, 2.0])
T, B = 4, 3
GIVEN: tuple[tuple[str, ...], ...] = (("outputs", "states"), ("outputs",), ("states",), ())


def gradients(cell: Cell, given: tuple[str, ...], *, steps: int = T, **options: Any) -> Grads:
    """Of a loss that has the gradients that are `given`."""
    rng = np.random.default_rng(steps)
    run = cell.forward(x=rng.normal(size=(steps, B, 3)), **{"tape": True, **options})
    found = {"outputs": run.outputs, "states": run.states}
    losses = {
        group: {name: np.cos(np.arange(a.size, dtype=a.dtype)).reshape(a.shape) for name, a in of}
        for group, of in ((group, found[group].items()) for group in given)
    }
    return cell.backward(run, **losses)


def arrays(grads: Grads) -> dict[str, Array]:
    """All of them by name, in order."""
    groups: dict[str, Mapping[str, Array]] = {
        "params": grads.params,
        "inputs": grads.inputs,
        "static": grads.static,
        "states": grads.states,
    }
    return {f"{group}.{name}": a for group, of in groups.items() for name, a in of.items()}


def agree(found: Grads, expected: Grads) -> None:
    left, right = arrays(found), arrays(expected)
    assert list(left) == list(right)
    for name, array in right.items():
        np.testing.assert_array_equal(left[name], array, name)


def fresh(module: CellModule) -> Cell:
    return module.Cell(D=3, c=C, seed=1, dtype="float64")


def test_calls_in_turns(cell: Cell, module: CellModule) -> None:
    """With other gradients, of other sizes, with tapes of both kinds: as a cell's first call."""
    for _ in range(2):
        for given in GIVEN:
            for options in ({}, {"tape": "states"}, {"steps": 2}, {"lengths": np.array([1, 0, T])}):
                expected = gradients(fresh(module), given, **options)
                agree(gradients(cell, given, **options), expected)


def test_a_form_is_followed(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests here would say nothing if every call went the long way."""
    gradients(cell, ("outputs",))
    if cell.target == "cuda":
        pytest.skip("its calls are written down elsewhere")

    def refuse(*_: object) -> None:
        raise AssertionError("the long way")

    monkeypatch.setattr(backward, "GradientForm", refuse)
    gradients(cell, ("outputs",))
    with pytest.raises(AssertionError, match="the long way"):
        gradients(cell, ("states",))


def test_gradients_are_fresh(cell: Cell) -> None:
    """What a user writes into them reaches no later call."""
    first = gradients(cell, ("outputs",))
    expected = {name: array.copy() for name, array in arrays(first).items()}
    for array in arrays(first).values():
        array[...] = 7.0
    for name, array in arrays(gradients(cell, ("outputs",))).items():
        np.testing.assert_array_equal(array, expected[name], name)


def test_many_sizes(cell: Cell, module: CellModule) -> None:
    for steps in range(1, MOST_FORMS + 3):
        gradients(cell, (), steps=steps)
    agree(gradients(cell, GIVEN[0]), gradients(fresh(module), GIVEN[0]))


def test_mistakes_are_told_as_at_first(cell: Cell, module: CellModule) -> None:
    gradients(cell, ("outputs",))
    messages = []
    for one in (cell, fresh(module)):
        run = one.forward(x=np.zeros((T, B, 3)), tape=True)
        with pytest.raises(UsageError) as caught:
            one.backward(run, outputs={"y": np.zeros((T + 1, B, 3))})
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert messages[0].endswith("because the run has T = 4 and B = 3")
