"""A data set's directory: written as a whole or not at all, read back, and recognised when it is there."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from experiments.common import table
from gan_xla import images
from gan_xla.errors import UserError

RECORD = "dataset.json"


def present(output: Path, request: Mapping[str, object]) -> bool:
    """Whether the data set of this request is in `output` already, all images counted.

    Raises:
      UserError: `output` holds something else.
    """
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return False
    try:
        record = json.loads((output / RECORD).read_text("utf-8"))
        same = record["request"] == json.loads(json.dumps(request))
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"--output={output}: holds something else; give a new or an empty directory") from None
    if not same:
        raise UserError(f"--output={output}: holds a data set made with other flags; give another directory")
    if record["images"] != count(output):
        raise UserError(f"--output={output}: images are missing or were added; remove it, and run this again")
    return True


def write(
    output: Path,
    request: Mapping[str, object],
    pictures: Iterable[tuple[str, np.ndarray]],
    texts: Mapping[str, str],
) -> dict[str, int]:
    """Writes images and texts, by their paths inside `output`, reads all back, and returns images by folder.

    A table of what each folder holds is added to the text SOURCES.md.

    Raises:
      UserError: `output` cannot be written, or two pictures have one name.
    """
    # Moved into place when complete: a directory that is there is whole.
    part = output.absolute().with_name(f".{output.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        names = [_picture(part, name, image) for name, image in pictures]
        record = {"request": request, "images": count(part)}
        if sum(record["images"].values()) != len(names):
            raise UserError(f"--output={output}: two of the {len(names)} images have one name; is the source complete?")
        for name, text in texts.items():
            (part / name).write_text(text, "utf-8")
        with (part / "SOURCES.md").open("a", encoding="utf-8") as file:
            file.write(f"\n{_contents(part, record['images'])}\n")
        (part / RECORD).write_text(json.dumps(record, indent=1) + "\n", "utf-8")
        if output.exists():
            output.rmdir()
        os.rename(part, output)
    except OSError as error:
        raise UserError(f"--output={output}: cannot be written ({error}); give another directory") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return record["images"]


def _picture(directory: Path, name: str, image: np.ndarray) -> str:
    """Writes an image, reads it back, and returns its name."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, image)
    if not np.array_equal(images.read(path, image.shape[-1]), image):
        raise UserError(f"{path}: reads back differently from what was written; is the disk sound?")
    return name


def _contents(directory: Path, counts: Mapping[str, int]) -> str:
    sizes = {folder: sum(path.stat().st_size for path in (directory / folder).glob("*.png")) for folder in counts}
    rows = [[folder, str(number), str(sizes[folder])] for folder, number in counts.items()]
    return table(["folder", "images", "bytes"], rows)


def count(directory: Path) -> dict[str, int]:
    """The number of images of every folder."""
    found = Counter(path.parent.relative_to(directory).as_posix() for path in directory.rglob("*.png"))
    return dict(sorted(found.items()))
