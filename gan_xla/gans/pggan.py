"""PGGAN: Karras et al., Progressive Growing of GANs for Improved Quality, Stability, and Variation, ICLR 2018."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Array, Ctx, Gan, Net, Pair, Phase, Tree
from gan_xla.errors import UserError
from gan_xla.gans.shared import noise, views
from gan_xla.labels import LabelSpace
from gan_xla.nets import blocks, progressive

VALUE_RANGE = (-1.0, 1.0)
HORIZON = 100  # steps that the running mean of what fools D looks back over


class Growth(NamedTuple):
    """The config's `growth` section.

    Attributes:
      first: resolution to begin with.
      fade_images, stable_images: shown while a level fades in, and after that.
      batch_sizes: (resolution, batch size), ascending; a resolution has that of the last one not above it.
      fooled: share of the fakes whose scores are above the real ones' mean at which the next level comes
        before `stable_images` were shown (it is 0.5 where D cannot tell them apart); 0: never.
    """

    first: int
    fade_images: int
    stable_images: int
    batch_sizes: Sequence[tuple[int, int]]
    fooled: float = 0.0

    def batch_size(self, resolution: int) -> int:
        """The global batch at this resolution."""
        sizes = [size for limit, size in self.batch_sizes if limit <= resolution]
        if not sizes:
            raise UserError(f"growth.batch_sizes={self.batch_sizes}: says nothing of {resolution}x{resolution}")
        return sizes[-1]


def phases(growth: Growth, size: int, unit: int) -> tuple[tuple[Phase, ...], int]:
    """The levels from `growth.first` to `size`, and the steps of them all (appendix A.1).

    Args:
      growth: how fast.
      size: resolution of the last level.
      unit: steps that are one call; lengths are rounded up to multiples.

    Raises:
      UserError: an impossible first resolution or length.
    """
    last, first = progressive.levels(size) - 1, progressive.levels(growth.first) - 1
    if first > last:
        raise UserError(f"growth.first={growth.first} is above data.image_size={size}")
    if min(growth.fade_images, growth.stable_images) < 1:
        raise UserError("growth.fade_images and growth.stable_images must be 1 or more")
    if not 0 <= growth.fooled < 1:
        raise UserError(f"growth.fooled={growth.fooled} must be 0 (fixed lengths) or a share below 1, such as 0.4")
    result, start, rows = [], 0, 0
    for level in range(first, last + 1):
        resolution = 4 << level
        batch_size = growth.batch_size(resolution)
        fade, stable = (
            math.ceil(images / batch_size / unit) * unit for images in (growth.fade_images, growth.stable_images)
        )
        fade = fade if level > first else 0
        result.append(Phase(start, batch_size, rows, resolution, start + fade, resets=level > first))
        start += fade + stable
        rows += (fade + stable) * batch_size
    return tuple(result), start


def _level(phase: Phase) -> int:
    return progressive.levels(phase.resolution) - 1


def _alpha(phase: Phase, step: Array | int) -> Array | float:
    """Weight of the newest level, from 0 when its phase starts to 1 when it has faded in."""
    length = phase.fades_until - phase.start
    return jnp.clip((step - phase.start) / length, 0, 1) if length else 1.0


def _apply(module, params: Tree, x: Array, ctx: Ctx):
    """A network at the level of the phase."""
    alpha = _alpha(ctx.phase, ctx.step)

    def call(params, x):
        return module.apply({"params": params}, x, _level(ctx.phase), alpha)

    return nets.economical(module, call)(params, x)


def _fooled(real_scores: Array, fake_scores: Array, before: Array, ctx: Ctx, axis_name: str | None) -> Array:
    """Running mean, anew after each fade, of the share of fakes that D scores above the real ones' mean."""
    mean = (lambda x: jnp.mean(x)) if axis_name is None else (lambda x: jax.lax.pmean(jnp.mean(x), axis_name))
    share = mean(fake_scores > mean(real_scores))
    before = jnp.where(ctx.step == ctx.phase.fades_until, 0.0, before)
    return before + (share - before) / HORIZON


def _make_losses(
    discriminator,
    labels: LabelSpace | None,
    loss: ml_collections.FrozenConfigDict,
    view: Callable,
    axis_name: str | None,
):
    """`Gan.disc_loss` and `Gan.gen_loss` of the contract; D's only statistic is how well it is fooled."""

    def judge(params, x, ctx):
        return _apply(discriminator, params, x, ctx)

    def classify(logits, label):
        """The AC-GAN term (Odena et al. 2017); 0 without labels."""
        if labels is None:
            return 0.0
        return loss.label_weight * losses.classification(labels, logits, label)

    def disc_loss(disc_params, disc_stats, batch, fakes, ctx):
        """WGAN-GP with drift (appendix A.1)."""
        x, fake = view({"x": real(batch["x"], ctx)}, "x", ctx), view(fakes, "x_fake", ctx)
        real_scores, real_logits = judge(disc_params, x, ctx)
        fake_scores, fake_logits = judge(disc_params, fake, ctx)
        penalty = losses.gradient_penalty(lambda x: judge(disc_params, x, ctx)[0], x, fake, ctx.keys("penalty"))
        logs = {
            "loss/D_adv": sum(losses.wgan_disc(real_scores, fake_scores)),
            "loss/D_gp": loss.lambda_gp * penalty,
            "loss/D_drift": loss.drift * jnp.mean(jnp.square(real_scores)),
        }
        if labels:
            logs["loss/D_cls"] = classify(real_logits, batch["label"]) + classify(fake_logits, batch["target"])
        total = sum(logs.values())
        fooled = _fooled(real_scores, fake_scores, disc_stats["fooled"], ctx, axis_name)
        return total, ({"loss/D": total, **logs, "fooled": fooled}, {"fooled": fooled})

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        scores, logits = judge(disc_params, view(fakes, "x_fake", ctx), ctx)
        total = losses.hinge_gen(scores) + classify(logits, batch.get("target"))
        return total, {"loss/G": total}

    return disc_loss, gen_loss


def real(x: Array, ctx: Ctx) -> Array:
    """Real images [n, r, r, c] as blurred as the fakes are while a level fades in (section 3)."""
    if ctx.phase.fades_until == ctx.phase.start:
        return x
    old = blocks.double(progressive.halve(x))
    return progressive.lerp(old, x, _alpha(ctx.phase, ctx.step))


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """PGGAN, with AC-GAN's term where `config.data.labels` are set.

    `config.growth`: see `Growth`. `config.loss`: `lambda_gp`, `drift`, `label_weight`, `augment` (see `views`).

    Raises:
      UserError: impossible values in `config.growth`, `config.model` or `config.data`.
    """
    loss = ml_collections.FrozenConfigDict(config.loss)
    labels = LabelSpace.of(config.data) if config.data.labels else None
    growth = Growth(**{field: config.growth[field] for field in Growth._fields})
    levels, length = phases(growth, config.data.image_size, config.train.steps_per_call)
    latent, count = config.model.latent, labels.size if labels else 0
    common = nets.common(config, axis_name) | dict(channels=config.data.channels, labels=count)
    generator = nets.build(config.model.generator, "Generator", latent=latent, **common)
    discriminator = nets.build(config.model.discriminator, "Discriminator", **common)
    view = views.make_view(loss.augment, VALUE_RANGE)
    disc_loss, gen_loss = _make_losses(discriminator, labels, loss, view, axis_name)

    def init(key):
        gen_key, disc_key = jax.random.split(key)
        z, x = jnp.zeros((1, latent + count)), jnp.zeros((1, generator.size, generator.size, generator.channels))
        gen, disc = generator.init(gen_key, z)["params"], discriminator.init(disc_key, x)["params"]
        return Pair(Net(gen, {}), Net(disc, {"fooled": jnp.zeros(())}))

    def draw(gen_params, gen_stats, z, label, ctx):
        z = z if labels is None else jnp.concatenate([z, label], axis=-1)
        return _apply(generator, gen_params, z, ctx)

    def generate(gen_params, gen_stats, batch, ctx):
        z = noise.normal(ctx, latent)
        return {"x_fake": draw(gen_params, gen_stats, z, batch.get("target"), ctx)}, gen_stats

    return Gan(
        init=init,
        generate=generate,
        disc_loss=disc_loss,
        gen_loss=gen_loss,
        judged=("x_fake",),
        turns=tuple(config.train.turns),
        grid=noise.GRID,
        value_range=VALUE_RANGE,
        sample=draw,
        latent=latent,
        preview=noise.make_preview(draw, latent, labels),
        labels=labels,
        phases=levels,
        length=length,
        ready=(lambda disc_stats: disc_stats["fooled"] >= growth.fooled) if growth.fooled else None,
    )
