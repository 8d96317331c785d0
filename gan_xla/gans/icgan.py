"""IcGAN: Perarnau et al., Invertible Conditional GANs for Image Editing, NIPS 2016 Workshop on Adversarial Training."""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Array, Ctx, Gan, Net, Pair, Phase, Tree
from gan_xla.errors import UserError
from gan_xla.gans import gan
from gan_xla.gans.shared import noise
from gan_xla.images import sides
from gan_xla.labels import LabelSpace
from gan_xla.nets.icgan import Encoder


def _phases(train: ml_collections.ConfigDict) -> tuple[Phase, Phase]:
    """G and D learn, and then the encoders."""
    unit = math.lcm(train.steps_per_call, len(train.turns))
    start = unit * max(1, round(train.encoders_after * train.steps / unit))
    size = train.batch_size
    return Phase(batch_size=size), Phase(start, size, start * size, fades_until=start, resets=True)


def _encodes(ctx: Ctx) -> bool:
    """Whether this is the encoders' phase."""
    return ctx.phase is not None and ctx.phase.start > 0


def _check_decay(optimizer: ml_collections.ConfigDict) -> None:
    for side in ("", "gen.", "disc."):
        decay = (optimizer[side[:-1]] if side else optimizer).weight_decay
        if decay:
            raise UserError(
                f"optimizer.{side}weight_decay={decay} would move what stays while the encoders learn, and them while "
                "they wait; gan='icgan' takes 0"
            )


class _Nets(NamedTuple):
    """The generators' side: G(z, y), and E_z and E_y of width 32 with hidden layers of 4096 and of 512."""

    generator: nn.Module
    encoders: dict[str, Encoder]

    @classmethod
    def of(cls, config: ml_collections.ConfigDict, axis_name: str | None, labels: LabelSpace) -> "_Nets":
        width, common = config.model.encoder.width, nets.common(config, axis_name)
        encoders = {
            "E_z": Encoder(outputs=config.model.latent, hidden=128 * width, width=width, **common),
            "E_y": Encoder(outputs=labels.size, hidden=16 * width, width=width, shares=True, **common),
        }
        return cls(nets.pair(config, axis_name)[0], encoders)

    def draw(self, params: Tree, stats: Tree, z: Array, y: Array, statistics: str = "running") -> Array:
        return nets.apply(self.generator, (params["G"], stats["G"]), (z, y), statistics)[0]

    def encode(self, name: str, params: Tree, stats: Tree, x: Array, statistics: str = "running"):
        """(vectors [n, d], statistics after the call)."""
        return nets.apply(self.encoders[name], (params[name], stats[name]), x, statistics)


def _make_init(base: Gan, own: _Nets, shape: tuple[int, ...]) -> Callable:
    def init(key):
        base_key, *keys = jax.random.split(key, 1 + len(own.encoders))
        gen, disc = base.init(base_key)
        x = jnp.zeros((1, *shape))
        made = {name: nets.init(own.encoders[name], key, x) for name, key in zip(own.encoders, keys, strict=True)}
        made["G"] = gen
        return Pair(Net(*({name: net[part] for name, net in made.items()} for part in (0, 1))), disc)

    return init


def _make_generate(base: Gan, own: _Nets) -> Callable:
    def generate(params, stats, batch, ctx):
        if not _encodes(ctx):
            fakes, new_stats = base.generate(params["G"], stats["G"], batch, ctx)
            return fakes, {**stats, "G": new_stats}
        z, statistics = noise.normal(ctx, base.latent), "batch" if ctx.train else "running"
        x = jax.lax.stop_gradient(own.draw(params, stats, z, batch["target"]))
        z_encoded, z_stats = own.encode("E_z", params, stats, x, statistics)
        y_encoded, y_stats = own.encode("E_y", params, stats, batch["x"], statistics)
        fakes = {"x_fake": x, "z": z, "z_encoded": z_encoded, "y_encoded": y_encoded}
        return fakes, {**stats, "E_z": z_stats, "E_y": y_stats}

    return generate


def _make_losses(base: Gan) -> tuple[Callable, Callable]:
    """`Gan.disc_loss` and `Gan.gen_loss` of the contract."""

    def disc_loss(disc_params, disc_stats, batch, fakes, ctx):
        """That of the conditional GAN; nothing for D to learn while the encoders do."""
        if _encodes(ctx):
            return jnp.zeros(()), ({}, disc_stats)
        return base.disc_loss(disc_params, disc_stats, batch, fakes, ctx)

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        """That of the conditional GAN; then L_ez + L_ey."""
        if not _encodes(ctx):
            return base.gen_loss(disc_params, disc_stats, batch, fakes, ctx)
        logs = {
            "loss/E_z": losses.mse(fakes["z_encoded"], fakes["z"]),
            "loss/E_y": losses.mse(fakes["y_encoded"], batch["label"]),
        }
        total = sum(logs.values())
        return total, {"loss/G": total, **logs}

    return disc_loss, gen_loss


def _make_preview(base: Gan, own: _Nets) -> Callable:
    """Towards every label, and again as both encoders tell of an image; of noise until they learn."""

    def preview(params, stats, batch, ctx):
        x, y, z = batch["x"], batch["label"], noise.normal(ctx, base.latent)
        targets = {name: base.labels.towards(name, y) for name in base.labels.domains}
        if _encodes(ctx):
            (z, _), (y, _) = (own.encode(name, params, stats, x) for name in ("E_z", "E_y"))
        return {name: own.draw(params, stats, z, y) for name, y in {"again": y, **targets}.items()}, stats

    return preview


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """IcGAN: a conditional GAN (`gan_xla.gans.gan`), and then encoders E_z and E_y that invert it as it is.

    From the share `config.train.encoders_after` of the steps on G and D stay as they are, their statistics too, and
    the encoders learn: E_z of what G draws, E_y of real images. `config.model`: `latent`, `encoder.width`;
    `config.loss` as the GAN's.

    A translation is G(E_z(x), target) of a whole label vector. The paper edits E_y(x), whose other labels stay as the
    image has them; E_y is trained, and shown in the sample pictures, for those who do.

    Raises:
      UserError: no labels, weight decay, or unknown names or values in `config.model` or `config.loss`.
    """
    _check_decay(config.optimizer)
    labels = LabelSpace.of(config.data)
    base = gan.build(config, axis_name=axis_name, labels=labels)
    own = _Nets.of(config, axis_name, labels)
    disc_loss, gen_loss = _make_losses(base)

    def sample(params, stats, z, label, ctx):
        return own.draw(params, stats, z, label)

    def translate(params, stats, x, target, statistics="running", keys=None):
        z, _ = own.encode("E_z", params, stats, x, statistics)
        return own.draw(params, stats, z, target, statistics)

    def classify(params, stats, disc_params, disc_stats, x):
        return own.encode("E_y", params, stats, x, "running")[0][:, : labels.count]

    return dataclasses.replace(
        base,
        init=_make_init(base, own, (*sides(config.data.image_size), config.data.channels)),
        generate=_make_generate(base, own),
        disc_loss=disc_loss,
        gen_loss=gen_loss,
        sample=sample,
        translate=translate,
        classify=classify,
        grid=(("x", "again"), labels.domains),
        preview=_make_preview(base, own),
        phases=_phases(config.train),
        learns=lambda ctx: {"G": not _encodes(ctx), "E_z": _encodes(ctx), "E_y": _encodes(ctx)},
    )
