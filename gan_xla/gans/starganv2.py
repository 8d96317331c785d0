"""StarGAN v2: Choi et al., StarGAN v2: Diverse Image Synthesis for Multiple Domains, CVPR 2020."""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Array, Ctx, Gan, Net, Pair, Styles, Tree
from gan_xla.errors import UserError
from gan_xla.gans.shared import noise, views
from gan_xla.images import sides
from gan_xla.labels import LabelSpace
from gan_xla.nets import blocks
from gan_xla.nets.starganv2 import Encoder, Mapping

SHOWN = 3  # styles in the sample pictures
RANGE = (-1.0, 1.0)


def _by_noise(ctx: Ctx) -> Array:
    """Whether the styles of this turn are drawn, or else read from references: in turn."""
    return ctx.step % 2 == 0


class _Nets(NamedTuple):
    """G, F and E, the generators' side."""

    G: nn.Module
    F: nn.Module
    E: nn.Module

    @classmethod
    def of(cls, config: ml_collections.ConfigDict, axis_name: str | None, domains: int) -> "_Nets":
        common = nets.common(config, axis_name)
        model, style = config.model, config.model.generator.style
        same = {name: model.discriminator[name] for name in ("width", "most")}
        mapping = {name: value for name, value in common.items() if name != "size"}
        return cls(
            nets.build(model.generator, "Generator", channels=config.data.channels, **common),
            Mapping(domains=domains, style=style, hidden=model.mapping, **mapping),
            Encoder(domains=domains, style=style, **same, **common),
        )

    def call(self, name: str, gen: tuple[Tree, Tree], *x: Array) -> Array:
        """The network `name` on its inputs."""
        params, stats = gen
        return nets.apply(getattr(self, name), (params[name], stats[name]), x, "batch")[0]


def _make_init(own: _Nets, discriminator: nn.Module, latent: int, shape: tuple[int, ...], domains: int) -> Callable:
    def init(key: Array) -> Pair:
        gen_key, disc_key = jax.random.split(key)
        x, label = jnp.zeros((1, *shape)), jnp.zeros((1, domains))
        takes = {"G": (x, jnp.zeros((1, own.G.style))), "F": (jnp.zeros((1, latent)), label), "E": (x, label)}
        keys = jax.random.split(gen_key, len(takes))
        made = {name: nets.init(getattr(own, name), k, takes[name]) for name, k in zip(takes, keys, strict=True)}
        gen = Net(*({name: net[part] for name, net in made.items()} for part in (0, 1)))
        return Pair(gen, nets.init(discriminator, disc_key, x))

    return init


def _make_generate(own: _Nets, latent: int) -> Callable:
    """`Gan.generate`: x_fake in the style s, which is read back as s_read; x_other in another style; x_rec."""

    def generate(gen_params: Tree, gen_stats: Tree, batch: Tree, ctx: Ctx) -> tuple[Tree, Tree]:
        gen, x, target = (gen_params, gen_stats), batch["x"], batch["target"]

        def style(z: str, reference: str) -> Array:
            drawn = own.call("F", gen, noise.normal(ctx, latent, name=z), target)
            return jnp.where(_by_noise(ctx), drawn, own.call("E", gen, batch[reference], target))

        s, other = style("z", "x_ref"), style("z2", "x_ref2")
        fake = own.call("G", gen, x, s)
        fakes = {
            "x_fake": fake,
            "x_other": jax.lax.stop_gradient(own.call("G", gen, x, other)),
            "x_rec": own.call("G", gen, fake, own.call("E", gen, x, batch["label"])),
            "s": s,
            "s_read": own.call("E", gen, fake, target),
        }
        return fakes, gen_stats

    return generate


def _make_losses(discriminator: nn.Module, loss: ml_collections.FrozenConfigDict, steps: int, view: Callable):
    """`Gan.disc_loss` and `Gan.gen_loss` of the contract."""

    def judge(params: Tree, stats: Tree, x: Array, label: Array) -> Array:
        (logits, _), _ = nets.apply(discriminator, (params, stats), x, "batch")
        return jnp.sum(logits * label, axis=-1)  # D_y

    def disc_loss(disc_params, disc_stats, batch, fakes, ctx):
        """Equation 1, and R1 on real images (appendix B)."""
        x, fake = view(batch, "x", ctx), view(fakes, "x_fake", ctx)
        real = judge(disc_params, disc_stats, x, batch["label"])
        terms = losses.gan_disc(real, judge(disc_params, disc_stats, fake, batch["target"]))
        critic = lambda x: judge(disc_params, disc_stats, x, batch["label"])
        logs = {
            "loss/D_adv": sum(terms),
            "loss/D_r1": loss.lambda_r1 * losses.r1(critic, x, fake, ctx.keys("r1")),
        }
        total = sum(logs.values())
        return total, ({"loss/D": total, **logs}, disc_stats)

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        """Equation 5: adversarial loss, style, diversity, whose weight falls to zero, and cycle."""
        logits = judge(disc_params, disc_stats, view(fakes, "x_fake", ctx), batch["target"])
        fades = jnp.maximum(0, 1 - ctx.step / steps)
        logs = {
            "loss/G_adv": losses.gan_gen(logits),
            "loss/G_sty": loss.lambda_sty * losses.l1(fakes["s_read"], fakes["s"]),  # equation 2
            "loss/G_ds": -loss.lambda_ds * fades * losses.l1(fakes["x_fake"], fakes["x_other"]),  # equation 3
            "loss/G_cyc": loss.lambda_cyc * losses.l1(fakes["x_rec"], batch["x"]),  # equation 4
        }
        total = sum(logs.values())
        return total, {"loss/G": total, **logs}

    return disc_loss, gen_loss


def _make_preview(own: _Nets, latent: int, labels: LabelSpace) -> Callable:
    """`Gan.preview`: to each domain in some styles, one a column, and in that of the first image of it."""

    def preview(gen_params: Tree, gen_stats: Tree, batch: Tree, ctx: Ctx) -> tuple[Tree, Tree]:
        gen, x, shown = (gen_params, gen_stats), batch["x"], {}
        for name in labels.domains:
            label = jnp.broadcast_to(labels.vector([name]), batch["label"].shape)
            first = jnp.argmax(jnp.sum(batch["label"] * label, axis=-1))
            reference = jnp.broadcast_to(x[first], x.shape)
            styles = [noise.normal(ctx._replace(index=0 * ctx.index), latent, name=f"z{i}") for i in range(SHOWN)]
            codes = [own.call("F", gen, z, label) for z in styles] + [own.call("E", gen, reference, label)]
            for column, code in enumerate(codes):
                shown[f"{name}{column}"] = own.call("G", gen, x, code)
            shown[f"{name} "] = reference
        return shown, gen_stats

    return preview


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """StarGAN v2: one generator for many domains, and many styles of each; drawn by F, or read from images by E.

    Turns go by pairs: in one styles are drawn, in the next they are read from `x_ref` and `x_ref2`, images of the label
    `target` (`data.references`), and F and E stay as they are. `config.loss`: `lambda_r1`, `lambda_sty`, `lambda_ds`
    (which falls to zero over `train.steps`), `lambda_cyc`, `augment` (see `views`); `config.model`: `latent`, `mapping`
    (units of F's layers).

    Raises:
      UserError: unknown names or values in `config.model` or `config.loss`, no labels, or labels that are no classes.
    """
    labels = LabelSpace.of(config.data)
    if len(labels.sets) > 1 or (labels.count > 1 and not labels.sets[0].one_hot):
        raise UserError("data.labels: starganv2 takes classes, of which every image has one; set data.exclusive so")
    loss = ml_collections.FrozenConfigDict(config.loss)
    own, latent = _Nets.of(config, axis_name, labels.count), config.model.latent
    discriminator = nets.build(
        config.model.discriminator, "Discriminator", labels=labels.count, **nets.common(config, axis_name)
    )
    value_range = blocks.OUTPUTS[own.G.output][1] or RANGE
    disc_loss, gen_loss = _make_losses(
        discriminator, loss, config.train.steps, views.make_view(loss.augment, value_range)
    )

    def translate(gen_params, gen_stats, x, target, statistics, keys, style):
        return own.call("G", (gen_params, gen_stats), x, style)

    rows = [(*(f"{name}{i}" for i in range(SHOWN)), f"{name} ", f"{name}{SHOWN}") for name in labels.domains]
    shape = (*sides(config.data.image_size), config.data.channels)
    return Gan(
        init=_make_init(own, discriminator, latent, shape, labels.count),
        generate=_make_generate(own, latent),
        preview=_make_preview(own, latent, labels),
        disc_loss=disc_loss,
        gen_loss=gen_loss,
        translate=translate,
        styles=Styles(
            latent,
            own.G.style,
            draw=lambda params, stats, z, target: own.call("F", (params, stats), z, target),
            read=lambda params, stats, x, target: own.call("E", (params, stats), x, target),
        ),
        learns=lambda ctx: {"F": _by_noise(ctx), "E": _by_noise(ctx)},
        judged=("x_fake",),
        turns=tuple(config.train.turns),
        grid=(("x",), *rows),
        value_range=value_range,
        size_multiple=own.G.size_multiple,
        labels=labels,
    )
