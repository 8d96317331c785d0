"""Which rows of a TFDS data set are a domain, and which labels they have.

Attributes are the scalar booleans, integers and classes among the features, also inside a
dictionary of features (celeb_a's `attributes`). A domain is one or more conditions that all
hold: "Blond_Hair", "Blond_Hair=0", "Male=1,Eyeglasses=0", "label=7", "label=cat".
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from tensorflow_datasets import features as tfds_features

from gan_xla.data.dataset import ALL_LABELS, suggest
from gan_xla.errors import UserError


class Attribute(NamedTuple):
    """A scalar feature; `path` is its key in the records."""

    path: str
    feature: tfds_features.FeatureConnector


class Choice(NamedTuple):
    """The rows of one source.

    Without `paths` it is every row. `select` maps the columns of `paths` (int64 [n] by path) to the numbers of
    the rows and their labels, bool [rows, c] or None.
    """

    key: str
    asked: str  # the config's field and value, for messages
    paths: tuple[str, ...]
    select: Callable | None


EVERYTHING = Choice("x", "data.unlabelled=True", (), None)


def image_key(features, dataset):
    """The path of the image among the features; `image` where there are several.

    Raises:
      UserError: there is none, or there are several and none is called so.
    """
    found = [
        path
        for path, feature in _flat(features)
        if isinstance(feature, tfds_features.Image) and feature.np_dtype in (np.uint8, np.uint16)
    ]
    if not found:
        raise UserError(f"data.name: {dataset} has no images; choose an image data set")
    if len(found) > 1 and "image" not in found:
        raise UserError(f"data.name: {dataset} has several images ({', '.join(found)}) and none is called image")
    return found[0] if len(found) == 1 else "image"


def scalars(features):
    """The attributes by name: the feature's own, or its whole path where two have the same."""
    found = [Attribute(path, feature) for path, feature in _flat(features) if _is_scalar(feature)]
    count = Counter(_leaf(attribute.path) for attribute in found)
    return {
        attribute.path if count[_leaf(attribute.path)] > 1 else _leaf(attribute.path): attribute for attribute in found
    }


def _flat(features, prefix=""):
    """(path, feature) of every feature that is no dictionary."""
    for name, feature in features.items() if isinstance(features, tfds_features.FeaturesDict) else ():
        if isinstance(feature, tfds_features.FeaturesDict):
            yield from _flat(feature, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", feature


def _is_scalar(feature):
    return (
        isinstance(feature, tfds_features.Tensor)
        and feature.shape == ()
        and np.dtype(feature.np_dtype).kind in "bui"  # booleans and integers
    )


def _leaf(path):
    return path.rpartition("/")[2]


def domain(letter, text, known, dataset):
    """The `Choice` of domain "a" or "b" that conditions on the `known` attributes select.

    Raises:
      UserError: an attribute or one of its values is unknown.
    """
    asked = f"data.domain_{letter}={text!r}"
    wanted = {}
    for condition in text.split(","):
        name, _, value = (part.strip() for part in condition.partition("="))
        if name not in known:
            raise UserError(f"{asked}: {dataset} has no attribute {name!r}; {suggest(name, list(known))}")
        wanted[known[name].path] = _value(name, value, known[name].feature, asked)

    def select(columns):
        holds = np.all([columns[path] == value for path, value in wanted.items()], axis=0)
        return np.flatnonzero(holds), None

    return Choice(f"x_{letter.upper()}", asked, tuple(wanted), select)


def _value(name, value, feature, asked):
    """The number that a feature has in the records where a condition holds."""
    if isinstance(feature, tfds_features.ClassLabel):
        if value in feature.names:
            return feature.names.index(value)
        if value.isdecimal() and int(value) < feature.num_classes:
            return int(value)
        raise UserError(f"{asked}: {name} has no class {value!r}; {suggest(value, feature.names)}")
    if np.dtype(feature.np_dtype) == bool:
        if value in ("", "0", "1"):
            return int(value or 1)
        raise UserError(f"{asked}: {name} is true or false; write {name}=1 or {name}=0")
    if value.lstrip("-").isdecimal():
        return int(value)
    raise UserError(f"{asked}: {name} is an integer; write {name}=NUMBER")


def labelled(names, known, dataset):
    """(label names, `Choice`) of one source whose rows have those labels.

    Args:
      names: boolean attributes (every row is taken), classes of the one
        ClassLabel (the rows of other classes are left out), or ("all",) of these.
      known, dataset: as in `domain`.
    Raises:
      UserError: a name is neither, or the data set has not one ClassLabel.
    """
    booleans = [name for name, attribute in known.items() if np.dtype(attribute.feature.np_dtype) == bool]
    labels = [a for a in known.values() if isinstance(a.feature, tfds_features.ClassLabel)]
    classes = labels[0].feature.names if len(labels) == 1 else []
    asked = f"data.labels={names}"
    if names == ALL_LABELS:
        if not classes:
            raise UserError(
                f"{asked} needs exactly one ClassLabel, but {dataset} has {len(labels)}; name some of its boolean "
                f"attributes: {', '.join(booleans) or 'it has none'}"
            )
        names = tuple(classes)
    if set(names) <= set(classes):
        path = labels[0].path
        return names, Choice("x", asked, (path,), _one_hot(path, [classes.index(name) for name in names]))
    for name in names:
        if name not in booleans:
            raise UserError(f"{asked}: {dataset} has no label {name!r}; {suggest(name, booleans or classes)}")
    paths = tuple(known[name].path for name in names)
    return names, Choice("x", asked, paths, lambda columns: _flags([columns[path] for path in paths]))


def _one_hot(path, numbers):
    def select(columns):
        hot = columns[path][:, None] == np.asarray(numbers)
        rows = np.flatnonzero(hot.any(axis=1))
        return rows, hot[rows]

    return select


def _flags(columns):
    return np.arange(len(columns[0])), np.stack(columns, axis=1) == 1
