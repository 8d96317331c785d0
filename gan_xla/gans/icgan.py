"""IcGAN: Perarnau et al., Invertible Conditional GANs for Image Editing, NIPS 2016 Workshop on Adversarial Training."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Ctx, Gan, Net, Pair, Phase
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
                f"optimizer.{side}weight_decay={decay} would move what stays while the encoders learn, and they while "
                "they wait; gan='icgan' takes 0"
            )


def _encoders(config: ml_collections.ConfigDict, axis_name: str | None, labels: LabelSpace) -> dict[str, Encoder]:
    """E_z and E_y: of width 32 with hidden layers of 4096 and of 512."""
    width, common = config.model.encoder.width, nets.common(config, axis_name)
    return {
        "E_z": Encoder(outputs=config.model.latent, hidden=128 * width, width=width, **common),
        "E_y": Encoder(outputs=labels.size, hidden=16 * width, width=width, shares=True, **common),
    }


def _with_encoders(base: Gan, generator, encoders: dict[str, Encoder], shape: tuple[int, ...]) -> dict:
    """The functions of `Gan` that differ from those of `base`, a conditional GAN."""

    def draw(gen_params, gen_stats, z, label, statistics="running"):
        return nets.apply(generator, (gen_params["G"], gen_stats["G"]), (z, label), statistics)[0]

    def encode(name, gen_params, gen_stats, x, statistics="running"):
        return nets.apply(encoders[name], (gen_params[name], gen_stats[name]), x, statistics)

    def init(key):
        base_key, *keys = jax.random.split(key, 3)
        gen, disc = base.init(base_key)
        made = {name: nets.init(encoders[name], k, jnp.zeros((1, *shape))) for name, k in zip(encoders, keys)}
        made["G"] = gen
        return Pair(Net(*({name: net[part] for name, net in made.items()} for part in (0, 1))), disc)

    def generate(gen_params, gen_stats, batch, ctx):
        if not _encodes(ctx):
            fakes, stats = base.generate(gen_params["G"], gen_stats["G"], batch, ctx)
            return fakes, {**gen_stats, "G": stats}
        z, statistics = noise.normal(ctx, base.latent), "batch" if ctx.train else "running"
        x = jax.lax.stop_gradient(draw(gen_params, gen_stats, z, batch["target"]))
        z_encoded, z_stats = encode("E_z", gen_params, gen_stats, x, statistics)
        y_encoded, y_stats = encode("E_y", gen_params, gen_stats, batch["x"], statistics)
        fakes = {"x_fake": x, "z": z, "z_encoded": z_encoded, "y_encoded": y_encoded}
        return fakes, {**gen_stats, "E_z": z_stats, "E_y": y_stats}

    def disc_loss(disc_params, disc_stats, batch, fakes, ctx):
        """That of equation 3; nothing for D to learn while the encoders do."""
        return (
            (jnp.zeros(()), ({}, disc_stats))
            if _encodes(ctx)
            else base.disc_loss(disc_params, disc_stats, batch, fakes, ctx)
        )

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        """That of equation 3; then L_ez + L_ey, equations 4 and 5."""
        if not _encodes(ctx):
            return base.gen_loss(disc_params, disc_stats, batch, fakes, ctx)
        logs = {
            "loss/E_z": losses.mse(fakes["z_encoded"], fakes["z"]),
            "loss/E_y": losses.mse(fakes["y_encoded"], batch["label"]),
        }
        return sum(logs.values()), logs

    def sample(gen_params, gen_stats, z, label, ctx):
        return draw(gen_params, gen_stats, z, label)

    def translate(gen_params, gen_stats, x, target, statistics="running", keys=None):
        z, _ = encode("E_z", gen_params, gen_stats, x, statistics)
        return draw(gen_params, gen_stats, z, target, statistics)

    def preview(gen_params, gen_stats, batch, ctx):
        """Towards every label, and what both encoders tell of an image; of noise until they learn."""
        x, label, z = batch["x"], batch["label"], noise.normal(ctx, base.latent)
        y = label
        if _encodes(ctx):
            (z, _), (y, _) = (encode(name, gen_params, gen_stats, x) for name in ("E_z", "E_y"))
        targets = {name: base.labels.towards(name, label) for name in base.labels.domains}
        made = {name: draw(gen_params, gen_stats, z, target) for name, target in targets.items()}
        return {"x_rec": draw(gen_params, gen_stats, z, y), **made}, gen_stats

    return dict(
        init=init, generate=generate, disc_loss=disc_loss, gen_loss=gen_loss,
        sample=sample, translate=translate, preview=preview,
    )  # fmt: skip


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
    generator, _ = nets.pair(config, axis_name)
    shape = (*sides(config.data.image_size), config.data.channels)
    changed = _with_encoders(base, generator, _encoders(config, axis_name, labels), shape)
    return dataclasses.replace(base, **changed, grid=(("x", "x_rec"), labels.domains), phases=_phases(config.train))
