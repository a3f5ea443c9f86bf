"""The tensors of GRU-D: delta, padding, and standardising with the training part alone."""

import numpy as np
import pytest
from dataset import Dataset, scoring_batches, training_batches
from scaling import CLIP, SKEWED, Scaling
from stays import VARIABLES
from tensors import Steps, elapsed, to_batch


def delta_by_recurrence(stamps: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Che et al. (2018), word for word."""
    delta = np.zeros(m.shape)
    for t in range(1, len(stamps)):
        delta[t] = stamps[t] - stamps[t - 1] + (1 - m[t - 1]) * delta[t - 1]
    return delta


def test_delta_of_the_papers_figure_2() -> None:
    stamps = np.array([0, 0.1, 0.6, 1.6, 2.2, 2.5, 3.1])
    m = np.array([[1, 1, 0, 1, 0, 1, 1], [0, 1, 1, 0, 0, 0, 1]]).T
    expected = np.array([[0, 0.1, 0.5, 1.5, 0.6, 0.9, 0.6], [0, 0.1, 0.5, 1.0, 1.6, 1.9, 2.5]]).T
    np.testing.assert_allclose(elapsed(stamps, m), expected, atol=1e-12)


@pytest.mark.parametrize("observed", [0.0, 0.1, 0.5, 1.0])
def test_delta_is_the_recurrence(observed: float) -> None:
    rng = np.random.default_rng(3)
    stamps = np.cumsum(rng.random(40))
    m = (rng.random((40, 5)) < observed).astype(np.float32)
    np.testing.assert_allclose(elapsed(stamps, m), delta_by_recurrence(stamps, m), atol=1e-12)


def steps_of_length(length: int, seed: int = 0) -> Steps:
    rng = np.random.default_rng(seed)
    shape = length, len(VARIABLES)
    m = (rng.random(shape) < 0.5).astype(np.float32)
    x = (rng.random(shape) * 100).astype(np.float32) * m
    return Steps(x, m, rng.random(shape).astype(np.float32))


def test_a_batch_is_time_first_and_zero_behind_each_end() -> None:
    sequences = [steps_of_length(2), steps_of_length(5, 1)]
    batch = to_batch(sequences, np.array([True, False]))
    assert batch.x.shape == batch.m.shape == batch.delta.shape == (5, 2, 33)
    assert batch.lengths.tolist() == [2, 5]
    assert batch.deaths.tolist() == [1, 0]
    np.testing.assert_array_equal(batch.x[:2, 0], sequences[0].x)
    np.testing.assert_array_equal(batch.delta[:, 1], sequences[1].delta)
    assert not batch.x[2:, 0].any()
    assert not batch.m[2:, 0].any()


def test_observed_values_get_mean_0_and_deviation_1() -> None:
    training = [steps_of_length(300), steps_of_length(200, 1)]
    scaled = [Scaling.of(training).apply(steps) for steps in training]
    x, m = np.concatenate([s.x for s in scaled]), np.concatenate([s.m for s in scaled])
    for column in range(len(VARIABLES)):
        seen = x[m[:, column] > 0, column]
        assert seen.mean() == pytest.approx(0, abs=0.05)  # not exactly: outliers are clipped
        assert seen.std() == pytest.approx(1, abs=0.1)
    assert not x[m == 0].any()
    assert np.abs(x).max() <= CLIP


def test_a_variable_that_was_never_observed_is_harmless() -> None:
    steps = steps_of_length(4)
    steps.m[:, 0] = steps.x[:, 0] = 0
    assert np.isfinite(Scaling.of([steps]).apply(steps).x).all()


def test_skewed_variables_exist() -> None:
    assert set(SKEWED) <= set(VARIABLES)


def test_batches_of_an_epoch_hold_every_training_stay_once() -> None:
    lengths = np.random.default_rng(5).integers(1, 30, 100)
    sequences = tuple(steps_of_length(length) for length in lengths)
    dataset = Dataset("test", sequences, np.zeros(100, bool))
    training = np.arange(0, 100, 2)
    batches = training_batches(dataset, training, 8, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == training.tolist()
    assert max(map(len, batches)) == 8
    positions = np.concatenate(list(scoring_batches(dataset, training, 8)))
    assert sorted(positions) == list(range(50))
    assert (np.diff(dataset.lengths(training[positions])) <= 0).all()
