"""Weights in the layouts of frameworks: a cell by hand in NumPy gives the interpreter's results."""

from __future__ import annotations

import numpy as np
import pytest

from grugen.assets import shipped_specs
from grugen.bench.draw import draw
from grugen.bench.reference import BOUND, largest_error, reference
from grugen.bench.suites import Case
from grugen.bench.weights import exported, gradients, stacked, tensors_of, unstacked
from grugen.driver import compile_spec, load
from grugen.errors import UsageError
from grugen.spec import read_spec


def sigmoid(a):  # type: ignore[no-untyped-def]
    return 1 / (1 + np.exp(-a))


def torch_gru(x, w):  # type: ignore[no-untyped-def]
    """torch.nn.GRU by its documentation: rows r, z, n; two biases; reset after the product."""
    h = np.zeros((x.shape[1], w["weight_hh"].shape[1]))
    y = []
    for x_t in x:
        i_r, i_z, i_n = np.split(x_t @ w["weight_ih"].T + w["bias_ih"], 3, 1)
        h_r, h_z, h_n = np.split(h @ w["weight_hh"].T + w["bias_hh"], 3, 1)
        r, z = sigmoid(i_r + h_r), sigmoid(i_z + h_z)
        h = (1 - z) * np.tanh(i_n + r * h_n) + z * h
        y.append(h)
    return np.stack(y)


def onnx_gru(x, w, after):  # type: ignore[no-untyped-def]
    """The ONNX operator by its documentation: rows z, r, h; z keeps; either place of the reset."""
    (W,), (R,), (B,) = w["W"], w["R"], w["B"]
    W_b, R_b = np.split(B, 2)
    H = R.shape[1]
    h = np.zeros((x.shape[1], H))
    y = []
    for x_t in x:
        i = x_t @ W.T + W_b
        zr = sigmoid(i[:, : 2 * H] + h @ R[: 2 * H].T + R_b[: 2 * H])
        z, r = np.split(zr, 2, 1)
        if after:
            n = np.tanh(i[:, 2 * H :] + r * (h @ R[2 * H :].T + R_b[2 * H :]))
        else:
            n = np.tanh(i[:, 2 * H :] + (r * h) @ R[2 * H :].T + R_b[2 * H :])
        h = (1 - z) * n + z * h
        y.append(h)
    return np.stack(y)


def drawn(name: str):  # type: ignore[no-untyped-def]
    case = Case(name, 4, 3, (5, 6), "forward")
    data = draw(case, compile_spec(name).interface)
    return data, reference(load(name), data, train=False)


def test_torch_layout() -> None:
    data, wanted = drawn("gru_reset_after")
    weights = exported(tensors_of(read_spec("gru_reset_after"), "torch"), data.params)
    y = torch_gru(data.inputs["x"], weights)
    assert largest_error({"output y": y}, wanted)[0] < BOUND / 10


@pytest.mark.parametrize(
    ("name", "after"), [("gru_reset_after", True), ("gru", False), ("gru_cho", False)]
)
def test_onnx_layout(name: str, after: bool) -> None:
    data, wanted = drawn(name)
    weights = exported(tensors_of(read_spec(name), "onnx"), data.params)
    y = onnx_gru(data.inputs["x"], weights, after)
    assert largest_error({"output y": y}, wanted)[0] < BOUND / 10
    # another convention is found out
    wrong = onnx_gru(data.inputs["x"], weights, not after)
    assert largest_error({"output y": wrong}, wanted)[0] > BOUND * 10


def interchanges() -> list[tuple[str, str]]:
    specs = {name: read_spec(name) for name in shipped_specs()}
    return sorted({(n, tensor.format) for n, spec in specs.items() for tensor in spec.interchange})


@pytest.mark.parametrize(("name", "format"), interchanges())
def test_gradients_come_back_to_their_parameters(name: str, format: str) -> None:
    """Exporting is linear, and gradients are its transpose: <export(p), g> = <p, back(g)>."""
    rng = np.random.default_rng(0)
    spec = read_spec(name)
    sizes = {dim: 3 + i for i, dim in enumerate(compile_spec(name).interface.dims)}
    shapes = {p.name: p.shape for p in compile_spec(name).interface.params}
    params = {
        n: rng.normal(size=tuple(dim.size(sizes) for dim in shape)) for n, shape in shapes.items()
    }
    tensors = tensors_of(spec, format)
    outside = exported(tensors, params)
    gradient = {n: rng.normal(size=array.shape) for n, array in outside.items()}
    left = sum(float((outside[n] * gradient[n]).sum()) for n in outside)
    back = gradients(tensors, params, gradient)
    assert set(back) == set(params)
    assert left == pytest.approx(sum(float((params[n] * back[n]).sum()) for n in params))


def test_stacks_of_loops() -> None:
    params = {"a": np.ones((2, 3)), "b": np.zeros((1, 3)), "c": np.ones(4)}
    layout = {"ab": ["a", "b"], "c": ["c"]}
    whole = stacked(layout, params)
    assert whole["ab"].shape == (3, 3)
    for name, array in unstacked(layout, params, whole).items():
        np.testing.assert_array_equal(array, params[name])
    with pytest.raises(UsageError, match="every parameter once: b"):
        stacked({"a": ["a"], "c": ["c"]}, params)
