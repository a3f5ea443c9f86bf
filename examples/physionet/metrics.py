"""Area under the ROC curve, its bootstrap interval, and stratified folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scored:
    """Labels and scores of the stays that one model was tested on, each of shape (N,)."""

    labels: NDArray[np.bool_]
    scores: NDArray[np.floating]


def auc(labels: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Probability that a positive scores higher than a negative; a tie counts one half.

    Computed from the mean ranks of tied scores (Mann-Whitney).
    """
    _, group, size = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2)[group]
    positives = np.count_nonzero(labels)
    negatives = len(labels) - positives
    if not positives or not negatives:
        raise ValueError("the AUC needs at least one positive and one negative")
    rank_sum = rank[labels].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def mean_auc(folds: Sequence[Scored]) -> float:
    """Mean of the folds' AUCs; scores of different models are never ranked together."""
    return float(np.mean([auc(fold.labels, fold.scores) for fold in folds]))


def bootstrap_interval(
    folds: Sequence[Scored], *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of `mean_auc` under resampling of the stays.

    Positives and negatives of each fold are drawn with replacement, apart, so that every resample
    keeps the fold's death rate. It covers the choice of test stays, not that of training stays.
    """
    rng = np.random.default_rng(seed)
    means = [mean_auc([_resample(fold, rng) for fold in folds]) for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _resample(fold: Scored, rng: np.random.Generator) -> Scored:
    classes = np.flatnonzero(fold.labels), np.flatnonzero(~fold.labels)
    drawn = np.concatenate([rng.choice(members, len(members)) for members in classes])
    return Scored(fold.labels[drawn], fold.scores[drawn])


def stratified_folds(labels: NDArray[np.bool_], folds: int, *, seed: int) -> NDArray[np.int64]:
    """Deal each class out at random over the folds.

    Returns:
        the fold of each stay, 0 to folds - 1, shape (N,). Class counts differ by at most one.

    """
    rng = np.random.default_rng(seed)
    fold = np.empty(len(labels), np.int64)
    dealt = 0
    for positive in (True, False):
        members = rng.permutation(np.flatnonzero(labels == positive))
        # Going on where the first class ended keeps the folds' sizes within one of each other.
        fold[members] = (dealt + np.arange(len(members))) % folds
        dealt += len(members)
    return fold
