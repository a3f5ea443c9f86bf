"""Epilogues in rounds, run: what goes on from one to the next arrives, with and without a tape."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from calls import random_call, run
from libraries import STRICT, build_together
from trials import compiled
from yardstick import Yardstick

from grugen.driver import Compiled, bundle
from grugen.runtime import CellModule

HEAD = """\
spec: 1
name: {name}
inputs: {{x: [H]}}
states: {{h: [H], g: [H]}}
params: {{U: [H, H], V: [H, H], W: [H, H], b: [H]}}
equations: |
"""
EQUATIONS = {
    "three_rounds": (
        "a = sigmoid(W @ h + x)",
        "k = exp(0.1 * a) * (U @ h)",
        "h' = tanh(k + V @ h) * a + b",
        "g' = sigmoid(h' + 0.5 * g)",
    ),
    "conditions": (
        "a = tanh(W @ h + x)",
        "c = sigmoid(U @ h + b)",
        "h' = where(a > c, tanh(c * (V @ h)), c)",
        "g' = where(a > c, g, h') * 0.5",
    ),
    "no_room": (
        "a = sigmoid(W @ h + x)",
        "c = exp(x - a)",
        "h' = tanh(c) * c * a * b",
        "g' = tanh(0.5 * g + h') * c",
    ),
}
ROUNDS = {"three_rounds": 3, "conditions": 2, "no_room": 1}
THREADS = (1, 2)

pytestmark = pytest.mark.compiles


@pytest.fixture(scope="module")
def cells() -> dict[str, Compiled]:
    found = {}
    for name, equations in EQUATIONS.items():
        block = "".join(f"  {line}\n" for line in equations)
        head = HEAD.format(name=name)
        for word in "UVW":
            head = head if f"{word} @" in block else head.replace(f"{word}: [H, H], ", "")
        found[name] = compiled(f"{head}{block}outputs: {{y: h'}}\n")
    return found


@pytest.fixture(scope="module")
def modules(cells: dict[str, Compiled]) -> Mapping[str, CellModule]:
    return build_together([*cells.values()], ["openmp"], ["float32"], *STRICT)


@pytest.mark.parametrize("name", EQUATIONS)
def test_rounds_of_a_step(name: str, cells: dict[str, Compiled]) -> None:
    text = bundle(cells[name], "openmp", "float32").text(f"{name}_f32.c")
    step = text.partition("// One step of the rows")[2].partition("// ---- backward ----")[0]
    assert 1 + step.count("sum -= ") == ROUNDS[name]


@pytest.mark.parametrize("batch", [1, 2, 11])
@pytest.mark.parametrize("units", [1, 16, 37])
@pytest.mark.parametrize("name", EQUATIONS)
def test_interpreted_and_same_bits_with_rounds(
    name: str,
    units: int,
    batch: int,
    cells: dict[str, Compiled],
    modules: Mapping[str, CellModule],
) -> None:
    rng = np.random.default_rng(units)
    arguments = {"sizes": {"H": units}, "steps": 9, "batch": batch}
    call = random_call(cells[name].interface, rng, everything=True, **arguments)
    runs = [run(modules[name], call, "openmp", "float32", threads) for threads in THREADS]
    Yardstick(cells[name], call).check(runs[0], "float32", "openmp")
    for what, values in runs[0].items():
        assert np.array_equal(values, runs[1][what]), what
