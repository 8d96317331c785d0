"""The cars of the racing game TORCS: directories of an AC3D model, its textures and a file of measures each.

TORCS extends AC3D (https://www.inivis.com/ac3d/man/ac3dfileformat.html) by surfaces that are strips of triangles and by
further textures; the first is the paint. Wheels are no part of the model: they are cylinders of the car's measures.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from experiments.data.furniture import Mesh, Model, in_unit_sphere
from gan_xla.errors import UserError

CATEGORY = "racing cars"
LICENCES = {"Free Art": "Free Art License", "General Public": "GPL-2+"}  # by words of a car's readme.txt
OTHERWISE = "GPL-2+"  # what Debian says of all else in the package
UPRIGHT = np.array([[0, 0, -1], [0, 1, 0], [1, 0, 0]], float)  # the front of these models is towards +x
STRIP, LINES = 4, (1, 2)  # kinds of surfaces; 0 is a polygon
TYRE, SIDES = 0.08, 24
DETAIL = 0.18  # metres: triangles with longer sides are divided, since each has one colour


class Faces(NamedTuple):
    """Triangles: corners [n, 3, 3], texture coordinates [n, 3, 2] from the bottom left, the name of their texture."""

    corners: np.ndarray
    uv: np.ndarray
    texture: str | None


def catalogue(directory: Path) -> list[Model]:
    """The cars of a directory, each in one of its own; none where there are none."""
    found = []
    for path in sorted(directory.glob("*/*.acc")) if directory.is_dir() else []:
        if path.stem != path.parent.name:
            continue  # as seen from afar
        readme = path.with_name("readme.txt")
        text = readme.read_text("utf-8", errors="replace") if readme.exists() else ""
        by = re.findall(r"Copyright\s*(?:\S{1,3}\s+)?[\d, -]*(.+)", text)
        licence = next((name for words, name in LICENCES.items() if words.lower() in text.lower()), OTHERWISE)
        found.append(
            Model(
                id=f"torcs#{path.stem}",
                name=path.stem,
                creator=re.sub(r"\s+", " ", "; ".join(by)) or "see the car's readme.txt",
                licence=licence,
                category=CATEGORY,
                tags=("torcs",),
                library=path.parent,
                version="of TORCS",
                path=path.name,
                rotation=UPRIGHT,
            )
        )
    return found


def load(model: Model) -> Mesh:
    """The triangles of a car, each of the colour of its texture at the middle, and black tyres.

    Raises:
      UserError: a file cannot be read.
    """
    try:
        parts = [_halved(part) for part in _faces(model.library / model.path)]
        colours = [_colours(part, model.library) for part in parts]
        wheels = np.concatenate(list(_wheels(ElementTree.parse(model.library / f"{model.library.name}.xml"))))
    except (OSError, ValueError, LookupError, ElementTree.ParseError) as error:
        raise UserError(f"{model.library}: cannot be read ({error!r}); leave {model.id!r} out") from error
    corners = np.concatenate([*(part.corners for part in parts), wheels])
    return in_unit_sphere(corners @ model.rotation.T, np.concatenate([*colours, np.full((len(wheels), 3), TYRE)]))


def _faces(path: Path) -> Iterator[Faces]:
    """The surfaces of an AC3D file."""
    rows = iter(path.read_text("latin-1").splitlines())
    texture, kind, points = None, 0, np.zeros((0, 3))
    for row in rows:
        word, _, rest = row.strip().partition(" ")
        if word == "OBJECT":
            texture = None
        elif word == "texture" and texture is None:
            texture = rest.split('"')[1]
        elif word == "numvert":
            points = np.array([next(rows).split()[:3] for _ in range(int(rest))], float).reshape(-1, 3)
        elif word == "SURF":
            kind = int(rest, 16) & 15
        elif word == "refs":
            refs = np.array([next(rows).split()[:3] for _ in range(int(rest))], float)
            number = np.arange(len(refs) - 2)
            first = number if kind == STRIP else np.zeros_like(number)
            chosen = refs[np.stack([first, number + 1, number + 2], -1)]
            if kind not in LINES:
                yield Faces(points[chosen[..., 0].astype(int)], chosen[..., 1:], texture)


def _halved(part: Faces) -> Faces:
    """A surface in triangles small enough to have one colour each."""
    corners, uv = part.corners, part.uv
    for _ in range(4):
        large = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1).max(1) > DETAIL
        if not large.any():
            break
        both = np.concatenate([corners, uv], -1)
        a, b, c = np.moveaxis(both[large], 1, 0)
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        pieces = [np.stack(piece, 1) for piece in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        both = np.concatenate([both[~large], *pieces])
        corners, uv = both[..., :3], both[..., 3:]
    return Faces(corners, uv, part.texture)


def _colours(part: Faces, directory: Path) -> np.ndarray:
    """float [n, 3]; white without a texture."""
    if part.texture is None:
        return np.ones((len(part.corners), 3))
    texture = np.asarray(Image.open(directory / part.texture).convert("RGB")) / 255
    size = np.array(texture.shape[1::-1])
    u, v = np.floor(part.uv.mean(1) * size).astype(int).T
    return texture[-1 - v % size[1], u % size[0]]


def _wheels(measures: ElementTree.ElementTree) -> Iterator[np.ndarray]:
    """Triangles [n, 3, 3] of each wheel, which stands on the ground, at y = 0; metres."""
    value = {
        (section.get("name"), number.get("name")): float(number.get("val", "nan"))
        for section in measures.iter("section")
        for number in section.iter("attnum")
    }
    angles = np.linspace(0, 2 * np.pi, SIDES + 1)
    for axle in ("Front", "Rear"):
        for side in ("Right", "Left"):
            name = f"{axle} {side} Wheel"
            width = value[name, "tire width"] / 1000
            radius = value[name, "rim diameter"] * 0.0254 / 2 + width * value[name, "tire height-width ratio"]
            x, z = value[f"{axle} Axle", "xpos"], -value[name, "ypos"]
            rim = np.stack([x + radius * np.cos(angles), radius + radius * np.sin(angles), np.full_like(angles, z)], -1)
            inner, outer = (rim + np.array([0, 0, way * width / 2]) for way in (-1, 1))
            for edge in (inner, outer):
                middle = np.broadcast_to([x, radius, edge[0, 2]], (SIDES, 3))
                yield np.stack([middle, edge[:-1], edge[1:]], 1)
            yield np.stack([inner[:-1], inner[1:], outer[:-1]], 1)
            yield np.stack([inner[1:], outer[1:], outer[:-1]], 1)
