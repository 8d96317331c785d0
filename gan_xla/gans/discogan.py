"""DiscoGAN: Kim et al., Learning to Discover Cross-Domain Relations with GANs, ICML 2017.

Also its two baselines, which share everything but the objective: a standard GAN
(`loss.objective="gan"`, figure 2a) and a GAN with one-way reconstruction ("gan_recon",
figure 2b), both from A to B only.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Array, Gan
from gan_xla.errors import UserError
from gan_xla.gans.shared import two_domains, views
from gan_xla.nets import blocks

CHAINS = {
    "discogan": two_domains.FORTH_AND_BACK,
    "gan_recon": (("x_AB", "G_AB", "x_A"), ("x_ABA", "G_BA", "x_AB")),
    "gan": (("x_AB", "G_AB", "x_A"),),
}


def _trade_off(schedule: Sequence[tuple[int, float]], step: Array) -> tuple[Array | float, Array | float]:
    """Factors (1 - rate, rate) of the adversarial and the reconstruction terms at `step`.

    `schedule` holds (first step, rate), ascending from step 0; empty means factors of 1.
    """
    if not schedule:
        return 1.0, 1.0
    starts, rates = zip(*schedule, strict=True)
    rate = jnp.asarray(rates)[jnp.searchsorted(jnp.asarray(starts), step, side="right") - 1]
    return 1 - rate, rate


def _gen_loss(module, chains, view: Callable, loss: ml_collections.FrozenConfigDict, axis_name: str | None):
    """`Gan.gen_loss` of the contract."""
    distance = losses.RECONSTRUCTION[loss.reconstruction]
    _, gan_term = losses.adversarial(loss.adversarial)

    def judge(disc_params, disc_stats, name, x):
        logits, features, _ = two_domains.judge(module, disc_params, disc_stats, name, x)
        if loss.feature_layers and max(loss.feature_layers) >= len(features):
            layers = tuple(loss.feature_layers)
            raise UserError(f"loss.feature_layers={layers}: the discriminator has layers 0 to {len(features) - 1}")
        return logits, [features[i] for i in loss.feature_layers]

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        """L_G = L_GAN_B + L_CONST_A + L_GAN_A + L_CONST_B, equation 6; weights from the config."""
        gan_factor, reconstruction_factor = _trade_off(loss.reconstruction_rate, ctx.step)
        terms = {}
        for fake, _, source in chains:
            domain = fake[-1]
            if source in fakes:  # L_CONST, equation 2: x_ABA against x_A
                terms[f"loss/const_{domain}"] = (
                    reconstruction_factor * loss.reconstruction_weight * distance(fakes[fake], batch[f"x_{domain}"])
                )
                continue
            name = f"D_{domain}"
            logits, features = judge(disc_params, disc_stats, name, view(fakes, fake, ctx))
            # L_GAN, equation 3
            terms[f"loss/gan_{domain}"] = gan_factor * loss.gan_weight * gan_term(logits)
            if loss.feature_weight:
                _, real_features = judge(disc_params, disc_stats, name, view(batch, f"x_{domain}", ctx))
                matching = losses.feature_matching(real_features, features, axis_name)
                terms[f"loss/feature_{domain}"] = gan_factor * loss.feature_weight * matching
            if loss.pixel_weight:
                terms[f"loss/pixel_{domain}"] = loss.pixel_weight * losses.l1(fakes[fake], batch[f"x_{domain}"])
        total = sum(terms.values())
        return total, {"loss/G": total, **terms}

    return gen_loss


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """DiscoGAN or one of its baselines.

    `config.loss`: `objective` (discogan, gan_recon, gan), `reconstruction` (mse, l1, huber,
    cosine, hinge), `adversarial` (log; lsgan, hinge), weights `gan_weight`, `feature_weight`, `reconstruction_weight`,
    `pixel_weight` (L1 to the other domain, for aligned pairs) and `disc_weight`,
    `feature_layers` (numbers of the discriminator's activations, from 0),
    `reconstruction_rate` (see `_trade_off`), `penalty` and `penalty_weight` (see `losses.penalty`), `augment` (see
    `views`).

    Raises:
      UserError: unknown names or values in `config.model` or `config.loss`.
    """
    loss = ml_collections.FrozenConfigDict(config.loss)
    for field, known in (("objective", CHAINS), ("reconstruction", losses.RECONSTRUCTION)):
        if loss[field] not in known:
            raise UserError(f"loss.{field}={loss[field]!r} is unknown; use one of {', '.join(known)}")
    if loss.pixel_weight and not config.data.paired:
        raise UserError(
            "loss.pixel_weight needs aligned pairs; set data.paired=True and two directories of equal names"
        )
    chains = CHAINS[loss.objective]
    disc_terms, _ = losses.adversarial(loss.adversarial)
    size = config.data.image_size
    generator, discriminator = nets.pair(config, axis_name)
    value_range = blocks.OUTPUTS[generator.output][1]
    view = views.make_view(loss.augment, value_range)
    penalty = losses.penalty(loss, discriminator.norm)
    return Gan(
        init=two_domains.make_init(generator, discriminator, chains, size),
        generate=two_domains.make_generate(generator, chains),
        # Equations 7 and 8.
        disc_loss=two_domains.make_disc_loss(discriminator, disc_terms, loss.disc_weight, view, penalty),
        gen_loss=_gen_loss(discriminator, chains, view, loss, axis_name),
        translate=two_domains.make_translate(generator),
        judged=two_domains.translations(chains),
        turns=tuple(config.train.turns),
        directions=two_domains.directions(chains),
        grid=two_domains.grid(chains),
        value_range=value_range,
        size_multiple=generator.size_multiple,
    )
