"""What the numbers of image files are: their type by the first file, their ends over all training images."""

import collections
import concurrent.futures
import os

import ml_collections
import numpy as np
from tqdm import tqdm

from gan_xla import images
from gan_xla.data.dataset import field, is_labels, of_domain
from gan_xla.errors import UserError
from gan_xla.images.arrays import TYPES


def measured(data, layout, bad):
    """A config's `data` section with the types and ranges that its files have, where it does not say, and a note.

    Bytes are from 0 to 255, and nothing is read of them but the first file.

    Args:
      data: the section.
      layout: where the files are, of `layouts.find`.
      bad: the data set's `reading.Unreadable`.
    Returns:
      (the section, the fields that were found, what to say of them).
    Raises:
      UserError: files of several types, or of one number alone; or too many that cannot be read.
    """
    fields, notes = {}, []
    for key in [key for rows in layout.parts[0] for key in rows.keys]:
        domain = key[2:]
        found, how = _one(data, domain, _files(layout, key), bad)
        end = f"_{domain.lower()}" if domain else ""
        fields |= {f"{name}{end}": value for name, value in found.items()}
        if how:
            notes.append(f"{domain}: {how}" if domain else how)
    whole = ml_collections.ConfigDict({**data.to_dict(), **fields}) if fields else data
    return whole, fields, "".join(f"; {note}" for note in notes)


def _files(layout, key):
    """For each training image of a key its file, or the tuple of those that hold its channels."""
    for rows in layout.parts[0]:
        if key in rows.keys:
            place = rows.keys.index(key)
            return [item if rows.halves else item[place] for item in rows.items]
    raise KeyError(key)


def _one(data, domain, files, bad):
    """(fields that were found, what to say) of the files of one domain."""
    if is_labels(data, domain):
        return _classes(data, domain, files, bad)
    dtype, ends = of_domain(data, "dtype", domain), of_domain(data, "range", domain)
    options = {"channels": None, "dtype": None, "max_pixels": field(data, "max_pixels", images.MAX_PIXELS)}
    first = _type(files, options, dtype, of_domain(data, "channels", domain, 3), bad)
    found, kind = ({}, dtype) if dtype else ({"dtype": first}, first)
    if kind == "uint8":
        return {}, f"uint8, {ends[0]:g} to {ends[1]:g}" if ends else ""
    if ends:
        return found, f"{kind}, {ends[0]:g} to {ends[1]:g}"
    low, high, types = _ends(domain, files, options, bad)
    if not dtype and len(types) > 1:
        counts = ", ".join(f"{count} are {name}" for name, count in sorted(types.items()))
        raise UserError(
            f"{_where(files)}: files of several types: {counts}; make them of one, or say what their numbers mean with "
            "data.dtype and data.range (or dtype_a, range_a, ...)"
        )
    if low == high:
        raise UserError(f"{_where(files)}: every value is {low:g}; replace the images, or set data.range")
    return {**found, "range": (low, high)}, f"{kind}, {low:g} to {high:g} as measured"


def _classes(data, domain, files, bad):
    """As `_one`, of label maps: how many classes there are, and their colours."""
    count, palette = of_domain(data, "channels", domain), of_domain(data, "palette", domain, ())
    if field(data, f"channels_{domain.lower()}") and palette:
        return {}, f"{count} classes"

    def look(file):
        found, colours = images.classes.read(file, None, field(data, "max_pixels", images.MAX_PIXELS), palette)
        known = found[found != images.classes.VOID]
        return (int(known.max()) if known.size else 0), colours

    found = _looks(look, files, f"classes of {domain}", bad)
    classes = field(data, f"channels_{domain.lower()}") or max(1 + max(most for most, _ in found), len(palette))
    ours = next((colours[:classes] for _, colours in found if len(set(colours[:classes])) == classes), None)
    return {"channels": classes, "palette": palette or ours or images.classes.colours(classes)}, f"{classes} classes"


def _where(files):
    first = files[0][0] if isinstance(files[0], tuple) else files[0]
    return first.parent


def _planes(file, options):
    """The arrays of a file, or of a tuple of them."""
    return [images.read(path, **options) for path in (file if isinstance(file, tuple) else (file,))]


def _type(files, options, dtype, channels, bad):
    """The type that holds the values of the first file that can be read, which must have these channels, and fit."""
    for file in files:
        try:
            kind = np.result_type(*_planes(file, options)).name
        except images.Unreadable as error:
            bad.add(str(error))
        else:
            share = channels // (len(file) if isinstance(file, tuple) else 1)
            _planes(file, {**options, "channels": share, "dtype": dtype})
            return kind if kind in TYPES else "float32"
    return "uint8"  # reading them will say what is wrong


def _ends(domain, files, options, bad):
    """(lowest, highest value, number of files by type)."""

    def look(file):
        planes = _planes(file, options)
        return min(x.min() for x in planes), max(x.max() for x in planes), [x.dtype.name for x in planes]

    lows, highs, types = zip(*_looks(look, files, f"range of {domain or 'values'}", bad))
    return float(min(lows)), float(max(highs)), collections.Counter(name for names in types for name in names)


def _looks(look, files, what, bad):
    """What `look` gives of every file that can be read, several at a time, under a bar that says `what`."""

    def guarded(file):
        try:
            return look(file)
        except images.Unreadable as error:
            bad.add(str(error))
            return None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        looks = pool.map(guarded, files)
        found = [x for x in tqdm(looks, what, len(files), leave=False, unit="image") if x]
    if not found:
        raise UserError(f"{_where(files)}: none of the {len(files)} images can be read; replace them")
    return found
