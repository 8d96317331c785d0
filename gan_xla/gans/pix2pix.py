"""pix2pix: Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017."""

from collections.abc import Callable

import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Gan, Habit
from gan_xla.errors import UserError
from gan_xla.gans.shared import two_domains, views
from gan_xla.nets import blocks


def _gen_loss(module, chain: two_domains.Chain, view: Callable, loss: ml_collections.FrozenConfigDict):
    """`Gan.gen_loss` of the contract."""
    fake, _, _ = chain
    domain = fake[-1]
    _, gan_term = losses.adversarial(loss.adversarial)

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        """L_cGAN (equation 1; 2 where D is unconditional) + lambda L_L1, equations 3 and 4."""
        y, terms = fakes[fake], {}
        if loss.gan_weight:
            logits, _, _ = two_domains.judge(
                module, disc_params, disc_stats, f"D_{domain}", view({**batch, **fakes}, fake, ctx)
            )
            terms[f"loss/gan_{domain}"] = loss.gan_weight * gan_term(logits)
        if loss.lambda_L1:
            terms[f"loss/L1_{domain}"] = loss.lambda_L1 * losses.l1(y, batch[f"x_{domain}"])
        total = sum(terms.values())
        return total, {"loss/G": total, **terms}

    return gen_loss


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """pix2pix, on aligned pairs.

    `config.model.direction`: AtoB or BtoA. `config.loss`: `adversarial` (log; lsgan, hinge),
    `conditional` (whether D sees the source too), `gan_weight`, `lambda_L1`, `disc_weight`,
    `penalty` and `penalty_weight` (see `losses.penalty`), `augment` (see `views`);
    ablations of table 1: gan_weight=0 is L1 alone, lambda_L1=0 the cGAN alone,
    conditional=False the GAN. Dropout is the noise, and stays on at test time (section 2.1), where
    each image is normalised by its own statistics (section 3.3, at batch size 1).

    Raises:
      UserError: data that are not paired, unknown names or values in `config.model` or `config.loss`.
    """
    loss = ml_collections.FrozenConfigDict(config.loss)
    if not config.data.paired:
        raise UserError(
            "gan='pix2pix' learns from aligned pairs; set data.paired=True, or use cyclegan for unpaired data"
        )
    if not (loss.gan_weight or loss.lambda_L1):
        raise UserError("loss.gan_weight and loss.lambda_L1 are both 0; nothing would be learnt")
    chains, size = two_domains.one_way(config.model.direction), config.data.image_size
    habit = Habit(statistics="image", dropout=True)
    ((fake, _, source),) = chains
    generator, discriminator = nets.pair(config, axis_name)
    disc_terms, _ = losses.adversarial(loss.adversarial)
    value_range = blocks.OUTPUTS[generator.output][1]
    view = views.make_view(loss.augment, value_range, source if loss.conditional else None)
    penalty = losses.penalty(loss, discriminator.norm)
    return Gan(
        init=two_domains.make_init(generator, discriminator, chains, size, seen=2 if loss.conditional else 1),
        generate=two_domains.make_generate(generator, chains, habit),
        disc_loss=two_domains.make_disc_loss(discriminator, disc_terms, loss.disc_weight, view, penalty),
        gen_loss=_gen_loss(discriminator, chains[0], view, loss),
        translate=two_domains.make_translate(generator),
        judged=two_domains.translations(chains),
        turns=tuple(config.train.turns),
        directions=two_domains.directions(chains),
        grid=((source, fake, f"x_{fake[-1]}"),),
        value_range=value_range,
        size_multiple=generator.size_multiple,
        habit=habit,
    )
