"""Labelled data sets as methods take them: label vectors, targets, several data sets in turn."""

import dataclasses

import ml_collections
import numpy as np

from gan_xla.data.dataset import Arrays, Dataset, Source, field, identity, names
from gan_xla.errors import UserError
from gan_xla.labels import LabelSet, LabelSpace


class Vectors:
    """A labelled source whose `label` is the vector of a label space.

    Args:
      source: has `labels` (float32 [len, c]) and rows of `x` and `label`.
      space: the label space.
      number: of the source's data set in it.
    """

    def __init__(self, source: Source, space: LabelSpace, number: int):
        self._source, self._space, self._number = source, space, number

    @property
    def spec(self):
        return {**self._source.spec, "label": ((self._space.size,), np.dtype(np.float32))}

    def __len__(self):
        return len(self._source)

    @property
    def labels(self):
        """Of all rows, [len, c], as the source has them."""
        return self._source.labels

    @property
    def names(self):
        """Those of the source."""
        return names(self._source)

    @property
    def identity(self):
        """That of the source."""
        return identity(self._source)

    def read(self, indices, *where):
        rows = self._source.read(indices, *where)
        return {**rows, "label": self._space.place(self._number, rows["label"])}


class References:
    """For every row a target to translate to, and two images of it: `target`, `x_ref` and `x_ref2`.

    A row is an image, its label, and another image of this label, or itself where there is none; which one, is the
    same through a run, as in StarGAN v2's code.

    Args:
      source: labelled, of vectors, and of images `x`.
    """

    def __init__(self, source: Vectors):
        self._source = source
        self._others = np.arange(len(source))
        generator = np.random.default_rng(0)
        for row in np.unique(source.labels, axis=0):
            places = generator.permutation(np.flatnonzero((source.labels == row).all(axis=1)))
            self._others[places] = np.roll(places, 1)

    @property
    def spec(self):
        spec = self._source.spec
        return {"target": spec["label"], "x_ref": spec["x"], "x_ref2": spec["x"]}

    def __len__(self):
        return len(self._source)

    @property
    def labels(self):
        """Of all rows."""
        return self._source.labels

    def read(self, indices, *where):
        rows, others = (self._source.read(chosen, *where) for chosen in (indices, self._others[indices]))
        return {"target": rows["label"], "x_ref": rows["x"], "x_ref2": others["x"]}


def sections(data: ml_collections.ConfigDict) -> dict[str, ml_collections.ConfigDict]:
    """The `data` section and, after it, those of `data.joint`: its own fields over those of `data`."""
    first = data.to_dict()
    joint = first.pop("joint", {})
    both = {
        "data": first,
        **{name: {**first, "labels": ("all",), "exclusive": (), **own} for name, own in joint.items()},
    }
    return {name: ml_collections.ConfigDict(fields) for name, fields in both.items()}


def _label_set(name: str, fields: ml_collections.ConfigDict, dataset: Dataset) -> LabelSet:
    (source,) = dataset.train
    for label, count in zip(dataset.labels, source.labels.sum(axis=0), strict=True):
        if count == 0:
            where = "data" if name == "data" else f"data.joint.{name}"
            raise UserError(
                f"{where}.labels: no training image of {dataset.about.split(':')[0]} is {label!r}; leave it out"
            )
    exclusive = tuple(tuple(group) for group in field(fields, "exclusive", ()))
    if not exclusive and (source.labels.sum(axis=1) == 1).all():  # every image has one: these are classes
        exclusive = (dataset.labels,)
    return LabelSet(name, dataset.labels, exclusive)


def join(datasets: dict[str, Dataset], data: ml_collections.ConfigDict) -> Dataset:
    """Labelled data sets as one: label vectors over all of them, and targets to translate to.

    The key `target` is a label vector of the same data set, shuffled on its own, so that over an epoch the targets are
    a permutation of the labels; with `data.references` there are images of it, see `References`.

    Args:
      datasets: labelled data sets by the names of `sections(data)`.
      data: the config's section.

    Returns:
      The first data set with the `others`, which take turns with it; `fields` are the labels found.
    """
    fields = sections(data)
    space = LabelSpace(tuple(_label_set(name, fields[name], dataset) for name, dataset in datasets.items()))
    joined = []
    for number, dataset in enumerate(datasets.values()):
        (train,), (test,) = dataset.train, dataset.test
        vectors, targets = Vectors(train, space, number), Arrays(target=space.place(number, train.labels))
        joined.append(
            Dataset(
                train=(vectors, References(vectors) if field(data, "references") else targets),
                test=(Vectors(test, space, number),),
                validation=tuple(Vectors(source, space, number) for source in dataset.validation),
                about=f"{dataset.about}, labels {', '.join(dataset.labels)}",
                labels=dataset.labels,
            )
        )
    found = [{"labels": part.labels, "exclusive": part.exclusive} for part in space.sets]
    joint = dict(zip(list(datasets)[1:], found[1:], strict=True))
    first, *others = joined
    about = "\n".join(dataset.about for dataset in joined)
    new_fields = {**datasets["data"].fields, **found[0], **({"joint": joint} if joint else {})}
    return dataclasses.replace(first, about=about, others=tuple(others), fields=new_fields)
