"""Every name that a spec may use works in C, also those that our own text is made of."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from calls import random_call, run
from libraries import STRICT, build_together
from trials import compiled
from yardstick import Yardstick

from grugen.driver import CPU_TARGETS, bundle
from grugen.spec.functions import FUNCTIONS
from grugen.spec.names import C_KEYWORDS, CELL_OPTIONS, FORWARD_OPTIONS, PYTHON_KEYWORDS

pytestmark = pytest.mark.compiles

TYPICAL = """\
spec: 1
name: typical
inputs: {x0: [D0], dt0: []}
static: {s0: [H0]}
hyper: {beta0: 1}
states: {h0: [H0], c0: [H0]}
params: {W0: [H0, D0], U0: [H0, H0], g0: [H0]}
equations: |
  z0     = sigmoid(W0 @ x0 + U0 @ h0) + sum(h0) + layernorm(U0 @ s0, g0) * beta0
  p0, q0 = split(concat(h0, c0), 2)
  c0'    = softplus(p0) + where(q0 > h0, c0, min(c0, h0)) ** 2.5 + mod(dt0, 2)
  h0'    = tanh(z0) + U0 @ (c0' * h0) + log(exp(g0))
outputs: {y0: h0', z0: z0}
"""
TAKEN = {*PYTHON_KEYWORDS, *C_KEYWORDS, *FUNCTIONS, *CELL_OPTIONS, *FORWARD_OPTIONS, "inf"}


def words() -> list[str]:
    """Every word in the generated text and the headers of all targets that a spec may use."""
    cell = compiled(TYPICAL)
    found: set[str] = set()
    for target in CPU_TARGETS:
        for _, text in bundle(cell, target, "float32").files:
            found.update(re.findall(r"\b[A-Za-z]\w*", re.sub(r"//.*", "", text)))
    found -= {*TAKEN, *re.findall(r"\b[A-Za-z]\w*", TYPICAL)}
    # of names that differ in their number, or begin as all of our own do, a few will do
    ours = sorted(word for word in found if word.lower().startswith("grugen"))
    found -= set(ours[5:])
    return sorted(word for word in found if not re.search(r"typical|\d\d|[4-9]", word))


WORDS = words()
Write = Callable[[str, int], str]


def spec(declared: str, shape: str, equations: Write) -> str:
    """A cell in which every word is declared in one section, and read."""
    sections = {"inputs": "  x0: [D0]\n", "states": "  h0: [D0]\n"}
    entries = "".join(f'  "{word}": {shape}\n' for word in WORDS)
    sections[declared] = sections.get(declared, "") + entries
    lines = "".join(f"  {equations(word, number)}\n" for number, word in enumerate(WORDS))
    outputs = "".join(f"  y0{number}: v0{number}\n" for number in range(len(WORDS)))
    return (
        "spec: 1\nname: clash\n"
        + "".join(f"{name}:\n{text}" for name, text in sections.items())
        + f"equations: |\n  h0' = x0\n{lines}outputs:\n{outputs}"
    )


def values() -> str:
    lines = "".join(f"  {word} = tanh(h0 * {i}.5)\n" for i, word in enumerate(WORDS))
    lines += "".join(f"  v0{i} = W0 @ {word} + {word}\n" for i, word in enumerate(WORDS))
    outputs = "".join(f'  "{word}": v0{i}\n' for i, word in enumerate(WORDS))
    return (
        "spec: 1\nname: clash\ninputs: {x0: [D0]}\nstates: {h0: [D0]}\nparams: {W0: [D0, D0]}\n"
        f"equations: |\n{lines}  h0' = x0\noutputs:\n{outputs}"
    )


def states() -> str:
    entries = "".join(f'  "{word}": [D0]\n' for word in WORDS)
    lines = "".join(f"  {word}' = tanh(W0 @ ({word} * x0) + {word})\n" for word in WORDS)
    outputs = "".join(f"  y0{i}: {word}'\n" for i, word in enumerate(WORDS))
    return (
        f"spec: 1\nname: clash\ninputs: {{x0: [D0]}}\nstates:\n{entries}params: {{W0: [D0, D0]}}\n"
        f"equations: |\n{lines}outputs:\n{outputs}"
    )


def dims() -> str:
    inputs = "".join(f'  x0{i}: ["{word}"]\n' for i, word in enumerate(WORDS))
    params = "".join(f'  W0{i}: [D0, "{word}"]\n' for i, word in enumerate(WORDS))
    lines = "".join(f"  v0{i} = W0{i} @ x0{i} + mean(x0{i}) + h0\n" for i in range(len(WORDS)))
    outputs = "".join(f"  y0{i}: v0{i}\n" for i in range(len(WORDS)))
    return (
        f"spec: 1\nname: clash\ninputs:\n{inputs}states: {{h0: [D0]}}\nparams:\n{params}"
        f"equations: |\n{lines}  h0' = tanh(h0)\noutputs:\n{outputs}"
    )


def times(word: str, number: int) -> str:
    return f"v0{number} = h0 * {word}"


SPECS = {
    "params": lambda: spec("params", "[D0]", times),
    "inputs": lambda: spec("inputs", "[D0]", times),
    "numbers": lambda: spec("inputs", "[]", times),
    "static": lambda: spec("static", "[D0]", times),
    "constants": lambda: spec("constants", "[D0]", times),
    "hypers": lambda: spec("hyper", "1", times),
    "values": values,
    "states": states,
    "dims": dims,
}


@pytest.mark.parametrize("target", CPU_TARGETS)
@pytest.mark.parametrize("what", SPECS)
def test_our_own_words_are_names_like_others(what: str, target: str, tmp_path: Path) -> None:
    assert len(WORDS) > 150
    sources = bundle(compiled(SPECS[what]()), target, "float32")
    for name, text in sources.files:
        (tmp_path / name).write_text(text)
    command = ["cc", "-std=c11", "-fsyntax-only", "-fopenmp", "-Wall", "-Wextra", *STRICT]
    done = subprocess.run(
        [*command, sources.files[0][0]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:3000]


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
