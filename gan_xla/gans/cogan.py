"""CoGAN: Liu and Tuzel, Coupled Generative Adversarial Networks, NeurIPS 2016."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from gan_xla import losses, nets
from gan_xla.contract import Array, Gan, Pair
from gan_xla.gans.shared import noise, two_domains, views
from gan_xla.images import sides
from gan_xla.nets import blocks
from gan_xla.nets.cogan import DOMAINS


def _make_losses(discriminator, loss: ml_collections.FrozenConfigDict, view: Callable):
    """`Gan.disc_loss` and `Gan.gen_loss` of the contract."""
    disc_terms, gan_term = losses.adversarial(loss.adversarial)

    def judge(params, stats, images, kind, ctx):
        seen = {domain: view(images, f"{kind}_{domain}", ctx) for domain in DOMAINS}
        (logits, _), _ = nets.apply(discriminator, (params, stats), seen, "batch")  # there are no statistics to keep
        return logits

    def disc_loss(disc_params, disc_stats, batch, fakes, ctx):
        """The sum of both domains' games (section 3)."""
        real = judge(disc_params, disc_stats, batch, "x", ctx)
        fake = judge(disc_params, disc_stats, fakes, "fake", ctx)
        logs = {f"loss/D_{domain}": sum(disc_terms(real[domain], fake[domain])) for domain in DOMAINS}
        total = sum(logs.values())
        return total, ({"loss/D": total, **logs}, disc_stats)

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        logits = judge(disc_params, disc_stats, fakes, "fake", ctx)
        logs = {f"loss/gan_{domain}": gan_term(x) for domain, x in logits.items()}
        total = sum(logs.values())
        return total, {"loss/G": total, **logs}

    return disc_loss, gen_loss


def search(distance: Callable[[Array], Array], z: Array, steps: int, rate: float) -> Array:
    """z [n, d] after `steps` of Adam against `distance` of it, [n], each row by itself."""
    adam = optax.adam(rate)

    def step(_, carry):
        z, memory = carry
        change, memory = adam.update(jax.grad(lambda z: jnp.sum(distance(z)))(z), memory)
        return optax.apply_updates(z, change), memory

    return jax.lax.fori_loop(0, steps, step, (z, adam.init(z)))[0]


def _make_translate(generator, latent: int, starts: int, steps: int, rate: float) -> Callable:
    """`Gan.translate`: z* = argmin_z |G_A(z) - x|^2, then G_B(z*) (section 5).

    The paper's search is L-BFGS; this is Adam, from several z at once, which are the same for all images.
    """
    first = np.random.default_rng(0).standard_normal((starts, 1, latent)).astype(np.float32)

    def translate(gen_params, gen_stats, x, target, statistics="running", keys=None):
        def draw(z, domain):
            return nets.apply(generator, (gen_params, gen_stats), z, statistics)[0][domain]

        def distance(z):
            return jnp.mean(jnp.square(draw(z, target[0]) - every), axis=(1, 2, 3))

        n, space = x.shape[0], x.shape[1:]
        every = jnp.broadcast_to(x, (starts, n, *space)).reshape(starts * n, *space)
        z = jnp.broadcast_to(first, (starts, n, latent)).reshape(starts * n, latent)
        z = search(distance, z, steps, rate)
        # Not by a gather of n rows, which SavedModels' version of StableHLO does not have.
        best = jnp.arange(starts)[:, None] == jnp.argmin(distance(z).reshape(starts, n), axis=0)
        z = jnp.sum(jnp.where(best[..., None], z.reshape(starts, n, latent), 0), axis=0)
        return draw(z, target[-1])

    return translate


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """CoGAN: pairs (x_A, x_B) from one z, learnt from unpaired images; translations by a search for z.

    `config.model`: `latent`, and of the search `search_starts`, `search_steps` and `search_rate`. `config.loss`:
    `adversarial` (log; lsgan, hinge), `augment` (see `views`). The networks are those of `gan_xla.nets.cogan`.

    Raises:
      UserError: unknown names or values in `config.model` or `config.loss`, or an impossible size of images.
    """
    model, size = config.model, config.data.image_size
    generator, discriminator = nets.pair(config, axis_name)
    value_range = blocks.OUTPUTS[generator.output][1]
    view = views.make_view(config.loss.augment, value_range)
    disc_loss, gen_loss = _make_losses(discriminator, ml_collections.FrozenConfigDict(config.loss), view)

    def init(key: Array) -> Pair:
        gen_key, disc_key = jax.random.split(key)
        images = {d: jnp.zeros((1, *sides(size), two_domains.channels_of(generator, d))) for d in DOMAINS}
        z = jnp.zeros((1, model.latent))
        return Pair(nets.init(generator, gen_key, z), nets.init(discriminator, disc_key, images))

    def generate(gen_params, gen_stats, batch, ctx):
        z, statistics = noise.normal(ctx, model.latent), "batch" if ctx.train else "running"
        made, stats = nets.apply(generator, (gen_params, gen_stats), z, statistics)
        return {f"fake_{domain}": x for domain, x in made.items()}, stats

    def sample(gen_params, gen_stats, z, label, ctx):
        made, _ = nets.apply(generator, (gen_params, gen_stats), z, "running")
        return {f"x_{domain}": x for domain, x in made.items()}

    return Gan(
        init=init,
        generate=generate,
        disc_loss=disc_loss,
        gen_loss=gen_loss,
        translate=_make_translate(generator, model.latent, model.search_starts, model.search_steps, model.search_rate),
        directions=("AtoB", "BtoA"),
        sample=sample,
        latent=model.latent,
        draws=("x_A", "x_B"),
        judged=("fake_A", "fake_B"),
        turns=tuple(config.train.turns),
        grid=(("fake_A", "fake_B"),),
        value_range=value_range,
    )
