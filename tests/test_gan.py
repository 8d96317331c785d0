"""GAN and conditional GAN: sampling, penalties, clipping."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import configure
from test_inference import _save

import gan_xla
from gan_xla import gans, images, losses
from gan_xla.errors import UserError
from gan_xla.inference.sample import between
from gan_xla.main import main
from gan_xla.run import settings
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import make_step

SIZE, BATCH, CLASSES = 8, 6, ("one", "two", "three")


def _config(name, **model):
    config = configure(name, ("d+g",), size=SIZE)
    config.data.update(channels=1, labels=CLASSES if name == "cgan" else ())
    config.model.latent = 5
    config.model.generator.hidden, config.model.discriminator.hidden = (4, 6), (6, 4)
    return config


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return gan_xla.load(_save(tmp_path_factory.mktemp("run"), _config("cgan")))


def test_an_image_is_drawn_by_its_seed_and_number_alone(model):
    few, many = model.sample(3, seed=1), model.sample(70, seed=1)
    assert many.shape == (70, SIZE, SIZE, 1) and many.dtype == np.uint8
    np.testing.assert_array_equal(few, many[:3])
    assert (model.sample(3, seed=2) != few).any()


def test_labels_are_taken_in_turn_and_change_the_image(model):
    assert model.domains == CLASSES
    one, two = (model.sample(4, labels=[name], seed=3) for name in CLASSES[:2])
    np.testing.assert_array_equal(model.sample(4, labels=["one", "two"], seed=3)[[0, 2]], one[[0, 2]])
    assert (one != two).any()
    z = model.noise(3, np.arange(4))
    np.testing.assert_array_equal(model.sample(labels=["one"], z=z), one)


def test_what_a_model_cannot_draw_is_a_clear_error(model, tmp_path):
    with pytest.raises(UserError, match="--labels=four: this model knows one, two, three"):
        model.sample(2, labels=["four"])
    with pytest.raises(UserError, match="--num=0"):
        model.sample(0)
    with pytest.raises(UserError, match="this cgan model does not translate; use --mode=sample"):
        model.translate(np.zeros((1, SIZE, SIZE, 1), np.uint8))
    other = gan_xla.load(_save(tmp_path, configure("discogan", ("dg",))))
    with pytest.raises(UserError, match="this discogan model does not sample; use --mode=translate"):
        other.sample(1)


def test_the_command_line_draws_files_and_a_grid(tmp_path, capsys):
    run = _save(tmp_path / "run", _config("cgan"))
    command = ["main", "--mode=sample", f"--workdir={run}", f"--output={tmp_path}/out", "--num=3"]
    assert main([*command, "--labels=two,three"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *(f"{i:05}.png" for i in range(3)),
        "grid.png",
    ]
    drawn = gan_xla.load(run).sample(3, labels=["two", "three"])
    np.testing.assert_array_equal(images.read(tmp_path / "out/00001.png", channels=1), drawn[1])
    assert main([*command, "--interpolate=5"]) == 2 and "--overwrite to replace it" in capsys.readouterr().err
    assert main([*command, "--interpolate=5", "--overwrite"]) == 0
    assert images.read(tmp_path / "out/grid.png").shape == (3 * (SIZE + 2), 5 * (SIZE + 2), 3)
    assert main([*command, "--labels=nine"]) == 2 and "--labels=nine" in capsys.readouterr().err


def test_interpolated_noise_keeps_its_length_and_ends():
    start, end = np.random.default_rng(0).normal(size=(2, 100))
    z = between(start, end, 7)
    np.testing.assert_allclose(z[[0, -1]], [start, end], atol=1e-6)
    norms = np.linalg.norm(z, axis=1)
    assert norms.min() > 0.95 * min(norms[0], norms[-1])


def test_a_one_sided_penalty_forgives_flat_critics_and_r1_is_on_real_samples():
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4)))
        keys = jax.random.split(jax.random.key(0), 3)
        flat, steep = (lambda x: jnp.sum(0.1 * x, -1)), (lambda x: jnp.sum(2 * x, -1))
        one_sided = losses.PENALTIES["wgan-gp-one-sided"]
        assert one_sided(flat, *x, keys) == 0
        np.testing.assert_allclose(one_sided(steep, *x, keys), 9.0, rtol=1e-12)  # (|2 * ones(4)| - 1)^2
        square = losses.PENALTIES["r1"](lambda x: jnp.sum(x**2, -1), *x, keys)
        np.testing.assert_allclose(square, (4 * np.square(x[0]).sum(-1)).mean() / 2, rtol=1e-12)


def test_minimax_is_the_log_loss_that_saturates():
    fake = np.random.default_rng(0).normal(size=9)
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            losses.minimax_gen(jnp.asarray(fake)), np.log(1 - 1 / (1 + np.exp(-fake))).mean(), rtol=1e-12
        )


def _step(config, batch):
    gan, optimizer = gans.build(config), optimizers(config.optimizer, 10)
    state = create(gan, optimizer, 0)
    state = jax.tree.map(lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, state)
    batch = {name: x[None] for name, x in {**batch, "index": np.arange(BATCH)}.items()}
    return jax.jit(make_step(gan, optimizer, gan.turns))(state, batch)


def _batch():
    generator = np.random.default_rng(0)
    label, target = np.eye(3)[generator.integers(0, 3, (2, BATCH))]
    return {"x": generator.uniform(-1, 1, (BATCH, SIZE, SIZE, 1)), "label": label, "target": target}


def test_clipping_bounds_the_weights_of_d_alone():
    config = _config("gan")
    config.loss.adversarial, config.optimizer.disc.clip = "wgan", 0.01
    with jax.enable_x64(True):
        state, _ = _step(config, _batch())
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(state.disc.params)) <= 0.01
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(state.gen.params)) > 0.1


@pytest.mark.parametrize("penalty", ["wgan-gp", "r1"])
def test_penalties_are_logged_and_refuse_a_discriminator_of_batch_norm(penalty):
    config = _config("cgan")
    config.loss.penalty = penalty
    with jax.enable_x64(True):
        _, logs = _step(config, _batch())
    assert logs["loss/D_penalty"] > 0
    config = settings.load("dcgan:quick", f"config.loss.penalty={penalty}")
    with pytest.raises(UserError, match="loss.penalty=.*batch norm mixes; set model.discriminator.norm"):
        gans.build(config)


def test_conditional_dcgan_sees_its_labels():
    config = settings.load("dcgan:quick")
    config.gan, config.data.labels, config.data.image_size = "cgan", CLASSES, 8
    for side in (config.model.generator, config.model.discriminator):
        side.width = 2
    gan = gans.build(config)
    shapes = jax.eval_shape(lambda key: gan.init(key), jax.random.key(0))
    assert shapes.gen.params["ConvTranspose_0"]["kernel"].shape == (4, 4, 100 + 3, 2)
    assert shapes.disc.params["Conv_0"]["kernel"].shape == (4, 4, 3 + 3, 2)
