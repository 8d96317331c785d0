"""UNIT: Liu et al., Unsupervised Image-to-Image Translation Networks, NIPS 2017, as its authors train it since 2018."""

from collections.abc import Callable

import jax.numpy as jnp
import ml_collections

from gan_xla import nets
from gan_xla.contract import Array, Ctx, Gan, Tree
from gan_xla.errors import UserError
from gan_xla.gans.shared import autoencoders, two_domains, views
from gan_xla.gans.shared.autoencoders import Coder
from gan_xla.gans.shared.noise import normal
from gan_xla.nets import blocks


def _make_generate(module) -> Callable:
    """`Gan.generate`: x_AA, x_AB, x_ABA and the means mu_A, mu_AB of the codes that they are drawn from, both ways."""

    def generate(gen_params: Tree, gen_stats: Tree, batch: Tree, ctx: Ctx) -> tuple[Tree, Tree]:
        coder, fakes = Coder(module, gen_params, gen_stats), {}

        def draw(domain: str, mean: Array, name: str) -> Array:
            """q(z | x) = N(mean, 1) in training; else its mean (section 3)."""
            noise = normal(ctx, *mean.shape[1:], name=name) if ctx.train else 0
            return coder.decode(domain, mean + noise)

        for a, b in autoencoders.WAYS:
            fakes[f"mu_{a}"] = coder.content(a, batch[f"x_{a}"])
            fakes[f"x_{a}{a}"] = draw(a, fakes[f"mu_{a}"], f"z_{a}")
            fakes[f"x_{a}{b}"] = draw(b, fakes[f"mu_{a}"], f"z_{a}")
            fakes[f"mu_{a}{b}"] = coder.content(b, fakes[f"x_{a}{b}"])
            fakes[f"x_{a}{b}{a}"] = draw(a, fakes[f"mu_{a}{b}"], f"z_{a}{b}")
        return fakes, gen_stats

    return generate


def _make_terms(loss: ml_collections.FrozenConfigDict) -> Callable:
    """The terms of a way: the divergences of q from N(0, 1), twice those of equations 3 and 5, as in the code."""

    def terms(a, b, fakes, batch):
        found = {f"loss/kl_{a}": loss.lambda_kl * jnp.mean(jnp.square(fakes[f"mu_{a}"]))}
        if loss.lambda_cycle:
            found[f"loss/kl_{a}{b}"] = loss.lambda_kl_cycle * jnp.mean(jnp.square(fakes[f"mu_{a}{b}"]))
        return found

    return terms


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """UNIT: two variational autoencoders whose codes are of one kind, so that either decoder reads them.

    `config.loss`: `gan_weight`, `lambda_x` (x_AA), `lambda_cycle` (x_ABA), `lambda_kl` and `lambda_kl_cycle` (weights),
    `disc_weight`, `augment` (see `views`).

    Raises:
      UserError: unknown names or values in `config.model` or `config.loss`, or a generator with styles.
    """
    loss = ml_collections.FrozenConfigDict(config.loss)
    generator, discriminator = nets.pair(config, axis_name)
    if generator.style:
        raise UserError(f"model.generator.style={generator.style}: UNIT has no styles; set 0, or use --config=munit")
    value_range = blocks.OUTPUTS[generator.output][1]
    view = views.make_view(loss.augment, value_range)

    def translate(gen_params, gen_stats, x, target, statistics="running", keys=None):
        coder = Coder(generator, gen_params, gen_stats)
        return coder.decode(target[-1], coder.content(target[0], x))

    return Gan(
        init=autoencoders.make_init(generator, discriminator, config.data.image_size),
        generate=_make_generate(generator),
        disc_loss=two_domains.make_disc_loss(discriminator, two_domains.lsgan_of_several, loss.disc_weight, view),
        gen_loss=autoencoders.make_gen_loss(discriminator, view, _make_terms(loss), loss),
        translate=translate,
        judged=("x_AB", "x_BA"),
        turns=tuple(config.train.turns),
        directions=autoencoders.DIRECTIONS,
        grid=(("x_A", "x_AA", "x_AB", "x_ABA"), ("x_B", "x_BB", "x_BA", "x_BAB")),
        value_range=value_range,
        size_multiple=generator.size_multiple,
    )
