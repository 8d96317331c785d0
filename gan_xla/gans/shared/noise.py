"""Noise, and pictures of fixed noise, of the methods that draw images from it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from gan_xla.contract import Array, Ctx
from gan_xla.labels import LabelSpace

COLUMNS = 8
ROWS = 8
GRID = (tuple(str(number) for number in range(COLUMNS)),)  # `Gan.grid` of `make_preview`


def normal(ctx: Ctx, *shape: int, name: str = "z") -> Array:
    """N(0, 1) for each sample, [n, *shape]."""
    return jax.vmap(lambda key: jax.random.normal(key, shape))(ctx.keys(name))


def make_preview(draw: Callable, length: int, labels: LabelSpace | None) -> Callable:
    """`Gan.preview` of fixed noise: with labels a row for each and one noise a column, else all different.

    Args:
      draw: (gen_params, gen_stats, z [n, length], label [n, d] or None, ctx) -> images.
      length: of z.
      labels: the method's.
    """
    each = np.stack([labels.vector([name]) for name in labels.domains]) if labels else None

    def preview(gen_params, gen_stats, batch, ctx):
        ctx = ctx._replace(index=np.arange(len(each) if labels else ROWS))
        columns = {}
        for name in GRID[0]:
            z = normal(ctx, length, name=f"z{name}")
            z = jnp.broadcast_to(z[:1], z.shape) if labels else z
            columns[name] = draw(gen_params, gen_stats, z, each, ctx)
        return columns, gen_stats

    return preview
