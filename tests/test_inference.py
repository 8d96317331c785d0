"""Using a trained run: from Python and from the command line."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest
from devices import configure

import gan_xla
from experiments import common
from experiments.benchmarks import inference
from gan_xla import gans, images
from gan_xla.errors import UserError
from gan_xla.inference import ahead
from gan_xla.main import main
from gan_xla.run import settings
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.run.state import create, optimizers


def _save(workdir, config, seed=0):
    """A work directory as training leaves it, of an untrained network."""
    settings.freeze(config, workdir)
    state = create(gans.build(config), optimizers(config.optimizer, config.train.steps), seed)
    with Checkpoints(workdir) as checkpoints:
        checkpoints.save(1, state)
        checkpoints.save(2, state.replace(step=state.step + 2))
    return workdir


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return _save(tmp_path_factory.mktemp("run"), configure("discogan", ("dg",)))


@pytest.fixture(scope="module")
def model(run):
    return gan_xla.load(run)


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)


def test_a_model_knows_its_config_step_and_variables(model):
    assert model.config.gan == "discogan" and model.step == 2 and model.directions == ("AtoB", "BtoA")
    assert set(model.variables["gen"][0]) == {"G_AB", "G_BA"} and set(model.variables["disc"][0]) == {"D_A", "D_B"}


def test_bytes_and_floats_translate_alike(model, pictures):
    y = model.translate(pictures, "BtoA")
    assert y.dtype == np.uint8 and y.shape == pictures.shape
    np.testing.assert_allclose(model.translate(pictures / np.float32(255), "BtoA"), y, atol=1)
    assert (y != model.translate(pictures, "AtoB")).any()


def test_a_translation_does_not_depend_on_its_neighbours_unless_batch_statistics_are_asked_for(model, pictures):
    alone, together = model.translate(pictures[:1]), model.translate(pictures)
    np.testing.assert_allclose(alone[0], together[0], atol=1)
    batch = model.translate(pictures, statistics="batch")
    assert (batch[0].astype(int) - model.translate(pictures[:2], statistics="batch")[0] != 0).any()


def test_pix2pix_keeps_its_dropout_and_normalises_each_image_by_itself(tmp_path):
    model = gan_xla.load(_save(tmp_path, configure("pix2pix", ("dg",), size=64)))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    y = model.translate(pictures)
    np.testing.assert_array_equal(model.translate(pictures), y)
    assert (model.translate(pictures, seed=1) != y).any(), "the seed draws the dropout"
    np.testing.assert_allclose(model.translate(pictures[:1])[0], y[0], atol=1)
    calm = model.translate(pictures, dropout=False)
    np.testing.assert_array_equal(model.translate(pictures, dropout=False, seed=1), calm)
    assert (calm != y).any() and (calm != model.translate(pictures, dropout=False, statistics="batch")).any()


def test_images_of_other_channels_are_a_clear_error(model):
    with pytest.raises(UserError, match="images of 1 channels: this network takes 3"):
        model.translate(np.zeros((1, 16, 16, 1), np.uint8))


def test_sizes_that_are_multiples_are_taken_and_others_are_a_clear_error(model):
    assert model.translate(np.zeros((1, 8, 20, 3), np.uint8)).shape == (1, 8, 20, 3)
    with pytest.raises(UserError, match="images of 16x9: this network takes multiples of 4"):
        model.translate(np.zeros((1, 9, 16, 3), np.uint8))


@pytest.mark.parametrize(
    "images, message",
    [
        (np.zeros((16, 16, 3), np.uint8), r"\[n, h, w, c\]"),
        (np.zeros((0, 16, 16, 3), np.uint8), "n of 1 or more"),
        (np.full((1, 16, 16, 3), 200.0), r"float in \[0, 1\]"),
        (np.zeros((1, 16, 16, 3), np.int32), "uint8"),
        (np.full((1, 16, 16, 3), np.nan), r"float in \[0, 1\]"),
    ],
)
def test_input_that_is_no_image_is_a_clear_error(model, images, message):
    with pytest.raises(UserError, match=message):
        model.translate(images)


def test_an_earlier_checkpoint_can_be_chosen_and_a_missing_one_is_named(run):
    assert gan_xla.load(run, checkpoint=1).step == 1
    with pytest.raises(UserError, match="--checkpoint=7: use last, best or one of 1, 2"):
        gan_xla.load(run, checkpoint=7)


def test_a_run_without_a_checkpoint_is_a_clear_error(tmp_path):
    settings.freeze(configure("discogan", ("dg",)), tmp_path)
    with pytest.raises(UserError, match="no checkpoint yet"):
        gan_xla.load(tmp_path)


def test_a_checkpoint_that_does_not_fit_its_config_is_a_clear_error(run, tmp_path):
    config = configure("discogan", ("dg",))
    config.model.generator.width = 8
    (tmp_path / "checkpoints").symlink_to(run / "checkpoints")
    settings.freeze(config, tmp_path)
    with pytest.raises(UserError, match="does not fit the run's config"):
        gan_xla.load(tmp_path)


def test_a_model_of_points_translates_points(tmp_path):
    model = gan_xla.load(_save(tmp_path, configure("toy_gmm", ("dg",), size=0)))
    assert model.translate(np.zeros((7, 2))).shape == (7, 2)
    with pytest.raises(UserError, match=r"\[n, 2\]"):
        model.translate(np.zeros((7, 16, 16, 3), np.uint8))


def test_a_baseline_translates_in_the_direction_that_it_was_trained_for(tmp_path):
    model = gan_xla.load(_save(tmp_path, configure("standard_gan", ("dg",))))
    assert set(model.variables["gen"][0]) == {"G_AB"}
    with pytest.raises(UserError, match="--direction=BtoA: this model was trained for AtoB"):
        model.translate(np.zeros((1, 16, 16, 3), np.uint8), "BtoA")


SPREAD = """
import sys
import jax, numpy as np
import gan_xla
model = gan_xla.load(sys.argv[1])
x = np.load(sys.argv[2])
y = {f"{n} {how}": model.translate(x[:n], statistics=how) for n in (4, 3) for how in ("running", "batch")}
np.savez(sys.argv[3], devices=jax.local_device_count(), **y)
"""


def test_several_devices_translate_as_one_does(run, model, pictures, tmp_path):
    np.save(tmp_path / "x.npy", pictures)
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-c", SPREAD, run, tmp_path / "x.npy", tmp_path / "y.npz"]
    subprocess.run(command, env=environment, check=True)
    found = np.load(tmp_path / "y.npz")
    assert found["devices"] == 4
    for n in (4, 3):
        for how in ("running", "batch"):
            alone = model.translate(pictures[:n], statistics=how)
            assert np.abs(found[f"{n} {how}"].astype(int) - alone).max() <= 1


def _translate(run, source, target, *flags):
    return main(["main", "--mode=translate", f"--workdir={run}", f"--input={source}", f"--output={target}", *flags])


def test_files_of_any_size_are_translated_at_the_training_size_or_their_own(run, tmp_path):
    sizes = {"wide é": (10, 31), "tall": (40, 17), "small": (3, 5)}
    for name, (h, w) in sizes.items():
        images.write(tmp_path / f"{name}.png", np.random.default_rng(1).integers(0, 256, (h, w, 3), np.uint8))
    assert _translate(run, tmp_path, tmp_path / "train") == 0
    assert _translate(run, tmp_path, tmp_path / "native", "--size=native", "--direction=BtoA") == 0
    for name, (h, w) in sizes.items():
        assert images.read(tmp_path / "train" / f"{name}.png").shape == (16, 16, 3)
        assert images.read(tmp_path / "native" / f"{name}.png").shape == (h, w, 3)
    tiles = "--size=native", "--tile=32", "--overlap=16", "--direction=BtoA"
    assert _translate(run, tmp_path, tmp_path / "tiles", *tiles) == 0
    for name, (h, w) in sizes.items():
        tiled, whole = (images.read(tmp_path / place / f"{name}.png") for place in ("tiles", "native"))
        assert tiled.shape == (h, w, 3)
        assert np.abs(tiled.astype(int) - whole).max() <= (0 if max(h, w) <= 32 else 8)


def test_the_benchmark_measures_speed_memory_and_seams(run, capsys):
    assert common.run(inference.main, [f"--workdir={run}", "--num=2", "--files", "1"]) == 0
    assert common.run(inference.main, [f"--workdir={run}", "--seams"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|") and "---" not in line]
    assert [row.split(" | ")[0].strip("| ") for row in rows] == [
        *("translated", "2 images of 16x16", "files", "1", "tile", "64", "64", "64")
    ]


@pytest.mark.parametrize("channels", [1, 4])
def test_padding_comes_off_again_and_other_channels_stay(tmp_path, channels):
    config = configure("discogan", ("dg",))
    config.data.channels, config.data.fit = channels, "pad"
    model = gan_xla.load(_save(tmp_path / "run", config))
    original = np.random.default_rng(0).integers(0, 256, (10, 31, channels), np.uint8)
    images.write(tmp_path / "wide.png", original)
    assert _translate(tmp_path / "run", tmp_path / "wide.png", tmp_path / "out") == 0
    result = images.read(tmp_path / "out" / "wide.png", channels)
    assert result.shape == (5, 16, channels)
    square = images.fit(original, 16, "pad", (255, 255, 255))
    np.testing.assert_array_equal(result, images.unfit(model.translate(square[None])[0], (10, 31), "pad"))


def test_one_file_gives_what_python_gives(run, model, pictures, tmp_path):
    images.write(tmp_path / "one.png", pictures[0])
    assert _translate(run, tmp_path / "one.png", tmp_path / "out") == 0
    np.testing.assert_allclose(images.read(tmp_path / "out" / "one.png"), model.translate(pictures[:1])[0], atol=1)


def test_what_cannot_be_read_is_named_at_the_end_and_the_rest_is_translated(run, tmp_path, pictures, capsys):
    source, inside = tmp_path / "in", tmp_path / "in" / "out"
    for name in ("a/1.png", "b/1.png", "b/2.png"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        images.write(source / name, pictures[0])
    (source / "b" / "1.png").write_bytes((source / "b" / "1.png").read_bytes()[:50])
    for target, size in ((tmp_path / "native", "native"), (inside, "train"), (inside, "train")):
        assert _translate(run, source, target, f"--size={size}", "--direction=BtoA") == 3
        out, err = capsys.readouterr()
        assert "2 image(s) translated" in out and "error: 1 of 3 images were left out: " in err and "b/1.png" in err
        found = sorted(path.relative_to(target).as_posix() for path in target.rglob("*.*"))
        assert found == ["a/1.png", "b/2.png"]
    assert _translate(run, source / "b" / "1.png", tmp_path / "one") == 2
    assert "b/1.png" in capsys.readouterr().err


def test_output_never_overwrites_an_input(run, tmp_path, pictures, capsys):
    images.write(tmp_path / "one.png", pictures[0])
    before = (tmp_path / "one.png").read_bytes()
    assert _translate(run, tmp_path, tmp_path) == 2
    assert "would overwrite" in capsys.readouterr().err and (tmp_path / "one.png").read_bytes() == before


def test_results_of_another_direction_are_not_replaced_unless_asked_for(run, tmp_path, pictures, capsys):
    (tmp_path / "in").mkdir()
    images.write(tmp_path / "in" / "one.png", pictures[0])
    assert _translate(run, tmp_path / "in", tmp_path / "out") == 0
    before = (tmp_path / "out" / "one.png").read_bytes()
    assert _translate(run, tmp_path / "in", tmp_path / "out", "--direction=AtoB") == 0, "the same again"
    assert _translate(run, tmp_path / "in", tmp_path / "out", "--direction=BtoA") == 2
    error = capsys.readouterr().err
    assert "out/one.png: is there already, and differs; use another --output, or --overwrite" in error
    assert (tmp_path / "out" / "one.png").read_bytes() == before
    assert _translate(run, tmp_path / "in", tmp_path / "out", "--direction=BtoA", "--overwrite") == 0
    assert (tmp_path / "out" / "one.png").read_bytes() != before


def test_parameters_survive_a_checkpoint_bit_for_bit(model):
    config = configure("discogan", ("dg",))
    state = create(gans.build(config), optimizers(config.optimizer, config.train.steps), 0)
    for saved, made in zip(jax.tree.leaves(model.variables["gen"][0]), jax.tree.leaves(state.gen.params), strict=True):
        np.testing.assert_array_equal(saved, made)


def _many(tmp_path, pictures, names):
    source = tmp_path / "many"
    source.mkdir()
    for number, name in enumerate(names):
        images.write(source / f"{name}.png", pictures[number % len(pictures)])
    return source


def _command(run, source, output, *flags):
    return main(["main", "--mode=translate", f"--workdir={run}", f"--input={source}", f"--output={output}", *flags])


def test_an_interrupted_translation_goes_on_with_what_is_not_there(run, tmp_path, pictures, capsys):
    source, out = _many(tmp_path, pictures, "abcdefg"), tmp_path / "out"
    assert _command(run, source, tmp_path / "whole") == 0
    out.mkdir()
    for name in "bdf":
        images.write(out / f"{name}.png", pictures[0])
    kept = sorted(path.name for path in out.iterdir())
    before = {name: (out / name).read_bytes() for name in kept}
    assert _command(run, source, out, "--skip_existing") == 0
    assert f"{7 - len(kept)} image(s) translated" in (said := capsys.readouterr().out.splitlines()[-1])
    assert f"; {len(kept)} were there already" in said
    for path in (tmp_path / "whole").iterdir():
        expected = before.get(path.name, path.read_bytes())
        assert (out / path.name).read_bytes() == expected


def test_processes_share_a_directory(run, tmp_path, pictures, capsys):
    source = _many(tmp_path, pictures, "abcdefg")
    assert _command(run, source, tmp_path / "whole") == 0
    for number in range(3):
        assert _command(run, source, tmp_path / f"part{number}", "--num_processes=3", f"--process_id={number}") == 0
    parts = [sorted(path.name for path in (tmp_path / f"part{number}").iterdir()) for number in range(3)]
    assert parts == [["a.png", "d.png", "g.png"], ["b.png", "e.png"], ["c.png", "f.png"]]
    for number, names in enumerate(parts):
        for name in names:
            expected = images.read(tmp_path / "whole" / name).astype(int)
            np.testing.assert_allclose(images.read(tmp_path / f"part{number}" / name), expected, atol=1)
    assert _command(run, source, tmp_path / "none", "--num_processes=3") == 2
    assert "--process_id, --num_processes: set both" in capsys.readouterr().err


def test_files_are_read_ahead_and_a_writers_failure_is_told(tmp_path):
    begun, order = [], []
    with ThreadPoolExecutor(1) as pool:
        batches = [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
        for found in ahead.read(pool, lambda x: begun.append(x) or 10 * x, batches):
            order.append((found, max(begun, default=0) // 2))
        assert [found for found, _ in order] == [[10 * x for x in batch] for batch in batches]
        assert all(read <= number + 3 for number, (_, read) in enumerate(order)), "a few batches at a time"
        behind = ahead.Behind(pool)
        behind.call(lambda: None)
        behind.call(open, tmp_path / "no" / "such")
        with pytest.raises(FileNotFoundError):
            behind.finish()
