"""Parameters: how they are drawn, and what may be written into them."""

from __future__ import annotations

import math
from typing import Any

import leak
import numpy as np
import pytest

from grugen.errors import InternalError, UsageError
from grugen.runtime import Cell, Dim, ParamInfo, ParamInit
from grugen.runtime.init import draw, evaluate
from grugen.spec.inits import INITS

H = Dim.named("H")


def drawn(kind: str, *args: str, shape: tuple[int, ...] = (60, 40), blocks: int = 1) -> Any:
    info = ParamInfo("W", (H, H)[: len(shape)], ParamInit(kind, args, blocks))
    numbers = {"H": 60, "D": 40, "k": 0.5}
    return draw(info, shape, numbers, np.random.default_rng(7))


@pytest.mark.parametrize(
    ("kind", "args", "low", "high", "deviation"),
    [
        ("zeros", (), 0, 0, 0),
        ("ones", (), 1, 1, 0),
        ("constant", ("-k",), -0.5, -0.5, 0),
        ("uniform", ("1/sqrt(H)",), -(60**-0.5), 60**-0.5, (60 * 3) ** -0.5),
        ("uniform", ("1", "3"), 1, 3, 2 / math.sqrt(12)),
        ("normal", ("0.1",), -0.6, 0.6, 0.1),
        ("glorot_uniform", (), -math.sqrt(0.06), math.sqrt(0.06), math.sqrt(0.02)),
        ("glorot_normal", (), -1, 1, math.sqrt(0.02)),
        ("lecun_uniform", (), -math.sqrt(3 / 40), math.sqrt(3 / 40), math.sqrt(1 / 40)),
        ("log_uniform", ("1", "H"), 0, math.log(60), None),
    ],
)
def test_ranges(
    kind: str, args: tuple[str, ...], low: float, high: float, deviation: float | None
) -> None:
    found = drawn(kind, *args)
    assert found.shape == (60, 40)
    assert found.dtype == np.float64
    assert low <= found.min() <= found.max() <= high
    if deviation is not None:
        assert found.std() == pytest.approx(deviation, rel=0.05)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_orthogonal(shape: tuple[int, int]) -> None:
    found = drawn("orthogonal", shape=shape)
    product = found.T @ found if shape[0] >= shape[1] else found @ found.T
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-12)


def test_blocks_are_drawn_apart() -> None:
    found = drawn("orthogonal", shape=(6, 2), blocks=3)
    for block in np.split(found, 3):
        np.testing.assert_allclose(block.T @ block, np.eye(2), atol=1e-12)
    np.testing.assert_array_equal(drawn("identity", shape=(4, 2), blocks=2)[2:], np.eye(2))


def test_every_init_of_the_language_can_be_drawn() -> None:
    for kind, rule in INITS.items():
        assert drawn(kind, *["2"] * rule.least).shape == (60, 40)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1/sqrt(H)", 60**-0.5),
        ("-2 * k + H**2", 3599.0),
        ("max(D, min(H, 50)) - abs(-1)", 49.0),
        ("exp(log(D))", 40.0),
    ],
)
def test_arguments(text: str, value: float) -> None:
    assert evaluate(text, {"H": 60, "D": 40, "k": 0.5}) == pytest.approx(value)


@pytest.mark.parametrize("text", ["Q", "(", "tanh(H)", "H @ D", "__import__(1)"])
def test_arguments_that_are_none(text: str) -> None:
    with pytest.raises(InternalError, match="the init argument"):
        evaluate(text, {"H": 60, "D": 40})


@pytest.mark.parametrize(
    ("kind", "args", "message"),
    [
        (
            "uniform",
            ("1/(H - 60)",),
            "param 'W' cannot be drawn from uniform(1/(H - 60)) where H = 60, D = 40, k = 0.5: "
            "division by zero",
        ),
        (
            "log_uniform",
            ("0", "2"),
            "param 'W' cannot be drawn from log_uniform(0; 2) where H = 60, D = 40, k = 0.5: "
            "the lower bound 0.0 is not positive",
        ),
        (
            "uniform",
            ("1", "k"),
            "param 'W' cannot be drawn from uniform(1; k) where H = 60, D = 40, k = 0.5: "
            "the lower bound 1.0 is above the upper bound 0.5",
        ),
        (
            "constant",
            ("inf",),
            "param 'W' cannot be drawn from constant(inf) where H = 60, D = 40, k = 0.5: "
            "an argument is not finite",
        ),
    ],
)
def test_sizes_that_do_not_fit(kind: str, args: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        drawn(kind, *args)
    assert str(caught.value) == message


def test_seed_gives_the_same_for_every_dtype() -> None:
    module = leak.module("numpy")
    single, double, another = (
        module.Cell(D=3, c=np.ones(3, dtype), seed=seed, dtype=dtype).params
        for dtype, seed in ((np.float32, 4), (np.float64, 4), (np.float64, 5))
    )
    for name in single:
        np.testing.assert_array_equal(single[name], double[name].astype(np.float32))
    assert np.all(double["w"] != another["w"])
    unseeded = [module.Cell(D=3, c=np.ones(3)).params["w"] for _ in range(2)]
    assert np.all(unseeded[0] != unseeded[1])


def test_written_params_are_used(cell: Cell) -> None:
    x = np.ones((1, 1, 3))
    cell.params["w"] = np.zeros(3)
    cell.params["b"] = 2
    np.testing.assert_array_equal(cell.forward(x=x).outputs["y"], 3 * x)
    cell.params["b"] -= 1
    cell.params["w"][...] = 1
    y = cell.forward(x=x, states={"h": np.ones((1, 3))}).outputs["y"]
    np.testing.assert_array_equal(y, 3 * x)


def test_assignment_keeps_the_array(cell: Cell) -> None:
    array = cell.params["w"]
    wide = np.arange(6.0)
    cell.params["w"] = wide[::2]
    assert cell.params["w"] is array
    np.testing.assert_array_equal(array, [0, 2, 4])
    wide[...] = 9
    np.testing.assert_array_equal(array, [0, 2, 4])


def test_params_are_a_mapping(cell: Cell) -> None:
    params = cell.params
    assert list(params) == ["w", "b"]
    assert len(params) == 2
    assert "w" in params
    assert "W" not in params
    assert params.get("W") is None
    assert {name: array.shape for name, array in params.items()} == {"w": (3,), "b": ()}
    assert repr(params) == "<params {w: (3,), b: ()}>"


def test_update_is_all_or_nothing(cell: Cell) -> None:
    before = cell.params["w"].copy()
    with pytest.raises(UsageError):
        cell.params.update({"w": np.zeros(3), "b": np.zeros(2)})
    np.testing.assert_array_equal(cell.params["w"], before)
    cell.params.update({"w": np.zeros(3)})
    np.testing.assert_array_equal(cell.params["w"], 0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ww", np.zeros(3), "params has no 'ww'\nhelp: did you mean 'w'?"),
        ("q", np.zeros(3), "params has no 'q'\nhelp: the params are 'w' and 'b'"),
        ("w", np.zeros(4), "param 'w' has shape (4,); (D,) = (3,) is needed"),
        ("b", np.zeros(1), "param 'b' has shape (1,); () is needed"),
        (
            "w",
            np.zeros(3, np.float32),
            "param 'w' has dtype float32; float64 is needed\nhelp: pass w.astype(np.float64)",
        ),
        ("w", 0.0, "param 'w' is of type float; a NumPy array of float64 is needed"),
    ],
)
def test_messages(name: str, value: Any, message: str, cell: Cell) -> None:
    with pytest.raises(UsageError) as caught:
        cell.params[name] = value
    assert str(caught.value) == message


def test_unknown_param_is_a_key_error(cell: Cell) -> None:
    with pytest.raises(KeyError) as caught:
        cell.params["ww"]
    assert str(caught.value) == "params has no 'ww'\nhelp: did you mean 'w'?"
