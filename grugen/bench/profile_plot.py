"""A profile as a picture; imported only where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib import pyplot

from grugen.bench.profile_report import ELSEWHERE, shares
from grugen.bench.profiling import KernelProfile

matplotlib.use("Agg")

SMALLEST_NAMED = 0.03
"""Parts below this share carry no number."""


def stacked_bars(title: str, threads: int, profiles: Sequence[KernelProfile], file: Path) -> None:
    """One bar a kernel, as long as its call takes, split by component."""
    figure, axis = pyplot.subplots(figsize=(10, 1.6 + 0.9 * len(profiles)))
    names = list(dict.fromkeys(name for one in profiles for name in shares(one, threads)))
    palette = matplotlib.colormaps["tab20"]
    colors = {name: palette(i % 20) for i, name in enumerate(names)} | {ELSEWHERE: "#d9d9d9"}
    for place, one in enumerate(profiles):
        left = 0.0
        for name, share in shares(one, threads).items():
            width = share * one.instrumented * 1e6
            known = name in axis.get_legend_handles_labels()[1]
            label = "_nolegend_" if known else name
            axis.barh(place, width, left=left, color=colors[name], label=label, edgecolor="white")
            if share >= SMALLEST_NAMED:
                axis.text(
                    left + width / 2, place, f"{share:.0%}", ha="center", va="center", fontsize=8
                )
            left += width
    axis.set_yticks(range(len(profiles)), [one.kernel for one in profiles])
    axis.invert_yaxis()
    axis.set_xlabel("microseconds")
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(title, loc="left", fontweight="bold")
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    figure.savefig(file, dpi=150, bbox_inches="tight")
    pyplot.close(figure)
