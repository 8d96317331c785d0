"""Networks trained on a data set's real images, which tell what translations and samples of it show."""

import math
from typing import NamedTuple

import ml_collections
import numpy as np

from gan_xla import images
from gan_xla.contract import Tree
from gan_xla.data.dataset import Dataset, Source, values
from gan_xla.errors import UserError
from gan_xla.evaluation.cases import Rows, spread
from gan_xla.evaluation.judges import azimuth, classifier
from gan_xla.evaluation.metrics import confidence
from gan_xla.evaluation.metrics.confidence import Estimate
from gan_xla.images.ranges import window

STEPS = 1500
MOST = 20_000  # images, and
BYTES = 2**29  # of their pixels, to learn from and to be tested on


class Judge(NamedTuple):
    """A trained classifier.

    Attributes:
      predictor: of `gan_xla.evaluation.judges.classifier`.
      accuracy: on real test images, in [0, 1].
    """

    predictor: classifier.Predictor
    accuracy: Estimate

    def agrees(self, x: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Whether it reads the label number `asked` [n], perhaps beside others, from uint8 [n, h, w, c]; bool [n]."""
        return classifier.decide(self.predictor, x)[np.arange(len(x)), asked] == 1


def train(part: Dataset, columns: slice, one_hot: bool, section: ml_collections.ConfigDict, seed: int) -> Judge:
    """Trains a classifier on one labelled data set.

    Args:
      part: the data set.
      columns: of its labels in the rows' vectors.
      one_hot: whether an image has exactly one of them.
      section: the config's `data` section; images are learnt at its `image_size`.
      seed: of the training.
    """
    x, label = read(part.train[0], columns, section)
    predictor = classifier.fit(x, label, one_hot=one_hot, seed=seed, steps=STEPS, mirror=bool(section.flip))
    right = classifier.right(predictor, *read(part.test[0], columns, section))
    return Judge(predictor, confidence.of_parts(right))


class Facer(NamedTuple):
    """A trained regressor of azimuths.

    Attributes:
      predictor: of `gan_xla.evaluation.judges.azimuth`.
      error: mean absolute error on real test images, degrees.
    """

    predictor: Tree
    error: Estimate

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Azimuths, degrees [n], of images uint8 [n, h, w, 3]."""
        return azimuth.predict(self.predictor, x)


def train_facer(dataset: Dataset, key: str, section: ml_collections.ConfigDict, seed: int) -> Facer:
    """Trains a regressor on the images of one domain, whose azimuths are known.

    Args:
      dataset: its sources of `key` have `azimuths`.
      key: of its rows, such as "x_B".
      section: the config's `data` section; images are learnt at its `image_size`.
      seed: of the training.
    Raises:
      UserError: images that it does not take.
    """
    size = images.sides(section.image_size)
    if section.channels == 1 or any(side % azimuth.MULTIPLE for side in size):
        raise UserError(f"azimuths are read from colours at multiples of {azimuth.MULTIPLE} pixels")
    found = []
    for part in (dataset.train, dataset.test):
        source = next(source for source in part if key in source.spec)
        rows = Rows(source, np.arange(len(source))).chunks()
        x = np.stack([images.resize(image, size) for chunk in rows for image in chunk[key]])
        found.append((images.compose(x, tuple(section.background)) if x.shape[-1] == 4 else x, source.azimuths))
    predictor = azimuth.fit(*found[0], seed=seed, steps=STEPS)
    wrong = np.abs(azimuth.difference(azimuth.predict(predictor, found[1][0]), found[1][1]))
    return Facer(predictor, confidence.of_parts(wrong))


def read(source: Source, columns: slice, section: ml_collections.ConfigDict) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, h, w, 1 or 3], evenly spread over a source, and their labels [n, k]."""
    size = images.sides(section.image_size)
    most = min(MOST, max(1, BYTES // (math.prod(size) * section.channels)))
    x, label = [], []
    for rows in Rows(source, spread(len(source), most)).chunks():
        x += [images.resize(image, size) for image in rows["x"]]  # training images may be larger
        label.append(rows["label"][:, columns])
    x = window(np.stack(x), values(section)[""])
    if x.dtype == np.uint8 and x.shape[-1] == 4:
        x = images.compose(x, tuple(section.background))
    return images.visible(x), np.concatenate(label)
