"""Every name that a spec may use works in CUDA, also those that our own text is made of."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from emulated import left_out
from emulator.build import compiler_line
from named_cells import SPECS, words_of
from trials import compiled

from grugen.driver import bundle

WORDS = words_of(["cuda"])
PARTS = 3
"""A cell of all words would be compiled for minutes."""

pytestmark = pytest.mark.compiles


def test_there_are_many_words() -> None:
    assert len(WORDS) > 250
    assert {"threadIdx", "blockIdx", "dim3", "team", "tile", "rows"} <= set(WORDS)


@pytest.mark.parametrize("what", SPECS)
def test_our_own_words_are_names_like_others(what: str, tmp_path: Path) -> None:
    reason = left_out()
    if reason:
        pytest.skip(reason)
    # each kind of name gets another part of the words, and all kinds together get all of them
    part = list(SPECS).index(what) % PARTS
    sources = bundle(compiled(SPECS[what](WORDS[part::PARTS])), "cuda", "float32")
    for name, text in sources.files:
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [*compiler_line(), "-fsyntax-only", "-x", "c++", sources.main],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:3000]
