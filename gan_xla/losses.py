"""Loss functions: adversarial, reconstruction, feature matching, contrastive, classification.

Each returns the mean over the samples that this device holds, so that the mean over the
devices is the loss of the global batch; where a loss is not a mean over samples it says so
and takes the name of the mapped axis.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from gan_xla.contract import Array
from gan_xla.errors import UserError
from gan_xla.labels import LabelSpace


def _flat(x: Array) -> Array:
    return x.reshape(x.shape[0], -1)


def gan_disc(real: Array, fake: Array) -> tuple[Array, Array]:
    """The discriminator's log loss on logits, of any shape.

    Returns:
      (-E log D(x), -E log(1 - D(G(z)))), D = sigmoid(logits).
    References:
      Goodfellow et al. 2014, equation 1.
    """
    return jnp.mean(jax.nn.softplus(-real)), jnp.mean(jax.nn.softplus(fake))


def gan_gen(fake: Array) -> Array:
    """The generator's non-saturating loss -E log D(G(z)) on logits, of any shape.

    References:
      Goodfellow et al. 2014, section 3; Kim et al. 2017 (DiscoGAN), equation 3.
    """
    return jnp.mean(jax.nn.softplus(-fake))


def lsgan_disc(real: Array, fake: Array) -> tuple[Array, Array]:
    """The discriminator's least-squares terms (E (D(x) - 1)^2, E D(G(z))^2), of any shape.

    References:
      Mao et al. 2017, equation 9, without the halves; Zhu et al. 2017 (CycleGAN), section 4.
    """
    return jnp.mean(jnp.square(real - 1)), jnp.mean(jnp.square(fake))


def lsgan_gen(fake: Array) -> Array:
    """The generator's least-squares loss E (D(G(z)) - 1)^2, of any shape; references as `lsgan_disc`."""
    return jnp.mean(jnp.square(fake - 1))


def hinge_disc(real: Array, fake: Array) -> tuple[Array, Array]:
    """The discriminator's hinge terms (E max(0, 1 - D(x)), E max(0, 1 + D(G(z)))), of any shape.

    References:
      Lim and Ye 2017 (Geometric GAN), section 3; Miyato et al. 2018 (spectral norm), equation 16.
    """
    return jnp.mean(jax.nn.relu(1 - real)), jnp.mean(jax.nn.relu(1 + fake))


def hinge_gen(fake: Array) -> Array:
    """The generator's loss -E D(G(z)) beside `hinge_disc` and `wgan_disc`; Miyato et al. 2018, equation 17."""
    return -jnp.mean(fake)


def minimax_gen(fake: Array) -> Array:
    """The generator's loss E log(1 - D(G(z))) of the minimax game itself, on logits, which saturates.

    References:
      Goodfellow et al. 2014, equation 1.
    """
    return -jnp.mean(jax.nn.softplus(fake))


def wgan_disc(real: Array, fake: Array) -> tuple[Array, Array]:
    """The critic's terms (-E D(x), E D(G(z))), of any shape; D must be kept Lipschitz, see `gradient_penalty`.

    References:
      Arjovsky et al. 2017, equation 2.
    """
    return -jnp.mean(real), jnp.mean(fake)


def _between(real: Array, fake: Array, keys: Array) -> Array:
    """A random point on the line between each real and fake sample."""
    epsilon = jax.vmap(lambda key: jax.random.uniform(key, dtype=real.dtype))(keys)
    epsilon = epsilon.reshape(-1, *[1] * (real.ndim - 1))
    return epsilon * real + (1 - epsilon) * fake


def gradient_penalty(
    critic: Callable[[Array], Array], real: Array, fake: Array, keys: Array, two_sided: bool = True
) -> Array:
    """E (||grad D(x_hat)||_2 - 1)^2 with x_hat on the lines between real and fake samples.

    Args:
      critic: images [n, ...] -> scores [n, ...], summed over each sample's. No batch norm: a sample
        should not act on another's score (PGGAN's minibatch standard deviation does, a little).
      real, fake: [n, ...].
      keys: one random key per sample, [n].
      two_sided: False to leave gradients below 1 alone.
    References:
      Gulrajani et al. 2017, equation 3 and section 4.
    """
    gradient = jax.grad(lambda x: jnp.sum(critic(x)))(_between(real, fake, keys))
    # The gradient of a norm at 0 is none; nothing comes to lie there but by a dead critic.
    norm = jnp.sqrt(jnp.maximum(jnp.sum(jnp.square(_flat(gradient)), -1), 1e-24))
    return jnp.mean(jnp.square(norm - 1 if two_sided else jax.nn.relu(norm - 1)))


def _squared_gradient(critic: Callable[[Array], Array], x: Array) -> Array:
    """E ||grad D(x)||^2 over the samples of x."""
    gradient = jax.grad(lambda x: jnp.sum(critic(x)))(x)
    return jnp.mean(jnp.sum(jnp.square(_flat(gradient)), -1))


def r1(critic: Callable[[Array], Array], real: Array, fake: Array, keys: Array) -> Array:
    """E ||grad D(x)||^2 / 2 on real samples; arguments as `gradient_penalty`.

    References:
      Mescheder et al. 2018, equation 9.
    """
    return _squared_gradient(critic, real) / 2


def r2(critic: Callable[[Array], Array], real: Array, fake: Array, keys: Array) -> Array:
    """E ||grad D(G(z))||^2 / 2 on fake samples; arguments as `gradient_penalty`.

    References:
      Mescheder et al. 2018, equation 10.
    """
    return _squared_gradient(critic, fake) / 2


def zero_centred(critic: Callable[[Array], Array], real: Array, fake: Array, keys: Array) -> Array:
    """E ||grad D(x_hat)||^2 with x_hat on the lines between real and fake samples; arguments as `gradient_penalty`.

    References:
      Thanh-Tung et al. 2019 (Improving Generalization and Stability of GANs), equation 8.
    """
    return _squared_gradient(critic, _between(real, fake, keys))


# Name -> (discriminator's terms, generator's loss).
ADVERSARIAL = {
    "log": (gan_disc, gan_gen),
    "minimax": (gan_disc, minimax_gen),
    "lsgan": (lsgan_disc, lsgan_gen),
    "hinge": (hinge_disc, hinge_gen),
    "wgan": (wgan_disc, hinge_gen),
}


PENALTIES = {
    "none": None,
    "wgan-gp": gradient_penalty,
    "wgan-gp-one-sided": partial(gradient_penalty, two_sided=False),
    "r1": r1,
    "r2": r2,
    "zero-gp": zero_centred,
}


def penalty(loss: Mapping, norm: str) -> Callable | None:
    """`PENALTIES[loss["penalty"]]` times `loss["penalty_weight"]`; None where there is none.

    Args:
      loss: the config's section.
      norm: kind of the discriminator's normalisation.
    Raises:
      UserError: there is none of that name, or D mixes the samples.
    """
    name = loss["penalty"]
    if name not in PENALTIES:
        raise UserError(f"loss.penalty={name!r} is unknown; use one of {', '.join(PENALTIES)}")
    function = PENALTIES[name]
    if function is None:
        return None
    if norm == "batch":
        raise UserError(
            f"loss.penalty={name!r} is on each sample's own gradient, which batch norm mixes; set "
            "model.discriminator.norm=instance or none"
        )
    return lambda *args: loss["penalty_weight"] * function(*args)


def adversarial(name: str) -> tuple[Callable, Callable]:
    """The pair `ADVERSARIAL[name]`, for the config's `loss.adversarial`.

    Raises:
      UserError: there is none of that name.
    """
    if name not in ADVERSARIAL:
        raise UserError(f"loss.adversarial={name!r} is unknown; use one of {', '.join(ADVERSARIAL)}")
    return ADVERSARIAL[name]


def mse(x: Array, y: Array) -> Array:
    """Mean squared difference."""
    return jnp.mean(jnp.square(x - y))


def l1(x: Array, y: Array) -> Array:
    """Mean absolute difference."""
    return jnp.mean(jnp.abs(x - y))


def huber(x: Array, y: Array, delta: float = 1.0) -> Array:
    """Mean of d^2/2 where |d| <= delta, else delta (|d| - delta/2); Huber 1964."""
    d = jnp.abs(x - y)
    return jnp.mean(jnp.where(d <= delta, 0.5 * jnp.square(d), delta * (d - 0.5 * delta)))


def cosine(x: Array, y: Array, eps: float = 1e-8) -> Array:
    """1 - cos of the angle between the samples as vectors, averaged over samples."""
    x, y = _flat(x), _flat(y)
    # The root of a sum that can be 0 has no gradient there; the bound goes inside it.
    norms = jnp.sqrt(jnp.maximum(jnp.sum(x * x, -1) * jnp.sum(y * y, -1), eps**2))
    return jnp.mean(1 - jnp.sum(x * y, -1) / norms)


def hinge(x: Array, y: Array, margin: float = 0.05) -> Array:
    """Mean of max(0, |d| - margin): differences up to `margin` are free.

    The DiscoGAN paper names a hinge distance without a formula; this is the
    epsilon-insensitive one of support vector regression (Vapnik 1995).
    """
    return jnp.mean(jax.nn.relu(jnp.abs(x - y) - margin))


RECONSTRUCTION = {"mse": mse, "l1": l1, "huber": huber, "cosine": cosine, "hinge": hinge}


def feature_matching(real: Sequence[Array], fake: Sequence[Array], axis_name: str | None = None) -> Array:
    """Squared distance of the batch means of a discriminator's activations, summed over layers.

    Not a mean over samples: the batch means are taken over the devices of `axis_name` too.

    Args:
      real, fake: activations per layer, [n, ...].
      axis_name: mapped axis that shares the batch, or None.
    References:
      Salimans et al. 2016, section 3.1; the hinge embedding loss of DiscoGAN's reference
      code, which for target 1 is the mean of the squares.
    """

    def mean(x):
        x = jnp.mean(x, axis=0)
        return x if axis_name is None else jax.lax.pmean(x, axis_name)

    return sum(jnp.mean(jnp.square(mean(r) - mean(f))) for r, f in zip(real, fake, strict=True))


def patch_nce(queries: Sequence[Array], keys: Sequence[Array], temperature: float) -> Array:
    """-log of what a query's own key has of exp(query key / temperature) over all keys of its image; mean over layers.

    Args:
      queries, keys: of each layer [n, places, d], of length 1 each; the key of a query is at the same place.
      temperature: tau.
    References:
      Park et al. 2020 (CUT), equations 2 and 3, whose sums over layers and places are means in the authors' code.
    """

    def layer(query, key):
        similarity = jnp.einsum("npd,nqd->npq", query, key) / temperature
        own = jnp.diagonal(similarity, axis1=1, axis2=2)
        return jnp.mean(jax.nn.logsumexp(similarity, axis=-1) - own)

    return sum(map(layer, queries, keys)) / len(queries)


def classification(labels: LabelSpace, logits: Array, label: Array) -> Array:
    """-log D_cls(c | x) over the labels that each sample's data set knows.

    Cross-entropy where labels are one-hot, else binary cross-entropy summed over the attributes.

    Args:
      labels: the label space.
      logits: [n, labels.count].
      label: vectors [n, labels.size].
    References:
      Choi et al. 2018 (StarGAN), equations 2 and 3, section 3.3; Odena et al. 2017 (AC-GAN), equation 3.
    """
    total = 0.0
    for number, part in enumerate(labels.sets):
        known = label[:, labels.count + number] if len(labels.sets) > 1 else 1.0
        y, target = logits[:, labels.columns(number)], label[:, labels.columns(number)]
        if part.one_hot:
            loss = -jnp.sum(target * jax.nn.log_softmax(y), axis=-1)
        else:
            loss = jnp.sum(jax.nn.softplus(y) - target * y, axis=-1)
        total += jnp.mean(known * loss)
    return total
