"""`--mode=project`: image files in, the noise that a model would draw them from out."""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import gan_xla
from gan_xla import images
from gan_xla.data.reading import forms
from gan_xla.errors import Incomplete, UserError, check_unused, some
from gan_xla.evaluation.features import stlpips, weights
from gan_xla.evaluation.metrics import similarity
from gan_xla.evaluation.projection import project
from gan_xla.images.grids import sample_grid
from gan_xla.images.ranges import window

FILE, SCORES, GRID = "z.npz", "scores.csv", "grid.png"
SHOWN = 16  # images in grid.png

_log = logging.getLogger(__name__)


def project_files(
    workdir: str,
    input: str,
    output: str,
    *,
    labels: Sequence[str] | None = None,
    steps: int = 200,
    seed: int = 0,
    checkpoint: str = "last",
    overwrite: bool = False,
) -> None:
    """Projects a file, or the images of a directory.

    Writes NAME.png, what the model draws of the noise found; z.npz with `z` [n, latent], `names` and `labels`, for
    `--mode=sample --z`; scores.csv with PSNR and ST-LPIPS; grid.png, images beside projections. What is made small is
    the squared error of pixels and ST-LPIPS; without the extra `eval`, or where it cannot see the images, the first
    alone.

    Args:
      workdir: the run.
      input: an image file, or a directory of images.
      output: directory, made if it is missing.
      labels, steps, seed: as `projection.project`.
      checkpoint: "last" or a step.
      overwrite: whether results take the place of other files of their names.
    Raises:
      UserError: no images, what the model cannot do, or an output that cannot be written or is there already.
      Incomplete: some images could not be read; the others are projected.
    """
    files = [Path(input)] if Path(input).is_file() else images.find(input)
    model = gan_xla.load(workdir, checkpoint)
    model.drawing  # noqa: B018 (says now what a model cannot do)
    read, unread = _read(files, forms(model.config.data)[1])
    x, values = np.stack(list(read.values())), model.values()
    ending = images.ending("", values.dtype, x.shape[-1])
    # Before the search, which takes long.
    names = _names(list(read))
    for name in (*(f"{name}{ending}" for name in names), FILE, SCORES, GRID):
        check_unused(Path(output) / name, overwrite)
    distance = _distance(x.shape)
    found = project(model, x, labels=labels, steps=steps, seed=seed, distance=distance)
    before, after = window(x, values), window(found.made, values)
    scores = _scores(before, after, measured=distance is not None)
    with images.output(output) as directory:
        for name, image in zip(names, found.made, strict=True):
            images.write(directory / f"{name}{ending}", image)
        grid = {"image": images.visible(before[:SHOWN]), "projection": images.visible(after[:SHOWN])}
        images.write(directory / GRID, sample_grid(grid, [list(grid)]))
        with (directory / FILE).open("wb") as file:
            np.savez(file, z=found.z, names=names, labels=np.array(found.labels or [], dtype=str))
        with (directory / SCORES).open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["image", *scores])
            table.writerows(zip(names, *scores.values(), strict=True))
    means = ", ".join(f"{name} {np.mean(column):.4g}" for name, column in scores.items())
    print(f"{len(names)} image(s) projected by {workdir}, step {model.step}, into {output}: mean {means}")
    if unread:
        raise Incomplete(f"{len(unread)} of {len(files)} images were left out: {some(unread, 20, '; ')}")


def _read(files, form) -> tuple[dict[Path, np.ndarray], list[str]]:
    read, unread = {}, []
    for file in files:
        try:
            read[file] = form.fitted(form.decode(file))
        except images.Unreadable as error:
            unread.append(str(error))
    if not read:
        raise UserError(unread[0])
    return read, unread


def _names(files: list[Path]) -> list[str]:
    """Their names without extensions, which become those of results."""
    names = [file.stem for file in files]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"--input: several files are called {min(twice)}; give them names that differ before the dot")
    return names


def _seen(shape: tuple[int, ...]) -> bool:
    """Whether ST-LPIPS sees images of a shape."""
    return shape[-1] in (1, 3) and min(shape[1:3]) >= stlpips.SMALLEST


def _distance(shape: tuple[int, ...]):
    """ST-LPIPS, where its network is installed and sees such images."""
    try:
        return stlpips.smooth() if _seen(shape) else None
    except weights.Missing as error:
        _log.warning("pixels alone are compared: %s", error)
        return None


def _scores(x: np.ndarray, y: np.ndarray, measured: bool) -> dict[str, np.ndarray]:
    """PSNR and, if `measured`, ST-LPIPS of each image."""
    scores = {"psnr": similarity.psnr(x, y)}
    if measured:
        scores["lpips"] = stlpips.distance(images.visible(x), images.visible(y))
    return scores
