"""Calls on a device like one before: what is remembered changes nothing that a user can see."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from test_device_forms import C, drawn, stream_of

from grugen.errors import DeviceError, UsageError
from grugen.runtime import Cell, CellModule, CudaEngine, DeviceArray, calls, release_memory
from grugen.runtime.cuda.driver import Driver
from grugen.runtime.cuda.place import DevicePlace
from grugen.runtime.cuda.repeated import RepeatedThere

Array = np.ndarray[Any, Any]
T, B = 4, 2


@pytest.fixture
def place(cuda_module: CellModule) -> DevicePlace:
    engine = cuda_module._engine("cuda", np.dtype(np.float32))
    assert isinstance(engine, CudaEngine)
    return engine.place(None, None)


@pytest.fixture
def fresh(cuda_module: CellModule) -> Callable[[], Cell]:
    """Makes cells that nobody has called before."""
    return lambda: cuda_module.Cell(D=3, c=C, seed=1).to("cuda:0")


@pytest.fixture
def cell(fresh: Callable[[], Cell]) -> Cell:
    return fresh()


def given(place: DevicePlace, seed: int = 0) -> dict[str, DeviceArray]:
    """All arrays that the cell can be given."""
    chance = np.random.default_rng(seed)
    mask = chance.random((T, B, 3)) > 0.5
    arrays = {"x": drawn(T, B, seed), "m": np.float32(mask), "s": drawn(1, B, seed)[0]}
    return {name: place.copy_of(name, array) for name, array in arrays.items()}


def several(place: DevicePlace, seed: int = 0) -> tuple[dict[str, Any], ...]:
    """Calls of several kinds."""
    arrays = given(place, seed)
    bits = place.copy_of("m", np.random.default_rng(seed).random((T, B, 3)) > 0.5)
    states = {name: place.copy_of(name, drawn(1, B, seed)[0]) for name in ("h", "f")}
    return (
        arrays,
        {"x": arrays["x"]},
        {"x": arrays["x"], "m": bits},
        {**arrays, "lengths": np.array([0, T])},
        {**arrays, "lengths": np.array([1, T - 1]), "reverse": True},
        {**arrays, "states": {"h": states["h"]}},
        {**arrays, "states": states},
        {**arrays, "stream": stream_of(place)},
        {"x": arrays["x"], "tape": "states"},
    )


def results(cell: Cell, place: DevicePlace, arguments: Mapping[str, Any]) -> dict[str, Array]:
    """All that a call and its gradients find."""
    run = cell.forward(**{"tape": True, **arguments})
    d_y = place.copy_of("dy", np.cos(drawn(T, B)))
    runs = {"outputs": run.outputs, "states": run.states}
    found = {f"{group} {name}": a for group, of in runs.items() for name, a in of.items()}
    for number, losses in enumerate(({"outputs": {"y": d_y}}, {"states": dict(run.states)})):
        grads = cell.backward(run, **losses)
        groups = (grads.params, grads.inputs, grads.static, grads.states)
        named = {f"{number} {i} {n}": a for i, of in enumerate(groups) for n, a in of.items()}
        found.update(named)
    return {name: array.numpy() for name, array in found.items()}


def test_known_calls_find_what_first_ones_do(
    fresh: Callable[[], Cell], cell: Cell, place: DevicePlace
) -> None:
    for seed in range(3):
        for arguments in several(place, seed):
            expected = results(fresh(), place, arguments)
            found = results(cell, place, arguments)
            assert list(found) == list(expected)
            for name, array in expected.items():
                np.testing.assert_array_equal(found[name], array, name)


def refuse(*_: object) -> None:
    raise AssertionError("the long way")


def test_known_calls_are_short(
    cell: Cell, place: DevicePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests here would say nothing if every call went the long way."""
    kinds = several(place)
    frozen = cell.freeze()
    frozen.forward(**given(place))
    # gradients are remembered of runs that were known
    for arguments in kinds * 2:
        results(cell, place, arguments)
    monkeypatch.setattr(calls, "run_forward", refuse)
    monkeypatch.setattr(calls, "run_backward", refuse)
    for arguments in kinds:
        results(cell, place, arguments)
    frozen.forward(**given(place, 1))
    arrays = given(place)
    others: tuple[dict[str, Any], ...] = (
        {"x": place.copy_of("x", drawn(T + 1, B))},
        {**arrays, "m": arrays["m"].numpy()},
        {**arrays, "lengths": place.copy_of("lengths", np.array([1, 1]))},
        {name: array.numpy() for name, array in arrays.items()},
    )
    for arguments in others:
        with pytest.raises(AssertionError, match="the long way"):
            cell.forward(**arguments)
    run = cell.forward(**arrays, tape=True)
    with pytest.raises(AssertionError, match="the long way"):
        cell.backward(run, outputs={"y": np.ones((T, B, 3), np.float32)})
    with pytest.raises(AssertionError, match="the long way"):
        cell.backward(run, outputs={"y": arrays["x"]}, stream=stream_of(place))


def test_params_of_the_host_are_carried_each_time(
    cuda_module: CellModule, place: DevicePlace
) -> None:
    cell = cuda_module.Cell(D=3, c=C, seed=1)
    x = place.copy_of("x", drawn())
    for w in (1.0, 2.0, 3.0):
        cell.params["w"][...] = w
        other = cell.to("cuda:0").forward(x=x).outputs["y"]
        np.testing.assert_array_equal(cell.forward(x=x).outputs["y"].numpy(), other.numpy())


def test_results_are_where_the_arrays_are(cell: Cell, place: DevicePlace) -> None:
    """NumPy's after a call with a device's, and the other way round."""
    there = given(place)
    host = {name: array.numpy() for name, array in there.items()}
    some = {**host, "x": there["x"]}
    for arrays, kind in ((host, np.ndarray), (there, DeviceArray), (some, DeviceArray)) * 2:
        found = cell.forward(**arrays).outputs["y"]
        assert type(found) is kind
        on_host = found if kind is np.ndarray else found.numpy()
        np.testing.assert_array_equal(on_host, cell.forward(**host).outputs["y"])


def test_mistakes_are_told_as_at_first(
    fresh: Callable[[], Cell], cell: Cell, place: DevicePlace
) -> None:
    arrays = given(place)
    cell.forward(**arrays)
    cell.forward(**arrays, lengths=np.array([1, 1]))

    class Odd:
        shape = ([],)

    wrong: tuple[dict[str, Any], ...] = (
        {"x": place.copy_of("x", drawn().astype(np.float64))},
        {"x": place.copy_of("x", drawn()[:, :, :2])},
        {"m": place.copy_of("m", np.ones((T, B, 3), np.int32))},
        {"s": place.copy_of("s", np.ones((B, 3), bool))},
        {"s": place.copy_of("s", drawn()[0, :1])},
        {"lengths": np.array([1, T + 1])},
        {"lengths": np.array([1])},
        {"x": Odd()},
        {"x": None},
        {"stream": True},
        {"stream": -1},
        {"reverse": 1},
        {"states": {"z": arrays["s"]}},
    )
    for arguments in wrong:
        said = []
        for one in (cell, fresh()):
            with pytest.raises(UsageError) as caught:
                one.forward(**{**arrays, **arguments})
            said.append(str(caught.value))
        assert said[0] == said[1]
    run = cell.forward(**arrays, tape=True)
    d_y = place.copy_of("dy", drawn())
    cell.backward(run, outputs={"y": d_y})
    with pytest.raises(UsageError, match=r"gradient of output 'y' has shape \(4, 2\)"):
        cell.backward(run, outputs={"y": place.copy_of("dy", drawn()[:, :, 0])})


def test_arrays_do_not_live_on(cell: Cell, place: DevicePlace) -> None:
    for _ in range(3):
        arrays = given(place)
        alive = [weakref.ref(array) for array in arrays.values()]
        run = cell.forward(**arrays, tape=True)
        del arrays
        gc.collect()
        # a run with a tape holds on to its inputs
        assert [ref() is not None for ref in alive] == [True, True, True]
        d_y = place.copy_of("dy", drawn())
        seen = weakref.ref(d_y)
        cell.backward(run, outputs={"y": d_y})
        del run, d_y
        gc.collect()
        assert [ref() for ref in (*alive, seen)] == [None] * 4


def test_results_of_a_kind_share_memory(cell: Cell, place: DevicePlace) -> None:
    """They are next to each other, and all of it is kept for as long as one of them is."""
    arrays = given(place)
    for _ in range(3):
        run = cell.forward(**arrays, tape=True)
        grads = cell.backward(run, outputs={"y": place.copy_of("dy", drawn())})
    for group in (run.outputs, run.states, grads.params, grads.states):
        first, *rest = group.values()
        for number, array in enumerate(rest, 1):
            assert array.address == first.address + 256 * number
    kept = grads.params["b"]
    before = kept.numpy()
    del grads, run, group, first, rest, array
    gc.collect()
    for seed in range(3):
        results(cell, place, given(place, seed))
    np.testing.assert_array_equal(kept.numpy(), before)


def test_memory_is_used_again(cell: Cell, place: DevicePlace) -> None:
    arrays = given(place)
    for _ in range(3):
        cell.backward(cell.forward(**arrays, tape=True))
    free = place.pool.free_bytes
    for _ in range(5):
        cell.backward(cell.forward(**arrays, tape=True))
        assert place.pool.free_bytes == free


def test_a_call_finds_the_memory_of_the_first_one(
    cell: Cell, place: DevicePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who captures a call has made one before: nothing is allocated then."""
    x = place.copy_of("x", drawn(2, 20000))
    d_y = place.copy_of("dy", drawn(2, 20000, 1))

    def train() -> None:
        cell.backward(cell.forward(x=x, tape=True), outputs={"y": d_y})

    place.pool.release()
    train()

    def none(*_: object) -> None:
        raise AssertionError("somebody allocates")

    monkeypatch.setattr(Driver, "allocate", none)
    for _ in range(4):
        train()


def test_masks_of_another_stream(
    cell: Cell, place: DevicePlace, cuda_module: CellModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are converted on the stream that has waited for them, the first time and later."""
    engine = cuda_module._engine("cuda", np.dtype(np.float32))
    other = engine.place(None, stream_of(place))
    bits = other.copy_of("m", np.ones((T, B, 3), bool))
    x = place.copy_of("x", drawn())
    streams: list[int] = []
    convert = Driver.from_bytes

    def listen(self: Driver, to: int, source: int, elements: int, stream: int) -> None:
        streams.append(stream)
        convert(self, to, source, elements, stream)

    monkeypatch.setattr(Driver, "from_bytes", listen)
    for _ in range(3):
        cell.forward(x=x, m=bits)
    assert streams == [place.stream] * 3


@pytest.mark.parametrize("number", range(4))
def test_memory_that_is_not_there(
    number: int, cell: Cell, place: DevicePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names what could not be had, and the next call finds its way."""
    arrays = given(place)
    expected = cell.forward(**arrays, tape=True).outputs["y"].numpy()
    cell.forward(**arrays, tape=True)
    lend = DevicePlace.lend_whole
    asked: list[object] = []

    def scarce(self: DevicePlace, whole: int, largest: Any) -> Any:
        asked.append(largest)
        if len(asked) == number + 1:
            monkeypatch.setattr(type(self.pool), "lend_whole", none)
        return lend(self, whole, largest)

    def none(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(DevicePlace, "lend_whole", scarce)
    with pytest.raises(DeviceError) as caught:
        cell.forward(**arrays, tape=True)
    what = (
        "output 'y' with shape (4, 2, 3)",
        "last state 'h' with shape (2, 3)",
        "tape of 'h' with shape (4, 2, 3)",
        "a kernel's workspace with shape (24,)",
    )[number]
    assert str(caught.value) == f"{what} needs 0.0 GiB, more memory than cuda:0 has free"
    monkeypatch.undo()
    np.testing.assert_array_equal(cell.forward(**arrays).outputs["y"].numpy(), expected)


def test_kernel_that_fails(cuda_module: CellModule, place: DevicePlace) -> None:
    """A known call says what the first one says."""
    cell = cuda_module.Cell(D=3, c=C, seed=1).to("cuda:0")
    arrays = given(place)
    cell.forward(**arrays)
    known = next(iter(cell._calls._forward.values()))
    assert isinstance(known._repeated, RepeatedThere)

    class Failing:
        form = known._repeated._form

        @staticmethod
        def run(struct: object) -> int:
            return 719

    known._repeated._kernel = Failing()
    with pytest.raises(DeviceError) as caught:
        cell.forward(**arrays)
    first, last = str(caught.value).splitlines()
    assert first.startswith("forward of 'leak' failed on cuda:0: ")
    assert last == "help: CUDA does not work in this process any more; start a new one"


def test_another_device_is_current(
    cell: Cell, place: DevicePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A known call runs on its own device, and the caller's is as it was."""
    arrays = given(place)
    expected = cell.forward(**arrays).outputs["y"].numpy()
    used: list[int] = []

    def elsewhere(number: Any) -> int:
        number[0] = 3
        return 0

    def use(device: int) -> int:
        used.append(device)
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(place.driver, "_current_device", elsewhere)
        patch.setattr(place.driver, "_use_device", use)
        y = cell.forward(**arrays).outputs["y"]
    # to let a state start, and to run
    assert used == [0, 3, 0, 3]
    np.testing.assert_array_equal(y.numpy(), expected)


def test_memory_of_calls_before_is_given_back(cell: Cell, place: DevicePlace) -> None:
    arrays = given(place)
    for _ in range(3):
        cell.backward(cell.forward(**arrays, tape=True))
    assert release_memory() > 0
    assert place.pool.free_bytes == 0
    results(cell, place, arrays)
