"""Views of real 3-D models as a data set: furniture, people, vehicles from all sides.

  python -m experiments.data.objects --list
  python -m experiments.data.objects --a=chairs --b=cars,trucks,buses --size=128 --output=data/chairs2vehicles
  python -m experiments.data.objects --categories=cars,trucks,buses --output=data/vehicles

The models are those of Debian's package sweethome3d-furniture (120 MB, CC0 and CC-BY-3.0). Debian and
Ubuntu: `apt-get install sweethome3d-furniture`; without root `apt-get download sweethome3d-furniture`,
`dpkg -x sweethome3d-furniture_*.deb furniture` and --package=furniture/usr/share/sweethome3d/furniture. More cars,
17, of which 14 are under the Free Art License, are in torcs-data (330 MB): likewise, and beside the other --package
torcs/usr/share/games/torcs/cars. They are the category "racing cars".

A selection is the name of a category, a tag, a model or its id, as --list shows them, or one of the
groups: chairs and cars are the models of the package's built-in images, trucks and buses more
vehicles, people those that stand. --a and --b write trainA trainB testA testB, --categories writes train/NAME
and test/NAME, RGBA images MODEL_AZIMUTH.png, azimuth 0 from the front. A fifth of the models is for testing, those
that the built-in data holds out too; no model is on both sides. The same selection for --a and --b is
divided: its models go to A and B in turn.

--check renders the built-in images again and tells by how much they differ (a minute or two). Needs the
extra `experiments` (trimesh).
"""

import argparse
import csv
import io
import itertools
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.common import run, table
from experiments.data import furniture, output, render, torcs
from experiments.data.furniture import Model
from experiments.data.selection import groups, held_out, select, shipped
from gan_xla import images
from gan_xla.data.sources import builtin
from gan_xla.errors import UserError

PACKAGE = Path("/usr/share/sweethome3d/furniture")
FREE = ("Public domain", "Creative Commons Attribution 3.0", "Free Art License")


def plan(domains: Mapping[str, Sequence[Model]], models: Sequence[Model]) -> list[tuple[str, Model]]:
    """(folder, model) of every model: `domains` holds the models by the name, with {} for the split, of a folder."""
    every = [model.id for chosen in domains.values() for model in chosen]
    twice = [name for name, count in Counter(every).items() if count > 1]
    if twice:
        raise UserError(f"model {twice[0]!r} is in two domains; select so that each is in one")
    chosen = []
    for folder, found in domains.items():
        test = held_out(found, models)
        chosen += [(folder.format("test" if model.id in test else "train"), model) for model in found]
    return chosen


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def sources(chosen: Sequence[tuple[str, Model]], size: int, azimuths: int) -> str:
    """SOURCES.md: every model's creator and licence."""
    lines = [
        "# Sources",
        f"Rendered at {size}x{size} from {azimuths} azimuths by `python -m experiments.data.objects` from 3-D models",
        "of the furniture libraries of Sweet Home 3D (https://www.sweethome3d.com) and, where named so, of TORCS",
        "(https://torcs.sourceforge.net). The images are adaptations: the models were scaled, turned and rendered.",
        "Each model is by the creator and under the licence named here; Creative Commons Attribution 3.0:",
        "https://creativecommons.org/licenses/by/3.0/; Free Art License: https://artlibre.org/licence/lal/en/.",
        "",
        "| images | model | by | licence | library |",
        "|---|---|---|---|---|",
    ]
    for folder, model in chosen:
        library = f"{model.library.name} {model.version}"
        lines.append(f"| {folder}/{_slug(model.id)}_* | {model.name} | {model.creator} | {model.licence} | {library} |")
    return "\n".join(lines) + "\n"


def _table_of(chosen: Sequence[tuple[str, Model]], angles: Sequence[float]) -> str:
    """What is known of every image, as CSV."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "model", "name", "category", "azimuth"])
    for folder, model in chosen:
        for angle in angles:
            rows.writerow([_path(folder, model, angle), model.id, model.name, model.category, f"{angle:g}"])
    return text.getvalue()


def _path(folder: str, model: Model, angle: float) -> str:
    return f"{folder}/{_slug(model.id)}_{angle:03g}.png"


def _models(paths: Sequence[Path]) -> list[Model]:
    """What is in the libraries and in the directories of cars; errors as `furniture.catalogue`."""
    cars = {path: found for path in paths if (found := torcs.catalogue(path))}
    others = [path for path in paths if path not in cars]
    found = [furniture.catalogue(library) for library in (furniture.libraries(others) if others else ())]
    return list(itertools.chain(*found, *cars.values()))


def _pictures(chosen: Sequence[tuple[str, Model]], angles: Sequence[float], size: int):
    for folder, model in chosen:
        mesh = (torcs if model.library.is_dir() else furniture).load(model)
        for angle in angles:
            yield _path(folder, model, angle), render.view(mesh, angle, size)


def check(models: Sequence[Model]) -> str:
    """Renders the built-in images again: a table of how much they differ from those in the package.

    Raises:
      UserError: a model is missing from the libraries.
    """
    rows = []
    for category, found in shipped(models).items():
        theirs = builtin.rendered(category)
        if len(found) < len(theirs):
            raise UserError(f"--check: {len(theirs) - len(found)} of the {category} are missing; give all libraries")
        angles = np.arange(theirs.shape[1]) * 360 / theirs.shape[1]
        meshes = [furniture.load(found[number]) for number in range(len(found))]
        ours = np.stack([[render.view(mesh, angle, theirs.shape[2]) for angle in angles] for mesh in meshes])
        alpha = ours[..., 3].astype(int), theirs[..., 3].astype(int)
        overlap = np.minimum(*alpha).sum((1, 2, 3)) / np.maximum(*alpha).sum((1, 2, 3))
        difference = images.compose(ours).astype(float) - images.compose(theirs)
        rms = np.sqrt((difference**2).mean((1, 2, 3, 4)))
        cells = (overlap.mean(), overlap.min(), rms.mean(), rms.max(), np.abs(difference).mean())
        rows.append([f"{category}, {len(found)} models", *(f"{cell:.3f}" for cell in cells)])
    return table(["of 255 on white", "silhouettes' IoU", "worst model", "RMS", "worst model", "mean difference"], rows)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.data.objects", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--package", type=Path, nargs="+", default=[PACKAGE], help="libraries, cars (default %(default)s)"
    )
    parser.add_argument("--list", action="store_true", help="shows what can be selected, or what is selected")
    parser.add_argument("--check", action="store_true", help="compares with the built-in images")
    parser.add_argument("--a", metavar="SELECTION,...", help="domain A")
    parser.add_argument("--b", metavar="SELECTION,...", help="domain B")
    parser.add_argument("--categories", metavar="SELECTION,...", help="in place of --a and --b: a folder for each")
    parser.add_argument("--any_licence", action="store_true", help="also other models than CC0, CC-BY-3.0 and Free Art")
    parser.add_argument("--azimuths", type=int, default=24, help="views of every model (default %(default)s)")
    parser.add_argument("--size", type=int, default=64, help="side in pixels (default %(default)s)")
    parser.add_argument("--output", type=Path, help="the data set's new directory")
    return parser.parse_args(argv)


def _domains(args: argparse.Namespace, models: Sequence[Model]) -> dict[str, list[Model]]:
    """The selected models by folder, with {} for the split."""
    if bool(args.categories) == bool(args.a or args.b) or bool(args.a) != bool(args.b):
        raise UserError("give either --a=SELECTION --b=SELECTION or --categories=SELECTION,...; --list shows them")
    if args.categories:
        return {f"{{}}/{_slug(name)}": select(models, [name]) for name in args.categories.split(",")}
    if args.a == args.b:
        found = select(models, args.a.split(","))
        return {"{}A": found[::2], "{}B": found[1::2]}
    return {f"{{}}{domain}": select(models, text.split(",")) for domain, text in (("A", args.a), ("B", args.b))}


def listing(args: argparse.Namespace, models: Sequence[Model]) -> str:
    """What --list prints."""
    if args.a or args.b or args.categories:
        found = [model for chosen in _domains(args, models).values() for model in chosen]
        return table(
            ["id", "name", "creator", "category", "licence"],
            [[model.id, model.name, model.creator, model.category, model.licence] for model in found],
        )
    counts = [(name, len(ids)) for name, ids in groups(models).items()]
    counts += Counter(model.category for model in models).most_common()
    return table(["group or category", "models"], [[name, str(count)] for name, count in counts])


def main(argv: Sequence[str] | None = None) -> None:
    """Lists, checks or makes the data set.

    Raises:
      UserError: a wrong flag, libraries that are missing or damaged, an output directory in use.
    """
    args = _arguments(argv)
    if not (8 <= args.size <= 512 and 1 <= args.azimuths <= 360):
        raise UserError(f"--size={args.size} must be from 8 to 512, --azimuths={args.azimuths} from 1 to 360")
    models = _models(args.package)
    if not args.any_licence:
        models = [model for model in models if model.licence.startswith(FREE)]
    if args.list:
        print(listing(args, models))
        return
    try:
        import trimesh  # noqa: F401, before the work begins
    except ImportError:
        raise UserError("trimesh, which reads 3-D models, is not installed; pip install -e '.[experiments]'") from None
    if args.check:
        print(check(models))
        return
    if args.output is None:
        raise UserError("--output=DIR is missing: where the images go")
    chosen = plan(_domains(args, models), models)
    request = {"objects": [[folder, model.id] for folder, model in chosen], "size": args.size, "views": args.azimuths}
    if output.present(args.output, request):
        print(f"{args.output}: is there already")
        return
    start = time.monotonic()
    angles = [360 * i / args.azimuths for i in range(args.azimuths)]
    texts = {"SOURCES.md": sources(chosen, args.size, args.azimuths), "attributes.csv": _table_of(chosen, angles)}
    counts = output.write(args.output, request, _pictures(chosen, angles, args.size), texts)
    for folder, number in counts.items():
        print(f"{folder}: {number} images of {number // args.azimuths} models")
    print(f"{args.output}: {sum(counts.values())} images in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    sys.exit(run(main))
