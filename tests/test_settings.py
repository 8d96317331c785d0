"""Configs that cannot be: one clear line that names the field and the way out."""

import json
import re

import ml_collections
import pytest

import gan_xla
from gan_xla import data, nets
from gan_xla.errors import UserError
from gan_xla.main import main
from gan_xla.run import changes, limits, settings
from gan_xla.training import step


@pytest.mark.parametrize(
    "override, message",
    [
        (
            "train.batchsize=3",
            "--config.train.batchsize: this config has no such field; did you mean train.batch_size[?]",
        ),
        ("learning_rate=3", "did you mean optimizer.learning_rate[?]"),
        ("data.pth=x", "did you mean data.path[?]"),
        ("train.steps.x=1", "--config.train.steps.x: this config has no such field"),
        ("nonesuch=1", "use one of: data, eval, gan, loss, model, optimizer, seed, train$"),
        ("model.nonesuch=1", "use one of: model.discriminator.net, .*model.generator.width$"),
        ("train.steps=many", "--config.train.steps=many: must be a whole number"),
        ("train.steps=1.5", "--config.train.steps=1.5: must be a whole number"),
        ("optimizer.b1=fast", "--config.optimizer.b1=fast: must be a number"),
        ("optimizer.gen.learning_rate=fast", "optimizer.gen.learning_rate=fast: must be a number"),
        ("data.flip=maybe", "--config.data.flip=maybe: must be True or False"),
        ("data.labels=(1,", "--config.data.labels=.*: must be a tuple, such as"),
        ("data=5", "--config.data=5: must be a dict of fields"),
        ("data.image_size=-1", "data.image_size=-1 must be a whole number from 0 to 8192"),
        ("data.channels=0", "data.channels=0 must be"),
        ("data.background=(0,0,256)", r"data.background=\(0, 0, 256\) must be three whole numbers from 0 to 255"),
        ("model.generator.width=0", "model.generator.width=0 must be"),
        ("optimizer.learning_rate=nan", "optimizer.learning_rate=nan must be 0 or more, and finite"),
        ("optimizer.disc.weight_decay=inf", "optimizer.disc.weight_decay=inf must be"),
        ("optimizer.b2=1", "optimizer.b2=1.0 must be 0 or more, and below 1"),
        ("loss.reconstruction_rate=((9,0.5),)", "must be pairs of step and rate, ascending from step 0"),
        ("train.turns=()", "train.turns=.* must be one or more of d, g, dg, gd, d.g"),
        ("train.batch_size=0", "train.batch_size=0 must be a whole number from 1"),
        ("seed=-1", "seed=-1 must be"),
    ],
)
def test_a_field_type_or_value_that_cannot_be_is_named_with_the_way_out(override, message):
    with pytest.raises(UserError, match=message) as caught:
        settings.load("discogan", f"config.{override}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fields", [{"load_size": 8}, {"fit": "zoom"}])
def test_sizes_and_fits_that_cannot_be_are_refused_before_training(fields, tmp_path, capsys):
    flags = [f"--config.data.{name}={value}" for name, value in fields.items()]
    assert main(["main", "--config=discogan:quick", f"--workdir={tmp_path}/run", *flags]) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert all(f"data.{name}={value!r}" in error for name, value in fields.items())
    assert not (tmp_path / "run").exists()


def test_configs_that_python_gives_are_checked_too():
    config = settings.load("discogan")
    config.train.log_every = 0
    with pytest.raises(UserError, match="train.log_every=0 must be"):
        settings.resolve(config, 100)


def test_the_turns_that_are_allowed_are_those_that_are_played():
    assert limits.TURNS == step.TURNS


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"net": "nonesuch"}, "model.generator.net='nonesuch' is unknown; use one of cogan, dcgan, encoder_decoder"),
        ({"net": "blocks"}, "model.generator.net='blocks' is unknown"),
        ({}, "model.generator.net=None is unknown"),
        ({"net": "resnet", "norm": "batchnorm"}, "model.generator.norm='batchnorm' is unknown; use one of batch"),
        ({"net": "resnet", "output": "relu"}, "model.generator.output='relu' is unknown; use one of sigmoid, tanh"),
        ({"net": "resnet", "hidden": 3}, "model.generator.hidden is unknown; gan_xla.nets.resnet.Generator has"),
    ],
)
def test_a_network_that_cannot_be_is_named_with_the_known_ones(fields, message):
    with pytest.raises(UserError, match=message):
        nets.build(fields, "Generator", size=16, channels=3, axis_name=None)


@pytest.mark.parametrize("field, value", [("image_size", 8), ("channels", 3), ("labels", ("all",)), ("paired", True)])
def test_images_labels_and_pairs_are_not_asked_of_the_toy(field, value):
    with pytest.raises(UserError, match=f"data.{field}=.*: the toy's points have data.{field}="):
        data.load(ml_collections.ConfigDict({"source": "builtin", "name": "gmm", field: value}))


@pytest.mark.parametrize(
    "source, message",
    [
        ("def get_config(:\n", r"mine\.py: SyntaxError: invalid syntax \(mine.py, line 1\)"),
        ("\nimport no_such_module\n", r"mine\.py, line 2: ModuleNotFoundError: .*no_such_module.*; mend this file"),
        ("def get_config():\n    return {}\n", r"mine\.py: get_config\(\) must return an ml_collections.ConfigDict"),
        ("def get_config():\n    return open('/no/file')\n", r"mine\.py, line 2: FileNotFoundError: .*/no/file"),
        ("def get_config():\n    pass\n", r"mine\.py: get_config\(\) must return"),
    ],
)
def test_a_config_file_with_a_mistake_is_named_with_its_line(source, message, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(source)
    assert main(["main", f"--config={tmp_path}/mine.py", f"--workdir={tmp_path}/run"]) == 2
    assert re.search(f"error: --config=.*{message}", capsys.readouterr().err)


def test_a_config_of_another_method_names_the_missing_field(tmp_path, capsys):
    assert main(["main", "--config=discogan:quick", "--config.gan=cyclegan", f"--workdir={tmp_path / 'run'}"]) == 2
    message = capsys.readouterr().err
    assert "gan='cyclegan' needs the field 'pool_size'" in message and "--config=cyclegan" in message
    assert not (tmp_path / "run").exists()


def test_a_length_that_the_user_gives_beats_the_configs():
    train = settings.load("discogan", "config.train.epochs=5").train
    assert (train.steps, train.epochs) == (0, 5)
    config = settings.load("discogan", "config.train.steps=7", "config.train.epochs=5")
    with pytest.raises(UserError, match="train.steps=7 and train.epochs=5 are both set"):
        settings.resolve(config, 10)


def test_all_fields_that_differ_from_a_run_are_named_up_to_five(tmp_path):
    settings.freeze(settings.load("discogan"), tmp_path)
    changed = ("seed=1", "data.flip=True", "loss.gan_weight=2", "optimizer.b1=0.9", "train.batch_size=8")
    config = settings.load("discogan", *(f"config.{field}" for field in changed))
    with pytest.raises(UserError) as caught:
        changes.check(changes.since(tmp_path, config), tmp_path, 0)
    for told in ("data.flip=False, not True", "optimizer.b1=0.5, not 0.9", "seed=0, not 1"):
        assert told in str(caught.value)
    assert "more" not in str(caught.value) and "or use another --workdir" in str(caught.value)
    config.train.turns, config.data.scale = ("d", "g"), 0.1
    with pytest.raises(UserError, match="; and 2 more. Go on"):
        changes.check(changes.since(tmp_path, config), tmp_path, 0)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is no run's config"),
        (b"[1]", "is no run's config .list, not an object"),
        (b"\xff\xfe", "is no run's config"),
        (b'{"a":' * 100_000, "is no run's config .maximum recursion depth"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "no model can be made of it .AttributeError: .*gan"),
        (b"{}", "no model can be made of it .AttributeError: .*gan"),
        ({"gan": "os.system"}, "gan='os.system' is unknown"),
        ({"gan": "discogan", "loss": 5}, "is no run's config .'int' object"),
        ({"gan": "discogan", "seed": float("nan")}, "seed=nan must be"),
        ({"gan": "discogan", "data": {"image_size": "64"}}, "data.image_size='64' must be"),
        ({"model": {"generator": {"blocks": 10**9}}}, "model.generator.blocks=1000000000 must be"),
    ],
)
def test_a_config_json_of_a_stranger_is_refused_in_one_line(content, message, tmp_path):
    (tmp_path / "config.json").write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(UserError, match=message) as caught:
        gan_xla.load(tmp_path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "overrides, expected",
    [
        ((), ("azimuth", 3000, 0.0)),
        (("config.data.name=cars2faces",), ("azimuth", 3000, 0.0)),
        (("config.data.name=edges2objects",), ("", 0, None)),
        (("config.data.source=folder", "config.data.path=there"), ("", 0, None)),
        (
            ("config.data.source=folder", "config.train.score=kid", "config.eval.score.every=5"),
            ("kid", 5, None),
        ),
        (("config.data.source=folder", "config.data.validation=0.1"), ("", 0, 0.1)),
    ],
)
def test_a_recipe_of_images_that_turn_takes_no_azimuths_of_others(overrides, expected):
    config = settings.load("discogan:quick", *overrides)
    assert (config.eval.score.type, config.eval.score.every, config.data.validation) == expected
