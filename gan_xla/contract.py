"""The contract between a method (`gan_xla.gans.<name>`) and everything that drives it.

Conventions, which the drivers rely on:

- A **batch** holds, each with n rows, `index` (see `Ctx`) and what the data give: `x_A` and `x_B` of two domains, or
  `x` of one; where the method has labels also `label`, of x, and `target`, another image's: vectors [n, labels.size],
  with `data.references` beside two images of that label, `x_ref` and `x_ref2`;
  with `data.paired_share` also `paired`, 1.0 where x_A and x_B of a row belong together, else 0.0.
  A method that draws pairs has two domains and no labels.
- A **fake** is named x_ and the domains that it went through; its last letter is the domain that it belongs to, and
  so the discriminator D_A or D_B that judges it: x_AB is in B, x_ABA in A again. Methods of one domain say `x_fake`.
- **Networks**: where a side has several, its parameters and statistics are {name: tree}. `G_*` and `D_*` are networks
  of `model.generator` and `model.discriminator`, which exporters know; other names, such as heads on features, are the
  method's own, and nothing else looks at them.
- **gen_loss sees no generator parameters**: what it needs of them, features too, is computed in `generate` and travels
  in `fakes`. All that is differentiated there is arrays with n rows; `judged` names the images among them.
- **translate and sample are traced with symbolic sizes** by exporters: shapes come from the arguments, and no Python
  branch may ask how large n, h or w are.
"""

import dataclasses
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax

from gan_xla.labels import LabelSpace

Tree: TypeAlias = Any
Array: TypeAlias = jax.Array


class Values(NamedTuple):
    """What the numbers of a domain's images are, in files and in batches.

    Attributes:
      dtype: uint8, uint16, int16 or float32.
      low, high: the numbers that become the ends of the networks' range.
      palette: of label maps, whose channels are classes, 0 or 255: the colours that people see, ((red, green, blue),
        ...).
    """

    dtype: str = "uint8"
    low: float = 0.0
    high: float = 255.0
    palette: tuple[tuple[int, int, int], ...] = ()


BYTES = Values()


class Net(NamedTuple):
    """One side of the game: what the optimiser sees, and what it does not (batch statistics)."""

    params: Tree
    stats: Tree


class Pair(NamedTuple):
    """The two players, or anything that comes once for each of them."""

    gen: Any
    disc: Any


class Phase(NamedTuple):
    """A part of the training that has programs of its own; hashable.

    Attributes:
      start: its first step.
      batch_size: of its global batches; None for `train.batch_size`.
      rows: samples of the data that were shown before it.
      resolution: height and width of its images; None for `data.image_size`.
      fades_until: step at which the newest level has faded in; `start` where nothing fades.
      resets: whether the optimisers forget their moments at its start and when the fade ends.
    """

    start: int = 0
    batch_size: int | None = None
    rows: int = 0
    resolution: int | None = None
    fades_until: int = 0
    resets: bool = False


class Ctx(NamedTuple):
    """What a pure function needs to know of the moment at which it runs.

    Attributes:
      key: the step's random key.
      step: number of turns played before this one, int32 [].
      index: number of each sample within the global batch, int32 [n].
      phase: static; what of the training this is.
      train: static; False means running statistics and no dropout.
    """

    key: Array
    step: Array
    index: Array
    phase: Phase | None = None
    train: bool = True

    def keys(self, name: str) -> Array:
        """One key per sample, [n], for the use called `name`.

        Keyed by the sample's number in the global batch, so that what is drawn does
        not depend on how many devices share the batch.
        """
        key = jax.random.fold_in(self.key, zlib.crc32(name.encode()))
        return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, self.index)


class Habit(NamedTuple):
    """What a generator does at test time, unless the user asks for something else.

    Attributes:
      statistics: what batch norm normalises by: "running", the averages of training; "batch",
        all images of a call together; "image", each image by itself.
      dropout: whether dropout stays on.
    """

    statistics: str = "running"
    dropout: bool = False


USUAL = Habit()


class Styles(NamedTuple):
    """What a method leaves open about a translation: a code of some numbers for each image.

    Attributes:
      latent: dimensions of the noise z, of N(0, 1), that codes are made of.
      size: numbers of a code.
      draw: (gen_params, gen_stats, z [n, latent], target) -> codes [n, size]; target as `Gan.translate` takes it.
      read: (gen_params, gen_stats, x, target) -> codes [n, size] of images x of what target leads to.
    """

    latent: int
    size: int
    draw: Callable
    read: Callable


@dataclasses.dataclass(frozen=True)
class Gan:
    """A method as pure functions over explicit parameters. `batch` holds images [n, h, w, c]
    in `value_range`, or points [n, 2]; `fakes` maps a name such as "x_AB" to the same shapes.
    Methods have `translate`, or `sample` with `latent`, or both.

    Attributes:
      init: key -> Pair(gen=Net, disc=Net).
      generate: (gen_params, gen_stats, batch, ctx) -> (fakes, gen_stats); every generator
        output that a loss needs.
      disc_loss: (disc_params, disc_stats, batch, fakes, ctx) -> (loss, (logs, disc_stats)).
      gen_loss: (disc_params, disc_stats, batch, fakes, ctx) -> (loss, logs).
      translate: (gen_params, gen_stats, x, target, statistics, keys) -> x; target is one of
        `directions`, static, or label vectors [n, labels.size] where the method has labels;
        statistics as in `Habit`, keys [n] for dropout or None. Of methods with `styles` also codes [n, styles.size].
      sample: (gen_params, gen_stats, z, label, ctx) -> x, or {name: x} where `draws` has several names;
        z [n, latent] of N(0, 1), label [n, labels.size] or None; ctx tells when the parameters were what they are.
      latent: dimensions of z.
      draws: the images that sample gives for one z, by the names in a batch of what they should look like.
      judged: names of the fakes that the discriminators see.
      turns: the static cycle of updates, one batch each: "d", "g", "dg" (D first, G sees the
        new D), "gd" (both from one forward pass, the D step last), "d+g" (G draws again).
      directions: what translate accepts; the first is the default; none where it takes labels.
      grid: rows of names in batch or previews, for the sample pictures.
      preview: as generate, of the images that `grid` names; None: generate.
      styles: of the many translations of one image; None where there is one.
      value_range: range of the networks' images; None for data that are not images.
      pool: shapes [size, h, w, c] of the history of fakes that the discriminators are shown from, by the names of
        these fakes; or None for the newest alone.
      sequential_pool: whether the samples of a batch draw from it in turn; else all from what it was before the step.
      size_multiple: image sizes that the generators take, as multiples; None: the training
        size alone.
      labels: the label vectors that the method knows, or None.
      habit: of the generators at test time.
      phases: of the training as planned, ascending; one where nothing changes.
      length: steps of all phases; 0 where the last one has no end.
      ready: disc_stats -> bool []; whether the next phase may begin before its planned start,
        asked after a fade. None: never. The steps saved are added to the last phase.
      constrain: gen_params -> gen_params, after each update of G; None where any parameters will do.
      learns: ctx -> {network of the generators: bool []}; those of which it is False stay as they are in G's update,
        averages and moments too. Networks that it does not name learn.
      classify: (gen_params, gen_stats, disc_params, disc_stats, x) -> the labels of images as the method reads them,
        shares of 1, [n, labels.count]; None where it does not.
      values: of the images of each domain by its letter, of others by ""; `gans.build` puts them in.
    """

    init: Callable
    generate: Callable
    disc_loss: Callable
    gen_loss: Callable
    judged: tuple[str, ...]
    turns: tuple[str, ...]
    grid: tuple[tuple[str, ...], ...]
    value_range: tuple[float, float] | None
    translate: Callable | None = None
    directions: tuple[str, ...] = ()
    styles: Styles | None = None
    size_multiple: int | None = None
    sample: Callable | None = None
    latent: int = 0
    draws: tuple[str, ...] = ("x",)
    pool: dict[str, tuple[int, ...]] | None = None
    sequential_pool: bool = False
    preview: Callable | None = None
    labels: LabelSpace | None = None
    habit: Habit = USUAL
    phases: tuple[Phase, ...] = (Phase(),)
    length: int = 0
    ready: Callable | None = None
    constrain: Callable | None = None
    learns: Callable | None = None
    classify: Callable | None = None
    values: dict[str, Values] = dataclasses.field(default_factory=lambda: {"": BYTES})

    def values_of(self, name: str) -> Values:
        """What the numbers of a batch's images or of a fake are, by its name."""
        return self.values.get(name[-1:], self.values[""])

    def schedule(self, early: int) -> tuple[Phase, ...]:
        """The phases, the present one and those to come `early` steps before their planned start."""
        return tuple(
            phase._replace(start=phase.start - early, fades_until=phase.fades_until - early) for phase in self.phases
        )

    def phase(self, step: int, early: int = 0) -> Phase:
        """The phase that `step` belongs to."""
        return [phase for phase in self.schedule(early) if phase.start <= step][-1]
