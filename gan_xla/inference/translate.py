"""`--mode=translate`: image files in, image files out."""

import os
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

import gan_xla
from gan_xla import images
from gan_xla.errors import UserError
from gan_xla.inference import tiling

BATCH = 32
SIZES = ("train", "native")


def _targets(files: list[Path], output: Path) -> list[Path]:
    targets = [output / f"{path.stem}.png" for path in files]
    twice = {target for target in targets if targets.count(target) > 1} if len(set(targets)) < len(targets) else ()
    if twice:
        raise UserError(f"--input: several files would become {min(twice)}; give them names that differ before the dot")
    inputs = {os.path.realpath(path) for path in files}
    beside = {os.path.realpath(path.parent) for path in files}  # where what exists is not an earlier output
    for target in targets:
        if os.path.realpath(target) in inputs or (os.path.lexists(target) and os.path.realpath(output) in beside):
            raise UserError(f"--output={output} would overwrite {target}, beside the input; use another directory")
    return targets


def translate(
    workdir: str,
    input: str,
    output: str,
    *,
    direction: str | None = None,
    checkpoint: str = "last",
    size: str = "train",
    tile: int = 1024,
    overlap: int = 128,
    **options,
) -> None:
    """Translates a file or the images of a directory into PNG files of the same names.

    Args:
      workdir: the run.
      input: an image file, or a directory of images.
      output: directory, made if it is missing; an earlier output there is replaced, an input never.
      direction: as `Model.translate`; None for the model's first.
      checkpoint: "last" or a step.
      size: "train": to the training size as `data.fit` says; "native": keep the image's size,
        padded to what the network takes and cropped again.
      tile, overlap: "native" goes tile by tile where a side is above `tile`, see `gan_xla.inference.tiling`.
      options: `domain`, `statistics`, `dropout` and `seed` of `Model.translate`.
    Raises:
      UserError: a missing or unreadable input, an output that cannot be written or would overwrite
        an input, or what the model cannot do.
    """
    if size not in SIZES:
        raise UserError(f"--size={size}: use one of {', '.join(SIZES)}")
    source = Path(input)
    files = [source] if os.path.isfile(source) else images.find(source)
    targets = _targets(files, Path(output))
    model = gan_xla.load(workdir, checkpoint)
    data, native = model.config.data, size == "native"
    if not data.image_size:
        raise UserError(f"{workdir}: this model translates points; use gan_xla.load(...).translate in Python")
    if native and model.size_multiple is None:
        raise UserError(
            f"--size=native: this network takes {data.image_size}x{data.image_size} alone; use --size=train"
        )
    if native and options.get("statistics") == "batch":
        raise UserError("--statistics=batch needs images of one size; use --size=train")
    if native:
        tiling.check(tile, overlap, model.size_multiple)
    background = tuple(data.background)
    batch = 1 if native else len(files) if options.get("statistics") == "batch" else BATCH
    with images.output(output):
        for start in tqdm(range(0, len(files), batch), desc="translate", unit="batch"):
            read = [images.read(path, data.channels, background) for path in files[start : start + batch]]
            if native:
                one = partial(model.translate, direction=direction, **options)
                y = [
                    tiling.tiled(one, image, tile=tile, overlap=overlap, multiple=model.size_multiple) for image in read
                ]
            else:
                x = [images.fit(image, data.image_size, data.fit, background) for image in read]
                y = model.translate(np.stack(x), direction, **options)
                y = [images.unfit(image, before.shape[:2], data.fit) for image, before in zip(y, read, strict=True)]
            for target, image in zip(targets[start : start + batch], y, strict=True):
                images.write(target, image)
    print(f"{len(files)} image(s) translated by {workdir}, step {model.step}, into {output}")
