"""UNIT's, MUNIT's and StarGAN v2's published layouts: imported, exported, trained on. Needs `parity` and `torch`."""

from functools import partial

import jax
import numpy as np
import pytest
from devices import configure

import gan_xla
from gan_xla import images, nets
from gan_xla.main import main
from gan_xla.nets.starganv2 import Encoder, Mapping
from gan_xla.published import auto

torch = pytest.importorskip("torch")
from test_inference import _save
from test_published import _export, _import
from torch_networks import randomise
from torch_published import autoencoder

from experiments.benchmarks import torch_munit, torch_starganv2

pytestmark = pytest.mark.slow

WIDTH, BLOCKS, STYLE, STYLE_LAYERS, HIDDEN, SIZE = 8, 1, 3, 3, 6, 64
GENERATOR = partial(autoencoder, WIDTH, 2, BLOCKS, STYLE, STYLE_LAYERS, HIDDEN)
JUDGE = partial(torch_munit.Discriminator, 4, 2, 2)
LATENT, DOMAINS, SMALL = 5, 2, 16
STARS = {
    "generator": ("G", partial(torch_starganv2.Generator, 4, 8, 1, STYLE)),
    "mapping_network": ("F", partial(torch_starganv2.Mapping, LATENT, HIDDEN, STYLE, DOMAINS)),
    "style_encoder": ("E", partial(torch_starganv2.Encoder, 4, 6, SMALL, STYLE, DOMAINS)),
    "discriminator": ("D", partial(torch_starganv2.Discriminator, 4, 6, SMALL, DOMAINS)),
}
# Files of a run: networks by their places, with our names.
CODERS = {
    "gen_00000000.pt": {"a": ("G_A", GENERATOR), "b": ("G_B", GENERATOR)},
    "dis_00000000.pt": {"a": ("D_A", JUDGE), "b": ("D_B", JUDGE)},
}
PLAIN = partial(autoencoder, WIDTH, 2, BLOCKS, 0, 0, 0)
RUNS = {
    "munit": CODERS,
    "unit": CODERS | {"gen_00000000.pt": {"a": ("G_A", PLAIN), "b": ("G_B", PLAIN)}},
    "starganv2": {"000000_nets_ema.ckpt": STARS},
}
FLAGS = {"starganv2": ["--labels=chairs,cars"]}


def _written(folder, files):
    """Checkpoints as the published code saves them, of random numbers; modules by our names."""
    folder.mkdir()
    modules, seed = {}, 0
    for file, networks in files.items():
        for name, make in networks.values():
            modules[name] = make().requires_grad_(False)
            randomise(modules[name], seed := seed + 1)
            for key, tensor in modules[name].state_dict().items():
                if "running_" in key:  # AdaIN's, which nothing moves
                    tensor.fill_(float(key.endswith("var")))
                if key.startswith("dec.model.2.conv"):  # small deviations, to which layer norm adds its constant
                    tensor.mul_(0.001)
        torch.save({place: modules[name].state_dict() for place, (name, _) in networks.items()}, folder / file)
    return modules


def _run(tmp_path, method):
    """A run of a method's files, imported; modules by our names."""
    modules = _written(tmp_path / "files", RUNS[method])
    paths = [tmp_path / "files" / file for file in RUNS[method]]
    sized = [f"--config={method}", f"--config.data.image_size={SIZE}", "--config.data.load_size=0"]
    flags = FLAGS.get(method, []) + (sized if method != "starganv2" else [])
    assert _import(tmp_path / "run", *paths, flags=flags) == 0
    return modules


def _assert_close(ours, theirs):
    theirs = theirs.numpy()
    theirs = theirs.transpose(0, 2, 3, 1) if theirs.ndim == 4 else theirs
    assert theirs.std() > 0.01
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * max(1, np.abs(theirs).max()))


def _module(model, role, **more):
    config = model.config
    more |= {"channels": 3} if role == "generator" else {}
    return nets.build(config.model[role], role.capitalize(), **more, **nets.common(config, None))


def _applied(model, name, module, x, method=None):
    params, stats = model.variables["disc" if name[0] == "D" else "gen"]
    net = (params, stats) if name == "D" else (params[name], stats[name])
    return jax.jit(lambda x: nets.apply(module, net, x, "batch", method=method)[0])(x)


def _draw(*shape):
    x = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    return x, torch.tensor(x.transpose(0, 3, 1, 2) if len(shape) == 4 else x)


@pytest.mark.parametrize("method", ["munit", "unit"])
def test_imported_autoencoders_give_what_pytorchs_give_and_are_exported_as_they_were(method, tmp_path):
    modules = _run(tmp_path, method)
    model = gan_xla.load(tmp_path / "run")
    assert model.config.gan == method
    generator, judge = _module(model, "generator"), _module(model, "discriminator")
    (x, t), (s, u) = _draw(2, SIZE, SIZE, 3), _draw(2, STYLE)
    style = (s, u) if method == "munit" else (None, None)
    for domain in "AB":
        name, net = f"G_{domain}", modules[f"G_{domain}"]
        content = _applied(model, name, generator, x, "content_of")
        _assert_close(content, net.content(t))
        _assert_close(
            _applied(model, name, generator, (content, style[0]), "decode"), net.decode(net.content(t), style[1])
        )
        if method == "munit":
            _assert_close(_applied(model, name, generator, x, "style_of"), net.enc_style(t))
        for ours, theirs in zip(_applied(model, f"D_{domain}", judge, x)[0], modules[f"D_{domain}"](t), strict=True):
            _assert_close(ours, theirs)
    _assert_exported(tmp_path, method)


def _assert_exported(tmp_path, method):
    """That an exported run is its files, bit for bit."""
    assert _export(tmp_path / "run", tmp_path / "out") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(RUNS[method])
    for file, networks in RUNS[method].items():
        before, after = (torch.load(tmp_path / folder / file, weights_only=True) for folder in ("files", "out"))
        assert before.keys() == after.keys()
        for place, (_, make) in networks.items():
            make().load_state_dict(after[place], strict=True)
            for key, tensor in before[place].items():
                assert torch.equal(tensor, after[place][key]), (file, place, key)


def test_imported_networks_of_styles_give_what_pytorchs_give_and_are_exported_as_they_were(tmp_path):
    modules = _run(tmp_path, "starganv2")
    model = gan_xla.load(tmp_path / "run")
    assert model.config.gan == "starganv2" and model.domains == ("chairs", "cars")
    (x, t), (z, v), (s, u) = _draw(2, SMALL, SMALL, 3), _draw(2, LATENT), _draw(2, STYLE)
    label, common = np.eye(DOMAINS, dtype=np.float32)[::-1].copy(), nets.common(model.config, None)
    same = {"domains": DOMAINS, "style": STYLE}
    encoder = Encoder(width=4, most=6, **same, **common)
    mapping = Mapping(hidden=HIDDEN, **same)
    _assert_close(_applied(model, "G", _module(model, "generator"), (x, s)), modules["G"](t, u))
    _assert_close(_applied(model, "E", encoder, (x, label)), modules["E"](t, torch.tensor(label)))
    _assert_close(_applied(model, "F", mapping, (z, label)), modules["F"](v, torch.tensor(label)))
    judge = _module(model, "discriminator", labels=DOMAINS)
    _assert_close(_applied(model, "D", judge, x)[0], modules["D"](t))
    _assert_exported(tmp_path, "starganv2")
    file = tmp_path / "net.pth"  # what translates, without the discriminator
    assert _export(tmp_path / "run", file) == 0
    assert torch.load(file, weights_only=True).keys() == STARS.keys() - {"discriminator"}
    file = tmp_path / "net.safetensors"
    assert _export(tmp_path / "run", file, "safetensors") == 0
    assert {one.label for one in auto.read([file], {})} == STARS.keys() - {"discriminator"}


def test_a_run_of_the_other_layer_norm_is_exported_too_and_either_direction_takes_both_autoencoders(tmp_path):
    config = configure("munit", ("dg",), 16)
    workdir = _save(tmp_path / "run", config)
    assert not config.model.generator.unbiased and _export(workdir, tmp_path / "net.pt", direction="BtoA") == 0
    state = torch.load(tmp_path / "net.pt", weights_only=True)
    assert state.keys() == {"a", "b"}
    for domain in "ab":
        autoencoder(4, 1, 1, 8, 2, 256).load_state_dict(state[domain], strict=True)


@pytest.mark.parametrize("method, steps, ways", [("munit", 1, 2), ("starganv2", 4, 1)])
def test_an_imported_run_translates_in_styles_trains_on_and_comes_back_from_exports(method, steps, ways, tmp_path):
    _run(tmp_path, method)
    photo = tmp_path / "photo.png"
    images.write(photo, np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8))
    command = ["main", "--mode=translate", f"--workdir={tmp_path}/run", f"--input={photo}"]
    command += ["--domain=cars"] if method == "starganv2" else []
    assert main([*command, f"--output={tmp_path}/drawn", "--styles=2"]) == 0
    drawn = [images.read(path) for path in sorted((tmp_path / "drawn").rglob("*.png"))]
    assert len(drawn) == 2 and (drawn[0] != drawn[1]).any()
    assert main([*command, f"--output={tmp_path}/read", f"--reference={photo}"]) == 0
    flags = [f"--config={tmp_path}/run/config.py", f"--workdir={tmp_path}/run", "--allow_changes"]
    data = ["--config.data.source=builtin", "--config.data.name=chairs2cars"]
    assert main(["main", *flags, *data, f"--config.train.steps={steps}", "--config.train.batch_size=2"]) == 0
    before = gan_xla.load(tmp_path / "run")
    assert before.step == steps
    assert _export(tmp_path / "run", tmp_path / "out", "safetensors") == 0
    flags = [f"--config={method}", f"--config.data.image_size={SIZE}"] if method == "munit" else FLAGS[method]
    flags = [*flags, f"--check={photo}"]
    assert _import(tmp_path / "again", *sorted((tmp_path / "out").iterdir()), flags=flags) == 0
    assert images.read(tmp_path / "again" / "check.png").shape == (ways * SIZE, 2 * SIZE, 3)
    after = gan_xla.load(tmp_path / "again")
    for side in ("gen", "disc"):
        jax.tree.map(np.testing.assert_array_equal, before.variables[side], after.variables[side])
