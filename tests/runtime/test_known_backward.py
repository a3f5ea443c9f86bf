"""Backward calls like one before: what is remembered changes nothing that a user can see."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import leak
import numpy as np
import pytest

import grugen
from grugen.errors import UsageError
from grugen.runtime import Cell, CellModule, calls
from grugen.runtime.backward import Grads
from grugen.runtime.engine import MOST_FORMS
from grugen.runtime.pool import PAGE

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


@pytest.mark.compiles
def test_known_calls_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests here would say nothing if every call went the long way."""
    cell = fresh(leak.module("openmp"))
    options: tuple[dict[str, Any], ...] = ({}, {"lengths": np.array([1, 0, T])}, {"reverse": True})
    for _ in range(2):
        for some in options:
            gradients(cell, ("outputs",), **some)

    def refuse(*_: object) -> None:
        raise AssertionError("the long way")

    monkeypatch.setattr(calls, "run_backward", refuse)
    for some in options:
        gradients(cell, ("outputs",), **some)
    with pytest.raises(AssertionError, match="the long way"):
        gradients(cell, ("states",))


@pytest.mark.compiles
@pytest.mark.parametrize("name", ["gru", "lstm", "gru_d"])
@pytest.mark.parametrize("tape", ["gates", "states"])
def test_shipped_cells(name: str, tape: Any) -> None:
    """Known calls of all kinds find the bits of first ones."""
    module = grugen.load(name)
    chance = np.random.default_rng(0)
    lengths = np.array([5, 0, 3], np.int32)
    ways: tuple[dict[str, Any], ...] = ({}, {"reverse": True}, {"lengths": lengths})
    constants = {info.name: np.ones(3, np.float32) for info in module.interface.constants}
    cell = module.Cell(D=3, H=17, seed=0, **constants)
    for turn in range(4):
        for options in ways:
            arrays = {
                info.name: np.float32(chance.random((5, 3, 3)) > 0.5)
                if info.mask
                else chance.random((5, 3, 3), np.float32)
                for info in module.interface.inputs
            }
            d_y = chance.normal(size=(5, 3, 17)).astype(np.float32)
            found, expected = (
                one.backward(
                    one.forward(**arrays, tape=tape, threads=1, **options),
                    outputs={"y": d_y},
                    threads=1,
                )
                for one in (cell, module.Cell(D=3, H=17, seed=0, **constants))
            )
            agree(found, expected)
            assert found.plan == expected.plan, turn


@pytest.mark.parametrize("options", [{}, {"lengths": np.array([1, 0, T])}, {"tape": "states"}])
def test_a_known_run_the_long_way(cell: Cell, module: CellModule, options: dict[str, Any]) -> None:
    """What a known call left for later is there when the general way asks for it."""
    for _ in range(3):
        run = cell.forward(x=np.full((T, B, 3), 0.5), **{"tape": True, **options})
    other = fresh(module)
    expected = other.forward(x=np.full((T, B, 3), 0.5), **{"tape": True, **options})
    d_y = np.cos(np.arange(T * B * 3.0)).reshape(T, B, 3)
    found = cell.backward(run, outputs=MappingProxyType({"y": d_y}))
    agree(found, other.backward(expected, outputs={"y": d_y}))


def test_large_gradients_that_are_not_given(cell: Cell, module: CellModule) -> None:
    """Zeros of a page or more are made anew each time."""
    batch = PAGE // 24 + 1
    x, d_h = np.random.default_rng(0).normal(size=(2, batch, 3)), np.ones((batch, 3))
    found = [
        one.backward(one.forward(x=x, tape=True), states={"h": d_h})
        for one in (fresh(module), cell, cell, cell)
    ]
    for grads in found:
        agree(grads, found[0])


def test_gradients_that_were_given_do_not_live_on(cell: Cell) -> None:
    run = cell.forward(x=np.ones((T, B, 3)), tape=True)
    for _ in range(2):
        d_y = np.ones((T, B, 3))
        watched = weakref.ref(d_y)
        cell.backward(run, outputs={"y": d_y})
        del d_y
        gc.collect()
        assert watched() is None


def test_gradients_are_as_they_were_made(cell: Cell) -> None:
    first, second = (gradients(cell, ()) for _ in range(2))
    for name in ("params", "inputs", "static", "states", "plan", "other"):
        with pytest.raises(AttributeError):
            setattr(first, name, None)
    assert first != second
    shown = (
        f"Grads(params={first.params!r}, inputs={first.inputs!r}, static={first.static!r}, "
        f"states={first.states!r}, plan={first.plan!r})"
    )
    assert repr(first) == shown


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
