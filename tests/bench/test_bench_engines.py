"""Every framework that is installed computes the same as the interpreter, in its own process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grugen.bench.draw import draw, save
from grugen.bench.reference import largest_error, reference
from grugen.bench.roster import ENTRIES, Entry
from grugen.bench.suites import MODES, Case
from grugen.bench.workers import Order, Skipped, Worker
from grugen.driver import load

# compiling takes minutes
QUICK = [entry for entry in ENTRIES if "compile" not in entry.name]


@pytest.mark.compiles
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("spec", ["gru_reset_after", "gru", "gru_d"])
@pytest.mark.parametrize("entry", QUICK, ids=lambda entry: entry.name)
def test_engine_is_the_interpreter(entry: Entry, spec: str, mode: str, tmp_path: Path) -> None:
    train = mode == "training"
    if entry.missing() or (train and not entry.training):
        pytest.skip(entry.missing() or "forward only")
    data = draw(Case(spec, 6, 3, (5, 7), mode), load(spec).interface)
    save(data, tmp_path / "case.npz")
    try:
        worker = Worker(Order(entry, spec, tmp_path / "case.npz", train, 2), 120)
    except Skipped as reason:
        pytest.skip(str(reason))
    worker.results(tmp_path / "results.npz")
    assert worker.seconds(2) > 0
    worker.close()
    wanted = reference(load(spec), data, train=train)
    with np.load(tmp_path / "results.npz") as saved:
        found = dict(saved)
    assert largest_error(found, wanted)[0] < 1e-5
    gradients = {name for name in wanted if name.startswith("d ")}
    assert not train or gradients <= set(found)
