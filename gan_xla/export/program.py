"""A trained generator as one pure function with a description: what the formats of this package write down."""

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import export

import gan_xla
from gan_xla import images
from gan_xla.contract import BYTES
from gan_xla.inference.model import Model
from gan_xla.labels import LabelSpace
from gan_xla.nets import convolution

SIDES = ("height", "width")
SMALLEST = 8  # pixels that every network takes which takes multiples


class Program(NamedTuple):
    """A function with constant parameters.

    Attributes:
      call: of arrays, as `inputs` -> an array, or for models that draw several, arrays by name.
      inputs: by name; sizes that are free are symbolic, see `jax.export.symbolic_shape`.
      constraints: of the free sizes.
      outputs: the names of the results, in the order of what `call` gives.
      about: what the user of an exported file must know, for JSON.
    """

    call: Callable[..., jax.Array | dict[str, jax.Array]]
    inputs: dict[str, jax.ShapeDtypeStruct]
    constraints: tuple[str, ...]
    outputs: tuple[str, ...]
    about: dict[str, Any]


def make(model: Model, direction: str | None, batch: int | None, size: int | None, *, plain: bool = True) -> Program:
    """The program of a model.

    Images are [batch, height, width, channels] of their own type, mostly bytes, as `Model.translate` takes and gives
    them; noise, label vectors and styles are float32 inputs, which `about` describes.

    Args:
      model: what to export.
      direction: one of `model.directions`; None for the first, or where it has none.
      batch: images at once; None for any number.
      size: height and width of the images, or one number for both; None for any multiples of `model.size_multiple`.
      plain: whether convolutions are standard operations, see `convolution.plain`.
    """
    config, labels = model.config, model.labels
    direction = direction or next(iter(model.directions), None)
    free = () if size or not config.data.image_size else SIDES
    height, width = (f"{model.size_multiple}*{side}" for side in SIDES) if free else images.sides(size or 0)
    if model.latent:
        kinds = {"noise": ((model.latent,), np.float32)}
    elif config.data.image_size:
        source, _ = model.ends(direction)
        kinds = {"image": ((height, width, model.channels(source)), np.dtype(model.values(source).dtype))}
    else:
        kinds = {"points": ((2,), np.float32)}
    kinds |= {"label": ((labels.size,), np.float32)} if labels else {}
    kinds |= {"style": ((model.style.latent,), np.float32)} if model.style else {}
    constraints = tuple(f"{side} >= {-(-SMALLEST // model.size_multiple)}" for side in free)
    scope = export.SymbolicScope(constraints)
    inputs = {}
    for name, (shape, kind) in kinds.items():
        spec = ", ".join(str(length) for length in (batch or "batch", *shape))
        inputs[name] = jax.ShapeDtypeStruct(export.symbolic_shape(spec, scope=scope), kind)
    function = model.function(direction)

    def call(*arrays):
        with convolution.plain() if plain else contextlib.nullcontext():
            return function(*arrays)

    outputs = ("translation",) if not model.latent else ("image",) if len(model.draws) == 1 else sorted(model.draws)
    return Program(call, inputs, constraints, tuple(outputs), describe(model, direction, size))


def describe(model: Model, direction: str | None, size: int | None) -> dict[str, Any]:
    """`Program.about`."""
    data, labels = model.config.data, model.labels
    about = {"gan_xla": gan_xla.__version__, "method": model.config.gan, "step": model.step, "direction": direction}
    if data.image_size:
        source, made = model.ends(direction)
        about |= {
            "images": _kind(model, source),
            "channels": _colours(model, source),
            **({"made": _kind(model, made)} if _kind(model, made) != _kind(model, source) else {}),
            **({"made_channels": _colours(model, made)} if _colours(model, made) != _colours(model, source) else {}),
            "size": size,
            "size_multiple": model.size_multiple,
            "fit": data.fit,
            "background": list(data.background),
        }
    if model.latent:
        about["noise"] = f"float32 [batch, {model.latent}], drawn from N(0, 1)"
    else:
        about |= {"statistics": model.habit.statistics, "dropout": False}
    if model.style:
        about["style"] = f"float32 [batch, {model.style.latent}], drawn from N(0, 1): one translation of many"
        about["style_size"] = model.style.latent
    if labels:
        about["label"] = f"float32 [batch, {labels.size}]: 1 in the columns of the labels meant, all of one set"
        about["labels"] = [_labels(labels, number) for number in range(len(labels.sets))]
    return about


def _kind(model: Model, name: str) -> str:
    values = model.values(name)
    return f"{values.dtype} [batch, height, width, channels], {values.low:g} to {values.high:g}"


def _colours(model: Model, name: str) -> str:
    channels, bytes_ = model.channels(name), model.values(name) == BYTES
    if model.values(name).palette:
        return f"{channels} classes, 255 in the channel of a pixel's own"
    known = {1: "grey", 3: "RGB", 4: "RGBA, alpha straight"} if bytes_ else {1: "grey", 3: "RGB"}
    return known.get(channels, f"{channels} numbers")


def _labels(space: LabelSpace, number: int) -> dict[str, Any]:
    """The columns of set `number` by label, groups that have one label at most, and columns that go with all."""
    columns, part = space.columns(number), space.sets[number]
    names = dict(zip(part.labels, space.domains[columns], strict=True))
    return {
        "columns": dict(zip(names.values(), range(columns.start, columns.stop), strict=True)),
        "exclusive": [[names[label] for label in group] for group in part.exclusive],
        "also": [space.count + number] if len(space.sets) > 1 else [],
    }
