"""5x5 convolutions of images enlarged twice, by fewer products: plainly a third of what MUNIT's step multiplies."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_xla.nets import blocks
from gan_xla.nets.convolution import conv, use_plain

# Which of a kernel's 5 rows fall on the same row of the smaller image, for even and for odd rows of the output.
_EVEN = ((1, 1, 0, 0, 0), (0, 0, 1, 1, 0), (0, 0, 0, 0, 1))
_ODD = ((1, 0, 0, 0, 0), (0, 1, 1, 0, 0), (0, 0, 0, 1, 1))
_AROUND = ((0, 0), (1, 1), (1, 1), (0, 0))


def doubled_conv(x: jax.Array, kernel: jax.Array, stride: int = 1, padding: int = 2) -> jax.Array:
    """`conv` of nearest neighbours, twice the size, padded by reflection.

    Four neighbouring outputs are four 3x3 convolutions of the smaller image: 36 products for 100, and fewer where 3x3
    has a scheme. The pixels 1 away from the border are those on it; those 2 away are others, which counts for the
    outermost outputs alone.

    Args:
        x: images `[n, h, w, c_in]`.
        kernel: `[5, 5, c_in, c_out]`, of the same dtype.
        stride, padding: 1 and 2.

    Returns:
        `[n, 2 h, 2 w, c_out]`.

    Raises:
        ValueError: another kernel, stride or padding.
    """
    if (kernel.shape[:2], stride, padding) != ((5, 5), 1, 2):
        raise ValueError(
            f"doubled_conv: kernel {kernel.shape[:2]}, stride {stride}, padding {padding}: use (5, 5), 1, 2"
        )
    n, h, w, c = x.shape
    if use_plain.value or min(h, w) < 2:
        return conv(blocks.reflect(blocks.double(x), 2), kernel)
    rows = np.array([_EVEN, _ODD])
    four = jnp.einsum("ria,sjb,abcd->ijcrsd", rows, rows, kernel)
    y = conv(jnp.pad(x, _AROUND, "edge"), four.reshape(3, 3, c, -1)).reshape(n, h, w, 2, 2, -1)
    return y.swapaxes(2, 3).reshape(n, 2 * h, 2 * w, -1) + _outermost(x, kernel)


def _outermost(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """What is lacking where the pixels 2 away from the border are taken for those 1 away, `[n, 2 h, 2 w, c_out]`."""
    _, h, w, _ = x.shape
    top, bottom = (_line(x[:, a], "reflect") - _line(x[:, b], "edge") for a, b in ((1, 0), (-2, -1)))
    # Without the corners, which are in the lines above and below.
    inner = ((0, 0), (1, 1), (0, 0))
    left, right = (jnp.pad(_line(x[:, :, a] - x[:, :, b], "edge")[:, 1:-1], inner) for a, b in ((1, 0), (-2, -1)))
    y = jnp.pad(_beside(top, kernel[0])[:, None], ((0, 0), (0, 2 * h - 1), (0, 0), (0, 0)))
    y += jnp.pad(_beside(bottom, kernel[-1])[:, None], ((0, 0), (2 * h - 1, 0), (0, 0), (0, 0)))
    y += jnp.pad(_beside(left, kernel[:, 0])[:, :, None], ((0, 0), (0, 0), (0, 2 * w - 1), (0, 0)))
    return y + jnp.pad(_beside(right, kernel[:, -1])[:, :, None], ((0, 0), (0, 0), (2 * w - 1, 0), (0, 0)))


def _line(x: jax.Array, how: str) -> jax.Array:
    """A line of pixels `[n, m, c]`, twice as long and padded, `[n, 2 m + 4, c]`."""
    return jnp.pad(jnp.repeat(x, 2, axis=1), ((0, 0), (2, 2), (0, 0)), how)


def _beside(line: jax.Array, kernel: jax.Array) -> jax.Array:
    """What a line `[n, m + 4, c_in]` adds to the outputs beside it, `[n, m, c_out]`; kernel `[5, c_in, c_out]`."""
    windows = jnp.stack([line[:, a : a + line.shape[1] - 4] for a in range(5)], axis=2)
    return jnp.einsum("nmac,acd->nmd", windows, kernel)
