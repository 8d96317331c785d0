"""IcGAN: a conditional GAN that stays as it is while encoders learn to invert it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import configure
from test_inference import _save

import gan_xla
from gan_xla import gans, nets
from gan_xla.contract import Ctx
from gan_xla.errors import UserError
from gan_xla.nets import icgan
from gan_xla.run import settings
from gan_xla.run.state import create, optimizers, reset
from gan_xla.training.step import make_step
from gan_xla.training.train import train

SIZE, COUNT = 16, 6


def _config(**fields):
    config = configure("icgan:tiny", ("dg",), size=SIZE)
    config.data.labels = ("chairs", "cars")
    config.train.update(steps=4, **fields)
    return config


def _batch(k=1):
    draws = np.random.default_rng(0)
    label, target = np.eye(2, dtype=np.float32)[draws.integers(0, 2, (2, k, COUNT))]
    x = draws.integers(0, 256, (k, COUNT, SIZE, SIZE, 3), np.uint8)
    return {"x": x, "label": label, "target": target, "index": np.tile(np.arange(COUNT, dtype=np.int32), (k, 1))}


def _same(one, other):
    """Bit for bit: 0.0 is not -0.0 here."""
    one, other = (jax.tree.map(lambda x: np.atleast_1d(x).view(np.int32), tree) for tree in (one, other))
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_each_half_moves_its_own_networks_alone_bit_for_bit():
    """Statistics and averages too; moments of the first half would move G and D in the second."""
    config = _config()
    config.optimizer.gen.ema_decay = 0.9
    gan, optimizer = gans.build(config), optimizers(config.optimizer, 4)
    first, second = gan.phases
    assert (first.start, second.start, second.resets) == (0, 2, True)
    halves = [create(gan, optimizer, 0)]
    for phase in gan.phases:
        step, state = jax.jit(make_step(gan, optimizer, gan.turns, phase=phase)), reset(halves[-1])
        for _ in range(2):
            state, logs = step(state, _batch())
        halves.append(state)
    begin, middle, end = halves
    for name in ("E_z", "E_y"):
        _same(*((x.gen.params[name], x.gen.stats[name], x.gen.ema.params[name]) for x in (begin, middle)))
        assert (middle.gen.params[name]["Conv_0"]["kernel"] != end.gen.params[name]["Conv_0"]["kernel"]).any()
    _same(*((x.gen.params["G"], x.gen.stats["G"], x.disc.params, x.disc.stats) for x in (middle, end)))
    _same(*((x.gen.ema.params["G"], x.gen.ema.stats["G"]) for x in (middle, end)))
    assert (begin.disc.params["Conv_0"]["kernel"] != middle.disc.params["Conv_0"]["kernel"]).any()
    assert {"loss/E_z", "loss/E_y"} < logs.keys() and logs["skipped_updates"] == 0


def test_a_run_ends_with_the_networks_that_the_encoders_began_with(tmp_path):
    config = settings.load(
        "icgan:tiny", "config.train.steps=4", "config.train.keep_every=2", "config.train.num_seeds=2"
    )
    train(config, tmp_path / "run")
    halves = [gan_xla.load(tmp_path / "run", step, number=1).variables for step in (2, 4)]
    for part in (0, 1):
        _same(*(half["gen"][part]["G"] for half in halves))
        _same(*(half["disc"][part] for half in halves))
    assert (halves[0]["gen"][0]["E_z"]["Conv_0"]["kernel"] != halves[1]["gen"][0]["E_z"]["Conv_0"]["kernel"]).any()


def test_the_encoders_losses_are_those_of_the_paper():
    config = _config()
    gan = gans.build(config)
    gen, disc = jax.jit(gan.init)(jax.random.key(0))
    batch = {name: jnp.asarray(x[0]) for name, x in _batch().items()}
    batch["x"] = batch["x"] / 127.5 - 1
    ctx = Ctx(jax.random.key(1), jnp.asarray(3), batch["index"], gan.phases[1])
    fakes, _ = jax.jit(lambda gen: gan.generate(*gen, batch, ctx))(gen)
    total, logs = gan.gen_loss(*disc, batch, fakes, ctx)
    drawn = gan.sample(*gen, fakes["z"], batch["target"], ctx)
    np.testing.assert_allclose(fakes["x_fake"], drawn, atol=1e-5)
    for name, x, truth, found in (
        ("E_z", drawn, fakes["z"], fakes["z_encoded"]),
        ("E_y", batch["x"], batch["label"], fakes["y_encoded"]),
    ):
        shape = {"E_z": dict(outputs=gan.latent, hidden=256), "E_y": dict(outputs=2, hidden=32, shares=True)}[name]
        encoder = icgan.Encoder(size=SIZE, width=2, **shape)
        encoded, _ = nets.apply(encoder, (gen.params[name], gen.stats[name]), x, "batch")
        np.testing.assert_allclose(found, encoded, atol=1e-4)
        np.testing.assert_allclose(logs[f"loss/{name}"], np.mean((np.asarray(encoded) - truth) ** 2), rtol=1e-3)
    np.testing.assert_allclose(total, logs["loss/E_z"] + logs["loss/E_y"], rtol=1e-6)


def test_a_translation_draws_the_encoded_noise_for_the_label(tmp_path):
    model = gan_xla.load(_save(tmp_path, _config()))
    x = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    encoder = icgan.Encoder(size=SIZE, width=2, outputs=model.latent, hidden=256)
    params, stats = model.variables["gen"]
    z, _ = nets.apply(encoder, (params["E_z"], stats["E_z"]), x / np.float32(127.5) - 1, "running")
    made = model.translate(x, domain="cars")
    np.testing.assert_allclose(made, model.sample(labels=["cars"], z=np.asarray(z)).astype(int), atol=1)
    assert (made != model.translate(x, domain="chairs")).any()
    half = model.translate(x, domain=np.array([0.5, 0.5], np.float32))
    assert (half != made).any()


@pytest.mark.parametrize("field", ["weight_decay", "gen.weight_decay", "disc.weight_decay"])
def test_weight_decay_is_refused(field):
    with pytest.raises(UserError, match=rf"optimizer\.{field}=0.1 would move what stays .* takes 0"):
        gans.build(settings.load("icgan:tiny", f"config.optimizer.{field}=0.1"))


def test_the_encoders_begin_at_a_whole_call():
    for share, call, start in ((0.5, 1, 50), (0.31, 10, 30), (0.01, 10, 10)):
        config = settings.load("icgan:tiny", "config.train.steps=100", f"config.train.steps_per_call={call}")
        config.train.encoders_after = share
        assert gans.build(config).phases[1].start == start
    with pytest.raises(UserError, match="train.encoders_after=1.0 must be more than 0, and below 1"):
        settings.resolve(settings.load("icgan:tiny", "config.train.encoders_after=1.0"), 100)


def test_the_networks_are_the_papers():
    gan = gans.build(settings.load("icgan"))
    gen, disc = jax.eval_shape(gan.init, jax.random.key(0))
    convolutions = [gen.params["E_z"][f"Conv_{i}"]["kernel"].shape for i in range(4)]
    assert convolutions == [(5, 5, 3, 32), (5, 5, 32, 64), (5, 5, 64, 128), (5, 5, 128, 256)]
    dense = {name: [gen.params[name][f"Dense_{i}"]["kernel"].shape for i in (0, 1)] for name in ("E_z", "E_y")}
    assert dense == {"E_z": [(4096, 4096), (4096, 100)], "E_y": [(4096, 512), (512, 5)]}
    kernels = [disc.params[f"Conv_{i}"]["kernel"].shape for i in range(5)]
    assert kernels == [(4, 4, 3, 64), (4, 4, 64 + 5, 128), (4, 4, 128, 256), (4, 4, 256, 512), (4, 4, 512, 1)]
    assert gen.params["G"]["ConvTranspose_0"]["kernel"].shape == (4, 4, 100 + 5, 512)


@pytest.mark.slow
def test_networks_equal_pytorchs():
    torch = pytest.importorskip("torch")
    from torch import nn
    from torch_networks import flax_variables, randomise

    from gan_xla.nets import dcgan

    def dense(*layers):
        return {
            f"Dense_{i}": {"kernel": jnp.array(x.weight.T), "bias": jnp.array(x.bias)} for i, x in enumerate(layers)
        }

    conv = lambda a, b: nn.Conv2d(a, b, 5, 2, 2, bias=False)
    features = nn.Sequential(conv(3, 2), nn.BatchNorm2d(2), nn.ReLU(), conv(2, 4), nn.BatchNorm2d(4), nn.ReLU())
    hidden, norm, last = nn.Linear(64, 7), nn.BatchNorm2d(7), nn.Linear(7, 5)
    encoder = nn.ModuleList([features, norm, hidden, last]).double().requires_grad_(False)
    first, *rest = [nn.Conv2d(3, 4, 4, 2, 1, bias=False), nn.Conv2d(4 + 2, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8)]
    judge = nn.ModuleList([first, *rest, nn.Conv2d(8, 1, 4, bias=False)]).double().requires_grad_(False)
    for net in (encoder, judge):
        randomise(net)
        net.train()
    draws = np.random.default_rng(0)
    x, y = draws.uniform(-1, 1, (COUNT, SIZE, SIZE, 3)), draws.uniform(size=(COUNT, 2))
    image, label = torch.tensor(x).permute(0, 3, 1, 2), torch.tensor(y)
    with jax.enable_x64(True):
        (params, stats), slope = flax_variables(nn.ModuleList([features, norm])), nn.functional.leaky_relu
        variables = params | dense(hidden, last), stats
        flat = features(image).permute(0, 2, 3, 1).flatten(1)  # as ours, channels last
        theirs = last(torch.relu(norm(hidden(flat)[:, :, None, None])[:, :, 0, 0]))
        for shares, expected in ((False, theirs), (True, torch.sigmoid(theirs))):
            module = icgan.Encoder(outputs=5, hidden=7, size=SIZE, width=2, shares=shares)
            ours, _ = nets.apply(module, variables, jnp.asarray(x), "batch")
            np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-9)
        planes = label[:, :, None, None].expand(-1, -1, 8, 8)
        seen = torch.cat([slope(first(image), 0.2), planes], 1)
        theirs = judge[3](slope(rest[1](rest[0](seen)), 0.2))
        module = dcgan.Discriminator(size=SIZE, width=4, joined=1)
        (ours, _), _ = nets.apply(module, flax_variables(judge), (jnp.asarray(x), jnp.asarray(y)), "batch")
        np.testing.assert_allclose(ours, theirs.permute(0, 2, 3, 1), rtol=1e-9, atol=1e-9)
