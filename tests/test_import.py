"""`--mode=import`: networks in the published PyTorch layouts become runs. Needs the extra `parity`.

`torch_keys.json` holds names and shapes of the state of the networks that the authors publish.
"""

import functools
import json
import os
import re
import shlex
import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

import gan_xla
from gan_xla import data, images, nets
from gan_xla.main import main
from gan_xla.published import junyanz, layout, sktbrain, yunjey
from gan_xla.run import settings

torch = pytest.importorskip("torch")
from torch import nn
from torch_networks import randomise

from experiments.benchmarks.torch_cyclegan import PatchGAN, ResNet
from experiments.benchmarks.torch_discogan import Discriminator, Generator
from experiments.benchmarks.torch_pix2pix import UNet
from experiments.benchmarks.torch_stargan import StarDiscriminator, StarGenerator

KEYS = json.loads(Path(__file__).with_name("torch_keys.json").read_text())
FORMS = {"junyanz": junyanz, "yunjey": yunjey, "stargan": yunjey, "discogan": sktbrain}
SMALL = ("--config=cyclegan", "--config.data.image_size=32", "--config.model.discriminator.width=4")


class Pixels(PatchGAN):
    """The PixelGAN, which the authors name differently, and whose last layer has no bias beside batch norm."""

    def __init__(self, width, norm):
        super().__init__(width, 0, norm)
        self.net = self._modules.pop("model")
        if norm == "batch":
            self.net[-1] = nn.Conv2d(2 * width, 1, 1, bias=False)

    def forward(self, x):
        return self.net(x)


# Files by name, with our name of the network in each, and flags. The published widths are 64 everywhere.
CASES = {
    "junyanz, CycleGAN": (
        {
            "latest_net_G_A.pth": ("G_AB", lambda: ResNet(4, 1, "instance", False)),
            "latest_net_G_B.pth": ("G_BA", lambda: ResNet(4, 1, "instance", False)),
            "latest_net_D_A.pth": ("D_B", lambda: PatchGAN(4, 2, "instance")),
            "latest_net_D_B.pth": ("D_A", lambda: PatchGAN(4, 2, "instance")),
        },
        ["--format=junyanz", *SMALL],
    ),
    "junyanz, batch norm, dropout and pixels": (
        {
            "7_net_G_A.pth": ("G_AB", lambda: ResNet(4, 1, "batch", True)),
            "7_net_D_B.pth": ("D_A", lambda: Pixels(4, "batch")),
        },
        ["--format=junyanz", *SMALL],
    ),
    "junyanz, a U-Net in CycleGAN": (
        {
            "latest_net_G_B.pth": ("G_BA", lambda: UNet(2, 5, "instance")),
            "latest_net_D_B.pth": ("D_A", lambda: Pixels(4, "instance")),
        },
        ["--format=junyanz"],
    ),
    "junyanz, pix2pix": (
        {
            "latest_net_G.pth": ("G_BA", lambda: UNet(2, 5)),
            "latest_net_D.pth": ("D_A", lambda: PatchGAN(4, 1, "batch", 6)),
        },
        ["--format=junyanz", "--direction=BtoA"],
    ),
    "yunjey": (
        {
            "200-G.ckpt": ("G", lambda: StarGenerator(4, 1, 3)),
            "200-D.ckpt": ("D", lambda: StarDiscriminator(4, 2, 3, 32)),
        },
        ["--format=yunjey", "--labels=happy,sad,cross"],
    ),
    "sktbrain": (
        {
            "model_gen_A-1.0": ("G_BA", lambda: Generator(32, 4)),
            "model_gen_B-1.0": ("G_AB", lambda: Generator(32, 4)),
            "model_dis_A-1.0": ("D_A", lambda: Discriminator(32, 4)),
            "model_dis_B-1.0": ("D_B", lambda: Discriminator(32, 4)),
        },
        ["--format=sktbrain"],
    ),
    "sktbrain, 5 layers": (
        {"model_gen_B-2.0": ("G_AB", lambda: Generator(32, 4, 10))},
        ["--format=sktbrain"],
    ),
}


def _files(folder, networks, zipped=True):
    """The modules of `networks` with random weights, by our names, and the files that they are saved in."""
    models, paths = {}, []
    for file, (name, make) in networks.items():
        models[name] = make().requires_grad_(False).eval()
        randomise(models[name], seed=len(models))
        paths.append(folder / file)
        torch.save(models[name].state_dict(), paths[-1], _use_new_zipfile_serialization=zipped)
    return models, paths


def _import(workdir, paths, *flags):
    return main(["main", "--mode=import", f"--workdir={workdir}", f"--input={','.join(map(str, paths))}", *flags])


def _pictures(model, name):
    """What a network takes, float32 [3, 32, 32, c]: the middle of built-in images, and what goes with them."""
    section = ml_collections.ConfigDict({**settings.load("discogan").data.to_dict(), "image_size": 64})
    x = data.load(section).test[0].read(np.arange(3))["x_A"][:, 16:48, 16:48]
    x = x.astype(np.float32) / 255 if model.config.gan == "discogan" else x.astype(np.float32) / 127.5 - 1
    if name == "G":  # StarGAN's
        label = np.arange(len(model.domains), dtype=np.float32) % 2
        return np.concatenate([x, np.broadcast_to(label, (*x.shape[:3], len(label)))], axis=-1)
    return np.concatenate([x, x[::-1]], axis=-1) if model.config.gan == "pix2pix" and name[0] == "D" else x


@functools.cache
def _program(module):
    return jax.jit(lambda net, x: nets.apply(module, net, x, "running")[0])


def _apply(model, name, x):
    """The output of a network of a run."""
    config, role = model.config, {"G": "generator", "D": "discriminator"}[name[0]]
    common = {"channels": 3} if role == "generator" else {"labels": len(model.domains)} if model.domains else {}
    module = nets.build(config.model[role], role.capitalize(), **common, **nets.common(config, None))
    single = name if len(name) == 1 else ""
    net = layout.split(layout.Net(*model.variables["gen" if name[0] == "G" else "disc"]), single)[name]
    y = _program(module)(net, x)
    return y if role == "generator" or config.gan == "stargan" else y[0]


def _expected(network, x, bgr):
    """PyTorch's output, of images [n, h, w, c], in the same order of axes and channels."""
    flip = (lambda x: x.flip(1)) if bgr else lambda x: x
    if isinstance(network, StarGenerator):
        network.train()  # as the published code does; the running averages of instance norm mean nothing
    y = network(flip(torch.tensor(x).permute(0, 3, 1, 2)))
    if isinstance(y, tuple):
        return y[0].permute(0, 2, 3, 1).numpy(), y[1].numpy()
    return (flip(y) if y.shape[1] == 3 else y).permute(0, 2, 3, 1).numpy()


def _assert_alike(model, name, network):
    """That a network of a model gives what PyTorch's gives."""
    x = _pictures(model, name)
    ours, theirs = _apply(model, name, x), _expected(network, x, bgr=model.config.gan == "discogan")

    def compare(a, b):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * max(1, np.abs(b).max()))

    jax.tree.map(compare, ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_imported_networks_give_what_pytorchs_give_on_real_images(case, tmp_path):
    networks, flags = CASES[case]
    models, paths = _files(tmp_path, networks, zipped=case != "sktbrain")
    assert _import(tmp_path / "run", paths, *flags) == 0
    model = gan_xla.load(tmp_path / "run")
    for name, network in models.items():
        _assert_alike(model, name, network)


@pytest.mark.parametrize("name", KEYS)
def test_the_published_key_lists_are_recognised_to_the_last_key(name):
    state = {key: np.broadcast_to(np.float32(0), shape) for key, shape in KEYS[name].items()}
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    form = FORMS[name.partition("_")[0]]
    found = form.recognise(state, Path(name))
    size = found.size or 128
    fields = {**found.fields, "dropout": 0.5} if found.fields["net"] == "unet_pix2pix" else found.fields
    common = {"labels": int(name[-1])} if name.startswith("stargan_D") else {}
    module = nets.build(fields, found.role.capitalize(), size=size, **common)
    x = jnp.zeros((1, size, size, found.channels + (found.labels or 0)))
    like = jax.eval_shape(lambda key: nets.init(module, key, x), jax.random.key(0))
    expected = {
        key: list(layout.to_torch(np.empty(leaf.shape, bool), layer.kind == layout.UP).shape)
        for tree in like
        for key, layer, leaf in layout.keyed(tree, form.layers(found.role, fields, size))
    }
    unused = ("running_mean", "running_var") if name.startswith("stargan_G") else ()
    assert expected == {key: list(x.shape) for key, x in state.items() if not key.endswith(unused or "none")}


def test_files_of_data_parallel_and_old_instance_norm_are_read_and_said(tmp_path, capsys):
    model = ResNet(4, 1, "instance", False)
    state = {f"module.{key}": value for key, value in model.state_dict().items()}
    state |= {"module.model.2.running_mean": torch.ones(4), "module.model.2.running_var": torch.ones(4)}
    torch.save(state, tmp_path / "horse2zebra.pth")
    flags = ("--format=junyanz", "--direction=BtoA", *SMALL)
    assert _import(tmp_path / "run", [tmp_path / "horse2zebra.pth"], *flags) == 0
    said = capsys.readouterr().out
    for words in (
        "net=resnet",
        "blocks=1",
        "taken for CycleGAN's G_BA",
        "2 running averages, which instance norm does not use",
    ):
        assert words in said
    for name in ("G_AB (generator)", "D_A (discriminator)", "D_B (discriminator)"):
        assert f"{name} is in none of the files: it begins with fresh weights" in said


def test_a_generator_of_labels_alone_has_no_strength_and_says_so(tmp_path, capsys):
    paths = _files(tmp_path, {"200000-G.ckpt": ("G", lambda: StarGenerator(2, 1, 2))})[1]
    assert _import(tmp_path / "run", paths, "--format=yunjey", "--labels=a,b") == 0
    assert "fresh weights; --strength, which lets it read labels, says nothing" in capsys.readouterr().out


def test_the_kind_of_run_follows_from_the_files(tmp_path):
    batch = _files(tmp_path, {"net.pth": ("G", lambda: UNet(2, 5))})[1]
    assert _import(tmp_path / "one", batch, "--format=junyanz") == 0
    config = gan_xla.load(tmp_path / "one").config
    assert (config.gan, config.data.image_size, config.data.load_size) == ("pix2pix", 32, 35)
    assert config.model.generator.dropout == 0.5
    faces = {"9-G.ckpt": lambda: StarGenerator(2, 1, 5), "9-D.ckpt": lambda: StarDiscriminator(2, 2, 5, 8)}
    paths = _files(tmp_path, {file: (file[2], make) for file, make in faces.items()})[1]
    assert _import(tmp_path / "faces", paths, "--format=yunjey") == 0
    assert gan_xla.load(tmp_path / "faces").domains == ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")


def test_an_imported_run_translates_files(tmp_path):
    networks, flags = CASES["sktbrain, 5 layers"]
    assert _import(tmp_path / "run", _files(tmp_path, networks)[1], *flags) == 0
    images.write(tmp_path / "x.png", np.zeros((32, 32, 3), np.uint8))
    assert (
        main(
            [
                "main",
                "--mode=translate",
                f"--workdir={tmp_path}/run",
                f"--input={tmp_path}/x.png",
                f"--output={tmp_path}/y",
            ]
        )
        == 0
    )
    assert (tmp_path / "y" / "x.png").exists()


# What is wrong with a file, and the message.


def _cut(path):
    path.write_bytes(path.read_bytes()[:-2000])


def _changed(change):
    """A mistake that changes the state_dict in a file."""

    def mistake(path):
        state = torch.load(path, weights_only=True)
        torch.save(change(state), path)

    return mistake


class Evil:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def _without(key):
    return lambda state: {name: value for name, value in state.items() if name != key}


WRONG = {
    "truncated": (_cut, "damaged or incomplete"),
    "hostile": (_changed(lambda state: {**state, "x": Evil()}), r"holds the Python object .*\.system, not tensors"),
    "a key missing": (_changed(_without("model.11.conv_block.1.bias")), "lacks 'model.11.conv_block.1.bias'"),
    "the first key missing": (
        _changed(_without("model.1.weight")),
        "lacks 'model.1.weight'.*no network of this --format",
    ),
    "a key left over": (
        _changed(lambda s: {**s, "model.5.weight": s["model.1.bias"]}),
        "'model.5.weight' belongs to no",
    ),
    "a wrong shape": (
        _changed(lambda s: {**s, "model.4.weight": torch.zeros(9, 4, 3, 3)}),
        r"model.4.weight is \[9, 4, 3, 3\]; .* it is \[8, 4, 3, 3\]",
    ),
    "not a number": (
        _changed(lambda s: {**s, "model.4.bias": torch.full((8,), torch.nan)}),
        "'model.4.bias' has numbers",
    ),
    "whole numbers": (_changed(lambda s: {**s, "model.4.bias": torch.zeros(8, dtype=torch.int32)}), "int32"),
    "a training's checkpoint": (
        _changed(lambda s: {"state_dict": s, "epoch": 3}),
        "'state_dict' is no tensor of a network",
    ),
    "a list's": (_changed(lambda s: dict(enumerate(s.values()))), "0 is no tensor of a network"),
    "larger than any memory": (
        _changed(lambda s: {**s, "model.4.bias": torch.zeros(1).expand(2**40)}),
        "'model.4.bias' is larger than the file",
    ),
    "empty": (_changed(lambda s: {}), "lacks 'model.0.weight'"),
    "other channels": (
        _changed(lambda s: {**s, "model.19.weight": torch.zeros(2, 4, 7, 7), "model.19.bias": torch.zeros(2)}),
        "a generator of 3 channels to 2",
    ),
    "absent": (lambda path: path.unlink(), "No such file"),
    "misnamed": (lambda path: path.rename(path.with_name("b_net_D_A.pth")), "unlike its name"),
    "a second one": (lambda path: torch.save(torch.load(path), path.with_name("b_net_G_A.pth")), "are both G_A"),
    "unlike the other": (
        lambda path: torch.save(ResNet(4, 1, "instance", False).state_dict(), path.with_name("a_net_G_B.pth")),
        "blocks=.*, unlike .*blocks=",
    ),
    "no generator": (
        lambda path: (
            path.unlink(),
            torch.save(PatchGAN(4, 2, "instance").state_dict(), path.with_name("a_net_D_A.pth")),
        ),
        "no generator among the files",
    ),
}


@pytest.fixture(scope="module")
def state():
    return ResNet(4, 2, "instance", False).state_dict()


def _refused(capsys, tmp_path, paths, *flags):
    """The one line of an import that must leave nothing behind."""
    assert _import(tmp_path / "run", paths, *flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and not (tmp_path / "run").exists()
    return line


@pytest.mark.parametrize("mistake, message", WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_one_clear_line_and_nothing_is_written(mistake, message, state, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(state, tmp_path / "a_net_G_A.pth")
    mistake(tmp_path / "a_net_G_A.pth")
    paths = sorted(tmp_path.glob("*.pth")) or ["a_net_G_A.pth"]
    assert re.search(message, _refused(capsys, tmp_path, paths, "--format=junyanz"))
    assert not (tmp_path / "pwned").exists()


FLAGS = {
    "another repository's": (["--format=yunjey"], "lacks 'main.0.weight'.*no network of this --format"),
    "unknown format": (["--format=onnx"], "--format=onnx: --mode=import reads auto, junyanz, sktbrain, yunjey"),
    "labels": (["--format=junyanz", "--labels=a,b"], "--labels: --format=junyanz has no such choice"),
    "a direction twice": (["--format=junyanz", "--direction=AtoB"], "--direction=AtoB beside CycleGAN's G_A"),
    "another method": (["--format=junyanz", "--config=discogan"], "these networks need gan='cyclegan'"),
}


@pytest.mark.parametrize("flags, message", FLAGS.values(), ids=FLAGS)
def test_flags_that_do_not_fit_are_one_clear_line(flags, message, state, tmp_path, capsys):
    torch.save(state, tmp_path / "a_net_G_A.pth")
    assert re.search(message, _refused(capsys, tmp_path, [tmp_path / "a_net_G_A.pth"], *flags))


def test_labels_must_be_as_many_as_the_generator_takes(tmp_path, capsys):
    paths = _files(tmp_path, {"9-G.ckpt": ("G", lambda: StarGenerator(2, 1, 3))})[1]
    line = _refused(capsys, tmp_path, paths, "--format=yunjey")
    assert "takes 3 label planes, and Black_Hair, Blond_Hair, Brown_Hair, Male, Young are 5" in line
    assert "takes 3 label planes, and a, b are 2" in _refused(
        capsys, tmp_path, paths, "--format=yunjey", "--labels=a,b"
    )


def test_networks_that_the_config_does_not_train_are_refused(tmp_path, capsys):
    paths = _files(tmp_path, CASES["sktbrain"][0])[1]
    line = _refused(capsys, tmp_path, paths, "--format=sktbrain", "--config=standard_gan")
    assert "--config: it trains no D_A, which" in line


def test_a_directory_in_use_is_refused_and_kept(state, tmp_path, capsys):
    torch.save(state, tmp_path / "a_net_G_A.pth")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").touch()
    assert _import(tmp_path / "run", [tmp_path / "a_net_G_A.pth"], "--format=junyanz") == 2
    assert "is in use; name a directory that does not exist yet" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["precious"]


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_whole_network_is_refused_with_the_command_that_mends_it(zipped, tmp_path, capsys, monkeypatch):
    """The published DiscoGAN saves whole networks, objects of its module `model`."""
    theirs = types.ModuleType("model")
    theirs.Generator = type("Generator", (Generator,), {"__module__": "model"})
    monkeypatch.setitem(sys.modules, "model", theirs)
    path = tmp_path / 'model_gen_A-1.0 it\'s "best"'
    torch.save(theirs.Generator(16, 2), path, _use_new_zipfile_serialization=zipped)
    line = _refused(capsys, tmp_path, [path], "--format=sktbrain")
    assert "a whole model.Generator" in line and "if you trust" in line
    _, option, command, *names = shlex.split(line[line.index("python -c") :])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [option, *names])
    exec(command)  # what the user pastes, where `model` can be imported
    (mended,) = tmp_path.glob("*.pth")
    assert _import(tmp_path / "run", [mended], "--format=sktbrain") == 0
