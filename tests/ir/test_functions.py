"""What the functions of the language mean, beside NumPy, also far from zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from small_cells import Array, run, step_of

SPEC = """\
spec: 1
name: one
inputs: {{a: [D], b: [D], c: [D]}}
states: {{h: [D]}}
equations: |
  v = {value}
  h' = v + 0 * (a + b + c + h)
outputs: {{y: v}}
"""
ROWS, D = 3, 4


def layernorm(a: Array, eps: float = 1e-5) -> Array:
    return (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + eps)


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


MEANINGS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "mean(a) + 0 * b": lambda a, b, c: np.repeat(a.mean(-1, keepdims=True), D, -1),
    "sum(a) + 0 * b": lambda a, b, c: np.repeat(a.sum(-1, keepdims=True), D, -1),
    "dot(a, b) + 0 * b": lambda a, b, c: np.repeat((a * b).sum(-1, keepdims=True), D, -1),
    "layernorm(a)": lambda a, b, c: layernorm(a),
    "layernorm(a, b)": lambda a, b, c: layernorm(a) * b,
    "layernorm(a, b, c, eps=0.25)": lambda a, b, c: layernorm(a, 0.25) * b + c,
    "clip(a, -0.5, 0.25)": lambda a, b, c: np.clip(a, -0.5, 0.25),
    "hard_sigmoid(4 * a)": lambda a, b, c: np.clip(0.8 * a + 0.5, 0, 1),
    "mod(a, 0.3)": lambda a, b, c: np.mod(a, 0.3),
    "mod(a, -0.3)": lambda a, b, c: np.mod(a, -0.3),
    "mod(a, b)": lambda a, b, c: np.mod(a, b),
    "logsigmoid(a)": lambda a, b, c: np.log(sigmoid(a)),
    "softplus(a)": lambda a, b, c: np.log1p(np.exp(a)),
    "sigmoid(a)": lambda a, b, c: sigmoid(a),
    "tanh(a)": lambda a, b, c: np.tanh(a),
    "relu(a)": lambda a, b, c: np.maximum(a, 0),
    "exp(a)": lambda a, b, c: np.exp(a),
    "log(a * a)": lambda a, b, c: np.log(a * a),
    "sqrt(a * a)": lambda a, b, c: np.abs(a),
    "abs(a)": lambda a, b, c: np.abs(a),
    "min(a, b)": lambda a, b, c: np.minimum(a, b),
    "max(a, 0.25)": lambda a, b, c: np.maximum(a, 0.25),
    "a ** 3": lambda a, b, c: a**3,
    "a ** -2": lambda a, b, c: a**-2.0,
    "a ** 0": lambda a, b, c: np.ones_like(a),
    "exp(a) ** 0.5": lambda a, b, c: np.exp(a / 2),
    "exp(a) ** -1.5": lambda a, b, c: np.exp(-1.5 * a),
    "-a - -b": lambda a, b, c: b - a,
    "a / b - 2 * c": lambda a, b, c: a / b - 2 * c,
    "where(a < b, b, c)": lambda a, b, c: np.where(a < b, b, c),
    "where(a <= a, b, c)": lambda a, b, c: b,
    "where(a > b, b, c)": lambda a, b, c: np.where(a > b, b, c),
    "where(a >= a, b, c)": lambda a, b, c: b,
    "where(a == b, b, c)": lambda a, b, c: c,
    "where(a != b, b, 1)": lambda a, b, c: b,
}


def value_of(text: str, a: Array, b: Array, c: Array) -> Array:
    step = step_of(SPEC.format(value=text))
    arguments = {name: array[None] for name, array in zip("abc", (a, b, c), strict=True)}
    with np.errstate(all="ignore"):
        return run(step, {**arguments, "h": np.zeros_like(a)}, {"D": a.shape[1]})[0]["y"][0]


@pytest.mark.parametrize("text", MEANINGS)
def test_a_function_is_what_numpy_says(text: str) -> None:
    a, b, c = np.random.default_rng(0).normal(size=(3, ROWS, D))
    np.testing.assert_allclose(value_of(text, a, b, c), MEANINGS[text](a, b, c), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sigmoid(a)", [0, 0, 0.5, 1, 1]),
        ("tanh(a)", [-1, -1, 0, 1, 1]),
        ("softplus(a)", [0, 0, np.log(2), 1000, np.inf]),
        ("logsigmoid(a)", [-np.inf, -1000, -np.log(2), 0, 0]),
        ("hard_sigmoid(a)", [0, 0, 0.5, 1, 1]),
        ("clip(a, -1, 2)", [-1, -1, 0, 2, 2]),
        ("relu(a)", [0, 0, 0, 1000, np.inf]),
        ("exp(-abs(a))", [0, 0, 1, 0, 0]),
    ],
)
def test_large_arguments_overflow_nowhere_within(text: str, expected: list[float]) -> None:
    a = np.array([[-np.inf, -1000, 0, 1000, np.inf]])
    zero = np.zeros_like(a)
    np.testing.assert_allclose(value_of(text, a, zero, zero), [expected], atol=1e-12)


@pytest.mark.parametrize("text", ["relu(a)", "abs(a)", "max(a, b)", "min(a, b)", "clip(a, -1, 1)"])
def test_a_nan_stays_one(text: str) -> None:
    a = np.array([[np.nan]])
    assert np.isnan(value_of(text, a, np.zeros((1, 1)), np.zeros((1, 1)))).all()


def test_split_and_concat_put_parts_in_order() -> None:
    text = """\
spec: 1
name: parts
inputs: {x: [3*H], k: []}
states: {h: [3*H]}
equations: |
  a, b, c = split(x, 3)
  v = concat(c, k, a, b)
  h' = concat(b, c, a) + 0 * h
outputs: {y: h', v: v}
"""
    x = np.arange(6.0).reshape(1, 1, 6)
    arguments = {"x": x, "k": np.full((1, 1), 9.0), "h": np.zeros((1, 6))}
    outputs, _ = run(step_of(text), arguments, {"H": 2})
    assert outputs["v"][0, 0].tolist() == [4, 5, 9, 0, 1, 2, 3]
    assert outputs["y"][0, 0].tolist() == [2, 3, 4, 5, 0, 1]
