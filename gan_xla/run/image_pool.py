"""CycleGAN's history of generated images (Shrivastava et al. 2017, section 2.3), on the device."""

import flax.struct
import jax
import jax.numpy as jnp

from gan_xla.contract import Array, Ctx, Tree


@flax.struct.dataclass
class Pool:
    """The same on every device.

    Attributes:
      images: earlier fakes [size, h, w, c] by name.
      count: how many of them there are yet, int32 [].
    """

    images: Tree
    count: Array


def create(shapes: dict[str, tuple[int, ...]]) -> Pool:
    """An empty pool for fakes of these names and shapes [size, h, w, c]."""
    return Pool({name: jnp.zeros(shape) for name, shape in shapes.items()}, jnp.zeros((), jnp.int32))


def query(pool: Pool, fakes: Tree, ctx: Ctx, axis_name: str | None = None) -> tuple[Tree, Pool]:
    """The images that the discriminators are shown in place of `fakes` [n, h, w, c].

    One sample after the other, in the order of the global batch: while the pool is not full, a
    fake is stored and shown; then with probability 1/2 it is shown, else it takes the place of a
    stored image, drawn at random, that is shown instead.

    Args:
      pool: as the last step left it.
      fakes: this device's new images, by name.
      ctx: gives the random keys and the samples' numbers.
      axis_name: mapped axis over which devices share the batch.

    Returns:
      (images to show, by name, and the new pool).
    """
    index = ctx.index
    if axis_name is not None:
        index, fakes = jax.lax.all_gather((index, fakes), axis_name, tiled=True)
    order = jnp.argsort(index)
    ctx_all = ctx._replace(index=index[order])
    shown, stored = {}, {}
    for name, x in fakes.items():
        (stored[name], count), y = jax.lax.scan(_draw, (pool.images[name], pool.count), (x[order], ctx_all.keys(name)))
        shown[name] = y[ctx.index]
    return shown, Pool(stored, count)


def _draw(carry, sample):
    (images, count), (fake, key) = carry, sample
    size = len(images)
    swap_key, place_key = jax.random.split(key)
    full = count >= size
    swap = full & jax.random.bernoulli(swap_key)
    place = jnp.where(full, jax.random.randint(place_key, (), 0, size), count)
    old = images[place]
    images = images.at[place].set(jnp.where(swap | ~full, fake, old))
    return (images, jnp.minimum(count + 1, size)), jnp.where(swap, old, fake)
