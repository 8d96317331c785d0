"""`--mode=export`: what other runtimes make of an exported run is what the run makes."""

import json
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import configure
from test_inference import _save

import gan_xla
from gan_xla import images
from gan_xla.export import export, savedmodel
from gan_xla.export.runtime import load as runtime_of
from gan_xla.main import main

pytestmark = pytest.mark.slow

METHODS = {  # config, turns, size, and --size of the export
    "discogan": (("dg",), 16, "train"),
    "pix2pix": (("dg",), 32, "32"),
    "cyclegan": (("gd",), 16, "symbolic"),
    "cut": (("dg",), 16, "symbolic"),
    "stargan_joint": (("dg",), 16, "symbolic"),
    "ugatit": (("dg",), 16, "train"),
    "munit": (("dg",), 16, "symbolic"),
    "pggan": (("d+g",), 16, "train"),
    "cgan": (("d+g",), 16, "train"),
    "toy_gmm": (("dg",), 0, "train"),
}
FRESH = """
import json, sys
import numpy as np
from jax import export
directory, arrays, result = sys.argv[1:]
call = export.deserialize(open(f"{directory}/program.stablehlo", "rb").read()).call
np.save(result, call(*np.load(arrays).values()))
assert not [name for name in sys.modules if name.startswith(("gan_xla", "flax"))]
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """name -> the directory of an untrained run, made when it is first asked for."""
    made = {}

    def run(name):
        if name not in made:
            turns, size, _ = METHODS[name]
            config = configure(name, turns, size=size)
            if name == "cgan":
                config.model.generator.hidden = (8, 8)
            made[name] = _save(tmp_path_factory.mktemp("run") / name, config)
        return made[name]

    return run


def _example(model, size):
    """Arrays that an export takes, by name, and what the model makes of them; 3 at once."""
    generator, data = np.random.default_rng(0), model.config.data
    names = [model.domains[number % len(model.domains)] for number in range(3)] if model.labels else None
    label = {"label": np.stack([model.labels.vector([name]) for name in names])} if names else {}
    if model.latent:
        z = generator.standard_normal((3, model.latent)).astype(np.float32)
        return {"noise": z} | label, model.sample(labels=names, z=z)
    if not data.image_size:
        points = generator.standard_normal((3, 2)).astype(np.float32)
        return {"points": points}, model.translate(points)
    shape = (16, 24) if size == "symbolic" else (data.image_size,) * 2
    x = generator.integers(0, 256, (3, *shape, data.channels), np.uint8)
    style = {"style": generator.standard_normal((3, model.style.latent)).astype(np.float32)} if model.style else {}
    options = {"domain": label.get("label"), "style": style.get("style"), "dropout": False}
    return {"image": x} | label | style, model.translate(x, **options)


def _same(result, expected):
    """The same to 1e-4 of the range: bytes differ by one level at most, and only where rounding is on the edge."""
    assert result.shape == expected.shape and result.dtype == expected.dtype
    if expected.dtype == np.uint8:
        difference = np.abs(result.astype(int) - expected)
        assert difference.max() <= 1 and (difference > 0).mean() < 0.005
    else:
        np.testing.assert_allclose(result, expected, atol=1e-4)


def _export(run, output, format, *flags):
    return main(["main", "--mode=export", f"--workdir={run}", f"--output={output}", f"--format={format}", *flags])


@pytest.mark.parametrize("name", METHODS)
def test_onnx_runtime_makes_the_same(name, runs, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    size = METHODS[name][2]
    assert _export(runs(name), tmp_path / "model.onnx", "onnx", f"--size={size}") == 0
    arrays, expected = _example(gan_xla.load(runs(name)), size)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (result,) = session.run(None, arrays)
    _same(result, expected)
    about = session.get_modelmeta().custom_metadata_map
    assert about["method"] == gan_xla.load(runs(name)).config.gan and about["step"] == "2"


@pytest.mark.parametrize("opset", [16, 23])
def test_the_opset_can_be_chosen(opset, runs, tmp_path):
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    assert _export(runs("cyclegan"), path, "onnx", f"--opset={opset}", "--batch=3", "--size=symbolic") == 0
    assert onnx.load(path).opset_import[0].version == opset
    arrays, expected = _example(gan_xla.load(runs("cyclegan")), "symbolic")
    _same(onnxruntime.InferenceSession(path).run(None, arrays)[0], expected)


def test_the_fast_forms_of_a_cpu_make_the_same_where_sizes_are_known(runs, tmp_path):
    assert _export(runs("cyclegan"), tmp_path / "out", "stablehlo", "--batch=3") == 0
    arrays, expected = _example(gan_xla.load(runs("cyclegan")), "train")
    program = jax.export.deserialize((tmp_path / "out" / "program.stablehlo").read_bytes())
    assert {"cpu", "cuda", "rocm", "tpu"} == set(program.platforms)
    _same(np.asarray(program.call(*arrays.values())), expected)


def test_a_process_with_jax_alone_runs_the_stablehlo_program(runs, tmp_path):
    assert _export(runs("stargan_joint"), tmp_path / "out", "stablehlo", "--size=symbolic") == 0
    arrays, expected = _example(gan_xla.load(runs("stargan_joint")), "symbolic")
    np.savez(tmp_path / "in.npz", **arrays)
    command = [sys.executable, "-c", FRESH, tmp_path / "out", tmp_path / "in.npz", tmp_path / "result.npy"]
    subprocess.run(command, check=True, cwd=tmp_path)
    _same(np.load(tmp_path / "result.npy"), expected)
    about = json.loads((tmp_path / "out" / "about.json").read_text())
    assert about["gan_xla"] == gan_xla.__version__ and about["size"] is None and about["size_multiple"] == 4
    columns = [column for part in about["labels"] for column in [*part["columns"].values(), *part["also"]]]
    assert sorted(columns) == list(range(arrays["label"].shape[1]))


@pytest.mark.parametrize("name", ["cyclegan", "cgan"])
def test_tensorflow_loads_the_saved_model(name, runs, tmp_path):
    import tensorflow as tf

    size = METHODS[name][2]
    assert _export(runs(name), tmp_path / "out", "savedmodel", f"--size={size}") == 0
    # JAX's own version may be newer than TensorFlow's.
    assert b"StableHLO_v1.0.0" in (tmp_path / "out" / "saved_model.pb").read_bytes()
    arrays, expected = _example(gan_xla.load(runs(name)), size)
    (result,) = tf.saved_model.load(str(tmp_path / "out")).signatures["serving_default"](**arrays).values()
    _same(result.numpy(), expected)
    assert (
        json.loads((tmp_path / "out" / "about.json").read_text())["dropout" if name != "cgan" else "noise"] is not None
    )


def test_an_operation_that_is_too_young_for_a_saved_model_is_a_clear_error(runs, tmp_path, capsys, monkeypatch):
    make = savedmodel.program.make

    def younger(*args, **options):
        made = make(*args, **options)
        rows = lambda z: jnp.take_along_axis(z, jnp.zeros((*z.shape[:-1], 1), jnp.int32), axis=-1)
        return made._replace(call=lambda z, *rest: made.call(z + 0 * rows(z), *rest))

    monkeypatch.setattr(savedmodel.program, "make", younger)
    assert _export(runs("cgan"), tmp_path / "out", "savedmodel") == 2
    assert "an operation of this network is younger than StableHLO 1.0.0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_direction_is_the_one_that_is_asked_for(runs, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model = gan_xla.load(runs("discogan"))
    arrays, _ = _example(model, "train")
    for direction in model.directions:
        export(runs("discogan"), tmp_path / direction, format="onnx", direction=direction)
        (result,) = onnxruntime.InferenceSession(tmp_path / direction).run(None, arrays)
        _same(result, model.translate(arrays["image"], direction))


MISTAKES = {
    "an unknown format": (["--format=tflite"], r"--format=tflite is unknown; use one of onnx, .*stablehlo"),
    "no format": ([], "--mode=export needs --format"),
    "an unknown direction": (["--format=onnx", "--direction=BtoC"], "--direction=BtoC: .*trained for AtoB and BtoA"),
    "an unknown opset": (["--format=onnx", "--opset=99"], "--opset=99: use one of 16 to 23"),
    "an opset of another format": (["--format=savedmodel", "--opset=17"], "--opset: --format=savedmodel has no such"),
    "half a batch": (["--format=onnx", "--batch=0.5"], "--batch=0.5: must be symbolic or a whole number"),
    "a size that does not fit": (["--format=stablehlo", "--size=18"], "--size=18: .*multiples of 4"),
    "no checkpoint": (["--format=onnx", "--checkpoint=7"], "--checkpoint=7: use last"),
    "no run": (["--format=onnx", "--workdir=/nope"], "/nope: no run"),
}


@pytest.mark.parametrize("flags, message", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_writes_nothing(flags, message, runs, tmp_path, capsys):
    assert main(["main", "--mode=export", f"--workdir={runs('discogan')}", f"--output={tmp_path}/out", *flags]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert re.search(message, line), line
    assert not list(tmp_path.iterdir())


def test_a_network_of_one_size_has_no_other(runs, tmp_path, capsys):
    assert _export(runs("pggan"), tmp_path / "out", "stablehlo", "--size=symbolic") == 2
    assert "--size=symbolic: this network has 16x16 pixels alone" in capsys.readouterr().err
    assert _export(runs("stargan_joint"), tmp_path / "out", "onnx", "--direction=AtoB") == 2
    assert "its labels are an input" in capsys.readouterr().err


def test_what_exists_is_never_overwritten(runs, tmp_path, capsys):
    for name in ("file", "directory"):
        (tmp_path / name).write_text("mine") if name == "file" else (tmp_path / name).mkdir()
        assert _export(runs("discogan"), tmp_path / name, "stablehlo") == 2
        assert f"{name} exists; use another name" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine" and not list((tmp_path / "directory").iterdir())


def test_a_missing_library_is_told_with_the_command_that_brings_it(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert _export(runs("discogan"), tmp_path / "out", "onnx") == 2
    assert "pip install 'gan_xla[onnx]'" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_disk_that_refuses_leaves_nothing(runs, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert _export(runs("discogan"), tmp_path / "file" / "out", "stablehlo") == 2
    assert "--output=" in capsys.readouterr().err and [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["discogan", "cyclegan", "stargan_joint"])
def test_translations_by_onnx_runtime_are_the_same(name, runs, tmp_path):
    pytest.importorskip("onnxruntime")
    generator = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for number in range(3):
        images.write(tmp_path / "in" / f"{number}.png", generator.integers(0, 256, (16, 16, 3), np.uint8))
    domain = [f"--domain={gan_xla.load(runs(name)).domains[0]}"] if name == "stargan_joint" else []
    for runtime in ("jax", "onnx"):
        flags = (f"--input={tmp_path}/in", f"--output={tmp_path}/{runtime}", f"--runtime={runtime}", *domain)
        assert main(["main", "--mode=translate", f"--workdir={runs(name)}", *flags]) == 0
    for number in range(3):
        found, expected = (images.read(tmp_path / runtime / f"{number}.png") for runtime in ("onnx", "jax"))
        _same(found[None], expected[None])
    model, x = runtime_of(runs(name)), generator.random((2, 16, 16, 3)).astype(np.float32)
    to = {"domain": model.domains[1]} if domain else {"direction": "BtoA"}
    _same(model.translate(np.rint(255 * x).astype(np.uint8), **to), model.translate(x, **to))


def test_what_onnx_runtime_has_not_is_a_clear_error(runs, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    images.write(tmp_path / "in.png", np.zeros((32, 32, 3), np.uint8))
    for name, flags, message in (
        ("pix2pix", [], "--runtime=onnx: has no dropout; add --nodropout"),
        ("discogan", ["--statistics=batch"], "--runtime=onnx --statistics=batch: has running alone"),
        ("munit", [], "--runtime=onnx: exports take a style's noise"),
        ("pggan", [], "does not translate"),
    ):
        flags = (f"--input={tmp_path}/in.png", f"--output={tmp_path}/out", "--runtime=onnx", *flags)
        assert main(["main", "--mode=translate", f"--workdir={runs(name)}", *flags]) == 2
        assert message in capsys.readouterr().err
