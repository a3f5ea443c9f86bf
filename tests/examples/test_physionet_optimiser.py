"""Adam, clipping and averaged weights."""

import numpy as np
import pytest
from optimiser import Adam, AveragedWeights, clip_by_global_norm


def test_adam_is_the_papers_algorithm() -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((3, 2)).astype(np.float32)
    grads = [rng.standard_normal((3, 2)).astype(np.float32) for _ in range(5)]
    expected, mean, square = weights.astype(np.float64), 0.0, 0.0
    for step, grad in enumerate(grads, 1):
        mean = 0.9 * mean + 0.1 * grad
        square = 0.999 * square + 0.001 * grad**2
        unbiased = mean / (1 - 0.9**step), square / (1 - 0.999**step)
        expected -= 0.01 * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
    adam = Adam({"w": weights}, 0.01)
    for grad in grads:
        adam.step({"w": grad})
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


def test_the_first_step_has_the_learning_rate_as_its_size_and_warm_up_divides_it() -> None:
    for warm_up, size in ((0, 0.1), (4, 0.025)):
        weights = np.zeros(2, np.float32)
        Adam({"w": weights}, 0.1, warm_up=warm_up).step({"w": np.array([3, -7], np.float32)})
        np.testing.assert_allclose(weights, [-size, size], rtol=1e-5)


def test_clipping_scales_all_gradients_by_one_factor() -> None:
    grads = {"a": np.array([3.0, 0], np.float32), "b": np.array([[4.0]], np.float32)}
    clipped = clip_by_global_norm(grads, 1.0)
    np.testing.assert_allclose(clipped["a"], [0.6, 0])
    np.testing.assert_allclose(clipped["b"], [[0.8]])
    np.testing.assert_array_equal(clip_by_global_norm(grads, 10.0)["a"], grads["a"])
    assert not clip_by_global_norm({"a": np.zeros(2, np.float32)}, 1.0)["a"].any()


def test_the_average_stands_in_only_inside_its_block() -> None:
    params = {"w": np.zeros(1, np.float32)}
    average = AveragedWeights(params, 0.99)
    params["w"][0] = 1
    average.update()
    reached = 1 - 2 / 11
    with average.in_place():
        assert params["w"][0] == pytest.approx(reached)
    assert params["w"][0] == 1
    for _ in range(2000):
        average.update()
    with average.in_place():
        assert params["w"][0] == pytest.approx(1)
