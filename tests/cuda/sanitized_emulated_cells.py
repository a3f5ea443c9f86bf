"""Cells under the address and undefined behaviour sanitizers; run by test_cuda_races.

A process of its own: the sanitizer must be loaded before Python is. Libraries are built already.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from emulated_cells import REGIMES, emulated
from raced_cells import cell_of, edge_calls

from grugen.driver import bundle


def main(names: list[str]) -> None:
    for name in names:
        word, products = name.split(":")
        cell = cell_of(word)
        library = emulated(cell, "float32", "asan", bundle(cell, "cuda", "float32", products))
        calls = edge_calls(cell)
        for number, call in enumerate(calls):
            for regime in REGIMES:
                library.device(2 + number)
                library.run(call, regime=regime, tape=("gates", "states")[number % 2])
        print(name, "is clean")


if __name__ == "__main__":
    main(sys.argv[1:])
