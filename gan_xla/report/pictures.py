"""Pictures of a page: sample grids through time, and test images beside what the model makes of them."""

import base64
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath
from PIL import Image

import gan_xla
from gan_xla import data, gans, images
from gan_xla.errors import UserError
from gan_xla.evaluation import cases
from gan_xla.images.grids import points_image
from gan_xla.images.ranges import window
from gan_xla.inference.model import Model
from gan_xla.report.run import Run

SHOTS = 40  # sample grids of a page, for all of its runs together
SHOT_BYTES = 2_500_000
SHOT_SIDE = 1000  # pixels of the longer side
ROWS = 8
TILE_SIDE = 256
SHARP = 128  # pixels of a side up to which pictures are kept exactly
POINTS = 10_000  # all; every n-th would be of a few modes alone


class Shot(NamedTuple):
    """A sample grid: of a step, as a data URI of width x height pixels."""

    step: int
    uri: str
    width: int
    height: int


class Table(NamedTuple):
    """Rows of pictures (data URIs) under the names of columns, which a caption explains."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def uri(image: np.ndarray, side: int = TILE_SIDE) -> str:
    """uint8 [h, w, 1, 3 or 4], on white, as a data URI, shrunk until no side is longer than `side` pixels."""
    image, longer = images.compose(image) if image.shape[-1] == 4 else image, max(image.shape[:2])
    if longer > side:
        image = images.resize(image, tuple(max(1, round(x * side / longer)) for x in image.shape[:2]))
    picture, buffer = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image), io.BytesIO()
    picture.save(buffer, "WEBP", lossless=max(image.shape[:2]) <= SHARP, quality=85)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _shot(step: int, path: epath.Path) -> Shot:
    image = images.read(io.BytesIO(path.read_bytes()), name=path)
    height, width = image.shape[:2]
    return Shot(step, uri(image, SHOT_SIDE), width, height)


def shots(run: Run, most: int = SHOTS, most_bytes: int = SHOT_BYTES) -> tuple[list[Shot], list[str]]:
    """Sample grids, evenly spread over the run from the first to the last.

    Returns:
      At most `most` of them, of `most_bytes` together; and which pictures cannot be read.
    """
    found, wrong = [], []
    for place in cases.spread(len(run.pictures), most) if run.pictures else ():
        try:
            found.append(_shot(*run.pictures[place]))
        except (UserError, OSError) as error:
            wrong.append(f"Left out: {error}")
    while len(found) > 2 and sum(len(shot.uri) for shot in found) > most_bytes:
        found = [found[place] for place in cases.spread(len(found), (len(found) + 1) // 2)]
    return found, wrong


def made(run: Run, checkpoint: str = "last") -> tuple[int, list[Table]]:
    """What a checkpoint makes of test images, or draws.

    Returns:
      Its step, and a table for each direction, or one of all domains; and one of samples, by label where it has any.
    Raises:
      UserError: the run has no such checkpoint, or its data cannot be read.
    """
    model = gan_xla.load(run.path, checkpoint)
    gan = gans.build(run.config)
    tables = _directions(model, gan, run) if gan.directions else [_domains(model, gan, run)] if gan.translate else []
    return model.step, [*tables, *([_samples(model)] if gan.sample else [])]


def _uris(x: Iterable[np.ndarray]) -> list[str]:
    return [uri(images.visible(image)) for image in x]


def _seen(model: Model, x: np.ndarray, name: str = "x") -> list[str]:
    """Pictures of images in their own numbers."""
    return _uris(window(x, model.values(name)))


def _directions(model: Model, gan, run: Run) -> list[Table]:
    many = ROWS if run.config.data.image_size else POINTS
    found = cases.of(gan, run.config, data.load(run.config.data), num=many, most=many)
    translated = [case for case in found if case.name in gan.directions]
    return [_direction(case, list(case.batches(model, back=True))) for case in translated]


def _direction(case: cases.Case, batches: Sequence[cases.Batch]) -> Table:
    fields = {"input": "source", "translation": "fake", "truth": "truth", "back again": "back"}
    parts = {name: [getattr(batch, field) for batch in batches] for name, field in fields.items()}
    columns = {name: np.concatenate(part) for name, part in parts.items() if part[0] is not None}
    title = " to ".join(case.name.split("to"))
    if columns["input"].ndim == 2:  # points, beside those that the translated ones should be spread like
        columns["test points there"] = np.concatenate(list(case.reals()))
        columns = {name: points_image(x)[None] for name, x in columns.items()}
    return Table(title, list(columns), [list(row) for row in zip(*map(_uris, columns.values()))])


def _domains(model: Model, gan, run: Run) -> Table:
    """The same images towards each domain, as the sample grids show them."""
    batch = data.test_batch(data.load(run.config.data), ROWS)
    x, label = batch["x"], batch["label"]
    made = [model.translate(x, domain=np.asarray(gan.labels.towards(name, label))) for name in model.domains]
    return Table(
        "to every domain", ["input", *model.domains], [list(row) for row in zip(*(_seen(model, y) for y in (x, *made)))]
    )


def _samples(model: Model) -> Table:
    """Draws: of each label a column, or rows of them."""
    labels = list(model.domains)
    if labels:
        drawn = _seen(model, model.sample(labels=labels * ROWS))
        return Table("samples by label", labels, _rows(drawn, len(labels)))
    drawn = model.sample(4 * ROWS)
    if isinstance(drawn, dict):
        return Table(
            "samples", list(model.draws), list(zip(*(_seen(model, drawn[name][:ROWS], name) for name in model.draws)))
        )
    return Table("samples", [], _rows(_seen(model, drawn), ROWS))


def _rows(cells: Sequence[str], width: int) -> list[list[str]]:
    return [list(cells[start : start + width]) for start in range(0, len(cells), width)]
