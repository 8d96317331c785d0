"""`--mode=export --format=torch` and `safetensors`, loaded by PyTorch. Needs the extras `parity` and `torch`."""

import json
import re
import shutil

import jax
import numpy as np
import pytest
from devices import configure
from test_import import SMALL, _assert_alike, _files, _import
from test_inference import _save

import gan_xla
from gan_xla import gans
from gan_xla.main import main
from gan_xla.run import settings
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.run.state import create, optimizers

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")
from safetensors.torch import load_file

from experiments.benchmarks.torch_cyclegan import PatchGAN, ResNet
from experiments.benchmarks.torch_discogan import Discriminator, Generator
from experiments.benchmarks.torch_pix2pix import UNet
from experiments.benchmarks.torch_stargan import StarDiscriminator, StarGenerator

pytestmark = pytest.mark.slow

SIZE = 32


def _configs():
    """Tiny runs by method, with the files that their directories hold: our name, and PyTorch's network.

    The first file is of the first direction's generator.
    """
    discogan = configure("discogan_reference", ("dg",), SIZE)
    discogan.model.generator.bottleneck = 10
    stargan = configure("stargan", ("dg",), SIZE)
    stargan.model.discriminator.layers = 2
    pix2pix = configure("pix2pix", ("dg",), SIZE)
    pix2pix.model.direction, pix2pix.model.generator.width = "BtoA", 2
    return {
        "cyclegan": (configure("cyclegan", ("gd",), SIZE), CYCLEGAN),
        "pix2pix": (
            pix2pix,
            {
                "latest_net_G.pth": ("G_BA", lambda: UNet(2, 5)),
                "latest_net_D.pth": ("D_A", lambda: PatchGAN(4, 1, "batch", 6)),
            },
        ),
        "stargan": (
            stargan,
            {
                "3-G.ckpt": ("G", lambda: StarGenerator(4, 1, 5)),
                "3-D.ckpt": ("D", lambda: StarDiscriminator(4, 2, 5, SIZE)),
            },
        ),
        "discogan": (
            discogan,
            {
                "model_gen_B-3.pth": ("G_AB", lambda: Generator(SIZE, 4, 10)),
                "model_gen_A-3.pth": ("G_BA", lambda: Generator(SIZE, 4, 10)),
                "model_dis_A-3.pth": ("D_A", lambda: Discriminator(SIZE, 4)),
                "model_dis_B-3.pth": ("D_B", lambda: Discriminator(SIZE, 4)),
            },
        ),
    }


CYCLEGAN = {
    "latest_net_G_A.pth": ("G_AB", lambda: ResNet(4, 1, "instance", False)),
    "latest_net_G_B.pth": ("G_BA", lambda: ResNet(4, 1, "instance", False)),
    "latest_net_D_A.pth": ("D_B", lambda: PatchGAN(4, 1, "instance")),
    "latest_net_D_B.pth": ("D_A", lambda: PatchGAN(4, 1, "instance")),
}
CONFIGS = _configs()


@pytest.fixture(scope="module", params=CONFIGS)
def run(request, tmp_path_factory):
    """The name of a method, and a run of random networks with moved averages."""
    workdir, config = tmp_path_factory.mktemp(request.param), CONFIGS[request.param][0]
    settings.freeze(config, workdir)
    state = create(gans.build(config), optimizers(config.optimizer, 1), 0)
    generator = np.random.default_rng(0)

    def moved(player):
        move = lambda x: x + 0.1 * np.abs(generator.normal(size=x.shape)).astype(np.float32)
        return player.replace(params=jax.tree.map(move, player.params), stats=jax.tree.map(move, player.stats))

    with Checkpoints(workdir) as checkpoints:
        checkpoints.save(3, state.replace(gen=moved(state.gen), disc=moved(state.disc)))
    return request.param, workdir


def _export(workdir, output, *flags):
    return main(["main", "--mode=export", f"--workdir={workdir}", f"--output={output}", *flags])


def _loaded(path, make):
    """PyTorch's network with all weights of a file."""
    network = make().requires_grad_(False).eval()
    network.load_state_dict(
        load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True), strict=True
    )
    return network


def test_a_directory_holds_all_networks_under_their_published_names(run, tmp_path):
    method, workdir = run
    files = CONFIGS[method][1]
    assert _export(workdir, tmp_path / "out", "--format=torch") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(files)
    model = gan_xla.load(workdir)
    for file, (name, make) in files.items():
        _assert_alike(model, name, _loaded(tmp_path / "out" / file, make))


def test_safetensors_hold_the_first_generator_and_say_what_it_is(run, tmp_path):
    method, workdir = run
    assert _export(workdir, tmp_path / "net.safetensors", "--format=safetensors") == 0
    name, make = next(iter(CONFIGS[method][1].values()))
    _assert_alike(gan_xla.load(workdir), name, _loaded(tmp_path / "net.safetensors", make))
    with safetensors.safe_open(tmp_path / "net.safetensors", "np") as file:
        about = file.metadata()
    assert about["method"] == method and about["network"] == name and about["image_size"] == "32"
    assert about["channel_order"] == ("BGR" if method == "discogan" else "RGB")
    assert json.loads(about["value_range"]) == ([0, 1] if method == "discogan" else [-1, 1])
    assert json.loads(about["generator"])["width"] == (2 if method == "pix2pix" else 4)


@pytest.fixture(scope="module")
def cyclegan(tmp_path_factory):
    """A run of random networks that were imported, to train on at 32 pixels."""
    folder = tmp_path_factory.mktemp("cyclegan")
    small = ("--config.train.pool_size=2", "--config.data.load_size=32", "--config.data.source=builtin")
    assert _import(folder / "run", _files(folder, CYCLEGAN)[1], "--format=junyanz", *SMALL, *small) == 0
    return folder / "run"


def test_a_direction_chooses_the_generator_of_a_file(cyclegan, tmp_path):
    assert _export(cyclegan, tmp_path / "net.pth", "--format=torch", "--direction=BtoA") == 0
    _assert_alike(gan_xla.load(cyclegan), "G_BA", _loaded(tmp_path / "net.pth", CYCLEGAN["latest_net_G_B.pth"][1]))


def test_pytorchs_networks_imported_trained_and_exported_are_pytorchs_again(cyclegan, tmp_path):
    """--mode=import, two steps of --config=RUN/config.py, --mode=export."""
    before = gan_xla.load(cyclegan)
    run = tmp_path / "run"
    shutil.copytree(cyclegan, run)
    train = ["main", f"--config={run}/config.py", f"--workdir={run}", "--config.train.steps=2"]
    assert main([*train, "--config.train.epochs=0", "--config.train.log_every=1"]) == 0
    after = gan_xla.load(run)
    assert (before.step, after.step) == (0, 2)
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before.variables, after.variables)
    assert 0 < max(jax.tree.leaves(moved)) < 1e-3, "two steps of Adam from the imported weights"
    assert _export(run, tmp_path / "out", "--format=torch") == 0
    for file, (name, make) in CYCLEGAN.items():
        _assert_alike(after, name, _loaded(tmp_path / "out" / file, make))
    assert _import(tmp_path / "again", sorted((tmp_path / "out").iterdir()), "--format=junyanz", *SMALL) == 0
    jax.tree.map(np.testing.assert_array_equal, gan_xla.load(tmp_path / "again").variables, after.variables)


def test_a_direction_of_a_directory_is_one_clear_line(cyclegan, tmp_path, capsys):
    assert _export(cyclegan, tmp_path / "out", "--format=safetensors", "--direction=AtoB") == 2
    assert "--direction=AtoB: a directory holds all networks; leave it out" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_network_of_the_methods_own_is_in_no_file_of_the_published_ones(tmp_path):
    config = configure("cut", ("dg",), 16)
    config.model.generator.update(antialias=False, upsample="transpose")
    config.model.discriminator.antialias = False
    workdir = _save(tmp_path / "run", config)
    assert "F" in gan_xla.load(workdir).variables["gen"][0]
    assert _export(workdir, tmp_path / "out", "--format=torch") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"latest_net_G.pth", "latest_net_D.pth"}


def test_networks_that_blur_have_the_filters_of_their_authors(tmp_path):
    """taesungp/contrastive-unpaired-translation keeps them as buffers [c, 1, k, k], "filt"."""
    workdir = _save(tmp_path / "run", configure("cut", ("dg",), SIZE))
    assert _export(workdir, tmp_path / "out", "--format=torch") == 0
    makers = {
        "latest_net_G.pth": ("G_AB", lambda: ResNet(4, 1, "instance", False, "blur", antialias=True), (3, 4)),
        "latest_net_D.pth": ("D_B", lambda: PatchGAN(4, 1, "instance", antialias=True), (3,)),
    }
    model = gan_xla.load(workdir)
    for file, (name, make, sizes) in makers.items():
        state = torch.load(tmp_path / "out" / file, weights_only=True)
        filters = {key: state.pop(key) for key in list(state) if key.endswith(".filt")}
        assert {x.shape[-1] for x in filters.values()} == set(sizes)
        network = make().requires_grad_(False).eval()
        network.load_state_dict(state, strict=True)
        for key, found in filters.items():
            blur = network.get_submodule(key.removesuffix(".filt")).kernel[0]
            np.testing.assert_allclose(found, (blur / blur.sum() * (4 if blur.shape[-1] == 4 else 1)).expand_as(found))
        _assert_alike(model, name, network)
    files = [tmp_path / "out" / file for file in makers]
    assert (
        _import(
            tmp_path / "again", files, "--config=cut", "--config.data.image_size=32", "--config.loss.nce_layers=(0,2,3)"
        )
        == 0
    )
    found = gan_xla.load(tmp_path / "again").variables
    for side, name in (("gen", "G_AB"), ("disc", "D_B")):
        jax.tree.map(np.testing.assert_array_equal, found[side][0][name], model.variables[side][0][name])


@pytest.mark.parametrize(
    "method, networks",
    [("gan", {"G", "D"}), ("ugatit", {"G_AB", "G_BA", "disA", "disB"}), ("icgan", {"G", "E_z", "E_y", "D"})],
)
def test_safetensors_hold_networks_that_nobody_published_as_they_are_here(method, networks, tmp_path):
    workdir = _save(tmp_path / "run", configure(method, ("gd",), 16))
    assert _export(workdir, tmp_path / "out", "--format=safetensors") == 0
    assert {path.stem for path in (tmp_path / "out").iterdir()} == networks
    sides = gan_xla.load(workdir).variables
    for name in networks:
        if name.startswith("dis"):  # these were published
            continue
        params, stats = sides["disc" if name == "D" else "gen"]
        own = [tree[name] if name in tree else tree if len(name) == 1 else {} for tree in (params, stats)]
        arrays = load_file(tmp_path / "out" / f"{name}.safetensors")
        leaves = [leaf for tree in own for leaf in jax.tree_util.tree_leaves_with_path(tree)]
        assert len(arrays) == len(leaves)
        for path, array in leaves:
            np.testing.assert_array_equal(arrays[".".join(part.key for part in path)].numpy(), array)


@pytest.mark.parametrize(
    "method, fields, message",
    [
        ("stargan", {"upsample": "blur"}, "model.generator.upsample='blur': .* has nothing like it"),
        ("cyclegan", {"upsample": "resize"}, "model.generator.upsample='resize': .* has nothing like it"),
        ("pix2pix", {"skips": False}, "model.generator.skips=False: .* has nothing like it"),
        ("gan", {"hidden": (4,)}, "gan's mlp_images generator has no published PyTorch layout"),
    ],
)
def test_networks_that_nobody_published_are_one_clear_line(method, fields, message, tmp_path, capsys):
    config = configure(method, ("gd",), 16)
    config.model.generator.update(fields)
    workdir = _save(tmp_path / "run", config)
    assert _export(workdir, tmp_path / "out.pth", "--format=torch") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line) and [path.name for path in tmp_path.iterdir()] == ["run"]
