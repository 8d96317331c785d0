"""CycleGAN: Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, ICCV 2017."""

from collections.abc import Callable

import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Gan
from gan_xla.errors import UserError
from gan_xla.gans.shared import two_domains, views
from gan_xla.images import sides
from gan_xla.nets import blocks

IDENTITY = (("x_BB", "G_AB", "x_B"), ("x_AA", "G_BA", "x_A"))


def _gen_loss(module, view: Callable, loss: ml_collections.FrozenConfigDict):
    """`Gan.gen_loss` of the contract."""
    _, gan_term = losses.adversarial(loss.adversarial)
    cycle_weight = {"A": loss.lambda_A, "B": loss.lambda_B}

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        """L(G, F, D_X, D_Y), equation 3, and L_identity, section 5.2; terms of weight 0 are left out."""
        terms = {}
        for fake in ("x_AB", "x_BA"):
            domain = fake[-1]
            if loss.gan_weight:
                logits, _, _ = two_domains.judge(module, disc_params, disc_stats, f"D_{domain}", view(fakes, fake, ctx))
                terms[f"loss/gan_{domain}"] = loss.gan_weight * gan_term(logits)
        for domain, weight in cycle_weight.items():
            x = batch[f"x_{domain}"]
            if weight:  # equation 2
                back = fakes["x_ABA" if domain == "A" else "x_BAB"]
                terms[f"loss/cycle_{domain}"] = weight * losses.l1(back, x)
            if loss.lambda_identity:
                identity = fakes[f"x_{domain}{domain}"]
                terms[f"loss/identity_{domain}"] = weight * loss.lambda_identity * losses.l1(identity, x)
        total = sum(terms.values())
        return total, {"loss/G": total, **terms}

    return gen_loss


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """CycleGAN.

    `config.loss`: `adversarial` (lsgan; log, which it replaced; hinge), `gan_weight`,
    `lambda_A` and `lambda_B` (weights of the cycle losses of A and B; 0 for the ablations:
    without lambda_B forward, without lambda_A backward, without both GAN alone, without
    gan_weight cycle alone), `lambda_identity` (times lambda_A or lambda_B), `disc_weight`, `penalty`
    and `penalty_weight` (see `losses.penalty`), `augment` (see `views`). `config.train`: `pool_size`, 0 for none, and
    `pool` (stepwise or sequential, see `run.image_pool`).

    Raises:
      UserError: unknown names or values in `config.model` or `config.loss`.
    """
    loss = ml_collections.FrozenConfigDict(config.loss)
    if not (loss.gan_weight or loss.lambda_A or loss.lambda_B):
        raise UserError("loss.gan_weight, loss.lambda_A and loss.lambda_B are all 0; nothing would be learnt")
    size, pool_size = config.data.image_size, config.train.pool_size
    generator, discriminator = nets.pair(config, axis_name)
    chains = two_domains.FORTH_AND_BACK + (IDENTITY if loss.lambda_identity else ())
    disc_terms, _ = losses.adversarial(loss.adversarial)
    value_range = blocks.OUTPUTS[generator.output][1]
    view = views.make_view(loss.augment, value_range)
    penalty = losses.penalty(loss, discriminator.norm)
    judged = two_domains.translations(chains)
    pool = {fake: (pool_size, *sides(size), two_domains.channels_of(generator, fake)) for fake in judged}
    return Gan(
        init=two_domains.make_init(generator, discriminator, chains, size),
        generate=two_domains.make_generate(generator, chains),
        disc_loss=two_domains.make_disc_loss(discriminator, disc_terms, loss.disc_weight, view, penalty),  # equation 1
        gen_loss=_gen_loss(discriminator, view, loss),
        translate=two_domains.make_translate(generator),
        judged=judged,
        turns=tuple(config.train.turns),
        directions=two_domains.directions(chains),
        grid=two_domains.grid(chains),
        value_range=value_range,
        size_multiple=generator.size_multiple,
        pool=pool if pool_size else None,
        sequential_pool=config.train.pool == "sequential",
    )
