"""`--mode=translate`: image files in, image files out."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gan_xla import images
from gan_xla.data import layouts
from gan_xla.data.reading import Outside
from gan_xla.data.rows import flat
from gan_xla.errors import Incomplete, UserError, some
from gan_xla.inference import ahead, masks, translators
from gan_xla.inference.model import Model
from gan_xla.inference.translators import Translators

NAMED = 20  # of the files that were left out


def _targets(files: list[Path], source: Path, output: Path, how: Translators) -> list[tuple[Path, ...]]:
    """Where the results go: under the names, with the ends of looks, and in the directories, that the files have in
    `source`.
    """
    values, ends = how.model.values(how.made), tuple(how.looks)
    channels = 1 if values.palette else how.model.channels(how.made)
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
    overwrite: bool = False,
    skip_existing: bool = False,
    share: tuple[int, int] = (0, 1),
    mask: str | None = None,
    keep_background: bool = False,
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
      overwrite: whether results take the place of other files of their names; never of an input.
      skip_existing: leave out what has its results already, of whatever run; so an interrupted command goes on.
      share: (i, n): every n-th file, from number i on, so that n processes share a directory.
      mask, keep_background: where the input stays as it is, see `masks.Masks`.
      options: of `translators.prepare`.
    Raises:
      UserError: a missing input, none that can be read, an output that cannot be written or is there already,
        or what the model cannot do.
      Incomplete: some images could not be read; the others are translated.
    """
    files, source = _files(input, Path(output))
    where = masks.Masks(mask, keep_background)
    how = translators.prepare(workdir, **options)
    targets = _targets([flat(file)[0] for file in files], source, Path(output), how)
    rows = list(zip(files, targets, strict=True))[share[0] :: share[1]]
    todo = [row for row in rows if not (skip_existing and all(target.exists() for target in row[1]))]
    batch = max(1, len(todo)) if options.get("statistics") == "batch" else how.batch
    outside = Outside()
    with images.output(output):
        unread = _all(todo, batch, how, where, outside, overwrite)
    if todo and len(unread) == len(todo):
        raise UserError(unread[0] + (f"; nor can the {len(unread) - 1} others be read" if unread[1:] else ""))
    kept = "at their own sizes" if how.size == "native" else f"as {images.shown(how.model.config.data.image_size)}"
    count = f"{len(todo) - len(unread)} image(s) translated {kept}"
    there = f"; {len(rows) - len(todo)} were there already" if len(todo) < len(rows) else ""
    print(f"{count} by {workdir}, step {how.model.step}, into {output}{there}{_other(how.size, how.model)}")
    if len(outside):
        low, high = how.form.values.low, how.form.values.high
        print(f"{len(outside)} of them have values outside {low:g} to {high:g}, which count as the nearer end")
    if unread:
        raise Incomplete(f"{len(unread)} of {len(todo)} images were left out: {some(unread, NAMED, '; ')}")


def _all(todo, batch: int, how: Translators, where: masks.Masks, outside: Outside, overwrite: bool) -> list[str]:
    """Translates files to their targets; why some could not be read."""
    unread: list[str] = []
    palette = how.model.values(how.made).palette

    def decoded(row):
        try:
            image = how.form.decode(row[0])
            weight = where.of(image, flat(row[0])[0]) if where else None
        except images.Unreadable as error:
            return str(error)
        outside.look(str(row[0]), image, how.form.values)
        return image, weight

    def write(target: Path, y: np.ndarray, image: np.ndarray, weight: np.ndarray | None) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        y = y if weight is None else how.masked(image, y, weight)
        images.write(target, images.classes.of(y) if palette else y, palette, overwrite)

    batches = [todo[start : start + batch] for start in range(0, len(todo), batch)]
    with tqdm(total=len(todo), desc="translate", unit="image") as bar, ThreadPoolExecutor() as pool:
        behind = ahead.Behind(pool)
        for rows, found in zip(batches, ahead.read(pool, decoded, batches), strict=True):
            unread += [reason for reason in found if isinstance(reason, str)]
            read = [(targets, x) for (_, targets), x in zip(rows, found, strict=True) if not isinstance(x, str)]
            for number, translated in enumerate(how.looks.values() if read else ()):
                made = translated([image for _, (image, _) in read])
                for (targets, (image, weight)), y in zip(read, made, strict=True):
                    behind.call(write, targets[number], y, image, weight)
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
