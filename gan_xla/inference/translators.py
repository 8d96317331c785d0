"""How a run translates decoded images of any size, once or in several styles, whole or in part."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import gan_xla
from gan_xla import images
from gan_xla.data.reading import Form, forms
from gan_xla.errors import UserError
from gan_xla.inference import masks, tiling
from gan_xla.inference.model import Model

BATCH = 32
SIZES = ("train", "native")


class Translators(NamedTuple):
    """What translates.

    Attributes:
      model: the run's.
      form: of the inputs.
      made: name of what is made, as `Model.ends` has it.
      size: "train" or "native".
      looks: the functions from some decoded images to their translations, lists of [h, w, c], by the end of the names
        of the files that these become.
    """

    model: Model
    form: Form
    made: str
    size: str
    looks: dict[str, Callable[[Sequence[np.ndarray]], list[np.ndarray]]]

    @property
    def batch(self) -> int:
        """Images of a call."""
        return 1 if self.size == "native" else BATCH

    def beside(self, image: np.ndarray) -> np.ndarray:
        """What a decoded image's translation is the translation of: the image as large, [h, w, c]."""
        if self.size == "native":
            return self.form.channelled(image)
        return images.unfit(self.form.fitted(image), image.shape[:2], self.form.fit)

    def masked(self, image: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The translation y of a decoded image, where the weight [h, w, 1] of it is 1, and the image where it is 0."""
        if self.form.labels or self.model.values(self.made).palette:
            raise UserError("--mask, --keep_background: label maps have no pixels to blend")
        if self.size == "train":
            form = self.form._replace(channels=1, background=(0, 0, 0))
            weight = images.unfit(form.fitted(weight), image.shape[:2], form.fit)
        return masks.kept(self.beside(image), y, np.clip(weight, 0, 1))


def prepare(
    workdir: str,
    *,
    direction: str | None = None,
    checkpoint: str = "last",
    size: str | None = None,
    tile: int = 1024,
    overlap: int = 128,
    max_pixels: int | None = None,
    styles: int | None = None,
    reference: str | None = None,
    load: Callable[[str, str], Model] | None = None,
    **options,
) -> Translators:
    """What translates by a run.

    Args:
      workdir: the run.
      direction: as `Model.translate`; None for the model's first.
      checkpoint: "last" or a step.
      size: "train": to the training size as `data.fit` says; "native": keep the image's size,
        padded to what the network takes and cropped again. Default: "native" where `data.fit` is and the network
        takes any size, else "train".
      tile, overlap: "native" goes tile by tile where a side is above `tile`, see `gan_xla.inference.tiling`.
      max_pixels: of an image; larger ones are left out. Default: the run's `data.max_pixels`.
      styles: of models that have them: how many translations of each image, NAME_0.png, NAME_1.png, ... Default: one.
      reference: FILE[,FILE...], images whose styles these are; with `styles` the way from the first to the second.
      load: what makes a model of a run and a checkpoint; None: `gan_xla.load`.
      options: `domain`, `statistics`, `dropout`, `strength` and `seed` of `Model.translate`.
    Raises:
      UserError: what the model cannot do.
    """
    if size not in (None, *SIZES):
        raise UserError(f"--size={size}: use one of {', '.join(SIZES)}")
    model = (load or gan_xla.load)(workdir, checkpoint)
    if not model.config.data.image_size:
        raise UserError("this model translates points; use gan_xla.load(...).translate in Python")
    taken, made = model.ends(direction)
    form = forms(model.config.data, taken[2:])[1]
    form = form._replace(max_pixels=max_pixels or form.max_pixels)
    aim = {"direction": direction, **options}
    looks = _looks(model, styles, reference, forms(model.config.data, made[2:])[1], aim)
    size = size or ("native" if model.config.data.fit == "native" and model.size_multiple else "train")
    functions = {end: _function(model, form, size, tile, overlap, aim | look) for end, look in looks.items()}
    return Translators(model, form, made, size, functions)


def _function(model: Model, form: Form, size: str, tile: int, overlap: int, options: dict) -> Callable:
    """The function from some decoded images to their translations, lists of [h, w, c]."""
    if size == "train":

        def whole(read: Sequence[np.ndarray]) -> list[np.ndarray]:
            y = model.translate(np.stack([form.fitted(image) for image in read]), **options)
            return [images.unfit(image, before.shape[:2], form.fit) for image, before in zip(y, read, strict=True)]

        return whole
    if model.size_multiple is None:
        raise UserError(f"--size=native: this network takes {images.shown(form.size)} alone; use --size=train")
    if options.get("statistics") == "batch":
        raise UserError("--statistics=batch needs images of one size; use --size=train")
    tiling.check(tile, overlap, model.size_multiple)
    one = partial(model.translate, **options)
    tiled = partial(tiling.tiled, one, tile=tile, overlap=overlap, multiple=model.size_multiple)
    return lambda read: [tiled(form.channelled(image)) for image in read]


def _looks(
    model: Model, styles: int | None, reference: str | None, form: Form, asked: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What `Model.translate` is to be told for each result of an image, by the end of its file's name.

    One style of many is the same for all images.
    """
    if model.style is None and not (styles or reference):
        return {"": {}}
    aim = {name: asked.get(name) for name in ("direction", "domain")}
    if reference:
        files = [Path(name) for name in reference.split(",")]
        codes = model.styles(reference=np.stack([form.fitted(form.decode(file)) for file in files]), **aim)
        if styles and len(codes) != 2:
            raise UserError(f"--styles={styles}: the way between two styles; --reference has {len(codes)} image(s)")
        if styles:
            codes = np.linspace(*codes, styles)
    else:
        codes = model.styles(styles or 1, seed=asked.get("seed", 0), **aim)
    return {f"_{number}" if len(codes) > 1 else "": {"style": code} for number, code in enumerate(codes)}
