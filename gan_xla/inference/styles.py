"""Codes of styles, drawn from noise or read from images, for `Model`."""

import jax
import numpy as np

from gan_xla.contract import Ctx, Gan, Tree
from gan_xla.errors import UserError
from gan_xla.gans.shared import noise

MANY = 1024  # codes that a mean is taken of


class Codes:
    """The codes of a method that makes many translations of an image; of others all but `of` raise UserError.

    Args:
      gan: the method.
      name: of it, for messages.
      placed: the generators' parameters and statistics, on the devices.
    """

    def __init__(self, gan: Gan, name: str, placed: tuple[Tree, Tree]):
        self._styles, self._name, self._placed = gan.styles, name, placed
        self._means: dict[str | bytes, np.ndarray] = {}
        static = () if gan.labels else ("target",)
        self._jitted = {
            what: jax.jit(getattr(gan.styles, what), static_argnames=static) for what in ("draw", "read") if gan.styles
        }

    def _call(self, what: str, x: jax.Array, target: str | np.ndarray) -> np.ndarray:
        if not self._styles:
            raise UserError(f"--styles, --reference: this {self._name} model makes one translation of an image")
        return np.asarray(self._jitted[what](*self._placed, x, target))

    def draw(self, count: int, target: str | np.ndarray, seed: int) -> np.ndarray:
        """Codes [count, size], of the noise (seed, i)."""
        ctx = Ctx(jax.random.key(seed), step=0, index=np.arange(count))
        latent = self._styles.latent if self._styles else 0
        return self._call("draw", noise.normal(ctx, latent, name="style"), target)

    def read(self, x: jax.Array, target: str | np.ndarray) -> np.ndarray:
        """Codes [n, size] of images [n, h, w, c] in the networks' range."""
        return self._call("read", x, target)

    def mean(self, target: str | np.ndarray) -> np.ndarray:
        """The mean code [size], or [n, size] of label vectors [n, d], of many that are drawn."""
        if isinstance(target, str):
            return self._mean(target)
        kinds, rows = np.unique(target, axis=0, return_inverse=True)
        return np.stack([self._mean(kind) for kind in kinds])[rows]

    def _mean(self, target: str | np.ndarray) -> np.ndarray:
        """Of a direction or of one label vector [d]; taken once, since every batch of a directory asks for it."""
        key = target if isinstance(target, str) else target.tobytes()
        if key not in self._means:
            to = target if isinstance(target, str) else np.repeat(target[None], MANY, axis=0)
            self._means[key] = self.draw(MANY, to, 0).mean(axis=0)
        return self._means[key]

    def of(
        self, style: np.ndarray | None, count: int, target: str | np.ndarray, seed: int, strength: float = 1.0
    ) -> tuple[np.ndarray, ...]:
        """What `Gan.translate` takes besides: codes [count, size], as given or drawn; nothing without styles.

        `strength` below 1 brings them nearer to the mean.

        Raises:
          UserError: codes of another shape, or of a method without styles.
        """
        codes = self._whole(style, count, target, seed)
        if strength == 1 or codes is None:
            return () if codes is None else (codes,)
        mean = self.mean(target)
        return (mean + np.float32(strength) * (codes - mean),)

    def _whole(self, style: np.ndarray | None, count: int, target: str | np.ndarray, seed: int) -> np.ndarray | None:
        """Codes [count, size] at full strength; None without styles."""
        if style is None:
            return self.draw(count, target, seed) if self._styles else None
        size = self._styles.size if self._styles else 0
        codes = np.asarray(style, np.float32)
        if codes.shape not in ((size,), (count, size)) or not size:
            takes = f"codes are [{size}] or [{count}, {size}]" if size else "this model takes none"
            raise UserError(f"style: {takes}, not {list(codes.shape)}")
        return np.broadcast_to(codes, (count, size))
