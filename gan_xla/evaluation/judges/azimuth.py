"""Does a translation keep the azimuth of what it shows? DiscoGAN's measure for cars, chairs and faces.

Kim et al. 2017, section 4.2: a regressor learns the azimuth from real training views of a domain,
and its predictions for the input and for the translation are compared. Where the true azimuth
of the input is known, as for the built-in images, only the translation needs a regressor.

Angles are in degrees, of any range.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_xla.contract import Array, Tree
from gan_xla.nets.convolution import Conv

MULTIPLE = 8  # of which height and width are multiples
BATCH = 64
CHUNK = 256
SHIFT = 1 / 16  # of the image's size
NOISE = 0.03
INIT = nn.initializers.he_uniform()


class Regressor(nn.Module):
    """Three strided convolutions, then (cos, sin) of the azimuth, not normalised.

    Attributes:
      width: channels of the first layer.
    """

    width: int = 16

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[n, h, w, 3] in [0, 1] -> [n, 2]."""
        x = 1 - x  # a white background becomes zeros
        for factor in (1, 2, 4):
            x = nn.relu(Conv(self.width * factor, 4, 2, 1, kernel_init=INIT)(x))
        x = nn.relu(nn.Dense(2 * self.width, kernel_init=INIT)(x.reshape(len(x), -1)))
        return nn.Dense(2)(x)


def _shifted(key: Array, n: int, size: int) -> Array:
    """Indices [n, size] that move a view a little and repeat its edge."""
    reach = round(SHIFT * size)
    return jnp.clip(jnp.arange(size) + jax.random.randint(key, (n, 1), -reach, reach + 1), 0, size - 1)


def _augment(key: Array, x: Array, target: Array, mirrored: bool) -> tuple[Array, Array]:
    """Random variants of views [n, h, w, 3] with their (cos, sin) [n, 2], to generalise from few models."""
    n, height, width, _ = x.shape
    mirror, down, right, mix, bend, gain, noise = jax.random.split(key, 7)
    if mirrored:  # the mirrored view of what is symmetric is the view from the negative azimuth
        flip = jax.random.bernoulli(mirror, shape=(n, 1))
        x = jnp.where(flip[..., None, None], x[:, :, ::-1], x)
        target = jnp.where(flip, target * jnp.array([1, -1]), target)
    rows, columns = (_shifted(k, n, size) for k, size in ((down, height), (right, width)))
    x = x[jnp.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    # Colours say little of the azimuth: mix the channels, bend their curve, and make them paler or darker.
    ink = jnp.einsum("nhwc,ncd->nhwd", 1 - x, jax.nn.softmax(2 * jax.random.normal(mix, (n, 3, 3)), axis=1))
    ink = jnp.maximum(ink, 0) ** jnp.exp(0.5 * jax.random.normal(bend, (n, 1, 1, 1)))
    ink = ink * jax.random.uniform(gain, (n, 1, 1, 3), minval=0.6, maxval=1.3)
    return jnp.clip(1 - ink + NOISE * jax.random.normal(noise, x.shape), 0, 1), target


def _step(module: nn.Module, optimizer, mirror: bool, params: Tree, moments: Tree, key: Array, images, targets):
    """One update on views drawn from images [n, h, w, 3] in [0, 1] with their (cos, sin) [n, 2]."""
    draw, vary = jax.random.split(key)
    rows = jax.random.randint(draw, (BATCH,), 0, len(images))
    x, target = _augment(vary, images[rows], targets[rows], mirror)

    def loss(params):
        return jnp.mean(jnp.sum((module.apply({"params": params}, x) - target) ** 2, axis=-1))

    updates, moments = optimizer.update(jax.grad(loss)(params), moments, params)
    return optax.apply_updates(params, updates), moments


def fit(
    images: np.ndarray,
    azimuth: np.ndarray,
    *,
    seed: int,
    steps: int = 800,
    width: int = 16,
    learning_rate: float = 2e-3,
    mirror: bool = True,
) -> Tree:
    """Trains a regressor on real views of one category.

    The regression of (cos, sin) instead of the angle knows no jump at 360 degrees, and its
    length may shrink where front and back look alike. The background is to be light.

    Args:
      images: uint8 [n, h, w, 3]; h and w multiples of 8.
      azimuth: [n], degrees; 0 or 180 is the view along the plane of symmetry.
      seed: of initial parameters, batches and augmentation.
      steps: updates with batches of 64.
      width: channels of the first layer.
      learning_rate: at the start; it falls to zero along half a cosine.
      mirror: take mirrored views for those from the negative azimuth, for objects whose two sides are alike.
    Returns:
      The predictor for `predict`: parameters of a `Regressor`.
    Raises:
      ValueError: images of another type or shape, or not one azimuth an image.
    """
    _check(images)
    if np.shape(azimuth) != (len(images),):
        raise ValueError(f"expected one azimuth for each of {len(images)} images, got {np.shape(azimuth)}")
    module = Regressor(width)
    optimizer = optax.adamw(optax.cosine_decay_schedule(learning_rate, steps), weight_decay=1e-3)
    x = jnp.asarray(images, jnp.float32) / 255
    radians = np.radians(np.asarray(azimuth, np.float32))
    targets = jnp.stack([np.cos(radians), np.sin(radians)], axis=-1)
    # rbg compiles in a fraction of the default generator's time, here most of a short training.
    start, draws = jax.random.split(jax.random.key(seed, impl="rbg"))
    params = jax.jit(module.init)(start, x[:1])["params"]
    moments = optimizer.init(params)
    update = jax.jit(partial(_step, module, optimizer, mirror), donate_argnums=(0, 1))
    for key in jax.random.split(draws, steps):
        params, moments = update(params, moments, key, x, targets)
    return jax.block_until_ready(params)


def predict(predictor: Tree, images: np.ndarray) -> np.ndarray:
    """Azimuths of views.

    Args:
      predictor: what `fit` returned for the views' category.
      images: uint8 [n, h, w, 3] of the size that it was trained on.
    Returns:
      float64 [n], degrees in [0, 360).
    Raises:
      ValueError: images of another type or shape.
    """
    _check(images)
    module = Regressor(predictor["Conv_0"]["bias"].shape[0])
    apply = jax.jit(lambda x: module.apply({"params": predictor}, x.astype(jnp.float32) / 255))
    outputs = np.concatenate([apply(images[i : i + CHUNK]) for i in range(0, len(images), CHUNK)]).astype(np.float64)
    return np.degrees(np.arctan2(outputs[:, 1], outputs[:, 0])) % 360


def _check(images: np.ndarray) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or not len(images):
        raise ValueError(f"expected uint8 images [n, h, w, 3], got {images.dtype} {list(images.shape)}")
    if images.shape[1] % MULTIPLE or images.shape[2] % MULTIPLE:
        raise ValueError(f"height and width must be multiples of {MULTIPLE}, got {list(images.shape)}")


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b in degrees, wrapped to [-180, 180)."""
    return (np.asarray(a, np.float64) - np.asarray(b, np.float64) + 180) % 360 - 180


def mean_absolute_error(a: np.ndarray, b: np.ndarray, *, period: float = 360.0) -> float:
    """Mean of the absolute wrapped difference, degrees in [0, period / 2]; a quarter of the period by chance.

    Args:
      a, b: angles [n], degrees.
      period: 360; or 180, which forgives taking the front for the back.
    """
    return float(np.mean(np.abs((difference(a, b) + period / 2) % period - period / 2)))


def root_mean_square_error(a: np.ndarray, b: np.ndarray) -> float:
    """Root of the mean squared wrapped difference of angles [n], degrees; 104 by chance."""
    return float(np.sqrt(np.mean(difference(a, b) ** 2)))


def best_offset(a: np.ndarray, b: np.ndarray) -> float:
    """The constant that a translation adds: o in [-180, 180) with the least mean |b - o - a|, degrees.

    The mean is piecewise linear in o and has its convex kinks at the differences themselves,
    so the best of them is the exact answer (the circular median).
    """
    candidates = np.unique(np.round(difference(b, a), 6))
    errors = np.abs(difference(difference(b, a)[None], candidates[:, None])).mean(axis=1)
    return float(candidates[np.argmin(errors)])


def circular_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Fisher and Lee's correlation of two angles, in [-1, 1].

      rho = sum_i<j sin(a_i - a_j) sin(b_i - b_j) / sqrt(sum_i<j sin^2(a_i - a_j) sum_i<j sin^2(b_i - b_j))

    1 for b = a + constant, -1 for the reflection b = constant - a, about 0 for independent
    angles; a constant added to either changes nothing. For evenly spread a and b = a + noise it
    is the square of the noise's mean resultant length, so turning a half of all views by
    180 degrees gives 0. The correlation of Jammalamadaka and SenGupta is not used because it
    starts from mean directions, which the evenly spread views of a turntable do not have.

    Args:
      a, b: angles [n], degrees.
    Returns:
      The correlation; 0 where an angle does not vary, for which it is not defined.

    References:
      Fisher and Lee, A correlation coefficient for circular data, Biometrika 70, 1983.
      Fisher, Statistical Analysis of Circular Data, 1993, equation 6.36: the form in O(n) below.
    """
    a, b = np.radians(np.asarray(a, np.float64)), np.radians(np.asarray(b, np.float64))
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ValueError(f"expected as many angles on both sides, got {a.shape} and {b.shape}")
    above = np.sum(np.cos(a) * np.cos(b)) * np.sum(np.sin(a) * np.sin(b))
    above -= np.sum(np.cos(a) * np.sin(b)) * np.sum(np.sin(a) * np.cos(b))
    # n^2 less the squared resultant of the doubled angles: 4 times the sum of sin^2 over pairs
    spread = [len(x) ** 2 - np.abs(np.sum(np.exp(2j * x))) ** 2 for x in (a, b)]
    if min(spread) < 1e-9 * len(a) ** 2:
        return 0.0
    return float(4 * above / np.sqrt(spread[0] * spread[1]))
