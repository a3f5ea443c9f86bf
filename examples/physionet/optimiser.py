"""Adam, clipping of the gradient, and averaged weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

Params = Mapping[str, NDArray[np.float32]]


def clip_by_global_norm(grads: Params, limit: float) -> dict[str, NDArray[np.float32]]:
    """Scale all gradients together so that their joint Euclidean norm is at most `limit`."""
    norm = np.sqrt(sum(float(np.vdot(grad, grad)) for grad in grads.values()))
    scale = np.float32(min(1.0, limit / norm)) if norm > 0 else np.float32(1)
    return {name: grad * scale for name, grad in grads.items()}


class Adam:
    """Adam (Kingma and Ba 2015), updating the parameters in place.

    Args:
        params: writable arrays.
        learning_rate: step size after the warm-up.
        warm_up: steps over which the step size rises linearly from 0; Adam's second moments are
            not to be trusted before.

    """

    BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8

    def __init__(self, params: Params, learning_rate: float, *, warm_up: int = 0):
        self.params = params
        self.learning_rate = learning_rate
        self.warm_up = warm_up
        self.steps = 0
        self.mean = {name: np.zeros_like(param) for name, param in params.items()}
        self.square = {name: np.zeros_like(param) for name, param in params.items()}

    def step(self, grads: Params) -> None:
        """Move every parameter against its gradient."""
        self.steps += 1
        rate = self.learning_rate * min(1.0, self.steps / max(1, self.warm_up))
        mean_bias = 1 - self.BETA_1**self.steps
        square_bias = 1 - self.BETA_2**self.steps
        for name, param in self.params.items():
            grad, mean, square = grads[name], self.mean[name], self.square[name]
            mean += np.float32(1 - self.BETA_1) * (grad - mean)
            square += np.float32(1 - self.BETA_2) * (grad * grad - square)
            scale = np.sqrt(square / np.float32(square_bias)) + np.float32(self.EPSILON)
            np.subtract(param, np.float32(rate / mean_bias) * mean / scale, out=param)


class AveragedWeights:
    """Exponential moving average of the parameters over the steps.

    It stands in for a learning-rate decay whose length would have to be known beforehand, and
    makes the validation curve smooth enough to stop by.
    """

    def __init__(self, params: Params, decay: float):
        self.params = params
        self.decay = decay
        self.steps = 0
        self.average = {name: param.copy() for name, param in params.items()}

    def update(self) -> None:
        """Take the parameters' present values in."""
        self.steps += 1
        # Early on the average reaches back over a tenth of the steps, not to the random start.
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, param in self.params.items():
            self.average[name] += np.float32(1 - decay) * (param - self.average[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the parameters hold the average for the length of a with block."""
        trained = {name: param.copy() for name, param in self.params.items()}
        assign(self.params, self.average)
        try:
            yield
        finally:
            assign(self.params, trained)


def assign(params: Params, values: Params) -> None:
    """Overwrite every parameter in place."""
    for name, param in params.items():
        param[...] = values[name]
