"""Label vectors of methods that know several domains, over one or more data sets (StarGAN, section 3.2-3.3).

A vector is [labels of set 1, labels of set 2, ..., mask]: labels of other sets than the image's own
are unknown and zero, and the mask is one-hot over the sets; one set alone has no mask.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from gan_xla.errors import UserError


@dataclasses.dataclass(frozen=True)
class LabelSet:
    """The labels of one data set.

    Attributes:
      name: of the data set.
      labels: their names, in the order of the columns.
      exclusive: groups of names of which an image has one at most; the other labels are free.
    """

    name: str
    labels: tuple[str, ...]
    exclusive: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self):
        unknown = {label for group in self.exclusive for label in group} - set(self.labels)
        if unknown:
            raise UserError(f"data.exclusive: {', '.join(sorted(unknown))} not in data.labels={self.labels}")

    @property
    def one_hot(self) -> bool:
        """Whether all labels are one group, such as classes."""
        return any(set(group) == set(self.labels) for group in self.exclusive)


@dataclasses.dataclass(frozen=True)
class LabelSpace:
    """The label vectors of one or more data sets."""

    sets: tuple[LabelSet, ...]

    @classmethod
    def of(cls, data: ml_collections.ConfigDict) -> "LabelSpace":
        """The space of a config's `data` section, with the sets of `data.joint` after its own.

        Raises:
          UserError: no labels, or exclusive groups of unknown ones.
        """
        sets = []
        for name, fields in (("data", data), *data.get("joint", {}).items()):
            if not fields.labels:
                where = "data" if name == "data" else f"data.joint.{name}"
                raise UserError(f"{where}.labels is empty; name the labels to learn, or ('all',)")
            exclusive = tuple(tuple(group) for group in fields.get("exclusive", ()))
            sets.append(LabelSet(name, tuple(fields.labels), exclusive))
        return cls(tuple(sets))

    @property
    def size(self) -> int:
        """Length of a vector."""
        return self.count + (len(self.sets) if len(self.sets) > 1 else 0)

    @property
    def count(self) -> int:
        """Number of labels, without the mask."""
        return sum(len(part.labels) for part in self.sets)

    def columns(self, number: int) -> slice:
        """Columns of the labels of set `number`."""
        start = sum(len(part.labels) for part in self.sets[:number])
        return slice(start, start + len(self.sets[number].labels))

    @property
    def domains(self) -> tuple[str, ...]:
        """A name for every label column; "set/label" where two sets have a label in common."""
        names = [(part.name, label) for part in self.sets for label in part.labels]
        plain = [label for _, label in names]
        return tuple(label if plain.count(label) == 1 else f"{name}/{label}" for name, label in names)

    def place(self, number: int, labels: np.ndarray) -> np.ndarray:
        """Labels float32 [n, c] of set `number` as vectors [n, size]."""
        vectors = np.zeros((len(labels), self.size), np.float32)
        vectors[:, self.columns(number)] = labels
        if len(self.sets) > 1:
            vectors[:, self.count + number] = 1
        return vectors

    def vector(self, names: Sequence[str]) -> np.ndarray:
        """float32 [size]: the domains `names` and no other.

        Raises:
          UserError: an unknown name, two names of which an image has only one, or of two sets.
        """
        numbers = {self._number(name) for name in names}
        if len(numbers) != 1:
            raise UserError(f"--domain={','.join(names)}: give one or more domains of one data set")
        (number,) = numbers
        part, columns = self.sets[number], [self.domains.index(name) for name in names]
        start = self.columns(number).start
        chosen = {part.labels[column - start] for column in columns}
        for group in part.exclusive:
            if len(chosen & set(group)) > 1:
                raise UserError(f"--domain={','.join(names)}: give one of {', '.join(group)}, not several")
        return self.place(number, np.isin(part.labels, list(chosen))[None])[0]

    def towards(self, name: str, label: jax.Array) -> jax.Array:
        """The vectors `label` [n, size] changed towards the domain `name`, for pictures of every domain.

        A label of an exclusive group takes the place of the others there, a free one is turned
        round; images of another data set get this label alone.
        """
        label = jnp.asarray(label)
        number, column = self._number(name), self.domains.index(name)
        part, columns = self.sets[number], self.columns(number)
        group = next((g for g in part.exclusive if part.labels[column - columns.start] in g), None)
        own = label[:, self.count + number, None] if len(self.sets) > 1 else jnp.ones((len(label), 1))
        kept = np.zeros(self.size, np.float32)
        kept[columns] = [group is None or other not in group for other in part.labels]
        kept[column] = 0
        value = 1.0 if group else 1 - label[:, column] * own[:, 0]
        result = (label * own * kept).at[:, column].set(value)
        return result.at[:, self.count + number].set(1) if len(self.sets) > 1 else result

    def shares(self, logits: jax.Array) -> jax.Array:
        """Logits [n, count] of a classifier as shares of 1: of a set of classes together, of other labels each."""
        found = [
            jax.nn.softmax(part) if self.sets[number].one_hot else jax.nn.sigmoid(part)
            for number in range(len(self.sets))
            for part in [logits[:, self.columns(number)]]
        ]
        return jnp.concatenate(found, axis=-1)

    def between(self, own: np.ndarray, target: np.ndarray, share: float) -> np.ndarray:
        """Vectors on the way from labels `own` [n, count] to the vectors `target` [n, size], in target's data set."""
        start = target.copy()
        start[:, : self.count] = own
        for number in range(len(self.sets) if len(self.sets) > 1 else 0):
            start[:, self.columns(number)] *= target[:, self.count + number, None]
        return start + np.float32(share) * (target - start)

    def _number(self, name: str) -> int:
        """The number of the set that `name` belongs to."""
        if name not in self.domains:
            raise UserError(f"--domain={name}: this model knows {', '.join(self.domains)}")
        column = self.domains.index(name)
        return next(k for k in range(len(self.sets)) if column < self.columns(k).stop)
