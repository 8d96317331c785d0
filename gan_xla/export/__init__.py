"""`--mode=export`: trained models for other runtimes. A format is one module here, with a function `write`."""

import importlib
import inspect
import os
import pkgutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import gan_xla
from gan_xla import images
from gan_xla.errors import UserError
from gan_xla.inference.model import Model

ANY = "symbolic"


def export(
    workdir: str | os.PathLike,
    output: str | os.PathLike,
    *,
    format: str,
    task: str | None = None,
    direction: str | None = None,
    checkpoint: str | int = "last",
    batch: str | int = ANY,
    size: str | int = "train",
    **options,
) -> None:
    """Writes a run's generator, preprocessing included, for use without this package.

    What is exported is deterministic: it equals `Model.translate` without dropout, with the statistics of the
    method's habit, or `Model.sample` of given noise.

    Args:
      workdir: the run.
      output: file or directory to make, as the format says; there whole or not at all.
      format: name of a module of this package.
      task: as `Model.only`.
      direction: as `Model.translate`; None for the model's first, or all of them where the format has room.
      checkpoint: as `gan_xla.load`.
      batch: images that it takes at once, or "symbolic" for any number.
      size: "train" for images of the training size, another height and width, or "symbolic" for any multiple of
        `Model.size_multiple`.
      options: what `write` of the format takes besides, where it is not None.
    Raises:
      UserError: unknown format, task, direction or option, impossible numbers, a missing library, no run, an output
        that exists or cannot be written, or what the model or the format cannot do.
    """
    write = _find(format).write
    options = {name: value for name, value in options.items() if value is not None}
    for name in options.keys() - inspect.signature(write).parameters:
        raise UserError(f"--{name}: --format={format} has no such choice; leave it out")
    output = Path(output)
    if os.path.lexists(output):
        raise UserError(f"--output={output} exists; use another name, or remove it")
    model = gan_xla.load(workdir, checkpoint).only(task)
    if direction is not None and direction not in model.directions:
        raise UserError(f"--direction={direction}: {_directions(model)}")
    options |= {"direction": direction, "batch": _batch(batch), "size": _size(size, model)}
    _write(output, lambda path: write(model, path, **options))
    print(f"{workdir}, step {model.step}, exported as {format} to {output} ({_bytes(output) / 1e6:.1f} MB)")


def _find(format: str) -> ModuleType:
    modules = {part.name: importlib.import_module(f"{__name__}.{part.name}") for part in pkgutil.iter_modules(__path__)}
    formats = {name: module for name, module in modules.items() if hasattr(module, "write")}
    if format not in formats:
        raise UserError(f"--format={format} is unknown; use one of {', '.join(sorted(formats))}")
    return formats[format]


def _directions(model: Model) -> str:
    if not model.directions:
        return f"this {model.config.gan} model has none; its labels are an input of what is exported"
    return f"this model was trained for {' and '.join(model.directions)}"


def _whole(name: str, value: str | int, words: tuple[str, ...]) -> int:
    if not str(value).isdecimal() or int(value) < 1:
        raise UserError(f"--{name}={value}: must be {', '.join(words)} or a whole number from 1")
    return int(value)


def _batch(batch: str | int) -> int | None:
    return None if batch == ANY else _whole("batch", batch, (ANY,))


def _size(size: str | int, model: Model) -> images.Size | None:
    """Height and width in pixels, or one number for both; None for any."""
    trained, multiple = model.config.data.image_size, model.size_multiple
    number = trained if size == "train" else None if size == ANY else _whole("size", size, ("train", ANY))
    if number != trained and multiple is None:
        raise UserError(f"--size={size}: this network has {images.shown(trained)} pixels alone; leave --size out")
    if number and multiple and any(side % multiple for side in images.sides(number)):
        raise UserError(f"--size={size}: this network takes multiples of {multiple}")
    return number


def _write(output: Path, write: Callable[[Path], None]) -> None:
    """Calls `write` with a path beside `output`, which then takes its name: a reader never sees half of it."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=output.parent) as directory:
            path = Path(directory) / output.name
            write(path)
            os.rename(path, output)
    except OSError as error:
        raise UserError(
            f"--output={output}: cannot be written ({error.strerror or error}); use another directory"
        ) from error


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
