"""What a run found, as text and as JSON."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from comparison import Timing
from metrics import auc, bootstrap_interval, mean_auc
from training import Fitted, Recipe

import grugen


def fold_rows(fitted: Sequence[Fitted]) -> list[dict[str, float | int]]:
    """One row a fold: what was kept, how it scored, how long an epoch took."""
    return [
        {
            "fold": fold,
            "test_stays": len(one.test.labels),
            "test_deaths": int(one.test.labels.sum()),
            "epochs": len(one.seconds),
            "best_epoch": one.epoch,
            "validation_auc": round(one.validation_auc, 4),
            "test_auc": round(auc(one.test.labels, one.test.scores), 4),
            "seconds_per_epoch": round(float(np.median(one.seconds)), 4),
        }
        for fold, one in enumerate(fitted, 1)
    ]


def result(fitted: Sequence[Fitted], recipe: Recipe, **run: Any) -> dict[str, Any]:
    """Gather everything that is reported; `run` names data, target, seeds and the like."""
    tests = [one.test for one in fitted]
    aucs = [auc(test.labels, test.scores) for test in tests]
    low, high = bootstrap_interval(tests)
    return {
        **run,
        "machine": {
            "processor": _processor(),
            "threads": grugen.get_num_threads(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "recipe": asdict(recipe),
        "folds": fold_rows(fitted),
        "mean_test_auc": round(mean_auc(tests), 4),
        "test_auc_deviation": round(float(np.std(aucs)), 4),
        "bootstrap_95": [round(low, 4), round(high, 4)],
        "seconds_per_epoch": round(float(np.median([s for f in fitted for s in f.seconds])), 4),
    }


def summary(found: dict[str, Any]) -> str:
    """Say the result in two sentences."""
    low, high = found["bootstrap_95"]
    return (
        f"Test AUC {found['mean_test_auc']:.4f} +- {found['test_auc_deviation']:.4f} "
        f"(mean +- standard deviation of {len(found['folds'])} folds), "
        f"95 % bootstrap interval of the mean {low:.4f} to {high:.4f}.\n"
        f"{found['seconds_per_epoch']:.3f} s per training epoch (median), "
        f"target {found['target']}, threads: {found['machine']['threads']}."
    )


def timing_table(timings: Sequence[Timing]) -> str:
    """Lay out the targets' times as a Markdown table, each against the first."""
    first = timings[0]
    rows = [
        f"| target | s/epoch | against {first.target} | measured on |",
        "| --- | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {one.target} | {one.seconds:.3f} | {one.seconds / first.seconds:.1f} x | "
        f"{one.share:.0%} of an epoch |"
        for one in timings
    ]
    return "\n".join(rows)


def _processor() -> str:
    """Name the processor as the system does (`platform.processor` is empty on Debian)."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()
