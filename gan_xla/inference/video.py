"""`--mode=translate` of videos: all frames alike, and how much the result flickers."""

import contextlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from gan_xla import images
from gan_xla.errors import UserError
from gan_xla.inference import films, masks, translators
from gan_xla.inference.films import Film
from gan_xla.inference.translators import Translators

STILL = 8.0  # of 255: where a pixel's neighbourhood changes by less, it hardly moves


class Flicker:
    """How far frames jump from what lies between their neighbours: mean |y[t-1] - 2 y[t] + y[t+1]| / 2, 0 to 255.

    A smooth movement has little of it; 0 for fewer than 3 frames.
    """

    def __init__(self):
        self._last: list[np.ndarray] = []
        self._sum, self._count = 0.0, 0

    def see(self, frame: np.ndarray) -> None:
        """The next frame, uint8 [h, w, c]."""
        self._last = [*self._last[-2:], frame.astype(np.float32)]
        if len(self._last) == 3:
            before, now, after = self._last
            self._sum += float(np.abs(before - 2 * now + after).mean()) / 2
            self._count += 1

    @property
    def value(self) -> float:
        return self._sum / max(1, self._count)


class Smoother:
    """Blends a frame's translation with the one before, where the input hardly changes.

    Args:
      share: 0 to 1, of the one before where the input is still.
    """

    def __init__(self, share: float):
        self._share, self._last = share, None

    def __call__(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The translation y [h, w, c] of the frame x of the same size, blended."""
        x, made = x.astype(np.float32), y.astype(np.float32)
        if self._last is not None:
            change = ndimage.uniform_filter(np.abs(x - self._last[0]).mean(axis=-1), 3)[..., None]
            made += self._share * np.exp(-((change / STILL) ** 2)) * (self._last[1] - made)
        self._last = x, made
        return images.rounded(made, y.dtype)


def translate_video(
    workdir: str,
    input: str,
    output: str,
    *,
    rate: float = 25.0,
    smooth: float = 0.0,
    overwrite: bool = False,
    mask: str | None = None,
    keep_background: bool = False,
    **options,
) -> None:
    """Translates a video, or the images of a directory as its frames, to NAME.mp4 of the frames' size, rate and sound.

    Dropout is off, and batch norm goes by training's averages, unless told otherwise. All frames have one style; with
    several styles there is a video for each, NAME_0.mp4, NAME_1.mp4, ...

    Args:
      workdir: the run.
      input: a video that ffmpeg reads, or a directory of frames of one size.
      output: directory, made if it is missing.
      rate: frames a second, of a directory's.
      smooth: see `Smoother`; 0: every frame by itself.
      overwrite: whether results take the place of other files.
      mask, keep_background: where the input stays as it is, see `masks.Masks`.
      options: of `translators.prepare`.
    Raises:
      UserError: what cannot be read or written, or what the model cannot do.
    """
    if not 0 <= smooth < 1:
        raise UserError(f"--smooth={smooth:g}: must be 0 or more and below 1")
    if options.get("statistics") == "batch":
        raise UserError("--statistics=batch would make a frame depend on others; use running or image")
    options |= {"statistics": options.get("statistics") or "running", "dropout": options.get("dropout") or False}
    where = masks.Masks(mask, keep_background)
    how = translators.prepare(workdir, **options)
    if how.form.labels or how.form.values.dtype != "uint8" or how.model.values(how.made) != how.form.values:
        raise UserError("videos have pictures of bytes; this run translates other images")
    film = films.of_frames(Path(input), rate) if Path(input).is_dir() else films.read(Path(input))
    name = Path(input).resolve().stem
    with images.output(output) as directory, contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(films.write(directory / f"{name}{end}.mp4", film.rate, film, overwrite))
            for end in how.looks
        ]
        seen = _all(film, how, where, smooth, writers)
    kept = "at their own size" if how.size == "native" else f"as {images.shown(how.form.size)}"
    print(f"{seen.frames} frame(s) translated {kept} by {workdir}, step {how.model.step}, into {output}")
    less = f", {seen.smooth.value:.2f} with --smooth={smooth:g}" if smooth else ""
    print(f"flicker: {seen.made.value:.2f} of 255{less}; the input's {seen.input.value:.2f}")


class _Seen(NamedTuple):
    """How many frames there were, and the flicker of the input, of the first look's translation and of it blended."""

    frames: int
    input: Flicker
    made: Flicker
    smooth: Flicker

    def add(self, x: np.ndarray, y: np.ndarray, smoothed: np.ndarray | None) -> "_Seen":
        self.input.see(x)
        self.made.see(y)
        if smoothed is not None:
            self.smooth.see(smoothed)
        return self._replace(frames=self.frames + 1)


def _all(film: Film, how: Translators, where: masks.Masks, smooth: float, writers: list) -> _Seen:
    """Writes the frames' translations."""
    seen = _Seen(0, Flicker(), Flicker(), Flicker())
    smoothers = [Smoother(smooth) for _ in writers]
    with tqdm(total=math.ceil(film.seconds * film.rate) or None, desc="translate", unit="frame") as bar:
        for batch in _batches(film.frames, how.batch):
            taken = [frame if how.form.channels == 3 else images.luminance(frame) for frame in batch]
            for number, (translated, writer) in enumerate(zip(how.looks.values(), writers, strict=True)):
                for x, y in zip(taken, translated(taken), strict=True):
                    y = _whole(how, where, x, y)
                    shown = images.resize(x, y.shape[:2])
                    smoothed = smoothers[number](shown, y) if smooth else None
                    writer(y if smoothed is None else smoothed)
                    if number == 0:
                        seen = seen.add(shown, y, smoothed)
            bar.update(len(batch))
    if not seen.frames:
        raise UserError(f"{film.path}: has no frame")
    return seen


def _whole(how: Translators, where: masks.Masks, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A frame's translation in part, where that is asked for, and of the frame's size, unless fitting cropped it."""
    try:
        y = how.masked(x, y, where.of(x, None)) if where else y
    except images.Unreadable as error:
        raise UserError(str(error)) from error
    return images.resize(y, x.shape[:2]) if how.form.fit in ("stretch", "pad") else y


def _batches(frames: Iterator[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    while batch := list(itertools.islice(frames, size)):
        yield batch
