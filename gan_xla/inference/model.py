"""Trained models for use: `load(workdir)`. Imports no TensorFlow."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import ml_collections
import numpy as np

from gan_xla import devices, nets
from gan_xla.contract import Ctx, Gan, Tree
from gan_xla.errors import UserError
from gan_xla.gans.shared import noise
from gan_xla.inference import aims
from gan_xla.inference.described import Described
from gan_xla.inference.styles import Codes

CHUNK = 64


class Model(Described):
    """A trained method.

    Attributes:
      step: training step of the checkpoint.
      variables: {"gen": (params, stats), "disc": (params, stats)} of plain arrays; where training
        kept the generators' moving average, that is "gen", and "gen_raw" what it averaged.
      phase: of the training, to which the step belongs.
    """

    def __init__(
        self, gan: Gan, config: ml_collections.ConfigDict, step: int, variables: dict[str, Any], early: int = 0
    ):
        super().__init__(gan, config)
        self.step, self.variables, self._early = step, variables, early
        self._placed = devices.everywhere(variables["gen"])
        static = ("statistics",) if gan.labels else ("target", "statistics")
        self._translate = jax.jit(gan.translate, static_argnames=static) if gan.translate else None
        self.phase = gan.phase(step, early)
        now = Ctx(key=None, step=step, index=None, phase=self.phase, train=False)
        self._target = partial(aims.target, gan)
        self._codes = Codes(gan, config.gan, self._placed)
        self._classify = jax.jit(gan.classify) if gan.classify else None
        self._draw = partial(gan.sample, ctx=now) if gan.sample else None
        self._sample = jax.jit(self._draw) if gan.sample else None

    def translate(
        self,
        images,
        direction: str | None = None,
        *,
        domain: str | Sequence[str] | np.ndarray | None = None,
        statistics: str | None = None,
        dropout: bool | None = None,
        style: np.ndarray | None = None,
        reference=None,
        strength: float = 1.0,
        seed: int = 0,
    ) -> np.ndarray:
        """Translates images, or points where the model was trained on points.

        Args:
          images: of the type of `values`, or, where that is not float32, float in [0, 1] from one end of its range
            to the other; [n, h, w, c] (h and w as `size_multiple` says); points float [n, 2].
          direction: "AtoB" (default) or "BtoA", where the method has it.
          domain: one of `domains` or several of one data set, whose other labels are then off; or
            label vectors float [d] or [n, d] as `gan_xla.labels` describes them.
          statistics: "running": batch norm uses the averages of training, so that a
            translation does not depend on its neighbours; "image": each image's own;
            "batch": those of this call's images together, the habit of DiscoGAN's reference
            code. Default: the method's habit ("image" for pix2pix, "running" for others).
          dropout: whether it stays on. Default: the method's habit (True for pix2pix, whose
            only noise it is).
          style: codes float [d] or [n, d] of `styles`, or between them, where the method has styles. Default: drawn,
            another one for each image.
          reference: images [n, h, w, c], or one [1, h, w, c] for all, whose style to take in the place of `style`.
          strength: 0 to 1, where the method has styles or reads labels. Styles go from the mean style of the target, at
            0, to the one given or drawn (truncation, as StarGAN v2's code has it); labels from those that the method
            reads from an image itself, its D (StarGAN) or E_y (IcGAN), to the target's.
          seed: of dropout and styles; those of image number i of a call come from (seed, i).

        Returns:
          [n, h, w, c] of the type of the domain's `values`; points float32 [n, 2].
        Raises:
          UserError: unknown direction or domain, images that the network cannot take, codes of another length, or a
            strength that the method does not have.
        """
        if self._translate is None:
            raise UserError(f"this {self.config.gan} model does not translate; use --mode=sample")
        statistics, dropout = self._manner(statistics, dropout)
        aims.check_strength(self._gan, self.config.gan, strength)
        x = np.asarray(images)
        source, made = self.ends(direction)
        target = self._target(direction, domain, len(x))
        x = self._check(x, source)
        if reference is not None:
            if style is not None:
                raise UserError("style and reference are both set; set one of them")
            style = self._referred(reference, direction, domain, len(x))
        codes = self._codes.of(style, len(x), target, seed, strength)
        if strength < 1 and not codes:
            target = self._weaker(x, source, target, strength)
        # Batch statistics are those of all images together, so these cannot go in chunks.
        chunk = len(x) if statistics == "batch" else min(CHUNK, len(x))
        parts = []
        for start in range(0, len(x), chunk):
            # The last chunk is filled up with the first images, so that one program serves all.
            rows = np.arange(start, start + chunk) % len(x)
            ctx = Ctx(jax.random.key(seed), step=0, index=rows)
            keys = ctx.keys("dropout") if dropout else None
            to = target if isinstance(target, str) else target[rows]
            y = self._pass(x[rows], (source, made), to, statistics, keys, *(code[rows] for code in codes))
            parts.append(y[: len(x) - start])
        return np.concatenate(parts)

    def _manner(self, statistics: str | None, dropout: bool | None) -> tuple[str, bool]:
        """Statistics and dropout of `translate`."""
        statistics = statistics or self.habit.statistics
        if statistics not in nets.STATISTICS:
            raise UserError(f"--statistics={statistics}: use one of {', '.join(nets.STATISTICS)}")
        return statistics, self.habit.dropout if dropout is None else dropout

    def _weaker(self, x: np.ndarray, source: str, target: np.ndarray, strength: float) -> np.ndarray:
        """Label vectors [n, d] on the way from the images' own labels to the target."""
        assert self._classify and self.labels  # of `aims.check_strength`
        chunks = (slice(start, start + CHUNK) for start in range(0, len(x), CHUNK))
        state = (*self._placed, *self.variables["disc"])
        own = [np.asarray(self._classify(*state, self._into(x[rows], source))) for rows in chunks]
        return self.labels.between(np.concatenate(own), target, strength)

    def _pass(self, x: np.ndarray, ends: tuple[str, str], target, statistics: str, keys, *codes) -> np.ndarray:
        """One call of the networks: images or points as they come, to images or points as they leave."""
        assert self._translate  # of `translate`
        source, made = ends
        arrays = devices.spread(self._into(x, source))
        return self._out_of(self._translate(*self._placed, arrays, target, statistics, keys, *codes), made)

    def styles(
        self,
        n: int = 1,
        direction: str | None = None,
        *,
        domain: str | Sequence[str] | None = None,
        reference=None,
        seed: int = 0,
    ) -> np.ndarray:
        """Styles for `translate`, where the method has them.

        Args:
          n: how many are drawn; style number i is made of the noise (seed, i).
          direction, domain: what they are for, as in `translate`.
          reference: images [n, h, w, c], of the kind that `translate` makes, to read them from instead.
          seed: see `n`.

        Returns:
          codes float32 [n, d].
        Raises:
          UserError: as `translate`, or the method has no styles.
        """
        if reference is None:
            return self._codes.draw(n, self._target(direction, domain, n), seed)
        _, made = self.ends(direction)
        x = self._check(np.asarray(reference), made)
        return self._codes.read(self._into(x, made), self._target(direction, domain, len(x)))

    def _referred(self, reference, direction: str | None, domain, count: int) -> np.ndarray:
        """The style of one image, or of as many as are translated."""
        codes = self.styles(reference=reference, direction=direction, domain=domain)
        if len(codes) not in (1, count):
            raise UserError(f"reference: {len(codes)} images for {count}; give one for all, or one for each")
        return codes if len(codes) == count else codes[0]

    def only(self, task: str | None = None) -> "Model":
        """The same model without the other task, for what has room for one, such as an exported file.

        Args:
          task: "translate" or "sample"; None: the first of them that the model does.
        Raises:
          UserError: the model does not do it.
        """
        tasks = {"translate": self._gan.translate, "sample": self._gan.sample}
        task = task or next(name for name, function in tasks.items() if function)
        if tasks[task] is None:
            raise UserError(f"--task={task}: this {self.config.gan} model does not {task}; leave --task out")
        if not all(tasks.values()):
            return self
        without = {"latent": 0, "sample": None} if task == "translate" else {"directions": (), "translate": None}
        gan = dataclasses.replace(self._gan, **without)
        return Model(gan, self.config, self.step, self.variables, self._early)

    def function(self, direction: str | None = None) -> Callable[..., jax.Array]:
        """What `translate` without dropout, or `sample`, does, as a pure function of arrays, for exporters.

        Args:
          direction: one of `directions`, where there are any.

        Returns:
          (images [n, h, w, c] of the type of `values` or points [n, 2], label vectors [n, d] where there are `labels`,
          noise [n, `style.latent`] where there are styles) or (noise [n, latent], label vectors) -> what `translate` or
          `sample` returns.
        """
        translate, draw, gen = self._gan.translate, self._draw, self.variables["gen"]
        if draw is not None:
            return lambda z, label=None: self._finish(draw(*gen, z, label))
        assert translate is not None  # a method has one of them

        def translated(x, *more):
            to = more[0] if self.labels else direction
            source, made = self.ends(direction)
            styles = (self._gan.styles.draw(*gen, more[-1], to),) if self._gan.styles else ()
            y = translate(*gen, self._into(x, source), to, self.habit.statistics, None, *styles)
            return self._finish(y, made)

        return translated

    def sample(
        self, n: int | None = None, labels: Sequence[str | int] | None = None, seed: int = 0, z=None, psi: float = 1.0
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Draws images.

        Args:
          n: number of images; default: one for each of `labels` or of `z`, else 1.
          labels: names of labels, repeated to n; default: every label in turn. Only where the
            method has `domains`.
          seed: image number i of a call comes from the noise (seed, i).
          z: noise [n, latent] in place of what the seed gives.
          psi: factor of the noise; below 1 images are more usual ones and less varied (truncation).

        Returns:
          [n, size, size, c] of the type of `values`; where `draws` has several names, such arrays by name.
        Raises:
          UserError: the model does not sample, unknown labels, or impossible numbers.
        """
        if self._sample is None:
            raise UserError(f"this {self.config.gan} model does not sample; use --mode=translate")
        n = n if n is not None else len(z) if z is not None else len(labels or [0])
        if n < 1 or (z is not None and np.shape(z) != (n, self._gan.latent)):
            raise UserError(f"--num={n}: must be 1 or more, and noise [{n}, {self._gan.latent}]")
        vectors = self.label_vectors(labels, n)
        parts = []
        for start in range(0, n, CHUNK):
            rows = np.arange(start, start + min(CHUNK, n))
            noise = psi * (self.noise(seed, rows) if z is None else np.asarray(z, np.float32)[rows % n])
            label = None if vectors is None else vectors[rows % n]
            drawn = self._out_of(self._sample(*self._placed, devices.spread(noise), label))
            parts.append(jax.tree.map(lambda x, left=n - start: x[:left], drawn))
        return jax.tree.map(lambda *x: np.concatenate(x), *parts)

    def noise(self, seed: int, rows: np.ndarray) -> np.ndarray:
        """The noise [len(rows), latent] behind these images of `sample`."""
        return np.asarray(noise.normal(Ctx(jax.random.key(seed), step=0, index=rows), self._gan.latent))

    @property
    def drawing(self) -> Callable[..., jax.Array]:
        """What `sample` does, for gradients: (gen_params, gen_stats, z, label vectors or None) -> images, 0 to 255.

        The ends are those of the range of `values`.

        Raises:
          UserError: the model does not sample, or draws several images of a noise.
        """
        if self._sample is None or len(self.draws) > 1:
            what = "draws several images at once" if self._sample else "does not draw from noise"
            raise UserError(f"--mode=project: this {self.config.gan} model {what}; use one of gan, cgan, dcgan, pggan")
        return self._drawn

    def _drawn(self, params: Tree, stats: Tree, z: jax.Array, label: jax.Array | None) -> jax.Array:
        assert self._draw and self._gan.value_range  # of `drawing`
        low, high = self._gan.value_range
        return (self._draw(params, stats, z, label) - low) * (255 / (high - low))
