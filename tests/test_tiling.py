"""Tiles and their seams."""

import numpy as np
import pytest

from gan_xla.errors import UserError
from gan_xla.inference import tiling

IMAGE = np.random.default_rng(0).integers(0, 256, (150, 101, 3), np.uint8)


class Blur:
    """The mean over 5x5 pixels, which repeats the edge; a network of receptive field 5."""

    def __init__(self):
        self.shapes = []

    def __call__(self, x):
        self.shapes.append(x.shape)
        wide = np.pad(x.astype(np.float64), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
        return np.rint(np.lib.stride_tricks.sliding_window_view(wide, (5, 5), (1, 2)).mean((-2, -1))).astype(np.uint8)


@pytest.mark.parametrize("tile, overlap, calls", [(200, 8, 1), (64, 8, 6), (64, 0, 6), (32, 16, 54), (104, 8, 2)])
def test_tiles_of_at_most_the_asked_size_cover_the_image(tile, overlap, calls):
    blur = Blur()
    found = tiling.tiled(lambda x: blur(x) * 0 + x, IMAGE, tile=tile, overlap=overlap, multiple=8)
    np.testing.assert_array_equal(found, IMAGE)
    assert len(blur.shapes) == calls and len(set(blur.shapes)) == 1
    assert max(blur.shapes[0]) <= max(tile, 3) and not any(side % 8 for side in blur.shapes[0][1:3])


def test_an_overlap_hides_the_seams():
    image = np.random.default_rng(1).integers(0, 256, (192, 192, 3), np.uint8)
    whole = Blur()(image[None])[0].astype(int)
    errors = [
        np.abs(tiling.tiled(Blur(), image, tile=64, overlap=overlap, multiple=8) - whole) for overlap in (0, 16, 32)
    ]
    assert errors[0].max() > 30 and errors[0].mean() > 0.5
    assert all(error.max() < 10 and error.mean() < 0.1 * errors[0].mean() for error in errors[1:])


def test_an_image_within_a_tile_is_translated_whole():
    whole = Blur()(tiling.padded(IMAGE, 8)[None])[0, :150, :101]
    np.testing.assert_array_equal(tiling.tiled(Blur(), IMAGE, tile=152, overlap=8, multiple=8), whole)


@pytest.mark.parametrize(
    "tile, overlap, message",
    [(60, 8, "--tile=60: .* multiples of 8"), (0, 0, "--tile=0"), (64, 33, "--overlap=33: must be 0 to 32")],
)
def test_impossible_tiles_are_clear_errors(tile, overlap, message):
    with pytest.raises(UserError, match=message):
        tiling.check(tile, overlap, 8)
