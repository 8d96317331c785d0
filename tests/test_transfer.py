"""`--init_from`: what of another run's networks a new run begins with."""

import json

import jax
import numpy as np
import pytest
from test_main import _command

from gan_xla import gans
from gan_xla.errors import UserError
from gan_xla.main import main
from gan_xla.run import changes, settings, transfer
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.run.state import create, optimizers
from gan_xla.run.transfer import Origin, begin


def configured(name, *overrides):
    config = settings.load(f"{name}:tiny", *(f"config.{override}" for override in overrides))
    config.train.steps = config.train.steps or 2
    return config


def state(config, seed=0):
    optimizer = optimizers(config.optimizer, config.train.steps)
    return create(gans.build(config), optimizer, seed, config.train.num_seeds)


@pytest.fixture
def run(tmp_path):
    """A function from a config to the directory of a run of it that is at step 5, and its state."""

    def made(config):
        first = jax.device_get(state(config, seed=1))
        settings.freeze(config, tmp_path / "run")
        with Checkpoints(tmp_path / "run") as checkpoints:
            checkpoints.save(5, first)
        return str(tmp_path / "run"), first

    return made


def same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_the_same_networks_are_taken_whole_and_the_rest_is_new(run):
    config = configured("discogan", "optimizer.gen.ema_decay=0.9")
    path, old = run(config)
    fresh = state(config)
    new, told = begin(fresh, config, Origin.parse(f"{path}@5"))
    for side in ("gen", "disc"):
        same(getattr(new, side).params, getattr(old, side).params)
        same(getattr(new, side).opt_state, getattr(fresh, side).opt_state)
    same(new.gen.ema, old.gen.ema)
    same((new.key, new.step), (fresh.key, fresh.step))
    assert told[0] == f"begun with {path}, step 5 (discogan)"
    assert len(told) == 5 and all(" arrays taken" in line and "new:" not in line for line in told[1:])
    new, _ = begin(fresh, config, Origin.parse(path, "gen", optimizer=True))
    same(new.gen.opt_state, old.gen.opt_state)
    same(new.disc.params, fresh.disc.params)


@pytest.mark.slow
def test_several_seeds_begin_with_the_same_networks(run):
    path, old = run(configured("discogan"))
    config = configured("discogan", "train.num_seeds=2")
    new, _ = begin(state(config), config, Origin(path))
    for number in range(2):
        same(jax.tree.map(lambda x, number=number: x[number], new.gen.params), old.gen.params)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [(3, 1), (1, 3)])
def test_of_other_channels_those_are_taken_that_both_have(channels, run):
    one, other = (configured("cyclegan", f"data.channels={count}") for count in channels)
    path, old = run(one)
    fresh = state(other)
    new, told = begin(fresh, other, Origin(path))
    before, start, after = (transfer._named(x.gen.params) for x in (old, fresh, new))
    part = {name for name, x in after.items() if x.shape != before[name].shape}
    assert 0 < len(part) < len(after)
    for name, x in after.items():
        shared = tuple(slice(0, min(lengths)) for lengths in zip(x.shape, before[name].shape, strict=True))
        expected = np.array(start[name])
        expected[shared] = before[name][shared]
        np.testing.assert_array_equal(x, expected, err_msg=name)
    assert sum("numbers taken" in line for line in told) == (4 if channels[1] > channels[0] else 0)


def test_labels_are_matched_by_their_names(run):
    path, old = run(configured("stargan", "data.labels=('a','b')"))
    config = configured("stargan", "data.labels=('c','b','a')")
    fresh = state(config)
    new, told = begin(fresh, config, Origin(path))
    first = next(name for name, x in transfer._named(new.gen.params).items() if x.ndim == 4 and x.shape[2] == 6)
    one, other, start = (transfer._named(x.gen.params)[first] for x in (new, old, fresh))
    np.testing.assert_array_equal(one[:, :, :3], other[:, :, :3])
    np.testing.assert_array_equal(one[:, :, 3], start[:, :, 3])
    np.testing.assert_array_equal(one[:, :, 4:], other[:, :, 3:][:, :, ::-1])
    heads = [name for name, x in transfer._named(new.disc.params).items() if x.shape[-1:] == (3,)]
    for name in heads:
        one, other = (transfer._named(x.disc.params)[name] for x in (new, old))
        np.testing.assert_array_equal(one[..., 1:], other[..., ::-1])
    assert heads and any("numbers taken" in line for line in told)


@pytest.mark.slow
def test_pix2pix_takes_cyclegans_generator_and_what_fits_of_its_discriminator(run):
    net = ("model.generator.width=4", "model.generator.blocks=1")
    path, old = run(configured("cyclegan", *net))
    config = configured("pix2pix")
    config.model.generator = settings.load("cyclegan:tiny").model.generator
    new, told = begin(state(config), config, Origin(path, parts="gen"))
    same(new.gen.params["G_AB"], old.gen.params["G_AB"])
    assert [line.partition(":")[0] for line in told[1:]] == ["  G_AB"]


@pytest.mark.slow
def test_a_larger_pggan_takes_the_levels_that_a_smaller_one_has(run):
    path, old = run(configured("pggan", "data.image_size=8", "growth.first=8"))
    config = configured("pggan", "data.image_size=16", "growth.first=8")
    new, _ = begin(state(config), config, Origin(path))
    before, after = (transfer._named(x.gen.params) for x in (old, new))
    shared = before.keys() & after.keys()
    assert len(shared) >= len(before) - 2 and after.keys() > shared
    for name in shared:
        np.testing.assert_array_equal(after[name], before[name])


@pytest.mark.parametrize(
    "old, new, origin, message",
    [
        ("discogan", "cgan", {}, "nothing of its gen .G_AB, G_BA. fits this run's by name and shape"),
        ("discogan", "discogan", {"checkpoint": "7"}, "--checkpoint=7: use last, best or one of 5"),
        ("discogan_unet", "discogan_unet", {"optimizer": True}, "--init_optimizer: the networks or optimisers of gen"),
    ],
)
def test_what_cannot_be_taken_is_one_line(old, new, origin, message, run):
    path, _ = run(configured(old))
    config = configured(new, *(("model.generator.width=8",) if "optimizer" in origin else ()))
    with pytest.raises(UserError, match=message):
        begin(state(config), config, Origin(path, **origin))


def test_a_run_begins_with_another_and_says_so_where_it_goes_on(run, tmp_path, capsys):
    path, _ = run(configured("discogan"))
    command = _command("discogan", tmp_path / "new", f"--init_from={path}@5")
    assert main(command) == 0
    out = capsys.readouterr().out
    assert f"begun with {path}, step 5 (discogan)" in out and "  D_B: " in out
    (row,) = map(json.loads, (tmp_path / "new" / changes.FILE).read_text().splitlines())
    assert row == {"step": 0, "field": "--init_from", "old": None, "new": f"begun with {path}, step 5 (discogan)"}
    assert main([*command, "--config.train.steps=3"]) == 0
    assert "--init_from is left aside: this run has begun" in capsys.readouterr().out
    assert main(_command("discogan", tmp_path / "other", f"--init_from={tmp_path / 'nothing'}")) == 2
    assert "nothing: no run in this directory" in capsys.readouterr().err
    assert not (tmp_path / "other" / "config.json").exists()
