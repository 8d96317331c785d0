"""CUT: Park et al., Contrastive Learning for Unpaired Image-to-Image Translation, ECCV 2020.

A method of the tests: it needs features of its generator and a network of its own, F, beside it.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import optax

from gan_xla import losses, nets
from gan_xla.contract import Array, Gan, Net, Pair, Tree
from gan_xla.gans.shared import two_domains
from gan_xla.nets import blocks

CHAINS = (("x_AB", "G_AB", "x_A"), ("x_BB", "G_AB", "x_B"))  # G(x), and the identity G(y), section 3


class Heads(nn.Module):
    """F, appendix C: a perceptron for each layer, whose results have length 1.

    Attributes:
      width: of both layers.
    """

    width: int

    @nn.compact
    def __call__(self, layers: list[Array]) -> list[Array]:
        """[n, places, c] of each layer -> [n, places, width]."""
        made = [nn.Dense(self.width)(nn.relu(nn.Dense(self.width)(x))) for x in layers]
        return [x * jax.lax.rsqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-7) for x in made]


def _at(x: Array, keys: Array, places: int) -> Array:
    """Features [n, h, w, c] at random places of each sample, [n, places, c]."""
    rows = x.reshape(x.shape[0], -1, x.shape[-1])
    count = min(places, rows.shape[1])
    chosen = jax.vmap(lambda key: jax.random.permutation(key, rows.shape[1])[:count])(keys)
    return jnp.take_along_axis(rows, chosen[..., None], axis=1)


def patch_nce(queries: list[Array], keys: list[Array], tau: float) -> Array:
    """Equation 4: each query [n, places, d] is to find its key among those of the same image; mean over layers."""

    def layer(query, key):
        logits = jnp.einsum("npd,nqd->npq", query, key) / tau
        return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.arange(logits.shape[-1])[None]).mean()

    return sum(map(layer, queries, keys)) / len(queries)


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """CUT. `config.loss`: `adversarial`, `lambda_nce` and `lambda_identity` (weights of PatchNCE on G(x) and on G(y)),
    `tau`, `places`, `layers` (numbers of the activations that G shows), `disc_weight`; `config.model.head`: width of F.
    """
    loss, size = ml_collections.FrozenConfigDict(config.loss), config.data.image_size
    generator, discriminator = nets.pair(config, axis_name)
    heads = Heads(config.model.head)
    disc_terms, gan_term = losses.adversarial(loss.adversarial)
    weights = {"x_AB": loss.lambda_nce, "x_BB": loss.lambda_identity}

    def run(params: Tree, stats: Tree, x: Array):
        """(G(x), the chosen features on the way, statistics)."""
        (y, shown), stats = nets.apply(generator, (params["G_AB"], stats["G_AB"]), x, "batch", features=True)
        return y, [shown[i] for i in loss.layers], stats

    def init(key: Array) -> Pair:
        key, heads_key = jax.random.split(key)
        gen, disc = two_domains.make_init(generator, discriminator, CHAINS, size)(key)
        _, shown, _ = run(gen.params, gen.stats, jnp.zeros((1, size, size, generator.channels)))
        own = heads.init(heads_key, [x.reshape(1, -1, x.shape[-1]) for x in shown])["params"]
        return Pair(Net({**gen.params, "F": own}, {**gen.stats, "F": {}}), disc)

    def generate(gen_params, gen_stats, batch, ctx):
        fakes, places = {}, ctx.keys("places")
        for fake, _, source in CHAINS:
            fakes[fake], real, stats = run(gen_params, gen_stats, batch[source])
            _, made, _ = run(gen_params, gen_stats, fakes[fake])
            of_fake, of_real = (
                heads.apply({"params": gen_params["F"]}, [_at(x, places, loss.places) for x in features])
                for features in (made, real)
            )
            fakes |= {f"queries_{fake}": of_fake, f"keys_{fake}": jax.lax.stop_gradient(of_real)}
        return fakes, {**gen_stats, "G_AB": stats}

    def gen_loss(disc_params, disc_stats, batch, fakes, ctx):
        logits, _, _ = two_domains.judge(discriminator, disc_params, disc_stats, "D_B", fakes["x_AB"])
        terms = {"loss/gan": gan_term(logits)}
        for fake, weight in weights.items():
            terms[f"loss/nce_{fake}"] = weight * patch_nce(fakes[f"queries_{fake}"], fakes[f"keys_{fake}"], loss.tau)
        total = sum(terms.values())
        return total, {"loss/G": total, **terms}

    return Gan(
        init=init,
        generate=generate,
        disc_loss=two_domains.make_disc_loss(discriminator, disc_terms, loss.disc_weight),
        gen_loss=gen_loss,
        translate=two_domains.make_translate(generator),
        judged=two_domains.translations(CHAINS),
        turns=tuple(config.train.turns),
        directions=two_domains.directions(CHAINS),
        grid=(("x_A", "x_AB"), ("x_B", "x_BB")),
        value_range=blocks.OUTPUTS[generator.output][1],
        size_multiple=generator.size_multiple,
    )
