"""What a translation or a drawing aims at: a direction, or label vectors."""

from collections.abc import Sequence

import numpy as np

from gan_xla.contract import Gan
from gan_xla.errors import UserError
from gan_xla.labels import LabelSpace


def target(gan: Gan, direction: str | None, domain: str | Sequence[str] | np.ndarray | None, count: int):
    """A direction of the method, or label vectors [count, d].

    Raises:
      UserError: what the method does not have.
    """
    labels = gan.labels
    if labels is None:
        if domain is not None:
            raise UserError(f"--domain: this model has directions, {' and '.join(gan.directions)}, not domains")
        return direction or gan.directions[0]
    if direction is not None or domain is None:
        raise UserError(f"--domain: say which of {', '.join(labels.domains)} to translate to")
    if isinstance(domain, np.ndarray):
        vectors = np.asarray(domain, np.float32)
        if vectors.shape not in ((labels.size,), (count, labels.size)):
            raise UserError(
                f"domain: label vectors are [{labels.size}] or [{count}, {labels.size}], not {list(vectors.shape)}"
            )
    else:
        vectors = labels.vector(domain.split(",") if isinstance(domain, str) else tuple(domain))
    return np.broadcast_to(vectors, (count, labels.size))


def vectors(space: LabelSpace | None, labels: Sequence[str | int] | None, n: int) -> np.ndarray | None:
    """Label vectors [n, d] of names, repeated to n, or of all in turn; None for a method without labels.

    Raises:
      UserError: unknown labels, or none that the model knows.
    """
    if space is None:
        if labels is not None:
            raise UserError("--labels: this model was trained without labels")
        return None
    names = [str(name) for name in labels] if labels is not None else space.domains
    unknown = [name for name in names if name not in space.domains]
    if unknown or not names:
        raise UserError(f"--labels={','.join(names)}: this model knows {', '.join(space.domains)}")
    return np.stack([space.vector([names[i % len(names)]]) for i in range(n)])


def graded(gan: Gan) -> bool:
    """Whether a translation of the method can be less than whole."""
    return gan.styles is not None or gan.classify is not None


def check_strength(gan: Gan, name: str, strength: float) -> None:
    """Raises UserError where a translation of the method cannot be so strong."""
    if not 0 <= strength <= 1:
        raise UserError(f"--strength={strength:g}: must be between 0 and 1")
    if strength < 1 and not graded(gan):
        raise UserError(f"--strength={strength:g}: this {name} model has no labels and no styles; leave it out")
