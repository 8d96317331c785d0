"""StarGAN: Choi et al., Unified GANs for Multi-Domain Image-to-Image Translation, CVPR 2018."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Array, Gan, Pair
from gan_xla.gans.shared import views
from gan_xla.images import sides
from gan_xla.labels import LabelSpace
from gan_xla.nets import blocks


def _beside_label(x: Array, label: Array) -> Array:
    """Images [n, h, w, c] with their label vectors [n, d] tiled over the pixels: [n, h, w, c + d]."""
    planes = jnp.broadcast_to(label[:, None, None], (*x.shape[:3], label.shape[-1]))
    return jnp.concatenate([x, planes.astype(x.dtype)], axis=-1)


def _make_losses(discriminator, labels: LabelSpace, loss: ml_collections.FrozenConfigDict, view: Callable):
    """`Gan.disc_loss` and `Gan.gen_loss` of the contract."""
    disc_terms, gan_term = losses.adversarial(loss.adversarial)
    classify = partial(losses.classification, labels)

    def judge(params, stats, x):
        return nets.apply(discriminator, (params, stats), x, "batch")[0]  # there are no statistics to keep

    def disc_loss(disc_params, disc_stats, batch, fakes, ctx):
        """L_D = -L_adv + lambda_cls L_cls^r, equations 5 and 8."""
        x, fake = view(batch, "x", ctx), view(fakes, "x_fake", ctx)
        real_src, real_cls = judge(disc_params, disc_stats, x)
        fake_src, _ = judge(disc_params, disc_stats, fake)
        logs = {
            "loss/D_adv": sum(disc_terms(real_src, fake_src)),
            "loss/D_cls": loss.lambda_cls * classify(real_cls, batch["label"]),
        }
        if loss.lambda_gp:
            penalty = losses.gradient_penalty(
                lambda x: judge(disc_params, disc_stats, x)[0], x, fake, ctx.keys("gradient penalty")
            )
            logs["loss/D_gp"] = loss.lambda_gp * penalty
        total = sum(logs.values())
        return total, ({"loss/D": total, **logs}, disc_stats)

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        """L_G = L_adv + lambda_cls L_cls^f + lambda_rec L_rec, equation 6."""
        src, cls = judge(disc_params, disc_stats, view(fakes, "x_fake", ctx))
        logs = {
            "loss/G_adv": gan_term(src),
            "loss/G_cls": loss.lambda_cls * classify(cls, batch["target"]),
            "loss/G_rec": loss.lambda_rec * losses.l1(fakes["x_rec"], batch["x"]),  # equation 4
        }
        if loss.lambda_identity:
            identity = losses.l1(fakes["x_same"], batch["x"])
            logs["loss/G_identity"] = loss.lambda_identity * loss.lambda_rec * identity
        total = sum(logs.values())
        return total, {"loss/G": total, **logs}

    return disc_loss, gen_loss


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """StarGAN, on one data set or jointly on several (`config.data.joint`).

    `config.loss`: `adversarial` (wgan; log, the paper's equation 1; lsgan, hinge), `lambda_gp` (two-sided
    gradient penalty), `lambda_cls`, `lambda_rec`, `lambda_identity` (times lambda_rec: the identity loss
    of CycleGAN, section 5.2 there; the paper has none), `augment` (see `views`). Batches hold `x`, its vector
    `label` and a vector `target` to translate to.

    Raises:
      UserError: unknown names or values in `config.model` or `config.loss`, or no labels.
    """
    labels = LabelSpace.of(config.data)
    size, channels = config.data.image_size, config.data.channels
    common = nets.common(config, axis_name)
    generator = nets.build(config.model.generator, "Generator", channels=channels, **common)
    discriminator = nets.build(config.model.discriminator, "Discriminator", labels=labels.count, **common)
    value_range = blocks.OUTPUTS[generator.output][1]
    view = views.make_view(config.loss.augment, value_range)
    disc_loss, gen_loss = _make_losses(discriminator, labels, ml_collections.FrozenConfigDict(config.loss), view)

    def init(key):
        gen_key, disc_key = jax.random.split(key)
        x = jnp.zeros((1, *sides(size), channels))
        with_label = _beside_label(x, jnp.zeros((1, labels.size)))
        return Pair(nets.init(generator, gen_key, with_label), nets.init(discriminator, disc_key, x))

    def translate(gen_params, gen_stats, x, target, statistics="running", keys=None):
        return nets.apply(generator, (gen_params, gen_stats), _beside_label(x, target), statistics, keys)[0]

    def classify(gen_params, gen_stats, disc_params, disc_stats, x):
        return labels.shares(nets.apply(discriminator, (disc_params, disc_stats), x, "batch")[0][1])

    def generate(gen_params, gen_stats, batch, ctx):
        x, label = batch["x"], batch["label"]
        fake = translate(gen_params, gen_stats, x, batch["target"])
        fakes = {"x_fake": fake, "x_rec": translate(gen_params, gen_stats, fake, label)}
        if config.loss.lambda_identity:
            fakes["x_same"] = translate(gen_params, gen_stats, x, label)
        return fakes, gen_stats

    def preview(gen_params, gen_stats, batch, ctx):
        targets = {name: labels.towards(name, batch["label"]) for name in labels.domains}
        return {name: translate(gen_params, gen_stats, batch["x"], y) for name, y in targets.items()}, gen_stats

    return Gan(
        init=init,
        generate=generate,
        disc_loss=disc_loss,
        gen_loss=gen_loss,
        translate=translate,
        classify=classify,
        judged=("x_fake",),
        turns=tuple(config.train.turns),
        grid=(("x",), labels.domains),
        value_range=value_range,
        size_multiple=generator.size_multiple,
        preview=preview,
        labels=labels,
    )
