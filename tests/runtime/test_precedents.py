"""Calls like one before: what is remembered between them changes nothing that a user can see."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from grugen.errors import UsageError
from grugen.runtime import Cell, CellModule, DeviceArray, precedent
from grugen.runtime.engine import MOST_FORMS

Array = np.ndarray[Any, Any]
C = np.array([0.5, 1.0, 2.0])
T, B = 4, 3


def drawn(seed: int, steps: int = T, batch: int = B) -> dict[str, Array]:
    """All arrays that the cell can be given."""
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(size=(steps, batch, 3)),
        "m": np.float64(rng.random((steps, batch, 3)) > 0.5),
        "s": rng.normal(size=(batch, 3)),
    }


def agree(cell: Cell, module: CellModule, arrays: dict[str, Array], **options: Any) -> None:
    """The cell finds, bit for bit, what one finds that nobody has called before."""
    fresh = module.Cell(D=3, c=C, seed=1, dtype="float64")
    run, expected = (one.forward(**arrays, tape=True, **options) for one in (cell, fresh))
    for name, array in expected.outputs.items():
        np.testing.assert_array_equal(run.outputs[name], array)
    for name, array in expected.states.items():
        np.testing.assert_array_equal(run.states[name], array)
    d_y = {"y": np.ones_like(expected.outputs["y"])}
    grads, wanted = cell.backward(run, outputs=d_y), fresh.backward(expected, outputs=d_y)
    for found, right in ((grads.inputs, wanted.inputs), (grads.params, wanted.params)):
        for name, array in right.items():
            np.testing.assert_array_equal(found[name], array)


def test_calls_in_turns(cell: Cell, module: CellModule) -> None:
    """Of other sizes, the other way round, with fewer arrays, and in the order of no other."""
    for seed in range(3):
        agree(cell, module, drawn(seed))
        agree(cell, module, drawn(seed), reverse=True)
        agree(cell, module, drawn(seed, steps=2, batch=5))
        agree(cell, module, {"x": drawn(seed)["x"]})
        agree(cell, module, dict(reversed(drawn(seed).items())))
        agree(cell, module, drawn(seed), lengths=np.array([1, 0, T]))
        agree(cell, module, drawn(seed), states={"h": np.ones((B, 3))})
        agree(cell, module, drawn(seed, steps=0))


def test_a_precedent_is_followed(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests here would say nothing if every call went the long way."""
    cell.forward(**drawn(0))

    def refuse(*_: object) -> None:
        raise AssertionError("the long way")

    monkeypatch.setattr(precedent, "accept", refuse)
    cell.forward(**drawn(1))
    with pytest.raises(AssertionError, match="the long way"):
        cell.forward(**drawn(1, steps=T + 1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": np.ones((T, B, 3), np.float32)},
        {"x": np.ones((T, B, 4))},
        {"x": np.ones((3, B, T)).T},
        {"x": np.ones((T, B, 3)).tolist()},
        {"m": np.ones((T, B + 1, 3))},
        {"s": np.ones((B, 3), np.int64)},
        {"s": np.ma.masked_array(np.ones((B, 3)))},
        {"reverse": 1},
        {"stream": True},
        {"tape": 1},
        {"threads": 0},
        {"lengths": np.array([T + 1, 1, 1])},
        {"states": {"z": np.ones((B, 3))}},
    ],
)
def test_mistakes_are_told_as_at_first(
    cell: Cell, module: CellModule, wrong: dict[str, Any]
) -> None:
    with pytest.raises(UsageError) as expected:
        module.Cell(D=3, c=C, seed=1, dtype="float64").forward(**{**drawn(0), **wrong})
    for reverse in (False, True):
        cell.forward(**drawn(0), reverse=reverse)
    with pytest.raises(UsageError) as found:
        cell.forward(**{**drawn(0), **wrong})
    assert str(found.value) == str(expected.value)


def test_masks_of_other_types_are_still_taken(cell: Cell, module: CellModule) -> None:
    arrays = drawn(0)
    agree(cell, module, arrays)
    agree(cell, module, {**arrays, "m": arrays["m"].astype(bool)})


def test_arrays_do_not_live_on(cell: Cell) -> None:
    arrays = drawn(0)
    watched = weakref.ref(arrays["x"])
    cell.forward(**arrays)
    cell.forward(**arrays)
    del arrays
    gc.collect()
    assert watched() is None


def test_many_sizes(cell: Cell, module: CellModule) -> None:
    for steps in range(1, MOST_FORMS + 3):
        cell.forward(**drawn(0, steps=steps))
    agree(cell, module, drawn(1))


def test_frozen_cells_follow_too(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = cell.freeze()
    first = frozen.forward(**drawn(0)).outputs["y"]
    np.testing.assert_array_equal(first, cell.forward(**drawn(0)).outputs["y"])
    monkeypatch.setattr(precedent, "accept", None)
    np.testing.assert_array_equal(first, frozen.forward(**drawn(0)).outputs["y"])


def test_results_are_where_the_arrays_are(cuda_module: CellModule) -> None:
    """NumPy's after a call with a device's, and the other way round."""
    engine = cuda_module._engine("cuda", np.dtype(np.float32))
    place = engine.place(None, None)
    cell = cuda_module.Cell(D=3, c=np.float32(C), seed=1).to("cuda:0")
    host = {name: array.astype(np.float32) for name, array in drawn(0).items()}
    there: dict[str, Any] = {name: place.copy_of(name, array) for name, array in host.items()}
    some = {**host, "x": there["x"]}
    for arrays, kind in ((host, np.ndarray), (there, DeviceArray), (some, DeviceArray)) * 2:
        found = cell.forward(**arrays).outputs["y"]
        assert type(found) is kind
        on_host = found if kind is np.ndarray else found.numpy()
        np.testing.assert_array_equal(on_host, cell.forward(**host).outputs["y"])
