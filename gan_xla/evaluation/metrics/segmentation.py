"""Agreement of label maps: the metrics of Long et al. 2015 (section 5), which pix2pix's FCN-score reports.

Isola et al. 2017, section 4, score generated photographs by what a network trained on real ones labels in them.
Where the output itself is a picture of labels, its nearest palette colours are the labels (`labels_of`).
"""

from typing import NamedTuple

import numpy as np

from gan_xla.evaluation.metrics import inputs


class Scores(NamedTuple):
    """Shares in [0, 1].

    Attributes:
      pixel_accuracy: of pixels labelled right.
      class_accuracy: mean over the classes in the truth of their pixels labelled right.
      mean_iou: mean over the classes in truth or prediction of intersection over union.
      accuracies: by class, NaN for classes that the truth lacks.
      ious: by class, NaN for classes that both lack.
    """

    pixel_accuracy: float
    class_accuracy: float
    mean_iou: float
    accuracies: np.ndarray
    ious: np.ndarray


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int, *, ignore: int | None = None) -> np.ndarray:
    """Counts of pixels by true (row) and predicted (column) class; those of several batches may be added up.

    Args:
      truth, predicted: int [n, h, w], or any one shape, of labels from 0 to classes - 1.
      classes: their number.
      ignore: a value of `truth` whose pixels do not count, such as 255 in Cityscapes.
    Returns:
      int64 [classes, classes].
    Raises:
      ValueError: shapes that differ, numbers that are not integers, or labels outside the classes.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape or not all(np.issubdtype(x.dtype, np.integer) for x in (truth, predicted)):
        raise ValueError(
            f"expected integer labels of one shape, got {truth.dtype} {truth.shape} and {predicted.dtype} "
            f"{predicted.shape}"
        )
    counted = np.ones(truth.shape, bool) if ignore is None else truth != ignore
    truth, predicted = truth[counted].astype(np.int64), predicted[counted].astype(np.int64)
    for name, labels in (("truth", truth), ("predicted", predicted)):
        if labels.size and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(f"{name} has labels from {labels.min()} to {labels.max()}, outside of {classes} classes")
    return np.bincount(classes * truth + predicted, minlength=classes**2).reshape(classes, classes)


def scores(counts: np.ndarray) -> Scores:
    """Accuracies and intersection over union from a confusion matrix, as `confusion` gives it.

    Raises:
      ValueError: no matrix, or no pixel was counted.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.sum():
        raise ValueError(f"expected a confusion matrix that counts some pixels, got {counts.shape}")
    right, true, found = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    with np.errstate(invalid="ignore"):  # classes that no pixel has
        accuracies, ious = right / true, right / (true + found - right)
    pixel_accuracy = right.sum() / counts.sum()
    return Scores(float(pixel_accuracy), float(np.nanmean(accuracies)), float(np.nanmean(ious)), accuracies, ious)


def labels_of(images: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """The nearest palette colour of every pixel; of two as near, the first.

    Args:
      images: uint8 [n, h, w, c].
      palette: [classes, c], 0 to 255.
    Returns:
      int64 [n, h, w].
    Raises:
      ValueError: other images, or colours of another number of channels.
    """
    images, palette = inputs.images(images), np.asarray(palette, np.float64)
    if palette.ndim != 2 or not len(palette) or palette.shape[1] != images.shape[-1]:
        raise ValueError(f"expected a palette [classes, {images.shape[-1]}], got {palette.shape}")
    # |x - p|^2 without |x|^2, which is the same for every colour; exact, since all are small integers.
    return np.stack([np.argmin(np.sum(palette**2, axis=1) - 2 * (image @ palette.T), axis=-1) for image in images])
