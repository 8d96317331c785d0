"""Angles, the azimuth regressor, and the modes of a mixture."""

import numpy as np
import pytest

from gan_xla.data.sources import builtin, gmm
from gan_xla.evaluation.judges import azimuth
from gan_xla.evaluation.metrics import mixture


@pytest.fixture
def angles():
    draws = np.random.default_rng(1)
    a = draws.uniform(0, 360, 60)
    return a, a + draws.normal(0, 40, 60)


def by_pairs(a, b):
    """Fisher and Lee's definition, over all pairs."""
    a, b = np.radians(a), np.radians(b)
    i, j = np.triu_indices(len(a), 1)
    x, y = np.sin(a[i] - a[j]), np.sin(b[i] - b[j])
    return np.sum(x * y) / np.sqrt(np.sum(x**2) * np.sum(y**2))


def test_correlation_equals_its_definition_over_pairs(angles):
    assert azimuth.circular_correlation(*angles) == pytest.approx(by_pairs(*angles), abs=1e-12)
    assert 0.2 < azimuth.circular_correlation(*angles) < 0.9


def test_correlation_ignores_constants_and_changes_sign_under_reflection(angles):
    a, b = angles
    rho = azimuth.circular_correlation(a, b)
    assert azimuth.circular_correlation(a + 77, b - 200) == pytest.approx(rho, abs=1e-12)
    assert azimuth.circular_correlation(a, 30 - b) == pytest.approx(-rho, abs=1e-12)
    assert azimuth.circular_correlation(b, a) == pytest.approx(rho, abs=1e-12)


def test_correlation_of_a_turntable_is_one_where_the_mean_direction_is_undefined():
    views = np.arange(0, 360, 15.0)
    assert azimuth.circular_correlation(views, views + 100) == pytest.approx(1)
    assert azimuth.circular_correlation(views, -views) == pytest.approx(-1)
    assert azimuth.circular_correlation(views, np.full(24, 45.0)) == 0
    half_turned = views + 180 * (np.arange(24) % 2)
    assert azimuth.circular_correlation(views, half_turned) == pytest.approx(0, abs=1e-12)


def test_errors_wrap_at_a_half_turn():
    np.testing.assert_allclose(azimuth.difference([10, 350, 180, 0], [350, 10, 0, 180]), [20, -20, -180, -180])
    assert azimuth.mean_absolute_error([0, 10, 200], [359, 350, 20]) == pytest.approx((1 + 20 + 180) / 3)
    assert azimuth.mean_absolute_error([0, 10, 200], [359, 350, 20], period=180) == pytest.approx((1 + 20 + 0) / 3)


def test_best_offset_is_that_of_an_exhaustive_search(angles):
    a, b = angles[0], angles[1] + 130
    found = azimuth.best_offset(a, b)
    grid = min(azimuth.mean_absolute_error(a, b - offset) for offset in np.arange(-180, 180, 0.25))
    assert azimuth.mean_absolute_error(a, b - found) <= grid
    assert azimuth.best_offset(a, a + 340) == pytest.approx(-20)


def test_the_regressor_learns_the_azimuth_of_a_real_car():
    views = builtin.views("chairs2cars", "train", 16)
    mine = views["model_B"] == views["model_B"][0]
    x, true = views["x_B"][mine], views["azimuth_B"][mine]
    predictor = azimuth.fit(x, true, seed=0, steps=100, width=8)
    predicted = azimuth.predict(predictor, x)
    assert predicted.shape == (24,) and predicted.min() >= 0 and predicted.max() < 360
    assert azimuth.mean_absolute_error(true, predicted) < 30  # 90 by chance
    assert azimuth.circular_correlation(true, predicted) > 0.7


def test_the_regressor_refuses_what_it_would_misread():
    x = np.zeros((2, 16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="uint8"):
        azimuth.fit(x / 255, np.zeros(2), seed=0)
    with pytest.raises(ValueError, match="multiples of 8"):
        azimuth.fit(x[:, :12], np.zeros(2), seed=0)
    with pytest.raises(ValueError, match="one azimuth"):
        azimuth.fit(x, np.zeros(3), seed=0)


CENTRES = np.array([[0, 0], [10, 0], [0, 10]], float)


def test_a_mode_is_covered_when_enough_points_are_within_three_sigma():
    points = np.concatenate([np.zeros((97, 2)), [[10, 2.9], [10, 3.1], [50, 50]]])
    assert mixture.covered_modes(points, CENTRES, 1.0) == 2
    assert mixture.covered_modes(points, CENTRES, 1.0, share=0.02) == 1
    assert mixture.high_quality_share(points, CENTRES, 1.0) == pytest.approx(0.98)


def test_real_points_of_the_toy_cover_all_modes_and_the_sources_cover_none():
    real = gmm.points("B", "test")
    assert mixture.covered_modes(real, gmm.modes("B"), gmm.SIGMA) == 10
    expected = 1 - np.exp(-4.5)  # of a 2-D Gaussian within 3 sigma
    assert mixture.high_quality_share(real, gmm.modes("B"), gmm.SIGMA) == pytest.approx(expected, abs=0.004)
    assert mixture.covered_modes(gmm.points("A", "test"), gmm.modes("B"), gmm.SIGMA) == 0


def test_the_map_tells_sources_that_spread_from_sources_that_share():
    points = CENTRES[[0, 0, 0, 1, 1, 1, 2, 2]]
    apart = mixture.mode_map(points, np.array([0, 0, 0, 1, 1, 1, 1, 1]), CENTRES, 1.0)
    np.testing.assert_allclose(apart, [[1, 0, 0], [0, 0.6, 0.4]])
    assert mixture.spread(apart).tolist() == [1, 2] and mixture.shared_modes(apart) == 0
    mixed = mixture.mode_map(points, np.array([0, 1, 0, 1, 0, 1, 0, 1]), CENTRES, 1.0)
    assert mixture.spread(mixed).tolist() == [3, 3] and mixture.shared_modes(mixed) == 3
    assert mixture.shared_modes(mixed, share=0.5) == 0


def test_the_map_needs_points_of_every_source():
    with pytest.raises(ValueError, match="source mode"):
        mixture.mode_map(np.zeros((2, 2)), np.array([0, 2]), CENTRES, 1.0)
    with pytest.raises(ValueError, match="sigma"):
        mixture.covered_modes(np.zeros((2, 2)), CENTRES, 0)
