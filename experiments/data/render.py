"""Views of a mesh in numpy: orthographic, from a turntable, lit from beside the camera.

The camera, light and framing are those of the images in gan_xla/data/objects.
Surfaces are drawn as dense points, of which each pixel keeps the nearest.
"""

from collections.abc import Iterator

import numpy as np

from experiments.data.furniture import Mesh

ELEVATION = 15.0  # degrees
FILL = 0.95  # of the image's side that the model's bounding sphere takes
SUPERSAMPLE = 2
SPACING = 0.5  # of the points at most, in supersampled pixels
LIGHT = np.array([0.3, 0.6, np.sqrt(0.55)])  # to the right, up, towards the camera
AMBIENT = 0.45
CHUNK = 1_000_000  # points at a time


def view(mesh: Mesh, azimuth: float, size: int) -> np.ndarray:
    """One view; azimuth in degrees, 0 sees the front, 90 the side with the front to the right.

    Returns:
      uint8 [size, size, 4], straight alpha.
    """
    corners = mesh.corners @ _camera(azimuth).T
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    # Libraries do not agree on which side of a face is its front, so both are lit.
    normals *= np.where(normals[:, 2:] < 0, -1, 1)
    lit = AMBIENT + (1 - AMBIENT) * np.maximum(normals @ LIGHT, 0)
    face = _nearest(corners, size * SUPERSAMPLE)
    hit = face >= 0
    fine = np.where(hit[..., None], (mesh.colours * lit[:, None])[face], 0)
    blocks = (size, SUPERSAMPLE, size, SUPERSAMPLE)
    count = hit.reshape(blocks).sum((1, 3))[..., None]
    colour = fine.reshape(*blocks, 3).sum((1, 3)) / np.maximum(count, 1)
    return np.rint(np.concatenate([colour, count / SUPERSAMPLE**2], -1) * 255).astype(np.uint8)


def _camera(azimuth: float) -> np.ndarray:
    """[3, 3]: to the right, up, towards the viewer."""
    (c, s), (ce, se) = ((np.cos(angle), np.sin(angle)) for angle in np.deg2rad([azimuth, ELEVATION]))
    return np.array([[1, 0, 0], [0, ce, -se], [0, se, ce]]) @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _nearest(corners: np.ndarray, size: int) -> np.ndarray:
    """The face that each pixel shows, int [size, size], -1 for none."""
    depth = np.full(size * size, -np.inf)
    face = np.full(size * size, -1)
    pixels = corners * [1, -1, 1] * (FILL * size / 2) + [size / 2, size / 2, 0]
    for points, owner in _points(pixels):
        place = points[:, 1].astype(int) * size + points[:, 0].astype(int)
        np.maximum.at(depth, place, points[:, 2])
        first = points[:, 2] == depth[place]
        face[place[first]] = owner[first]
    return face.reshape(size, size)


def _points(corners: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Points [m, 3] that cover the triangles [n, 3, 3], and the triangle of each [m]."""
    edges = corners - np.roll(corners, 1, axis=1)
    steps = np.ceil(np.linalg.norm(edges, axis=2).max(1) / SPACING).astype(int).clip(1)
    for n in np.unique(steps):
        i, j = np.indices((n + 1, n + 1))
        inside = i + j <= n
        weights = np.stack([i[inside], j[inside], n - i[inside] - j[inside]], -1) / n
        faces = np.flatnonzero(steps == n)
        for part in np.array_split(faces, -(-len(faces) * len(weights) // CHUNK)):
            yield (weights @ corners[part]).reshape(-1, 3), np.repeat(part, len(weights))
