"""Networks known by their structure: a zoo of layouts, mutants of it, containers, what is assumed."""

import argparse
import importlib.util
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from zoo import BLOCKS, TENSOR, ZOO, patchgan, resnet, unet

import gan_xla
from gan_xla import images, nets
from gan_xla.data.sources import builtin
from gan_xla.errors import UserError
from gan_xla.main import main
from gan_xla.published import auto, checking, structure

SOURCE = Path("weights.pth")


def _plain(state):
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


@pytest.mark.parametrize("name", ZOO)
def test_every_layout_of_the_zoo_is_recognised(name):
    state, net, fields = ZOO[name]
    found = structure.recognise(_plain(state), SOURCE, {})
    network = found.guess.network
    assert network.fields["net"] == net and fields.items() <= network.fields.items()
    assert network.channels in (1, 3, 6)
    assert len(found.rows) == len(found.layers)


def _missing(state, draws):
    key = draws.choice(sorted(state))
    return {name: value for name, value in state.items() if name != key}


def _extra(state, draws):
    keys = list(state)
    at = int(draws.integers(len(keys)))
    more = {"odd.weight": np.ones((8, 8, 3, 3), np.float32), "odd.bias": np.ones(8, np.float32)}
    before, after = keys[:at], keys[at:]
    return {**{key: state[key] for key in before}, **more, **{key: state[key] for key in after}}


def _swapped(state, draws):
    kernels = [key for key, value in state.items() if value.ndim == 4]
    a = draws.choice(kernels)
    b = draws.choice([key for key in kernels if state[key].shape != state[a].shape])
    return state | {a: state[b], b: state[a]}


def _transposed(state, draws):
    odd = [key for key, value in state.items() if value.ndim == 4 and value.shape[0] != value.shape[1]]
    key = draws.choice(odd)
    return state | {key: state[key].swapaxes(0, 1)}


def _wrong_kind(state, draws):
    key = draws.choice([key for key, value in state.items() if value.ndim == 4])
    return state | {key: state[key].reshape(len(state[key]), -1)}


def _narrower(state, draws):
    key = draws.choice([key for key, value in state.items() if value.ndim and len(value) > 4])
    return state | {key: state[key][:-1]}


def _deeper(state, draws):
    key = draws.choice([key for key, value in state.items() if value.ndim == 4])
    return state | {key: state[key][None]}


def _wider_kernel(state, draws):
    # The last one is of another size where images are.
    key = draws.choice([key for key, value in state.items() if value.ndim == 4][:-1])
    return state | {key: np.pad(state[key], ((0, 0), (0, 0), (1, 1), (1, 1)))}


MUTATIONS = [_missing, _extra, _swapped, _transposed, _wrong_kind, _narrower, _deeper, _wider_kernel]


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_mutant_is_one_clear_line(mutate):
    for number, (name, (state, _, _)) in enumerate(ZOO.items()):
        mutant = mutate(_plain(state), np.random.default_rng(number))
        with pytest.raises(UserError) as error:
            pytest.fail(f"{name}: {structure.recognise(mutant, SOURCE, {}).guess}")
        message = str(error.value)
        assert message.startswith("weights.pth: ") and "\n" not in message and len(message) < 300


# Files. What needs PyTorch to be written is written by it.


def _saved(path, tree):
    torch = pytest.importorskip("torch")

    def tensors(value):
        if isinstance(value, dict):
            return {name: tensors(part) for name, part in value.items()}
        return torch.tensor(value) if isinstance(value, np.ndarray) else value

    torch.save(tensors(tree), path)
    return path


def _prefixed(state, prefix):
    return {f"{prefix}.{key}": value for key, value in state.items()}


G, D = ZOO["vintagify"][0], ZOO["PatchGAN by name"][0]
OPTIMIZER = {"state": {0: {"step": 3, "exp_avg": np.ones((4, 4)), "exp_avg_sq": np.ones((4, 4))}}, "param_groups": []}
CONTAINERS = {
    "nested": ({"state_dict": G, "epoch": 3, "optimizer": OPTIMIZER}, ["state_dict"]),
    "several": ({"G_A2B": G, "G_B2A": G, "D_A": D, "optimizer_G": OPTIMIZER}, ["G_A2B", "G_B2A", "D_A"]),
    "prefixes": (_prefixed(G, "netG_A2B") | _prefixed(D, "netD_B"), ["netG_A2B", "netD_B"]),
    "Lightning": (
        {
            "state_dict": _prefixed(G, "G_AB") | _prefixed(D, "D_B") | {"loss.weight": np.ones(3, np.float32)},
            "hyper_parameters": argparse.Namespace(lr=2e-4),
            "optimizer_states": [OPTIMIZER],
        },
        ["state_dict.G_AB", "state_dict.D_B"],
    ),
    "DataParallel": (_prefixed(G, "module"), ["weights"]),
    "average": ({"generator": G, "generator_ema": G, "d": D}, ["generator_ema", "d"]),
}


@pytest.mark.parametrize("case", CONTAINERS)
def test_networks_are_found_in_containers(case, tmp_path):
    tree, labels = CONTAINERS[case]
    left = []
    found = auto.read([_saved(tmp_path / "weights.pth", tree)], {}, left)
    assert [one.label for one in found] == labels
    assert len(left) == {"Lightning": 1, "average": 1}.get(case, 0), left
    roles = {one.label: one.file.network.role for one in found}
    assert all((role == "discriminator") == ("d" in label.lower().split(".")[-1][:4]) for label, role in roles.items())


def test_numbers_that_would_fill_the_memory_are_refused(tmp_path):
    torch = pytest.importorskip("torch")
    state = {key: torch.tensor(value) for key, value in G.items()}
    torch.save(state | {"model.1.weight": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "weights.pth")
    with pytest.raises(UserError, match="'model.1.weight' is larger than the file, unlike weights"):
        auto.read([tmp_path / "weights.pth"], {})


def test_nothing_of_an_object_in_a_file_is_executed(tmp_path):
    torch = pytest.importorskip("torch")
    marker = tmp_path / "executed"

    class Evil:
        def __reduce__(self):
            return Path.touch, (marker,)

    state = {key: torch.tensor(value) for key, value in G.items()}
    torch.save({"state_dict": state, "callbacks": [Evil()]}, tmp_path / "evil.ckpt")
    (found,) = auto.read([tmp_path / "evil.ckpt"], {})
    assert found.file.network.fields["blocks"] == BLOCKS and not marker.exists()
    torch.save(Evil(), tmp_path / "whole.pth")
    with pytest.raises(UserError, match="holds the Python object .*, not tensors alone"):
        auto.read([tmp_path / "whole.pth"], {})
    assert not marker.exists()


def _safetensors(path, state, dtype="F32"):
    arrays = {key: value for key, value in state.items() if value.ndim}
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for key, value in arrays.items():
        part = value.astype(np.float32)
        part = (
            (part.view(np.uint32) >> 16).astype("<u2")
            if dtype == "BF16"
            else part.astype({"F16": "f2"}.get(dtype, "f4"))
        )
        header[key] = {"dtype": dtype, "shape": value.shape, "data_offsets": [len(data), len(data) + part.nbytes]}
        data += part.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.parametrize("dtype, close", [("F32", 0), ("F16", 1e-3), ("BF16", 1e-2)])
def test_safetensors_of_all_widths_are_read(dtype, close, tmp_path):
    path = _safetensors(tmp_path / "weights.safetensors", G, dtype)
    (found,) = auto.read([path], {})
    for key, value in found.file.state.items():
        np.testing.assert_allclose(value, G[key], rtol=close, atol=close)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"\xff" * 40):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"not a \.safetensors file, or a damaged or incomplete one"):
            auto.read([path], {})


def test_onnx_initialisers_are_read(tmp_path):
    onnx = pytest.importorskip("onnx")
    tensors = [onnx.numpy_helper.from_array(value, key) for key, value in G.items()]
    graph = onnx.helper.make_graph([], "g", [], [], tensors)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "weights.onnx")
    (found,) = auto.read([tmp_path / "weights.onnx"], {})
    assert found.file.network.fields["norm"] == "instance_affine"
    (tmp_path / "weights.onnx").write_bytes(b"not")
    with pytest.raises(UserError, match=r"not an \.onnx file"):
        auto.read([tmp_path / "weights.onnx"], {})


# Runs.


def _run(workdir, files, *flags):
    return main(["main", "--mode=import", f"--workdir={workdir}", f"--input={','.join(map(str, files))}", *flags])


NAMES = {
    "CycleGAN": ({"G_A2B": G, "G_B2A": G, "D_A": D, "D_B": D}, "cyclegan", {"G_AB", "G_BA", "D_A", "D_B"}),
    "as published": ({"net_G_A": G, "net_D_A": D}, "cyclegan", {"G_AB", "D_B"}),
    "in the paper's letters": ({"G": G, "F": G}, "cyclegan", {"G_AB", "G_BA"}),
    "pix2pix": (
        {"gen": unet(style="named"), "disc": patchgan(2, name="c{}".format, takes=6)},
        "pix2pix",
        {"G_AB", "D_B"},
    ),
    "CUT": ({"G": ZOO["CUT"][0]}, "cut", {"G_AB"}),
    "U-Net with a convolution": ({"G_AB": ZOO["U-Net that ends with a convolution"][0]}, "discogan_unet", {"G_AB"}),
    "DiscoGAN": ({"G_AB": ZOO["DiscoGAN, 128 pixels, by name"][0]}, "discogan", {"G_AB"}),
    "DCGAN": ({"netG": ZOO["DCGAN by name"][0], "netD": ZOO["DCGAN's judge"][0]}, "dcgan", {"G", "D"}),
    "StarGAN": ({"G": ZOO["StarGAN, by name"][0], "D": ZOO["StarGAN's judge, by name"][0]}, "stargan", {"G", "D"}),
}


@pytest.mark.parametrize("case", NAMES)
def test_the_method_and_its_networks_follow_from_structure_and_names(case, tmp_path):
    states, config, networks = NAMES[case]
    found = auto.read([_safetensors(tmp_path / f"{name}.safetensors", state) for name, state in states.items()], {})
    plan, _ = auto.plan(found, None, None)
    assert plan.config == config and plan.networks.keys() == networks
    nets_of = {file.network.fields["net"] for file in plan.networks.values()}
    assert case != "DCGAN" or nets_of == {"dcgan"}


@pytest.mark.parametrize(
    "files, flags, message",
    [
        ({"G": G, "H": G}, [], "are both AtoB by their names; name them like G_A2B.pth and G_B2A.pth"),
        ({"D": D}, [], "no generator among the networks"),
        ({"G": G, "critic": D, "judge": D}, [], "its name tells no domain of its own; name it like D_A.pth"),
        ({"G": G}, ["--assume=colour=red"], "--assume=colour=red: write NAME=VALUE,... of norm="),
        ({"G": G}, ["--labels=a,b"], "--labels=a,b: these networks take none; leave it out"),
        ({"net_G_A": ZOO["junyanz"][0]}, ["--labels=a,b"], "--labels=a,b: these networks have no such choice"),
        ({"G": G}, ["--check=nowhere.png"], "--check=nowhere.png: no such file"),
        ({"G": {"a.weight": np.ones((4, 4, 3, 3), np.float32)}}, [], "holds no arrays by name"),
    ],
)
def test_what_does_not_belong_together_is_one_clear_line(files, flags, message, tmp_path, capsys):
    paths = [_safetensors(tmp_path / f"{name}.safetensors", state) for name, state in files.items()]
    assert _run(tmp_path / "run", paths, *flags) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error and not (tmp_path / "run").exists()


# The same numbers under other names, with biases that ours has not, and without some that ours has.


def _views(count=2):
    found = builtin.views("chairs2faces", "test", 32, (255, 255, 255), azimuths=(-75, 75))
    return found["x_A"][:count].astype(np.float32) / 127.5 - 1


def _outputs(path, name="G_AB", **assumed):
    workdir = path.parent / f"run{len(list(path.parent.iterdir()))}"
    flags = [f"--assume={','.join(f'{key}={value}' for key, value in assumed.items())}"] if assumed else []
    assert _run(workdir, [path], *flags) == 0
    model = gan_xla.load(workdir)
    module = nets.build(model.config.model.generator, "Generator", channels=3, **nets.common(model.config, None))
    params, stats = model.variables["gen"]
    net = params[name], stats.get(name, {})
    return np.asarray(jax.jit(lambda x: nets.apply(module, net, x, "running")[0])(_views()))


@pytest.mark.slow
def test_other_names_and_biases_that_change_nothing_give_equal_images(tmp_path):
    plain = ZOO["junyanz, batch norm"][0]
    with_biases = resnet(TENSOR, "batch", True)
    shifts = {
        key: value
        for key, value in with_biases.items()
        if key.endswith(".bias") and len(with_biases[key[:-5] + ".weight"].shape) == 4
    }
    renamed = dict(zip((key for key in with_biases if key not in shifts or key == "c7.bias"), plain.values()))
    renamed = {key: renamed.get(key, shifts.get(key)) for key in with_biases}
    for norm, conv in ((f"{places[1]}", places[0]) for places in TENSOR.values() if places[1]):
        renamed[f"{norm}.running_mean"] = renamed[f"{norm}.running_mean"] + shifts[f"{conv}.bias"]
    expected = _outputs(_safetensors(tmp_path / "plain.safetensors", plain))
    found = _outputs(_safetensors(tmp_path / "renamed.safetensors", renamed))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert expected.std() > 0.01


@pytest.mark.slow
def test_what_is_assumed_can_be_changed(tmp_path):
    path = _safetensors(tmp_path / "G.safetensors", ZOO["encoder, blocks, decoder, affine, no biases"][0])
    plain, zeros, turned = _outputs(path), _outputs(path, padding="zeros"), _outputs(path, order="bgr", output="linear")
    middle = np.s_[:, 14:18, 14:18]
    assert np.abs(plain - zeros).max() > 1e-3
    state = {key: value for key, value in ZOO["encoder, blocks, decoder, affine, no biases"][0].items()}
    first, last = "enc.0.conv.weight", "out.weight"
    state |= {first: state[first][:, ::-1], last: state[last][::-1]}
    flipped = _outputs(_safetensors(tmp_path / "flipped.safetensors", state), output="linear")
    np.testing.assert_array_equal(turned[middle], flipped[middle])


def test_a_picture_that_looks_wrong_is_told_of():
    x = np.random.default_rng(0).integers(40, 200, (32, 32, 3)).astype(np.uint8)
    assert checking.warnings(x, x) == []
    assert "at the ends of the range" in checking.warnings(x, np.where(x > 120, 255, 0).astype(np.uint8))[0]
    assert "its mean is" in checking.warnings(x, x // 8)[0]
    assert "nearly one colour" in checking.warnings(x, np.full_like(x, 120))[-1]


@pytest.mark.slow
def test_a_generator_that_somebody_published_gives_what_its_own_code_gives(tmp_path, capsys):
    spec = importlib.util.find_spec("vintagify")
    torch, data = pytest.importorskip("torch"), pytest.importorskip("skimage.data")
    if spec is None:
        pytest.skip("needs vintagify (pip install --no-deps vintagify==0.1.2)")
    root = Path(spec.submodule_search_locations[0])
    code = importlib.util.spec_from_file_location("vintagify_generator", root / "generator.py")
    theirs = importlib.util.module_from_spec(code)
    code.loader.exec_module(theirs)
    path = root / "resources" / "G_A2B_epoch33.pth"
    network = theirs.ResnetGenerator().eval()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    images.write(tmp_path / "coffee.png", data.coffee())
    assert _run(tmp_path / "run", [path], f"--check={tmp_path / 'coffee.png'}") == 0
    text = capsys.readouterr().out
    assert "model.26 convolution [3, 64, 7, 7]" in text and "norm=instance_affine" in text and "warning" not in text
    assert images.read(tmp_path / "run" / "check.png").shape == (400, 1200, 3)
    x = np.stack([photo()[:256, :256] for photo in (data.coffee, data.astronaut)])
    with torch.no_grad():
        y = network(torch.tensor(x / 127.5 - 1, dtype=torch.float32).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    model = gan_xla.load(tmp_path / "run")
    module = nets.build(model.config.model.generator, "Generator", channels=3, **nets.common(model.config, None))
    net = model.variables["gen"][0]["G_AB"], {}
    ours = jax.jit(lambda x: nets.apply(module, net, x, "running")[0])((x / 127.5 - 1).astype(np.float32))
    np.testing.assert_allclose(ours, y, rtol=0, atol=1e-4)
