"""Every cell that is shipped or described: all targets, both element types, odd sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from calls import Call, run
from known_cells import CELLS, POSITIVE, READS_X_WHERE_M, VALID
from libraries import STRICT, build_together
from trials import trial
from yardstick import Yardstick

from grugen.driver import CPU_TARGETS, Compiled, compile_spec
from grugen.runtime import CellModule

ELEMENTS = ("float32", "float64")
CALLS = 3

pytestmark = pytest.mark.compiles

Modules = Mapping[str, Mapping[str, CellModule]]


@pytest.fixture(scope="module")
def cells() -> dict[str, Compiled]:
    return {name: compile_spec(VALID.get(name, name)) for name in CELLS}


@pytest.fixture(scope="module")
def yardsticks(cells: dict[str, Compiled]) -> dict[str, list[Yardstick]]:
    """Some calls of each cell."""
    rng = np.random.default_rng(1606)
    found: dict[str, list[Yardstick]] = {}
    for name, cell in cells.items():
        gaps = [("x", "m")] if name in READS_X_WHERE_M else []
        made = [trial(cell, gaps, rng) for _ in range(CALLS)]
        calls = [one.call for one in made if one is not None]
        if name in POSITIVE:
            calls = [_with_positive(call, POSITIVE[name]) for call in calls]
        found[name] = [Yardstick(cell, call) for call in calls]
    return found


def _with_positive(call: Call, name: str) -> Call:
    return replace(call, params={**call.params, name: np.abs(call.params[name]) + 0.5})


@pytest.fixture(scope="module")
def modules(cells: dict[str, Compiled]) -> Modules:
    """By element type: in float32 as users build them, in float64 quickly."""
    all_cells = list(cells.values())
    return {
        "float32": build_together(all_cells, CPU_TARGETS, ["float32"], *STRICT),
        "float64": build_together(all_cells, CPU_TARGETS, ["float64"], "-O0", *STRICT),
    }


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("target", CPU_TARGETS)
@pytest.mark.parametrize("name", CELLS)
def test_compiled_is_interpreted(
    name: str,
    target: str,
    element: str,
    yardsticks: Mapping[str, list[Yardstick]],
    modules: Modules,
) -> None:
    assert yardsticks[name]
    for yardstick in yardsticks[name]:
        for tape in ("gates", "states"):
            found = run(modules[element][name], yardstick.call, target, element, 2, tape)
            yardstick.check(found, element, f"{target} {tape}")


@pytest.mark.parametrize("name", CELLS)
def test_same_call_same_bits_for_any_threads(
    name: str, yardsticks: Mapping[str, list[Yardstick]], modules: Modules
) -> None:
    for yardstick in yardsticks[name]:
        first, *others = (
            run(modules["float32"][name], yardstick.call, "openmp", "float32", threads)
            for threads in (1, 2, 3, 7, 1)
        )
        for found in others:
            for tensor, values in first.items():
                assert np.array_equal(values, found[tensor], equal_nan=True), tensor
