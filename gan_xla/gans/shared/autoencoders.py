"""What UNIT and MUNIT share: an autoencoder G_A, G_B of each domain, whose halves make translations, and their losses.

The content of an image x_A, decoded by G_B, is the translation x_AB.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Array, Net, Pair, Tree
from gan_xla.gans.shared import two_domains
from gan_xla.images import Size, sides

WAYS = (("A", "B"), ("B", "A"))
DIRECTIONS = ("AtoB", "BtoA")


class Coder:
    """The generators' halves by domain.

    Args:
      module: the generator, of `nets.munit`.
      params, stats: of all generators.
    """

    def __init__(self, module: nn.Module, params: Tree, stats: Tree):
        self._module, self._params, self._stats = module, params, stats

    def _apply(self, domain: str, x, method: str):
        name = f"G_{domain}"
        net = self._params[name], self._stats[name]
        return nets.apply(two_domains.towards(self._module, name), net, x, "batch", method=method)[0]

    def content(self, domain: str, x: Array) -> Array:
        """Of images of a domain."""
        return self._apply(domain, x, "content_of")

    def style(self, domain: str, x: Array) -> Array:
        """Codes of images of a domain."""
        return self._apply(domain, x, "style_of")

    def decode(self, domain: str, content: Array, style: Array | None = None) -> Array:
        """-> images of a domain."""
        return self._apply(domain, (content, style), "decode")


def make_init(generator: nn.Module, discriminator: nn.Module, size: Size) -> Callable:
    """`Gan.init` of an autoencoder and a discriminator for each domain."""

    def side(name: str, key: Array) -> Net:
        made = {}
        for domain, own in zip("AB", jax.random.split(key), strict=True):
            network = f"{name}_{domain}"
            module = two_domains.towards(generator, network) if name == "G" else discriminator
            x = jnp.zeros((1, *sides(size), two_domains.channels_of(generator, network)))
            made[network] = nets.init(module, own, x)
        return Net(*({network: net[part] for network, net in made.items()} for part in (0, 1)))

    def init(key: Array) -> Pair:
        gen_key, disc_key = jax.random.split(key)
        return Pair(side("G", gen_key), side("D", disc_key))

    return init


def make_gen_loss(module: nn.Module, view: Callable, terms: Callable, loss: ml_collections.FrozenConfigDict):
    """`Gan.gen_loss`: the adversarial terms of both ways, those of both reconstructions, and a method's own.

    Args:
      module: the discriminator.
      view: what it sees, of `views.make_view`.
      terms: (a, b, fakes, batch) -> {name: term} of the way from a to b.
      loss: `gan_weight`, `lambda_x` and `lambda_cycle`, each a weight; a cycle of weight 0 is left out.
    """

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        logs = {}
        for a, b in WAYS:
            logits, _, _ = two_domains.judge(module, disc_params, disc_stats, f"D_{b}", view(fakes, f"x_{a}{b}", ctx))
            logs[f"loss/gan_{b}"] = loss.gan_weight * sum(map(losses.lsgan_gen, logits))
            logs[f"loss/image_{a}"] = loss.lambda_x * losses.l1(fakes[f"x_{a}{a}"], batch[f"x_{a}"])
            if loss.lambda_cycle:
                logs[f"loss/cycle_{a}"] = loss.lambda_cycle * losses.l1(fakes[f"x_{a}{b}{a}"], batch[f"x_{a}"])
            logs |= terms(a, b, fakes, batch)
        total = sum(logs.values())
        return total, {"loss/G": total, **logs}

    return gen_loss
