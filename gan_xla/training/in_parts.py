"""An optimiser's update of large arrays in parts that stay in a CPU's caches."""

from collections.abc import Callable

import jax

from gan_xla.contract import Array, Tree
from gan_xla.nets.convolution_forms import apart
from gan_xla.run.state import Player

# Elements. Adam on 48M parameters in arrays of 2 to 8M, 2 cores of an AMD EPYC: whole 220 ms (CPU 420), in parts of
# 2^15 166 (268), of 2^17 135 (220), of 2^19 193 (302). DiscoGAN's arrays, 2M at most, are better left whole (3 % of a
# step), and pix2pix's of 4M and 8M are not (8 %).
PART, LARGE = 2**17, 2**22
Name = tuple[str, ...]


def in_parts(update: Callable) -> Callable:
    """`update(ok, player, grads, stats, step) -> player`, of large parameters one part after the other.

    XLA:CPU goes through memory once for each moment and once for the parameters, which reads half of it twice; of a
    part the second time is from the cache. In `update` every element must depend on its own alone, and on scalars;
    the result is then that of the whole up to rounding.
    """
    alone = apart(update)

    def updated(ok: Array, player: Player, grads: Tree, stats: Tree, step: Array) -> Player:
        large = {_name(path): count for path, x in _leaves(grads) if (count := _parts(x.size)) > 1}
        small = [_kept(tree, lambda name: name not in large) for tree in (player, grads, stats)]
        found = dict(_leaves(alone(ok, *small, step)))
        for name, count in large.items():
            own = [_kept(tree, lambda other, name=name: other in (name, ())) for tree in (player, grads, stats)]
            found |= _loop(lambda *trees: alone(ok, *trees, step), name, count, *own)
        return jax.tree_util.tree_map_with_path(lambda path, _: found[path], player)

    return updated


def _loop(update: Callable, name: Name, count: int, player: Player, grads: Tree, stats: Tree) -> dict:
    """What of an updated player has this name, by path; `count`: parts."""
    whole = {path: x for path, x in _leaves(player) if _name(path) == name}
    rows = [x.reshape(count, -1) for x in whole.values()]
    given = jax.tree.map(lambda x: x.reshape(count, -1), grads)

    def body(i: Array, rows: list[Array]) -> list[Array]:
        part = dict(zip(whole, (row[i] for row in rows)))
        shown = jax.tree_util.tree_map_with_path(lambda path, x: part.get(path, x), player)
        new = dict(_leaves(update(shown, jax.tree.map(lambda x: x[i], given), stats)))
        return [row.at[i].set(new[path]) for path, row in zip(whole, rows)]

    rows = jax.lax.fori_loop(0, count, body, rows)
    return {path: row.reshape(x.shape) for (path, x), row in zip(whole.items(), rows)}


def _parts(size: int) -> int:
    """Equal parts of about `PART` elements that a large array has; 1 where it has none."""
    least = size // PART
    return next((count for count in range(least, 2 * least) if size % count == 0), 1) if size >= LARGE else 1


def _leaves(tree: Tree) -> list[tuple[tuple, Array]]:
    return jax.tree_util.tree_flatten_with_path(tree)[0]


def _name(path: tuple) -> Name:
    """That of a parameter, its moments and averages alike; () of what belongs to none."""
    return tuple(key.key for key in path if isinstance(key, jax.tree_util.DictKey))


def _kept(tree: Tree, wanted: Callable[[Name], bool]) -> Tree:
    """The tree without the arrays of other names."""
    return jax.tree_util.tree_map_with_path(lambda path, x: x if wanted(_name(path)) else None, tree)
