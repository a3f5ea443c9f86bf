"""Standardise measurements with statistics of the training stays alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from stays import VARIABLES
from tensors import Steps

Float = NDArray[np.float32]

# Concentrations and volumes that spread over orders of magnitude; the model sees log(1 + value).
SKEWED: tuple[str, ...] = (
    *("ALP", "ALT", "AST", "BUN", "Bilirubin", "Creatinine", "Glucose", "Lactate", "PaCO2"),
    *("PaO2", "Platelets", "TroponinI", "TroponinT", "Urine", "WBC"),
)
CLIP = 5.0  # standard deviations
# The state's decay starts at exp(-sum of w delta) over D variables, w up to 1 / sqrt(D): with delta
# in hours the cell would forget everything at every step before it learnt not to.
HOURS_PER_DAY = 24

_IS_SKEWED = np.isin(VARIABLES, SKEWED)


@dataclass(frozen=True)
class Scaling:
    """What one training part says about each variable, after the logarithm.

    Attributes:
        mean: of the observed values, shape (D,).
        deviation: their standard deviation, shape (D,).

    """

    mean: Float
    deviation: Float

    @classmethod
    def of(cls, training: Sequence[Steps]) -> Scaling:
        """Take mean and deviation over the observed values of all training stays."""
        observed = np.concatenate([steps.m for steps in training]) > 0
        values = _unskew(np.concatenate([steps.x for steps in training])).astype(np.float64)
        count = np.maximum(observed.sum(0), 1)  # a variable may be absent from a small sample
        mean = np.where(observed, values, 0).sum(0) / count
        square = (np.where(observed, values - mean, 0) ** 2).sum(0) / count
        deviation = np.where(square > 0, np.sqrt(square), 1)
        return cls(mean.astype(np.float32), deviation.astype(np.float32))

    def apply(self, steps: Steps) -> Steps:
        """Standardise the observed values, clip outliers, and measure delta in days."""
        z = np.clip((_unskew(steps.x) - self.mean) / self.deviation, -CLIP, CLIP)
        x = np.where(steps.m > 0, z, 0).astype(np.float32)
        return replace(steps, x=x, delta=steps.delta / np.float32(HOURS_PER_DAY))


def _unskew(x: Float) -> Float:
    """Take the logarithm of the skewed variables; x has shape (T, D) and no negative values."""
    return np.where(_IS_SKEWED, np.log1p(np.maximum(x, 0)), x)
