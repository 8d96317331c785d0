"""Sliced Wasserstein distance of patches."""

import numpy as np
import pytest

from gan_xla.data.sources import builtin
from gan_xla.evaluation.metrics.sliced_wasserstein import _distance, _double, laplacian_pyramid, sliced_wasserstein


@pytest.fixture(scope="module")
def chairs():
    return builtin.views("chairs2cars", "train", 32)["x_A"][::10][:100]


def test_a_pyramid_gives_its_images_back(chairs):
    large, small = laplacian_pyramid(chairs.astype(np.float32))
    assert large.shape == (100, 32, 32, 3) and small.shape == (100, 16, 16, 3)
    np.testing.assert_allclose(large + _double(small), chairs, atol=1e-3)
    flat, rest = laplacian_pyramid(np.full((1, 32, 32, 1), 7.0))
    np.testing.assert_allclose(rest, 7)
    np.testing.assert_allclose(flat, 0, atol=1e-9)


def test_the_distance_of_points_is_that_of_optimal_transport_on_a_line():
    a = np.random.default_rng(0).normal(size=(500, 1))
    assert _distance(a, a[::-1], np.random.default_rng(0)) == 0
    assert _distance(a, a + 3, np.random.default_rng(0)) == pytest.approx(3)


def test_it_is_small_for_images_of_one_kind_and_grows_with_the_difference(chairs):
    same = sliced_wasserstein(chairs[::2], chairs[1::2])
    noise = np.random.default_rng(0).normal(0, 1, chairs[::2].shape)
    noisy = [np.clip(chairs[::2] + s * noise, 0, 255).astype(np.uint8) for s in (20, 80)]
    little, much = (sliced_wasserstein(chairs[1::2], x) for x in noisy)
    assert list(same) == [32, 16]
    assert same[32] < little[32] < much[32]
    assert sliced_wasserstein(chairs[::2], chairs[1::2]) == same, "repeats"


def test_sets_that_cannot_be_compared_are_an_error(chairs):
    with pytest.raises(ValueError, match="as many images"):
        sliced_wasserstein(chairs, chairs[:50])
    with pytest.raises(ValueError, match="power of two from 16"):
        sliced_wasserstein(chairs[:, :24, :24], chairs[:, :24, :24])
