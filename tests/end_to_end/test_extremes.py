"""NaN, infinities, numbers that are too large or too small: section 4 of the design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from calls import Call, Tensors, random_call, run
from cells import GAPS, LOG_SUM_EXP, RUNNING_MAX, SATURATED
from libraries import STRICT, build_together
from trials import compiled
from yardstick import Yardstick, interpreted

from grugen.driver import CPU_TARGETS, Compiled, compile_spec
from grugen.runtime import CellModule

pytestmark = pytest.mark.compiles

ELEMENTS = ("float32", "float64")
EVERYWHERE = [("numpy", "float64"), *((t, e) for t in CPU_TARGETS for e in ELEMENTS)]
SMALL = {"D": 5, "H": 9}

Modules = Mapping[str, CellModule]


@pytest.fixture(scope="module")
def cells() -> dict[str, Compiled]:
    own = [compiled(text) for text in (RUNNING_MAX, LOG_SUM_EXP, GAPS)]
    shipped = [compile_spec(name) for name in SATURATED]
    return {cell.spec.name: cell for cell in (*own, *shipped)}


@pytest.fixture(scope="module")
def modules(cells: dict[str, Compiled]) -> Modules:
    return build_together(list(cells.values()), CPU_TARGETS, ELEMENTS, "-O1", *STRICT)


def call_of(cell: Compiled, steps: int = 7, batch: int = 6, seed: int = 0) -> Call:
    sizes = {dim: SMALL[dim] for dim in cell.interface.dims}
    rng = np.random.default_rng(seed)
    return random_call(cell.interface, rng, sizes=sizes, steps=steps, batch=batch, everything=True)


def run_on(
    cell: Compiled, modules: Modules, call: Call, target: str, element: str, threads: int = 2
) -> Tensors:
    if target == "numpy":
        return run(interpreted(cell), call, target, element)
    return run(modules[cell.spec.name], call, target, element, threads)


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("target", "element"), EVERYWHERE)
def test_what_a_mask_hides_reaches_nothing(
    target: str, element: str, nothing: float, cells: dict[str, Compiled], modules: Modules
) -> None:
    """Not the results, not a gradient: they are the same as for any other number there."""
    cell = cells["gaps"]
    plain = call_of(cell)
    rng = np.random.default_rng(1)
    masks = {name: np.nan_to_num(plain.inputs[name], nan=1.0) for name in "mn"}
    positive = {name: np.abs(np.nan_to_num(plain.inputs[name])) + 0.5 for name in "xv"}
    hidden = {
        "x": np.where(masks["m"] > 0, positive["x"], nothing),
        "v": np.where(masks["n"] > 0, positive["v"], nothing),
    }
    kept = np.abs(plain.static["s"]) + 0.5
    states = {**plain.states, "last": rng.uniform(0.5, 1.0, plain.states["last"].shape)}
    shown = replace(
        plain,
        inputs={**masks, **positive},
        static={**plain.static, "s": kept},
        states=states,
    )
    seen = np.where(plain.static["k"] > 0, kept, nothing)
    dark = replace(shown, inputs={**masks, **hidden}, static={**plain.static, "s": seen})
    expected = run_on(cell, modules, shown, target, element)
    for name, values in run_on(cell, modules, dark, target, element).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
        assert np.isfinite(values).all(), name


@pytest.mark.parametrize(("target", "element"), EVERYWHERE)
def test_past_the_end_anything_may_stand(
    target: str, element: str, cells: dict[str, Compiled], modules: Modules
) -> None:
    cell = cells["gru"]
    call = replace(call_of(cell), lengths=np.array([7, 3, 0, 1, 6, 7]))
    behind = np.arange(call.steps)[:, None] >= call.lengths

    def filled(value: float) -> Tensors:
        inputs = {"x": np.nan_to_num(call.inputs["x"])}
        gradients = {"y": np.nan_to_num(call.d_outputs["y"])}
        inputs["x"][behind] = gradients["y"][behind] = value
        changed = replace(call, inputs=inputs, d_outputs=gradients)
        return run_on(cell, modules, changed, target, element)

    first = filled(1.0)
    for value in (np.nan, np.inf, 1e30):
        for name, values in filled(value).items():
            np.testing.assert_array_equal(values, first[name], err_msg=name)
    assert not first["output y"][behind].any()
    assert not first["d input x"][behind].any()


@pytest.mark.parametrize("name", SATURATED)
@pytest.mark.parametrize("size", [1e3, 1e10, 1e20])
def test_saturated_gates(
    name: str, size: float, cells: dict[str, Compiled], modules: Modules
) -> None:
    """Gates that are all but shut: nothing overflows, gradients are those of the interpreter."""
    cell = cells[name]
    plain = call_of(cell)
    yardstick = Yardstick(cell, replace(plain, inputs={"x": plain.inputs["x"] * size}))
    assert all(np.isfinite(values).all() for values in yardstick.reference.values())
    for target in CPU_TARGETS:
        for element in ELEMENTS:
            found = run_on(cell, modules, yardstick.call, target, element)
            yardstick.check(found, element, target)


@pytest.mark.parametrize(("target", "element"), EVERYWHERE)
def test_states_that_start_infinite(
    target: str, element: str, cells: dict[str, Compiled], modules: Modules
) -> None:
    call = replace(call_of(cells["running_max"]), lengths=None, reverse=False, states={})
    call = replace(call, inputs={"x": np.nan_to_num(call.inputs["x"], nan=-3.0)})
    call = replace(call, d_outputs={}, d_states={"best": np.ones((6, 5))})
    found = run_on(cells["running_max"], modules, call, target, element)
    x = call.inputs["x"]
    np.testing.assert_array_equal(found["output y"], np.maximum.accumulate(x).astype(element))
    one_hot = np.zeros_like(x)
    np.put_along_axis(one_hot, x.argmax(axis=0)[None], 1.0, axis=0)
    np.testing.assert_array_equal(found["d input x"], one_hot)
    assert not found["d state best"].any()


@pytest.mark.parametrize(("target", "element"), EVERYWHERE)
def test_a_sum_that_starts_from_nothing(
    target: str, element: str, cells: dict[str, Compiled], modules: Modules
) -> None:
    """exp(-inf - x) = 0 beside exp of what would overflow; the gradient is softmax."""
    call = replace(call_of(cells["log_sum_exp"]), lengths=None, reverse=False, states={})
    x = np.nan_to_num(call.inputs["x"], nan=1.5) * 100
    weights = np.zeros((7, 6, 5))
    weights[-1] = 1.0
    call = replace(call, inputs={"x": x}, d_outputs={"y": weights}, d_states={})
    found = run_on(cells["log_sum_exp"], modules, call, target, element)
    tolerance = 1e-5 if element == "float32" else 1e-12
    expected = np.logaddexp.accumulate(x)
    np.testing.assert_allclose(found["output y"], expected, rtol=tolerance)
    softmax = np.exp(x - expected[-1])
    np.testing.assert_allclose(found["d input x"], softmax, atol=20 * tolerance)
    for values in found.values():
        assert not np.isnan(values).any()


@pytest.mark.parametrize("target", CPU_TARGETS)
def test_denormals_are_zero_inside_and_nowhere_else(
    target: str, cells: dict[str, Compiled], modules: Modules
) -> None:
    """Their gates are those of 0, and the caller's arithmetic keeps its denormals."""
    cell = cells["gru"]
    tiny = float(np.float32(1e-40))
    call = replace(call_of(cell), lengths=None)
    call = replace(
        call,
        inputs={"x": np.full((7, 6, 5), tiny)},
        states={"h": np.full((6, 9), -tiny)},
        d_outputs={"y": np.full((7, 6, 9), tiny)},
        d_states={},
    )
    yardstick = Yardstick(cell, call)
    for threads in (1, 3):
        found = run_on(cell, modules, call, target, "float32", threads)
        yardstick.check(found, "float32", target)
        still_there = np.array([tiny], np.float32) * np.float32(0.5)
        assert still_there[0] > 0
