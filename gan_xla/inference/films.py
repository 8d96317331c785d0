"""Videos read and written frame by frame, by the ffmpeg that imageio-ffmpeg carries; GIF and WebP by Pillow."""

import contextlib
import os
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from gan_xla import images
from gan_xla.errors import UserError, check_unused
from gan_xla.images.fitting import to_pillow

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
FORMATS = ("mp4", "gif", "webp")
# H.264 that loses little, in the colours of high definition, which players expect where nothing else is written.
COLOURS = "scale=out_color_matrix=bt709:out_range=tv"
QUALITY = ("-crf", "16", "-vf", COLOURS, "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")


class Film(NamedTuple):
    """A video to be read.

    Attributes:
      path: of it.
      size: (height, width) of a frame, upright.
      rate: frames a second.
      seconds: of all.
      sound: what codec its sound has; None without.
      frames: uint8 [h, w, 3] each, at a constant rate.
    """

    path: Path
    size: tuple[int, int]
    rate: float
    seconds: float
    sound: str | None
    frames: Iterator[np.ndarray]


def is_video(path: str | os.PathLike) -> bool:
    """Whether the name of a file is a video's."""
    return Path(path).suffix.lower() in VIDEOS


def _library():
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise UserError("videos need the package imageio-ffmpeg: pip install 'gan_xla[video]'") from error
    return imageio_ffmpeg


@contextlib.contextmanager
def _starting() -> Generator:
    """JAX warns of forks; what begins here becomes ffmpeg at once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
        yield


def read(path: Path) -> Film:
    """Opens a video.

    Raises:
      UserError: imageio-ffmpeg is not installed, or the file is no video that it reads.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    raw = _library().read_frames(os.fspath(path))
    try:
        with _starting():
            meta = next(raw)
    except (OSError, RuntimeError, StopIteration) as error:
        raise UserError(
            f"{path}: cannot be read as a video; convert it to MP4, or give its frames' directory"
        ) from error
    width, height = meta["size"]
    frames = (np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in raw)
    return Film(path, (height, width), meta["fps"], meta["duration"], meta.get("audio_codec") or None, frames)


@contextlib.contextmanager
def write(path: Path, rate: float, sound: Film | None = None, overwrite: bool = False) -> Generator:
    """Makes a video as a function that takes frame after frame, uint8 [h, w, 1 or 3]; there is none if it fails.

    Args:
      path: .mp4 (H.264), .gif or .webp, which repeat without end.
      rate: frames a second.
      sound: whose sound it has, in .mp4.
      overwrite: whether it takes the place of another file.
    Raises:
      UserError: the file is there already, its directory cannot be written to, or ffmpeg cannot make it.
    """
    _check_rate(rate)
    check_unused(path, overwrite)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        writer = (_mp4 if path.suffix == ".mp4" else _animation)(temporary, rate, sound)
        next(writer)
        yield writer.send
        with contextlib.suppress(StopIteration):
            writer.send(None)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _check_rate(rate: float) -> None:
    if not 0 < rate <= 1000:
        raise UserError(f"--rate={rate:g}: must be above 0, and at most 1000 frames a second")


def _colours(frame: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.repeat(frame, 3, axis=-1) if frame.shape[-1] == 1 else frame[..., :3])


def _mp4(path: Path, rate: float, sound: Film | None) -> Generator:
    library, frame = _library(), (yield)
    height, width = frame.shape[:2]
    even = height % 2 == 0 and width % 2 == 0  # of half as many colours as pixels
    options = {"audio_path": os.fspath(sound.path)} if sound and sound.sound else {}
    if options:
        options["audio_codec"] = "copy" if sound.sound == "aac" else "aac"
    writer = library.write_frames(
        os.fspath(path),
        (width, height),
        pix_fmt_out="yuv420p" if even else "yuv444p",
        fps=rate,
        quality=None,
        codec="libx264",
        macro_block_size=1,
        output_params=[*QUALITY, "-movflags", "+faststart"],
        **options,
    )
    try:
        with _starting():
            writer.send(None)
            writer.send(_colours(frame))
        while (frame := (yield)) is not None:
            writer.send(_colours(frame))
    except OSError as error:
        raise UserError(f"{path.name}: ffmpeg cannot make it ({error})") from error
    finally:
        writer.close()


def _animation(path: Path, rate: float, sound: Film | None) -> Generator:
    made: list[Image.Image] = []
    while (frame := (yield)) is not None:
        made.append(to_pillow(_colours(frame)))
    lasts = max(10, round(1000 / rate))  # ms; viewers slow down what is faster
    lossless = {"lossless": True} if path.suffix == ".webp" else {}
    made[0].save(path, save_all=True, append_images=made[1:], duration=lasts, loop=0, **lossless)


def of_frames(directory: Path, rate: float) -> Film:
    """The images of a directory, in the order of their names, as a video without sound.

    Raises:
      UserError: there are none, one cannot be read, or they differ in size.
    """
    _check_rate(rate)
    files = images.find(directory)

    def one(file: Path) -> np.ndarray:
        try:
            return images.read(file)
        except images.Unreadable as error:
            raise UserError(f"{error}; frames cannot be left out") from error

    size = one(files[0]).shape[:2]

    def frames() -> Iterator[np.ndarray]:
        for file in files:
            frame = one(file)
            if frame.shape[:2] != size:
                raise UserError(f"{file}: is of {images.shown(frame.shape[:2])}, the first frame {images.shown(size)}")
            yield frame

    return Film(directory, size, rate, len(files) / rate, None, frames())
