"""Cells that nobody wrote, emulated: odd sizes, sequences without steps, ways to run at random."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from calls import Call
from emulated_calls import drawn_call
from emulated_cells import REGIMES, WORDS, emulated, products_of
from emulator.build import Order
from trials import compiled, invented
from yardstick import Yardstick

from grugen.driver import Compiled

CELLS = 120 if os.environ.get("GRUGEN_ALL") else 12
CALLS = 4
SEED = 20261125
SIZES = (1, 3, 17, 33)

pytestmark = pytest.mark.compiles


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    cell: Compiled
    element: str
    calls: tuple[Call, ...]


@pytest.fixture(scope="module")
def drawn() -> list[Drawn]:
    rng = np.random.default_rng(SEED)
    found = []
    for number, invention in enumerate(invented(CELLS, SEED), start=1):
        cell = compiled(invention.named(f"cell_{number}"))
        element = str(rng.choice(["float32", "float64", "bfloat16"]))
        calls = []
        for _ in range(CALLS):
            try:
                call = drawn_call(
                    cell,
                    rng,
                    batch=int(rng.integers(1, 10)),
                    lengths=str(rng.choice(["whole", "ragged", "empty"])),
                    reverse=bool(rng.integers(2)),
                    states=bool(rng.integers(2)),
                    gaps=invention.gaps,
                    sizes=SIZES,
                    element=element,
                )
            except AssertionError:
                # some are at a switch wherever they go
                continue
            calls.append(call)
        found.append(Drawn(cell, element, tuple(calls)))
    return found


def test_emulated_is_interpreted(drawn: list[Drawn], capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(SEED)
    heard: Counter[str] = Counter()
    for one in drawn:
        library = emulated(one.cell, one.element)
        for call in one.calls:
            yardstick = Yardstick(one.cell, call)
            for tape in ("gates", "states"):
                regime = int(rng.choice(REGIMES))
                processors, seed = int(rng.integers(2, 9)), int(rng.integers(1000))
                library.device(processors, Order(int(rng.integers(3))), seed)
                what = f"{WORDS[regime]} {tape} on {processors} processors, seed {seed}:"
                try:
                    found = library.run(call, regime=regime, tape=tape)
                except AssertionError as error:
                    text = one.cell.spec.source.text
                    raise AssertionError(f"{what} {error}\n{call}\n{text}") from error
                yardstick.check(found, one.element, what, products_of(one.element, regime))
                heard.update(library.heard)
    with capsys.disabled():
        counts = ", ".join(f"{count} as {word}" for word, count in sorted(heard.items()))
        print(f"\n{len(drawn)} random cells emulated; kernels ran {counts}")
    assert {*WORDS[1:], "rows"} <= set(heard)


def test_most_have_calls(drawn: list[Drawn]) -> None:
    assert sum(len(one.calls) for one in drawn) >= 0.7 * CALLS * CELLS
    calls = [call for one in drawn for call in one.calls]
    assert any(call.lengths is not None and 0 in call.lengths for call in calls)
    assert {one.element for one in drawn if one.calls} == {"float32", "float64", "bfloat16"}
