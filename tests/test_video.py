"""Videos translated, and walks between images as films."""

import subprocess
import wave

import numpy as np
import pytest
from devices import configure
from PIL import Image
from test_inference import _save

import gan_xla
from gan_xla import images
from gan_xla.inference import films
from gan_xla.inference.video import Flicker, Smoother
from gan_xla.main import main

ffmpeg = pytest.importorskip("imageio_ffmpeg")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return _save(tmp_path_factory.mktemp("video") / "run", configure("cyclegan", ("dg",)))


@pytest.fixture(scope="module")
def frames():
    """A square that moves over a smooth picture, uint8 [7, 32, 48, 3]."""
    y, x = np.mgrid[:32, :48]
    still = np.stack([4 * y, 4 * x, 100 + 0 * x], axis=-1).astype(np.uint8)
    made = np.repeat(still[None], 7, axis=0)
    for number, frame in enumerate(made):
        frame[8:20, 4 * number : 4 * number + 12] = (230, 40, 60)
    return made


@pytest.fixture(scope="module")
def clip(tmp_path_factory, frames):
    """Frames at 12.5 a second with sound, made by ffmpeg."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    sound = path.with_suffix(".wav")
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        tone = np.sin(np.arange(16000 * 56 // 100) / 10)
        file.writeframes((20000 * tone).astype(np.int16).tobytes())
    writer = ffmpeg.write_frames(
        str(path), (48, 32), fps=12.5, macro_block_size=1, quality=10, audio_path=str(sound), audio_codec="aac"
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
    return path


def _translate(run, source, output, *flags):
    return main(["main", "--mode=translate", f"--workdir={run}", f"--input={source}", f"--output={output}", *flags])


def _sound(path):
    """Samples of a video's sound."""
    command = [ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", str(path), "-f", "s16le", "-ac", "1", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.int16)


def test_a_video_keeps_size_rate_length_and_sound(run, clip, tmp_path, capsys):
    assert _translate(run, clip, tmp_path / "out") == 0
    before, after = films.read(clip), films.read(tmp_path / "out" / "clip.mp4")
    assert (after.size, after.rate, after.seconds) == ((32, 48), 12.5, before.seconds)
    assert len(list(after.frames)) == len(list(before.frames)) == 7
    np.testing.assert_array_equal(_sound(clip), _sound(tmp_path / "out" / "clip.mp4"))
    said = capsys.readouterr().out
    assert "7 frame(s) translated" in said and "flicker: " in said
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out" / "clip.mp4"]


def test_each_frame_is_the_translation_of_that_image(run, clip, tmp_path):
    assert _translate(run, clip, tmp_path / "out") == 0
    model = gan_xla.load(run)
    taken = np.stack([images.resize(frame, 16) for frame in films.read(clip).frames])
    expected = np.stack([images.resize(y, (32, 48)) for y in model.translate(taken)])
    found = np.stack(list(films.read(tmp_path / "out" / "clip.mp4").frames))
    errors = [np.abs(found.astype(int) - np.roll(expected, shift, axis=0)).mean() for shift in (0, 1, -1)]
    assert errors[0] < 6 and errors[0] < min(errors[1:])  # half as many colours as pixels


def test_a_directory_of_frames_becomes_a_video_of_an_odd_size_too(run, frames, tmp_path):
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(frames):
        images.write(tmp_path / "frames" / f"{number:03d}.png", frame[:31, :47])
    assert _translate(run, tmp_path / "frames", tmp_path / "out", "--format=mp4", "--rate=10") == 0
    film = films.read(tmp_path / "out" / "frames.mp4")
    assert (film.size, film.rate, film.sound, len(list(film.frames))) == ((31, 47), 10.0, None, 7)


def test_what_is_outside_a_mask_stays_in_every_frame(run, clip, tmp_path):
    mask = np.zeros((32, 48, 1), np.uint8)
    images.write(tmp_path / "mask.png", mask)
    assert _translate(run, clip, tmp_path / "out", f"--mask={tmp_path}/mask.png") == 0
    model = gan_xla.load(run)
    seen = [
        images.resize(images.resize(frame, model.config.data.image_size), (32, 48)) for frame in films.read(clip).frames
    ]
    found = np.stack(list(films.read(tmp_path / "out" / "clip.mp4").frames))
    assert np.abs(found.astype(int) - np.stack(seen)).mean() < 6


def test_smoothing_blends_where_the_input_is_still_and_nowhere_else():
    x = np.zeros((2, 8, 16, 3), np.uint8)
    x[1, :, 8:] = 200
    y = np.stack([np.full((8, 16, 3), 100, np.uint8), np.full((8, 16, 3), 200, np.uint8)])
    smoother = Smoother(0.5)
    np.testing.assert_array_equal(smoother(x[0], y[0]), y[0])
    found = smoother(x[1], y[1])
    assert (found[:, :7] == 150).all() and (found[:, 9:] == 200).all()


def test_smoothing_lessens_the_flicker_of_a_trembling_translation(run, frames, tmp_path, capsys):
    (tmp_path / "frames").mkdir()
    generator = np.random.default_rng(0)
    for number in range(8):
        noisy = np.clip(frames[0] + generator.normal(0, 3, frames[0].shape), 0, 255).astype(np.uint8)
        images.write(tmp_path / "frames" / f"{number}.png", noisy)
    assert _translate(run, tmp_path / "frames", tmp_path / "out", "--format=mp4", "--smooth=0.8") == 0
    before, _, after = capsys.readouterr().out.split("flicker: ")[1].split(";")[0].partition(" of 255, ")
    assert float(after.split()[0]) < 0.6 * float(before)


def test_flicker_is_none_for_steady_change_and_its_size_for_alternation():
    steady, alternating = Flicker(), Flicker()
    for number in range(5):
        steady.see(np.full((2, 2, 3), 10 * number, np.uint8))
        alternating.see(np.full((2, 2, 3), 20 * (number % 2), np.uint8))
    assert steady.value == 0 and alternating.value == 20


@pytest.mark.parametrize(
    "name, flags, message",
    [
        ("broken.mp4", [], "cannot be read as a video"),
        ("gone.mp4", [], "no such file"),
        ("clip.mp4", ["--smooth=1"], "--smooth=1: must be 0 or more and below 1"),
        ("clip.mp4", ["--statistics=batch"], "would make a frame depend on others"),
        ("clip.mp4", ["--format=gif"], "a translated video is mp4"),
        ("clip.mp4", ["--skip_existing"], "go by image files"),
        ("clip.mp4", ["--keep_background"], "neither transparent nor plain"),
        ("mixed", ["--format=mp4", "--rate=0"], "--rate=0: must be above 0"),
        ("mixed", ["--format=mp4"], "the first frame 8x8"),
    ],
)
def test_what_does_not_go_is_one_line_and_leaves_nothing(name, flags, message, run, clip, tmp_path, capsys):
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    (tmp_path / "mixed").mkdir()
    images.write(tmp_path / "mixed" / "0.png", np.zeros((8, 8, 3), np.uint8))
    images.write(tmp_path / "mixed" / "1.png", np.zeros((8, 9, 3), np.uint8))
    source = clip if name == "clip.mp4" else tmp_path / name
    assert _translate(run, source, tmp_path / "out", *flags) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_video_that_is_there_is_replaced_only_if_asked(run, clip, tmp_path, capsys):
    assert _translate(run, clip, tmp_path / "out") == 0
    assert _translate(run, clip, tmp_path / "out") == 2
    assert "is there already" in capsys.readouterr().err
    assert _translate(run, clip, tmp_path / "out", "--overwrite") == 0


@pytest.mark.parametrize("kind", films.FORMATS)
def test_walks_between_images_are_films(kind, tmp_path_factory, tmp_path):
    run = _save(tmp_path_factory.mktemp("walks") / "run", configure("dcgan", ("dg",)))
    flags = (f"--workdir={run}", f"--output={tmp_path}/out", "--num=2", "--interpolate=4", f"--format={kind}")
    assert main(["main", "--mode=sample", *flags, "--rate=20"]) == 0
    (path,) = (tmp_path / "out").iterdir()
    model = gan_xla.load(run)
    ends = model.sample(z=model.noise(0, np.arange(3)))
    if kind == "mp4":
        film = films.read(path)
        assert film.rate == 20 and len(list(film.frames)) == 7
        return
    with Image.open(path) as film:
        found = []
        for number in range(film.n_frames):
            film.seek(number)
            found.append(np.asarray(film.convert("RGB")))
    if kind == "webp":
        np.testing.assert_array_equal(found[0], ends[0])
        np.testing.assert_array_equal(found[-1], ends[2])


def test_a_film_without_a_walk_is_refused(run, tmp_path, capsys):
    walk = _save(tmp_path / "walk", configure("dcgan", ("dg",)))
    assert main(["main", "--mode=sample", f"--workdir={walk}", f"--output={tmp_path}/out", "--format=gif"]) == 2
    assert "--format=gif: use one of mp4, gif, webp, with --interpolate" in capsys.readouterr().err
