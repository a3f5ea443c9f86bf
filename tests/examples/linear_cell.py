"""A stand-in for a generated cell, so that the example's own code is tested without a compiler."""

from types import SimpleNamespace
from typing import Any

import numpy as np


class LinearCell:
    """h = W (x summed over the valid steps . x_keep), with the interface of a generated cell."""

    def __init__(self, D: int, H: int, x_mean: np.ndarray, seed: int):
        rng = np.random.default_rng(seed)
        self.params = {"W": (rng.standard_normal((H, D)) / D).astype(np.float32)}

    def forward(self, *, x: Any, m: Any, delta: Any, lengths: Any, **options: Any) -> Any:
        valid = np.arange(len(x))[:, None] < lengths
        total = (x * valid[:, :, None]).sum(0) * options.get("x_keep", 1)
        return SimpleNamespace(states={"h": total @ self.params["W"].T}, total=total)

    def backward(self, run: Any, states: dict[str, np.ndarray]) -> Any:
        return SimpleNamespace(params={"W": states["h"].T @ run.total})
