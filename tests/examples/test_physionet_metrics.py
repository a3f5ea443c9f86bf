"""AUC, its interval, and the folds."""

import numpy as np
import pytest
from metrics import Scored, auc, bootstrap_interval, mean_auc, stratified_folds


def auc_by_pairs(labels: np.ndarray, scores: np.ndarray) -> float:
    difference = scores[labels][:, None] - scores[~labels][None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_auc_counts_pairs_and_half_of_the_ties(levels: int) -> None:
    rng = np.random.default_rng(levels)
    for _ in range(20):
        labels = rng.random(50) < 0.3
        labels[:2] = True, False
        scores = rng.integers(0, levels, 50).astype(np.float32)
        assert auc(labels, scores) == pytest.approx(auc_by_pairs(labels, scores))


def test_auc_of_a_perfect_a_reversed_and_a_constant_score() -> None:
    labels = np.array([False, False, True])
    assert auc(labels, np.array([0.1, 0.2, 0.3])) == 1
    assert auc(labels, np.array([0.3, 0.2, 0.1])) == 0
    assert auc(labels, np.zeros(3)) == 0.5


def test_auc_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="positive and one negative"):
        auc(np.ones(3, bool), np.arange(3.0))


def test_the_interval_holds_the_mean_and_narrows_with_more_stays() -> None:
    rng = np.random.default_rng(0)

    def folds(stays: int) -> list[Scored]:
        labels = np.arange(stays) % 7 == 0
        return [Scored(labels, labels + rng.standard_normal(stays)) for _ in range(3)]

    few, many = folds(100), folds(3000)
    wide, narrow = bootstrap_interval(few, resamples=200), bootstrap_interval(many, resamples=200)
    assert wide[0] < mean_auc(few) < wide[1]
    assert narrow[0] < mean_auc(many) < narrow[1]
    assert narrow[1] - narrow[0] < (wide[1] - wide[0]) / 3
    assert bootstrap_interval(few, resamples=200) == wide


@pytest.mark.parametrize(("stays", "deaths"), [(4000, 554), (1000, 138), (11, 5)])
def test_folds_are_disjoint_stratified_and_even(stays: int, deaths: int) -> None:
    labels = np.random.default_rng(1).permutation(np.arange(stays) < deaths)
    fold = stratified_folds(labels, 5, seed=4)
    sizes, dead = np.bincount(fold, minlength=5), np.bincount(fold[labels], minlength=5)
    assert sizes.sum() == stays
    assert np.ptp(sizes) <= 1
    assert np.ptp(dead) <= 1
    assert np.array_equal(fold, stratified_folds(labels, 5, seed=4))
    assert not np.array_equal(fold, stratified_folds(labels, 5, seed=5))
