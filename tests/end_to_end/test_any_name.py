"""Every name that a spec may use works in C, also those that our own text is made of."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from calls import random_call, run
from libraries import STRICT, build_together
from named_cells import SPECS, words_of
from trials import compiled
from yardstick import Yardstick

from grugen.driver import CPU_TARGETS, bundle
from grugen.target.c_names import member_name

pytestmark = pytest.mark.compiles

WORDS = words_of(CPU_TARGETS)


@pytest.mark.parametrize("target", CPU_TARGETS)
@pytest.mark.parametrize("what", SPECS)
def test_our_own_words_are_names_like_others(what: str, target: str, tmp_path: Path) -> None:
    assert len(WORDS) > 150
    sources = bundle(compiled(SPECS[what](WORDS)), target, "float32")
    for name, text in sources.files:
        (tmp_path / name).write_text(text)
    command = ["cc", "-std=c11", "-fsyntax-only", "-fopenmp", "-Wall", "-Wextra", *STRICT]
    done = subprocess.run(
        [*command, sources.files[0][0]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:3000]


def test_macros_of_the_headers_are_no_names(tmp_path: Path) -> None:
    """What the compiler says it has defined is spelled otherwise in C, where a spec has it."""
    sources = bundle(compiled(LIKE_MEMORY), "openmp", "float32")
    for name, text in sources.files:
        (tmp_path / name).write_text(text)
    command = ["cc", "-std=c11", "-fopenmp", "-dM", "-E", sources.files[0][0]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    macros = {re.split(r"[ (]", line)[1] for line in done.stdout.splitlines()}
    # a spec's names begin with a letter; ours are spelled otherwise by their first letters
    names = {name for name in macros if name[0] != "_" and not name.lower().startswith("grugen")}
    assert len(names) > 50
    assert [name for name in sorted(names) if member_name(name) == name] == []


LIKE_MEMORY = """\
spec: 1
name: like_memory
inputs: {x: [D], x_at: [D], h: [H], h_rows: [H], s_entering: [H], h_entering: [H]}
states: {s: [H], h_: [H]}
params: {W: [H, D], U: [H, H]}
equations: |
  s'  = tanh(U @ s + W @ x + W @ x_at + h_rows * s)
  h_' = tanh(U @ h_ + h * h_)
  y   = where(s > h_entering, U @ s, h_entering) + where(h_ > h, h_, h_rows)
  z   = where(s > s_entering, s, s_entering * s)
outputs: {y: y, z: z}
"""


def test_memory_is_not_mistaken_for_a_value_of_its_name() -> None:
    """A state that is read behind its loop is kept in memory that has a name of our own."""
    cell = compiled(LIKE_MEMORY)
    module = build_together([cell], ["openmp"], ["float64"], *STRICT)["like_memory"]
    sizes = {"D": 3, "H": 5}
    call = random_call(
        cell.interface, np.random.default_rng(3), sizes=sizes, steps=4, batch=3, everything=True
    )
    Yardstick(cell, call).check(run(module, call, "openmp", "float64"), "float64", "openmp")
