"""Loops that overwrite their states as they go: every way states and values can be used there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from calls import Call, random_call, run, run_forward
from libraries import STRICT, build_together
from trials import compiled
from yardstick import Yardstick

from grugen.driver import Compiled, compile_spec
from grugen.runtime import CellModule

HEAD = """\
spec: 1
name: {name}
inputs: {{x: [H], v: [], m: {{shape: [H], role: mask}}}}
static: {{s: [H]}}
states: {{h: [H], g: [H]}}
params: {{u: [H], w: [H]}}
equations: |
"""
EQUATIONS = {
    "taking_turns": ("h' = g", "g' = 0.5 * tanh(u * h) + v * x"),
    "late": ("h' = x * v", "g' = h + 0.1 * s"),
    "held": ("h' = where(m > 0, x, h)", "g' = 0.5 * (u * g + where(m > 0, h, s))"),
    "gated": ("h' = sigmoid(s + x) * h + w * x", "g' = tanh(u * g + v * h * s)"),
    "both": ("a = sigmoid(x + u * g + w * h)", "h' = a * h + (1 - a) * g", "g' = tanh(s * h + x)"),
}
LAST = "y = h' + 0.5 * g + where(m > 0, u * x, w * s * v)"
THREADS = (1, 2, 3, 7)
STEPS = 260
"""Several time blocks, where rows are wide."""

pytestmark = pytest.mark.compiles


@pytest.fixture(scope="module")
def cells() -> dict[str, Compiled]:
    found = {}
    for name, equations in EQUATIONS.items():
        block = "".join(f"  {line}\n" for line in (*equations, LAST))
        found[name] = compiled(f"{HEAD.format(name=name)}{block}outputs: {{y: y}}\n")
    return found


@pytest.fixture(scope="module")
def modules(cells: dict[str, Compiled]) -> Mapping[str, CellModule]:
    return build_together([*cells.values()], ["openmp"], ["float32"], *STRICT)


def call_of(cell: Compiled, units: int, reverse: bool) -> Call:
    """A call with all gradients; some sequences are empty, and only one is full."""
    rng = np.random.default_rng(units)
    arguments = {"sizes": {"H": units}, "steps": STEPS, "batch": 9}
    call = random_call(cell.interface, rng, everything=True, **arguments)
    lengths = np.array([7, 0, STEPS, 131, 1, 0, 255, 130, 2])
    past = np.arange(STEPS)[:, None] >= lengths
    for array in (*call.inputs.values(), *call.d_outputs.values()):
        np.nan_to_num(array, copy=False, nan=1.0)
        array[past] = np.nan
    return replace(call, lengths=lengths, reverse=reverse)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("units", [1, 16, 37])
@pytest.mark.parametrize("name", EQUATIONS)
def test_interpreted_and_same_bits(
    name: str,
    units: int,
    reverse: bool,
    cells: dict[str, Compiled],
    modules: Mapping[str, CellModule],
) -> None:
    call = call_of(cells[name], units, reverse)
    runs = [run(modules[name], call, "openmp", "float32", threads) for threads in THREADS]
    Yardstick(cells[name], call).check(runs[0], "float32", "openmp")
    for found in runs[1:]:
        for what, values in runs[0].items():
            assert np.array_equal(values, found[what]), what


def test_units_over_threads() -> None:
    """Members of a team own their units in memory that all of them see."""
    cell = compile_spec("indrnn")
    modules = build_together([cell], ["openmp"], ["float32"], *STRICT)
    sizes = {"D": 256, "H": 200}
    rng = np.random.default_rng(1803)
    call = random_call(cell.interface, rng, sizes=sizes, steps=40, batch=2, everything=True)
    runs = [run(modules["indrnn"], call, "openmp", "float32", threads) for threads in THREADS]
    for found in runs[1:]:
        for what, values in runs[0].items():
            assert np.array_equal(values, found[what]), what
    _, result = run_forward(modules["indrnn"], call, "openmp", "float32", threads=3)
    assert result.plan.name == "units"
