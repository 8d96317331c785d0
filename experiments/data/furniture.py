"""3-D models in the furniture libraries of Sweet Home 3D: `.sh3f` files, each a zip of OBJ, MTL and a catalogue."""

import io
import posixpath
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_xla.errors import UserError

CATALOGUE = "PluginFurnitureCatalog.properties"


class Model(NamedTuple):
    """One entry of a catalogue."""

    id: str
    name: str
    creator: str
    licence: str
    category: str
    tags: tuple[str, ...]
    library: Path
    version: str
    path: str  # of the OBJ file inside the library
    rotation: np.ndarray  # [3, 3], which sets the model upright, its front towards +z


class Mesh(NamedTuple):
    """Triangles that fill the unit sphere, y up, the front towards +z."""

    corners: np.ndarray  # float [n, 3, 3]
    colours: np.ndarray  # float [n, 3], 0 to 1


def libraries(paths: Iterable[Path]) -> list[Path]:
    """The `.sh3f` files among files and directories.

    Raises:
      UserError: there is none.
    """
    found = [file for path in paths for file in (sorted(path.glob("*.sh3f")) if path.is_dir() else [path])]
    missing = [file for file in found if not file.is_file()]
    if missing or not found:
        where = missing[0] if missing else " ".join(map(str, paths))
        raise UserError(
            f"--package={where}: no .sh3f file; `apt-get download sweethome3d-furniture && dpkg -x *.deb furniture` "
            "gets some, then --package=furniture/usr/share/sweethome3d/furniture"
        )
    return found


def catalogue(library: Path) -> list[Model]:
    """The models of a library, in its order.

    Raises:
      UserError: it is no furniture library.
    """
    try:
        with zipfile.ZipFile(library) as archive:
            text = archive.read(CATALOGUE).decode("latin-1")
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise UserError(f"--package={library}: not a furniture library ({error}); remove or replace it") from error
    about, entries = {}, {}
    for key, value in re.findall(r"^([^#!\s][^=\s]*)\s*=(.*)$", text, re.MULTILINE):
        value = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), value).strip()
        field, _, number = key.partition("#")
        (entries.setdefault(int(number), {}) if number else about)[field] = value
    try:
        return [_model(entries[number], about, library) for number in sorted(entries)]
    except (KeyError, ValueError) as error:
        raise UserError(f"--package={library}: its catalogue is damaged ({error}); replace the file") from error


def _model(entry: Mapping[str, str], about: Mapping[str, str], library: Path) -> Model:
    return Model(
        id=entry.get("id", entry["model"]),
        name=entry["name"],
        creator=entry.get("creator", "unknown"),
        licence=entry.get("license", about.get("license", "unknown")),
        category=entry.get("category", ""),
        tags=tuple(tag.strip() for tag in entry.get("tags", "").split(",") if tag.strip()),
        library=library,
        version=about.get("version", "unknown"),
        path=entry["model"].lstrip("/"),
        rotation=np.array(entry.get("modelRotation", "1 0 0 0 1 0 0 0 1").split(), float).reshape(3, 3),
    )


def load(model: Model) -> Mesh:
    """The triangles of a model, each of one colour: its texture's at the middle, or else its material's.

    Raises:
      UserError: the file cannot be read.
    """
    try:
        parts = _scene(model).geometry.values()
        corners = np.concatenate([part.vertices[part.faces] for part in parts]) @ model.rotation.T
        colours = np.concatenate([_colours(part) for part in parts])
    except Exception as error:  # a damaged file makes the parser fail in many ways
        raise UserError(f"{model.library}: {model.path} cannot be read ({error!r}); leave {model.id!r} out") from error
    return in_unit_sphere(corners, colours)


def in_unit_sphere(corners: np.ndarray, colours: np.ndarray) -> Mesh:
    """Triangles [n, 3, 3] moved and scaled so that the box around them is in the unit sphere."""
    low, high = corners.min((0, 1)), corners.max((0, 1))
    return Mesh((corners - (low + high) / 2) / (np.linalg.norm(high - low) / 2), colours)


def _scene(model: Model):
    import trimesh  # of the extra `experiments`

    folder = posixpath.dirname(model.path)
    with zipfile.ZipFile(model.library) as archive:
        files = {
            name: io.BytesIO(archive.read(name)) for name in archive.namelist() if posixpath.dirname(name) == folder
        }
    resolver = trimesh.resolvers.ZipResolver(files, namespace=folder or None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of faces without texture coordinates
        return trimesh.load_scene(files[model.path], file_type="obj", resolver=resolver, process=False)


def _colours(part) -> np.ndarray:
    """float [n, 3] of one material's faces."""
    material = part.visual.material
    image, uv = getattr(material, "image", None), part.visual.uv
    if image is None or uv is None:
        return np.tile(material.main_color[:3] / 255, (len(part.faces), 1))
    texture = np.asarray(image.convert("RGB")) / 255
    size = np.array(texture.shape[1::-1])
    u, v = np.floor(np.nan_to_num(uv[part.faces]).mean(1) * size).astype(int).T
    return texture[-1 - v % size[1], u % size[0]]
