"""What a method takes and gives, and its images on their way into the networks and out of them."""

from collections.abc import Sequence

import jax
import ml_collections
import numpy as np

from gan_xla.contract import Gan, Habit, Styles, Tree, Values
from gan_xla.data.dataset import of_domain
from gan_xla.errors import UserError
from gan_xla.images import ranges
from gan_xla.inference import aims, checks
from gan_xla.labels import LabelSpace


class Described:
    """A method as it was configured.

    Attributes:
      config: the run's configuration.
    """

    def __init__(self, gan: Gan, config: ml_collections.ConfigDict):
        self._gan, self.config = gan, config

    @property
    def directions(self) -> tuple[str, ...]:
        """What `translate` accepts; the first is the default; none where it takes domains."""
        return self._gan.directions

    def ends(self, direction: str | None = None) -> tuple[str, str]:
        """Names of what is translated and of what it becomes, for `values` and `channels`.

        Args:
          direction: one of `directions`; None for the first. Where there are none, both are "x".
        Raises:
          UserError: another direction.
        """
        if not self.directions:
            return "x", "x"
        direction = direction or self.directions[0]
        if direction not in self.directions:
            raise UserError(f"--direction={direction}: this model was trained for {' and '.join(self.directions)}")
        return f"x_{direction[0]}", f"x_{direction[-1]}"

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains of `translate`, or the labels of `sample`, where the method has them."""
        return self._gan.labels.domains if self._gan.labels else ()

    @property
    def labels(self) -> LabelSpace | None:
        """The label vectors behind `domains`."""
        return self._gan.labels

    @property
    def latent(self) -> int:
        """Length of the noise of `sample`; 0 where the method has none."""
        return self._gan.latent

    @property
    def style(self) -> Styles | None:
        """What is known of the styles of `translate`, where the method has them."""
        return self._gan.styles

    @property
    def draws(self) -> tuple[str, ...]:
        """Names of the images that `sample` gives for one noise: several, or one."""
        return self._gan.draws

    def values(self, name: str = "x") -> Values:
        """What the numbers of images are, by a name in a batch such as "x_A", or a domain's letter."""
        return self._gan.values_of(name)

    def channels(self, name: str = "x") -> int:
        """Channels of images, by such a name."""
        return of_domain(self.config.data, "channels", name[-1].removesuffix("x"))

    @property
    def translates(self) -> bool:
        """Whether there is `translate`; there is `sample` where `latent` is not 0."""
        return self._gan.translate is not None

    @property
    def graded(self) -> bool:
        """Whether `translate` takes a strength below 1."""
        return aims.graded(self._gan)

    @property
    def value_range(self) -> tuple[float, float] | None:
        """Of the networks' images; None for points."""
        return self._gan.value_range

    @property
    def habit(self) -> Habit:
        """How `translate` normalises and drops out by default."""
        return self._gan.habit

    @property
    def size_multiple(self) -> int | None:
        """Heights and widths that the network takes, as multiples; None: the training size alone."""
        return self._gan.size_multiple

    def label_vectors(self, labels: Sequence[str | int] | None, n: int) -> np.ndarray | None:
        """Label vectors [n, d] of names, repeated to n, or of all in turn; None for a model without labels.

        Raises:
          UserError: unknown labels, or none that the model knows.
        """
        return aims.vectors(self._gan.labels, labels, n)

    def shares(self, images) -> np.ndarray:
        """Images of the kind that `sample` gives, [n, h, w, c], in shares of their range, float32 0 to 1.

        Raises:
          UserError: images of another kind.
        """
        assert self._gan.value_range  # points are not drawn
        low, high = self._gan.value_range
        return np.asarray((self._into(self._check(np.asarray(images), "x"), "x") - low) / (high - low))

    def _check(self, x: np.ndarray, source: str) -> np.ndarray:
        if self._gan.value_range is None:
            return checks.points(x)
        size, values = self.config.data.image_size, self.values(source)
        return checks.pictures(x, values, self.channels(source), size, self.size_multiple)

    def _into(self, x: np.ndarray, source: str):
        if self._gan.value_range is None:
            return x
        low, high = self._gan.value_range
        # Bytes go as bytes, so that a byte means the same number here and in training.
        if x.dtype == self.values(source).dtype or self.values(source).dtype == "float32":
            return ranges.into(x, self.values(source), (low, high))
        return x.astype(np.float32) * (high - low) + low

    def _finish(self, y: Tree, name: str = "x") -> Tree:
        """Images or points of the networks, or several by name, as they leave."""
        low_high = self._gan.value_range
        if low_high is None:
            return y
        if isinstance(y, dict):
            return {name: ranges.out_of(x, self.values(name), low_high) for name, x in y.items()}
        return ranges.out_of(y, self.values(name), low_high)

    def _out_of(self, y: Tree, name: str = "x") -> Tree:
        return jax.tree.map(np.asarray, self._finish(y, name))
