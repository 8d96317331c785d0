"""`--mode=project`, and `--mode=sample` of what it found: the noise that a model draws real images from."""

import csv

import jax
import numpy as np
import pytest
from devices import configure
from test_gan import CLASSES, SIZE, _config
from test_inference import _save

import gan_xla
from gan_xla import gans, images
from gan_xla.errors import UserError
from gan_xla.evaluation.projection import project
from gan_xla.main import main
from gan_xla.run import settings
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.run.state import create, optimizers


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Of larger weights than networks begin with, so that noise changes the images as after training."""
    workdir, config = tmp_path_factory.mktemp("projection") / "cgan", _config("cgan")
    settings.freeze(config, workdir)
    state = create(gans.build(config), optimizers(config.optimizer, config.train.steps), 0)
    larger = state.gen.replace(params=jax.tree.map(lambda x: 2 * x, state.gen.params))
    with Checkpoints(workdir) as checkpoints:
        checkpoints.save(2, state.replace(step=state.step + 2, gen=larger))
    return workdir


@pytest.fixture(scope="module")
def model(run):
    return gan_xla.load(run)


def _error(x, y):
    return np.square(x.astype(float) - y).mean((1, 2, 3))


def test_what_a_model_drew_is_found_again_better_than_by_choice_and_with_its_label(model):
    labels = [CLASSES[number % 3] for number in range(5)]
    x = model.sample(labels=labels, z=model.noise(7, np.arange(5)))
    known = project(model, x, labels=labels, steps=100, quiet=True)
    np.testing.assert_array_equal(known.made, model.sample(labels=labels, z=known.z))
    chosen = project(model, x, labels=labels, steps=1, quiet=True)
    assert (_error(known.made, x) < _error(chosen.made, x)).all() and _error(known.made, x).max() < 1
    tried = project(model, x, steps=100, quiet=True)
    assert _error(tried.made, x).max() < 1 and set(tried.labels) <= set(CLASSES)


def test_an_image_is_projected_as_it_is_beside_others_and_the_same_for_a_seed(model):
    x = model.sample(20, labels=["one"], seed=3)
    every = project(model, x, labels=["one"], steps=30, quiet=True)
    np.testing.assert_array_equal(project(model, x, labels=["one"], steps=30, quiet=True).z, every.z)
    alone = project(model, x[18:19], labels=["one"], steps=30, quiet=True)
    np.testing.assert_allclose(alone.z[0], every.z[18], atol=1e-3)


def test_a_distance_of_ones_own_counts_too(model):
    x = model.sample(1, labels=["one"])
    towards = lambda drawn, _: 100 * np.abs(1.0) * ((drawn / 255 - 1.0) ** 2).mean((1, 2, 3))
    white = project(model, x, labels=["one"], steps=60, distance=towards, quiet=True)
    assert white.made.mean() > project(model, x, labels=["one"], steps=60, quiet=True).made.mean()


@pytest.fixture
def files(model, tmp_path):
    (tmp_path / "in").mkdir()
    for name, image in zip("abc", model.sample(3, labels=list(CLASSES), seed=1), strict=True):
        images.write(tmp_path / "in" / f"{name}.png", image)
    return tmp_path / "in"


def _run(mode, run, output, *flags):
    return main(["main", f"--mode={mode}", f"--workdir={run}", f"--output={output}", *flags])


def test_the_command_writes_projections_noise_and_scores_which_sample_takes(run, model, files, tmp_path, capsys):
    out = tmp_path / "out"
    assert _run("project", run, out, f"--input={files}", "--steps=40", "--labels=one,two,three") == 0
    assert {path.name for path in out.iterdir()} == {"a.png", "b.png", "c.png", "grid.png", "z.npz", "scores.csv"}
    assert "3 image(s) projected" in (said := capsys.readouterr().out) and "mean psnr" in said
    with (out / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["a", "b", "c"] and all(float(row["psnr"]) > 15 for row in rows)
    assert _run("sample", run, tmp_path / "again", f"--z={out}/z.npz") == 0
    for number, name in enumerate("abc"):
        drawn = images.read(tmp_path / "again" / f"{number:05d}.png", 1)
        np.testing.assert_allclose(drawn.astype(int), images.read(out / f"{name}.png", 1), atol=1)
    # Edits by label, and walks from each image to the next.
    assert _run("sample", run, tmp_path / "edited", f"--z={out}/z.npz", "--labels=two") == 0
    assert (images.read(tmp_path / "edited/00000.png") != images.read(tmp_path / "again/00000.png")).any()
    assert _run("sample", run, tmp_path / "walk", f"--z={out}/z.npz", "--labels=two", "--interpolate=4") == 0
    assert len(list((tmp_path / "walk").glob("0*.png"))) == 8
    edited = images.read(tmp_path / "edited/00001.png").astype(int)
    for number in (3, 4):
        np.testing.assert_allclose(images.read(tmp_path / f"walk/{number:05d}.png"), edited, atol=1)


def test_what_is_there_is_replaced_only_if_asked_for_and_that_is_said_before_the_search(run, files, tmp_path, capsys):
    for name in ("b.png", "z.npz", "scores.csv"):
        out = tmp_path / name.partition(".")[0]
        out.mkdir()
        (out / name).write_text("mine")
        flags = (f"--input={files}", "--steps=1", "--labels=three")
        assert _run("project", run, out, *flags) == 2
        assert f"{name}: is there already; use another --output, or --overwrite" in capsys.readouterr().err
        assert {path.name for path in out.iterdir()} == {name} and (out / name).read_text() == "mine"
    assert _run("project", run, out, *flags, "--overwrite") == 0
    assert (out / name).read_text() != "mine" and len(list(out.iterdir())) == 6


def test_less_noise_is_nearer_to_the_middle(run, model, tmp_path):
    many, few = (model.sample(labels=["one"] * 64, z=model.noise(0, np.arange(64)), psi=psi) for psi in (1.0, 0.3))
    assert few.std(axis=0).mean() < 0.5 * many.std(axis=0).mean()
    assert _run("sample", run, tmp_path / "out", "--psi=0.3", "--num=2", "--labels=one") == 0
    expected = model.sample(2, labels=["one"], psi=0.3)
    np.testing.assert_array_equal(images.read(tmp_path / "out/00001.png", 1), expected[1])


@pytest.mark.slow
def test_of_a_model_that_normalises_its_noise_truncation_is_a_clear_error(tmp_path, capsys):
    run = _save(tmp_path / "pggan", configure("pggan", ("d+g",), size=8))
    assert _run("sample", run, tmp_path / "out", "--psi=0.5") == 2
    assert "--psi=0.5: this model gives its noise one length" in capsys.readouterr().err
    model = gan_xla.load(run)
    x = model.sample(2, seed=5)
    found = project(model, x, steps=50, quiet=True)
    assert (_error(found.made, x) < _error(np.roll(x, 1, axis=0), x)).all()


def test_mistakes_are_one_line(run, files, tmp_path, capsys):
    plain = _save(tmp_path / "plain", configure("discogan", ("dg",)))
    (tmp_path / "text.npz").write_text("no noise")
    np.savez(tmp_path / "short.npz", z=np.zeros((2, 3)))
    for mode, workdir, flags, message in (
        ("project", plain, [f"--input={files}"], "this discogan model does not draw from noise"),
        ("project", run, [f"--input={files}", "--labels=four"], "--labels=four: this model knows one, two, three"),
        ("project", run, [f"--input={files}", "--labels=one,two"], "--labels: 2 for 3 images"),
        ("project", run, [f"--input={tmp_path}/nothing"], "nothing"),
        ("project", run, [], "--mode=project needs --input"),
        ("sample", run, [f"--z={tmp_path}/text.npz"], "is no file of --mode=project"),
        ("sample", run, [f"--z={tmp_path}/short.npz"], r"noise [2, 3]; this model takes [n, 5]"),
    ):
        assert _run(mode, workdir, tmp_path / "out", *flags) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="images of 16x16: this network takes 8x8 alone"):
        project(gan_xla.load(run), np.zeros((1, 2 * SIZE, 2 * SIZE, 1), np.uint8), quiet=True)
