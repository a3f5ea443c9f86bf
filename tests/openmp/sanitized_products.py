"""Products under the address and undefined behaviour sanitizers; run by test_products.

A process of its own: the sanitizer must be loaded before Python is.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent), str(HERE.parents[2] / "examples" / "bench")]

import numpy as np
from blocked import Blocked
from product_trials import some_trial, some_units

from grugen.toolchain.build import BuildOptions

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g0", "-O1")


def main(count: int) -> None:
    # memory without room for alignment: one element too far is found
    for dtype in ("float32", "float64"):
        blocked = Blocked(dtype, BuildOptions(extra=SANITIZE), np.empty)
        random = np.random.default_rng(5)
        for _ in range(count):
            trial = some_trial(random, dtype)
            vectors = [np.zeros(left.shape[1], left.dtype) for left in trial.lefts]
            matrix = np.ones((some_units(random), trial.right.shape[1]), dtype)
            for threads in (1, 3):
                trial.found(blocked, threads)
                blocked.vector_totals(trial.lefts, vectors, trial.rows, threads)()
                blocked.ahead(trial.right, matrix, threads)[0]()
    print("clean")


if __name__ == "__main__":
    main(int(sys.argv[1]))
