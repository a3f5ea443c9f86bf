"""Seconds per epoch of the same training step with each of grugen's CPU targets."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from dataset import Dataset, Indices
from training import Recipe, Trainer

import grugen

# Share of an epoch's batches that is run; the slow targets' time is scaled up from it.
SHARES: dict[str, float] = {"openmp": 1.0, "sequential": 0.25, "numpy": 0.25}


@dataclass(frozen=True)
class Timing:
    """Training time of one target.

    Attributes:
        target: name of grugen's target.
        seconds: per epoch, scaled from `share` by the number of steps of the sequences.
        share: part of the epoch's steps that was run.

    """

    target: str
    seconds: float
    share: float


def compare(dataset: Dataset, training: Indices, recipe: Recipe, seed: int) -> list[Timing]:
    """Time every target on the same batches from the same weights."""
    return [_time(target, dataset, training, recipe, seed) for target in SHARES]


def _time(target: str, dataset: Dataset, training: Indices, recipe: Recipe, seed: int) -> Timing:
    cells = grugen.load("gru_d_dropout", target=target, dtype="float32")
    trainer = Trainer(cells.Cell, dataset, training, recipe, seed)
    batches = trainer.batches()
    trainer.step(batches[-1])  # the first call builds or loads the library
    timed = batches[: math.ceil(SHARES[target] * len(batches))]
    started = time.perf_counter()
    for stays in timed:
        trainer.step(stays)
    seconds = time.perf_counter() - started
    share = dataset.lengths(np.concatenate(timed)).sum() / dataset.lengths(training).sum()
    return Timing(target, seconds / float(share), float(share))
