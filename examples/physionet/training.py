"""Train on one fold: epochs, averaged weights, early stopping on validation stays."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from dataset import Dataset, Indices, scoring_batches, training_batches
from metrics import Scored, auc
from model import DropoutRates, MortalityModel
from numpy.typing import NDArray
from optimiser import Adam, AveragedWeights, assign, clip_by_global_norm
from progress import Progress
from scaling import Scaling

SCORING_BATCH = 128


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; the defaults were chosen on set-b alone.

    Attributes:
        hidden: units H of the cell.
        batch: stays in a batch.
        learning_rate: Adam's step size.
        warm_up: batches over which the step size rises from 0.
        averaging: decay of the moving average of the weights, a batch.
        gradient_norm: limit of the gradient's global norm.
        dropout: the rates of the three dropouts.
        epochs: at most so many.
        patience: epochs without a better validation AUC after which training stops.

    """

    hidden: int = 64
    batch: int = 64
    learning_rate: float = 1e-3
    warm_up: int = 50
    averaging: float = 0.99
    gradient_norm: float = 5.0
    dropout: DropoutRates = field(default_factory=DropoutRates)
    epochs: int = 40
    patience: int = 6


@dataclass(frozen=True)
class Parts:
    """Indices of the stays that a model is trained, stopped and tested on."""

    training: Indices
    validation: Indices
    test: Indices


@dataclass(frozen=True)
class Fitted:
    """The outcome of a training run.

    Attributes:
        epoch: the epoch whose averaged weights were kept, from 1.
        validation_auc: their AUC on the validation stays.
        test: labels and scores of the test stays, read once, after training.
        seconds: training time of each epoch, without scoring.

    """

    epoch: int
    validation_auc: float
    test: Scored
    seconds: tuple[float, ...]


class Trainer:
    """A model, its optimiser and its source of randomness, on standardised stays.

    Args:
        new_cell: `Cell` of a module that grugen generated from `gru_d_dropout`.
        raw: stays in the variables' own units.
        training: the stays to train on; scaling and means are theirs alone.
        recipe: how to train.
        seed: for the initial weights, the order of the stays and the dropout masks.

    """

    def __init__(
        self,
        new_cell: Callable[..., Any],
        raw: Dataset,
        training: Indices,
        recipe: Recipe,
        seed: int,
    ):
        scaling = Scaling.of([raw.sequences[stay] for stay in training])
        self.dataset = raw.scaled(scaling)
        self.training = training
        self.recipe = recipe
        self.rng = np.random.default_rng(seed)
        self.model = MortalityModel(
            new_cell,
            hidden=recipe.hidden,
            x_mean=observed_mean(self.dataset, training),
            death_rate=float(raw.deaths[training].mean()),
            seed=seed,
        )
        params = self.model.params
        self.adam = Adam(params, recipe.learning_rate, warm_up=recipe.warm_up)
        self.average = AveragedWeights(params, recipe.averaging)

    def batches(self) -> list[Indices]:
        """Divide the training stays anew, for one epoch."""
        return training_batches(self.dataset, self.training, self.recipe.batch, self.rng)

    def step(self, stays: Indices) -> float:
        """Train on one batch and return its loss."""
        batch = self.dataset.batch(stays)
        loss, grads = self.model.loss_and_gradients(batch, self.recipe.dropout, self.rng)
        self.adam.step(clip_by_global_norm(grads, self.recipe.gradient_norm))
        self.average.update()
        return loss

    def score(self, stays: Indices) -> Scored:
        """Score stays by their log odds of death."""
        scores = np.empty(len(stays), np.float32)
        for positions in scoring_batches(self.dataset, stays, SCORING_BATCH):
            scores[positions] = self.model.logits(self.dataset.batch(stays[positions]))
        return Scored(self.dataset.deaths[stays], scores)

    def fit(self, validation: Indices, test: Indices, progress: Progress) -> Fitted:
        """Train until the validation AUC stops rising, then score the test stays once."""
        best_epoch, best_auc, best_weights = 0, -np.inf, self.average.average
        seconds: list[float] = []
        for epoch in range(1, self.recipe.epochs + 1):
            started = time.perf_counter()
            loss = self._epoch(epoch, progress)
            seconds.append(time.perf_counter() - started)
            with self.average.in_place():
                scored = self.score(validation)
            validation_auc = auc(scored.labels, scored.scores)
            report = f"loss {loss:.4f}  validation AUC {validation_auc:.4f}  {seconds[-1]:.2f} s"
            progress.epoch(epoch, report)
            if validation_auc > best_auc:
                best_epoch, best_auc = epoch, validation_auc
                best_weights = {name: value.copy() for name, value in self.average.average.items()}
            elif epoch - best_epoch >= self.recipe.patience:
                break
        assign(self.model.params, best_weights)
        return Fitted(best_epoch, best_auc, self.score(test), tuple(seconds))

    def _epoch(self, epoch: int, progress: Progress) -> float:
        losses = []
        batches = self.batches()
        for done, stays in enumerate(batches, 1):
            losses.append(self.step(stays))
            progress.advance(epoch, done, len(batches))
        return float(np.mean(losses))


def observed_mean(dataset: Dataset, stays: Indices) -> NDArray[np.float32]:
    """Mean of each variable over its observed values, shape (D,): the paper's empirical mean."""
    total = np.sum([dataset.sequences[stay].x.sum(0, dtype=np.float64) for stay in stays], axis=0)
    count = np.sum([dataset.sequences[stay].m.sum(0, dtype=np.float64) for stay in stays], axis=0)
    mean: NDArray[np.float32] = (total / np.maximum(count, 1)).astype(np.float32)
    return mean
