"""Cells that nobody wrote: on every target they do what the interpreter does.

`make fuzz` looks at other cells than these, without end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from calls import run
from libraries import STRICT, build_together
from trials import Trial, trials
from yardstick import Yardstick

from grugen.driver import CPU_TARGETS
from grugen.runtime import CellModule
from grugen.spec.functions import FUNCTIONS

CELLS = 72
OPTIMIZED = 10
SEED = 20180417
ELEMENTS = ("float32", "float64")
THREADS = (1, 2, 3, 7)

pytestmark = pytest.mark.compiles

Modules = Mapping[str, CellModule]


@pytest.fixture(scope="module")
def drawn() -> tuple[list[Trial], int]:
    return trials(CELLS, SEED)


@pytest.fixture(scope="module")
def random_trials(drawn: tuple[list[Trial], int]) -> list[Trial]:
    return drawn[0]


@pytest.fixture(scope="module")
def yardsticks(random_trials: list[Trial]) -> dict[str, Yardstick]:
    return {trial.cell.spec.name: Yardstick(trial.cell, trial.call) for trial in random_trials}


@pytest.fixture(scope="module")
def modules(random_trials: list[Trial]) -> dict[tuple[str, str], Modules]:
    """All cells on all targets, by target and element type; quickly compiled."""
    cells = [trial.cell for trial in random_trials]
    return {
        (target, element): build_together(
            cells, [target], [element], "-O1" if fast else "-O0", *STRICT
        )
        for target in CPU_TARGETS
        for element, fast in (("float32", True), ("float64", False))
    }


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("target", CPU_TARGETS)
def test_compiled_is_interpreted(
    target: str,
    element: str,
    random_trials: list[Trial],
    yardsticks: dict[str, Yardstick],
    modules: dict[tuple[str, str], Modules],
) -> None:
    for trial in random_trials:
        name = trial.cell.spec.name
        for tape in ("gates", "states"):
            found = run(modules[target, element][name], trial.call, target, element, 2, tape)
            yardsticks[name].check(found, element, f"{target} {tape}")


@pytest.mark.parametrize("target", CPU_TARGETS)
def test_optimized_is_interpreted(target: str, yardsticks: dict[str, Yardstick]) -> None:
    """With the flags that users' libraries are built with."""
    some = list(yardsticks.values())[-OPTIMIZED:]
    modules = build_together([yardstick.cell for yardstick in some], [target], ["float32"])
    for yardstick in some:
        module = modules[yardstick.cell.spec.name]
        yardstick.check(run(module, yardstick.call, target, "float32"), "float32", target)


def test_nothing_that_must_not_be_read_arrives(yardsticks: dict[str, Yardstick]) -> None:
    """Inputs behind masks and past the ends are NaN and infinite; nothing else is."""
    for yardstick in yardsticks.values():
        for name, values in yardstick.reference.items():
            assert np.isfinite(values).all(), f"{name}\n{yardstick.cell.spec.source.text}"


def test_same_call_same_bits_for_any_threads(
    random_trials: list[Trial], modules: dict[tuple[str, str], Modules]
) -> None:
    for trial in random_trials:
        module = modules["openmp", "float32"][trial.cell.spec.name]
        runs = [run(module, trial.call, "openmp", "float32", threads) for threads in THREADS]
        runs.append(run(module, trial.call, "openmp", "float32", THREADS[0]))
        again = [run(module, trial.call, "openmp", "float32", n, "states") for n in THREADS]
        for found in again[1:]:
            assert all(np.array_equal(a, found[k], equal_nan=True) for k, a in again[0].items())
        for threads, found in zip((*THREADS, THREADS[0]), runs, strict=True):
            for name, first in runs[0].items():
                same = np.array_equal(first, found[name], equal_nan=True)
                assert same, f"{name} on {threads} threads\n{trial}"


def test_how_many_and_of_what(
    drawn: tuple[list[Trial], int], capsys: pytest.CaptureFixture[str]
) -> None:
    found, lost = drawn
    assert len(found) >= 60
    equations = [trial.cell.spec.source.text.split("equations:")[1] for trial in found]
    uses = Counter(name for text in equations for name in FUNCTIONS if f"{name}(" in text)
    uses.update(sign for text in equations for sign in "@/+-*" if f" {sign} " in text)
    assert not set(FUNCTIONS) - set(uses), "these functions are in no cell"
    with capsys.disabled():
        discarded = sum(trial.discarded for trial in found)
        print(
            f"\n{len(found)} random cells through each of {', '.join(CPU_TARGETS)} in "
            f"{' and '.join(ELEMENTS)}; {discarded} calls and {lost} cells discarded at switches"
        )
