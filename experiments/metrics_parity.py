"""Do our metrics give the numbers of the libraries that papers use? On real images and on features of them.

  python -m experiments.metrics_parity [--output=DIR]

Compares with torch-fidelity, prdc (by Naeem et al.), scikit-image, pytorch-msssim and torchmetrics on the built-in
chairs and cars. The features are fixed random projections of the pixels, since the arithmetic after the network is
what is compared; they are float64, except where the table says float32. Images are compared with the next view of
the same model. clean-fid is asked how it resizes; CMMD, of which there is no package, is compared with its equation on
distances of scipy's. Prints a table, and with --output writes scores.json and scores.md. Needs

  pip install torch-fidelity prdc scikit-image pytorch-msssim torchmetrics clean-fid

torchmetrics' MS-SSIM is the one number that differs by more than round-off: its coarsest scale counts the window's
places across the border, on mirrored pixels, while we follow Wang et al. and count only those inside.
"""

import argparse
import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial import distance

from experiments import common
from gan_xla.data.sources import builtin
from gan_xla.errors import UserError
from gan_xla.evaluation.features import inception, resizing
from gan_xla.evaluation.metrics import frechet, inception_score, kernel, manifold, segmentation, similarity

FEATURES, CLASSES = 64, 10
SUBSETS, SUBSET_SIZE = 20, 100
SEED = 2020
LARGE = 176  # the least that torchmetrics takes for five scales
FEW = 8  # images of that size
PACKAGES = "torch-fidelity prdc scikit-image pytorch-msssim torchmetrics clean-fid"
SIGMA = 10  # of CMMD's kernel
PALETTE = np.array([[255, 255, 255], [0, 0, 0], [128, 128, 128], [128, 64, 32]], np.uint8)


class Row(NamedTuple):
    """One number twice.

    Attributes:
      measure: its name.
      reference: the library that `theirs` is from.
      ours, theirs: a number, or one for each image [n].
      tolerance: the most that `difference` may be.
    """

    measure: str
    reference: str
    ours: float | np.ndarray
    theirs: float | np.ndarray
    tolerance: float = 1e-6

    @property
    def difference(self) -> float:
        """The largest difference, relative to `theirs`."""
        theirs = np.abs(self.theirs)
        return float(np.max(np.abs(np.subtract(self.ours, self.theirs)) / np.where(theirs, theirs, 1)))


def project(images: np.ndarray, width: int) -> np.ndarray:
    """Features [n, width] of uint8 [n, h, w, c] by a fixed random projection, of a standard deviation near 1."""
    pixels = images.reshape(len(images), -1) / 255.0
    return (pixels - 0.9) @ np.random.default_rng(width).standard_normal((pixels.shape[1], width)) / 16


def of_features(name: str, real: np.ndarray, fake: np.ndarray) -> Iterator[Row]:
    """Distances and shares of two sets of features [n, d] beside torch-fidelity's and prdc's."""
    import prdc
    import torch
    from torch_fidelity import metric_fid, metric_kid, metric_prc

    moments = [frechet.Moments.of(x) for x in (real, fake)]
    tensors = [torch.from_numpy(x) for x in (real, fake)]
    statistics = [metric_fid.fid_features_to_statistics(x) for x in tensors]
    theirs = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    yield Row(f"FID, {name}", "torch-fidelity", frechet.distance(*moments), *theirs.values())

    # The standard deviation is a small difference of large sums, which the reference adds up in the features' type.
    tolerance = 1e-6 if real.dtype == np.float64 else 1e-5
    kid = kernel.kid(real, fake, subsets=SUBSETS, subset_size=SUBSET_SIZE, seed=SEED)
    options = {"kid_subsets": SUBSETS, "kid_subset_size": SUBSET_SIZE, "rng_seed": SEED, "verbose": False}
    theirs = metric_kid.kid_features_to_metric(*tensors, **options)
    yield Row(f"KID, {name}", "torch-fidelity", kid.mean, theirs["kernel_inception_distance_mean"])
    std = theirs["kernel_inception_distance_std"]
    yield Row(f"KID's standard deviation, {name}", "torch-fidelity", kid.std, std, tolerance)

    found = manifold.precision_recall(real, fake)
    theirs = metric_prc.prc_features_to_metric(*tensors[::-1], verbose=False)
    yield Row(f"precision, {name}", "torch-fidelity", found.precision, theirs["precision"])
    yield Row(f"recall, {name}", "torch-fidelity", found.recall, theirs["recall"])

    found = manifold.density_coverage(real, fake)
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = prdc.compute_prdc(real, fake, nearest_k=5)
    yield Row(f"density, {name}", "prdc", found.density, float(theirs["density"]))
    yield Row(f"coverage, {name}", "prdc", found.coverage, float(theirs["coverage"]))


def of_unit_features(real: np.ndarray, fake: np.ndarray) -> Row:
    """CMMD of features [n, d], scaled to unit length, beside its equation (Jayasumana et al. 2024, section 4)."""
    real, fake = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (real, fake))
    pairs = ((real, real), (fake, fake), (real, fake))
    same, made, both = (np.exp(-distance.cdist(a, b, "sqeuclidean") / (2 * SIGMA**2)).mean() for a, b in pairs)
    return Row("CMMD", "its equation", kernel.cmmd(real, fake).value, 1000 * (same + made - 2 * both))


def of_resizing(images: np.ndarray) -> Row:
    """The clean protocol's images of uint8 [n, h, w, 3] beside clean-fid's; 1 more than shares of 255, lest it be 0."""
    from cleanfid.resize import build_resizer

    theirs = np.stack([build_resizer("clean")(image) for image in images])
    ours = resizing.floats_to(images, inception.SIZE)
    return Row("resized images, 1 and shares of 255", "clean-fid", 1 + ours / 255.0, 1 + theirs / 255.0)


def of_logits(logits: np.ndarray) -> Iterator[Row]:
    """Inception score of logits [n, classes] beside torch-fidelity's."""
    import torch
    from torch_fidelity import metric_isc

    ours = inception_score.inception_score(logits, seed=SEED)
    theirs = metric_isc.isc_features_to_metric(torch.from_numpy(logits), rng_seed=SEED)
    yield Row("inception score", "torch-fidelity", ours.mean, theirs["inception_score_mean"])
    yield Row("its standard deviation", "torch-fidelity", ours.std, theirs["inception_score_std"])


def of_pairs(x: np.ndarray, y: np.ndarray) -> Iterator[Row]:
    """PSNR and SSIM of uint8 [n, h, w, c] beside scikit-image's, in the settings of Wang et al. 2004."""
    from skimage import metrics

    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": -1}
    psnr = [metrics.peak_signal_noise_ratio(a, b) for a, b in zip(x, y)]
    ssim = [metrics.structural_similarity(a, b, **settings) for a, b in zip(x, y)]
    yield Row("PSNR", "scikit-image", similarity.psnr(x, y), np.array(psnr))
    yield Row("SSIM", "scikit-image", similarity.ssim(x, y), np.array(ssim))


def of_scales(x: np.ndarray, y: np.ndarray) -> Iterator[Row]:
    """MS-SSIM at five scales of uint8 [n, h, w, c] beside pytorch-msssim's and torchmetrics'.

    pytorch-msssim averages over channels last, we and the code of PGGAN's authors at every scale: equal for one
    channel.
    """
    import torch
    from pytorch_msssim import ms_ssim
    from scipy.signal.windows import gaussian
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as padded

    grey = [z[..., 1:2] for z in (x, y)]
    tensors = [torch.from_numpy(np.moveaxis(z, -1, 1).astype(np.float64)) for z in grey]
    window = torch.from_numpy(gaussian(11, 1.5) / gaussian(11, 1.5).sum())  # its own is float32
    theirs = ms_ssim(*tensors, data_range=255, size_average=False, win=window.reshape(1, 1, 1, 11)).numpy()
    yield Row("MS-SSIM, green channel", "pytorch-msssim", similarity.ms_ssim(*grey), theirs)
    tensors = [torch.from_numpy(np.moveaxis(z, -1, 1).astype(np.float64)) for z in (x, y)]
    theirs = padded(*tensors, reduction="none", data_range=255.0).numpy()
    yield Row("MS-SSIM", "torchmetrics", similarity.ms_ssim(x, y), theirs, 0.02)


def of_labels(truth: np.ndarray, predicted: np.ndarray) -> Iterator[Row]:
    """Scores of label maps int [n, h, w] beside torchmetrics'."""
    import torch
    from torchmetrics.functional import classification

    found = segmentation.scores(segmentation.confusion(truth, predicted, len(PALETTE)))
    tensors = [torch.from_numpy(x) for x in (predicted, truth)]
    accuracies = (
        float(classification.multiclass_accuracy(*tensors, len(PALETTE), average=how)) for how in ("micro", "macro")
    )
    yield Row("per-pixel accuracy", "torchmetrics", found.pixel_accuracy, next(accuracies))
    yield Row("per-class accuracy", "torchmetrics", found.class_accuracy, next(accuracies))
    iou = float(classification.multiclass_jaccard_index(*tensors, len(PALETTE)))
    yield Row("mean class IoU", "torchmetrics", found.mean_iou, iou)


def compare(most: int) -> list[Row]:
    """Every measure, on at most so many images of a set.

    Raises:
      UserError: a library is missing.
    """
    try:
        import cleanfid.resize  # noqa: F401
        import prdc  # noqa: F401
        import pytorch_msssim  # noqa: F401
        import skimage  # noqa: F401
        import torch_fidelity  # noqa: F401
        import torchmetrics  # noqa: F401
    except ImportError as error:
        raise UserError(f"{error}; pip install {PACKAGES}") from None
    chairs = builtin.views("chairs2chairs", "train", 64)
    sets = {
        "chairs": chairs["x_A"],
        "other chairs": chairs["x_B"],
        "cars": builtin.views("cars2cars", "train", 64)["x_A"],
    }
    sets = {name: x[np.linspace(0, len(x) - 1, min(most, len(x))).astype(int)] for name, x in sets.items()}
    features = {name: project(x, FEATURES) for name, x in sets.items()}
    rows = []
    for name in ("other chairs", "cars"):
        rows += of_features(f"chairs and {name}", features["chairs"], features[name])
    single = (features[name].astype(np.float32) for name in ("chairs", "cars"))
    rows += of_features("chairs and cars, float32", *single)
    rows.append(of_unit_features(features["chairs"], features["cars"]))
    rows.append(of_resizing(sets["chairs"][:FEW]))
    rows += of_logits(project(sets["chairs"], CLASSES))
    x, y = chairs["x_A"][:most], np.roll(chairs["x_A"], -1, axis=0)[:most]
    rows += of_pairs(x, y)
    large = builtin.views("cars2cars", "test", LARGE)["x_A"][: FEW + 1]
    rows += of_scales(large[:-1], large[1:])
    rows += of_labels(*(segmentation.labels_of(z, PALETTE) for z in (x, y)))
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows as markdown; means over images."""
    cells = [
        [f"{row.measure} ({row.reference})", *(f"{np.mean(x):.7g}" for x in row[2:4]), f"{row.difference:.0e}"]
        for row in rows
    ]
    return common.table(["measure", "ours", "theirs", "relative difference"], cells)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table and writes the results.

    Raises:
      UserError: a library is missing, or too few images.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="directory for scores.json and scores.md")
    parser.add_argument("--images", type=int, default=500, help="of each set at most (default %(default)s)")
    options = parser.parse_args(argv)
    if options.images < SUBSET_SIZE:
        raise UserError(f"--images={options.images} must be {SUBSET_SIZE} or more")
    rows = compare(options.images)
    text = f"{options.images} images of each set at most\n\n{table(rows)}\n"
    if options.output is None:
        print(text, end="")
        return
    scores = [
        {
            "measure": row.measure,
            "reference": row.reference,
            "ours": float(np.mean(row.ours)),
            "theirs": float(np.mean(row.theirs)),
            "relative_difference": row.difference,
        }
        for row in rows
    ]
    common.publish(options.output, {"images": options.images, "scores": scores}, text, {})


if __name__ == "__main__":
    raise SystemExit(common.run(main))
