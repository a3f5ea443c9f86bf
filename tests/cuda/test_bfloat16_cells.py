"""Cells of bfloat16 through the runtime, emulated: what is kept in it, and what is not."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from calls import Call, random_call, run, stored
from emulated import build_emulated
from emulated_cells import REGIMES, Emulated, emulated, products_of
from trials import compiled
from yardstick import Interpreter, Yardstick

from grugen.driver import Compiled, bundle
from grugen.errors import UsageError
from grugen.runtime import Cell, CellModule, DeviceArray, cuda_engine, dlpack
from grugen.runtime.cuda.place import DevicePlace
from grugen.runtime.dlpack import read
from grugen.runtime.elements import BFLOAT16, element_type, is_opaque, rounded

Array = np.ndarray[Any, Any]
REAL = np.dtype(ml_dtypes.bfloat16)
SPEC = """\
spec: 1
name: brain
dims: {D: features, H: units}
inputs:
  x: [D]
  m: {shape: [D], role: mask, default: 1}
static:
  s: {shape: [H], default: 0.125}
constants:
  c: [D]
states:
  h: {shape: [H], init: 0.3}
  f: {shape: [D], init: first(x)}
params:
  W: {shape: [H, D], init: glorot_uniform}
  U: {shape: [H, H], init: orthogonal}
  b: {shape: [H], init: uniform(-1; 1)}
equations: |
  f' = 0.3 * f + 0.7 * where(m > 0, x, c)
  z  = sigmoid(W @ f' + b)
  h' = (1 - z) * h + z * tanh(U @ h + s)
outputs:
  y: h'
"""
SIZES = {"D": 5, "H": 19}
SETTINGS = {**SIZES, "c": np.full(5, 0.3, np.float32), "seed": 1}
T, B = 6, 5

pytestmark = pytest.mark.compiles


@pytest.fixture(scope="module")
def spec() -> Compiled:
    return compiled(SPEC)


@pytest.fixture(scope="module")
def library(spec: Compiled) -> Emulated:
    return emulated(spec, BFLOAT16)


@pytest.fixture
def cell(library: Emulated) -> Cell:
    library.engine.regime = 0
    return library.module.Cell(**SETTINGS)


@pytest.fixture
def place(library: Emulated) -> DevicePlace:
    return library.engine.place(None, None)


@pytest.fixture
def x() -> Array:
    return np.random.default_rng(0).normal(size=(T, B, SIZES["D"])).astype(REAL)


def said(call: Any, *args: object, **kwargs: object) -> str:
    with pytest.raises(UsageError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def call_of(spec: Compiled, seed: int = 0) -> Call:
    rng = np.random.default_rng(seed)
    interface = spec.interface
    call = random_call(interface, rng, sizes=SIZES, steps=T, batch=B, everything=seed % 2 == 0)
    return stored(call, BFLOAT16)


# --- numbers ---


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("tape", ["gates", "states"])
def test_emulated_is_interpreted(spec: Compiled, library: Emulated, regime: int, tape: Any) -> None:
    for seed in (0, 1):
        call = call_of(spec, seed)
        found = library.run(call, regime=regime, tape=tape)
        what, products = f"regime {regime}, {tape}:", products_of(BFLOAT16, regime)
        Yardstick(spec, call).check(found, BFLOAT16, what, products)


WRONG = {
    "another gate": ("(1 - z) * h + z *", "z * h + (1 - z) *"),
    "another sign": ("tanh(U @ h + s)", "tanh(U @ h - s)"),
    "another number": ("0.3 * f + 0.7 *", "0.29 * f + 0.71 *"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_equations_are_found(spec: Compiled, wrong: str) -> None:
    """Bounds are tight enough for outputs, states and gradients, each by itself."""
    other = compiled(SPEC.replace(*WRONG[wrong]))
    call = call_of(spec)
    yardstick = Yardstick(spec, call)
    module = CellModule(spec.interface, lambda *_: _interpreter(other), "cuda")
    differences = yardstick.differences(run(module, call, "cuda", BFLOAT16), BFLOAT16)
    wrong_ones = {d.tensor for d in differences if not d.error <= d.allowed}
    assert wrong_ones >= {"output y", "state h", "d input x"}
    if wrong != "another number":
        assert wrong_ones >= {"d param U", "d param W", "d state h"}


def _interpreter(cell: Compiled) -> Any:
    return Interpreter(cell, REAL)


def test_right_equations_are_not_found_wrong(spec: Compiled) -> None:
    call = call_of(spec)
    module = CellModule(spec.interface, lambda *_: _interpreter(spec), "cuda")
    Yardstick(spec, call).check(run(module, call, "cuda", BFLOAT16), BFLOAT16, "interpreter")


def test_sums_over_rows_are_not_rounded(library: Emulated, place: DevicePlace) -> None:
    """A sum of bfloat16 would stay at 256, and one of states would forget small steps."""
    steps, batch = 150, 4
    cell = library.module.Cell(D=1, H=1, c=np.zeros(1, REAL))
    for name, value in {"W": 0.0, "U": 0.0, "b": 0.0}.items():
        cell.params[name] = np.full(cell.params[name].shape, value, np.float32)
    x = np.zeros((steps, batch, 1), REAL)
    s = np.zeros((batch, 1), REAL)
    h = np.zeros((batch, 1), np.float32)
    run = cell.forward(x=x, s=s, states={"h": h}, tape=True)
    # h' = h / 2 + tanh(s) / 2: s has half the gradient of each h', which later ones have a part in
    dy = np.ones((steps, batch, 1), REAL)
    grads = cell.backward(run, outputs={"y": dy})
    wanted = sum(0.5 * sum(0.5**k for k in range(steps - n)) for n in range(steps))
    assert wanted > 140
    np.testing.assert_allclose(grads.static["s"].astype(float), wanted, rtol=2.0**-8)


def test_states_keep_what_outputs_round(cell: Cell, x: Array) -> None:
    run = cell.forward(x=x)
    assert (run.states["h"].dtype, run.outputs["y"].dtype) == (np.float32, REAL)
    last = run.outputs["y"][-1]
    np.testing.assert_array_equal(rounded(run.states["h"], REAL).view("u2"), last.view("u2"))
    assert (run.states["h"] != last.astype(np.float32)).any()


def test_two_halves_are_a_whole(cell: Cell, x: Array) -> None:
    """States are handed on as they are: no bit is lost between two calls."""
    whole = cell.forward(x=x)
    first = cell.forward(x=x[:2])
    second = cell.forward(x=x[2:], states=first.states)
    np.testing.assert_array_equal(second.states["h"], whole.states["h"])


# --- arrays ---


def test_types_of_everything(cell: Cell, x: Array) -> None:
    assert (cell.dtype, str(cell)) == (REAL, "<brain cell D=5 H=19 bfloat16 cuda>")
    run = cell.forward(x=x, tape=True)
    grads = cell.backward(run, outputs={"y": run.outputs["y"]}, states=run.states)
    for group in (cell.params, run.outputs, grads.params, grads.inputs, grads.static):
        assert {array.dtype for array in group.values()} == {REAL}
    for group in (run.states, grads.states):
        assert {array.dtype for array in group.values()} == {np.dtype(np.float32)}
    assert run.tape_bytes == T * B * 2 * sum(slot.tail[0] for slot in cell._binding.tapes[False])


def test_refused_arrays(cell: Cell, x: Array) -> None:
    assert said(cell.forward, x=x.astype(np.float32)) == (
        "input 'x' has dtype float32; bfloat16 is needed\nhelp: pass x.astype(ml_dtypes.bfloat16)"
    )
    h = np.zeros((B, SIZES["H"]), REAL)
    assert said(cell.forward, x=x, states={"h": h}) == (
        "state 'h' has dtype bfloat16; float32 is needed\nhelp: pass h.astype(np.float32)"
    )


def test_params_are_rounded(cell: Cell) -> None:
    values = np.full(SIZES["H"], 1 + 3 * 2.0**-8, np.float32)
    moved = cell.to("cuda:0")
    for some in (cell, moved):
        some.params["b"] = values
    cell.params["U"][...] = np.float32(1 + 3 * 2.0**-8)
    assert cell.params["b"][0] == cell.params["U"][0, 0] == moved.params["b"].numpy()[0]
    assert float(cell.params["b"][0]) == 1 + 2.0**-6
    assert said(cell.params.update, {"b": values.astype(np.float64)}) == (
        "param 'b' has dtype float64; bfloat16 is needed\nhelp: pass b.astype(ml_dtypes.bfloat16)"
    )


def test_constants_are_rounded(library: Emulated, x: Array) -> None:
    m = np.zeros(x.shape, np.bool_)
    found = [
        library.module.Cell(**{**SETTINGS, "c": c}).forward(x=x, m=m).outputs["y"].view("u2")
        for c in (np.full(5, 0.3, np.float32), rounded(np.full(5, 0.3), REAL))
    ]
    np.testing.assert_array_equal(found[0], found[1])


def test_params_are_drawn_as_for_other_types(library: Emulated, cell: Cell) -> None:
    wide = CellModule(cell._binding.interface, lambda *_: library.engine, "cuda")
    drawn = wide.Cell(**SETTINGS, dtype="float32").params
    for name, array in cell.params.items():
        np.testing.assert_array_equal(array.view("u2"), rounded(drawn[name], REAL).view("u2"))


def test_stepper_and_snapshot(cell: Cell, x: Array) -> None:
    whole = cell.forward(x=x)
    frozen = cell.freeze().forward(x=x)
    np.testing.assert_array_equal(frozen.states["h"], whole.states["h"])
    step = cell.stepper(batch=B)
    for t in range(T):
        step.x[...] = x[t]
        step()
        np.testing.assert_array_equal(step.y.view("u2"), whole.outputs["y"][t].view("u2"))
    assert step.states["h"].dtype == np.float32
    np.testing.assert_array_equal(step.states["h"], whole.states["h"])


# --- on a device ---


class Tensor:
    """A tensor of bfloat16 of another library: DLPack is all that it speaks."""

    def __init__(self, place: DevicePlace, array: Array) -> None:
        self.array = place.copy_of("a test's array", array)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, *, stream: int | None = None) -> object:
        return self.array.__dlpack__(stream=-1)


def bits_of(array: DeviceArray) -> list[int]:
    """What lies in the emulated device's memory."""
    return list((ctypes.c_uint16 * array.size).from_address(array.address))


def test_tensors_go_in_and_out(cell: Cell, place: DevicePlace, x: Array) -> None:
    lengths = np.array([6, 0, 3, 1, 5])
    expected = cell.forward(x=x, lengths=lengths, tape=True)
    dy = np.ones_like(expected.outputs["y"])
    wanted = cell.backward(expected, outputs={"y": dy})
    tensor = Tensor(place, x)
    run = cell.to("cuda:0").forward(x=tensor, lengths=lengths, tape=True)
    run_here = cell.forward(x=tensor, lengths=lengths, tape=True)
    assert run_here.record is not None
    there = run_here.record.given.inputs["x"]
    assert isinstance(there, DeviceArray)
    assert there.address == tensor.array.address, "a copy was made"
    told = read(run.outputs["y"].__dlpack__(stream=-1))
    assert (told.type_name, told.dtype, told.shape) == (BFLOAT16, REAL, (6, 5, 19))
    assert bits_of(run.outputs["y"]) == expected.outputs["y"].view("u2").ravel().tolist()
    np.testing.assert_array_equal(run.states["h"].numpy(), expected.states["h"])
    grads = cell.backward(run_here, outputs={"y": Tensor(place, dy)})
    for group in ("params", "inputs", "static", "states"):
        for name, gradient in getattr(grads, group).items():
            np.testing.assert_array_equal(
                gradient.numpy().view("u1"), getattr(wanted, group)[name].view("u1"), name
            )


def test_masks_of_bytes(cell: Cell, place: DevicePlace, x: Array) -> None:
    m = np.random.default_rng(1).integers(0, 2, x.shape).astype(np.bool_)
    expected = cell.forward(x=x, m=m).states["h"]
    there = place.copy_of("m", m.view(np.uint8))
    found = cell.forward(x=place.copy_of("x", x), m=there).states["h"]
    np.testing.assert_array_equal(found.numpy(), expected)


# --- without the package ---


@pytest.fixture
def bare(
    spec: Compiled, library: Emulated, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CellModule]:
    """The module in a process that has no `ml_dtypes`."""
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    _forget()
    real = element_type(BFLOAT16)
    assert is_opaque(real)
    engine = cuda_engine(
        bundle(spec, "cuda", BFLOAT16), spec.interface, real, build_library=build_emulated
    )
    yield CellModule(spec.interface, lambda *_: engine, "cuda", BFLOAT16)
    _forget()


def _forget() -> None:
    element_type.cache_clear()
    dlpack._element_type.cache_clear()


def carried(array: Array) -> Array:
    """The same bits where nobody knows them for numbers."""
    return array.view(element_type(BFLOAT16))


def test_devices_need_no_package(bare: CellModule, cell: Cell, x: Array) -> None:
    b = np.linspace(-1, 1, SIZES["H"], dtype=np.float32)
    cell.params["b"] = b
    expected = cell.forward(x=x, tape=True)
    dy = np.ones((T, B, SIZES["H"]), REAL)
    wanted: Mapping[str, Any] = cell.backward(expected, outputs={"y": dy}).params
    alone = bare.Cell(**SETTINGS, device="cuda:0")
    there = alone._binding.place
    assert isinstance(there, DevicePlace)
    assert str(alone) == "<brain cell D=5 H=19 bfloat16 cuda>"
    alone.params["b"] = b
    run = alone.forward(x=Tensor(there, carried(x)), tape=True)
    assert bits_of(run.outputs["y"]) == expected.outputs["y"].view("u2").ravel().tolist()
    np.testing.assert_array_equal(run.states["h"].numpy(), expected.states["h"])
    gradients = alone.backward(run, outputs={"y": Tensor(there, carried(dy))}).params
    for name, gradient in gradients.items():
        assert bits_of(gradient) == wanted[name].view("u2").ravel().tolist()


HELP = "help: pip install ml_dtypes, or "


def test_what_needs_the_package(bare: CellModule, x: Array) -> None:
    cell = bare.Cell(**SETTINGS)
    assert said(cell.forward, x=x.astype(np.float32)) == (
        "results of bfloat16 can be NumPy's only where the package ml_dtypes is installed\n"
        f"{HELP}pass arrays that are on the device"
    )
    assert said(cell.params.__getitem__, "b") == (
        "param 'b' of bfloat16 can be NumPy's only where the package ml_dtypes is installed\n"
        f"{HELP}write params of a cell.to('cuda:0')"
    )
    assert said(cell.stepper) == (
        "the buffers of a stepper of bfloat16 can be NumPy's only where the package ml_dtypes is "
        f"installed\n{HELP}call forward for each step"
    )
    # written it may be: it is rounded on the way
    cell.params["b"] = np.ones(SIZES["H"], np.float32)
    moved = cell.to("cuda:0")
    assert bits_of(moved.params["b"]) == [0x3F80] * SIZES["H"]
    assert said(moved.params["b"].numpy) == (
        "an array of bfloat16 can be NumPy's only where the package ml_dtypes is installed\n"
        f"{HELP}take it as it is: torch.from_dlpack(array)"
    )
