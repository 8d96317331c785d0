"""The 2-D toy of the DiscoGAN paper (section 3.1): 5 source modes, 10 target modes."""

import numpy as np

from gan_xla.data.dataset import Arrays, Dataset, field
from gan_xla.errors import UserError

SIGMA = 0.1  # unless `data.spread` says another
RADIUS = 2.0
TRAIN, TEST = 100_000, 10_000
_MODES = {"A": 5, "B": 10}
# Half a step of B's ring, so that no mode of B lies on a mode of A: the identity is no answer.
_TURN = {"A": 0.0, "B": np.pi / 10}


def modes(domain):
    """Centres of the Gaussians of domain "A" or "B".

    Both lie on a circle of radius 2; neighbours are at least 1.2 apart, 12 times `SIGMA`.

    Returns:
      float32 [5, 2] for "A", [10, 2] for "B".
    """
    count = _MODES[domain]
    angles = np.pi / 2 + _TURN[domain] + 2 * np.pi * np.arange(count) / count
    return (RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=-1)).astype(np.float32)


def points(domain, split, sigma=SIGMA):
    """The fixed finite sample of a domain: equally many points of every mode.

    Args:
      domain: "A" or "B".
      split: "train" or "test".
      sigma: standard deviation of each mode.
    Returns:
      float32 [100000, 2] for "train", [10000, 2] for "test"; row i is of mode i % (number of modes).
    """
    count = {"train": TRAIN, "test": TEST}[split]
    generator = np.random.default_rng([ord(domain), count])
    centres = modes(domain)
    noise = generator.standard_normal((count, 2), dtype=np.float32)
    return centres[np.arange(count) % len(centres)] + np.float32(sigma) * noise


def load(data):
    """The toy as a data set of keys x_A and x_B (float32 [n, 2]), with modes of `data.spread`.

    Raises:
      UserError: `data` asks for images, labels or pairs.
    """
    for name, value in (("image_size", 0), ("channels", 2), ("labels", ()), ("paired", False)):
        if field(data, name, value) != value:
            raise UserError(f"data.{name}={field(data, name)!r}: the toy's points have data.{name}={value!r}")
    sigma = field(data, "spread", SIGMA)
    train, test = (
        tuple(Arrays(**{f"x_{domain}": points(domain, split, sigma)}) for domain in "AB") for split in ("train", "test")
    )
    about = (
        f"gmm: {TRAIN} training and {TEST} test points a domain, {_MODES['A']} modes in A, "
        f"{_MODES['B']} in B, sigma {sigma}"
    )
    return Dataset(train=train, test=test, about=about)
