"""Random cells under the address and undefined behaviour sanitizers; run by test_sanitizers.

A process of its own: the sanitizer must be loaded before Python is.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from calls import run
from libraries import STRICT, build_together
from trials import trials

from grugen.driver import CPU_TARGETS

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g0")


def main(count: int, seed: int) -> None:
    found, _ = trials(count, seed)
    cells = [trial.cell for trial in found]
    modules = build_together(
        cells, CPU_TARGETS, ["float32"], "-O0", *STRICT, *SANITIZE, poison=False
    )
    for trial in found:
        for target in CPU_TARGETS:
            for threads in (1, 3):
                run(modules[trial.cell.spec.name], trial.call, target, "float32", threads)
    print(len(found), "cells are clean")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
