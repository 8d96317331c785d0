"""U-GAT-IT: Kim et al., Unsupervised Generative Attentional Networks with Adaptive Layer-Instance Normalization for
Image-to-Image Translation, ICLR 2020."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Ctx, Gan, Tree
from gan_xla.gans.shared import two_domains, views
from gan_xla.nets import blocks

CHAINS = (*two_domains.FORTH_AND_BACK, ("x_BB", "G_AB", "x_B"), ("x_AA", "G_BA", "x_A"))


def _make_generate(module) -> Callable:
    """`Gan.generate`: the images of `CHAINS`, and of those from real ones G's logits, such as cam_AB."""

    def generate(gen_params: Tree, gen_stats: Tree, batch: Tree, ctx: Ctx) -> tuple[Tree, Tree]:
        x, logits = dict(batch), {}
        for result, name, source in CHAINS:
            net = gen_params[name], gen_stats[name]
            network = two_domains.towards(module, name)
            (x[result], (shown,)), _ = nets.apply(network, net, x[source], "batch", features=True)
            if source in batch:
                logits[f"cam{result[1:]}"] = shown
        return {result: x[result] for result, _, _ in CHAINS} | logits, gen_stats

    return generate


def _gen_loss(module, view: Callable, loss: ml_collections.FrozenConfigDict):
    """`Gan.gen_loss` of the contract."""

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        """Section 2.2, equations 3 to 7: adversarial, cycle, identity and CAM losses."""
        terms = {}
        for a, b in ("AB", "BA"):
            outputs, _, _ = two_domains.judge(module, disc_params, disc_stats, f"D_{b}", view(fakes, f"x_{a}{b}", ctx))
            terms[f"loss/gan_{b}"] = loss.gan_weight * sum(map(losses.lsgan_gen, outputs))
            terms[f"loss/cycle_{a}"] = loss.lambda_cycle * losses.l1(fakes[f"x_{a}{b}{a}"], batch[f"x_{a}"])
            terms[f"loss/identity_{b}"] = loss.lambda_identity * losses.l1(fakes[f"x_{b}{b}"], batch[f"x_{b}"])
            # The classifiers of G_AB tell images of A, which are to change, from those of B.
            told = losses.gan_gen(fakes[f"cam_{a}{b}"]) + losses.gan_gen(-fakes[f"cam_{b}{b}"])
            terms[f"loss/cam_{b}"] = loss.lambda_cam * told
        total = sum(terms.values())
        return total, {"loss/G": total, **terms}

    return gen_loss


def _constrain(gen_params: Tree) -> Tree:
    """G's parameters with every rho between 0 and 1 (section 2.1.1)."""

    def leaf(path, x):
        return jnp.clip(x, 0, 1) if path[-1].key == "rho" else x

    return jax.tree_util.tree_map_with_path(leaf, gen_params)


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """U-GAT-IT.

    `config.loss`: `gan_weight`, `lambda_cycle`, `lambda_identity` and `lambda_cam` (weights of G's losses),
    `disc_weight`, `augment` (see `views`).

    Raises:
      UserError: unknown names or values in `config.model` or `config.loss`, or domains of different channels.
    """
    loss = ml_collections.FrozenConfigDict(config.loss)
    generator, discriminator = nets.pair(config, axis_name)
    value_range = blocks.OUTPUTS[generator.output][1]
    view = views.make_view(loss.augment, value_range)
    return Gan(
        init=two_domains.make_init(generator, discriminator, CHAINS, config.data.image_size),
        generate=_make_generate(generator),
        disc_loss=two_domains.make_disc_loss(discriminator, two_domains.lsgan_of_several, loss.disc_weight, view),
        gen_loss=_gen_loss(discriminator, view, loss),
        translate=two_domains.make_translate(generator),
        judged=two_domains.translations(CHAINS),
        turns=tuple(config.train.turns),
        directions=two_domains.directions(CHAINS),
        grid=two_domains.grid(CHAINS),
        value_range=value_range,
        size_multiple=generator.size_multiple,
        constrain=_constrain,
    )
