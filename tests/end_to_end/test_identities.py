"""What different cells and different calls have in common, whatever the numbers.

Cells are interpreted in float64: that targets do the same is tested beside this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from calls import Arrays, Call, Tensors, random_call, run
from yardstick import interpreted

from grugen.assets import shipped_specs
from grugen.driver import compile_spec

SIZES = {"D": 3, "H": 5}
STEPS, BATCH = 6, 4


def interpret(name: str, call: Call) -> Tensors:
    return run(interpreted(compile_spec(name)), call, "numpy", "float64")


def call_of(name: str, seed: int = 0) -> Call:
    interface = compile_spec(name).interface
    sizes = {dim: SIZES[dim] for dim in interface.dims}
    rng = np.random.default_rng(seed)
    return random_call(interface, rng, sizes=sizes, steps=STEPS, batch=BATCH, everything=True)


def full(call: Call) -> Call:
    """The call without lengths, forwards; what was forbidden to read is 1."""
    changed = {
        what: {name: np.nan_to_num(array, nan=1.0) for name, array in getattr(call, what).items()}
        for what in ("inputs", "d_outputs")
    }
    return replace(call, lengths=None, reverse=False, **changed)


def check_equal(found: Tensors, expected: Tensors) -> None:
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-12, err_msg=name)


# One cell as another.


def negated(params: Arrays, *names: str) -> dict[str, np.ndarray]:
    return {name: -array if name in names else array for name, array in params.items()}


def test_gru_is_gru_cho_with_the_update_gate_negated() -> None:
    call = call_of("gru")
    gate = ("W_z", "U_z", "b_z")
    found = interpret("gru_cho", replace(call, params=negated(call.params, *gate)))
    expected = interpret("gru", call)
    for name in gate:
        found[f"d param {name}"] = -found[f"d param {name}"]
    check_equal(found, expected)


GRU_PARAMS = [f"{letter}_{gate}" for letter in "WUb" for gate in "zrn"]
Changes = Callable[[Call], Mapping[str, object]]


def observed(call: Call) -> dict[str, np.ndarray]:
    return {**call.inputs, "m": np.ones_like(call.inputs["m"])}


def zero(call: Call, *names: str) -> dict[str, np.ndarray]:
    return {n: np.zeros_like(a) if n.startswith(names) else a for n, a in call.params.items()}


def without_decay(call: Call) -> Mapping[str, object]:
    inputs = observed(call)
    inputs["delta"] = np.zeros_like(inputs["delta"])
    static = {name: np.ones_like(array) for name, array in call.static.items()}
    return {"inputs": inputs, "params": zero(call, "V_", "b_g"), "static": static}


AS_GRU: dict[str, Changes] = {
    "gru_d": without_decay,
    "gru_d_dropout": without_decay,
    "gru_mean": lambda call: {"inputs": observed(call)},
    "gru_forward": lambda call: {"inputs": observed(call)},
    "gru_simple": lambda call: {"inputs": observed(call), "params": zero(call, "V_", "Q_")},
}


@pytest.mark.parametrize("name", AS_GRU)
def test_nothing_missing_is_gru(name: str) -> None:
    call = full(call_of(name))
    # x_last is handed out beside what gru knows; no loss looks at it
    call = replace(call, d_states={"h": call.d_states["h"]}, **AS_GRU[name](call))
    plain = replace(
        call,
        fixed={},
        static={},
        inputs={"x": call.inputs["x"]},
        params={param: call.params[param] for param in GRU_PARAMS},
        states={"h": call.states["h"]},
    )
    check_equal(interpret(name, call), interpret("gru", plain))


def test_lstm_peephole_without_peepholes_is_lstm() -> None:
    call = call_of("lstm_peephole")
    peepholes = ("p_i", "p_f", "p_o")
    params = {name: array for name, array in call.params.items() if name not in peepholes}
    closed = replace(call, params=zero(call, *peepholes))
    check_equal(interpret("lstm_peephole", closed), interpret("lstm", replace(call, params=params)))


def test_zoneout_that_keeps_nothing_back_is_the_cell() -> None:
    call = call_of("gru_zoneout")
    inputs = {**call.inputs, "keep": np.where(np.isnan(call.inputs["keep"]), np.nan, 1.0)}
    plain = replace(call, inputs={"x": call.inputs["x"]})
    found = interpret("gru_zoneout", replace(call, inputs=inputs))
    check_equal(found, interpret("gru_reset_after", plain))


def test_zoneout_that_keeps_everything_stands_still() -> None:
    call = call_of("gru_zoneout")
    found = interpret(
        "gru_zoneout", replace(call, inputs={**call.inputs, "keep": np.zeros((6, 4, 5))})
    )
    np.testing.assert_array_equal(found["state h"], call.states["h"])


def test_reset_after_is_reset_before_where_units_do_not_mix() -> None:
    """With U_n diagonal, r * (U_n @ h) is U_n @ (r * h)."""
    call = call_of("gru_reset_after")
    diagonal = np.diag(np.diag(call.params["U_n"]))
    params = {**zero(call, "c_"), "U_n": diagonal}
    before = {name: array for name, array in params.items() if not name.startswith("c_")}
    found = interpret("gru_reset_after", replace(call, params=params))
    expected = interpret("gru_cho", replace(call, params=before))
    # off its diagonal U_n has another gradient: there the two cells differ
    del expected["d param U_n"]
    check_equal(found, expected)


def test_mingru_is_a_scan() -> None:
    """h_t = a_t h_(t-1) + b_t in closed form: products and sums over all steps at once."""
    call = full(call_of("mingru"))
    found = interpret("mingru", call)
    x, params = call.inputs["x"], call.params
    z = 1 / (1 + np.exp(-(x @ params["W_z"].T)))
    v = x @ params["W_h"].T
    n = np.where(v >= 0, v + 0.5, 1 / (1 + np.exp(-v)))
    kept = np.cumprod(1 - z, axis=0)
    expected = kept * (call.states["h"] + np.cumsum(z * n / kept, axis=0))
    np.testing.assert_allclose(found["output y"], expected, atol=1e-12)


# One call as another.


def flipped(array: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Every sequence from its last step to its first; what is behind it stays."""
    result = array.copy()
    for b, length in enumerate(lengths):
        result[:length, b] = array[:length, b][::-1]
    return result


def mapped(call: Call, change: Callable[[np.ndarray], np.ndarray]) -> dict[str, dict]:
    """Everything that is given per step, changed."""
    return {
        what: {name: change(array) for name, array in getattr(call, what).items()}
        for what in ("inputs", "d_outputs")
    }


PER_STEP = ("output ", "d input ")


@pytest.mark.parametrize("name", shipped_specs())
def test_reverse_is_flip_forward_flip(name: str) -> None:
    call = replace(call_of(name), reverse=False)
    lengths = call.lengths if call.lengths is not None else np.full(BATCH, STEPS)
    expected = interpret(name, replace(call, reverse=True))
    found = interpret(name, replace(call, **mapped(call, lambda a: flipped(a, lengths))))
    found = {n: flipped(a, lengths) if n.startswith(PER_STEP) else a for n, a in found.items()}
    check_equal(found, expected)


@pytest.mark.parametrize("name", shipped_specs())
def test_lengths_are_truncation(name: str) -> None:
    call = full(call_of(name))
    lengths = np.array([STEPS, 2, 0, 5])
    found = interpret(name, replace(call, lengths=lengths))
    for b, length in enumerate(lengths):
        alone = {
            what: {n: array[b : b + 1] for n, array in getattr(call, what).items()}
            for what in ("static", "states", "d_states")
        }
        steps = mapped(call, lambda a, b=b, length=length: a[:length, b : b + 1].copy())
        one = interpret(name, replace(call, steps=int(length), batch=1, **alone, **steps))
        for tensor, values in found.items():
            if tensor.startswith(PER_STEP):
                np.testing.assert_allclose(values[:length, b : b + 1], one[tensor], atol=1e-12)
                assert not values[length:, b].any(), f"{tensor} past the end"
            elif not tensor.startswith("d param"):
                np.testing.assert_allclose(values[b : b + 1], one[tensor], atol=1e-12)


@pytest.mark.parametrize("name", shipped_specs())
def test_sequences_do_not_know_each_other(name: str) -> None:
    call = call_of(name)
    order = np.array([2, 0, 3, 1])
    moved = {
        what: {n: array[order] for n, array in getattr(call, what).items()}
        for what in ("static", "states", "d_states")
    }
    lengths = None if call.lengths is None else call.lengths[order]
    steps = mapped(call, lambda a: a[:, order])
    found = interpret(name, replace(call, lengths=lengths, **moved, **steps))
    for tensor, values in interpret(name, call).items():
        if tensor.startswith(PER_STEP):
            expected = values[:, order]
        elif not tensor.startswith("d param"):
            expected = values[order]
        else:
            expected = values
        np.testing.assert_allclose(found[tensor], expected, atol=1e-12, err_msg=tensor)


@pytest.mark.parametrize("name", shipped_specs())
def test_two_calls_are_one(name: str) -> None:
    """Carried states join the halves; the gradients of the first come through them."""
    whole = full(call_of(name))
    cut = 2
    first = replace(whole, steps=cut, **mapped(whole, lambda a: a[:cut].copy()))
    last = replace(whole, steps=STEPS - cut, **mapped(whole, lambda a: a[cut:].copy()))
    before = interpret(name, first)
    carried = {n[len("state ") :]: a for n, a in before.items() if n.startswith("state ")}
    after = interpret(name, replace(last, states=carried))
    gradients = {n[len("d state ") :]: a for n, a in after.items() if n.startswith("d state ")}
    before = interpret(name, replace(first, d_states=gradients))
    joined: Tensors = {}
    for tensor in before:
        if tensor.startswith(PER_STEP):
            joined[tensor] = np.concatenate([before[tensor], after[tensor]])
        elif tensor.startswith(("d param", "d static")):
            joined[tensor] = before[tensor] + after[tensor]
        else:
            joined[tensor] = (after if tensor.startswith("state") else before)[tensor]
    check_equal(joined, interpret(name, whole))
