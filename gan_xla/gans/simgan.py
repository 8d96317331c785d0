"""SimGAN: Shrivastava et al., Learning from Simulated and Unsupervised Images through Adversarial Training, CVPR 2017.

In the form of the baselines of Zhu et al. 2017 (CycleGAN), section 5.1.1, with CycleGAN's networks and losses.
"""

from collections.abc import Callable

import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Gan
from gan_xla.errors import UserError
from gan_xla.gans.shared import two_domains, views
from gan_xla.images import sides
from gan_xla.nets import blocks


def _gen_loss(module, chain: two_domains.Chain, view: Callable, loss: ml_collections.FrozenConfigDict):
    """`Gan.gen_loss` of the contract."""
    fake, _, source = chain
    domain = fake[-1]
    _, gan_term = losses.adversarial(loss.adversarial)

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        """L_R of section 2.1: to pass for real, and lambda times L1 to the source, the self-regularisation."""
        logits, _, _ = two_domains.judge(module, disc_params, disc_stats, f"D_{domain}", view(fakes, fake, ctx))
        terms = {f"loss/gan_{domain}": gan_term(logits)}
        if loss.content_weight:
            terms[f"loss/content_{domain}"] = loss.content_weight * losses.l1(fakes[fake], batch[source])
        total = sum(terms.values())
        return total, {"loss/G": total, **terms}

    return gen_loss


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """SimGAN.

    `config.model.direction`: AtoB or BtoA. `config.loss`: `adversarial` (lsgan; log, hinge), `content_weight` (of the
    L1 distance between a translation and its source; 0 leaves it out, for a distance of features in its place:
    `perceptual_weight`), `disc_weight`, `penalty` and `penalty_weight` (see `losses.penalty`), `augment` (see `views`).
    `config.train`: `pool_size`, 0 for none, and `pool` (stepwise or sequential, see `run.image_pool`).

    Raises:
      UserError: unknown names or values in `config.model` or `config.loss`, or a content loss between images of
        different channels.
    """
    loss, pool_size = ml_collections.FrozenConfigDict(config.loss), config.train.pool_size
    generator, discriminator = nets.pair(config, axis_name)
    chains, size = two_domains.one_way(config.model.direction), config.data.image_size
    ((fake, _, source),) = chains
    if loss.content_weight and isinstance(generator.channels, tuple):
        raise UserError(
            f"loss.content_weight compares images of A with images of B, which needs as many channels in both, not "
            f"{generator.channels}; set data.channels alone, or loss.content_weight=0"
        )
    disc_terms, _ = losses.adversarial(loss.adversarial)
    value_range = blocks.OUTPUTS[generator.output][1]
    view = views.make_view(loss.augment, value_range)
    penalty = losses.penalty(loss, discriminator.norm)
    pool = {fake: (pool_size, *sides(size), two_domains.channels_of(generator, fake))}
    return Gan(
        init=two_domains.make_init(generator, discriminator, chains, size),
        generate=two_domains.make_generate(generator, chains),
        disc_loss=two_domains.make_disc_loss(discriminator, disc_terms, loss.disc_weight, view, penalty),
        gen_loss=_gen_loss(discriminator, chains[0], view, loss),
        translate=two_domains.make_translate(generator),
        judged=(fake,),
        turns=tuple(config.train.turns),
        directions=two_domains.directions(chains),
        grid=((source, fake),),
        value_range=value_range,
        size_multiple=generator.size_multiple,
        pool=pool if pool_size else None,
        sequential_pool=config.train.pool == "sequential",
    )
