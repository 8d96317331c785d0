"""The user's own images, from directories.

Layouts of `data.path`:
  trainA/ trainB/ [testA/ testB/] [valA/ valB/], or train_A/ and so on, A/train/, or train/A/: a
    directory for each domain. With `data.paired` the images of equal names belong together, with `data.paired_share`
    those that have one.
  train/ [test/ or val/] of images: side-by-side pairs, A on the left, B on the right.
    Without `data.paired` the first half of the training files gives A and the second
    half B, so that no pair is seen (as DiscoGAN's paper does).
  images, or train/ [test/ or val/] of images, with `data.suffixes`: pairs whose names differ in
    their ends; with `data.pairs`: pairs that a CSV lists (`gan_xla.data.pairs`).
  train/<class>/ [test/<class>/ or val/<class>/], or <class>/: `data.labels` names the classes of
    one labelled source, or `data.domain_a` and `data.domain_b` two of them as domains.
  images, or train/ [test/ or val/] of images or of directories of images, with the file
    `data.attributes`: `data.labels` names columns of it (`gan_xla.data.table`).
  images, or train/ [test/ or val/] of images or of directories of images, with
    `data.unlabelled`: one domain.
Or any two directories `data.path_a` and `data.path_b`, like the first layout; in the place of either several, whose
images of one name are the channels of one image.

What the numbers of the files are, where the fields do not say, `gan_xla.data.measuring` finds out.

Without test directories the last images by name are held out, of each class its own. Beside test/, val/ is for scores
while a run trains (`gan_xla.data.validation`). Directories called test, val, results or masks among images without
labels are not trained on.
"""

import collections
import os

import numpy as np

from gan_xla import images
from gan_xla.data import layouts, measuring
from gan_xla.data.dataset import Dataset, Pairs, field
from gan_xla.data.pairs import KEYS
from gan_xla.data.reading import Images, Outside, Unreadable, forms
from gan_xla.data.rows import Rows, by_name, flat
from gan_xla.errors import UserError


def load(data):
    """The data set of image files that `data.path`, or `data.path_a` and `data.path_b`, hold.

    Training images are [*load_size, channels], test images
    [*image_size, channels], of the type that their domain has; files are decoded when they are read.
    Keys are x_A and x_B, or x and label (float32 [c], one-hot) with `data.labels`.

    Raises:
      UserError: a directory is missing, empty or unreadable; pairs do not match; a class or the layout is unknown.
    """
    bad, outside = Unreadable(field(data, "max_unreadable", 10)), Outside()
    forms(data)  # says what is wrong before anything is read
    try:
        layout = layouts.find(data)
    except OSError as error:
        raise UserError(f"data.path: {error.filename}: {error.strerror}; check its name and permissions") from error
    data, fields, note = measuring.measured(data, layout, bad)

    def source(rows, testing):
        forms_of_rows = {key: forms(data, key[2:])[testing] for key in rows.keys}
        decode = _decoder(rows, forms_of_rows)
        return Images(rows.keys, rows.items, decode, forms_of_rows, bad, rows.labels, outside)

    train, test, *scored = (
        tuple(source(rows, testing) for rows in part) for part, testing in zip(layout.parts, (False, True, True))
    )
    pairs = _pairs(layout.parts[0], source) if field(data, "paired_share", 0.0) else None
    counts = [" + ".join(str(len(source)) for source in part) for part in (train, test, *scored)]
    kind = "pairs" if "x_B" in train[0].spec else "images"
    about = f"{layout.note}: {counts[0]} training and {counts[1]} test {kind}"
    about += f", {len(pairs.source)} of them in pairs" if pairs else ""
    about += "".join(f", {count} in val for scores" for count in counts[2:]) + note + _passed_over(layout)
    return Dataset(train, test, about, layout.labels, fields=fields, validation=next(iter(scored), ()), pairs=pairs)


def _pairs(part, source):
    """The `Pairs` of equal names among the training rows of two domains; None where there are no two domains."""
    if [rows.keys for rows in part] != [("x_A",), ("x_B",)] or any(rows.halves for rows in part):
        return None
    files = [[item[0] for item in rows.items] for rows in part]
    named = [by_name(side)[0] for side in files]
    places = [{file: place for place, file in enumerate(side)} for side in files]
    items = [(named[0][name], named[1][name]) for name in sorted(named[0].keys() & named[1].keys())]
    rows = {key: np.array([at[pair[i]] for pair in items], np.int64) for i, (key, at) in enumerate(zip(KEYS, places))}
    return Pairs(source(Rows(KEYS, items), False), rows)


def _passed_over(layout):
    """What else lies beside the images, by its ending: "; passed over: 3 .tif"."""
    beside = {path.parent for part in layout.parts for rows in part for item in rows.items for path in flat(item)}
    beside = {above.parent if above.is_file() else above for above in beside}  # slices are in a volume
    paths = (directory / name for directory in beside for name in os.listdir(directory) if not name.startswith("."))
    others = [path for path in paths if not images.is_image(path) and path.is_file()]
    endings = collections.Counter(path.suffix.lower() or "without an ending" for path in others)
    return "; passed over: " + ", ".join(f"{n} {end}" for end, n in sorted(endings.items())) if endings else ""


def _decoder(rows, forms):
    """The function from an item of `rows` to its images; `forms` by key."""
    if not rows.halves:
        return lambda item: [forms[key].decode(file) for key, file in zip(rows.keys, item, strict=True)]

    def decode(path):
        whole = {form: form.decode(path) for form in {forms[key] for key in rows.keys}}
        image = whole[forms[rows.keys[0]]]
        middle, odd = divmod(image.shape[1], 2)
        if odd:
            raise images.Unreadable(f"{path}: {image.shape[1]} pixels wide, but a side-by-side pair has an even width")
        sides = {"x_A": slice(None, middle), "x_B": slice(middle, None)}
        return [whole[forms[key]][:, sides[key]] for key in rows.keys]

    return decode
