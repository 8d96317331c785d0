"""Every loss against numpy, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla import losses


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def pair():
    generator = np.random.default_rng(0)
    return generator.normal(size=(3, 4, 5, 2)), generator.normal(size=(3, 4, 5, 2))


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_discriminators_loss_is_the_two_terms_of_the_log_loss(pair):
    real, fake = losses.gan_disc(*map(jnp.asarray, pair))
    np.testing.assert_allclose(real, -np.log(_sigmoid(pair[0])).mean(), rtol=1e-12)
    np.testing.assert_allclose(fake, -np.log(1 - _sigmoid(pair[1])).mean(), rtol=1e-12)


def test_the_generators_loss_is_non_saturating(pair):
    np.testing.assert_allclose(losses.gan_gen(jnp.asarray(pair[0])), -np.log(_sigmoid(pair[0])).mean(), rtol=1e-12)


def test_the_hinge_game_is_one_of_margins(pair):
    real, fake = losses.hinge_disc(*map(jnp.asarray, pair))
    np.testing.assert_allclose(real, np.maximum(0, 1 - pair[0]).mean(), rtol=1e-12)
    np.testing.assert_allclose(fake, np.maximum(0, 1 + pair[1]).mean(), rtol=1e-12)
    np.testing.assert_allclose(losses.hinge_gen(jnp.asarray(pair[1])), -pair[1].mean(), rtol=1e-12)


def test_log_losses_stay_finite_for_extreme_logits():
    extreme = jnp.asarray([-1e4, 1e4])
    assert np.isfinite(losses.gan_disc(extreme, extreme)).all() and np.isfinite(losses.gan_gen(extreme))


def _cosine(x, y):
    x, y = x.reshape(len(x), -1), y.reshape(len(y), -1)
    return np.mean(1 - (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1))


def _huber(x, y):
    d = np.abs(x - y)
    return np.mean(np.where(d <= 1, d**2 / 2, d - 0.5))


ORACLES = {
    "mse": lambda x, y: np.mean((x - y) ** 2),
    "l1": lambda x, y: np.mean(np.abs(x - y)),
    "huber": _huber,
    "cosine": _cosine,
    "hinge": lambda x, y: np.mean(np.maximum(0, np.abs(x - y) - 0.05)),
}


@pytest.mark.parametrize("name", losses.RECONSTRUCTION)
def test_reconstruction_distances_equal_numpy_and_vanish_for_equal_images(name, pair):
    distance = losses.RECONSTRUCTION[name]
    np.testing.assert_allclose(distance(*map(jnp.asarray, pair)), ORACLES[name](*pair), rtol=1e-12)
    same = jnp.asarray(pair[0])
    np.testing.assert_allclose(distance(same, same), 0, atol=1e-12)
    assert np.isfinite(jax.grad(distance)(same, same)).all()


def test_the_cosine_distance_has_a_gradient_at_a_black_image():
    assert np.isfinite(jax.grad(losses.cosine)(jnp.zeros((2, 4)), jnp.ones((2, 4)))).all()


def test_feature_matching_compares_means_over_the_batch_per_layer(pair):
    x, y = pair
    expected = np.mean((x.mean(0) - y.mean(0)) ** 2) + np.mean((x[..., 0].mean(0) - y[..., 0].mean(0)) ** 2)
    real, fake = ([jnp.asarray(v), jnp.asarray(v[..., 0])] for v in pair)
    np.testing.assert_allclose(losses.feature_matching(real, fake), expected, rtol=1e-12)


def test_patch_nce_is_the_surprise_at_each_querys_own_key_among_those_of_its_image():
    generator = np.random.default_rng(0)
    layers = [generator.normal(size=(2, 3, places, width)) for places, width in ((5, 4), (2, 7))]
    queries, keys = ([x[i] / np.linalg.norm(x[i], axis=-1, keepdims=True) for x in layers] for i in (0, 1))
    tau, expected = 0.07, []
    for query, key in zip(queries, keys, strict=True):
        surprises = []
        for image in range(3):
            for place in range(query.shape[1]):
                likeness = [np.exp(query[image, place] @ other / tau) for other in key[image]]
                surprises.append(-np.log(likeness[place] / sum(likeness)))
        expected.append(np.mean(surprises))
    np.testing.assert_allclose(losses.patch_nce(queries, keys, tau), np.mean(expected), rtol=1e-12)
    np.testing.assert_allclose(losses.patch_nce([k[:, :1] for k in keys], [k[:, :1] for k in keys], tau), 0, atol=1e-12)


def test_zero_centred_penalties_are_the_squared_gradients_where_they_say(pair):
    real, fake = map(jnp.asarray, pair)
    keys = jax.random.split(jax.random.key(0), len(real))
    squares = [np.square(x).sum((1, 2, 3)).mean() for x in pair]
    for name, expected in {"r1": squares[0] / 2, "r2": squares[1] / 2}.items():
        penalty = losses.penalty({"penalty": name, "penalty_weight": 3.0}, "none")
        value = penalty(lambda x: jnp.sum(x**2, (1, 2, 3)) / 2, real, fake, keys)  # whose gradient is x
        np.testing.assert_allclose(value, 3 * expected, rtol=1e-12)
    slope = pair[0][0]
    linear = losses.zero_centred(lambda x: jnp.sum(slope * x, (1, 2, 3)), real, fake, keys)
    np.testing.assert_allclose(linear, np.square(slope).sum(), rtol=1e-12)
    between = losses.zero_centred(lambda x: jnp.sum(x**2, (1, 2, 3)) / 2, real, real, keys)
    np.testing.assert_allclose(between, squares[0], rtol=1e-12)
