"""The head: loss, gradients and dropout masks, on a stand-in cell."""

import numpy as np
import pytest
from linear_cell import LinearCell
from model import DropoutRates, MortalityModel, cross_entropy, keep_mask, sigmoid
from tensors import Batch


@pytest.fixture
def model() -> MortalityModel:
    means = np.zeros(4, np.float32)
    return MortalityModel(LinearCell, hidden=3, x_mean=means, death_rate=0.2, seed=1)


@pytest.fixture
def batch() -> Batch:
    rng = np.random.default_rng(2)
    x, m, delta = rng.standard_normal((3, 5, 6, 4)).astype(np.float32) / 3
    deaths = np.array([1, 0, 0, 1, 0, 0], np.float32)
    return Batch(x, m, delta, np.array([5, 1, 3, 2, 4, 5]), deaths)


def test_gradients_are_the_finite_differences(model: MortalityModel, batch: Batch) -> None:
    rates = DropoutRates(inputs=0.3, state=0.3, head=0.5)

    def loss() -> float:
        return model.loss_and_gradients(batch, rates, np.random.default_rng(9))[0]

    _, grads = model.loss_and_gradients(batch, rates, np.random.default_rng(9))
    assert grads.keys() == model.params.keys() == {"W", "head_w", "head_b"}
    for name, param in model.params.items():
        for index in np.ndindex(param.shape):
            value = param[index]
            param[index] = value + 1e-2
            above = loss()
            param[index] = value - 1e-2
            below = loss()
            param[index] = value
            assert grads[name][index] == pytest.approx((above - below) / 2e-2, abs=2e-4)


def test_without_dropout_the_loss_is_that_of_the_logits(
    model: MortalityModel, batch: Batch
) -> None:
    loss, _ = model.loss_and_gradients(batch, DropoutRates(0, 0, 0), np.random.default_rng(0))
    p = 1 / (1 + np.exp(-model.logits(batch)))
    expected = -np.mean(np.where(batch.deaths > 0, np.log(p), np.log(1 - p)))
    assert loss == pytest.approx(expected, rel=1e-5)


def test_the_head_starts_at_the_death_rate(model: MortalityModel) -> None:
    assert sigmoid(model.head_b) == pytest.approx(0.2)


def test_extreme_logits_stay_finite() -> None:
    logits = np.array([-1e4, 0, 1e4], np.float32)
    np.testing.assert_allclose(sigmoid(logits), [0, 0.5, 1])
    assert cross_entropy(logits, np.array([1, 0, 0], np.float32)) == pytest.approx(
        (2e4 + np.log(2)) / 3
    )


def test_a_keep_mask_has_mean_1() -> None:
    mask = keep_mask((400, 400), 0.3, np.random.default_rng(0))
    assert set(np.unique(mask)) == {np.float32(0), np.float32(1) / np.float32(0.7)}
    assert mask.mean() == pytest.approx(1, abs=0.02)
    assert (keep_mask((3, 3), 0.0, np.random.default_rng(0)) == 1).all()
