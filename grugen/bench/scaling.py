"""Which cases of a report differ in their batch alone."""

from __future__ import annotations

from collections.abc import Mapping

from grugen.bench.results import CaseResult, Report

FEWEST = 3
"""Fewer batches make no line."""

Key = tuple[str, int, tuple[int, ...], str]
"""Spec, steps, sizes, mode."""


def by_batch(report: Report) -> Mapping[Key, tuple[CaseResult, ...]]:
    """Series of at least FEWEST batches, each in the order of its batches."""
    found: dict[Key, dict[int, CaseResult]] = {}
    for case in report.cases:
        key = case.spec, case.steps, case.sizes, case.mode
        found.setdefault(key, {})[case.batch] = case
    return {
        key: tuple(series[batch] for batch in sorted(series))
        for key, series in found.items()
        if len(series) >= FEWEST
    }
