"""`--mode=sample`: images from noise."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

import gan_xla
from gan_xla import images
from gan_xla.errors import UserError
from gan_xla.images.ranges import window
from gan_xla.inference import films
from gan_xla.inference.model import Model

COLUMNS = 8


def between(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """`count` noises [count, latent] from `start` to `end` along the great circle, where Gaussian noise lies."""
    cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1, 1))
    t = np.linspace(0, 1, count)[:, None]
    return (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)


def _draw(
    model: Model, z: np.ndarray, labels: Sequence[str] | None, interpolate: int, psi: float
) -> np.ndarray | dict[str, np.ndarray]:
    """Of noise [n, latent], or of [n, 2, latent], the ends of n walks, with labels by rows."""
    names = list(labels or model.domains)
    if psi != 1 and _indifferent(model, z.reshape(-1, model.latent)[:1], psi):
        raise UserError(f"--psi={psi}: this model gives its noise one length, so that it changes nothing; leave it out")
    if not interpolate:
        return model.sample(labels=[names[row % len(names)] for row in range(len(z))] if names else None, z=z, psi=psi)
    walks = np.concatenate([between(start, end, interpolate) for start, end in z])
    by_image = [names[row % len(names)] for row in range(len(z)) for _ in range(interpolate)] if names else None
    return model.sample(labels=by_image, z=walks, psi=psi)


def _indifferent(model: Model, z: np.ndarray, psi: float) -> bool:
    """Whether images do not depend on the length of the noise."""
    one, other = (jax.tree.leaves(model.sample(z=z, psi=factor)) for factor in (1.0, psi))
    return all(np.allclose(a.astype(float), b, atol=1) for a, b in zip(one, other, strict=True))


def _noise(model: Model, num: int, seed: int, interpolate: int, chained: bool) -> np.ndarray:
    """As `_draw` takes it; where walks are chained, each begins where the one before ends."""
    if not interpolate:
        return model.noise(seed, np.arange(num))
    if chained:
        z = model.noise(seed, np.arange(num + 1))
        return np.stack([z[:-1], z[1:]], axis=1)
    return model.noise(seed, np.arange(2 * num)).reshape(num, 2, -1)


def _kept(file: str, model: Model, interpolate: int) -> tuple[np.ndarray, list[str] | None]:
    """Noise and labels of a file of `--mode=project`, as `_draw` takes them: walks go from each to the next.

    Raises:
      UserError: the file is none, or of another model.
    """
    try:
        with np.load(file, allow_pickle=False) as found:
            z = np.asarray(found["z"], np.float32)
            labels = [str(name) for name in found["labels"]] if "labels" in found else []
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"--z={file}: is no file of --mode=project ({error})") from error
    if z.ndim != 2 or z.shape[1] != model.latent or not np.isfinite(z).all():
        raise UserError(f"--z={file}: noise {list(z.shape)}; this model takes [n, {model.latent}]")
    if interpolate and len(z) < 2:
        raise UserError(f"--z={file}: a walk needs 2 noises or more, and there is 1; leave --interpolate out")
    return (np.stack([z[:-1], z[1:]], axis=1) if interpolate else z), labels or None


def sample(
    workdir: str,
    output: str,
    *,
    num: int = 16,
    labels: Sequence[str] | None = None,
    seed: int = 0,
    checkpoint: str = "last",
    interpolate: int = 0,
    z: str | None = None,
    psi: float = 1.0,
    format: str | None = None,
    rate: float = 25.0,
    overwrite: bool = False,
) -> None:
    """Draws images as files 00000.png, 00001.png, ... and all of them together as grid.png; as TIFF where PNG cannot
    hold them.

    Models that draw several images from one noise write 00000_A.png, 00000_B.png, and a grid for each: grid_A.png.

    Args:
      workdir: the run.
      output: directory, made if it is missing.
      num: number of images, or of rows to interpolate.
      labels, seed: as `Model.sample`.
      checkpoint: "last" or a step.
      interpolate: images a row on the way from one noise to another; 0 for independent images.
      z: file of `--mode=project`, whose noise and, without `labels`, labels to take in the place of `num` and `seed`;
        walks go from each to the next.
      psi: as `Model.sample`.
      format: "mp4", "gif" or "webp": the walks one after the other as a film, walk.mp4, in the place of the files.
      rate: frames a second of the film.
      overwrite: whether results take the place of other files of their names.
    Raises:
      UserError: what the model cannot do, or an output that cannot be written or is there already.
    """
    model = gan_xla.load(workdir, checkpoint)
    if interpolate and interpolate < 2:
        raise UserError(f"--interpolate={interpolate}: takes 2 images a row or more")
    if not model.latent:
        raise UserError(f"this {model.config.gan} model does not sample; use --mode=translate")
    if format and (format not in films.FORMATS or not interpolate):
        raise UserError(f"--format={format}: use one of {', '.join(films.FORMATS)}, with --interpolate")
    known = None
    if z:
        noises, known = _kept(z, model, interpolate)
    else:
        noises = _noise(model, num, seed, interpolate, bool(format))
    drawn = _draw(model, noises, labels or known, interpolate, psi)
    several = {f"_{name.removeprefix('x_')}": drawn[name] for name in model.draws} if isinstance(drawn, dict) else {}
    with images.output(output) as directory:
        for end, made in (several or {"": drawn}).items():
            values = model.values(end or "x")
            if format:
                once = [row for row in range(len(made)) if row == 0 or row % interpolate]  # walks share their ends
                frames = images.visible(window(made[once], values))
                _film(directory / f"walk{end}.{format}", frames, rate, overwrite)
                continue
            kind = images.ending("", values.dtype, made.shape[-1])
            for number, image in enumerate(made):
                images.write(directory / f"{number:05d}{end}{kind}", image, overwrite=overwrite)
            shown = images.visible(window(made, values))
            grid = _grid(shown, interpolate or min(COLUMNS, len(made)))
            images.write(directory / f"grid{end}.png", grid, overwrite=overwrite)
    print(f"{len(made)} image(s) drawn by {workdir}, step {model.step}, into {output}")


def _film(path: Path, frames: np.ndarray, rate: float, overwrite: bool) -> None:
    with films.write(path, rate, overwrite=overwrite) as add:
        for frame in frames:
            add(frame)


def _grid(drawn: np.ndarray, columns: int) -> np.ndarray:
    """All of them in rows, uint8 [height, width, c]."""
    rest = -len(drawn) % columns
    tiles = np.concatenate([drawn, np.full((rest, *drawn.shape[1:]), 255, np.uint8)])
    tiles = np.pad(tiles, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
    rows = tiles.reshape(-1, columns, *tiles.shape[1:])
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])
