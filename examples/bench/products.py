"""Times the blocked products against the BLAS of NumPy and, where it is installed, torch.mm.

All engines run in turns, so that a busy moment of the machine hits each of them; the median counts.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What the thread pools of the BLAS libraries ask when they are loaded."""


@dataclass(frozen=True, slots=True)
class Shape:
    """`rows` are summed over in a total, `lefts` of `units` share a right of `right` units.

    Ahead products have `rows` rows, depth `right` and `units` units.
    """

    rows: int
    lefts: int
    units: int
    right: int

    @property
    def operations(self) -> int:
        """How many multiplications and additions."""
        return 2 * self.rows * self.lefts * self.units * self.right

    def __str__(self) -> str:
        lefts = f"{self.lefts} x " if self.lefts > 1 else ""
        return f"{self.rows} x ({lefts}{self.units}) x {self.right}"


TOTALS = (
    Shape(512, 1, 512, 512),
    Shape(1024, 1, 1024, 1024),
    Shape(6400, 1, 384, 768),
    Shape(768, 1, 6400, 384),
    Shape(6144, 3, 64, 33),
    Shape(6144, 2, 64, 64),
    Shape(6144, 3, 128, 99),
    Shape(6400, 3, 256, 128),
    Shape(3200, 3, 512, 512),
    Shape(6144, 3, 49, 67),
)
"""Large products, and the weight gradients of T x B rows that cells have."""

AHEAD = (
    Shape(6400, 1, 768, 384),
    Shape(64, 1, 768, 256),
    Shape(32, 1, 1536, 512),
    Shape(32, 1, 3072, 1024),
)
"""Products with weights that are packed already."""


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each line of the table")
    options = parser.parse_args(arguments)
    for pool in POOLS:
        os.environ[pool] = str(options.threads)
    # loaded only now: the thread pools of the BLAS libraries ask the environment when they start
    from competitors import Competitors

    competitors = Competitors(options.dtype, options.threads)
    print(f"GFLOP/s, {options.dtype}, {options.threads} threads; peers: {competitors.about}")
    for title, shapes, engines in (
        ("totals: rows x units x right units", TOTALS, competitors.totals),
        ("packed weights: rows x units x depth", AHEAD, competitors.ahead),
    ):
        print(f"\n{title}")
        for shape in shapes:
            runs = engines(shape.rows, shape.lefts, shape.units, shape.right)
            rates = measured(runs, shape.operations, options.seconds, options.threads)
            cells = "".join(f"{name:>9} {rate:6.1f}" for name, rate in rates.items())
            print(f"{shape!s:>24}{cells}", flush=True)


def measured(
    runs: dict[str, Callable[[], None]], operations: int, seconds: float, threads: int
) -> dict[str, float]:
    """Operations in a nanosecond, from the median time of each run."""
    # one thread is timed without what others do on its core
    clock = time.thread_time if threads == 1 else time.perf_counter
    repeats = max(1, 100_000_000 // operations)
    times: dict[str, list[float]] = {name: [] for name in runs}
    end = time.monotonic() + seconds
    while time.monotonic() < end or not times[next(iter(runs))]:
        for name, run in runs.items():
            run()  # brings its own data into the caches
            start = clock()
            for _ in range(repeats):
                run()
            times[name].append((clock() - start) / repeats)
    return {
        name: operations / sorted(found)[len(found) // 2] / 1e9 for name, found in times.items()
    }


if __name__ == "__main__":
    main(sys.argv[1:])
