"""Calls like one before: what is remembered between them changes nothing that a user can see."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any, NoReturn

import leak
import numpy as np
import pytest

from grugen.errors import UsageError
from grugen.runtime import Cell, CellModule, calls, known, pool, release_memory
from grugen.runtime.engine import MOST_FORMS
from grugen.runtime.memory import POOL
from grugen.runtime.pool import PAGE

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


def fresh(module: CellModule) -> Cell:
    return module.Cell(D=3, c=C, seed=1, dtype="float64")


def agree(cell: Cell, module: CellModule, arrays: dict[str, Array], **options: Any) -> None:
    """The cell finds, bit for bit, what one finds that nobody has called before."""
    new = fresh(module)
    run, expected = (one.forward(**arrays, tape=True, **options) for one in (cell, new))
    for name, array in expected.outputs.items():
        np.testing.assert_array_equal(run.outputs[name], array)
    for name, array in expected.states.items():
        np.testing.assert_array_equal(run.states[name], array)
    d_y = {"y": np.ones_like(expected.outputs["y"])}
    grads, wanted = cell.backward(run, outputs=d_y), new.backward(expected, outputs=d_y)
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


@pytest.mark.compiles
def test_known_calls_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests here would say nothing if every call went the long way."""
    cell = leak.module("openmp").Cell(D=3, c=C, seed=1, dtype="float64")
    whole = drawn(0)
    read_only = whole["x"].copy()
    read_only.flags.writeable = False
    lengths, states = np.array([1, 0, T]), {"h": np.ones((B, 3))}
    given: tuple[dict[str, Any], ...] = (
        whole,
        {"x": whole["x"]},
        {"x": read_only},
        {**whole, "lengths": lengths},
        {**whole, "states": states},
        {**whole, "reverse": True},
        {**whole, "tape": True},
        {**whole, "tape": "states"},
        {**whole, "threads": 2},
    )
    frozen = cell.freeze()
    for arguments in given:
        cell.forward(**arguments)
    frozen.forward(**whole)

    def refuse(*_: object) -> None:
        raise AssertionError("the long way")

    monkeypatch.setattr(calls, "run_forward", refuse)
    for arguments in given:
        cell.forward(**arguments)
    frozen.forward(**whole)
    # what says the size need not come first
    monkeypatch.undo()
    for steps in (T, T + 1, T + 1):
        cell.forward(s=whole["s"], x=drawn(0, steps=steps)["x"])
    monkeypatch.setattr(calls, "run_forward", refuse)
    cell.forward(s=whole["s"], x=drawn(0, steps=T + 1)["x"])
    others: tuple[dict[str, Any], ...] = (
        drawn(1, steps=T + 1),
        {**whole, "m": whole["m"].astype(bool)},
        {"m": whole["m"], "x": whole["x"]},
        {**whole, "threads": 3},
    )
    for arguments in others:
        with pytest.raises(AssertionError, match="the long way"):
            cell.forward(**arguments)


def test_large_arrays_that_are_not_given(cell: Cell, module: CellModule) -> None:
    """Defaults and first states of a page or more are made anew each time."""
    batch = PAGE // (3 * 8) + 1
    for seed in range(3):
        arrays = drawn(seed, steps=2, batch=batch)
        agree(cell, module, {"x": arrays["x"]})
        agree(cell, module, {"x": arrays["x"]}, lengths=np.arange(batch) % 3)


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
        {"threads": True},
        {"threads": 2.0},
        {"lengths": np.array([T + 1, 1, 1])},
        {"states": {"z": np.ones((B, 3))}},
    ],
)
def test_mistakes_are_told_as_at_first(
    cell: Cell, module: CellModule, wrong: dict[str, Any]
) -> None:
    with pytest.raises(UsageError) as expected:
        fresh(module).forward(**{**drawn(0), **wrong})
    for reverse in (False, True):
        cell.forward(**drawn(0), reverse=reverse)
        cell.forward(**drawn(0), reverse=reverse, threads=1, tape=True)
        cell.forward(**drawn(0), reverse=reverse, threads=2, tape=True)
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


def test_frozen_cells(cell: Cell) -> None:
    frozen = cell.freeze()
    expected = cell.forward(**drawn(0)).outputs["y"]
    for _ in range(3):
        np.testing.assert_array_equal(frozen.forward(**drawn(0)).outputs["y"], expected)


def test_states_may_be_replaced_by_others(cell: Cell, module: CellModule) -> None:
    """The mapping is the caller's, and what is in it is looked at every time."""
    states = {"h": np.ones((B, 3)), "f": np.zeros((B, 3))}
    agree(cell, module, drawn(0), states=states)
    states["h"] = np.full((B, 3), 2.0)
    agree(cell, module, drawn(0), states=states)
    states["h"] = np.ones((B, 4))
    with pytest.raises(UsageError, match=r"^state 'h' has shape "):
        cell.forward(**drawn(0), states=states)


@pytest.mark.compiles
def test_states_live_until_the_kernel_is_done() -> None:
    # this k makes the kernel wait until x[0] is written
    cell = leak.module("openmp").Cell(D=3, c=C, k=777, seed=1, dtype="float64")
    x, states = np.ones((1, 1, 3)), {"h": np.ones((1, 3))}
    for _ in range(2):
        cell.forward(x=x, states=states)
    x[...] = 0
    watched, alive = weakref.ref(states["h"]), []

    def let_go() -> None:
        states.clear()
        alive.append(watched() is not None)
        x.fill(1)

    timer = threading.Timer(0.1, let_go)
    timer.start()
    cell.forward(x=x, states=states)
    timer.join()
    assert alive == [True]


@pytest.mark.compiles
@pytest.mark.parametrize("batch", [B, PAGE // 24 + 1])
def test_memory_that_there_is_not(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of results, or of the workspace where those are small."""
    module = leak.module("openmp")
    cell, other = fresh(module), fresh(module)
    runs = [one.forward(**drawn(0, batch=batch), tape=True) for one in (cell, other)]
    cell.backward(runs[0])
    release_memory()

    def refuse(size: int) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(pool, "Block", refuse)
    messages = []
    for one, run in zip((cell, other), runs, strict=True):
        with pytest.raises(UsageError) as caught:
            one.forward(**drawn(0, batch=batch), tape=True)
        messages.append(str(caught.value))
        with pytest.raises(UsageError) as caught:
            one.backward(run)
        messages.append(str(caught.value))
    assert messages[:2] == messages[2:]
    assert all(message.endswith("more memory than there is") for message in messages)


@pytest.mark.compiles
def test_a_tape_that_there_is_no_memory_for(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = fresh(leak.module("openmp"))
    cell.forward(**drawn(0), tape=True)

    def refuse(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        if dtype == np.uint8:
            raise MemoryError
        return np.empty(shape, dtype)

    monkeypatch.setattr(known, "empty", refuse)
    with pytest.raises(UsageError) as caught:
        cell.forward(**drawn(0), tape=True)
    assert str(caught.value) == (
        "tape of 'h' with shape (4, 3, 3) needs 0.0 GiB, more memory than there is"
    )


@pytest.mark.compiles
def test_a_call_that_is_not_short_after_all_returns_its_struct() -> None:
    cell = fresh(leak.module("openmp"))
    arrays = drawn(1)
    run = cell.forward(**arrays, tape=True)
    cell.backward(run, outputs={"y": np.ones_like(run.outputs["y"])})
    (known,) = cell._calls._forward.values()
    for _ in range(3):
        cell.forward(**(arrays | {"m": arrays["m"].astype(bool)}), tape=True)
        assert len(known._repeated.spare) == 1


@pytest.mark.compiles
def test_memory_of_calls_before_is_not_read() -> None:
    """All that lies idle is NaN: tapes, workspaces and large results."""
    module, arrays = leak.module("openmp"), drawn(1, steps=300, batch=64)
    cell = fresh(module)
    agree(cell, module, arrays)
    for _ in range(2):
        for shelf in tuple(POOL._free.values()):
            for block in shelf:
                np.frombuffer(block.mapping, np.uint8)[block.start :] = 0xFF
        agree(cell, module, arrays)


@pytest.mark.compiles
def test_structs_and_workspaces_are_used_again() -> None:
    """But no workspace that somebody else holds on to."""
    cell = leak.module("openmp").Cell(D=3, c=C, seed=1, dtype="float64")
    for _ in range(5):
        cell.backward(cell.forward(**drawn(0), tape=True))
    (forward,), (backward,) = (
        each.values() for each in (cell._calls._forward, cell._calls._backward)
    )
    for one in (forward, backward):
        assert len(one._repeated.spare) == 1
    shelf = forward._repeated._shelf
    assert shelf is backward._repeated._shelf
    run = cell.forward(**drawn(0), tape=True)
    for call in (lambda: cell.forward(**drawn(0), tape=True), lambda: cell.backward(run)):
        free = len(shelf)
        call()
        assert len(shelf) == free
        held = np.frombuffer(shelf[-1].mapping, np.uint8)
        held[...] = 7
        call()
        assert np.all(held == 7)


@pytest.mark.parametrize("tape", [True, "states"])
@pytest.mark.parametrize("batch", [B, PAGE // 24 + 1])
def test_the_tape_of_a_known_call(tape: Any, batch: int, cell: Cell, module: CellModule) -> None:
    """One that nobody but `backward` looked at has the same arrays."""
    arrays = drawn(0, batch=batch)
    runs = [one.forward(**arrays, tape=tape) for one in (fresh(module), cell, cell, cell)]
    first = runs[0].record
    assert first is not None
    for run in runs:
        assert run.record is not None
        assert run.tape_bytes == runs[0].tape_bytes > 0
        assert run.record.tape.keys() == first.tape.keys()
        for name, array in first.tape.items():
            if isinstance(array, np.ndarray):
                np.testing.assert_array_equal(run.record.tape[name], array)


def test_runs_are_as_they_were_made(cell: Cell) -> None:
    """Nobody replaces a part of a run, and each is equal to itself only."""
    first, second = (cell.forward(**drawn(0)) for _ in range(2))
    for name in ("outputs", "states", "plan", "record", "other"):
        with pytest.raises(AttributeError):
            setattr(first, name, None)
    assert first != second
    assert len({first, second}) == 2
    shown = f"Run(outputs={first.outputs!r}, states={first.states!r}, plan={first.plan!r})"
    assert repr(first) == shown
