"""MUNIT: Huang et al., Multimodal Unsupervised Image-to-Image Translation, ECCV 2018."""

from collections.abc import Callable

import jax.numpy as jnp
import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Ctx, Gan, Styles, Tree
from gan_xla.errors import UserError
from gan_xla.gans.shared import autoencoders, noise, two_domains, views
from gan_xla.gans.shared.autoencoders import Coder
from gan_xla.nets import blocks

SHOWN = 3  # styles in the sample pictures


def _make_generate(module, cycle: bool) -> Callable:
    """`Gan.generate`: x_AA, x_AB, the codes c_A, s_B that x_AB is made of and c_AB, s_AB read from it, both ways."""

    def generate(gen_params: Tree, gen_stats: Tree, batch: Tree, ctx: Ctx) -> tuple[Tree, Tree]:
        coder, fakes = Coder(module, gen_params, gen_stats), {}
        for a, b in autoencoders.WAYS:
            content, style = coder.content(a, batch[f"x_{a}"]), coder.style(a, batch[f"x_{a}"])
            drawn = noise.normal(ctx, module.style, name=f"s_{b}")
            fakes[f"x_{a}{a}"] = coder.decode(a, content, style)
            fakes[f"x_{a}{b}"] = made = coder.decode(b, content, drawn)
            fakes |= {f"c_{a}": content, f"s_{b}": drawn}
            fakes |= {f"c_{a}{b}": coder.content(b, made), f"s_{a}{b}": coder.style(b, made)}
            if cycle:
                fakes[f"x_{a}{b}{a}"] = coder.decode(a, fakes[f"c_{a}{b}"], style)
        return fakes, gen_stats

    return generate


def _make_terms(loss: ml_collections.FrozenConfigDict) -> Callable:
    def terms(a, b, fakes, batch):
        """Of a way: equations 3 and 4, content and style of a translation are those that it is made of."""
        return {
            f"loss/content_{a}": loss.lambda_c * losses.l1(fakes[f"c_{a}{b}"], fakes[f"c_{a}"]),
            f"loss/style_{b}": loss.lambda_s * losses.l1(fakes[f"s_{a}{b}"], fakes[f"s_{b}"]),
        }

    return terms


def _make_preview(module, translate: Callable, read: Callable) -> Callable:
    """`Gan.preview`: again, in some styles, one a column, and in that of the image of the other domain beside it."""

    def preview(gen_params: Tree, gen_stats: Tree, batch: Tree, ctx: Ctx) -> tuple[Tree, Tree]:
        shown, net = {}, (gen_params, gen_stats)
        for a, b in autoencoders.WAYS:
            x, target = batch[f"x_{a}"], f"{a}to{b}"
            shown[f"again_{a}"] = translate(*net, x, f"{a}to{a}", "batch", None, read(*net, x, f"{a}to{a}"))
            for number in range(SHOWN):
                z = noise.normal(ctx, module.style, name=f"z{number}")
                z = jnp.broadcast_to(z[:1], z.shape)
                shown[f"style{number}_{b}"] = translate(*net, x, target, "batch", None, z)
            style = read(*net, batch[f"x_{b}"], target)
            shown[f"reference_{b}"] = translate(*net, x, target, "batch", None, style)
        return shown, gen_stats

    return preview


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """MUNIT: a code of content, which both domains share, and one of style, which is a domain's own and free.

    `config.loss`: `gan_weight`, `lambda_x` (x_AA), `lambda_c`, `lambda_s` (codes), `lambda_cycle` (x_ABA in the style
    of x_A, section 5.1's loss for some data; 0 leaves it out), `disc_weight`, `augment` (see `views`).

    Raises:
      UserError: unknown names or values in `config.model` or `config.loss`, or a generator without styles.
    """
    loss = ml_collections.FrozenConfigDict(config.loss)
    generator, discriminator = nets.pair(config, axis_name)
    if not generator.style:
        raise UserError("model.generator.style=0: MUNIT needs codes of 1 or more numbers; or use --config=unit")
    value_range = blocks.OUTPUTS[generator.output][1]
    view = views.make_view(loss.augment, value_range)

    def translate(gen_params, gen_stats, x, target, statistics, keys, style):
        coder = Coder(generator, gen_params, gen_stats)
        return coder.decode(target[-1], coder.content(target[0], x), style)

    def read(gen_params, gen_stats, x, target):
        return Coder(generator, gen_params, gen_stats).style(target[-1], x)

    row = [f"style{number}" for number in range(SHOWN)]
    return Gan(
        init=autoencoders.make_init(generator, discriminator, config.data.image_size),
        generate=_make_generate(generator, bool(loss.lambda_cycle)),
        preview=_make_preview(generator, translate, read),
        disc_loss=two_domains.make_disc_loss(discriminator, two_domains.lsgan_of_several, loss.disc_weight, view),
        gen_loss=autoencoders.make_gen_loss(discriminator, view, _make_terms(loss), loss),
        translate=translate,
        styles=Styles(generator.style, generator.style, draw=lambda params, stats, z, target: z, read=read),
        judged=("x_AB", "x_BA"),
        turns=tuple(config.train.turns),
        directions=autoencoders.DIRECTIONS,
        grid=tuple(
            (f"x_{a}", f"again_{a}", *(f"{name}_{b}" for name in row), f"x_{b}", f"reference_{b}")
            for a, b in autoencoders.WAYS
        ),
        value_range=value_range,
        size_multiple=generator.size_multiple,
    )
