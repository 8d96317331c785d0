"""Test images from elsewhere than the data set as it was trained on: the user's own, and pairs among unpaired ones."""

import os
from collections.abc import Sequence
from pathlib import Path

import ml_collections
import numpy as np

from gan_xla import data, images
from gan_xla.contract import Gan
from gan_xla.data.dataset import Dataset, Source, field
from gan_xla.data.labelled import Vectors
from gan_xla.data.reading import Images, Unreadable, forms
from gan_xla.errors import UserError

SIDES = ("x_A", "x_B")


def _images(section, keys: Sequence[str], items: list[tuple[Path, ...]], labels: np.ndarray | None = None) -> Images:
    """Files as test images of the config's `data` section."""
    made = {key: forms(section, key[2:])[1] for key in keys}
    bad = Unreadable(field(section, "max_unreadable", 10))
    return Images(keys, items, lambda files: [made[key].decode(f) for key, f in zip(keys, files)], made, bad, labels)


def pairs(section: ml_collections.ConfigDict, dataset: Dataset) -> Source | None:
    """The test images as rows of `x_A` and `x_B`, where the truth of a translation is known; else None.

    Known are pairs that the run was trained on, files of equal names in testA/ and testB/ (or valA/ and valB/, where
    these are meant), and what
    `data.paired=True` would have made pairs: the halves of side-by-side images, drawings and their objects.
    """
    for source in dataset.test:
        if set(SIDES) <= source.spec.keys():
            return source
    sides = [Path(field(section, "path", "")).expanduser() / f"{dataset.held_out}{side[-1]}" for side in SIDES]
    if field(section, "source", "") == "folder" and all(side.is_dir() for side in sides):
        files = [{path.stem: path for path in images.find(side)} for side in sides]
        if files[0].keys() != files[1].keys():
            return None
        return _images(section, SIDES, [(files[0][name], files[1][name]) for name in sorted(files[0])])
    if dataset.held_out != "test":
        return None
    try:
        (source,) = data.load(ml_collections.ConfigDict({**section.to_dict(), "paired": True})).test
    except UserError:
        return None
    return source


def given(directory: str | os.PathLike, gan: Gan, section: ml_collections.ConfigDict) -> dict[str, Source]:
    """The user's images in the place of test images, by the key of their rows.

    Args:
      directory: for a method of two domains, images for its first direction (or that resemble the first image that
        it draws), or testA/ and testB/ or one of them;
        for a method with labels, a directory of images for each of some labels of its first data set; else images.
      gan: the method.
      section: the config's `data` section, which says what images become.
    Returns:
      Sources of `x_A` and `x_B` or one of them, or of `x`, with `label` where the method has labels.
    Raises:
      UserError: no such images.
    """
    root = Path(directory).expanduser()
    if gan.value_range is None:
        raise UserError(f"--input={directory}: this run is of points, not of images; leave it out")
    try:
        if gan.labels:
            return {"x": _labelled(root, gan, section)}
        folders = {"x": root}
        if gan.directions or len(gan.draws) > 1:
            first = f"x_{gan.directions[0][0]}" if gan.directions else gan.draws[0]
            sides = {side: root / f"test{side[-1]}" for side in SIDES if (root / f"test{side[-1]}").is_dir()}
            folders = sides or {first: root}
        return {key: _images(section, (key,), [(path,) for path in images.find(at)]) for key, at in folders.items()}
    except UserError as error:
        raise UserError(f"--input: {error}") from error


def _labelled(root: Path, gan: Gan, section: ml_collections.ConfigDict) -> Source:
    names = gan.labels.sets[0].labels
    files = [images.find(root / name) if (root / name).is_dir() else [] for name in names]
    if not any(files):
        raise UserError(f"{root}: needs a directory of images for one or more of the labels {', '.join(names)}")
    hot = np.eye(len(names), dtype=bool).repeat([len(found) for found in files], axis=0)
    return Vectors(_images(section, ("x",), [(path,) for found in files for path in found], hot), gan.labels, 0)
