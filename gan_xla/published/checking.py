"""Whether an imported network does something sensible to a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from etils import epath

import gan_xla
from gan_xla import images
from gan_xla.images import ranges
from gan_xla.inference.model import Model

ENDS, APART, FLAT = 0.3, 0.3, 0.02  # shares of the range, from which a picture is told of


def _pictures(model: Model, path: Path, directions: Sequence[str]) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(direction, picture, its translation) [h, w, c], uint8."""
    multiple, size = model.size_multiple, images.sides(model.config.data.image_size)
    found = []
    for direction in directions or (None,):
        taken, made = model.ends(direction)
        image = images.read(path, model.channels(taken))
        if multiple and min(image.shape[:2]) >= multiple:
            height, width = (side // multiple * multiple for side in image.shape[:2])
            image = image[:height, :width]
        else:
            image = images.fit(image, size, "crop")
        domain = {"domain": model.domains[0]} if model.domains else {}
        x = image[None] if model.values(taken).dtype == "uint8" else image[None].astype(np.float32) / 255
        y = model.translate(x, direction, **domain)
        found.append((direction or domain["domain"], image, ranges.window(y[0], model.values(made))))
    return found


def warnings(x: np.ndarray, y: np.ndarray) -> list[str]:
    """What looks wrong in a translation y of x, uint8 [h, w, c], as if an assumption did not hold."""
    found = []
    ends = [float(np.mean((z <= 1) | (z >= 254))) for z in (x, y)]
    if ends[1] - ends[0] > ENDS:
        found.append(f"{ends[1]:.0%} of its numbers are at the ends of the range, {ends[0]:.0%} of the input's")
    if abs(y.mean() - x.mean()) > APART * 255:
        found.append(f"its mean is {y.mean():.0f} of 255, the input's {x.mean():.0f}")
    if y.std() < FLAT * 255 < x.std():
        found.append(f"it is nearly one colour (standard deviation {y.std():.1f} of 255)")
    return found


def check(workdir: epath.PathLike, path: Path, directions: Sequence[str]) -> None:
    """Translates an image by a new run, writes WORKDIR/check.png, before and after, and says what looks wrong.

    Args:
      workdir: the run.
      path: of the image.
      directions: those whose generators were imported; none where the run has domains.
    Raises:
      UserError: the image cannot be read.
    """
    model = gan_xla.load(str(workdir))
    pictures = _pictures(model, path, directions)
    rows = [np.concatenate([_coloured(x), _coloured(y)], axis=1) for _, x, y in pictures]
    images.write(Path(workdir) / "check.png", np.concatenate(rows))
    print(f"{workdir}/check.png: {path} and its translation, {', '.join(name for name, _, _ in pictures)}")
    for name, x, y in pictures:
        for reason in warnings(x, y):
            print(f"warning: {name}: {reason}; perhaps an assumption is wrong (--assume)")


def _coloured(image: np.ndarray) -> np.ndarray:
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image[..., :3]
