"""The interpreter against cells written out by hand in NumPy, and what it promises of a call."""

from __future__ import annotations

import numpy as np
import pytest

from grugen.driver import compile_spec
from grugen.ir import interpret
from grugen.ir.nodes import Function, ResultRole, SourceRole

SIZES = {"D": 3, "H": 4}
STEPS, BATCH = 5, 6

Given = dict[tuple[SourceRole, str], np.ndarray]


def forward_of(name: str) -> Function:
    return compile_spec(name).steps.forward


def given_for(function: Function, seed: int = 0) -> Given:
    rng = np.random.default_rng(seed)
    leading = {SourceRole.INPUT: (STEPS, BATCH), SourceRole.STATE: (BATCH,)}
    return {
        (source.role, source.key): rng.normal(
            size=leading.get(source.role, ()) + tuple(dim.size(SIZES) for dim in source.type.shape)
        )
        for source in function.sources
    }


def interpreted(function: Function, given: Given, **options: object) -> interpret.Results:
    call = {"sizes": SIZES, "steps": STEPS, "batch": BATCH, "dtype": np.dtype(np.float64)}
    return interpret.run(function, given=given, **{**call, **options})  # type: ignore[arg-type]


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def params_of(given: Given) -> dict[str, np.ndarray]:
    return {key: array for (role, key), array in given.items() if role is SourceRole.PARAM}


def test_gru_by_hand() -> None:
    function = forward_of("gru")
    given = given_for(function)
    p = params_of(given)
    h = given[SourceRole.STATE, "h"]
    expected = []
    for x in given[SourceRole.INPUT, "x"]:
        z = sigmoid(x @ p["W_z"].T + h @ p["U_z"].T + p["b_z"])
        r = sigmoid(x @ p["W_r"].T + h @ p["U_r"].T + p["b_r"])
        n = np.tanh(x @ p["W_n"].T + (r * h) @ p["U_n"].T + p["b_n"])
        h = (1 - z) * h + z * n
        expected.append(h)
    found = interpreted(function, given)
    np.testing.assert_allclose(found[ResultRole.OUTPUT, "y"], expected, atol=1e-14)
    np.testing.assert_allclose(found[ResultRole.NEXT_STATE, "h"], h, atol=1e-14)


def test_gru_d_by_hand() -> None:
    function = forward_of("gru_d")
    given = given_for(function)
    rng = np.random.default_rng(1)
    m = rng.integers(0, 2, (STEPS, BATCH, 3)).astype(float)
    given[SourceRole.INPUT, "m"] = m
    given[SourceRole.INPUT, "delta"] = np.abs(given[SourceRole.INPUT, "delta"])
    given[SourceRole.INPUT, "x"][m == 0] = np.nan
    p = params_of(given)
    mean = given[SourceRole.CONSTANT, "x_mean"]
    h, last = given[SourceRole.STATE, "h"], given[SourceRole.STATE, "x_last"].copy()
    expected = []
    for x, seen, delta in zip(
        given[SourceRole.INPUT, "x"], m, given[SourceRole.INPUT, "delta"], strict=True
    ):
        decay_x = np.exp(-np.maximum(0, p["w_gx"] * delta + p["b_gx"]))
        decay_h = np.exp(-np.maximum(0, delta @ p["W_gh"].T + p["b_gh"]))
        x_hat = decay_x * last + (1 - decay_x) * mean
        x_hat[seen > 0] = last[seen > 0] = x[seen > 0]
        h = decay_h * h
        z, r = (
            sigmoid(x_hat @ p[f"W_{g}"].T + h @ p[f"U_{g}"].T + seen @ p[f"V_{g}"].T + p[f"b_{g}"])
            for g in "zr"
        )
        n = np.tanh(x_hat @ p["W_n"].T + (r * h) @ p["U_n"].T + seen @ p["V_n"].T + p["b_n"])
        h = (1 - z) * h + z * n
        expected.append(h)
    found = interpreted(function, given)
    np.testing.assert_allclose(found[ResultRole.OUTPUT, "y"], expected, atol=1e-14)
    np.testing.assert_array_equal(found[ResultRole.NEXT_STATE, "x_last"], last)


def test_past_the_end_nothing_is_read_and_outputs_are_zero() -> None:
    function = forward_of("gru")
    given = given_for(function)
    lengths = np.array([5, 0, 2, 1, 4, 5])
    behind = np.arange(STEPS)[:, None] >= lengths
    given[SourceRole.INPUT, "x"][behind] = np.nan
    found = interpreted(function, given, lengths=lengths)
    y = found[ResultRole.OUTPUT, "y"]
    assert not y[behind].any()
    last = found[ResultRole.NEXT_STATE, "h"]
    np.testing.assert_array_equal(last[1], given[SourceRole.STATE, "h"][1])
    for b in (0, 2, 3, 4, 5):
        np.testing.assert_array_equal(last[b], y[lengths[b] - 1, b])


def test_reverse_ends_at_the_first_step() -> None:
    function = forward_of("gru")
    given = given_for(function)
    found = interpreted(function, given, reverse=True, lengths=np.array([5, 3, 1, 2, 4, 5]))
    first = found[ResultRole.OUTPUT, "y"][0]
    np.testing.assert_array_equal(found[ResultRole.NEXT_STATE, "h"], first)


def test_the_callers_arrays_stay() -> None:
    function = forward_of("gru_d")
    given = given_for(function)
    copies = {key: array.copy() for key, array in given.items()}
    interpreted(function, given)
    for key, array in given.items():
        np.testing.assert_array_equal(array, copies[key])


def test_another_order_of_sums_is_nearly_the_same() -> None:
    function = forward_of("gru")
    given = given_for(function)
    found = [
        interpreted(function, given, shuffle=np.random.default_rng(seed))[ResultRole.OUTPUT, "y"]
        for seed in (1, 2, 3)
    ]
    plain = interpreted(function, given)[ResultRole.OUTPUT, "y"]
    for other in found:
        np.testing.assert_allclose(other, plain, atol=1e-13)
    assert any((other != plain).any() for other in found)


@pytest.mark.parametrize("name", ["gru_d", "lstm", "layernorm_gru"])
def test_float32_stays_float32(name: str) -> None:
    function = forward_of(name)
    given = {key: array.astype(np.float32) for key, array in given_for(function).items()}
    for array in interpreted(function, given, dtype=np.dtype(np.float32)).values():
        assert array.dtype == np.float32
