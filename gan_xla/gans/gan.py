"""GAN: Goodfellow et al., Generative Adversarial Nets, NeurIPS 2014; the conditional form is in cgan.py."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Array, Gan, Pair
from gan_xla.gans.shared import noise, views
from gan_xla.images import sides
from gan_xla.labels import LabelSpace
from gan_xla.nets import blocks


def _make_losses(discriminator, condition, loss: ml_collections.FrozenConfigDict, view: Callable):
    """`Gan.disc_loss` and `Gan.gen_loss` of the contract; D sees `condition(label)` of a label, `view` of an image."""
    disc_terms, gan_term = losses.adversarial(loss.adversarial)
    penalty = losses.penalty(loss, discriminator.norm)

    def judge(params, stats, x, label):
        (logits, _), stats = nets.apply(discriminator, (params, stats), (x, condition(label, len(x))), "batch")
        return logits, stats

    def disc_loss(disc_params, disc_stats, batch, fakes, ctx):
        """Minus equation 1 of Goodfellow et al., or of Mirza and Osindero; section 3 of either."""
        real_label, fake_label = batch.get("label"), batch.get("target")
        x, fake = view(batch, "x", ctx), view(fakes, "x_fake", ctx)
        real_logits, new_stats = judge(disc_params, disc_stats, x, real_label)
        fake_logits, _ = judge(disc_params, disc_stats, fake, fake_label)
        logs = {"loss/D_adv": sum(disc_terms(real_logits, fake_logits))}
        if penalty:
            critic = lambda x: judge(disc_params, disc_stats, x, real_label)[0]
            logs["loss/D_penalty"] = penalty(critic, x, fake, ctx.keys("penalty"))
        total = sum(logs.values())
        return total, ({"loss/D": total, **logs}, new_stats)

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        logits, _ = judge(disc_params, disc_stats, view(fakes, "x_fake", ctx), batch.get("target"))
        total = gan_term(logits)
        return total, {"loss/G": total}

    return disc_loss, gen_loss


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None, labels: LabelSpace | None = None) -> Gan:
    """A GAN of images from noise N(0, 1), on batches that hold `x`.

    `config.model.latent`: dimensions of the noise. `config.loss`: `adversarial` (log, which is
    non-saturating; minimax, lsgan, hinge, wgan), `penalty` (of `losses.PENALTIES`)
    and `penalty_weight`, `augment` (see `views`); weights of D are clipped by `config.optimizer.disc.clip`.

    Args:
      config: the whole config.
      axis_name: mapped axis that shares a batch.
      labels: label vectors that both networks see, in the batches' `label` and `target`; or None.
    Raises:
      UserError: unknown names or values in `config.model` or `config.loss`.
    """
    loss, latent = ml_collections.FrozenConfigDict(config.loss), config.model.latent
    size, channels = config.data.image_size, config.data.channels
    generator, discriminator = nets.pair(config, axis_name)
    value_range = blocks.OUTPUTS[generator.output][1]

    def condition(label, count):
        return jnp.zeros((count, 0)) if labels is None else label

    def sample(gen_params, gen_stats, z: Array, label: Array | None, statistics="running"):
        return nets.apply(generator, (gen_params, gen_stats), (z, condition(label, z.shape[0])), statistics)

    def init(key):
        gen_key, disc_key = jax.random.split(key)
        label = jnp.zeros((1, labels.size if labels else 0))
        z, x = jnp.zeros((1, latent)), jnp.zeros((1, *sides(size), channels))
        return Pair(nets.init(generator, gen_key, (z, label)), nets.init(discriminator, disc_key, (x, label)))

    def generate(gen_params, gen_stats, batch, ctx):
        z = noise.normal(ctx, latent)
        x, stats = sample(gen_params, gen_stats, z, batch.get("target"), "batch" if ctx.train else "running")
        return {"x_fake": x}, stats

    def draw(gen_params, gen_stats, z, label, ctx):
        return sample(gen_params, gen_stats, z, label)[0]

    view = views.make_view(loss.augment, value_range)
    disc_loss, gen_loss = _make_losses(discriminator, condition, loss, view)
    return Gan(
        init=init,
        generate=generate,
        disc_loss=disc_loss,
        gen_loss=gen_loss,
        sample=draw,
        latent=latent,
        judged=("x_fake",),
        turns=tuple(config.train.turns),
        grid=noise.GRID,
        value_range=value_range,
        preview=noise.make_preview(draw, latent, labels),
        labels=labels,
    )
