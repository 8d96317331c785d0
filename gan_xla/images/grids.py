"""Grids of sample pictures: a labelled column for each name, and points as dots."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_xla.images.colours import compose, visible

TILE = 64
HEADER = 18
FONT = 12


def points_image(points: np.ndarray, size: int = 2 * TILE, limit: float = 3.0) -> np.ndarray:
    """Points [n, 2] as dark dots on white, uint8 [size, size, 3]; the square is [-limit, limit]^2."""
    count, _, _ = np.histogram2d(-points[:, 1], points[:, 0], bins=size, range=[[-limit, limit]] * 2)
    return np.repeat((255 * np.exp(-count))[..., None], 3, axis=-1).astype(np.uint8)


def _column(name: str, x: np.ndarray) -> np.ndarray:
    """One labelled column of a grid: uint8 images [n, h, w, c] one below the other, or points [n, 2]."""
    tiles = points_image(x)[None] if x.ndim == 2 else compose(x) if x.shape[-1] == 4 else visible(x)
    scale = -(-TILE // tiles.shape[1])
    tiles = np.repeat(np.repeat(tiles, scale, axis=1), scale, axis=2)
    tiles = np.pad(tiles, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
    column = np.concatenate(np.broadcast_to(tiles, (*tiles.shape[:3], 3)))
    header = Image.new("RGB", (column.shape[1], HEADER), "white")
    label = " to ".join(name.removeprefix("x_")) if name.startswith("x_") else name
    draw = ImageDraw.Draw(header)
    width = draw.textlength(label, font=ImageFont.load_default(FONT))
    font = ImageFont.load_default(min(FONT, FONT * (column.shape[1] - 4) / max(width, 1)))  # long names shrink
    draw.text((column.shape[1] / 2, HEADER / 2), label, "black", font, "mm")
    return np.concatenate([np.asarray(header), column])


def sample_grid(arrays: Mapping[str, np.ndarray], rows: Sequence[Sequence[str]]) -> np.ndarray:
    """A picture of named uint8 images [n, h, w, c] or points [n, 2].

    Args:
      arrays: by name, such as "x_A" and "x_AB".
      rows: groups of names; each name becomes a labelled column, groups stand apart.

    Returns:
      uint8 [height, width, 3].
    """
    groups = [np.concatenate([_column(name, arrays[name]) for name in names], axis=1) for names in rows]
    gap = np.full((groups[0].shape[0], 8, 3), 255, np.uint8)
    return np.concatenate([part for group in groups for part in (group, gap)][:-1], axis=1)
