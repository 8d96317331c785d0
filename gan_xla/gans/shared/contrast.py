"""What the contrastive methods share: places of a translation that are to know the same places of its source.

Generators show activations, a perceptron F projects those at random places, and a translation's (queries) are told from
each other by the source's (keys), see `losses.patch_nce`. F is a network of the generators' side, of the method's own.
"""

import dataclasses
from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_xla import nets
from gan_xla.contract import Array, Ctx, Net, Pair, Tree
from gan_xla.errors import UserError
from gan_xla.gans.shared import two_domains
from gan_xla.images import Size, sides
from gan_xla.nets import blocks


class Heads(nn.Module):
    """F: a perceptron of two layers for each layer of the generator (Park et al. 2020, appendix C.1).

    Attributes:
      width: of both layers.
    """

    width: int

    @nn.compact
    def __call__(self, layers: list[Array]) -> list[Array]:
        """[n, places, c] of each layer -> [n, places, width], of length 1."""
        made = []
        for i, x in enumerate(layers):
            x = nn.relu(nn.Dense(self.width, name=f"first_{i}", **blocks.XAVIER)(x))
            x = nn.Dense(self.width, name=f"last_{i}", **blocks.XAVIER)(x)
            square = jnp.sum(x**2, axis=-1, keepdims=True)
            # What has no direction, such as where every hidden unit is 0, stays 0 and teaches nothing.
            made.append(jnp.where(square > 1e-14, x * jax.lax.rsqrt(jnp.maximum(square, 1e-14)), 0))
        return made


def at_places(x: Array, keys: Array, count: int) -> Array:
    """Features [n, h, w, c] at random places, each once, [n, count or h w if that is less, c].

    Args:
      x: features.
      keys: one random key per sample, [n]; equal keys and sizes are equal places.
      count: of places.
    """
    rows = x.reshape(x.shape[0], -1, x.shape[-1])
    chosen = jax.vmap(lambda key: jax.random.permutation(key, rows.shape[1])[:count])(keys)
    return jnp.take_along_axis(rows, chosen[..., None], axis=1)


@dataclasses.dataclass(frozen=True)
class Contrast:
    """Queries and keys of translations.

    Attributes:
      generator: module of the generators.
      encoders: the name of each F and of the generator whose activations it projects.
      layers: numbers of these activations.
      patches: places of each.
      width: of F.
    """

    generator: nn.Module
    encoders: Mapping[str, str]
    layers: tuple[int, ...]
    patches: int
    width: int

    def make_init(self, init: Callable, size: Size) -> Callable:
        """`Gan.init`: `init` of the generators and discriminators, and each F beside the generators.

        Args:
          init: of `two_domains.make_init`.
          size: height and width of the images.
        """

        def with_heads(key: Array) -> Pair:
            key, *head_keys = jax.random.split(key, 1 + len(self.encoders))
            gen, disc = init(key)
            own = {}
            for (head, encoder), head_key in zip(self.encoders.items(), head_keys, strict=True):
                x = jnp.zeros((1, *sides(size), two_domains.channels_of(self.generator, encoder[:-1])))
                # By running averages, because initialisation is outside of the axis that shares those of a batch.
                features = self._features((gen.params, gen.stats), head, x, "running")
                places = [jnp.zeros((1, 1, feature.shape[-1])) for feature in features]
                own[head] = Heads(self.width).init(head_key, places)["params"]
            return Pair(Net({**gen.params, **own}, {**gen.stats, **{head: {} for head in own}}), disc)

        return with_heads

    def _features(self, gen: tuple[Tree, Tree], head: str, x: Array, statistics: str = "batch") -> list[Array]:
        """The activations that `head` projects, [n, h, w, c] each.

        Raises:
          UserError: the generator shows fewer.
        """
        name = self.encoders[head]
        module, net = two_domains.towards(self.generator, name), tuple(tree[name] for tree in gen)
        (_, shown), _ = nets.apply(module, net, x, statistics, features=True)
        if not self.layers or max(self.layers) >= len(shown):
            raise UserError(
                f"loss.nce_layers={tuple(self.layers)}: the generator shows {len(shown)} activations; use some of "
                f"0 to {len(shown) - 1}"
            )
        return [shown[number] for number in self.layers]

    def pair(
        self,
        gen: tuple[Tree, Tree],
        name: str,
        made: tuple[str, Array],
        real: tuple[str, Array],
        ctx: Ctx,
        turned: Callable[[Array], Array] = lambda x: x,
    ) -> dict[str, list[Array]]:
        """{queries_<name>, keys_<name>}, each of all layers, [n, places, width]; keys have no gradient.

        Args:
          gen: parameters and statistics of the generators' side.
          name: of the translation.
          made, real: the F that projects it, and the translation or its source.
          ctx: the places are drawn from its keys.
          turned: applied to the translation's features, where it was made of a source that was turned.
        """
        place_keys = ctx.keys(f"places {name}")

        def project(head: str, x: Array, turned: Callable) -> list[Array]:
            features = self._features(gen, head, x)
            chosen = [
                at_places(turned(feature), jax.vmap(jax.random.fold_in, (0, None))(place_keys, i), self.patches)
                for i, feature in enumerate(features)
            ]
            return Heads(self.width).apply({"params": gen[0][head]}, chosen)

        keys = jax.lax.stop_gradient(project(*real, lambda x: x))
        return {f"queries_{name}": project(*made, turned), f"keys_{name}": keys}
