"""Losses of likeness beside a method's own: features of a trained network, MS-SSIM, edges, and the truth where known.

They compare what generators made with an image that it should resemble, as `loss.compare` says. So every method that
translates has them, whose fakes are named as the contract asks.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial

import jax
import jax.numpy as jnp
import ml_collections

from gan_xla.contract import Array, Gan, Tree
from gan_xla.errors import UserError
from gan_xla.evaluation import features
from gan_xla.evaluation.metrics import similarity

Distance = Callable[[Array, Array], Array]  # images [n, h, w, c] twice, 0 to 255 -> [n]
COMPARE = ("cycle", "source", "truth")
STAGES = ("_blocks.2", "_blocks.4", "_blocks.10")  # the last at 1/4, 1/8 and 1/16 of EfficientNet-Lite0's 224 pixels


def perceptual(network: features.Features) -> Distance:
    """Squared distance of activations, each place's of length 1; the mean over places and over `STAGES`.

    References:
      Zhang et al. 2018 (LPIPS), equation 1, with all weights 1.
    """

    def activations(x: Array) -> list[Array]:
        if x.shape[-1] not in (1, 3):
            raise UserError(f"loss.perceptual_weight takes images of 1 or 3 channels, not {x.shape[-1]}; set it to 0")
        x = jnp.broadcast_to(x, (*x.shape[:-1], 3))
        _, shown = network.network.apply(
            network.variables, x, capture_intermediates=lambda module, _: module.name in STAGES, mutable=True
        )
        stages = [shown["intermediates"][name]["__call__"][0] for name in STAGES]
        return [stage * jax.lax.rsqrt(jnp.sum(stage**2, axis=-1, keepdims=True) + 1e-10) for stage in stages]

    def distance(x: Array, y: Array) -> Array:
        pairs = zip(activations(x), activations(y), strict=True)
        return sum(jnp.mean(jnp.sum((a - b) ** 2, axis=-1), axis=(1, 2)) for a, b in pairs) / len(STAGES)

    return distance


def ms_ssim(x: Array, y: Array) -> Array:
    """1 - MS-SSIM, as `evaluation.metrics.similarity` has it; it teaches nothing where a scale's mean is negative."""
    weights = similarity.scale_weights(x.shape[1:3])
    result = jnp.ones(len(x), x.dtype)
    for scale, weight in enumerate(weights, 1):
        ssim, structure = similarity.terms(x, y, _blurred)
        mean = ssim if scale == len(weights) else structure
        # The derivative of a power has no end at 0, so the inner choice keeps away from there.
        result *= jnp.where(mean > 0, jnp.where(mean > 0, mean, 1.0) ** weight, 0.0)
        x, y = _halved(x), _halved(y)
    return 1 - result


def _blurred(x: Array) -> Array:
    """The window's means, where it fits: sums of shifted images, which XLA fuses, unlike convolutions of channels."""
    for axis in (1, 2):
        size = x.shape[axis] - similarity.WINDOW + 1
        x = sum(float(k) * jax.lax.slice_in_dim(x, i, i + size, axis=axis) for i, k in enumerate(similarity.KERNEL))
    return x


def _halved(x: Array) -> Array:
    """Means of 2 x 2 pixels; an odd side's last row or column is repeated."""
    x = jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)), mode="edge")
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def edges(x: Array, y: Array) -> Array:
    """Mean absolute difference of Sobel's derivatives along both axes of grey images, in shares of 255 a pixel.

    Channels are averaged, so that images of different depth, such as a photo and a map, can be compared.
    """

    def derivatives(x: Array) -> list[Array]:
        grey = jnp.mean(x, axis=-1) / 255
        found = []
        for along, across in ((1, 2), (2, 1)):
            sides = [jax.lax.slice_in_dim(grey, i, grey.shape[across] - 2 + i, axis=across) for i in range(3)]
            smooth = (sides[0] + 2 * sides[1] + sides[2]) / 4
            ahead, behind = (jax.lax.slice_in_dim(smooth, i, smooth.shape[along] - 2 + i, axis=along) for i in (2, 0))
            found.append((ahead - behind) / 2)
        return found

    pairs = zip(derivatives(x), derivatives(y), strict=True)
    return sum(jnp.mean(jnp.abs(a - b), axis=(1, 2)) for a, b in pairs)


# By the name of the weight in `config.loss`: what makes the distance, which may need a trained network.
DISTANCES = {
    "perceptual_weight": lambda: perceptual(features.load()),
    "ms_ssim_weight": lambda: ms_ssim,
    "edge_weight": lambda: edges,
}


def pairs(compare: str, fakes: Mapping[str, Array], batch: Mapping[str, Array]) -> dict[str, str]:
    """{fake: the image in the batch that it should resemble}, by the contract's names.

    Args:
      compare: "cycle", what went there and back (x_ABA, x_rec) and its source; "source", a translation (x_AB, x_fake)
        and its source; "truth", a translation and the image of its domain.
      fakes, batch: by name.
    """
    if "x" in batch:  # one domain, whose methods have no truth
        own = {"cycle": "x_rec", "source": "x_fake"}.get(compare)
        return {own: "x"} if own in fakes else {}
    ways = [name for name in fakes if name.startswith("x_")]
    if compare == "cycle":
        return {name: f"x_{name[-1]}" for name in ways if len(name) == len("x_ABA") and name[2] == name[4]}
    crossing = [name for name in ways if len(name) == len("x_AB") and name[2] != name[3]]
    return {name: f"x_{name[2 if compare == 'source' else 3]}" for name in crossing}


def with_likeness(gan: Gan, config: ml_collections.ConfigDict) -> Gan:
    """The method with the losses of `config.loss` whose weights are not 0, and that of pairs where the data show some.

    Raises:
      UserError: an unknown `loss.compare`, truth of data without pairs, data that are not images, or the network's
        weights are not installed.
    """
    weights = {name: weight for name in DISTANCES if (weight := config.loss.get(name, 0.0))}
    if weights:
        _check(gan, config, next(iter(weights)))
        gan = _added(gan, partial(_compared, gan, config.loss.compare, weights, {x: DISTANCES[x]() for x in weights}))
    if share := config.data.get("paired_share", 0.0):
        gan = _added(gan, partial(_true, config.loss.paired_weight / share))
    return gan


def _check(gan: Gan, config: ml_collections.ConfigDict, name: str) -> None:
    compare = config.loss.compare
    if compare not in COMPARE:
        raise UserError(f"loss.compare={compare!r} is unknown; use one of {', '.join(COMPARE)}")
    if compare == "truth" and not config.data.paired:
        raise UserError(
            "loss.compare='truth' needs aligned pairs: set data.paired=True, or compare with the source or the cycle"
        )
    if gan.value_range is None:
        raise UserError(f"loss.{name} compares images, and these data are none; set it to 0")


def _added(gan: Gan, more: Callable[[Tree, Tree], dict[str, Array]]) -> Gan:
    """The method whose generators also learn from the terms `more(batch, fakes)`."""

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        own, logs = gan.gen_loss(disc_params, disc_stats, batch, fakes, ctx)
        terms = more(batch, fakes)
        total = own + sum(terms.values())
        return total, {**logs, **terms, "loss/G": total}

    return dataclasses.replace(gan, gen_loss=gen_loss)


def _compared(
    gan: Gan, compare: str, weights: Mapping[str, float], distances: Mapping[str, Distance], batch: Tree, fakes: Tree
) -> dict[str, Array]:
    """Each weight times the mean distance of each pair."""
    compared = pairs(compare, fakes, batch)
    if not compared:
        raise UserError(f"loss.compare={compare!r}: this method makes nothing that could be compared so")
    low, high = gan.value_range
    terms = {}
    for fake, real in compared.items():
        x, y = ((image - low) * (255 / (high - low)) for image in (fakes[fake], batch[real]))
        for name, distance in distances.items():
            if name != "edge_weight" and x.shape != y.shape:
                raise UserError(f"loss.{name} compares {fake} with {real}, which have other channels; set it to 0")
            terms[f"loss/{name.removesuffix('_weight')}{fake[1:]}"] = weights[name] * jnp.mean(distance(x, y))
    return terms


def _true(weight: float, batch: Tree, fakes: Tree) -> dict[str, Array]:
    """L1 to the true image of the rows that show pairs."""
    terms = {}
    for fake, real in pairs("truth", fakes, batch).items():
        distance = jnp.mean(jnp.abs(fakes[fake] - batch[real]), axis=(1, 2, 3))
        terms[f"loss/paired{fake[1:]}"] = weight * jnp.mean(batch["paired"] * distance)
    return terms
