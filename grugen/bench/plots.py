"""The picture of speedups; imported only where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot

from grugen.bench.cells import best_peer
from grugen.bench.device_table import DEVICE
from grugen.bench.results import CaseResult, Report
from grugen.bench.table import BASELINE, OWN

matplotlib.use("Agg")

COLORS = {
    "sequential": "#9e9e9e",
    "openmp": ("#c6dbef", "#6baed6", "#2171b5", "#08306b"),
    "torch": "#ee7733",
    DEVICE: "#2ca25f",
    "cudnn": "#ee7733",
    "best": "#555555",
}
TITLES = {"forward": "Inference (forward)", "training": "Training (forward and backward)"}


def speedups(report: Report, file: Path) -> bool:
    """Bars: how many times faster than `sequential`, for inference and for training.

    Returns whether there is anything to draw: cases that `sequential` ran, too.
    """
    modes = [mode for mode in TITLES if _shown(report, mode)]
    if not modes:
        return False
    most = max(len(_shown(report, mode)) for mode in modes)
    figure, axes = pyplot.subplots(
        len(modes), 1, figsize=(max(10.0, 1.15 * most + 2), 3.9 * len(modes)), squeeze=False
    )
    for axis, mode in zip(axes[:, 0], modes, strict=True):
        _bars(axis, _shown(report, mode))
        axis.set_title(TITLES[mode], loc="left", fontweight="bold")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=len(labels), frameon=False, fontsize=9)
    machine = report.machine
    gpu = f"{machine['gpu'].get('name', 'GPU')}; " if "gpu" in machine else ""
    figure.text(
        0.995,
        0.005,
        f"{gpu}{machine['processor']}, {machine['cpus']} CPUs, {machine['instructions']}, "
        f"{machine['date']}; float32",
        ha="right",
        fontsize=8,
        color="#555555",
    )
    figure.tight_layout(rect=(0, 0.02, 1, 0.97))
    figure.savefig(file, dpi=150)
    pyplot.close(figure)
    return True


def _shown(report: Report, mode: str) -> list[CaseResult]:
    """The cases of a mode that have a baseline."""
    return [case for case in report.cases if case.mode == mode and case.measured(BASELINE)]


def _bars(axis: Any, cases: Sequence[CaseResult]) -> None:
    threads = sorted(
        {one.threads for case in cases for one in case.engines if one.engine == OWN and one.times}
    )
    shades = COLORS["openmp"][-len(threads) :] if threads else ()
    bars: list[tuple[str, str, int | None, Any]] = [
        ("sequential", BASELINE, None, COLORS["sequential"])
    ]
    for index, number in enumerate(threads):
        label = f"openmp, {number} thread{'s' if number > 1 else ''}"
        bars.append((label, OWN, number, shades[min(index, len(shades) - 1)]))
    for label, engine in (("torch eager", "torch"), (DEVICE, DEVICE), ("cudnn", "cudnn")):
        if any(case.measured(engine) for case in cases):
            bars.append((label, engine, None, COLORS[engine]))
    width = 0.84 / len(bars)
    for place, (label, engine, count, color) in enumerate(bars):
        heights = [_speedup(case, engine, count) for case in cases]
        left = [i + (place - (len(bars) - 1) / 2) * width for i in range(len(cases))]
        drawn = axis.bar(left, heights, width, label=label, color=color)
        texts = [_number(height) for height in heights]
        axis.bar_label(drawn, texts, fontsize=7, padding=1)
    _best_marks(axis, cases)
    axis.set_xticks(range(len(cases)))
    axis.set_xticklabels([f"{case.spec}\n{case.shape}" for case in cases], fontsize=8)
    axis.set_ylabel("times faster than sequential")
    if any(case.measured(DEVICE) for case in cases):
        # a GPU is so much faster that the others would be a line at the bottom
        axis.set_yscale("log")
    axis.spines[["top", "right"]].set_visible(False)
    top = max(axis.get_ylim()[1], 1.0)
    axis.set_ylim(*((0.8, top * 2) if axis.get_yscale() == "log" else (0, top * 1.18)))
    axis.set_xlim(-0.6, len(cases) - 0.4)


def _best_marks(axis: Any, cases: Sequence[CaseResult]) -> None:
    """A line across the group where the fastest of all frameworks stands."""
    label = "fastest other framework"
    for place, case in enumerate(cases):
        best, base = best_peer(case), case.measured(BASELINE)
        if best and base:
            height = base.seconds / best.seconds
            span = place - 0.44, place + 0.44
            axis.hlines(height, *span, color=COLORS["best"], linestyle="--", lw=1, label=label)
            label = "_nolegend_"


def _speedup(case: CaseResult, engine: str, threads: int | None) -> float:
    base, found = case.measured(BASELINE), case.measured(engine, threads)
    return base.seconds / found.seconds if base and found else 0.0


def _number(speedup: float) -> str:
    """Two digits, or whole numbers from 10 on; nothing where nothing was measured."""
    return "" if not speedup else f"{speedup:.0f}" if speedup >= 9.95 else f"{speedup:.2g}"
