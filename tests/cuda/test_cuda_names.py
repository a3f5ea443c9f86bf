"""Every name that a spec may use works in CUDA, also those that our own text is made of."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cells
import pytest
from emulated import left_out
from emulator.build import compiler_line
from named_cells import SPECS, words_of
from trials import compiled

from grugen.driver import bundle

WORDS = words_of(["cuda"])
PARTS = {"values": 12, "states": 12}
"""Into how many cells the words are divided, where more than three: texts grow with the square."""
ALL = bool(os.environ.get("GRUGEN_ALL"))
CHOSEN = {"params": 3, "values": 3}
"""How many of them are compiled, where more than one."""

pytestmark = pytest.mark.compiles


def test_there_are_many_words() -> None:
    assert len(WORDS) > 250
    assert {"threadIdx", "blockIdx", "dim3", "team", "tile", "rows"} <= set(WORDS)


def parts() -> Iterator[tuple[str, int, int]]:
    """Kinds of names, the first word and how far it is to the next."""
    for number, what in enumerate(SPECS):
        count = PARTS.get(what, 3)
        chosen = count if ALL else CHOSEN.get(what, 1)
        for part in range(chosen):
            yield what, (number + part * count // chosen) % count, count


@pytest.mark.parametrize(("what", "first", "count"), list(parts()))
def test_our_own_words_are_names_like_others(
    what: str, first: int, count: int, tmp_path: Path
) -> None:
    reason = left_out()
    if reason:
        pytest.skip(reason)
    # bfloat16 has words of its own
    element = ("float32", "bfloat16")[first % 2]
    check(SPECS[what](WORDS[first::count]), element, tmp_path)


@pytest.mark.parametrize("element", ["float32", "bfloat16"])
def test_words_of_kernels_that_have_no_steps(element: str, tmp_path: Path) -> None:
    """As values of those kernels: over all rows, and of loops in place."""
    reason = left_out()
    if reason:
        pytest.skip(reason)
    check(cells.CALLED_LIKE_OURS, element, tmp_path)


def check(spec: str, element: str, folder: Path) -> None:
    """The emulator's compiler takes the text without a warning."""
    sources = bundle(compiled(spec), "cuda", element)
    for name, text in sources.files:
        (folder / name).write_text(text)
    done = subprocess.run(
        [*compiler_line(), "-fsyntax-only", "-x", "c++", sources.main],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:3000]
