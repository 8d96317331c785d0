"""`--mode=translate`: image files in, image files out."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import gan_xla
from gan_xla import images
from gan_xla.data import layouts
from gan_xla.data.reading import Form, Outside, forms
from gan_xla.data.rows import flat
from gan_xla.errors import Incomplete, UserError, some
from gan_xla.inference import ahead, tiling
from gan_xla.inference.model import Model

BATCH = 32
SIZES = ("train", "native")
NAMED = 20  # of the files that were left out


def _targets(
    files: list[Path], source: Path, output: Path, model: Model, made: str, ends: Sequence[str]
) -> list[tuple[Path, ...]]:
    """Where the results go: under the names, with `ends`, and in the directories, that the files have in `source`."""
    values, channels = model.values(made), 1 if model.values(made).palette else model.channels(made)
    targets = []
    for path in files:
        target = output / path.relative_to(source).with_suffix(images.ending(path, values.dtype, channels))
        targets += [target.with_stem(f"{target.stem}{end}") for end in ends]
    twice = [target for target, count in Counter(targets).items() if count > 1]
    if twice:
        raise UserError(f"--input: several files would become {min(twice)}; give them names that differ before the dot")
    inputs = {os.path.realpath(path) for path in files}
    beside = {os.path.realpath(path.parent) for path in files}  # where what exists is not an earlier output
    for target in targets:
        if os.path.realpath(target) in inputs or (os.path.lexists(target) and os.path.realpath(output) in beside):
            raise UserError(f"--output={output} would overwrite {target}, beside the input; use another directory")
    return [tuple(targets[i : i + len(ends)]) for i in range(0, len(targets), len(ends))]


def _outside(files: list[Path], source: Path, output: Path) -> list[Path]:
    """The files less those of a directory for results that lies among them."""
    output = output.resolve()
    if source.resolve() not in output.parents:
        return files
    return [path for path in files if output not in path.resolve().parents]


def _translator(
    model: Model, form: Form, direction: str | None, size: str, tile: int, overlap: int, options: dict
) -> Callable:
    """The function from some decoded images to their translations, lists of [h, w, c]."""
    if size == "train":

        def whole(read: Sequence[np.ndarray]) -> list[np.ndarray]:
            y = model.translate(np.stack([form.fitted(image) for image in read]), direction, **options)
            return [images.unfit(image, before.shape[:2], form.fit) for image, before in zip(y, read, strict=True)]

        return whole
    if model.size_multiple is None:
        raise UserError(f"--size=native: this network takes {images.shown(form.size)} alone; use --size=train")
    if options.get("statistics") == "batch":
        raise UserError("--statistics=batch needs images of one size; use --size=train")
    tiling.check(tile, overlap, model.size_multiple)
    one = partial(model.translate, direction=direction, **options)
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


def _other(size: str, model: Model) -> str:
    """What to ask for in the place of `size`, in brackets."""
    if size == "native":
        return f" (--size=train: as {images.shown(model.config.data.image_size)})"
    return " (--size=native: at their own sizes)" if model.size_multiple else ""


def translate(
    workdir: str,
    input: str,
    output: str,
    *,
    direction: str | None = None,
    checkpoint: str = "last",
    size: str | None = None,
    tile: int = 1024,
    overlap: int = 128,
    max_pixels: int | None = None,
    overwrite: bool = False,
    styles: int | None = None,
    reference: str | None = None,
    skip_existing: bool = False,
    share: tuple[int, int] = (0, 1),
    load: Callable[[str, str], Model] | None = None,
    **options,
) -> None:
    """Translates a file, or the images of a directory, into files of the same names in directories alike.

    TIFF gives TIFF, NPY and NPZ give NPY, all else PNG, of 8 or 16 bits as the domain has them, or TIFF where PNG
    cannot hold it. What cannot be read is left out, and named at the end.

    Args:
      workdir: the run.
      input: an image file, or a directory of images, as `images.find` finds them; of a run whose channels are several
        files as many directories, with commas between.
      output: directory, made if it is missing.
      direction: as `Model.translate`; None for the model's first.
      checkpoint: "last" or a step.
      size: "train": to the training size as `data.fit` says; "native": keep the image's size,
        padded to what the network takes and cropped again. Default: "native" where `data.fit` is and the network
        takes any size, else "train".
      tile, overlap: "native" goes tile by tile where a side is above `tile`, see `gan_xla.inference.tiling`.
      max_pixels: of an image; larger ones are left out. Default: the run's `data.max_pixels`.
      overwrite: whether results take the place of other files of their names; never of an input.
      styles: of models that have them: how many translations of each image, NAME_0.png, NAME_1.png, ... Default: one.
      reference: FILE[,FILE...], images whose styles these are; with `styles` the way from the first to the second.
      skip_existing: leave out what has its results already, of whatever run; so an interrupted command goes on.
      share: (i, n): every n-th file, from number i on, so that n processes share a directory.
      load: what makes a model of a run and a checkpoint; None: `gan_xla.load`.
      options: `domain`, `statistics`, `dropout` and `seed` of `Model.translate`.
    Raises:
      UserError: a missing input, none that can be read, an output that cannot be written or is there already,
        or what the model cannot do.
      Incomplete: some images could not be read; the others are translated.
    """
    if size not in (None, *SIZES):
        raise UserError(f"--size={size}: use one of {', '.join(SIZES)}")
    files, source = _files(input, Path(output))
    model = (load or gan_xla.load)(workdir, checkpoint)
    if not model.config.data.image_size:
        raise UserError("this model translates points; use gan_xla.load(...).translate in Python")
    taken, made = model.ends(direction)
    form, outside = forms(model.config.data, taken[2:])[1], Outside()
    form, palette = form._replace(max_pixels=max_pixels or form.max_pixels), model.values(made).palette
    aim = {"direction": direction, **options}
    looks = _looks(model, styles, reference, forms(model.config.data, made[2:])[1], aim)
    targets = _targets([flat(file)[0] for file in files], source, Path(output), model, made, tuple(looks))
    size = size or ("native" if model.config.data.fit == "native" and model.size_multiple else "train")
    translators = [_translator(model, form, direction, size, tile, overlap, options | look) for look in looks.values()]
    rows = list(zip(files, targets, strict=True))[share[0] :: share[1]]
    todo = [row for row in rows if not (skip_existing and all(target.exists() for target in row[1]))]
    batch = 1 if size == "native" else len(files) if options.get("statistics") == "batch" else BATCH
    with images.output(output):
        unread = _all(todo, batch, form, outside, translators, palette, overwrite)
    if todo and len(unread) == len(todo):
        raise UserError(unread[0] + (f"; nor can the {len(unread) - 1} others be read" if unread[1:] else ""))
    kept = "at their own sizes" if size == "native" else f"as {images.shown(model.config.data.image_size)}"
    count = f"{len(todo) - len(unread)} image(s) translated {kept}"
    there = f"; {len(rows) - len(todo)} were there already" if len(todo) < len(rows) else ""
    print(f"{count} by {workdir}, step {model.step}, into {output}{there}{_other(size, model)}")
    if len(outside):
        low, high = form.values.low, form.values.high
        print(f"{len(outside)} of them have values outside {low:g} to {high:g}, which count as the nearer end")
    if unread:
        raise Incomplete(f"{len(unread)} of {len(todo)} images were left out: {some(unread, NAMED, '; ')}")


def _all(todo, batch: int, form: Form, outside: Outside, translators, palette, overwrite: bool) -> list[str]:
    """Translates files to their targets; why some could not be read."""
    unread: list[str] = []

    def decoded(row):
        try:
            image = form.decode(row[0])
        except images.Unreadable as error:
            return str(error)
        outside.look(str(row[0]), image, form.values)
        return image

    def write(target: Path, image: np.ndarray) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        images.write(target, images.classes.of(image) if palette else image, palette, overwrite)

    batches = [todo[start : start + batch] for start in range(0, len(todo), batch)]
    with tqdm(total=len(todo), desc="translate", unit="image") as bar, ThreadPoolExecutor() as pool:
        behind = ahead.Behind(pool)
        for rows, found in zip(batches, ahead.read(pool, decoded, batches), strict=True):
            unread += [reason for reason in found if isinstance(reason, str)]
            read = [(targets, x) for (_, targets), x in zip(rows, found, strict=True) if not isinstance(x, str)]
            for number, translated in enumerate(translators if read else ()):
                for (targets, _), image in zip(read, translated([x for _, x in read]), strict=True):
                    behind.call(write, targets[number], image)
            bar.update(len(rows))
        behind.finish()
    return unread


def _files(input: str, output: Path) -> tuple[list[Path] | list[tuple[Path, ...]], Path]:
    """What to translate, and the directory that it lies in."""
    if os.path.isfile(input):
        return images.slices_of(Path(input)), Path(input).parent
    if os.path.isdir(input) or "," not in input:
        return _outside(images.find(input), Path(input), output), Path(input)
    parts = tuple(input.split(","))
    return layouts.stacked("--input", parts), Path(parts[0])
