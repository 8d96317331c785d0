"""PGGAN: its phases, what fades, resuming within a fade."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_main import _assert_same_state, _command, _metrics

import gan_xla
from gan_xla import data, gans, nets
from gan_xla.contract import Ctx, Phase
from gan_xla.data import pipeline
from gan_xla.errors import UserError
from gan_xla.gans.pggan import Growth, _fooled, phases, real
from gan_xla.main import main
from gan_xla.run import settings

PAPER = Growth(4, 600_000, 600_000, ((4, 128), (32, 64), (64, 32), (128, 16), (256, 8), (512, 4)))


def test_the_papers_schedule_shows_600k_images_in_each_fade_and_after_it():
    levels, length = phases(PAPER, 1024, 1)
    assert [phase.resolution for phase in levels] == [4 << i for i in range(9)]
    assert [phase.batch_size for phase in levels] == [128, 128, 128, 64, 32, 16, 8, 4, 4]
    assert levels[0] == Phase(0, 128, 0, 4, 0, resets=False), "the first level has no fade"
    assert levels[1] == Phase(4688, 128, 4688 * 128, 8, 2 * 4688, resets=True)
    shown = [(later.start - phase.start) * phase.batch_size for phase, later in itertools.pairwise(levels)]
    assert shown[0] == pytest.approx(600_000, abs=128) and shown[5] == pytest.approx(1_200_000, abs=16)
    assert length == levels[-1].start + 300_000


def test_the_time_of_growing_networks_is_estimated_before_they_are_trained(tmp_path, capsys):
    flags = ["--config.train.steps=12", f"--workdir={tmp_path / 'run'}", "--dry_run"]
    main(["main", "--config=configs/pggan.py:tiny", *flags])
    said = capsys.readouterr().out
    assert "4x4 pixels" in said and " a step at " in said and "in all" in said and not (tmp_path / "run").exists()


def test_phases_are_whole_calls_of_several_steps():
    levels, length = phases(Growth(4, 100, 30, ((4, 8),)), 8, 5)
    assert [phase.start for phase in levels] == [0, 5] and levels[1].fades_until == 5 + 15 and length == 25


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"growth.first": 64}, "growth.first=64 is above data.image_size=32"),
        ({"growth.fooled": 1.5}, "growth.fooled=1.5 must be 0 .fixed lengths. or a share below 1"),
        ({"growth.fade_images": 0}, "growth.fade_images and growth.stable_images"),
        ({"growth.batch_sizes": ((8, 4),)}, "growth.batch_sizes=.*nothing of 4x4"),
        ({"data.image_size": 48}, "data.image_size=48.*powers of two"),
    ],
)
def test_an_impossible_growth_is_a_clear_error(fields, message):
    config = settings.load("pggan:quick")
    for field, value in fields.items():
        section, name = field.split(".")
        config[section][name] = value
    with pytest.raises(UserError, match=message):
        gans.build(config)


def test_real_images_blur_as_the_fakes_do():
    phase = Phase(10, 4, 0, 4, fades_until=20)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 4, 4, 1)))
    faded = [real(x, Ctx(None, step, None, phase)) for step in (10, 15, 20, 30)]
    means = np.repeat(np.repeat(np.asarray(x).reshape(1, 2, 2, 2, 2, 1).mean((2, 4)), 2, 1), 2, 2)
    np.testing.assert_allclose(faded[0], means, rtol=1e-6)
    np.testing.assert_allclose(faded[1], (means + x) / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(faded[2], x)
    np.testing.assert_array_equal(faded[3], x)


def test_batches_shrink_by_the_mean_of_blocks_and_go_on_where_others_ended():
    rows = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    options = dict(seed=0, image_size=8)
    source = data.Arrays(x=rows, number=np.arange(40))
    small = list(pipeline.batches([source], batch_size=10, start=0, stop=2, resolution=4, **options))
    large = list(pipeline.batches([source], batch_size=5, start=2, stop=6, origin=(2, 20), **options))
    seen = np.concatenate([batch["number"][0] for batch in (*small, *large)])
    assert sorted(seen) == list(range(40)), "one epoch"
    x = rows[small[0]["number"][0]].reshape(10, 4, 2, 4, 2, 3).mean((2, 4))
    np.testing.assert_array_equal(small[0]["x"][0], np.rint(x))


GROWTH = ("first=4", "fade_images=8", "stable_images=4", "batch_sizes=((4,4),(8,2))")


def _run(workdir, steps, *more):
    fields = ("data.image_size=8", "data.load_size=8", "train.checkpoint_every=100")
    fields = (*(f"growth.{field}" for field in GROWTH), *fields, f"train.steps={steps}", *more)
    return main(_command("pggan", workdir, *(f"--config.{field}" for field in fields)))


@pytest.mark.slow
def test_a_run_resumes_bit_for_bit_within_a_fade_and_at_its_end(tmp_path, capsys):
    """Level 4x4 is 1 step of 4 images; 8x8 fades in over 4 steps of 2 images and stays for 2."""
    assert _run(tmp_path / "straight", 0) == 0
    assert "step 0: 4x4; compiling" in capsys.readouterr().out
    assert len(_metrics(tmp_path / "straight")) == 7
    for steps in (1, 3, 5, 7):
        assert _run(tmp_path / "resumed", steps) == 0
    assert "step 1: 8x8, fading in until step 5; compiling" in capsys.readouterr().out
    _assert_same_state(tmp_path / "resumed", tmp_path / "straight")
    model = gan_xla.load(tmp_path / "resumed")
    assert model.sample(3).shape == (3, 8, 8, 3)
    itself = gan_xla.load(tmp_path / "resumed", average=False)
    jax.tree.map(np.testing.assert_array_equal, itself.variables["gen"], model.variables["gen_raw"])
    assert not np.array_equal(itself.sample(3), model.sample(3))


@pytest.mark.slow
def test_a_level_comes_early_when_g_fools_d_and_resumes_bit_for_bit(tmp_path, capsys):
    """Level 4x4 is planned for 100 steps; asked at step 50, D takes some fakes for real."""
    fields = ("growth.stable_images=400", "growth.fooled=0.001", "train.keep_every=20")
    assert _run(tmp_path / "straight", 54, *fields) == 0
    assert "step 50: 8x8, fading in until step 54" in capsys.readouterr().out
    for steps in (49, 50, 52, 54):
        assert _run(tmp_path / "resumed", steps, *fields) == 0
    _assert_same_state(tmp_path / "resumed", tmp_path / "straight")
    model = gan_xla.load(tmp_path / "resumed")
    assert model.sample(1).shape == (1, 8, 8, 3), "the level that the run had reached"
    assert gan_xla.load(tmp_path / "resumed", 40).sample(1).shape == (1, 4, 4, 3)
    assert model.variables["disc"][1]["fooled"] > 0


def test_the_running_mean_of_what_fools_d_begins_anew_after_a_fade():
    ctx = Ctx(None, 20, None, Phase(10, 4, 0, 8, fades_until=20))
    real_scores, fake_scores = jnp.asarray([1.0, 3.0]), jnp.asarray([1.0, 2.5, 3.0, 0.0])
    assert _fooled(real_scores, fake_scores, 0.7, ctx, None) == pytest.approx(0.5 / 100)
    assert _fooled(real_scores, fake_scores, 0.7, ctx._replace(step=21), None) == pytest.approx(0.7 - 0.2 / 100)


def test_with_labels_d_classifies_both_real_and_fake_images_and_g_is_asked_for_them():
    """AC-GAN (Odena et al. 2017): L_C = E[log P(c | real)] + E[log P(c | fake)]."""
    config = settings.load("pggan:quick")
    config.data.update(dict(image_size=8, load_size=8, labels=("all",), unlabelled=False))
    config.update(dict(growth=dict(first=8, fooled=0.0), model=dict(latent=4), loss=dict(label_weight=0.7)))
    for side in (config.model.generator, config.model.discriminator):
        side.fmap_max = 4
    dataset = data.load(config.data)
    config = settings.resolve(config, dataset.images, dataset.fields)
    gan = gans.build(config)
    gen, disc = gan.init(jax.random.key(0))
    ctx = Ctx(jax.random.key(1), 0, np.arange(4), gan.phases[0])
    label, target = np.eye(2)[[0, 0, 1, 1]], np.eye(2)[[0, 1, 0, 1]]
    batch = {"x": np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 3)), "label": label, "target": target}
    fakes, _ = gan.generate(*gen, batch, ctx)
    _, (logs, _) = gan.disc_loss(*disc, batch, fakes, ctx)
    loss, _ = gan.gen_loss(*disc, batch, fakes, ctx)

    discriminator = nets.build(config.model.discriminator, "Discriminator", size=8, channels=3, labels=2)

    def judge(x, label):
        scores, logits = discriminator.apply({"params": disc.params}, x, 1, 1.0)
        logits = np.asarray(logits, float)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return float(scores.mean()), -(label * log_p).sum(axis=1).mean()

    (_, on_real), (score, on_fake) = judge(batch["x"], label), judge(fakes["x_fake"], target)
    assert logs["loss/D_cls"] == pytest.approx(0.7 * (on_real + on_fake), rel=1e-5)
    assert loss == pytest.approx(0.7 * on_fake - score, rel=1e-5)
