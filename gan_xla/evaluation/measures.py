"""The measures of a trained method by name: what each reads from the images, and the numbers that it makes of that."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_xla.data.sources import gmm
from gan_xla.errors import UserError
from gan_xla.evaluation.features import stlpips
from gan_xla.evaluation.judges import azimuth
from gan_xla.evaluation.metrics import (
    frechet,
    inception_score,
    inputs,
    kernel,
    manifold,
    mixture,
    segmentation,
    similarity,
)
from gan_xla.evaluation.metrics.sliced_wasserstein import sliced_wasserstein
from gan_xla.evaluation.readers import SIMILARITIES, Columns

DIVERSITY_PAIRS = 1000
BLOCK = 1024  # rows of features taken to float64 at once

Values = dict[str, float | kernel.Estimate]


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
    judge: float | None
    facing: float | None
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


def mean(x: np.ndarray) -> kernel.Estimate:
    """Mean of [n] with its standard error, which needs two rows."""
    with np.errstate(invalid="ignore"):  # of values that are not finite, such as the PSNR of equal images
        error = x.std(ddof=1) / len(x) ** 0.5 if len(x) > 1 else np.nan
    return kernel.Estimate(float(x.mean()), float(error))


def _means(name: str, *others: str) -> Callable[[Seen], Values]:
    """Of a column, and of others where they are there."""
    return lambda seen: {x: mean(seen.made[x]) for x in (name, *(other for other in others if other in seen.made))}


def moments(features: np.ndarray) -> frechet.Moments:
    """Of [n, d], without a copy in float64."""
    result = frechet.Moments.empty(features.shape[1])
    for part in inputs.slices(len(features), BLOCK):
        result.update(features[part])
    return result


def _fd(seen: Seen) -> Values:
    return {"fd": frechet.distance(moments(seen.real["features"]), moments(seen.made["features"]))}


def _prdc(seen: Seen) -> Values:
    real, made = seen.real["features"], seen.made["features"]
    return {**manifold.precision_recall(real, made)._asdict(), **manifold.density_coverage(real, made)._asdict()}


def _sharpness(seen: Seen) -> Values:
    real = seen.real["sharpness"].mean()
    if not real:
        raise UserError("the real images are flat")
    made = mean(seen.made["sharpness"])
    return {"sharpness": kernel.Estimate(made.value / real, made.error / real)}


def _inception_score(seen: Seen) -> Values:
    splits = 10
    score = inception_score.inception_score(seen.made["logits"], splits=splits, seed=seen.seed)
    return {"inception_score": kernel.Estimate(score.mean, score.std / splits**0.5)}


def _diversity(seen: Seen) -> Values:
    both = {"diversity": seen.made["pixels"], "diversity_real": seen.real["pixels"]}
    return {name: similarity.diversity(x, DIVERSITY_PAIRS, seen.seed) for name, x in both.items()}


def _swd(seen: Seen) -> Values:
    real, made = seen.real["pixels"], seen.made["pixels"]
    count = min(len(real), len(made))
    found = sliced_wasserstein(real[:count], made[:count], seen.seed)
    return {"swd": float(np.mean(list(found.values()))), **{f"swd_{size}": x for size, x in found.items()}}


def _asked(seen: Seen) -> Values:
    return {"asked": mean(seen.made["asked"]), "asked_real": seen.judge}


def _azimuth(seen: Seen) -> Values:
    true, read = seen.made["azimuth_true"], seen.made["azimuth"]
    turned, mirrored = (azimuth.difference(read, azimuth.best_offset(x, read)) for x in (true, -true))
    return {
        "azimuth": mean(np.abs(azimuth.difference(read, true))),
        "azimuth_chance": float(np.mean(np.abs(azimuth.difference(read[:, None], true)))),
        "azimuth_turned": azimuth.mean_absolute_error(turned, true),
        "azimuth_mirrored": azimuth.mean_absolute_error(mirrored, -true),
        "azimuth_correlation": azimuth.circular_correlation(true, read),
        "azimuth_real": seen.facing,
    }


def _classes(seen: Seen) -> Values:
    found = segmentation.scores(seen.made["counts"].sum(axis=0))
    shares = {"pixel_accuracy": found.pixel_accuracy, "class_accuracy": found.class_accuracy, "miou": found.mean_iou}
    return {**shares, **{f"iou_{number}": float(x) for number, x in enumerate(found.ious)}}


def _modes(seen: Seen) -> Values:
    points, centres = seen.made["points"], gmm.modes(seen.key[-1])
    return {
        "modes": mixture.covered_modes(points, centres, seen.sigma),
        "high_quality": mixture.high_quality_share(points, centres, seen.sigma),
    }


def _kid(seen: Seen) -> Values:
    return {"kid": kernel.mmd2(seen.real["features"], seen.made["features"])}


_NETWORK = (("network",), ("network",))
_PIXELS = (("pixels",), ("pixels",))

# In the order of the table.
MEASURES = {
    "fd": Measure(*_NETWORK, _fd),
    "kid": Measure(*_NETWORK, _kid, least=kernel.LEAST),
    "prdc": Measure(*_NETWORK, _prdc),
    "inception_score": Measure(("network",), (), _inception_score),
    "diversity": Measure(*_PIXELS, _diversity),
    "swd": Measure(*_PIXELS, _swd),
    "sharpness": Measure(("sharpness",), ("sharpness",), _sharpness),
    "asked": Measure(("asked",), (), _asked),
    "cycle": Measure(("cycle",), (), _means("cycle")),
    **{name: Measure((name,), (), _means(name, f"{name}_input")) for name in (*SIMILARITIES, "lpips")},
    "classes": Measure(("classes",), (), _classes),
    "azimuth": Measure(("azimuth",), (), _azimuth, asked=True),
    "modes": Measure(("points",), (), _modes),
}

# What the numbers are called in print; {} is the feature network.
NAMES = {
    "fd": "FD ({})",
    "kid": "KD ({})",
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

    Args:
      number: such as "fd", "l1_input" (of the untouched input) or "swd_64" (of one scale); or a measure's name.
      network: `Features.name`, where one is used.
    """
    if network == "Inception-v3 (FID)":
        network = "Inception-v3"
        if number in ("fd", "kid"):
            return {"fd": "FID", "kid": "KID"}[number]
    if number.endswith("_input"):
        return f"{NAMES[number.removesuffix('_input')]}, of the input"
    if number.startswith("iou_"):
        return f"intersection over union of class {number.removeprefix('iou_')}"
    if number.startswith("swd_"):
        return f"sliced Wasserstein distance x 1000 at {number.removeprefix('swd_')} pixels"
    return NAMES.get(number, "{1} ({0})").format(network, number)
