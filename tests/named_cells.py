"""Cells whose names are the words that generated text is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from trials import compiled

from grugen.driver import bundle
from grugen.spec.functions import FUNCTIONS
from grugen.spec.names import C_KEYWORDS, CELL_OPTIONS, FORWARD_OPTIONS, PYTHON_KEYWORDS

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


def words_of(targets: Iterable[str]) -> list[str]:
    """Every word in the generated text and the headers of targets that a spec may use."""
    cell = compiled(TYPICAL)
    found: set[str] = set()
    for target in targets:
        for _, text in bundle(cell, target, "float32").files:
            found.update(re.findall(r"\b[A-Za-z]\w*", re.sub(r"//.*", "", text)))
    found -= {*TAKEN, *re.findall(r"\b[A-Za-z]\w*", TYPICAL)}
    # of names that differ in their number, or begin as all of our own do, a few will do
    ours = sorted(word for word in found if word.lower().startswith("grugen"))
    found -= set(ours[5:])
    return sorted(word for word in found if not re.search(r"typical|\d\d|[4-9]", word))


Write = Callable[[str, int], str]
Words = Sequence[str]


def spec(words: Words, declared: str, shape: str, equations: Write) -> str:
    """A cell in which every word is declared in one section, and read."""
    sections = {"inputs": "  x0: [D0]\n", "states": "  h0: [D0]\n"}
    entries = "".join(f'  "{word}": {shape}\n' for word in words)
    sections[declared] = sections.get(declared, "") + entries
    lines = "".join(f"  {equations(word, number)}\n" for number, word in enumerate(words))
    outputs = "".join(f"  y0{number}: v0{number}\n" for number in range(len(words)))
    return (
        "spec: 1\nname: clash\n"
        + "".join(f"{name}:\n{text}" for name, text in sections.items())
        + f"equations: |\n  h0' = x0\n{lines}outputs:\n{outputs}"
    )


def values(words: Words) -> str:
    lines = "".join(f"  {word} = tanh(h0 * {i}.5)\n" for i, word in enumerate(words))
    lines += "".join(f"  v0{i} = W0 @ {word} + {word}\n" for i, word in enumerate(words))
    outputs = "".join(f'  "{word}": v0{i}\n' for i, word in enumerate(words))
    return (
        "spec: 1\nname: clash\ninputs: {x0: [D0]}\nstates: {h0: [D0]}\nparams: {W0: [D0, D0]}\n"
        f"equations: |\n{lines}  h0' = x0\noutputs:\n{outputs}"
    )


def states(words: Words) -> str:
    entries = "".join(f'  "{word}": [D0]\n' for word in words)
    lines = "".join(f"  {word}' = tanh(W0 @ ({word} * x0) + {word})\n" for word in words)
    outputs = "".join(f"  y0{i}: {word}'\n" for i, word in enumerate(words))
    return (
        f"spec: 1\nname: clash\ninputs: {{x0: [D0]}}\nstates:\n{entries}params: {{W0: [D0, D0]}}\n"
        f"equations: |\n{lines}outputs:\n{outputs}"
    )


def dims(words: Words) -> str:
    inputs = "".join(f'  x0{i}: ["{word}"]\n' for i, word in enumerate(words))
    params = "".join(f'  W0{i}: [D0, "{word}"]\n' for i, word in enumerate(words))
    lines = "".join(f"  v0{i} = W0{i} @ x0{i} + mean(x0{i}) + h0\n" for i in range(len(words)))
    outputs = "".join(f"  y0{i}: v0{i}\n" for i in range(len(words)))
    return (
        f"spec: 1\nname: clash\ninputs:\n{inputs}states: {{h0: [D0]}}\nparams:\n{params}"
        f"equations: |\n{lines}  h0' = tanh(h0)\noutputs:\n{outputs}"
    )


def times(word: str, number: int) -> str:
    return f"v0{number} = h0 * {word}"


SPECS: Mapping[str, Callable[[Words], str]] = {
    "params": lambda words: spec(words, "params", "[D0]", times),
    "inputs": lambda words: spec(words, "inputs", "[D0]", times),
    "numbers": lambda words: spec(words, "inputs", "[]", times),
    "static": lambda words: spec(words, "static", "[D0]", times),
    "constants": lambda words: spec(words, "constants", "[D0]", times),
    "hypers": lambda words: spec(words, "hyper", "1", times),
    "values": values,
    "states": states,
    "dims": dims,
}
