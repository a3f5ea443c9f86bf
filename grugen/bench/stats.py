"""What is said about repeated times."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one call. `spread` is the interquartile range over the median."""

    median: float
    minimum: float
    maximum: float
    spread: float
    samples: int


def times_of(seconds: Sequence[float]) -> Times:
    """The statistics of at least one sample."""
    median = statistics.median(seconds)
    spread = 0.0
    if len(seconds) > 1:
        low, _, high = statistics.quantiles(seconds, n=4, method="inclusive")
        spread = (high - low) / median
    return Times(median, min(seconds), max(seconds), spread, len(seconds))
