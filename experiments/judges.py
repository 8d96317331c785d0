"""Classifiers of real images, which judge what a generator makes, and the images that they are tested on."""

import time
from typing import NamedTuple

import ml_collections
import numpy as np

from gan_xla import data
from gan_xla.evaluation import judges
from gan_xla.evaluation.judges import classifier
from gan_xla.labels import LabelSpace


class Judge(NamedTuple):
    """A classifier of a data set's real images.

    Attributes:
      predictor: of `gan_xla.evaluation.judges.classifier`.
      x, label: its held-out images, uint8 [n, h, w, c], and their labels, float32 [n, k].
      about: its accuracy on these, their number, and how long it learnt.
    """

    predictor: classifier.Predictor
    x: np.ndarray
    label: np.ndarray
    about: dict[str, float]


def judge(section: ml_collections.ConfigDict, steps: int) -> Judge:
    """Trains a classifier for the data set of one of a run's `sections`, at the size of the run's images."""
    section = ml_collections.ConfigDict({**section.to_dict(), "load_size": section.image_size})
    (labels,) = LabelSpace.of(section).sets
    dataset = data.load(section)
    train, (x, label) = (judges.read(part[0], slice(None), section) for part in (dataset.train, dataset.test))
    start = time.monotonic()
    predictor = classifier.fit(*train, one_hot=labels.one_hot, seed=0, steps=steps, mirror=section.flip)
    about = {"seconds": time.monotonic() - start, "held_out": len(x)}
    about["accuracy"] = classifier.accuracy(predictor, x, label)
    return Judge(predictor, x, label, about)
