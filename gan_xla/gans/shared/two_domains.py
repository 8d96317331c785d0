"""What the methods that translate between two domains share: chains of generators.

A chain is (result, generator, source): ("x_ABA", "G_BA", "x_AB") says x_ABA = G_BA(x_AB).
"""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_xla import losses, nets
from gan_xla.contract import USUAL, Array, Ctx, Habit, Net, Pair, Tree
from gan_xla.errors import UserError
from gan_xla.gans.shared import views
from gan_xla.images import Size, sides

Chain = tuple[str, str, str]

FORTH_AND_BACK: tuple[Chain, ...] = (
    ("x_AB", "G_AB", "x_A"),
    ("x_BA", "G_BA", "x_B"),
    ("x_ABA", "G_BA", "x_AB"),
    ("x_BAB", "G_AB", "x_BA"),
)

ONE_WAY: dict[str, tuple[Chain, ...]] = {
    "AtoB": (("x_AB", "G_AB", "x_A"),),
    "BtoA": (("x_BA", "G_BA", "x_B"),),
}


def one_way(direction: str) -> tuple[Chain, ...]:
    """`ONE_WAY[direction]`, for the config's `model.direction`.

    Raises:
      UserError: there is no such direction.
    """
    if direction not in ONE_WAY:
        raise UserError(f"model.direction={direction!r} is unknown; use one of {', '.join(ONE_WAY)}")
    return ONE_WAY[direction]


def channels_of(generator: nn.Module, name: str) -> int:
    """Channels of the images that are called `name`, as its last letter says: of x_AB those of B."""
    channels = generator.channels
    return channels["AB".index(name[-1])] if isinstance(channels, tuple) else channels


def towards(generator: nn.Module, name: str) -> nn.Module:
    """The generator called `name`, as its last letter says."""
    return (
        generator.clone(channels=channels_of(generator, name)) if isinstance(generator.channels, tuple) else generator
    )


def make_init(
    generator: nn.Module, discriminator: nn.Module, chains: Sequence[Chain], size: Size, seen: int = 1
) -> Callable:
    """`Gan.init` of the generators in `chains` and a discriminator for each translation's domain.

    Args:
      generator, discriminator: modules.
      chains: what is generated.
      size: height and width of the images; 0 for points.
      seen: images that a discriminator sees at once, concatenated: 1, or 2 of A and of B.
    Raises:
      UserError: a chain begins with images of other channels than its generator takes.
    """
    space = sides(size) if size else ()
    for result, name, source in chains:
        if channels_of(generator, source) != channels_of(generator, name[:-1]):
            raise UserError(
                f"{result} is {name} of {source}, which needs images of as many channels in A as in B, not "
                f"{generator.channels}: set loss.lambda_identity=0, or data.channels alone"
            )
    takes = {name: channels_of(generator, source) for _, name, source in chains}
    sees = {f"D_{fake[-1]}": channels_of(generator, fake) for fake in translations(chains)}
    if seen == 2:
        sees = dict.fromkeys(sees, channels_of(generator, "x_A") + channels_of(generator, "x_B"))

    def side(modules: dict[str, nn.Module], channels: dict[str, int], key: Array) -> Net:
        keys = jax.random.split(key, len(modules))  # every network has its own
        made = {
            name: nets.init(module, k, jnp.zeros((1, *space, channels[name])))
            for (name, module), k in zip(modules.items(), keys, strict=True)
        }
        return Net({name: net.params for name, net in made.items()}, {name: net.stats for name, net in made.items()})

    def init(key: Array) -> Pair:
        gen_key, disc_key = jax.random.split(key)
        gen = {name: towards(generator, name) for name in sorted(takes)}
        return Pair(side(gen, takes, gen_key), side(dict.fromkeys(sees, discriminator), sees, disc_key))

    return init


def make_generate(module: nn.Module, chains: Sequence[Chain], habit: Habit = USUAL) -> Callable:
    """`Gan.generate`: all results of `chains`; those from real images come first."""

    def generate(gen_params: Tree, gen_stats: Tree, batch: Tree, ctx: Ctx) -> tuple[Tree, Tree]:
        x, new_stats = dict(batch), {}
        for result, name, source in chains:
            keys = ctx.keys(result) if ctx.train or habit.dropout else None
            statistics = "batch" if ctx.train else habit.statistics
            network = towards(module, name)
            x[result], stats = nets.apply(network, (gen_params[name], gen_stats[name]), x[source], statistics, keys)
            # The first pass is the one on real images; the pass on translations must not shift
            # the averages that inference on real images relies on.
            new_stats.setdefault(name, stats)
        return {result: x[result] for result, _, _ in chains}, new_stats

    return generate


def judge(module: nn.Module, disc_params: Tree, disc_stats: Tree, name: str, x: Array):
    """(logits, activations, statistics after the call) of the discriminator `name` on x."""
    (logits, features), stats = nets.apply(module, (disc_params[name], disc_stats[name]), x, "batch")
    return logits, features, stats


def make_disc_loss(
    module: nn.Module, terms: Callable, weight: float, view: Callable = views.plain, penalty: Callable | None = None
) -> Callable:
    """`Gan.disc_loss`: the sum over both domains of `weight` times the terms on real and fake, and of the penalty.

    Args:
      module: the discriminator.
      terms: (real logits, fake logits) -> (loss on real, loss on fake), of `losses.ADVERSARIAL`.
      weight: factor of each domain's terms.
      view: what a discriminator sees, of `views.make_view`.
      penalty: on the discriminator's gradient, of `losses.penalty`; None for none.
    """

    def disc_loss(disc_params: Tree, disc_stats: Tree, batch: Tree, fakes: Tree, ctx: Ctx):
        logs, new_stats, images = {}, {}, {**batch, **fakes}
        for fake in fakes:
            domain = fake[-1]
            name = f"D_{domain}"

            def critic(x, name=name):
                return judge(module, disc_params, disc_stats, name, x)[0]

            real_view, fake_view = view(images, f"x_{domain}", ctx), view(images, fake, ctx)
            real_logits, _, new_stats[name] = judge(module, disc_params, disc_stats, name, real_view)
            logs[f"loss/{name}"] = weight * sum(terms(real_logits, critic(fake_view)))
            if penalty:
                logs[f"loss/{name}_penalty"] = penalty(critic, real_view, fake_view, ctx.keys(f"penalty {name}"))
        total = sum(logs.values())
        return total, ({"loss/D": total, **logs}, new_stats)

    return disc_loss


def lsgan_of_several(real: tuple[Array, ...], fake: tuple[Array, ...]) -> tuple[Array, Array]:
    """The least-squares terms of discriminators with several outputs, summed over these."""
    pairs = [losses.lsgan_disc(*outputs) for outputs in zip(real, fake, strict=True)]
    return sum(one for one, _ in pairs), sum(other for _, other in pairs)


def make_translate(module: nn.Module) -> Callable:
    """`Gan.translate`: "AtoB" is G_AB."""

    def translate(gen_params: Tree, gen_stats: Tree, x: Array, target: str, statistics: str, keys: Array | None):
        name = f"G_{target[0]}{target[-1]}"
        return nets.apply(towards(module, name), (gen_params[name], gen_stats[name]), x, statistics, keys)[0]

    return translate


def translations(chains: Sequence[Chain]) -> tuple[str, ...]:
    """The results that discriminators judge: images of one domain made from real ones of the other."""
    return tuple(result for result, _, source in chains if source in ("x_A", "x_B") and result[-1] != source[-1])


def directions(chains: Sequence[Chain]) -> tuple[str, ...]:
    """`Gan.directions`."""
    return tuple(f"{fake[-2]}to{fake[-1]}" for fake in translations(chains))


def grid(chains: Sequence[Chain]) -> tuple[tuple[str, ...], ...]:
    """`Gan.grid`: source, translation, and the way back where there is one."""
    back = {source: result for result, _, source in chains}
    return tuple((f"x_{fake[-2]}", fake, *([back[fake]] if fake in back else [])) for fake in translations(chains))
