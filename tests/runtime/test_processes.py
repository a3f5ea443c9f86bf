"""Cells in forked processes, copies of cells, and buffers of a stepper."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import grugen
from grugen.errors import UsageError

FORK = """
import multiprocessing, numpy, grugen
cell = grugen.load("gru").Cell(D=33, H=64, seed=0)
x = numpy.ones((48, 64, 33), "float32")
def total(_):
    return float(cell.forward(x=x, threads=2).outputs["y"].sum())
def refused(threads):
    total(0)
    try:
        cell.forward(x=x, threads=threads)
    except grugen.errors.UsageError as error:
        return str(error)
before = total(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map_async(total, [1, 2]).get(timeout=60) == [before, before]
    messages = pool.map_async(refused, [0, 2**40]).get(timeout=60)
assert messages == [
    f"threads is {n}; a whole number of at least 1 is needed" for n in (0, 2**40)
], messages
"""


@pytest.mark.compiles
def test_forked_child_does_not_wait_for_threads_it_lacks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_cell_is_not_copied() -> None:
    cell = grugen.load("gru", target="numpy").Cell(D=1, H=1)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError) as caught:
            attempt(cell)
        assert str(caught.value) == (
            "a cell cannot be copied or pickled\n"
            "help: keep its parameters: "
            "{name: array.copy() for name, array in cell.params.items()}"
        )


def test_assigning_a_buffer_writes_into_it() -> None:
    step = grugen.load("gru", target="numpy").Cell(D=2, H=3, seed=0).stepper(batch=2)
    states, inputs = np.ones((2, 3)), np.full((2, 2), 0.5)
    step.states["h"], step.inputs["x"] = states, inputs
    assert np.array_equal(step.x, inputs)
    assert np.array_equal(step.states["h"], states)
    step()
    by_attribute = step.y.copy()
    step.states["h"][...] = states
    step()
    assert np.array_equal(step.y, by_attribute)


def test_assigning_a_buffer_is_checked() -> None:
    step = grugen.load("gru", target="numpy").Cell(D=2, H=3, seed=0).stepper(batch=2)
    with pytest.raises(UsageError) as caught:
        step.states["h"] = np.ones((2, 4), np.float32)
    assert str(caught.value) == ("'h' of the states is float32 (2, 4); float64 (2, 3) is needed")
    with pytest.raises(UsageError, match="did you mean 'x'"):
        step.inputs["xx"] = np.ones((2, 2))


@pytest.mark.compiles
def test_a_process_outlives_its_cells() -> None:
    """OpenMP's threads wait for work in a library that must not go with the last cell."""
    program = (
        "import gc, subprocess, numpy as np, grugen\n"
        "for _ in range(20):\n"
        "    cell = grugen.load('gru').Cell(D=3, H=4, seed=0)\n"
        "    cell.forward(x=np.zeros((5, 8, 3), np.float32), threads=2)\n"
        "    del cell\n"
        "    gc.collect()\n"
        "    subprocess.run(['true'])\n"
        "print('alive')\n"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout == "alive\n", done.stderr
