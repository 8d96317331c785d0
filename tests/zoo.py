"""State_dicts as people have them: public layouts of networks by name and shape, with random numbers.

Layouts are facts recalled of public repositories; no code of theirs is here.
"""

import itertools

import numpy as np

WIDTH, BLOCKS = 16, 2


class Layout:
    """Names and shapes, in the order of a file."""

    def __init__(self, seed=0):
        self.shapes, self._draws = {}, np.random.default_rng(seed)

    def conv(self, name, o, i, k, bias=True, up=False):
        self.shapes[f"{name}.weight"] = (i, o, k, k) if up else (o, i, k, k)
        if bias:
            self.shapes[f"{name}.bias"] = (o,)

    def norm(self, name, c, kind):
        if kind in ("batch", "instance_affine"):
            self.shapes |= {f"{name}.weight": (c,), f"{name}.bias": (c,)}
        if kind in ("batch", "tracked"):
            self.shapes |= {f"{name}.running_mean": (c,), f"{name}.running_var": (c,)}
            self.shapes[f"{name}.num_batches_tracked"] = ()

    def state(self):
        def draw(key, shape):
            if key.endswith("num_batches_tracked"):
                return np.array(7, np.int64)
            x = self._draws.standard_normal(shape).astype(np.float32) * 0.1
            return np.abs(x) + 0.5 if key.endswith("running_var") else x

        return {key: draw(key, shape) for key, shape in self.shapes.items()}


# ResNets: (convolution's name, norm's name) by place.


def _numbered(first=1, block="conv_block", inner=(1, 5), out=3, step=3, prefix="model", resized=False):
    """One Sequential with reflections, ReLUs and, where resized, Upsample between."""
    down = [first + step * i for i in range(3)]
    res = down[-1] + 3
    up = [res + BLOCKS + (4 if resized else 3) * i + resized for i in range(2)]
    last = up[-1] + 3 + 1
    pair = lambda i: (f"{prefix}.{i}", f"{prefix}.{i + 1}")
    places = {("down", i): pair(number) for i, number in enumerate(down)}
    for i in range(BLOCKS):
        for j, number in enumerate(inner):
            places["res", i, j] = tuple(f"{prefix}.{res + i}.{block}.{number + k}" for k in range(2))
    return places | {("up", i): pair(number) for i, number in enumerate(up)} | {("out",): (f"{prefix}.{last}", "")}


def _named(down, res, up, out):
    """Templates of the four kinds of places, (convolution, norm) each."""
    places = {("down", i): tuple(name.format(i) for name in down) for i in range(3)}
    places |= {("res", i, j): tuple(name.format(i, j) for name in res) for i in range(BLOCKS) for j in range(2)}
    places |= {("up", i): tuple(name.format(i) for name in up) for i in range(2)}
    return places | {("out",): (out, "")}


def resnet(places, norm="instance", bias=True, up="transpose", kernel=3, takes=3, gives=3, blur=False):
    found, w = Layout(), WIDTH
    for i, (o, c, k) in enumerate([(w, takes, 7), (2 * w, w, kernel), (4 * w, 2 * w, kernel)]):
        conv, normed = places["down", i]
        found.conv(conv, o, c, k, bias)
        found.norm(normed, o, norm)
        if blur and i:
            found.shapes[f"{normed}_down.filt"] = (o, 1, 3, 3)
    for i in range(BLOCKS):
        for j in range(2):
            conv, normed = places["res", i, j]
            found.conv(conv, 4 * w, 4 * w, 3, bias)
            found.norm(normed, 4 * w, norm)
    for i, (o, c) in enumerate([(2 * w, 4 * w), (w, 2 * w)]):
        conv, normed = places["up", i]
        if blur:
            found.shapes[f"{conv}_up.filt"] = (c, 1, 4, 4)
        found.conv(conv, o, c, kernel, bias, up=up == "transpose")
        found.norm(normed, o, norm)
    found.conv(places["out",][0], gives, w, 7, bias or (norm == "batch" and kernel == 3))
    return found.state()


SEQUENTIAL = _numbered()
ERIK = _numbered(block="block", resized=True)
VINTAGE = _numbered(block="block")
ENCODER = _named(
    ("enc.{}.conv", "enc.{}.norm"),
    ("res_blocks.{}.conv{}", "res_blocks.{}.norm{}"),
    ("dec.{}.conv", "dec.{}.norm"),
    "out",
)
CAMEL = _named(("conv{}", "bn{}"), ("resblock{}.conv_{}", "resblock{}.bn_{}"), ("deconv{}", "bn_up{}"), "final_conv")
MODULES = _named(
    ("model.{}.conv", "model.{}.bn"),
    ("model.3.{}.block.{}.conv", "model.3.{}.block.{}.bn"),
    ("model.{}.up.conv", "model.{}.up.bn"),
    "model.99.conv",
)
TENSOR = _named(("c{}", "in{}"), ("r{}_c{}", "r{}_in{}"), ("u{}", "uin{}"), "c7")


# U-Nets, discriminators and the others.


def unet(levels=5, norm="batch", style="nested", bias=False, takes=3):
    found, widths = Layout(), [WIDTH * min(2**i, 8) for i in range(levels)]
    nested = lambda i: "model.model" + (".1.model" + ".3.model" * (i - 1) if i else "")
    for i, w in enumerate(widths):
        inner = 0 < i < levels - 1
        if style == "nested":
            conv, normed = (f"{nested(i)}.{0 if i == 0 else 1}", f"{nested(i)}.2")
        else:
            conv, normed = (f"down{i + 1}.conv", f"down{i + 1}.norm")
        found.conv(conv, w, widths[i - 1] if i else takes, 4, (bias and inner) or norm != "batch")
        if inner:
            found.norm(normed, w, norm)
    for i in reversed(range(1, levels)):
        o, c = widths[i - 1], widths[i] * (1 if i == levels - 1 else 2)
        if style == "nested":
            conv = f"{nested(i)}.{3 if i == levels - 1 else 5}"
            normed = f"{nested(i)}.{4 if i == levels - 1 else 6}"
        else:
            conv, normed = f"up{levels - i}.deconv", f"up{levels - i}.norm"
        found.conv(conv, o, c, 4, bias or norm != "batch", up=True)
        found.norm(normed, o, norm)
    found.conv("model.model.3" if style == "nested" else "last", 3, 2 * WIDTH, 4, True, up=True)
    return found.state()


def tutorial_unet():
    """A U-Net that ends with a convolution of what was doubled."""
    found, widths = Layout(), [WIDTH * min(2**i, 8) for i in range(6)]
    for i, w in enumerate(widths):
        found.conv(f"down{i + 1}.model.0", w, widths[i - 1] if i else 3, 4)
    for i in reversed(range(1, 6)):
        found.conv(f"up{6 - i}.model.0", widths[i - 1], widths[i] * (1 if i == 5 else 2), 4, True, up=True)
    found.conv("final.2", 3, 2 * WIDTH, 4)
    return found.state()


def patchgan(layers=3, norm="instance", name=lambda i: f"model.{0 if i == 0 else 3 * i - 1}", bias=None, takes=3):
    found, widths = Layout(), [WIDTH * min(2**i, 8) for i in range(layers + 1)]
    for i, w in enumerate(widths):
        inner = norm != "batch" if bias is None else bias
        found.conv(name(i), w, widths[i - 1] if i else takes, 4, inner or i == 0)
        if i:
            found.norm(f"{name(i)}_norm" if "." not in name(i) else f"{name(i)}.norm", w, norm)
    found.conv(name(layers + 1), 1, widths[-1], 4)
    return found.state()


def spectral(state, parametrized):
    """With spectral norm on every convolution, as either of PyTorch's functions saves it."""
    found, draws = {}, np.random.default_rng(1)
    for key, value in state.items():
        if value.ndim != 4:
            found[key] = value
            continue
        module = key.removesuffix(".weight")
        matrix = value.reshape(len(value), -1)
        u, _, v = np.linalg.svd(matrix, full_matrices=False)
        names = ("weight_orig", "weight_u", "weight_v")
        if parametrized:
            names = ("parametrizations.weight.original", *(f"parametrizations.weight.0._{x}" for x in "uv"))
        scaled = value * draws.uniform(1, 3)
        for name, array in zip(names, (scaled, u[:, 0], v[0])):
            found[f"{module}.{name}"] = array.astype(np.float32)
    return found


def discogan(size=64, bottleneck=0, name="main.{}", step=3):
    found, count = Layout(), size.bit_length() - 3
    widths = [WIDTH * min(2**i, 8) for i in range(count)]
    chain = [3, *widths, *([bottleneck] if bottleneck else []), *widths[::-1][(0 if bottleneck else 1) :], 3]
    downs, number = count + bool(bottleneck), 0
    for i, (c, o) in enumerate(itertools.pairwise(chain)):
        found.conv(name.format(number), o, c, 4, False, up=i >= downs)
        last = i == len(chain) - 2
        if i and not last:
            found.norm(name.format(number + 1), o, "batch")
        number += 2 if i == 0 else step
    return found.state()


def judge(size=64, names=("conv{}", "bn{}")):
    found, count = Layout(), size.bit_length() - 3
    for i in range(count):
        w = WIDTH * min(2**i, 8)
        found.conv(names[0].format(i + 1), w, WIDTH * min(2 ** (i - 1), 8) if i else 3, 4, False)
        if i:
            found.norm(names[1].format(i + 1), w, "batch")
    found.conv(names[0].format(count + 1), 1, w, 4, False)
    return found.state()


def dcgan(size=64, latent=100, names=("main.{}", "main.{}")):
    found, count = Layout(), size.bit_length() - 3
    chain = [latent, *(WIDTH * min(2**i, 8) for i in reversed(range(count))), 3]
    for i, (c, o) in enumerate(itertools.pairwise(chain)):
        found.conv(names[0].format(3 * i), o, c, 4, False, up=True)
        if i < len(chain) - 2:
            found.norm(names[1].format(3 * i + 1), o, "batch")
    return found.state()


def stargan_judge(labels=5, layers=4, name="main.{}", heads=("conv1", "conv2")):
    found = Layout()
    for i in range(layers):
        found.conv(name.format(2 * i), WIDTH * 2**i, WIDTH * 2 ** (i - 1) if i else 3, 4)
    found.conv(heads[0], 1, WIDTH * 2 ** (layers - 1), 3, False)
    found.conv(heads[1], labels, WIDTH * 2 ** (layers - 1), 4, False)
    return found.state()


# By name: (state_dict, the net of ours, fields that must be found).
ZOO = {
    "junyanz": (resnet(SEQUENTIAL), "resnet", {"norm": "instance", "blocks": BLOCKS}),
    "junyanz, batch norm": (resnet(SEQUENTIAL, "batch", False), "resnet", {"norm": "batch"}),
    "junyanz, old instance norm": (resnet(SEQUENTIAL, "tracked"), "resnet", {"norm": "instance"}),
    "no biases": (resnet(SEQUENTIAL, bias=False), "resnet", {"norm": "instance"}),
    "vintagify": (resnet(VINTAGE, "instance_affine"), "resnet", {"norm": "instance_affine"}),
    "resized": (resnet(ERIK, up="resize"), "resnet", {"upsample": "resize"}),
    "resized, affine": (resnet(ERIK, "instance_affine", up="resize"), "resnet", {"upsample": "resize"}),
    "encoder, blocks, decoder": (resnet(ENCODER), "resnet", {}),
    "encoder, blocks, decoder, affine, no biases": (resnet(ENCODER, "instance_affine", False), "resnet", {}),
    "all in one class": (resnet(CAMEL, "batch"), "resnet", {"norm": "batch"}),
    "all in one class, affine": (resnet(CAMEL, "instance_affine"), "resnet", {"norm": "instance_affine"}),
    "modules of modules": (resnet(MODULES), "resnet", {}),
    "modules of modules, batch norm": (resnet(MODULES, "batch", False), "resnet", {"norm": "batch"}),
    "ported from TensorFlow": (resnet(TENSOR, "instance_affine"), "resnet", {}),
    "grey": (resnet(ENCODER, takes=1, gives=1), "resnet", {}),
    "CUT": (resnet(SEQUENTIAL, up="resize", blur=True), "resnet", {"antialias": True, "upsample": "blur"}),
    "StarGAN": (resnet(SEQUENTIAL, "instance_affine", False, kernel=4, takes=8), "stargan", {"blocks": BLOCKS}),
    "StarGAN, old": (resnet(VINTAGE, "batch", False, kernel=4, takes=8), "stargan", {"blocks": BLOCKS}),
    "StarGAN, by name": (resnet(ENCODER, "instance_affine", False, kernel=4, takes=5), "stargan", {}),
    "StarGAN's judge": (stargan_judge(), "stargan", {"layers": 4}),
    "StarGAN's judge, by name": (stargan_judge(3, 3, "layers.{}", ("src", "cls")), "stargan", {"layers": 3}),
    "U-Net": (unet(), "unet_pix2pix", {"norm": "batch"}),
    "U-Net, instance norm": (unet(norm="instance"), "unet_pix2pix", {"norm": "instance"}),
    "U-Net by name": (unet(style="named"), "unet_pix2pix", {}),
    "U-Net by name, affine": (unet(6, "instance_affine", "named"), "unet_pix2pix", {}),
    "U-Net by name, biases before batch norm": (unet(style="named", bias=True), "unet_pix2pix", {"norm": "batch"}),
    "U-Net that ends with a convolution": (tutorial_unet(), "unet_discogan", {}),
    "PatchGAN": (patchgan(), "patchgan", {"layers": 3, "norm": "instance"}),
    "PatchGAN, batch norm": (patchgan(norm="batch", takes=6), "patchgan", {"norm": "batch"}),
    "PatchGAN by name": (patchgan(2, name="conv{}".format), "patchgan", {"layers": 2}),
    "PatchGAN, affine": (patchgan(4, "instance_affine", "layer{}".format), "patchgan", {"layers": 4}),
    "PatchGAN, spectral norm": (spectral(patchgan(), False), "patchgan", {}),
    "PatchGAN, spectral norm, parametrized": (spectral(patchgan(), True), "patchgan", {}),
    "DiscoGAN": (discogan(), "encoder_decoder", {"bottleneck": None}),
    "DiscoGAN, bottleneck": (discogan(bottleneck=100), "encoder_decoder", {"bottleneck": 100}),
    "DiscoGAN, 128 pixels, by name": (discogan(128, name="net.{}", step=4), "encoder_decoder", {}),
    "DiscoGAN's judge": (judge(), "encoder_decoder", {}),
    "DCGAN": (dcgan(), "dcgan", {}),
    "DCGAN by name": (dcgan(32, 64, ("up{}.deconv", "up{}.bn")), "dcgan", {}),
    "DCGAN's judge": (judge(64, ("main.{}.conv", "main.{}.bn")), "encoder_decoder", {}),
}
