"""Real images as noise of a model: what it would have to draw them from, found by search (`--mode=project`)."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from gan_xla.contract import Array, Tree
from gan_xla.errors import UserError
from gan_xla.inference.model import Model

CANDIDATES = 256  # noises among which each search begins with the nearest
STARTS = 2  # searches for each image, and for each label
ROWS = 32  # searches at once
PART = 25  # steps of a call
RATE = 0.1
PRIOR = 1e-4  # weight of the noise's mean square: noise far from N(0, 1) draws what training never saw


class Projection(NamedTuple):
    """What was found of n images.

    Attributes:
      z: noise float32 [n, latent].
      labels: the label that each was found with, where the model has labels.
      made: what the model draws of these, of the type of `Model.values`.
    """

    z: np.ndarray
    labels: list[str] | None
    made: np.ndarray


Distance = Callable[[Array, Array], Array]  # images [n, h, w, c] twice, 0 to 255 -> [n]


def _squared(x: Array, y: Array) -> Array:
    return jnp.mean(jnp.square((x - y) / 255), axis=(1, 2, 3))


@functools.partial(jax.jit, static_argnames=("draw", "distance", "steps", "first", "count"))
def _advance(draw, distance, gen: Tree, x: Array, label: Array | None, state: Tree, steps: int, first: int, count: int):
    """`count` steps of `steps` after the `first` of Adam from each row's noise; the best so far stays."""
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, steps))

    def loss(z: Array) -> tuple[Array, Array]:
        drawn = draw(*gen, z, label)
        error = _squared(drawn, x) + (distance(drawn, x) if distance else 0)
        return jnp.sum(error + PRIOR * jnp.mean(z**2, axis=-1)), error

    def step(carry, _):
        z, moments, best, least = carry
        (_, error), slope = jax.value_and_grad(loss, has_aux=True)(z)
        best, least = jnp.where((error < least)[:, None], z, best), jnp.minimum(error, least)
        update, moments = optimizer.update(slope, moments)
        return (optax.apply_updates(z, update), moments, best, least), None

    if first == 0:
        state = state, optimizer.init(state), state, jnp.full(len(x), jnp.inf)
    return jax.lax.scan(step, state, length=count)[0]


@functools.partial(jax.jit, static_argnames=("draw", "starts"))
def _nearest(draw, gen: Tree, x: Array, label: Array | None, z: Array, starts: int) -> Array:
    """Of noises z [k, latent] those whose images are nearest to each x [n, ...]: [n, starts, latent]."""
    drawn = draw(*gen, z, None if label is None else jnp.broadcast_to(label, (len(z), *label.shape)))
    error = jax.lax.map(lambda one: _squared(drawn, one[None]), x)
    return z[jnp.argsort(error, axis=1)[:, :starts]]


def project(
    model: Model,
    images: np.ndarray,
    *,
    labels: Sequence[str] | None = None,
    steps: int = 200,
    seed: int = 0,
    distance: Distance | None = None,
    quiet: bool = False,
) -> Projection:
    """Noise of which the model draws images like these.

    Args:
      model: that draws one image of a noise.
      images: [n, size, size, c] as `Model.sample` gives them.
      labels: of each image, or one of all; None: all labels of the model are tried.
      steps: of Adam; the rate falls to zero as half a cosine.
      seed: of the noises to begin with.
      distance: beside that of pixels, such as `stlpips.smooth`.
      quiet: no progress bar.
    Raises:
      UserError: a model that does not draw, or several images at once; unknown labels, or images of another kind.
    """
    draw = model.drawing
    x = model.shares(images) * 255
    tried = _tried(model, labels, len(x))
    found, errors = [], []
    with tqdm(total=steps * len(tried), desc="project", unit="step", disable=quiet) as bar:
        for names in tried:
            z, error = _search(model, draw, x, names, steps, seed, distance, bar)
            found.append(z)
            errors.append(error)
    best = np.argmin(errors, axis=0)
    z = np.stack(found)[best, np.arange(len(x))]
    chosen = None if tried == [None] else [tried[number][row] for row, number in enumerate(best)]
    return Projection(z, chosen, model.sample(labels=chosen, z=z))


def _tried(model: Model, labels: Sequence[str] | None, count: int) -> list[list[str] | None]:
    """The labels of all images, each way that is tried."""
    if not model.domains:
        if labels is not None:
            raise UserError("--labels: this model was trained without labels")
        return [None]
    if labels is None:
        return [[name] * count for name in model.domains]
    model.label_vectors(labels, len(labels))  # says which are unknown
    if len(labels) not in (1, count):
        raise UserError(f"--labels: {len(labels)} for {count} images; give one for all, or one for each")
    return [list(labels) * (count if len(labels) == 1 else 1)]


def _search(model, draw, x, names, steps, seed, distance, bar) -> tuple[np.ndarray, np.ndarray]:
    """(noise [n, latent], its error [n]) of images in shares of 255, each with a label or None."""
    gen = model.variables["gen"]
    candidates = model.noise(seed, np.arange(CANDIDATES))
    found, errors = np.empty((len(x), model.latent), np.float32), np.empty(len(x))
    vectors = model.label_vectors(names, len(x))
    many = ROWS // STARTS
    parts = range(0, len(x), many)
    for start in parts:
        rows = np.arange(start, start + many) % len(x)
        label = None if vectors is None else vectors[rows]
        if label is None:
            z = _nearest(draw, gen, x[rows], None, candidates, STARTS)
        else:
            z = jnp.stack([_nearest(draw, gen, x[[row]], vectors[row], candidates, STARTS)[0] for row in rows])
        repeat = lambda a: None if a is None else np.repeat(a, STARTS, axis=0)
        state = z.reshape(-1, z.shape[-1])
        for first in range(0, steps, PART):
            count = min(PART, steps - first)
            state = _advance(draw, distance, gen, repeat(x[rows]), repeat(label), state, steps, first, count)
            bar.update(count / len(parts))
        best, least = (np.asarray(a).reshape(many, STARTS, *a.shape[1:]) for a in state[2:])
        kept, chosen = min(many, len(x) - start), np.argmin(least, axis=1)
        found[start : start + kept] = best[np.arange(many), chosen][:kept]
        errors[start : start + kept] = least.min(axis=1)[:kept]
    return found, errors
