"""How images come to the size of a network where a published protocol says so: by Pillow, on the host.

Pillow's bicubic filter widens where images shrink (antialiasing); PyTorch's and TensorFlow's do not, so that a distance
of images of another size is another distance (Parmar et al. 2022).
"""

import numpy as np
from PIL import Image


def bytes_to(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 [n, h, w, 3] -> uint8 [n, size, size, 3], rounded, as pictures are resized."""
    return np.stack([np.asarray(Image.fromarray(x).resize((size, size), Image.Resampling.BICUBIC)) for x in images])


def middle_to(images: np.ndarray, size: int) -> np.ndarray:
    """`bytes_to` of the largest square in the middle."""
    side = min(images.shape[1:3])
    top, left = ((length - side) // 2 for length in images.shape[1:3])
    return bytes_to(np.ascontiguousarray(images[:, top : top + side, left : left + side]), size)


def floats_to(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 [n, h, w, 3] -> float32 [n, size, size, 3] in [0, 255], each channel alone and not rounded: "clean".

    As clean-fid 0.1.35; its first versions did not clip what the filter puts beyond the range.
    """

    def one(channel: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(channel).resize((size, size), Image.Resampling.BICUBIC)).clip(0, 255)

    channels = np.moveaxis(images.astype(np.float32), -1, 1)
    return np.stack([np.stack([one(channel) for channel in x], axis=-1) for x in channels])
