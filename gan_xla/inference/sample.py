"""`--mode=sample`: images from noise."""

from collections.abc import Sequence

import numpy as np

import gan_xla
from gan_xla import images
from gan_xla.errors import UserError
from gan_xla.images.ranges import window
from gan_xla.inference.model import Model

COLUMNS = 8


def between(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """`count` noises [count, latent] from `start` to `end` along the great circle, where Gaussian noise lies."""
    cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1, 1))
    t = np.linspace(0, 1, count)[:, None]
    return (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)


def _draw(
    model: Model, num: int, labels: Sequence[str] | None, seed: int, interpolate: int
) -> np.ndarray | dict[str, np.ndarray]:
    if not interpolate:
        return model.sample(num, labels, seed)
    if interpolate < 2:
        raise UserError(f"--interpolate={interpolate}: takes 2 images a row or more")
    ends = model.noise(seed, np.arange(2 * num)).reshape(num, 2, -1)
    z = np.concatenate([between(start, end, interpolate) for start, end in ends])
    names = list(labels or model.domains)
    by_image = [names[row % len(names)] for row in range(num) for _ in range(interpolate)] if names else None
    return model.sample(labels=by_image, z=z)


def sample(
    workdir: str,
    output: str,
    *,
    num: int = 16,
    labels: Sequence[str] | None = None,
    seed: int = 0,
    checkpoint: str = "last",
    interpolate: int = 0,
    overwrite: bool = False,
) -> None:
    """Draws images as files 00000.png, 00001.png, ... and all of them together as grid.png; as TIFF where PNG cannot
    hold them.

    Models that draw several images from one noise write 00000_A.png, 00000_B.png, and a grid for each: grid_A.png.

    Args:
      workdir: the run.
      output: directory, made if it is missing.
      num: number of images, or of rows to interpolate.
      labels, seed: as `Model.sample`.
      checkpoint: "last" or a step.
      interpolate: images a row on the way from one noise to another; 0 for independent images.
      overwrite: whether results take the place of other files of their names.
    Raises:
      UserError: what the model cannot do, or an output that cannot be written or is there already.
    """
    model = gan_xla.load(workdir, checkpoint)
    drawn = _draw(model, num, labels, seed, interpolate)
    several = {f"_{name.removeprefix('x_')}": drawn[name] for name in model.draws} if isinstance(drawn, dict) else {}
    with images.output(output) as directory:
        for end, made in (several or {"": drawn}).items():
            values = model.values(end or "x")
            kind = images.ending("", values.dtype, made.shape[-1])
            for number, image in enumerate(made):
                images.write(directory / f"{number:05d}{end}{kind}", image, overwrite=overwrite)
            shown = images.visible(window(made, values))
            grid = _grid(shown, interpolate or min(COLUMNS, len(made)))
            images.write(directory / f"grid{end}.png", grid, overwrite=overwrite)
    print(f"{len(made)} image(s) drawn by {workdir}, step {model.step}, into {output}")


def _grid(drawn: np.ndarray, columns: int) -> np.ndarray:
    """All of them in rows, uint8 [height, width, c]."""
    rest = -len(drawn) % columns
    tiles = np.concatenate([drawn, np.full((rest, *drawn.shape[1:]), 255, np.uint8)])
    tiles = np.pad(tiles, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
    rows = tiles.reshape(-1, columns, *tiles.shape[1:])
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])
