"""The images that scores are taken on while a run trains, so that its best checkpoint is not chosen on test images."""

import dataclasses

import numpy as np

from gan_xla import images
from gan_xla.data.dataset import Dataset, Source, Subset
from gan_xla.errors import UserError

SHARE = 0.05  # of a new run that takes scores and does not say
LEAST = 3  # of each source that has twice as many; some measures need as many
STRETCHES = 8  # of each source, whose last rows are held out: classes and near-duplicates lie side by side


class _Resized:
    """Training rows as test rows are: not at the size that crops are taken from, but at that of the crops."""

    def __init__(self, source: Source, spec: dict):
        self._source, self.spec = source, spec
        self.azimuths = getattr(source, "azimuths", None)

    def __len__(self):
        return len(self._source)

    def read(self, indices):
        rows = self._source.read(indices)
        return {
            key: np.stack([images.resize(image, shape[:2]) for image in rows[key]]) if len(shape) == 3 else rows[key]
            for key, (shape, _) in self.spec.items()
        }


def hold_out(dataset: Dataset, share: float) -> Dataset:
    """A data set with validation images: its own, or this share of its training images.

    Args:
      dataset: as a source gives it.
      share: of each training source, but three rows at least (or half of them); 0 leaves the data set without.
    Raises:
      UserError: a source has but one row.
    """
    if not share:
        return dataclasses.replace(dataset, validation=())
    others = tuple(hold_out(other, share) for other in dataset.others)
    if dataset.validation:
        return dataclasses.replace(dataset, others=others)
    train, validation, lost = [], [], {}
    for source in dataset.train:
        held = places(len(source), share)
        if len(held) == len(source):
            raise UserError(
                f"data.validation={share}: {dataset.about.partition(':')[0]} has {len(source)} training image of a "
                "domain; add more, or leave it at 0"
            )
        lost |= dict.fromkeys(source.spec, held)
        train.append(Subset(source, np.setdiff1d(np.arange(len(source)), held)))
        like = next((test for test in dataset.test if test.spec.keys() == source.spec.keys()), None)
        if like is not None:  # targets of labelled data are for training alone
            validation.append(_Resized(Subset(source, held), like.spec))
    counts = " + ".join(str(len(source)) for source in validation)
    about = f"{dataset.about}; of the training images {counts} for scores"
    pairs = dataset.pairs.without(lost) if dataset.pairs else None
    parts = {"train": tuple(train), "validation": tuple(validation), "pairs": pairs}
    return dataclasses.replace(dataset, **parts, others=others, about=about)


def places(count: int, share: float) -> np.ndarray:
    """The rows of `count` that are held out: the last of each of some stretches, about this share in all."""
    stretches = min(STRETCHES, max(1, min(LEAST, count // 2), round(count * share)))
    ends = np.linspace(0, count, stretches + 1).astype(np.int64)
    lengths = np.maximum(1, np.round(np.diff(ends) * share)).astype(np.int64)
    return np.concatenate([np.arange(end - length, end) for end, length in zip(ends[1:], lengths, strict=True)])
