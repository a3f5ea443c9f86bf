"""What the sections of a spec become: roles, defaults, inits, outputs, interchange."""

from __future__ import annotations

import math

from places import spec_of, without_places

from grugen.spec import read_spec
from grugen.spec.dims import Dim
from grugen.spec.expressions import expression_text
from grugen.spec.model import Declaration, Init, Role

SPEC = """
spec: 1
name: cell
dims: {H: units}
inputs:
  x: [D]
  m: {shape: [D], role: mask, default: 1e-1, doc: " a mask "}
  dt: {shape: [], grad: false}
static:
  s: {shape: [D], role: value, default: -2}
constants: {k: [H, D]}
hyper:
  beta: 1
  eps: {default: 1e-5, doc: small}
states:
  h: [H]
  low: {shape: [H], init: -inf}
  last: {shape: [D], init: first(x)}
params:
  W, V: {shape: [H, 2*D + 1], init: uniform(0; 1/sqrt(D))}
  P: {shape: [2*H, D], blocks: 2}
  b: []
equations: |
  last' = where(m > 0, x + s, last)
  low' = max(low, k @ x)
  p, q = split(P @ x, 2)
  h' = h * (dt * beta) + p - q + (W @ concat(x, x, eps) + V @ concat(x, m, b)) + low'
outputs: {y: h', p: p}
"""


def declared() -> dict[str, Declaration]:
    return {item.name: item for item in spec_of(SPEC).declarations}


def init_of(name: str) -> Init:
    init = declared()[name].init
    assert init is not None
    return init


def test_declarations_are_in_the_order_of_roles_and_lines() -> None:
    assert list(declared()) == [
        *("x", "m", "dt", "s", "k", "beta", "eps", "h", "low", "last", "W", "V", "P", "b"),
    ]
    assert declared()["s"].role is Role.STATIC


def test_dims_are_in_order_of_use_with_their_descriptions() -> None:
    assert spec_of(SPEC).dims == (("D", ""), ("H", "units"))
    rows, columns = declared()["W"].shape
    assert rows == Dim.named("H")
    assert columns == Dim((("D", 2),), 1)
    assert declared()["dt"].shape == ()


def test_masks_gradients_and_defaults() -> None:
    found = declared()
    assert (found["m"].mask, found["m"].gradient, found["m"].default) == (True, False, 0.1)
    assert found["m"].doc == "a mask"
    assert (found["x"].mask, found["x"].gradient, found["x"].default) == (False, True, None)
    assert not found["dt"].gradient
    assert found["s"].default == -2
    assert not found["k"].gradient
    assert (found["beta"].default, found["beta"].gradient, found["beta"].shape) == (1.0, False, ())
    assert found["eps"].default == 1e-5


def test_inits_and_their_defaults() -> None:
    assert [expression_text(arg) for arg in init_of("W").args] == ["0", "1 / sqrt(D)"]
    assert without_places(init_of("W")) == without_places(init_of("V"))
    assert (init_of("P").kind, init_of("P").blocks) == ("glorot_uniform", 2)
    assert init_of("b").kind == "zeros"
    assert [expression_text(arg) for arg in init_of("h").args] == ["0"]
    assert [expression_text(arg) for arg in init_of("low").args] == ["-inf"]
    assert (init_of("last").kind, init_of("last").input_name) == ("first", "x")


def test_outputs_and_targets() -> None:
    spec = spec_of(SPEC)
    assert [(output.name, str(output.value)) for output in spec.outputs] == [
        ("y", "h'"),
        ("p", "p"),
    ]
    assert [[str(target) for target in e.targets] for e in spec.equations] == [
        ["last'"],
        ["low'"],
        ["p", "q"],
        ["h'"],
    ]


def test_interchange() -> None:
    tensors = {tensor.name: tensor for tensor in read_spec("gru").interchange}
    kernel = tensors["kernel"]
    assert (kernel.format, kernel.layout, kernel.transpose, kernel.lead) == (
        "keras",
        "stack",
        True,
        0,
    )
    assert [(piece.name, piece.negated) for piece in kernel.rows[0]] == [
        ("W_z", True),
        ("W_r", False),
        ("W_n", False),
    ]
    assert tensors["B"].lead == 1
    bias = [t for t in read_spec("gru_reset_after").interchange if t.layout == "rows"]
    assert [len(row) for row in bias[0].rows] == [3, 3]


def test_every_place_is_in_the_text() -> None:
    spec = read_spec("gru_d")
    lines = spec.source.text.split("\n")
    for item in (*spec.declarations, *spec.outputs):
        span = item.span
        assert lines[span.line - 1][span.column - 1 :].startswith(item.name)
    for equation in spec.equations:
        assert lines[equation.span.line - 1].strip().startswith(equation.text)


def test_the_decays_of_gru_d_start_where_they_can_train() -> None:
    found = {item.name: item.init for item in read_spec("gru_d").declarations}
    for name in ("w_gx", "W_gh"):
        init = found[name]
        assert init is not None
        assert [expression_text(arg) for arg in init.args] == ["0", "1 / sqrt(D)"]
    for name in ("b_gx", "b_gh"):
        init = found[name]
        assert init is not None
        assert init.kind == "zeros"


def test_infinite_numbers() -> None:
    spec = spec_of(SPEC.replace("default: -2", "default: inf"))
    default = next(item.default for item in spec.declarations if item.name == "s")
    assert default is not None
    assert math.isinf(default)
