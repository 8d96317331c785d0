"""CoGAN: what its networks share, and the search that makes translations of its draws."""

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
from gan_xla.main import main
from gan_xla.nets import cogan
from gan_xla.run import settings
from gan_xla.run.changes import Change

SIZE, COUNT = 16, 3


def _config(**model):
    config = configure("cogan", ("d+g",), size=SIZE)
    config.model.update(latent=4, search_starts=4, search_steps=200)
    config.model.update(model)
    return config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return _save(tmp_path_factory.mktemp("run"), _config())


@pytest.fixture(scope="module")
def model(run):
    return gan_xla.load(run)


@pytest.fixture(scope="module")
def trained():
    """A method, and generators whose draws differ from noise to noise; those of training's begin do not."""
    gan = gans.build(_config())
    params, stats = jax.jit(gan.init)(jax.random.key(0)).gen
    return gan, (jax.tree.map(lambda x: 3 * x if x.ndim == 4 else x, params), stats)


def _drawn(gan, gen, seed=1):
    z = jax.random.normal(jax.random.key(seed), (COUNT, gan.latent))
    return gan.sample(*gen, z, None, Ctx(None, 0, None, train=False))


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_the_search_finds_the_noise_of_what_the_generator_drew(trained, direction):
    gan, gen = trained
    drawn = _drawn(gan, gen)
    source, other = (np.asarray(drawn[f"x_{domain}"]) for domain in (direction[0], direction[-1]))
    made = np.asarray(jax.jit(gan.translate, static_argnums=(3, 4))(*gen, source, direction, "running", None))
    apart = np.abs(other - np.roll(other, 1, axis=0)).mean()
    assert apart > 0.05 and np.abs(made - other).mean() < 0.1 * apart


def test_more_steps_and_more_starts_come_nearer(trained):
    _, gen = trained
    x, errors = None, []
    for starts, steps in ((1, 0), (1, 30), (4, 30), (4, 200)):
        gan = gans.build(_config(search_starts=starts, search_steps=steps))
        x = _drawn(gan, gen) if x is None else x
        made = jax.jit(gan.translate, static_argnums=(3, 4))(*gen, x["x_A"], "AtoB", "running", None)
        errors.append(float(jnp.abs(made - x["x_B"]).mean()))
    assert errors == sorted(errors, reverse=True)


def test_a_translation_is_its_images_own(model):
    x = np.random.default_rng(0).integers(0, 256, (COUNT, SIZE, SIZE, 3), np.uint8)
    together = model.translate(x, "BtoA")
    np.testing.assert_allclose(model.translate(x[1:2], "BtoA")[0], together[1], atol=1)
    np.testing.assert_array_equal(model.translate(x, "BtoA", seed=5), together)


def test_the_generators_share_all_but_the_last_layer_and_the_discriminators_all_but_the_first():
    gan = gans.build(settings.load("cogan"))
    gen, disc = jax.eval_shape(gan.init, jax.random.key(0))
    kernels = [gen.params[f"ConvTranspose_{i}"]["kernel"].shape for i in range(4)]
    assert kernels == [(4, 4, 100, 1024), (4, 4, 1024, 512), (4, 4, 512, 256), (4, 4, 256, 128)]
    assert {name for name in gen.params if name[-1] in "AB"} == {"last_A", "last_B"}
    assert {name for name in disc.params if name[-1] in "AB"} == {"first_A", "first_B"} and not disc.stats


def test_the_discriminators_loss_is_the_sum_of_both_games_in_float64():
    with jax.enable_x64(True):
        config = _config()
        gan = gans.build(config)
        gen, disc = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), gan.init(jax.random.key(0)))
        generator = np.random.default_rng(0)
        batch = {f"x_{d}": jnp.asarray(generator.uniform(-1, 1, (COUNT, SIZE, SIZE, 3))) for d in "AB"}
        ctx = Ctx(jax.random.key(1), jnp.zeros((), jnp.int32), jnp.arange(COUNT))
        fakes, _ = gan.generate(*gen, batch, ctx)
        total, (logs, _) = gan.disc_loss(*disc, batch, fakes, ctx)
        loss, _ = gan.gen_loss(*disc, batch, fakes, ctx)
        _, network = nets.pair(config, None)
        real, fake = (
            {d: np.asarray(x) for d, x in nets.apply(network, disc, images, "batch")[0][0].items()}
            for images in ({d: batch[f"x_{d}"] for d in "AB"}, {d: fakes[f"fake_{d}"] for d in "AB"})
        )
        games = {d: np.log1p(np.exp(-real[d])).mean() + np.log1p(np.exp(fake[d])).mean() for d in "AB"}
        np.testing.assert_allclose([logs["loss/D_A"], logs["loss/D_B"]], [games["A"], games["B"]], rtol=1e-9)
        np.testing.assert_allclose(total, sum(games.values()), rtol=1e-9)
        np.testing.assert_allclose(loss, sum(np.log1p(np.exp(-fake[d])).mean() for d in "AB"), rtol=1e-9)


def test_domains_may_differ_in_channels():
    config = _config()
    config.data.channels_a = 1
    gan = gans.build(config)
    gen, disc = jax.eval_shape(gan.init, jax.random.key(0))
    assert gen.params["last_A"]["kernel"].shape[-1] == 1 and disc.params["first_B"]["kernel"].shape[-2] == 3
    x = jax.ShapeDtypeStruct((COUNT, SIZE, SIZE, 1), jnp.float32)
    assert jax.eval_shape(lambda *a: gan.translate(*a, "AtoB"), *gen, x).shape == (COUNT, SIZE, SIZE, 3)


@pytest.mark.parametrize("size, takes", [(18, "multiples of 4"), (6, "8 pixels or more")])
def test_an_impossible_size_is_a_clear_error(size, takes):
    gan = gans.build(settings.load("cogan:tiny", f"config.data.image_size={size}"))
    with pytest.raises(UserError, match=f"data.image_size={size}: this network takes {takes}"):
        jax.eval_shape(gan.init, jax.random.key(0))


def test_a_search_begins_somewhere_and_can_change_in_a_run():
    with pytest.raises(UserError, match="model.search_starts=0 must be a whole number from 1"):
        settings.resolve(settings.load("cogan:tiny", "config.model.search_starts=0"), 100)
    assert not Change("model.search_steps", 200, 500).fixed and Change("model.latent", 100, 50).fixed


def _export(run, output, *flags):
    return main(["main", "--mode=export", f"--workdir={run}", f"--output={output}", *flags])


@pytest.mark.slow
def test_pairs_go_into_any_graph_and_the_search_into_those_that_loop(run, model, tmp_path, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    assert _export(run, tmp_path / "search.onnx", "--format=onnx") == 2
    assert capsys.readouterr().err.count("error: --format=onnx: the operation scan of this network is not known") == 1
    assert _export(run, tmp_path / "page", "--format=web") == 2
    assert "error: --format=onnx: the operation scan" in capsys.readouterr().err
    assert _export(run, tmp_path / "pairs.onnx", "--format=onnx", "--task=sample") == 0
    z = model.noise(0, np.arange(COUNT))
    session = onnxruntime.InferenceSession(tmp_path / "pairs.onnx")
    names = [output.name for output in session.get_outputs()]
    for name, x in zip(names, session.run(None, {"noise": z}), strict=True):
        np.testing.assert_allclose(x, model.sample(z=z)[name].astype(int), atol=1)
    assert _export(run, tmp_path / "search", "--format=stablehlo", "--direction=BtoA") == 0
    program = jax.export.deserialize((tmp_path / "search/program.stablehlo").read_bytes())
    x = np.random.default_rng(0).integers(0, 256, (COUNT, SIZE, SIZE, 3), np.uint8)
    made = np.asarray(program.call(x)).astype(int)
    assert np.abs(made - model.translate(x, "BtoA")).mean() < 1


def test_a_task_that_a_model_does_not_have_is_a_clear_error(model, tmp_path):
    with pytest.raises(UserError, match="--task=sample: this discogan model does not sample; leave --task out"):
        gan_xla.load(_save(tmp_path, configure("discogan", ("dg",)))).only("sample")
    assert not model.only().latent and model.only("translate").directions == model.directions
    assert not model.only("sample").directions and model.only("sample").draws == ("x_A", "x_B")


@pytest.mark.slow
def test_networks_equal_pytorchs():
    torch = pytest.importorskip("torch")
    from torch import nn
    from torch_networks import flax_variables, randomise

    class Coupled(nn.Module):
        """Both generators, or with `strides` of 2 to begin with both discriminators."""

        def __init__(self, shared, own, first):
            super().__init__()
            self.shared, self.own, self.first = shared, own, first

        def forward(self, x):
            if self.first:
                return self.shared(torch.cat([layer(part) for layer, part in zip(self.own, x)])).chunk(2)
            return [torch.tanh(layer(self.shared(x))) for layer in self.own]

        def flax(self, ours, name):
            params, stats = flax_variables(self.shared)
            for domain, layer in zip("AB", self.own):
                (own,) = flax_variables(layer)[0].values()
                params[f"{name}_{domain}"] = own
            assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, ours.params)
            return params, stats

    up = lambda a, b: nn.ConvTranspose2d(a, b, 4, 2, 1)
    down = lambda a, b: nn.Conv2d(a, b, 4, 2, 1)
    layers = [nn.ConvTranspose2d(5, 8, 4), nn.BatchNorm2d(8), nn.PReLU(), up(8, 4), nn.BatchNorm2d(4), nn.PReLU()]
    generator = Coupled(nn.Sequential(*layers), nn.ModuleList([up(4, 3), up(4, 3)]), False)
    layers = [nn.PReLU(), down(4, 8), nn.PReLU(), nn.Conv2d(8, 1, 4)]
    discriminator = Coupled(nn.Sequential(*layers), nn.ModuleList([down(3, 4), down(3, 4)]), True)
    draws = np.random.default_rng(0)
    z, x = draws.standard_normal((COUNT, 5)), draws.uniform(-1, 1, (2, COUNT, SIZE, SIZE, 3))
    images = dict(zip("AB", x, strict=True))
    with jax.enable_x64(True):
        for net, module, taken, name in (
            (generator, cogan.Generator(size=SIZE, width=4), jnp.asarray(z), "last"),
            (discriminator, cogan.Discriminator(size=SIZE, width=4), jax.tree.map(jnp.asarray, images), "first"),
        ):
            net.double().requires_grad_(False)
            randomise(net)
            net.train()
            variables = net.flax(nets.init(module, jax.random.key(0), taken), name)
            theirs = net(
                torch.tensor(z)[:, :, None, None] if net is generator else torch.tensor(x).permute(0, 1, 4, 2, 3)
            )
            ours, _ = nets.apply(module, variables, taken, "batch")
            ours = ours if net is generator else ours[0]
            for domain, expected in zip("AB", theirs):
                np.testing.assert_allclose(ours[domain], expected.permute(0, 2, 3, 1), rtol=1e-9, atol=1e-9)
