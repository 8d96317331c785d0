"""DCLGAN: Han et al., Dual Contrastive Learning for Unsupervised Image-to-Image Translation, CVPR workshops 2021."""

from collections.abc import Callable

import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Gan
from gan_xla.gans.shared import two_domains, views
from gan_xla.gans.shared.contrast import Contrast
from gan_xla.nets import blocks

FORTH = (("x_AB", "G_AB", "x_A"), ("x_BA", "G_BA", "x_B"))
IDENTITY = (("x_BB", "G_AB", "x_B"), ("x_AA", "G_BA", "x_A"))
# Each domain is looked at through the generator that takes its images, and projected by an F of its own (section 3).
ENCODERS = {"F_A": "G_AB", "F_B": "G_BA"}


def _generate(generator, contrast: Contrast, chains: tuple[two_domains.Chain, ...]) -> Callable:
    """`Gan.generate`: translations, and queries and keys of those that cross."""
    translate = two_domains.make_generate(generator, chains)

    def generate(gen_params, gen_stats, batch, ctx):
        fakes, new_stats = translate(gen_params, gen_stats, batch, ctx)
        contrasts = {}
        for fake, _, source in FORTH:
            made, real = (f"F_{fake[-1]}", fakes[fake]), (f"F_{source[-1]}", batch[source])
            contrasts |= contrast.pair((gen_params, gen_stats), fake, made, real, ctx)
        return {**fakes, **contrasts}, {**gen_stats, **new_stats}

    return generate


def _gen_loss(module, view: Callable, loss: ml_collections.FrozenConfigDict):
    """`Gan.gen_loss` of the contract."""
    _, gan_term = losses.adversarial(loss.adversarial)

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        """L_GAN + lambda_NCE L_PatchNCE + lambda_idt L_identity, each of both directions (section 3, full objective).

        Twice the authors' code, which halves each sum of two; to Adam that is the same.
        """
        terms = {}
        for fake, _, _ in FORTH:
            logits, _, _ = two_domains.judge(module, disc_params, disc_stats, f"D_{fake[-1]}", view(fakes, fake, ctx))
            terms[f"loss/gan_{fake[-1]}"] = gan_term(logits)
            nce = losses.patch_nce(fakes[f"queries_{fake}"], fakes[f"keys_{fake}"], loss.temperature)
            terms[f"loss/nce_{fake[-2:]}"] = loss.lambda_nce * nce
        if loss.lambda_identity:
            for same, _, source in IDENTITY:
                terms[f"loss/identity_{same[-1]}"] = loss.lambda_identity * losses.l1(fakes[same], batch[source])
        total = sum(terms.values())
        return total, {"loss/G": total, **terms}

    return gen_loss


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """DCLGAN.

    `config.loss`: `adversarial` (hinge; lsgan, log), `lambda_nce`, `lambda_identity` (weights of PatchNCE and of the
    L1 identity, each of both directions; 0 leaves the latter out), `nce_layers` (numbers of the activations that the
    generators show), `patches` (places of each), `temperature`, `disc_weight`, `penalty` and `penalty_weight` (see
    `losses.penalty`), `augment` (see `views`); `config.model.projection`: width of each F.

    Raises:
      UserError: unknown names or values in `config.model` or `config.loss`.
    """
    loss, size = ml_collections.FrozenConfigDict(config.loss), config.data.image_size
    generator, discriminator = nets.pair(config, axis_name)
    chains = FORTH + (IDENTITY if loss.lambda_identity else ())
    contrast = Contrast(generator, ENCODERS, loss.nce_layers, loss.patches, config.model.projection)
    disc_terms, _ = losses.adversarial(loss.adversarial)
    value_range = blocks.OUTPUTS[generator.output][1]
    view = views.make_view(loss.augment, value_range)
    penalty = losses.penalty(loss, discriminator.norm)
    return Gan(
        init=contrast.make_init(two_domains.make_init(generator, discriminator, chains, size), size),
        generate=_generate(generator, contrast, chains),
        preview=two_domains.make_generate(generator, chains),
        disc_loss=two_domains.make_disc_loss(discriminator, disc_terms, loss.disc_weight, view, penalty),
        gen_loss=_gen_loss(discriminator, view, loss),
        translate=two_domains.make_translate(generator),
        judged=two_domains.translations(chains),
        turns=tuple(config.train.turns),
        directions=two_domains.directions(chains),
        grid=two_domains.grid(chains),
        value_range=value_range,
        size_multiple=generator.size_multiple,
    )
