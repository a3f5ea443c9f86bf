"""Generated CUDA text through the runtime, emulated: the same as the interpreter says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from emulated import build_emulated, left_out

from grugen.driver import bundle, compile_spec
from grugen.runtime import CellModule, DeviceArray, Engine, InterpretedEngine, cuda_engine

SIZES = {"D": 3, "H": 5}


def module_of(name: str, regime: int = 0) -> CellModule:
    cell = compile_spec(name)

    def engine(target: str, dtype: np.dtype[Any]) -> Engine:
        if target == "numpy":
            return InterpretedEngine(cell.steps, dtype)
        sources = bundle(cell, "cuda", dtype.name)
        return cuda_engine(
            sources, cell.interface, dtype, regime=regime, build_library=build_emulated
        )

    return CellModule(cell.interface, engine, "cuda", "float64")


@pytest.fixture(scope="module", params=["gru", "gru_d"])
def name(request: pytest.FixtureRequest) -> str:
    reason = left_out()
    if reason:
        pytest.skip(reason)
    found: str = request.param
    return found


def arrays_of(module: CellModule, steps: int, batch: int) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    infos = module.interface.inputs
    shapes = ((info, [dim.size(SIZES) for dim in info.shape]) for info in infos)
    return {
        info.name: generator.integers(0, 2, (steps, batch, *shape)).astype(np.float64)
        if info.mask
        else abs(generator.normal(size=(steps, batch, *shape)))
        for info, shape in shapes
    }


def settings_of(module: CellModule) -> dict[str, Any]:
    required = [info for info in module.interface.constants if info.default is None]
    return SIZES | {info.name: np.full(SIZES["D"], 0.5) for info in required}


@pytest.mark.parametrize("regime", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("tape", ["gates", "states"])
@pytest.mark.parametrize("lengths", [None, np.array([4, 0, 6])])
def test_forward_and_backward(name: str, regime: int, tape: Any, lengths: Any) -> None:
    module = module_of(name, regime)
    settings = settings_of(module)
    arrays = arrays_of(module, 6, 3)
    found = module.Cell(seed=1, **settings).to("cuda:0")
    reference = module.Cell(seed=1, target="numpy", **settings)
    run = found.forward(**arrays, lengths=lengths, tape=tape)
    wanted = reference.forward(**arrays, lengths=lengths, tape=tape)
    for output, array in wanted.outputs.items():
        np.testing.assert_allclose(run.outputs[output], array, rtol=1e-10, atol=1e-12)
    d_outputs = {output: np.ones_like(array) for output, array in wanted.outputs.items()}
    grads = found.backward(run, outputs=d_outputs)
    expected = reference.backward(wanted, outputs=d_outputs)
    for group in ("params", "inputs", "states"):
        for key, array in getattr(expected, group).items():
            got = getattr(grads, group)[key]
            np.testing.assert_allclose(got, array, rtol=1e-9, atol=1e-11, err_msg=key)


def test_on_the_device_from_end_to_end(name: str) -> None:
    module = module_of(name)
    cell = module.Cell(seed=1, **settings_of(module)).to("cuda:0")
    arrays = arrays_of(module, 5, 2)
    place = next(iter(cell.params.values()))._keeper
    there = {key: place.copy_of(key, array) for key, array in arrays.items()}
    run = cell.forward(**there)
    expected = cell.forward(**arrays)
    for key, output in run.outputs.items():
        assert isinstance(output, DeviceArray)
        # the same call, the same bits
        np.testing.assert_array_equal(output.numpy(), expected.outputs[key])


def test_snapshots(name: str) -> None:
    module = module_of(name)
    cell = module.Cell(seed=1, **settings_of(module))
    arrays = arrays_of(module, 4, 2)
    outputs = cell.forward(**arrays).outputs
    frozen = cell.freeze().forward(**arrays).outputs
    step = cell.stepper(2)
    for key, output in outputs.items():
        np.testing.assert_allclose(frozen[key], output, rtol=1e-12)
    for t in range(4):
        for key, array in arrays.items():
            step.inputs[key][...] = array[t]
        step()
        for key, output in outputs.items():
            np.testing.assert_allclose(step.outputs[key], output[t], rtol=1e-10, atol=1e-12)
