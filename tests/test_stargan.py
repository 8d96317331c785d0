"""StarGAN: label vectors, and its training steps against an independent PyTorch implementation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import configure
from test_inference import _save

import gan_xla
from gan_xla import gans, images, losses
from gan_xla.contract import Ctx
from gan_xla.errors import UserError
from gan_xla.labels import LabelSet, LabelSpace
from gan_xla.main import main
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import make_step

HAIR = LabelSet("celeba", ("black", "blond", "male"), exclusive=(("black", "blond"),))
FACES = LabelSet("rafd", ("angry", "happy"), exclusive=(("angry", "happy"),))
JOINT = LabelSpace((HAIR, FACES))


def test_a_vector_has_the_labels_of_all_sets_and_a_mask_unless_there_is_one_set():
    assert JOINT.size == 7 and JOINT.count == 5
    assert JOINT.vector(["blond", "male"]).tolist() == [0, 1, 1, 0, 0, 1, 0]
    assert JOINT.vector(["happy"]).tolist() == [0, 0, 0, 0, 1, 0, 1]
    assert LabelSpace((HAIR,)).vector(["male"]).tolist() == [0, 0, 1]
    assert JOINT.place(1, np.eye(2)).tolist() == [[0, 0, 0, 1, 0, 0, 1], [0, 0, 0, 0, 1, 0, 1]]


def test_labels_that_two_sets_have_in_common_are_called_by_their_set_too():
    space = LabelSpace((LabelSet("a", ("male", "young")), LabelSet("b", ("male",))))
    assert space.domains == ("a/male", "young", "b/male")
    assert space.vector(["b/male"]).tolist() == [0, 0, 1, 0, 1]


def test_towards_replaces_an_exclusive_label_turns_a_free_one_and_starts_anew_in_another_set():
    black_man, happy = JOINT.vector(["black", "male"]), JOINT.vector(["happy"])
    label = jnp.stack([black_man, happy])
    assert JOINT.towards("blond", label).tolist() == [[0, 1, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1, 0]]
    assert JOINT.towards("male", label).tolist() == [[1, 0, 0, 0, 0, 1, 0], [0, 0, 1, 0, 0, 1, 0]]
    assert JOINT.towards("angry", label).tolist() == [[0, 0, 0, 1, 0, 0, 1]] * 2


@pytest.mark.parametrize(
    "names, message",
    [
        (["red"], "--domain=red: this model knows black, blond, male, angry, happy"),
        (["black", "blond"], "--domain=black,blond: give one of black, blond"),
        (["black", "happy"], "of one data set"),
    ],
)
def test_impossible_domains_are_a_clear_error(names, message):
    with pytest.raises(UserError, match=message):
        JOINT.vector(names)


def test_only_the_labels_that_a_sample_has_are_classified():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(2, 5))
    label = np.stack([JOINT.vector(["blond", "male"]), JOINT.vector(["happy"])])
    p = 1 / (1 + np.exp(-logits[0, :3]))
    attributes = -np.log([1 - p[0], p[1], p[2]]).sum()
    classes = -np.log(np.exp(logits[1, 4]) / np.exp(logits[1, 3:]).sum())
    with jax.enable_x64(True):
        loss = losses.classification(JOINT, jnp.asarray(logits), jnp.asarray(label, jnp.float64))
        np.testing.assert_allclose(loss, (attributes + classes) / 2, rtol=1e-12)


def test_the_gradient_penalty_is_two_sided_and_between_real_and_fake():
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4, 4, 2)))
        keys = jax.random.split(jax.random.key(0), 3)
        slope = np.random.default_rng(1).normal(size=(4, 4, 2))
        penalty = losses.gradient_penalty(lambda x: jnp.sum(slope * x, (1, 2, 3)), *x, keys)
        np.testing.assert_allclose(penalty, (np.linalg.norm(slope) - 1) ** 2, rtol=1e-12)
        squares = losses.gradient_penalty(lambda x: jnp.sum(x**2, (1, 2, 3)) / 2, *x, keys)
        e = np.array([jax.random.uniform(key, dtype=jnp.float64) for key in keys])[:, None, None, None]
        norm = np.linalg.norm((e * x[0] + (1 - e) * x[1]).reshape(3, -1), axis=-1)
        np.testing.assert_allclose(squares, ((norm - 1) ** 2).mean(), rtol=1e-12)


SIZE, BATCH = 16, 5


def _config():
    config = configure("stargan", ("d", "d", "dg"), size=SIZE)
    config.model.discriminator.layers = 2
    config.optimizer.schedule = "constant"
    return config


def _batches(count):
    generator = np.random.default_rng(0)
    for _ in range(count):
        x = generator.uniform(-1, 1, (BATCH, SIZE, SIZE, 3))
        label, target = generator.integers(0, 2, (2, BATCH, count + 2)).astype(np.float64)
        yield {"x": x, "label": label, "target": target}


@pytest.mark.slow
def test_three_steps_of_d_and_one_of_g_equal_pytorchs_in_float64():
    torch = pytest.importorskip("torch")
    from torch_networks import flax_variables

    from experiments.benchmarks import torch_common, torch_stargan

    torch.manual_seed(0)
    config = _config()
    trainer = torch_stargan.trainer(config, torch_common.Setup(dtype=torch.float64))
    with jax.enable_x64(True):
        gan, optimizer = gans.build(config), optimizers(config.optimizer, 3)
        state = create(gan, optimizer, 0)
        state = jax.tree.map(lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, state)
        ours = [flax_variables(net)[0] for net in (trainer.g, trainer.d)]
        state = state.replace(gen=state.gen.replace(params=ours[0]), disc=state.disc.replace(params=ours[1]))
        root = jax.random.wrap_key_data(state.key)
        for i, (turn, batch) in enumerate(zip(gan.turns, _batches(3), strict=True)):
            key = jax.random.fold_in(jax.random.fold_in(root, i), 0)
            keys = Ctx(key, step=i, index=np.arange(BATCH)).keys("gradient penalty")
            epsilon = [jax.random.uniform(key, dtype=jnp.float64) for key in keys]
            epsilon = torch.tensor(np.array(epsilon))[:, None, None, None]
            step = jax.jit(make_step(gan, optimizer, (turn,)))
            state, logs = step(state, {k: v[None] for k, v in {**batch, "index": np.arange(BATCH)}.items()})
            tensors = [torch.tensor(batch[k]) for k in ("x", "label", "target")]
            tensors[0] = tensors[0].permute(0, 3, 1, 2)
            losses = [loss.item() for loss in trainer.step(*tensors, epsilon)]
            np.testing.assert_allclose(logs["loss/D"], losses[0], rtol=1e-9)
        np.testing.assert_allclose(logs["loss/G"], losses[1], rtol=1e-9)
        for mine, net in ((state.gen.params, trainer.g), (state.disc.params, trainer.d)):
            compare = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)
            jax.tree.map(compare, mine, flax_variables(net)[0])


def test_the_identity_loss_is_l1_to_the_translation_to_the_own_domain():
    (batch,) = _batches(1)
    batch["label"] = batch["target"] = np.eye(5)[:BATCH]
    ctx = Ctx(jax.random.key(0), 0, np.arange(BATCH))
    losses_by_weight = {}
    for weight in (0.0, 0.5):
        config = _config()
        config.loss.lambda_identity = weight
        gan = gans.build(config)
        gen, disc = gan.init(jax.random.key(0))
        fakes, _ = gan.generate(*gen, batch, ctx)
        losses_by_weight[weight], _ = gan.gen_loss(*disc, batch, fakes, ctx)
    np.testing.assert_array_equal(fakes["x_same"], gan.translate(*gen, batch["x"], batch["label"]))
    expected = 0.5 * config.loss.lambda_rec * np.abs(fakes["x_same"] - batch["x"]).mean()
    assert losses_by_weight[0.5] - losses_by_weight[0.0] == pytest.approx(expected, rel=1e-4)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return _save(tmp_path_factory.mktemp("run"), _config())


@pytest.mark.slow
def test_a_trained_run_translates_to_any_combination_of_domains(run):
    model = gan_xla.load(run)
    assert model.domains == ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young") and model.directions == ()
    x = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    blond = model.translate(x, domain="Blond_Hair,Male")
    np.testing.assert_array_equal(model.translate(x, domain=["Male", "Blond_Hair"]), blond)
    np.testing.assert_array_equal(model.translate(x, domain=np.array([0, 1, 0, 1, 0])), blond)
    each = np.array([[1, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 1]])
    np.testing.assert_array_equal(model.translate(x, domain=each)[1], blond[1])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"domain": "Red_Hair"}, "--domain=Red_Hair: this model knows Black_Hair"),
        ({"domain": "Black_Hair,Blond_Hair"}, "give one of Black_Hair, Blond_Hair, Brown_Hair, not several"),
        ({"direction": "AtoB"}, "--domain: say which of Black_Hair"),
        ({"domain": np.zeros(4)}, r"label vectors are \[5\] or \[1, 5\], not \[4\]"),
    ],
)
def test_what_it_cannot_translate_to_is_a_clear_error(run, options, message):
    with pytest.raises(UserError, match=message):
        gan_xla.load(run).translate(np.zeros((1, SIZE, SIZE, 3), np.uint8), **options)


def test_the_command_line_translates_to_a_domain(run, tmp_path, capsys):
    images.write(tmp_path / "face.png", np.zeros((20, 30, 3), np.uint8))
    command = [
        "main",
        "--mode=translate",
        f"--workdir={run}",
        f"--input={tmp_path}/face.png",
        f"--output={tmp_path}/out",
    ]
    assert main([*command, "--domain=Young,Male"]) == 0
    assert images.read(tmp_path / "out/face.png").shape == (SIZE, SIZE, 3)
    assert main([*command, "--domain=Old"]) == 2
    assert "error: --domain=Old: this model knows" in capsys.readouterr().err
