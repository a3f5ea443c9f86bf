"""Looks for cells that go wrong on some target, until it is interrupted or finds one: `make fuzz`.

What it finds is shrunk to the shortest spec that still goes wrong.
"""

from __future__ import annotations

import itertools
import os
import secrets
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS / "end_to_end")]

import numpy as np
from calls import run
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from libraries import STRICT, build_together
from strategies import Invented, cells
from trials import Trial, compiled, trial
from yardstick import Yardstick

from grugen.driver import CPU_TARGETS

CELLS = 8
"""In each example: cells are compiled together."""
EXAMPLES = 10


def main() -> None:
    for round_number in itertools.count(1):
        number = secrets.randbelow(2**32)
        # a folder for each round, so that libraries do not pile up
        with tempfile.TemporaryDirectory() as folder:
            os.environ["GRUGEN_CACHE"] = folder
            tried = hunt(number)
        print(f"round {round_number}, seed {number}: {tried} cells are well", flush=True)


def hunt(number: int) -> int:
    """How many cells were tried; raises with the shrunk example if one goes wrong."""
    tried = 0

    @seed(number)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(cells(), min_size=1, max_size=CELLS), st.integers(0, 2**16))
    def try_out(inventions: list[Invented], data: int) -> None:
        nonlocal tried
        check(inventions, np.random.default_rng(data))
        tried += len(inventions)

    try_out()
    return tried


def check(inventions: list[Invented], rng: np.random.Generator) -> None:
    """Compare all targets with the interpreter, and any number of threads with one."""
    trials: list[Trial] = []
    for number, invention in enumerate(inventions):
        cell = compiled(invention.named(f"cell_{number}"))
        made = trial(cell, invention.gaps, rng)
        if made is not None:
            trials.append(made)
    modules = {
        target: build_together([t.cell for t in trials], [target], ["float32"], "-O1", *STRICT)
        for target in CPU_TARGETS
    }
    for made in trials:
        yardstick = Yardstick(made.cell, made.call)
        for target in CPU_TARGETS:
            module = modules[target][made.cell.spec.name]
            found = run(module, made.call, target, "float32", threads=1)
            yardstick.check(found, "float32", target)
            again = run(module, made.call, target, "float32", threads=3)
            for name, values in found.items():
                assert np.array_equal(values, again[name], equal_nan=True), f"{name} on 3 threads"


if __name__ == "__main__":
    main()
