"""Generated code reads and writes what it was given and nothing else, and is defined C."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CELLS = 12
SEED = 7


@pytest.mark.compiles
def test_random_cells_are_clean() -> None:
    library = _sanitizer()
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name("sanitized_cells.py")),
            str(CELLS),
            str(SEED),
        ],
        # Python itself leaves memory behind when it ends
        env={**os.environ, "LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == f"{CELLS} cells are clean\n"


def _sanitizer() -> str:
    """The runtime of the address sanitizer, which comes with gcc."""
    command = ["cc", "-print-file-name=libasan.so"]
    path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(path).is_absolute():
        pytest.skip("the C compiler has no address sanitizer")
    return path
