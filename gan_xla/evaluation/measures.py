"""The measures of a trained method by name: what each reads from the images, and the numbers that it makes of that."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_xla.data.sources import gmm
from gan_xla.errors import UserError
from gan_xla.evaluation.cases import STYLES
from gan_xla.evaluation.features import inception, stlpips
from gan_xla.evaluation.judges import azimuth
from gan_xla.evaluation.metrics import (
    confidence,
    frechet,
    inception_score,
    kernel,
    manifold,
    mixture,
    segmentation,
    similarity,
)
from gan_xla.evaluation.metrics.confidence import Estimate
from gan_xla.evaluation.metrics.sliced_wasserstein import sliced_wasserstein
from gan_xla.evaluation.readers import SIMILARITIES, Columns

DIVERSITY_PAIRS = 1000
PARTS = 5  # of the images, whose sliced Wasserstein distances tell how sure that of all is

Values = dict[str, Estimate]


class Seen(NamedTuple):
    """What was read from the images of one case.

    Attributes:
      made: from those that the model made: features float32 [n, d], logits [n, classes]; sharpness, cycle, l1,
        ... [n]; pixels uint8 [k, h, w, c] of the first k; points [n, 2].
      real: from the real ones: features, sharpness, and pixels of k.
      judge: accuracy of the classifier behind made["asked"], or None.
      facing: mean error of the regressor behind made["azimuth"], degrees, or None.
      key: of the real rows, such as "x_B".
      sigma: standard deviation of the toy's modes.
      seed: of what is drawn at random.
    """

    made: Columns
    real: Columns
    judge: Estimate | None
    facing: Estimate | None
    key: str
    sigma: float
    seed: int


class Measure(NamedTuple):
    """One entry of `MEASURES`.

    Attributes:
      made, real: readers (`gan_xla.evaluation.readers`) of what the model made and of real images.
      values: from what they read to the numbers by their short names.
      asked: only taken where it is asked for by name.
      least: images that it needs of each set.
    """

    made: tuple[str, ...]
    real: tuple[str, ...]
    values: Callable[[Seen], Values]
    asked: bool = False
    least: int = 1


def _means(name: str, *others: str) -> Callable[[Seen], Values]:
    """Of a column, and of others where they are there."""
    names = lambda made: (name, *(other for other in others if other in made))
    return lambda seen: {x: confidence.mean(seen.made[x]) for x in names(seen.made)}


def _fd(seen: Seen) -> Values:
    return {"fd": frechet.estimate(seen.real["features"], seen.made["features"])}


def _prdc(seen: Seen) -> Values:
    """Errors are of the images that are counted; those whose balls they fall into are taken as given."""
    real, made = seen.real["features"], seen.made["features"]
    precise, recalled = manifold.inside(real, made)
    density, covered = manifold.held(real, made)
    return {
        "precision": confidence.mean(precise),
        "recall": confidence.linear(recalled.mean(), real=recalled.astype(float)),
        "density": confidence.mean(density),
        "coverage": confidence.linear(covered.mean(), real=covered.astype(float)),
    }


def _sharpness(seen: Seen) -> Values:
    real = seen.real["sharpness"].mean()
    if not real:
        raise UserError("the real images are flat")
    relative = seen.made["sharpness"] / real
    both = confidence.linear(relative.mean(), made=relative, real=-relative.mean() * seen.real["sharpness"] / real)
    return {"sharpness": both._replace(scores=True)}


def _inception_score(seen: Seen) -> Values:
    splits = 10
    score = inception_score.inception_score(seen.made["logits"], splits=splits, seed=seen.seed)
    return {"inception_score": Estimate(score.mean, score.std / splits**0.5)}


def _diversity(seen: Seen) -> Values:
    both = {"diversity": seen.made["pixels"], "diversity_real": seen.real["pixels"]}
    return {name: _alike(x, seen.seed) for name, x in both.items()}


def _alike(images: np.ndarray, seed: int) -> Estimate:
    """Mean MS-SSIM of random pairs; an image that is drawn again takes its pairs along."""
    values, *pair = similarity.of_pairs(images, DIVERSITY_PAIRS, seed)

    def again(rows: np.ndarray) -> np.ndarray:
        times = np.bincount(rows, minlength=len(images))
        weights = times[pair[0]] * times[pair[1]]
        return np.atleast_1d(weights @ values / max(1, weights.sum()))

    return Estimate(float(values.mean()), float(confidence.bootstrap(again, len(images), seed=seed)[0]))


def _swd(seen: Seen) -> Values:
    real, made = seen.real["pixels"], seen.made["pixels"]
    count = min(len(real), len(made))
    found = _distances(real[:count], made[:count], seen.seed)
    errors = [np.nan] * len(found)
    if count >= 2 * PARTS:
        parts = [_distances(real[n:count:PARTS], made[n:count:PARTS], seen.seed) for n in range(PARTS)]
        errors = [confidence.of_parts(x).error for x in zip(*(part.values() for part in parts), strict=True)]
    return {name: Estimate(x, error) for (name, x), error in zip(found.items(), errors, strict=True)}


def _distances(real: np.ndarray, made: np.ndarray, seed: int) -> dict[str, float]:
    """Sliced Wasserstein distances of as many images of each: the mean of the scales, and that of each."""
    found = sliced_wasserstein(real, made, seed)
    return {"swd": float(np.mean(list(found.values()))), **{f"swd_{size}": x for size, x in found.items()}}


def _asked(seen: Seen) -> Values:
    return {"asked": confidence.mean(seen.made["asked"]), "asked_real": seen.judge}


def _azimuth(seen: Seen) -> Values:
    true, read = seen.made["azimuth_true"], seen.made["azimuth"]
    names = ("azimuth_chance", "azimuth_turned", "azimuth_mirrored", "azimuth_correlation")
    errors = confidence.bootstrap(lambda rows: _relations(true[rows], read[rows]), len(true), seed=seen.seed)
    others = zip(names, _relations(true, read), errors, strict=True)
    return {
        "azimuth": confidence.mean(np.abs(azimuth.difference(read, true))),
        **{name: Estimate(float(value), float(error)) for name, value, error in others},
        "azimuth_real": seen.facing,
    }


def _relations(true: np.ndarray, read: np.ndarray) -> np.ndarray:
    """Of azimuths [n]: mean error by chance, less the best turn, of the mirror image less that; correlation."""
    turned, mirrored = (azimuth.difference(read, azimuth.best_offset(x, read)) for x in (true, -true))
    return np.array(
        [
            np.mean(np.abs(azimuth.difference(read[:, None], true))),
            azimuth.mean_absolute_error(turned, true),
            azimuth.mean_absolute_error(mirrored, -true),
            azimuth.circular_correlation(true, read),
        ]
    )


def _classes(seen: Seen) -> Values:
    counts = seen.made["counts"]
    names = ("class_accuracy", "miou", *(f"iou_{number}" for number in range(counts.shape[-1])))
    right, pixels = np.trace(counts, axis1=1, axis2=2), counts.sum(axis=(1, 2))
    share = right.sum() / pixels.sum()
    each = share + (right - share * pixels) / pixels.mean()  # their mean is `share`
    errors = confidence.bootstrap(lambda rows: _shares(counts[rows].sum(axis=0)), len(counts), seed=seen.seed)
    others = zip(names, _shares(counts.sum(axis=0)), errors, strict=True)
    shares = {name: Estimate(float(value), float(error)) for name, value, error in others}
    return {"pixel_accuracy": confidence.mean(each), **shares}


def _shares(counts: np.ndarray) -> np.ndarray:
    found = segmentation.scores(counts)
    return np.array([found.class_accuracy, found.mean_iou, *found.ious])


def _modes(seen: Seen) -> Values:
    hits = mixture.near(seen.made["points"], gmm.modes(seen.key[-1]), seen.sigma)
    covered = lambda rows: np.atleast_1d(np.sum(hits[rows].mean(axis=0) >= mixture.SHARE))
    error = confidence.bootstrap(covered, len(hits), seed=seen.seed)[0]
    return {
        "modes": Estimate(float(covered(slice(None))[0]), float(error)),
        "high_quality": confidence.mean(hits.any(axis=1)),
    }


def _cmmd(seen: Seen) -> Values:
    return {"cmmd": kernel.cmmd(seen.real["features"], seen.made["features"])}


def _kid(seen: Seen) -> Values:
    return {"kid": kernel.mmd2(seen.real["features"], seen.made["features"])}


_NETWORK = (("network",), ("network",))
_PIXELS = (("pixels",), ("pixels",))

# In the order of the table.
MEASURES = {
    "fd": Measure(*_NETWORK, _fd),
    "kid": Measure(*_NETWORK, _kid, least=kernel.LEAST),
    "cmmd": Measure(*_NETWORK, _cmmd, least=kernel.LEAST),
    "prdc": Measure(*_NETWORK, _prdc),
    "inception_score": Measure(("network",), (), _inception_score),
    "diversity": Measure(*_PIXELS, _diversity),
    "swd": Measure(*_PIXELS, _swd),
    "sharpness": Measure(("sharpness",), ("sharpness",), _sharpness),
    "asked": Measure(("asked",), (), _asked),
    "cycle": Measure(("cycle",), (), _means("cycle")),
    **{name: Measure((name,), (), _means(name, f"{name}_input")) for name in (*SIMILARITIES, "lpips")},
    "styles": Measure(("styles",), (), _means("styles", "reference", "reference_other")),
    "best": Measure(("best",), (), _means("best")),
    "classes": Measure(("classes",), (), _classes),
    "azimuth": Measure(("azimuth",), (), _azimuth, asked=True),
    "modes": Measure(("points",), (), _modes),
}

# The measures of several numbers, by these.
MEASURED_BY = {
    **dict.fromkeys(("precision", "recall", "density", "coverage"), "prdc"),
    **dict.fromkeys(("pixel_accuracy", "class_accuracy", "miou"), "classes"),
    "high_quality": "modes",
}

# The protocols of FID and KID, by the networks that have the published weights.
PROTOCOLS = {inception.LEGACY[0]: "legacy", inception.CLEAN[0]: "clean"}

# What the numbers are called in print; {} is the feature network.
NAMES = {
    "fd": "FD ({})",
    "kid": "KD ({})",
    "cmmd": "CMMD ({})",
    "precision": "precision ({})",
    "recall": "recall ({})",
    "density": "density ({})",
    "coverage": "coverage ({})",
    "inception_score": "inception score ({})",
    "diversity": "MS-SSIM of random pairs",
    "diversity_real": "MS-SSIM of random pairs of real images",
    "swd": "sliced Wasserstein distance x 1000, mean of the scales",
    "sharpness": "sharpness relative to real images",
    "asked": "share read as asked by a classifier of real images",
    "asked_real": "accuracy of that classifier on real test images",
    "cycle": "L1 of the way back, of 255",
    "l1": "L1 to the truth, of 255",
    "psnr": "PSNR to the truth, dB",
    "ssim": "SSIM to the truth",
    "ms_ssim": "MS-SSIM to the truth",
    "lpips": f"{stlpips.NAME} to the truth",
    "styles": f"{stlpips.NAME} between translations of an image in two styles",
    "reference": f"{stlpips.NAME} of a translation in an image's style to that image",
    "reference_other": "that to another image",
    "best": f"L1 to the truth of the nearest of {STYLES} styles, of 255",
    "pixel_accuracy": "share of pixels of the true class",
    "class_accuracy": "that of each class, their mean",
    "miou": "intersection over union of classes, their mean",
    "azimuth": "azimuth: mean error in degrees",
    "azimuth_chance": "that of translations of other images, by chance",
    "azimuth_turned": "that less the best turn",
    "azimuth_mirrored": "that of the mirror image less the best turn",
    "azimuth_correlation": "circular correlation of azimuths",
    "azimuth_real": "mean error of the regressor that reads them, on real test images",
    "modes": "covered modes",
    "high_quality": "share of points within 3 sigma of a mode",
}


def title(number: str, network: str | None) -> str:
    """The name in print of a number by its short name; FID and KID are those of the network that papers use.

    How images come to a network's size is part of what is measured: `PROTOCOLS` says which name that has.

    Args:
      number: such as "fd", "l1_input" (of the untouched input) or "swd_64" (of one scale); or a measure's name.
      network: `Features.name`, where one is used.
    """
    if network in PROTOCOLS and number in ("fd", "kid"):
        return f"{ {'fd': 'FID', 'kid': 'KID'}[number] } ({PROTOCOLS[network]})"
    if number.endswith("_input"):
        return f"{NAMES[number.removesuffix('_input')]}, of the input"
    if number.startswith("iou_"):
        return f"intersection over union of class {number.removeprefix('iou_')}"
    if number.startswith("swd_"):
        return f"sliced Wasserstein distance x 1000 at {number.removeprefix('swd_')} pixels"
    return NAMES.get(number, "{1} ({0})").format(network, number)
