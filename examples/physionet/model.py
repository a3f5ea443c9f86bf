"""GRU-D with a logistic head: the probability of death in hospital from one stay.

The cell is grugen's `gru_d_dropout`; what is written here in NumPy is only the head on its final
state, dropout -> linear -> sigmoid, and the masks of the recurrent dropout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensors import Batch

Float = NDArray[np.float32]


@dataclass(frozen=True)
class DropoutRates:
    """Share of units left out, drawn once for a whole sequence (Gal and Ghahramani 2016).

    Attributes:
        inputs: of the imputed input x_hat, where it enters the gates.
        state: of the decayed state h_hat, where it enters the gates.
        head: of the final state, where it enters the logistic regression.

    """

    inputs: float = 0.3
    state: float = 0.3
    head: float = 0.5


class MortalityModel:
    """A GRU-D cell and the weights of its head.

    Args:
        new_cell: `Cell` of a module that grugen generated from `gru_d_dropout`.
        hidden: number of units H.
        x_mean: what an unobserved input decays to, shape (D,).
        death_rate: share of deaths among the training stays; the head starts there.
        seed: for the initial weights.

    """

    def __init__(
        self,
        new_cell: Callable[..., Any],
        *,
        hidden: int,
        x_mean: Float,
        death_rate: float,
        seed: int,
    ):
        rng = np.random.default_rng(seed)
        bound = 1 / np.sqrt(hidden)
        self.cell = new_cell(D=len(x_mean), H=hidden, x_mean=x_mean, seed=seed)
        self.head_w = rng.uniform(-bound, bound, hidden).astype(np.float32)
        self.head_b = np.full(1, np.log(death_rate / (1 - death_rate)), np.float32)

    @property
    def params(self) -> dict[str, Float]:
        """All trained arrays, to be written in place."""
        return {**self.cell.params, "head_w": self.head_w, "head_b": self.head_b}

    def logits(self, batch: Batch) -> Float:
        """Log odds of death, shape (B,), without dropout."""
        run = self.cell.forward(x=batch.x, m=batch.m, delta=batch.delta, lengths=batch.lengths)
        logits: Float = run.states["h"] @ self.head_w + self.head_b
        return logits

    def loss_and_gradients(
        self, batch: Batch, rates: DropoutRates, rng: np.random.Generator
    ) -> tuple[float, dict[str, Float]]:
        """Mean cross entropy of a batch under dropout, and its gradient for every parameter."""
        stays, (hidden,) = len(batch.lengths), self.head_w.shape
        run = self.cell.forward(
            x=batch.x,
            m=batch.m,
            delta=batch.delta,
            x_keep=keep_mask((stays, batch.x.shape[2]), rates.inputs, rng),
            h_keep=keep_mask((stays, hidden), rates.state, rng),
            lengths=batch.lengths,
            tape=True,
        )
        head_keep = keep_mask((stays, hidden), rates.head, rng)
        state = run.states["h"] * head_keep
        logits = state @ self.head_w + self.head_b
        d_logits = (sigmoid(logits) - batch.deaths) / np.float32(stays)
        d_state = d_logits[:, None] * self.head_w * head_keep
        cell_grads = self.cell.backward(run, states={"h": d_state}).params
        grads = {name: cell_grads[name] for name in self.cell.params}
        grads |= {"head_w": d_logits @ state, "head_b": d_logits.sum(keepdims=True)}
        return cross_entropy(logits, batch.deaths), grads


def keep_mask(shape: tuple[int, int], rate: float, rng: np.random.Generator) -> Float:
    """Draw a dropout mask: 0 with probability `rate`, else 1 / (1 - rate)."""
    kept = rng.random(shape, np.float32) >= rate
    return kept.astype(np.float32) / np.float32(1 - rate)


def sigmoid(logits: Float) -> Float:
    """1 / (1 + exp(-logits)), by tanh so that no exponential overflows."""
    half = np.float32(0.5)
    probabilities: Float = half + half * np.tanh(half * logits)
    return probabilities


def cross_entropy(logits: Float, labels: Float) -> float:
    """Mean of -log p(label), from log odds."""
    return float(np.mean(np.logaddexp(0, logits) - labels * logits, dtype=np.float64))
