"""How sure numbers are: errors against the spread over new images, and differences against chance."""

import numpy as np
import pytest
from scipy import stats

from gan_xla.errors import UserError
from gan_xla.evaluation import measures
from gan_xla.evaluation.measures import MEASURES, Seen
from gan_xla.evaluation.metrics import confidence, frechet, kernel, manifold
from gan_xla.evaluation.metrics.confidence import Estimate


@pytest.fixture
def draws():
    return np.random.default_rng(0)


def _spread(estimates) -> tuple[float, float]:
    """(standard deviation of the values over repetitions, median of the errors that they state)."""
    values, errors = np.transpose([x[:2] for x in estimates])
    return values.std(ddof=1), np.median(errors)


def test_the_error_of_a_mean_is_the_textbooks(draws):
    x = draws.normal(size=50)
    found = confidence.mean(x)
    assert found[:2] == pytest.approx((x.mean(), stats.sem(x))) and found.scores
    assert np.isnan(confidence.mean(x[:1]).error)
    assert confidence.linear(1.0, made=x, real=2 * x).error == pytest.approx(5**0.5 * stats.sem(x))


@pytest.mark.parametrize("scale, shift", [(1.6, 0.0), (1.0, 0.8), (0.5, 0.5)])
def test_the_error_of_the_frechet_distance_is_the_spread_over_new_images(draws, scale, shift):
    mix = draws.normal(size=(6, 6))

    def one():
        real, made = draws.normal(size=(300, 6)) @ mix, scale * draws.normal(size=(250, 6)) @ mix + shift
        return frechet.estimate(real, made)

    found = [one() for _ in range(120)]
    true, stated = _spread(found)
    assert stated == pytest.approx(true, rel=0.2)


def test_the_error_of_the_frechet_distance_holds_with_fewer_images_than_features(draws):
    falling = np.arange(1, 101) ** -0.5  # as the spectra of features are
    found = [
        frechet.estimate(*(falling * scale * draws.normal(size=(40, 100)) for scale in (1, 1.3))) for _ in range(60)
    ]
    true, stated = _spread(found)
    assert stated == pytest.approx(true, rel=0.35)


def test_what_each_image_adds_to_the_frechet_distance_is_its_change_without_the_image(draws):
    real, made = draws.normal(size=(200, 3)), 1.5 * draws.normal(size=(150, 3)) + 0.4
    found = frechet.estimate(real, made)
    for row in (0, 7, 31):
        without = frechet.estimate(real, np.delete(made, row, axis=0)).value
        moved = (found.made[row] - found.made.mean()) / len(made)
        assert found.value - without == pytest.approx(moved, rel=0.1, abs=2e-4)
    assert found.value == pytest.approx(frechet.distance(frechet.Moments.of(real), frechet.Moments.of(made)))
    singular = frechet.estimate(real[:3], made)
    assert np.isfinite(singular[:2]).all()


def test_the_error_of_cmmd_is_the_spread_over_new_images_and_its_value_the_definition(draws):
    def unit(x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    a, b = unit(draws.normal(size=(9, 4))), unit(draws.normal(size=(7, 4)) + 1)

    def likeness(x, y):
        return np.mean([np.exp(-np.sum((p - q) ** 2) / 200) for p in x for q in y])

    assert kernel.cmmd(a, b).value == pytest.approx(1000 * (likeness(a, a) + likeness(b, b) - 2 * likeness(a, b)))
    found = [kernel.cmmd(unit(draws.normal(size=(60, 4))), unit(draws.normal(size=(50, 4)) + 1)) for _ in range(100)]
    true, stated = _spread(found)
    assert stated == pytest.approx(true, rel=0.25)


def test_errors_of_shares_of_neighbours_are_near_the_spread_over_new_images(draws):
    """Those that ignore that the balls change too are too small, by less than half."""

    def one():
        real, made = draws.normal(size=(150, 3)), 1.5 * draws.normal(size=(150, 3))
        seen = Seen({"features": made}, {"features": real}, None, None, "x", 1.0, 0)
        return MEASURES["prdc"].values(seen)

    found = [one() for _ in range(60)]
    for name in ("precision", "recall", "density", "coverage"):
        true, stated = _spread([x[name] for x in found])
        assert 0.5 * true < stated < 1.5 * true, name
    real, made = draws.normal(size=(2, 40, 3))
    assert manifold.inside(real, made)[0].mean() == manifold.precision_recall(real, made).precision


def test_the_bootstrap_gives_several_errors_at_once_and_repeats(draws):
    x = draws.normal(size=80)
    statistic = lambda rows: np.array([x[rows].mean(), np.median(x[rows])])
    found = confidence.bootstrap(statistic, 80, resamples=500)
    assert found[0] == pytest.approx(stats.sem(x), rel=0.15) and found.shape == (2,)
    np.testing.assert_array_equal(found, confidence.bootstrap(statistic, 80, resamples=500))
    assert np.isnan(confidence.bootstrap(lambda rows: x[rows[:1]], 1)).all()


def test_errors_of_azimuths_label_maps_and_modes_are_told(draws):
    true = draws.uniform(0, 360, 60)
    made = {"azimuth_true": true, "azimuth": true + draws.normal(0, 30, 60)}
    made["counts"] = draws.integers(1, 9, (60, 3, 3))
    made["points"] = draws.normal(size=(60, 2))
    seen = Seen(made, {}, None, Estimate(7.0, 0.5), "x_B", 0.5, 0)
    found = {name: MEASURES[name].values(seen) for name in ("azimuth", "classes", "modes")}
    for numbers in found.values():
        assert all(np.isfinite(x.error) for x in numbers.values())
    assert found["azimuth"]["azimuth_correlation"].error < 0.2 < found["azimuth"]["azimuth"].error
    counts, right = made["counts"], np.trace(made["counts"], axis1=1, axis2=2)
    assert found["classes"]["pixel_accuracy"].value == pytest.approx(right.sum() / counts.sum())


def test_distances_of_pixels_have_errors(draws):
    real, made = draws.integers(0, 256, (2, 20, 16, 16, 3), np.uint8)
    seen = Seen({"pixels": made}, {"pixels": real}, None, None, "x", 1.0, 0)
    for name in ("swd", "diversity"):
        assert all(x.error > 0 for x in MEASURES[name].values(seen).values())
    few = seen._replace(made={"pixels": made[:9]}, real={"pixels": real[:9]})
    assert np.isnan(MEASURES["swd"].values(few)["swd"].error), "too few for parts"


def test_a_paired_test_sees_a_difference_that_is_lost_in_the_spread_of_images(draws):
    hard, noise = draws.normal(0, 5, 60), draws.normal(0, 0.2, (2, 60))
    a, b = confidence.mean(hard + noise[0]), confidence.mean(hard + noise[1] + 0.3)
    apart = stats.ttest_ind(a.made, b.made).pvalue
    found = confidence.paired(a, b)
    assert found.told and apart > 0.5 and found.value == pytest.approx(a.value - b.value)
    assert found.p == pytest.approx(stats.ttest_rel(a.made, b.made).pvalue, abs=0.01)
    assert confidence.paired(a, b) == found, "repeats"


def test_a_paired_test_calls_chance_a_difference_as_often_as_it_says(draws):
    wrong = [
        confidence.paired(*(confidence.mean(x) for x in draws.normal(size=(2, 20))), seed=n).told for n in range(150)
    ]
    assert np.mean(wrong) < 0.1


def test_distances_to_the_same_real_images_are_compared_with_their_common_noise_left_out(draws):
    real, source = draws.normal(size=(200, 4)), draws.normal(size=(200, 4))
    a, b = (frechet.estimate(real, scale * source + 0.5) for scale in (1.5, 1.55))
    found = confidence.paired(a, b)
    assert found.test == "images, paired" and found.error < 0.5 * (a.error**2 + b.error**2) ** 0.5
    assert confidence.paired(a, a).p == 1


def test_numbers_without_what_images_add_are_compared_by_their_errors_and_without_errors_not():
    a, b = Estimate(1.0, 0.3), Estimate(2.0, 0.4)
    found = confidence.paired(a, b)
    assert (found.value, found.error) == (-1, 0.5) and found.p == pytest.approx(2 * stats.norm.sf(2))
    with pytest.raises(UserError, match="too few images"):
        confidence.paired(a, Estimate(2.0, np.nan))


def test_runs_of_several_seeds_are_compared_over_seeds():
    a, b = np.array([1.0, 1.2, 0.9, 1.1]), np.array([2.0, 2.3, 1.9])
    found = confidence.over_seeds(a, b)
    assert found.told and found.p == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    with pytest.raises(UserError, match="2 or more"):
        confidence.over_seeds(a[:1], b)
    assert confidence.over_seeds(np.ones(3), np.ones(2)).p == 1


def test_every_measure_is_an_estimate_of_its_own_name():
    assert set(MEASURES) <= set(measures.NAMES) | {"prdc", "classes"}
