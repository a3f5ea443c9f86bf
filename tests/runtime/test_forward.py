"""What a forward call returns, against the equations of the cell written out in NumPy."""

from __future__ import annotations

from typing import Any

import leak
import numpy as np
import pytest
from numpy.typing import NDArray

from grugen.runtime import Cell, CellModule, Plan

Array = NDArray[Any]
T, B = 4, 3
C = np.array([0.5, 1.0, 2.0])


def sequence(cell: Cell, x: Array, h: Array, f: Array, k: float = 0.5, s: float = 0.0) -> Array:
    """(steps, 2, D): h and f after each step of one sequence."""
    rows = []
    for at in x:
        h = cell.params["w"] * h + at + s * k + cell.params["b"]
        f = f * C
        rows.append(np.stack([h, f]))
    return np.stack(rows) if rows else np.zeros((0, 2, 3))


@pytest.fixture
def x() -> Array:
    return np.random.default_rng(0).normal(size=(T, B, 3))


def test_whole_sequences(cell: Cell, x: Array) -> None:
    run = cell.forward(x=x, s=np.ones((B, 3)))
    for b in range(B):
        expected = sequence(cell, x[:, b], np.zeros(3), x[0, b], s=1.0)
        np.testing.assert_allclose(run.outputs["y"][:, b], expected[:, 0], rtol=1e-12)
        np.testing.assert_allclose(run.outputs["g"][:, b], expected[:, 1], rtol=1e-12)
        np.testing.assert_allclose(run.states["h"][b], expected[-1, 0], rtol=1e-12)
        np.testing.assert_allclose(run.states["f"][b], expected[-1, 1], rtol=1e-12)
    assert list(run.outputs) == ["y", "g"]
    assert list(run.states) == ["h", "f"]


@pytest.mark.parametrize("reverse", [False, True])
def test_lengths(cell: Cell, x: Array, reverse: bool) -> None:
    lengths = np.array([4, 0, 2], np.uint8)
    for b, end in enumerate(lengths):
        x[end:, b] = np.nan
    h0 = np.ones((B, 3))
    run = cell.forward(x=x, lengths=lengths, reverse=reverse, states={"h": h0})
    for b, end in enumerate(lengths):
        order = slice(None, None, -1 if reverse else 1)
        valid = x[:end, b][order]
        first = valid[0] if end else np.zeros(3)
        expected = sequence(cell, valid, h0[b], first)
        last = expected[-1] if end else np.stack([h0[b], np.zeros(3)])
        np.testing.assert_allclose(run.outputs["y"][:end, b][order], expected[:, 0], rtol=1e-12)
        np.testing.assert_array_equal(run.outputs["y"][end:, b], 0)
        np.testing.assert_array_equal(run.outputs["g"][end:, b], 0)
        np.testing.assert_allclose([run.states["h"][b], run.states["f"][b]], last, rtol=1e-12)


def test_given_state_is_used_and_not_changed(cell: Cell, x: Array) -> None:
    states = {"f": np.full((B, 3), -np.inf)}
    run = cell.forward(x=x, states=states)
    assert np.all(np.isneginf(run.outputs["g"]))
    assert np.all(np.isneginf(states["f"]))


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.float64])
def test_mask_of(dtype: type[np.generic], cell: Cell, x: Array) -> None:
    mask = np.random.default_rng(1).integers(0, 2, x.shape).astype(dtype)
    found = cell.forward(x=x, m=mask).outputs["y"]
    np.testing.assert_array_equal(found, cell.forward(x=x * mask).outputs["y"])


def test_left_out_input_has_its_default(cell: Cell, x: Array) -> None:
    found = cell.forward(x=x).outputs["y"]
    np.testing.assert_array_equal(found, cell.forward(x=x, m=np.ones_like(x)).outputs["y"])


@pytest.mark.parametrize(("steps", "batch"), [(0, 2), (3, 0), (0, 0)])
def test_empty_call(cell: Cell, steps: int, batch: int) -> None:
    h0 = np.ones((batch, 3))
    run = cell.forward(x=np.zeros((steps, batch, 3)), states={"h": h0}, tape=True)
    assert run.outputs["y"].shape == (steps, batch, 3)
    np.testing.assert_array_equal(run.states["h"], h0)
    np.testing.assert_array_equal(run.states["f"], np.zeros((batch, 3)))
    assert run.states["h"] is not h0
    assert run.plan == Plan("empty", 0)
    grads = cell.backward(run, states={"h": 2 * h0})
    np.testing.assert_array_equal(grads.states["h"], 2 * h0)
    np.testing.assert_array_equal(grads.params["w"], np.zeros(3))
    assert grads.inputs["x"].shape == (steps, batch, 3)


def test_plan_names_way_and_threads(module: CellModule, cell: Cell, x: Array) -> None:
    plan = cell.forward(x=x, threads=3).plan
    found = {"numpy": ("numpy", 1), "openmp": ("rows", 3), "cuda": ("block", 0)}
    assert (plan.name, plan.threads) == found[cell.target]


def test_results_are_fresh(cell: Cell, x: Array) -> None:
    one, other = cell.forward(x=x), cell.forward(x=x)
    one.outputs["y"][...] = 0
    one.states["h"][...] = 0
    assert np.all(other.outputs["y"] != 0)
    assert np.all(other.states["h"] != 0)


@pytest.mark.parametrize("tape", [True, "gates", "states"])
def test_tape_changes_no_result(tape: Any, cell: Cell, x: Array) -> None:
    np.testing.assert_array_equal(
        cell.forward(x=x, tape=tape).outputs["y"], cell.forward(x=x).outputs["y"]
    )


def test_read_only_and_memory_mapped_inputs(cell: Cell, x: Array, tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    run = cell.forward(x=mapped)
    assert type(run.outputs["y"]) is np.ndarray
    np.testing.assert_array_equal(run.outputs["y"], cell.forward(x=x).outputs["y"])


@pytest.mark.compiles
def test_compiled_is_as_interpreted() -> None:
    generator = np.random.default_rng(5)
    for dtype in (np.float32, np.float64):
        c = C.astype(dtype)
        compiled, reference = (
            leak.module(target).Cell(D=3, c=c, k=0.25, seed=3, dtype=dtype)
            for target in ("openmp", "numpy")
        )
        x = generator.normal(size=(T, B, 3)).astype(dtype)
        lengths = np.array([2, 4, 0])
        runs = [
            each.forward(x=x, lengths=lengths, reverse=True, tape=True)
            for each in (compiled, reference)
        ]
        grads = [
            each.backward(run, outputs={"y": x, "g": x}, states={"f": x[0]})
            for each, run in zip((compiled, reference), runs, strict=True)
        ]
        tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype is np.float32 else {"rtol": 1e-12}
        for name in ("outputs", "states"):
            pair = [getattr(run, name) for run in runs]
            assert list(pair[0]) == list(pair[1])
            for key in pair[0]:
                assert pair[0][key].dtype == dtype
                np.testing.assert_allclose(pair[0][key], pair[1][key], **tolerance)
        for name in ("params", "inputs", "static", "states"):
            pair = [getattr(each, name) for each in grads]
            assert list(pair[0]) == list(pair[1])
            for key in pair[0]:
                assert pair[0][key].dtype == dtype
                np.testing.assert_allclose(pair[0][key], pair[1][key], **tolerance)
