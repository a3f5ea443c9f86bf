"""Callers from C may be threads of a parallel region: a call is none of its business."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))

from trials import compiled

from grugen.driver import bundle

pytestmark = pytest.mark.compiles

PLAIN = """\
spec: 1
name: plain
inputs: {x: [D]}
states: {h: [H]}
params: {W: [H, D], b: [H]}
equations: |
  h' = tanh(W @ x + b) - h
outputs: {y: h'}
"""


def test_a_call_inside_a_parallel_region_is_a_call(tmp_path: Path) -> None:
    sources = bundle(compiled(PLAIN), "openmp", "float32")
    for name, text in sources.files:
        (tmp_path / name).write_text(text, encoding="utf-8")
    program = Path(__file__).with_name("outer_region.c")
    command = ["cc", "-std=c11", "-O1", "-fopenmp", "-Wall", "-Wextra", "-Werror", "-I."]
    subprocess.run(
        [*command, str(program), sources.files[0][0], "-o", "callers", "-lm"],
        cwd=tmp_path,
        check=True,
    )
    done = subprocess.run(
        [tmp_path / "callers"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "same\n"
