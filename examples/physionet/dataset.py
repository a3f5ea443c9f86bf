"""A set of stays with outcomes, and minibatches of stays of like length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scaling import Scaling
from stays import read_deaths, read_stays
from tensors import Batch, Steps, to_batch, to_steps

Indices = NDArray[np.int64]

SAMPLE = Path(__file__).resolve().parent / "sample"
# Batches are cut from this many batches' worth of stays sorted by length: enough to pad little,
# few enough to keep the batches random.
POOL = 8


@dataclass(frozen=True)
class Dataset:
    """Stays as sequences, in the order of their record numbers.

    Attributes:
        name: what the stays are, for the report.
        sequences: one `Steps` a stay, in the variables' own units or standardised.
        deaths: who died in hospital, shape (N,).

    """

    name: str
    sequences: tuple[Steps, ...]
    deaths: NDArray[np.bool_]

    def lengths(self, stays: Indices) -> NDArray[np.int64]:
        """Count the steps of some stays."""
        return np.array([len(self.sequences[stay].x) for stay in stays])

    def scaled(self, scaling: Scaling) -> Dataset:
        """Standardise all stays."""
        return Dataset(self.name, tuple(map(scaling.apply, self.sequences)), self.deaths)

    def batch(self, stays: Indices) -> Batch:
        """Put some stays side by side."""
        return to_batch([self.sequences[stay] for stay in stays], self.deaths[stays])


def read_dataset(folder: Path | None, letter: str) -> Dataset:
    """Read set `letter` from a folder of the challenge's files; None means the bundled sample."""
    if folder is None:
        name, source = "the sample of set-a", SAMPLE / "set-a-1000.tar.gz"
        outcomes = SAMPLE / "Outcomes-a-1000.txt"
    else:
        name, source = f"set-{letter}", folder / f"set-{letter}.tar.gz"
        source = source if source.exists() else folder / f"set-{letter}"
        outcomes = folder / f"Outcomes-{letter}.txt"
    deaths = read_deaths(outcomes)
    stays = read_stays(source)
    labels = np.array([deaths[stay.record_id] for stay in stays])
    return Dataset(name, tuple(map(to_steps, stays)), labels)


def training_batches(
    dataset: Dataset, stays: Indices, size: int, rng: np.random.Generator
) -> list[Indices]:
    """Divide stays at random into batches of like length, in random order."""
    batches: list[Indices] = []
    shuffled = rng.permutation(stays)
    for start in range(0, len(shuffled), POOL * size):
        pool = shuffled[start : start + POOL * size]
        batches += _cut(pool[np.argsort(-dataset.lengths(pool), kind="stable")], size)
    return [batches[index] for index in rng.permutation(len(batches))]


def scoring_batches(dataset: Dataset, stays: Indices, size: int) -> Iterator[Indices]:
    """Divide stays into batches of like length; yields positions in `stays`."""
    yield from _cut(np.argsort(-dataset.lengths(stays), kind="stable"), size)


def _cut(ordered: Indices, size: int) -> list[Indices]:
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]
