"""CUT and FastCUT: Park et al., Contrastive Learning for Unpaired Image-to-Image Translation, ECCV 2020."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Array, Ctx, Gan
from gan_xla.errors import UserError
from gan_xla.gans.shared import two_domains, views
from gan_xla.gans.shared.contrast import Contrast
from gan_xla.nets import blocks


def _chains(direction: str, identity: bool) -> tuple[two_domains.Chain, ...]:
    """The translation, and what the same G makes of images that are in its domain already."""
    ((fake, name, source),) = two_domains.one_way(direction)
    domain = fake[-1]
    return ((fake, name, source), *([(f"x_{domain}{domain}", name, f"x_{domain}")] if identity else []))


def _generate(generator, contrast: Contrast, chains: tuple[two_domains.Chain, ...], flip: bool) -> Callable:
    """`Gan.generate`: translations, and queries and keys of them."""
    translate = two_domains.make_generate(generator, chains)

    def generate(gen_params, gen_stats, batch, ctx):
        mirrored = _mirrors(ctx) if flip else lambda x: x
        fakes, new_stats = translate(gen_params, gen_stats, {n: mirrored(batch[n]) for n in ("x_A", "x_B")}, ctx)
        contrasts = {}
        for fake, _, source in chains:
            # What was made of a mirror image is mirrored back, by its features: G is to be equivariant (appendix C.1).
            contrasts |= contrast.pair(
                (gen_params, gen_stats), fake, ("F", fakes[fake]), ("F", batch[source]), ctx, mirrored
            )
        return {**fakes, **contrasts}, {**gen_stats, **new_stats}

    return generate


def _mirrors(ctx: Ctx) -> Callable[[Array], Array]:
    """A function that mirrors half of the samples of [n, h, w, c], the same each time."""
    chosen = jax.vmap(jax.random.bernoulli)(ctx.keys("mirror"))[:, None, None, None]
    return lambda x: jnp.where(chosen, jnp.flip(x, axis=2), x)


def _gen_loss(module, chains: tuple[two_domains.Chain, ...], view: Callable, loss: ml_collections.FrozenConfigDict):
    """`Gan.gen_loss` of the contract."""
    _, gan_term = losses.adversarial(loss.adversarial)
    made = [fake for fake, _, _ in chains]
    domain = made[0][-1]

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        """L_GAN + lambda_X L_PatchNCE(G, H, X) + lambda_Y L_PatchNCE(G, H, Y), equation 5."""
        logits, _, _ = two_domains.judge(module, disc_params, disc_stats, f"D_{domain}", view(fakes, made[0], ctx))
        terms = {f"loss/gan_{domain}": gan_term(logits)}
        for fake, weight in zip(made, (loss.lambda_X, loss.lambda_Y), strict=False):
            if weight:
                nce = losses.patch_nce(fakes[f"queries_{fake}"], fakes[f"keys_{fake}"], loss.temperature)
                terms[f"loss/nce_{fake[-2:]}"] = weight * nce
        total = sum(terms.values())
        return total, {"loss/G": total, **terms}

    return gen_loss


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """CUT.

    `config.model`: `direction` (AtoB or BtoA), `projection` (width of F). `config.loss`: `adversarial` (lsgan; log,
    hinge), `lambda_X` and `lambda_Y` (weights of PatchNCE of G(x) and of G(y), the identity; 0 leaves one out),
    `nce_layers` (numbers of the activations that the generator shows), `patches` (places of each), `temperature`,
    `flip_equivariance` (whether G sees half of the images mirrored, and its features are mirrored back), `disc_weight`,
    `penalty` and `penalty_weight` (see `losses.penalty`), `augment` (see `views`).

    Raises:
      UserError: unknown names or values in `config.model` or `config.loss`, or images of A and B differ in channels.
    """
    loss = ml_collections.FrozenConfigDict(config.loss)
    generator, discriminator = nets.pair(config, axis_name)
    if isinstance(generator.channels, tuple):
        raise UserError(
            f"gan='cut' looks at images of both domains through one generator, which needs as many channels "
            f"in both, not {generator.channels}; set data.channels alone, or use dclgan with loss.lambda_identity=0"
        )
    chains = _chains(config.model.direction, identity=loss.lambda_Y > 0)
    contrast = Contrast(generator, {"F": chains[0][1]}, loss.nce_layers, loss.patches, config.model.projection)
    disc_terms, _ = losses.adversarial(loss.adversarial)
    value_range = blocks.OUTPUTS[generator.output][1]
    view = views.make_view(loss.augment, value_range)
    penalty = losses.penalty(loss, discriminator.norm)
    size = config.data.image_size
    return Gan(
        init=contrast.make_init(two_domains.make_init(generator, discriminator, chains, size), size),
        generate=_generate(generator, contrast, chains, loss.flip_equivariance),
        preview=two_domains.make_generate(generator, chains),
        disc_loss=two_domains.make_disc_loss(discriminator, disc_terms, loss.disc_weight, view, penalty),
        gen_loss=_gen_loss(discriminator, chains, view, loss),
        translate=two_domains.make_translate(generator),
        judged=two_domains.translations(chains),
        turns=tuple(config.train.turns),
        directions=two_domains.directions(chains),
        grid=tuple((source, fake) for fake, _, source in chains),
        value_range=value_range,
        size_multiple=generator.size_multiple,
    )
