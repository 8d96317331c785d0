"""CoGAN: Liu and Tuzel, Coupled Generative Adversarial Networks, NeurIPS 2016.

A method of the tests: it draws pairs of images from one noise, with networks of its own.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections

from gan_xla import losses, nets
from gan_xla.contract import Array, Gan, Pair
from gan_xla.gans.shared import noise
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv, ConvTranspose

DOMAINS = ("A", "B")


class Generators(blocks.Network):
    """Both generators: they share all layers but the last (section 3).

    Attributes:
      size: height and width, 4 times a power of two.
      width: channels of the last shared layer.
      channels: of the images.
    """

    size: int = 16
    width: int = 4
    channels: int = 3

    @nn.compact
    def __call__(self, z: Array, batch_statistics: bool, keys: Array | None = None) -> dict[str, Array]:
        """[n, latent] -> {domain: [n, size, size, channels]}."""
        ups = (self.size // 4).bit_length() - 1
        x = blocks.linear(z, 16 * self.width * 2 ** (ups - 1)).reshape(-1, 4, 4, self.width * 2 ** (ups - 1))
        for i in reversed(range(ups)):
            x = nn.relu(blocks.Norm("batch", self.axis_name)(x, batch_statistics))
            if i:
                x = ConvTranspose(self.width * 2 ** (i - 1), 4, 2, 1)(x)
        return {domain: jnp.tanh(ConvTranspose(self.channels, 4, 2, 1, name=f"last_{domain}")(x)) for domain in DOMAINS}


class Discriminators(blocks.Network):
    """Both discriminators: they share all layers but the first.

    Attributes:
      size, width: as the generators'.
    """

    size: int = 16
    width: int = 4

    @nn.compact
    def __call__(self, images: dict[str, Array], batch_statistics: bool, keys: Array | None = None) -> dict[str, Array]:
        """{domain: [n, size, size, c]} -> {domain: logits [n, 1, 1, 1]}."""
        x = jnp.concatenate([Conv(self.width, 4, 2, 1, name=f"first_{domain}")(images[domain]) for domain in DOMAINS])
        for i in range((self.size // 8).bit_length() - 1):
            x = Conv(self.width * 2 ** (i + 1), 4, 2, 1)(nn.leaky_relu(x, 0.2))
        return dict(zip(DOMAINS, jnp.split(Conv(1, 4)(nn.leaky_relu(x, 0.2)), len(DOMAINS)), strict=True))


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """CoGAN. `config.loss.adversarial`: log in the paper; `config.model`: `latent`, and `width` of both networks."""
    size, channels, latent = config.data.image_size, config.data.channels, config.model.latent
    generators = Generators(axis_name, size=size, width=config.model.width, channels=channels)
    discriminators = Discriminators(axis_name, size=size, width=config.model.width)
    disc_terms, gan_term = losses.adversarial(config.loss.adversarial)

    def judge(params, stats, images):
        return nets.apply(discriminators, (params, stats), images, "batch")[0]

    def init(key: Array) -> Pair:
        gen_key, disc_key = jax.random.split(key)
        x = jnp.zeros((1, size, size, channels))
        images = dict.fromkeys(DOMAINS, x)
        return Pair(nets.init(generators, gen_key, jnp.zeros((1, latent))), nets.init(discriminators, disc_key, images))

    def generate(gen_params, gen_stats, batch, ctx):
        made, stats = nets.apply(
            generators, (gen_params, gen_stats), noise.normal(ctx, latent), "batch" if ctx.train else "running"
        )
        return {f"fake_{domain}": x for domain, x in made.items()}, stats

    def disc_loss(disc_params, disc_stats, batch, fakes, ctx):
        """Minus equation 1: the sum of both domains' games."""
        real = judge(disc_params, disc_stats, {domain: batch[f"x_{domain}"] for domain in DOMAINS})
        fake = judge(disc_params, disc_stats, {domain: fakes[f"fake_{domain}"] for domain in DOMAINS})
        logs = {f"loss/D_{domain}": sum(disc_terms(real[domain], fake[domain])) for domain in DOMAINS}
        total = sum(logs.values())
        return total, ({"loss/D": total, **logs}, disc_stats)

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        logits = judge(disc_params, disc_stats, {domain: fakes[f"fake_{domain}"] for domain in DOMAINS})
        total = sum(gan_term(x) for x in logits.values())
        return total, {"loss/G": total}

    def sample(gen_params, gen_stats, z, label, ctx):
        made, _ = nets.apply(generators, (gen_params, gen_stats), z, "running")
        return {f"x_{domain}": x for domain, x in made.items()}

    return Gan(
        init=init,
        generate=generate,
        disc_loss=disc_loss,
        gen_loss=gen_loss,
        sample=sample,
        latent=latent,
        draws=("x_A", "x_B"),
        judged=("fake_A", "fake_B"),
        turns=tuple(config.train.turns),
        grid=(("fake_A", "fake_B"),),
        value_range=(-1.0, 1.0),
    )
