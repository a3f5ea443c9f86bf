"""Random cells with calls that stay away from their switches, drawn again for the same seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from calls import Call, random_call, run_forward
from hypothesis import HealthCheck, Phase, given, seed, settings
from strategies import Invented, cells
from switches import CLOSE, SwitchWatch

from grugen.driver import Compiled
from grugen.ir.from_spec import lower_spec
from grugen.passes.pipeline import lower
from grugen.runtime import CellModule
from grugen.source import SourceText
from grugen.spec import read_text
from grugen.target.interface import constant_names, interface_of

SIZES = (1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 25)
TRIES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A cell and a call of it; `discarded` counts the calls that came close to a switch."""

    cell: Compiled
    gaps: tuple[tuple[str, str], ...]
    call: Call
    discarded: int


def compiled(text: str) -> Compiled:
    """A spec from its text to its two steps."""
    spec = read_text(SourceText("random.yaml", text))
    steps = lower(lower_spec(spec), constant_names(spec))
    return Compiled(spec, steps, interface_of(spec, steps))


def invented(count: int, number: int) -> list[Invented]:
    """`count` different cells, the same ones for the same seed `number`."""
    found: dict[str, Invented] = {}

    @seed(number)
    @settings(
        max_examples=3 * count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cells())
    def collect(cell: Invented) -> None:
        found.setdefault(cell.text, cell)

    collect()
    # in order of their text, as simple cells come first: short and long ones alike
    ordered = list(found.values())
    return ordered[:: max(1, len(ordered) // count)][:count]


def trial(
    cell: Compiled,
    gaps: Iterable[tuple[str, str]],
    rng: np.random.Generator,
    everything: bool = False,
) -> Trial | None:
    """A call of random sizes that stays away from switches; None if none was found."""
    gaps = tuple(gaps)
    for number in range(TRIES):
        # small calls last: they come close to a switch less often
        small = number > TRIES // 2
        call = random_call(
            cell.interface,
            rng,
            sizes={
                dim: int(rng.choice(SIZES[: 4 if small else None])) for dim in cell.interface.dims
            },
            steps=int(rng.integers(1, 4 if small else 10)),
            batch=int(rng.integers(1, 4 if small else 10)) if rng.random() < 0.8 else 29,
            gaps=gaps,
            everything=everything,
        )
        if distance_from_switches(cell, call) > CLOSE:
            return Trial(cell, gaps, call, number)
    return None


def distance_from_switches(cell: Compiled, call: Call) -> float:
    """How close the call comes to a switch of the cell."""
    watch = SwitchWatch(cell.steps.forward)
    module = CellModule(cell.interface, lambda target, dtype: watch, "numpy")
    run_forward(module, call, "numpy", "float64", tape=False)
    return watch.smallest


def trials(count: int, number: int) -> tuple[list[Trial], int]:
    """Trials of different cells called `cell_1`, `cell_2`, ..., and how many cells found none."""
    rng = np.random.default_rng(number)
    found: list[Trial] = []
    drawn = invented(count, number)
    for invention in drawn:
        cell = compiled(invention.named(f"cell_{len(found) + 1}"))
        made = trial(cell, invention.gaps, rng)
        if made is not None:
            found.append(made)
    return found, len(drawn) - len(found)
