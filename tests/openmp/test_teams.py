"""Teams: threads that share the units of a tile give the bits of one thread, in both directions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import grugen
from grugen.runtime import Cell

pytestmark = pytest.mark.compiles

THREADS = (1, 2, 3, 7)
CELLS = ("gru", "gru_d", "lstm", "layernorm_gru")
WIDE, ODD = 300, 33
STEPS, BATCH = 6, 2


def inputs(name: str, steps: int = STEPS, batch: int = BATCH) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    x = random.standard_normal((steps, batch, ODD)).astype(np.float32)
    if name != "gru_d":
        return {"x": x}
    seen = random.random(x.shape) < 0.6
    delta = random.random(x.shape).astype(np.float32)
    return {"x": np.where(seen, x, np.nan).astype(np.float32), "m": seen, "delta": delta}


def bits(cell: Cell, name: str, batch: int, threads: int) -> tuple[str, dict[str, bytes]]:
    """The plan's name, and all results of a forward and a backward call."""
    lengths = np.array([STEPS, 3])[:batch]
    run = cell.forward(**inputs(name, batch=batch), lengths=lengths, tape=True, threads=threads)
    grads = cell.backward(
        run, outputs={key: np.ones_like(y) for key, y in run.outputs.items()}, threads=threads
    )
    groups: dict[str, Mapping[str, np.ndarray]] = {
        "output": run.outputs,
        "state": run.states,
        "d param": grads.params,
        "d input": grads.inputs,
        "d state": grads.states,
    }
    assert grads.plan.name == run.plan.name
    assert run.plan.threads == grads.plan.threads == threads
    return run.plan.name, {
        f"{what} {key}": array.tobytes()
        for what, group in groups.items()
        for key, array in group.items()
    }


@pytest.mark.parametrize("name", CELLS)
def test_bits_do_not_depend_on_the_team(name: str) -> None:
    means = {"x_mean": np.zeros(ODD, np.float32)} if name == "gru_d" else {}
    module = grugen.load(name, target="openmp", dtype="float32")
    cell = module.Cell(D=ODD, H=WIDE, seed=0, **means)
    for batch in (1, BATCH):
        plan, expected = bits(cell, name, batch, 1)
        assert plan == "serial"
        for threads in (n for n in THREADS if n > batch):
            plan, found = bits(cell, name, batch, threads)
            assert plan == "units"
            differing = [key for key in expected if found[key] != expected[key]]
            assert not differing, (batch, threads)


def test_loops_without_meetings_are_shared_by_the_unit() -> None:
    """Where every state goes its own way, the members of a team meet once a time block."""
    cell = grugen.load("mingru", target="openmp", dtype="float32").Cell(D=ODD, H=ODD, seed=0)
    x = inputs("mingru", 2000, 1)
    for given, plan in ((x["x"], "units"), (x["x"][:8], "serial")):
        found = []
        for threads in THREADS:
            run = cell.forward(x=given, tape=True, threads=threads)
            grads = cell.backward(run, outputs={"y": run.outputs["y"]}, threads=threads)
            assert run.plan.name == ("serial" if threads == 1 else plan)
            arrays = (run.outputs["y"], *grads.params.values(), grads.inputs["x"])
            found.append([array.tobytes() for array in arrays])
        assert all(each == found[0] for each in found)


def test_plans_have_names() -> None:
    cell = grugen.load("gru", target="openmp", dtype="float32").Cell(D=ODD, H=64, seed=0)
    narrow = {batch: inputs("gru", 24, batch) for batch in (1, 2, 64)}
    assert cell.forward(**narrow[64], threads=2).plan.name == "rows"
    assert cell.forward(**narrow[64], threads=1).plan.name == "serial"
    # too few weights to share
    assert cell.forward(**narrow[1], threads=2).plan.name == "serial"
    # as many sequences as threads
    assert cell.forward(**narrow[2], threads=2).plan.name == "rows"


FEWER = """
import numpy, grugen
x = numpy.random.default_rng(0).standard_normal((6, 1, 33)).astype("float32")
cell = grugen.load("gru", target="openmp", dtype="float32").Cell(D=33, H=300, seed=0)
def results(threads):
    run = cell.forward(x=x, tape=True, threads=threads)
    grads = cell.backward(run, states={"h": numpy.ones_like(run.states["h"])}, threads=threads)
    return [run.outputs["y"].tobytes(), *(g.tobytes() for g in grads.params.values())]
assert results(1) == results(3)
"""


@pytest.mark.parametrize("limit", [{"OMP_THREAD_LIMIT": "2"}, {"OMP_DYNAMIC": "true"}])
def test_fewer_threads_than_asked_for(limit: dict[str, str]) -> None:
    """Who does not come has no share."""
    done = subprocess.run(
        [sys.executable, "-c", FEWER],
        env={**os.environ, **limit},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_several_callers_at_once() -> None:
    cell = grugen.load("gru", target="openmp", dtype="float32").Cell(D=ODD, H=WIDE, seed=0)
    _, expected = bits(cell, "gru", 1, 1)
    with ThreadPoolExecutor(3) as pool:
        for _, found in pool.map(lambda _: bits(cell, "gru", 1, 2), range(6)):
            assert found == expected
