"""The history of generated images that discriminators are shown, the same on every device.

Shrivastava et al., Learning from Simulated and Unsupervised Images through Adversarial Training, CVPR 2017, section
2.3: half of a batch is new, half is drawn from a buffer, of which new images replace as many after the step. CycleGAN
(Zhu et al. 2017, section 4) has a buffer of 50; its released code fills that first and draws for each image by itself.

What becomes of each sample of the global batch follows from its key and its number alone. So every device knows it of
all of them, and images move between devices only to be stored.
"""

from typing import NamedTuple

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


def query(
    pool: Pool, fakes: Tree, ctx: Ctx, axis_name: str | None = None, sequential: bool = False
) -> tuple[Tree, Pool]:
    """The images that the discriminators are shown in place of `fakes` [n, h, w, c].

    While the pool is not full, a fake is stored in the next empty place and shown. Then with probability 1/2 it is
    shown, else it is stored in a place drawn at random, whose image is shown instead: the one of before this step,
    which several samples may draw, or the fake itself where the place was empty. Of several fakes for one place the
    last in the global batch stays, and nobody sees the others. So a step stores as many as there are places at most.

    Sequential, the samples take turns instead: each draws from the pool as the one before has left it. That shows other
    images where a batch draws a place twice, and stores the same; at a batch of 1 both are one. All fakes of all
    devices are moved for it.

    Args:
      pool: as the last step left it.
      fakes: this device's new images, by name.
      ctx: gives the random keys and the samples' numbers, which are 0, 1, ... over all devices.
      axis_name: mapped axis over which devices share the batch.
      sequential: static; whether samples draw from what earlier ones of the batch stored.

    Returns:
      (images to show, by name, and the new pool).
    """
    n = len(ctx.index) * (1 if axis_name is None else jax.lax.psum(1, axis_name))
    everyone = ctx._replace(index=jnp.arange(n, dtype=ctx.index.dtype))
    shown, stored = {}, {}
    for name, x in fakes.items():
        images = pool.images[name]
        draws = _draw(everyone.keys(name), pool.count, len(images))
        stored[name], moved = _store(images, x, ctx.index, draws, sequential, axis_name)
        shown[name] = _show(images, x, ctx.index, draws, pool.count, moved if sequential else None)
    return shown, Pool(stored, jnp.minimum(pool.count + n, len(images)))


class _Draws(NamedTuple):
    """What becomes of the samples of the global batch.

    Attributes:
      place: the place in the pool that each has to do with, int [n].
      swaps: whether it is shown what is there, bool [n].
      puts: whether its fake goes there, bool [n].
    """

    place: Array
    swaps: Array
    puts: Array


def _draw(keys: Array, count: Array, size: int) -> _Draws:
    def one(key):
        swap_key, place_key = jax.random.split(key)
        return jax.random.bernoulli(swap_key), jax.random.randint(place_key, (), 0, size)

    swaps, place = jax.vmap(one)(keys)
    following = count + jnp.arange(len(keys))
    full = following >= size
    return _Draws(jnp.where(full, place, following), swaps & full, swaps | ~full)


def _store(images: Array, fakes: Array, index: Array, draws: _Draws, whole: bool, axis_name: str | None):
    """(the pool's images after the step, and all fakes of the global batch where they are moved, as `whole` asks)."""
    places, numbers = jnp.arange(len(images)), jnp.arange(len(draws.place))
    stays = _last(draws.puts & (draws.place == places[:, None]))
    # Whichever is less is moved: a fake for each sample, or for each place.
    if whole or len(numbers) <= len(places):
        moved = _moved(fakes, index, numbers, axis_name)
        return _choose(stays >= 0, moved[stays], images), moved
    return _choose(stays >= 0, _moved(fakes, index, stays, axis_name), images), None


def _show(images: Array, fakes: Array, index: Array, draws: _Draws, count: Array, everyones: Array | None) -> Array:
    """What this device's samples are shown [n, h, w, c]; in turn, where the fakes of the global batch are given."""
    place, swaps = draws.place[index], draws.swaps[index]
    if everyones is None:
        return _choose(swaps & (place < count), images[place], fakes)
    earlier = jnp.arange(len(everyones)) < index[:, None]
    last = _last(draws.puts & (draws.place == place[:, None]) & earlier)
    return _choose(swaps, _choose(last >= 0, everyones[last], images[place]), fakes)


def _last(which: Array) -> Array:
    """Number of the last true column of each row [k, n]; -1 where there is none."""
    return jnp.max(jnp.where(which, jnp.arange(which.shape[1]), -1), axis=1)


def _choose(which: Array, one: Array, other: Array) -> Array:
    """Image by image [k, h, w, c] of either."""
    return jnp.where(which[:, None, None, None], one, other)


def _moved(fakes: Array, index: Array, numbers: Array, axis_name: str | None) -> Array:
    """The fakes of these `numbers` in the global batch [k], on every device; zeros for a number that none has."""
    rows = index == numbers[:, None]
    mine = _choose(jnp.any(rows, axis=1), fakes[jnp.argmax(rows, axis=1)], jnp.zeros((), fakes.dtype))
    return mine if axis_name is None else jax.lax.psum(mine, axis_name)  # exact: all but one are zeros
