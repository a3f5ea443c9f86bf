"""Time against batch; imported only where matplotlib is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot, ticker

from grugen.bench.results import CaseResult, Report
from grugen.bench.roster import ENTRIES
from grugen.bench.scaling import by_batch

matplotlib.use("Agg")


def batches(report: Report, file: Path) -> bool:
    """A plot a series, a line an engine at its most threads; False if there is no series."""
    series = by_batch(report)
    if not series:
        return False
    figure, axes = pyplot.subplots(
        1, len(series), figsize=(5.5 * len(series), 4.5), squeeze=False, sharey=True
    )
    for axis, ((spec, steps, sizes, mode), cases) in zip(axes[0], series.items(), strict=True):
        shape = ",".join(map(str, (steps, "B", *sizes)))
        axis.set_title(f"{spec} {shape} {mode}", loc="left", fontsize=10, fontweight="bold")
        for entry in ENTRIES:
            _line(axis, cases, entry.name)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xlabel("batch B")
        axis.xaxis.set_major_formatter(ticker.ScalarFormatter())
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, frameon=False)
    axes[0, 0].set_ylabel("microseconds a sequence")
    figure.tight_layout()
    figure.savefig(file, dpi=150)
    pyplot.close(figure)
    return True


def _line(axis: Any, cases: tuple[CaseResult, ...], engine: str) -> None:
    points = [(case.batch, one) for case in cases if (one := case.measured(engine))]
    if not points:
        return
    batch = [size for size, _ in points]
    times = [one.seconds * 1e6 / size for size, one in points]
    own = engine == "openmp"
    axis.plot(batch, times, marker="o", ms=4, lw=2.5 if own else 1.2, label=engine)
