"""Measures of features, against float64 oracles."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import special

from gan_xla.errors import UserError
from gan_xla.evaluation.metrics import frechet, inception_score, inputs, kernel, manifold
from gan_xla.evaluation.metrics.frechet import Moments

D = 6


@pytest.fixture
def draws():
    return np.random.default_rng(0)


@pytest.fixture
def small_blocks(monkeypatch):
    """Matrices of pairs come in many uneven parts."""
    monkeypatch.setattr(inputs, "BLOCK", 100)


def mixed(draws, n, d=D):
    """Correlated features away from the origin."""
    return draws.normal(size=(n, d)) @ np.linspace(-1, 1, d * d).reshape(d, d) + np.arange(d) + draws.random((n, d))


def test_the_measures_import_neither_tensorflow_nor_torch_nor_jax():
    names = ["diversity", "frechet", "inception_score", "kernel", "manifold", "segmentation", "sharpness", "similarity"]
    measures = f"from gan_xla.evaluation.metrics import {', '.join(names)}"
    code = f"import sys, json\n{measures}\nprint(json.dumps(list(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)
    assert not {"tensorflow", "torch", "jax", "skimage", "sklearn"} & set(loaded)


@pytest.mark.parametrize(
    "measure",
    [
        lambda a, b: frechet.distance(Moments.of(a), Moments.of(b)),
        kernel.kid,
        kernel.mmd2,
        manifold.precision_recall,
        manifold.density_coverage,
    ],
)
def test_measures_of_features_refuse_what_they_cannot_compare(draws, measure):
    good = mixed(draws, 9)
    with pytest.raises(ValueError, match="width"):
        measure(good, good[:, :-1])
    with pytest.raises(ValueError, match=r"\[n, d\]"):
        measure(good, good[0])
    with pytest.raises(ValueError, match="finite"):
        measure(good, np.where(good > good.min(), good, np.nan))
    with pytest.raises(UserError, match="too few"):
        measure(good, good[:1])


# Frechet distance


def test_frechet_distance_of_known_gaussians():
    diagonal = [
        Moments(3, np.array(mean), 2 * np.diag(variances))
        for mean, variances in (([0.0, 1], [1.0, 4]), ([2.0, 1], [9.0, 4]))
    ]
    assert frechet.distance(*diagonal) == pytest.approx(2**2 + (3 - 1) ** 2)


def test_frechet_distance_equals_the_matrix_root_of_its_definition(draws):
    from scipy.linalg import sqrtm

    a, b = mixed(draws, 50), 1.3 * mixed(draws, 40) + 0.2
    (x, y), (mean, other) = (np.cov(z, rowvar=False) for z in (a, b)), (a.mean(axis=0), b.mean(axis=0))
    expected = np.sum((mean - other) ** 2) + np.trace(x + y - 2 * sqrtm(x @ y).real)
    assert frechet.distance(Moments.of(a), Moments.of(b)) == pytest.approx(expected, rel=1e-9)


def test_moments_gathered_in_parts_equal_those_of_all_features(draws):
    x = 1e4 + mixed(draws, 60).astype(np.float32)
    gathered, rest = Moments.empty(D), Moments.empty(D)
    for part in (x[:1], x[1:30], x[30:31]):
        gathered.update(part)
    rest.update(x[31:])
    rest.merge(Moments.empty(D))
    gathered.merge(rest)
    assert gathered.count == 60
    np.testing.assert_allclose(gathered.mean, x.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(gathered.covariance, np.cov(x.astype(np.float64), rowvar=False), rtol=1e-7)


def test_frechet_distance_of_equal_sets_is_zero_even_with_singular_covariances(draws):
    for n in (3, 100):
        moments = Moments.of(mixed(draws, n))
        assert moments.singular == (n == 3)
        assert 0 <= frechet.distance(moments, moments) < 1e-9 * np.trace(moments.covariance)
    same = Moments.of(np.ones((4, D)))
    assert frechet.distance(same, same) == 0
    assert frechet.distance(same, Moments.of(np.zeros((4, D)))) == pytest.approx(D)


def test_frechet_distance_stays_exact_where_covariances_are_singular(draws):
    """Projections on orthonormal columns of a larger space change no distance."""
    a, b = mixed(draws, 50), mixed(draws, 50) * 1.5
    basis = np.linalg.qr(draws.normal(size=(40, D)))[0].T
    embedded = frechet.distance(Moments.of(a @ basis), Moments.of(b @ basis))
    assert embedded == pytest.approx(frechet.distance(Moments.of(a), Moments.of(b)), rel=1e-9)


def test_frechet_distance_of_small_sets_is_biased_upwards(draws):
    def of(n):
        sets = (Moments.of(draws.normal(size=(n, D))) for _ in range(40))
        return np.mean([frechet.distance(a, b) for a, b in zip(*[sets] * 2)])

    assert of(10) > 3 * of(100) > 0


# Kernel distance


def brute_mmd2(x, y):
    def k(a, b):
        return (a @ b / len(a) + 1) ** 3

    own = [np.mean([k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j]) for z in (x, y)]
    return sum(own) - 2 * np.mean([k(a, b) for a in x for b in y])


def test_kernel_distance_equals_its_definition_and_its_jackknife(draws, small_blocks):
    x, y = mixed(draws, 23), mixed(draws, 17) + 0.3
    value, error = kernel.mmd2(x, y)[:2]
    assert value == pytest.approx(brute_mmd2(x, y), rel=1e-9)
    left_out = [
        [brute_mmd2(np.delete(x, i, 0), y) for i in range(23)],
        [brute_mmd2(x, np.delete(y, i, 0)) for i in range(17)],
    ]
    assert error**2 == pytest.approx(sum((len(z) - 1) * np.var(z) for z in left_out), rel=1e-6)


def test_kernel_distance_is_unbiased_and_its_error_is_that_of_new_images(draws):
    for shift in (0, 0.7):
        found = [kernel.mmd2(draws.normal(size=(30, 4)), draws.normal(size=(40, 4)) + shift)[:2] for _ in range(150)]
        values, errors = np.transpose(found)
        assert np.median(errors) == pytest.approx(values.std(), rel=0.5)
        if not shift:
            assert abs(values.mean()) < 4 * values.std() / 150**0.5
            assert values.min() < 0


def test_kid_draws_subsets_no_larger_than_the_sets_and_repeats_by_seed(draws):
    x, y = mixed(draws, 40), mixed(draws, 25)
    small = kernel.kid(x, y, subsets=5)
    assert small.subset_size == 25 and small.subsets == 5
    assert small.error == pytest.approx(small.std / 5**0.5) and small.std > 0
    assert small == kernel.kid(x, y, subsets=5) != kernel.kid(x, y, subsets=5, seed=1)
    whole = kernel.kid(x[:25], y, subsets=3)
    assert whole.mean == pytest.approx(kernel.mmd2(x[:25], y).value) and whole.std == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="subset_size=1"):
        kernel.kid(x, y, subset_size=1)


def test_distances_of_features_grow_with_noise(draws):
    x, y = mixed(draws, 200), mixed(draws, 200)
    worse = [y + amount * draws.normal(size=y.shape) + amount for amount in (0, 1, 2, 4)]
    fid = [frechet.distance(Moments.of(x), Moments.of(z)) for z in worse]
    kid = [kernel.kid(x, z, subsets=10, subset_size=100).mean for z in worse]
    precision = [manifold.precision_recall(x, z).precision for z in worse]
    density = [manifold.density_coverage(x, z).density for z in worse]
    assert fid == sorted(fid) and kid == sorted(kid)
    assert precision == sorted(precision, reverse=True) and density == sorted(density, reverse=True)


# Inception score


def test_inception_score_equals_its_definition(draws):
    logits = 3 * draws.normal(size=(60, 5))
    p = special.softmax(logits, axis=1)
    expected = np.exp(np.mean(np.sum(p * np.log(p / p.mean(axis=0)), axis=1)))
    assert inception_score.inception_score(logits, splits=1) == (pytest.approx(expected), 0)
    split = inception_score.inception_score(logits, splits=7)
    assert split.std > 0 and split == inception_score.inception_score(logits, splits=7)


def test_inception_score_lies_between_one_and_the_number_of_classes():
    sure = 2000.0 * np.eye(4)  # whose other probabilities are 0 in float64
    assert inception_score.inception_score(np.tile(sure, (5, 1)), splits=1).mean == pytest.approx(4)
    assert inception_score.inception_score(np.tile(sure[:1], (20, 1)), splits=2) == pytest.approx((1, 0))
    assert inception_score.inception_score(np.zeros((20, 4)), splits=2) == pytest.approx((1, 0))


def test_inception_score_needs_an_image_for_each_split():
    with pytest.raises(UserError, match="10 splits"):
        inception_score.inception_score(np.zeros((9, 3)))
    with pytest.raises(ValueError, match="splits=0"):
        inception_score.inception_score(np.zeros((9, 3)), splits=0)


# Precision, recall, density, coverage


def brute_manifold(real, fake, k):
    def distances(x, y):
        return np.linalg.norm(x[:, None] - y, axis=-1)

    radii = [np.sort(distances(x, x), axis=1)[:, k] for x in (real, fake)]
    cross = distances(real, fake)
    return {
        "precision": np.mean((cross <= radii[0][:, None]).any(axis=0)),
        "recall": np.mean((cross <= radii[1]).any(axis=1)),
        "density": np.sum(cross < radii[0][:, None]) / (k * len(fake)),
        "coverage": np.mean(cross.min(axis=1) < radii[0]),
    }


@pytest.mark.parametrize("k", [1, 3, 5])
def test_manifold_measures_equal_their_definitions(draws, k, small_blocks):
    real, fake = mixed(draws, 61), 1.5 * mixed(draws, 47)
    found = manifold.precision_recall(real, fake, k=k)._asdict() | manifold.density_coverage(real, fake, k=k)._asdict()
    assert found == pytest.approx(brute_manifold(real, fake, k), abs=1e-12)
    assert 0 < found["precision"] < 1 and 0 < found["coverage"] < 1


def test_manifold_measures_of_equal_sets_are_one(draws, small_blocks):
    x = (1e3 + mixed(draws, 40)).astype(np.float32)
    shuffled = draws.permutation(x)
    assert manifold.precision_recall(x, shuffled) == (1, 1)
    assert manifold.density_coverage(x, shuffled) == (1, 1)


def test_manifold_measures_tell_lost_variety_from_lost_fidelity(draws):
    real = draws.normal(size=(300, 4))
    collapsed, wild = 0.2 * draws.normal(size=(300, 4)), 5 * draws.normal(size=(300, 4))
    assert (
        manifold.precision_recall(real, collapsed).precision
        > 0.99
        > 0.3
        > manifold.precision_recall(real, collapsed).recall
    )
    assert manifold.precision_recall(real, wild).recall > 0.9 > 0.5 > manifold.precision_recall(real, wild).precision
    assert (
        manifold.density_coverage(real, collapsed).density
        > 1
        > 0.3
        > manifold.density_coverage(real, collapsed).coverage
    )
    one = manifold.precision_recall(real, np.repeat(real[:1], 300, axis=0))
    assert one == (1, pytest.approx(1 / 300))


def test_coverage_of_new_samples_has_the_papers_expectation(draws):
    n, k = 100, 3
    found = [manifold.density_coverage(*draws.normal(size=(2, n, 3)), k=k) for _ in range(60)]
    expected = 1 - np.prod([(n - i) / (2 * n - i) for i in range(1, k + 1)])
    assert np.mean(found, axis=0) == pytest.approx((1, expected), abs=0.03)


def test_manifold_measures_need_more_images_than_neighbours(draws):
    x = mixed(draws, 5)
    with pytest.raises(UserError, match="k=5 neighbours need 6"):
        manifold.density_coverage(x, x)
    with pytest.raises(ValueError, match="k=0"):
        manifold.precision_recall(x, x, k=0)
