"""What discriminators see of an image: itself, or augmented at random, real and fake alike, in both turns.

Against discriminators that would know few images by heart (Zhao et al. 2020, Differentiable Augmentation for
Data-Efficient GAN Training): generators learn through the augmentation, so nothing of it shows in what they make.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from gan_xla.contract import Array, Ctx
from gan_xla.errors import UserError


def _colour(x: Array, key: Array, value_range: tuple[float, float]) -> Array:
    """Brightness up to a quarter of the range away, saturation times 0 to 2, contrast times 0.5 to 1.5."""
    brightness, saturation, contrast = jax.random.uniform(key, (3,), x.dtype)
    x = x + (value_range[1] - value_range[0]) / 2 * (brightness - 0.5)
    grey = jnp.mean(x, axis=-1, keepdims=True)
    x = grey + 2 * saturation * (x - grey)
    mean = jnp.mean(x)
    return mean + (contrast + 0.5) * (x - mean)


def _shift(x: Array, key: Array, value_range: tuple[float, float]) -> Array:
    """Moved by up to an eighth of height and width; the middle of the range comes in at the border."""
    reach = [(side + 4) // 8 for side in x.shape[:2]]
    edges = [(r, r) for r in reach] + [(0, 0)]
    padded = jnp.pad(x, edges, constant_values=sum(value_range) / 2)
    top, left = (jax.random.randint(k, (), 0, 2 * r + 1) for k, r in zip(jax.random.split(key), reach, strict=True))
    return jax.lax.dynamic_slice(padded, (top, left, 0), x.shape)


def _cutout(x: Array, key: Array, value_range: tuple[float, float]) -> Array:
    """The middle of the range in a rectangle of half the height and width, whose middle is anywhere."""

    def inside(key, side):
        start = jax.random.randint(key, (), -(side // 4), side - side // 4 + 1)
        place = jnp.arange(side)
        return (place >= start) & (place < start + side // 2)

    rows, columns = (inside(k, side) for k, side in zip(jax.random.split(key), x.shape[:2], strict=True))
    return jnp.where((rows[:, None] & columns)[..., None], jnp.asarray(sum(value_range) / 2, x.dtype), x)


AUGMENT = {"color": _colour, "shift": _shift, "cutout": _cutout}  # (x [h, w, c], key, value_range) -> x


def plain(images: Mapping[str, Array], name: str, ctx: Ctx) -> Array:
    """The image as it is."""
    return images[name]


def make_view(
    augment: Sequence[str], value_range: tuple[float, float] | None, source: str | None = None
) -> Callable[[Mapping[str, Array], str, Ctx], Array]:
    """(images, name, ctx) -> what a discriminator sees to judge `images[name]`, [n, h, w, c], or 2c with a source.

    Args:
      augment: names of `AUGMENT`, in the order in which they are applied; () for the images as they are.
      value_range: the images'; None for data that are not images.
      source: name of an image that is seen beside each, augmented alike; None for none.
    Raises:
      UserError: an unknown name, or data that are not images.
    """
    if unknown := [name for name in augment if name not in AUGMENT]:
        raise UserError(f"loss.augment={tuple(augment)}: {unknown[0]!r} is unknown; use some of {', '.join(AUGMENT)}")
    if augment and value_range is None:
        raise UserError(f"loss.augment={tuple(augment)} is for images; set loss.augment=() for points")

    def augmented(x: Array, name: str, ctx: Ctx) -> Array:
        for kind in augment:
            change = partial(AUGMENT[kind], value_range=value_range)
            x = jax.vmap(change)(x, ctx.keys(f"{kind} {name}"))
        return x

    def view(images, name, ctx):
        x = augmented(images[name], name, ctx)
        return x if source is None else jnp.concatenate([augmented(images[source], name, ctx), x], axis=-1)

    return view
