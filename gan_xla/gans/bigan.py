"""BiGAN and ALI for translation: Donahue et al. 2017, Adversarial Feature Learning; Dumoulin et al. 2017, ALI.

In the form of the baselines of Zhu et al. 2017 (CycleGAN), section 5.1.1: G goes from A to B, E from B to A, and one
discriminator tells pairs (x_A, G(x_A)) from pairs (E(x_B), x_B). Networks and losses are CycleGAN's.
"""

from collections.abc import Callable

import jax.numpy as jnp
import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Gan, Net, Pair
from gan_xla.gans.shared import two_domains, views
from gan_xla.images import sides
from gan_xla.nets import blocks

CHAINS = (("x_AB", "G_AB", "x_A"), ("x_BA", "G_BA", "x_B"))
JUDGE = "D_AB"
FORTH, BACK = PAIRS = ("pair_AB", "pair_BA")  # (x_A, G(x_A)), which D is to call real, and (E(x_B), x_B), fake


def _init(generator, discriminator, size) -> Callable:
    """`Gan.init`: two generators, and one discriminator of pairs."""
    both = two_domains.make_init(generator, discriminator, CHAINS, size, seen=2)

    def init(key):
        gen, disc = both(key)
        return Pair(gen, Net({JUDGE: disc.params["D_B"]}, {JUDGE: disc.stats["D_B"]}))

    return init


def _generate(generator) -> Callable:
    """`Gan.generate`: translations, and the pairs of each with its source, the channels of A first."""
    translate = two_domains.make_generate(generator, CHAINS)

    def generate(gen_params, gen_stats, batch, ctx):
        fakes, stats = translate(gen_params, gen_stats, batch, ctx)
        pairs = {FORTH: (batch["x_A"], fakes["x_AB"]), BACK: (fakes["x_BA"], batch["x_B"])}
        return {**fakes, **{name: jnp.concatenate(pair, axis=-1) for name, pair in pairs.items()}}, stats

    return generate


def _make_losses(module, view: Callable, channels: int, loss: ml_collections.FrozenConfigDict):
    """`Gan.disc_loss` and `Gan.gen_loss` of the contract; `channels` are A's."""
    terms, _ = losses.adversarial(loss.adversarial)
    penalty = losses.penalty(loss, module.norm)

    def seen(fakes, name, ctx):
        """Both images of a pair, augmented alike."""
        halves = jnp.split(fakes[name], [channels], axis=-1)
        return jnp.concatenate([view({name: half}, name, ctx) for half in halves], axis=-1)

    def judge(params, stats, x):
        logits, _, stats = two_domains.judge(module, params, stats, JUDGE, x)
        return logits, stats

    def disc_loss(disc_params, disc_stats, batch, fakes, ctx):
        """Minus V(D, E, G) of Donahue et al., section 3, whose z is an image here."""
        critic = lambda x: judge(disc_params, disc_stats, x)[0]
        forth, back = seen(fakes, FORTH, ctx), seen(fakes, BACK, ctx)
        real, stats = judge(disc_params, disc_stats, forth)
        logs = {"loss/D_adv": loss.disc_weight * sum(terms(real, critic(back)))}
        if penalty:
            logs["loss/D_penalty"] = penalty(critic, forth, back, ctx.keys("penalty"))
        total = sum(logs.values())
        return total, ({"loss/D": total, **logs}, {JUDGE: stats})

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        """Both want to be taken for each other: D's terms with the places exchanged, which do not saturate."""
        forth, back = (judge(disc_params, disc_stats, seen(fakes, name, ctx))[0] for name in PAIRS)
        loss_E, loss_G = terms(back, forth)
        total = loss_G + loss_E
        return total, {"loss/G": total, "loss/gan_B": loss_G, "loss/gan_A": loss_E}

    return disc_loss, gen_loss


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """BiGAN; G is called G_AB, and E G_BA.

    `config.loss`: `adversarial` (lsgan; log, hinge), `disc_weight`, `penalty` and `penalty_weight` (see
    `losses.penalty`), `augment` (see `views`). `config.train`: `pool_size`, of each kind of pairs, 0 for none, and
    `pool` (stepwise or sequential, see `run.image_pool`).

    Raises:
      UserError: unknown names or values in `config.model` or `config.loss`.
    """
    loss = ml_collections.FrozenConfigDict(config.loss)
    size, pool_size = config.data.image_size, config.train.pool_size
    generator, discriminator = nets.pair(config, axis_name)
    value_range = blocks.OUTPUTS[generator.output][1]
    channels = [two_domains.channels_of(generator, name) for name in ("x_A", "x_B")]
    disc_loss, gen_loss = _make_losses(discriminator, views.make_view(loss.augment, value_range), channels[0], loss)
    return Gan(
        init=_init(generator, discriminator, size),
        generate=_generate(generator),
        preview=two_domains.make_generate(generator, CHAINS),
        disc_loss=disc_loss,
        gen_loss=gen_loss,
        translate=two_domains.make_translate(generator),
        judged=PAIRS,
        turns=tuple(config.train.turns),
        directions=two_domains.directions(CHAINS),
        grid=two_domains.grid(CHAINS),
        value_range=value_range,
        size_multiple=generator.size_multiple,
        pool=dict.fromkeys(PAIRS, (pool_size, *sides(size), sum(channels))) if pool_size else None,
        sequential_pool=config.train.pool == "sequential",
    )
