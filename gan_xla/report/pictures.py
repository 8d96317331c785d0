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
from gan_xla.evaluation import better, cases, measures, per_image
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
LEADING = ("lpips", "ms_ssim", "l1", "pixel_accuracy", "azimuth", "cycle", "density")  # what tells worst from best
EXTREMES = 4  # images of either
FAR = 128  # of 255
POINTS = 10_000  # all; every n-th would be of a few modes alone


class Shot(NamedTuple):
    """A sample grid: of a step, as a data URI of width x height pixels."""

    step: int
    uri: str
    width: int
    height: int


class Table(NamedTuple):
    """Rows of pictures (data URIs) under the names of columns; what stands before each row, where anything does."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    labels: Sequence[str] = ()


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
    return model.step, [*tables, *([_samples(model)] if gan.sample else []), *_extremes(model, gan, run)]


def _uris(x: Iterable[np.ndarray]) -> list[str]:
    return [uri(images.visible(image)) for image in x]


def _seen(model: Model, x: np.ndarray, name: str = "x") -> list[str]:
    """Pictures of images in their own numbers."""
    return _uris(window(x, model.values(name)))


def _directions(model: Model, gan, run: Run) -> list[Table]:
    many = ROWS if run.config.data.image_size else POINTS
    found = cases.of(gan, run.config, data.load(run.config.data), num=many, most=many)
    translated = [case for case in found if case.name in gan.directions]
    return [_direction(case, list(case.batches(model, ("cycle",)))) for case in translated]


def _direction(case: cases.Case, batches: Sequence[cases.Batch]) -> Table:
    columns = _columns(batches)
    title = " to ".join(case.name.split("to"))
    if columns["input"].ndim == 2:  # points, beside those that the translated ones should be spread like
        columns["test points there"] = np.concatenate(list(case.reals()))
        columns = {name: points_image(x)[None] for name, x in columns.items()}
    return Table(title, list(columns), [list(row) for row in zip(*map(_uris, columns.values()))])


def _columns(batches: Sequence[cases.Batch]) -> dict[str, np.ndarray]:
    """What of batches is shown: images, or points, by the names of columns."""
    fields = {"input": "source", "translation": "fake", "truth": "truth", "back again": "back"}
    parts = {name: [getattr(batch, field) for batch in batches] for name, field in fields.items()}
    columns = {name: np.concatenate(part) for name, part in parts.items() if part[0] is not None}
    if "input" not in columns:
        return {"sample": columns["translation"]}
    if "truth" in columns and columns["truth"].ndim == 4:
        columns["error"] = error_map(columns["translation"], columns["truth"])
    return columns


def error_map(x: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How far images [n, h, w, c] are from the truth, pixel by pixel, as seen: uint8 [n, h, w, 3].

    Black where they are equal, by way of red to pale yellow where channels differ by `FAR` of 255 on average, or more.
    """
    from matplotlib import colormaps

    apart = np.abs(np.subtract(*(images.visible(y).astype(np.float32) for y in (x, truth)))).mean(axis=-1)
    return colormaps["inferno"](np.minimum(apart / FAR, 1), bytes=True)[..., :3]


def _extremes(model: Model, gan, run: Run) -> list[Table]:
    """The images of the worst and of the best scores of per_image-STEP.csv, by the first of `LEADING` that it has."""
    rows = per_image.read(run.path, model.step)
    if not rows or not run.config.data.image_size:
        return []
    count = max(int(row["number"]) for row in rows) + 1
    dataset = data.load(run.config.data)
    found = cases.of(gan, run.config, dataset, num=count, most=count, seed=int(rows[0]["seed"]))
    tables = (_extreme(case, model, [row for row in rows if row["case"] == case.name]) for case in found)
    return [table for table in tables if table]


def _extreme(case: cases.Case, model: Model, rows: Sequence[dict[str, str]]) -> Table | None:
    """Of one direction, domain or "samples"; None where the table has none of its images, or of others."""
    numbers = [int(row["number"]) for row in rows]
    if not rows or [row["image"] for row in rows] != [case.names[n] for n in numbers if n < case.count]:
        return None
    metric = next((name for name in LEADING if name in rows[0]), None)
    if metric is None:
        return None
    values = np.array([float(row[metric]) for row in rows])
    order = np.argsort(values if better(metric) == "higher" else -values, kind="stable")
    many = min(EXTREMES, len(rows) // 2)
    chosen = [*order[:many], *order[len(order) - many :]]
    batch = case.batch(model, np.array(numbers)[chosen], ("cycle",))
    columns = {name: _uris(x) for name, x in _columns([batch]).items()}
    sides = ["worst"] * many + ["best"] * many
    labels = [f"{side}: {rows[n]['image']}, {values[n]:.4g}" for side, n in zip(sides, chosen, strict=True)]
    title = f"{case.name}, worst and best of {len(rows)} by {measures.NAMES[metric].partition(' (')[0]}"
    return Table(title, list(columns), [list(row) for row in zip(*columns.values())], labels)


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
