"""Images of other values and channels than bytes in grey or colours, from file to file."""

import json
import logging

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

import gan_xla
from gan_xla import data, gans, images
from gan_xla.contract import BYTES, Gan, Values
from gan_xla.data import augmentation, pipeline
from gan_xla.errors import UserError
from gan_xla.evaluation.suite import Suite
from gan_xla.images import ranges
from gan_xla.inference import translate as translation
from gan_xla.inference.model import Model
from gan_xla.main import main
from gan_xla.report import pictures
from gan_xla.report import run as report_run
from gan_xla.run import compat, settings
from gan_xla.training.train import prepare

KINDS = {
    "uint8": Values("uint8", 0, 255),
    "uint16": Values("uint16", 0, 4095),
    "int16": Values("int16", -1024, 3071),
    "float32": Values("float32", -2.5, 7.25),
}
SIZE = 16


def numbers(values, *shape, seed=0):
    """Images of the whole of their range, with both of its ends."""
    x = np.random.default_rng(seed).uniform(values.low, values.high, shape)
    x.flat[:2] = values.low, values.high
    return images.rounded(x, np.dtype(values.dtype))


def save(directory, values, count, channels, ending, seed=0, size=SIZE):
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image = numbers(values, size, size, channels, seed=seed + number)
        images.write(directory / f"{number:02d}{ending}", image)


def load(**fields):
    return data.load(ConfigDict({"source": "folder", "image_size": SIZE, **fields}))


# Between images and networks


@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (0.0, 1.0)])
@pytest.mark.parametrize("values", KINDS.values(), ids=KINDS)
def test_numbers_come_back_from_the_networks_range_value_for_value(values, value_range):
    x = np.arange(values.low, values.high + 1) if values.dtype != "float32" else numbers(values, 1000)
    x = images.rounded(x, np.dtype(values.dtype))
    there = ranges.into(x, values, value_range)
    back = np.asarray(ranges.out_of(there, values, value_range))
    assert there.min() == value_range[0] and there.max() == value_range[1] and back.dtype == x.dtype
    if values.dtype == "float32":
        assert np.abs(back - x).max() <= 3e-7 * (values.high - values.low)
    else:
        np.testing.assert_array_equal(back, x)


def test_what_lies_outside_becomes_the_nearer_end():
    values = KINDS["int16"]
    x = np.array([-32768, -1025, -1024, 3071, 3072, 32767], np.int16)
    assert np.asarray(ranges.into(x, values, (-1.0, 1.0))).tolist() == [-1, -1, -1, 1, 1, 1]
    assert ranges.window(x, values).tolist() == [0, 0, 0, 255, 255, 255]


def test_bytes_are_mapped_as_ever():
    x = np.arange(256, dtype=np.uint8)
    found = ranges.into(x, BYTES, (-1.0, 1.0))
    np.testing.assert_array_equal(found, x.astype(np.float32) * np.float32(2 / 255) - 1)
    assert ranges.window(x, BYTES) is x


# From files to batches


def test_the_type_is_the_first_files_and_the_ends_are_those_of_the_training_images(tmp_path, caplog):
    save(tmp_path / "trainA", KINDS["uint16"], 5, 1, ".png")
    save(tmp_path / "trainB", KINDS["float32"], 4, 6, ".npy")
    save(tmp_path / "testA", KINDS["uint16"], 1, 1, ".tif")
    save(tmp_path / "testB", KINDS["float32"]._replace(high=20.0), 1, 6, ".tif")
    dataset = load(path=str(tmp_path), channels_a=1, channels_b=6)
    ends = (-2.5, 7.25)
    assert dataset.fields == {"dtype_a": "uint16", "range_a": (0, 4095), "dtype_b": "float32", "range_b": ends}
    assert "A: uint16, 0 to 4095 as measured; B: float32, -2.5 to 7.25 as measured" in dataset.about
    batch = next(iter(pipeline.batches(dataset.train, batch_size=4, seed=0, start=0, stop=1)))
    assert batch["x_A"].dtype == np.uint16 and batch["x_B"].shape == (1, 4, SIZE, SIZE, 6)
    assert batch["x_B"].dtype == np.float32
    with caplog.at_level(logging.WARNING):
        data.test_batch(dataset, 3)
    assert "testB/00.tif: " in caplog.text and "lie outside data.range, -2.5 to 7.25" in caplog.text
    assert caplog.text.count("lie outside") == 1


def test_sixteen_bits_are_kept_but_by_runs_that_began_without(tmp_path):
    save(tmp_path, KINDS["uint16"], 4, 1, ".png")
    new = load(path=str(tmp_path), unlabelled=True, channels=1)
    assert new.fields == {"dtype": "uint16", "range": (0, 4095)} and new.train[0].spec["x"][1] == np.uint16
    old = load(path=str(tmp_path), unlabelled=True, channels=1, dtype="uint8")
    assert old.fields == {} and old.train[0].read(np.arange(3))["x"].max() == 16
    assert compat.upgraded({"gan": "gan", "model": {}}).data.dtype == "uint8"


def test_a_run_goes_on_with_the_values_that_it_began_with(tmp_path):
    config = settings.load("discogan:tiny")
    old = config.copy_and_resolve_references()
    old.data.dtype_a, old.data.range_a = "int16", (-5.0, 5.0)
    settings.freeze(old, tmp_path)
    found = settings.continued(config, tmp_path).data
    assert (found.dtype_a, found.range_a, found.dtype_b) == ("int16", (-5.0, 5.0), "")
    config.data.range_a = (0.0, 9.0)
    assert settings.continued(config, tmp_path).data.range_a == (0.0, 9.0), "what is said is compared, and refused"


@pytest.mark.parametrize(
    "spoil,fields,message",
    [
        (lambda d: save(d / "more", KINDS["int16"], 1, 1, ".tif"), {}, "several types: 1 are int16, 3 are uint16"),
        (lambda d: None, {"channels": 2}, r"00\.png: has 1 channels, not data.channels=2"),
        (lambda d: None, {"dtype": "int16"}, "values are uint16, which int16 does not hold; set data.dtype"),
        (lambda d: None, {"color": 0.5}, "data.color=0.5 changes grey or coloured pictures of bytes"),
    ],
)
def test_contradictions_are_told_in_a_line(tmp_path, spoil, fields, message):
    save(tmp_path / "images", KINDS["uint16"], 4, 1, ".png")
    spoil(tmp_path)
    section = {"path": str(tmp_path), "unlabelled": True, "channels": 1, "max_unreadable": 2, **fields}
    with pytest.raises(UserError, match=message) as caught:
        dataset = load(**section)
        augmentation.of(ConfigDict({**section, **dataset.fields}))
    assert "\n" not in str(caught.value)


def test_flat_images_are_refused_and_other_sources_have_bytes(tmp_path):
    images.write(tmp_path / "a.tif", np.full((4, 4, 1), 7, np.uint16))
    images.write(tmp_path / "b.tif", np.full((4, 4, 1), 7, np.uint16))
    with pytest.raises(UserError, match="every value is 7; replace the images, or set data.range"):
        load(path=str(tmp_path), unlabelled=True, channels=1)
    with pytest.raises(UserError, match="data.dtype='uint16': only files of data.source='folder'"):
        load(source="builtin", dtype="uint16")


def test_directories_are_the_channels_of_images_of_one_name(tmp_path):
    for number, name in enumerate(("t1", "t2", "b")):
        save(tmp_path / name, KINDS["int16"], 4, 1, ".tif", seed=10 * number)
    paths = {"path_a": tuple(str(tmp_path / name) for name in ("t1", "t2")), "path_b": str(tmp_path / "b")}
    dataset = load(**paths, channels_a=2, channels_b=1, paired=True)
    assert dataset.fields["range_a"] == (-1024, 3071)
    row = dataset.train[0].read(np.array([1]))
    expected = [images.read(tmp_path / name / "01.tif", 1, dtype=None) for name in ("t1", "t2")]
    np.testing.assert_array_equal(row["x_A"][0], np.concatenate(expected, axis=-1))
    with pytest.raises(UserError, match="data.channels=3: cannot be shared among the 2 directories"):
        load(**paths)
    (tmp_path / "t2/01.tif").unlink()
    with pytest.raises(UserError, match="data.path_a=.*: 1 names are not in all of these directories: 01"):
        load(**paths, channels_a=2, channels_b=1)


def test_changes_of_training_images_keep_types_and_channels():
    x = numbers(KINDS["uint16"], 4, 20, 20, 5)
    every = augmentation.Augment(flip=True, flip_vertical=True, turn=True, rotate=20.0, scale=0.2)
    options = {"batch_size": 4, "seed": 0, "start": 0, "stop": 3, "image_size": 16, "augment": every}
    for batch in pipeline.batches((data.Arrays(x=x),), **options):
        assert batch["x"].shape == (1, 4, 16, 16, 5) and batch["x"].dtype == np.uint16 and batch["x"].max() <= 4095
    shrunk = augmentation.apply(x, np.zeros((4, 3), np.int32), None, 10)
    np.testing.assert_array_equal(shrunk[:, 0, 0], np.rint(x[:, :2, :2].mean(axis=(1, 2))))


# Networks


@pytest.mark.parametrize("name", ["discogan", "discogan_unet", "cyclegan", "pix2pix"])
def test_domains_of_other_channels_make_networks_that_fit(name):
    config = settings.load(f"{name}:tiny", "config.data.channels_a=2", "config.data.channels_b=5")
    gan = gans.build(config)
    pair = jax.eval_shape(gan.init, jax.random.key(0))
    channels, size = {"A": 2, "B": 5}, config.data.image_size
    for direction in gan.directions:
        source, made = direction[0], direction[-1]
        x = jax.ShapeDtypeStruct((1, size, size, channels[source]), np.float32)
        y = jax.eval_shape(lambda p, x, to=direction: gan.translate(*p, x, to, "running", None), pair.gen, x)
        assert y.shape == (1, size, size, channels[made])
    if gan.pool:
        assert {name: shape[-1] for name, shape in gan.pool.items()} == {"x_AB": 5, "x_BA": 2}


def test_an_identity_loss_needs_equal_channels():
    config = settings.load("cyclegan:tiny", "config.data.channels_a=1", "config.loss.lambda_identity=0.5")
    with pytest.raises(UserError, match="x_BB is G_AB of x_B, which needs images of as many channels in A as in B"):
        gans.build(config)


# From file to file


build = gans.build


def identity(config):
    """A method that changes nothing."""
    gan = build(config)
    plain = {name: getattr(gan, name) for name in ("init", "generate", "disc_loss", "gen_loss", "judged", "turns")}
    return Gan(
        **plain,
        grid=gan.grid,
        value_range=(-1.0, 1.0),
        translate=lambda params, stats, x, target, statistics, keys: x,
        directions=("AtoB", "BtoA"),
        size_multiple=1,
        values=gan.values,
    )


@pytest.mark.parametrize("ending", [".png", ".tif", ".npy"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_identity_network_gives_back_every_value(tmp_path, monkeypatch, kind, ending):
    values, channels = KINDS[kind], 1 if ending == ".png" else 5
    if ending == ".png" and kind in ("int16", "float32"):
        return
    for split, count in (("train", 8), ("test", 6)):
        for domain in "AB":
            save(tmp_path / f"data/{split}{domain}", values, count, channels, ending)
    config = settings.load("discogan:tiny", "config.data.source=folder", f"config.data.channels={channels}")
    config.data.path, config.data.load_size = str(tmp_path / "data"), 0
    config, *_ = prepare(config)
    model = Model(identity(config), config, 1, {"gen": ({}, {}), "disc": ({}, {})})
    monkeypatch.setattr(gan_xla, "load", lambda workdir, checkpoint: model)
    for size in ("train", "native"):
        translation.translate("run", str(tmp_path / "data/testA"), str(tmp_path / size), size=size)
        for path in sorted((tmp_path / "data/testA").iterdir()):
            before, after = (images.read(at, None, dtype=None) for at in (path, tmp_path / size / path.name))
            assert after.dtype == before.dtype == kind
            np.testing.assert_allclose(after, before, rtol=0, atol=3e-6 if kind == "float32" else 0)
    monkeypatch.setattr(gans, "build", identity)
    suite = Suite(config, data.load(config.data), metrics=("l1", "cycle", "sharpness"))
    found = {x.metric: x.value for x in suite.measure(model, quiet=True)["AtoB"]}
    assert found["l1"] <= 1e-4 and found["cycle"] <= 1e-4 and found["sharpness"] == pytest.approx(1)


@pytest.mark.slow
def test_depth_to_six_channels_trains_resumes_and_goes_through_every_mode(tmp_path, capsys):
    for split, count in (("train", 8), ("test", 6)):
        save(tmp_path / f"data/{split}A", KINDS["uint16"], count, 1, ".png")
        save(tmp_path / f"data/{split}B", KINDS["float32"], count, 6, ".npy")
    run, where = str(tmp_path / "run"), [f"--workdir={tmp_path / 'run'}"]
    train = [
        "main", "--config=configs/discogan.py:tiny", *where, "--config.data.source=folder",
        f"--config.data.path={tmp_path / 'data'}", "--config.data.channels_a=1", "--config.data.channels_b=6",
        "--config.train.sample_every=2",
    ]  # fmt: skip
    assert main(train) == 0 and main([*train, "--config.train.steps=4"]) == 0
    assert json.loads((tmp_path / "run/config.json").read_text())["data"]["range_a"] == [0, 4095]
    for direction, source in (("AtoB", "testA"), ("BtoA", "testB")):
        arguments = [f"--input={tmp_path / 'data' / source}", f"--output={tmp_path / direction}"]
        assert main(["main", "--mode=translate", *where, *arguments, f"--direction={direction}"]) == 0
    six = images.read(tmp_path / "AtoB/00.tif", 6, dtype="float32")
    depth = images.read(tmp_path / "BtoA/00.npy", 1, dtype="uint16")
    assert six.shape == (SIZE, SIZE, 6) and six.min() >= -2.5 and six.max() <= 7.25 and depth.max() <= 4095
    model = gan_xla.load(run)
    x = images.read(tmp_path / "data/testA/00.png", 1, dtype="uint16")
    np.testing.assert_allclose(model.translate(x[None])[0], six, atol=1e-5)
    np.testing.assert_allclose(model.translate(x[None] / 4095.0), model.translate(x[None]), atol=1e-4)
    with pytest.raises(UserError, match=r"images must be uint16, or float in \[0, 1\], not int64"):
        model.translate(x[None].astype(np.int64))
    capsys.readouterr()
    assert main(["main", "--mode=evaluate", *where, "--metrics=l1,sharpness"]) == 0
    assert "AtoB: networks are shown 256 levels from -2.5 to 7.25, the first 3 of 6 channels" in capsys.readouterr().out
    _, tables = pictures.made(report_run.read(run))
    assert [table.title for table in tables] == ["A to B", "B to A"] and len(tables[0].rows) == 6
    runtime = pytest.importorskip("onnxruntime")
    assert main(["main", "--mode=export", *where, "--format=onnx", f"--output={tmp_path / 'six.onnx'}"]) == 0
    (made,) = runtime.InferenceSession(tmp_path / "six.onnx").run(None, {"image": x[None]})
    np.testing.assert_allclose(made[0], six, atol=1e-4)
    for form, message in (("web", "the page translates bytes"), ("torch", "one number of channels")):
        assert main(["main", "--mode=export", *where, f"--format={form}", f"--output={tmp_path / form}"]) == 2
        assert message in capsys.readouterr().err
