"""State_dicts of PGGANs, U-GAT-ITs, MUNITs and StarGANs v2 under the names of published code, with random numbers.

Names and shapes are facts; no code of theirs is here.
"""

import itertools

from zoo import WIDTH, Layout, spectral


class _Growing(Layout):
    def layer(self, name, o, i, k=0, up=False):
        """Linear where k is 0."""
        self.shapes[f"{name}.weight"] = ((i, o, k, k) if up else (o, i, k, k)) if k else (o, i)
        self.shapes[f"{name}.bias"] = (o,)


WIDTHS, LATENT = (16, 16, 8), 12


def gan_zoo(role, end=".module", labels=0, deviations=True):
    found, first = _Growing(), WIDTHS[0]
    rgb, own = ("toRGBLayers", "formatLayer") if role == "generator" else ("fromRGBLayers", "decisionLayer")
    for i, (a, b) in enumerate(itertools.pairwise(WIDTHS)):
        pairs = [(b, a), (b, b)] if role == "generator" else [(b, b), (a, b)]
        for j, (o, c) in enumerate(pairs):
            found.layer(f"scaleLayers.{i}.{j}{end}", o, c, 3)
    for i, width in enumerate(WIDTHS):
        found.layer(f"{rgb}.{i}{end}", *((3, width) if role == "generator" else (width, 3)), 1)
    if role == "generator":
        found.layer(f"{own}{end}", 16 * first, LATENT)
        found.layer(f"groupScale0.0{end}", first, first, 3)
    else:
        found.layer(f"{own}{end}", 1 + labels, first)
        found.layer(f"groupScaleZero.0{end}", first, first + deviations, 3)
        found.layer(f"groupScaleZero.1{end}", first, 16 * first)
    return found.state()


def pro_gan(role, widths=WIDTHS):
    found, last = _Growing(), len(widths) - 1
    for i, width in enumerate(widths):
        if role == "generator":
            found.layer(f"layers.{i}.conv_1", width, widths[i - 1] if i else LATENT, 3 if i else 4, up=not i)
            found.layer(f"layers.{i}.conv_2", width, width, 3)
            found.layer(f"rgb_converters.{i}", 3, width, 1)
        else:
            at = last - i
            found.layer(f"layers.{at}.conv_1", width, width + (not i), 3)
            found.layer(f"layers.{at}.conv_2", widths[i - 1] if i else width, width, 3 if i else 4)
            found.layer(f"from_rgb.{at}.0", width, 3, 1)
    if role == "discriminator":
        found.layer(f"layers.{last}.conv_3", 1, widths[0], 1)
    return found.state()


def ugatit(light=False, size=32, blocks=2):
    found, w = Layout(), 4 * WIDTH
    for name in ("gap_fc", "gmp_fc"):
        found.shapes[f"{name}.weight"] = (1, w)
    found.conv("conv1x1", w, 2 * w, 1)
    for name in ("gamma", "beta", "FC.2"):
        found.shapes[f"{name}.weight"] = (w, w)
    found.shapes["FC.0.weight"] = (w, w if light else w * (size // 4) ** 2)
    for i in range(blocks):
        for j in (1, 2):
            found.conv(f"UpBlock1_{i + 1}.conv{j}", w, w, 3, False)
            found.shapes[f"UpBlock1_{i + 1}.norm{j}.rho"] = (1, w, 1, 1)
            found.conv(f"DownBlock.{12 + i}.conv_block.{4 * j - 3}", w, w, 3, False)
    for i, o, c, k in ((1, WIDTH, 3, 7), (5, 2 * WIDTH, WIDTH, 3), (9, w, 2 * WIDTH, 3)):
        found.conv(f"DownBlock.{i}", o, c, k, False)
    for i, o, c in ((2, 2 * WIDTH, w), (7, WIDTH, 2 * WIDTH)):
        found.conv(f"UpBlock2.{i}", o, c, 3, False)
        found.shapes |= {f"UpBlock2.{i + 1}.{name}": (1, o, 1, 1) for name in ("rho", "gamma", "beta")}
    found.conv("UpBlock2.11", 3, WIDTH, 7, False)
    return found.state()


def ugatit_judge(layers=3, parametrized=False):
    found, c = Layout(), 3
    for i in range(layers + 1):
        found.conv(f"model.{1 + 3 * i}", WIDTH * 2**i, c, 4)
        c = WIDTH * 2**i
    found.conv("conv", 1, c, 4, False)
    for name in ("gap_fc", "gmp_fc"):
        found.conv(name, 1, c, 1, False)  # with spectral norm, as convolutions have it
    state = spectral(found.state(), parametrized)
    linear = [key for key in state if "_fc." in key and key.endswith(("_orig", "original"))]
    state |= {key: state[key].reshape(1, c) for key in linear}
    last = Layout(1)
    last.conv("conv1x1", c, 2 * c, 1)
    return state | last.state()


STYLE, HIDDEN, LAYERS = 3, 12, 2


def autoencoder(style=STYLE, averages=False):
    """UNIT's without a style; `averages`: of every instance norm."""
    found, content, w = Layout(), "enc_content" if style else "enc", WIDTH * 2**LAYERS

    def residual(name, kept):
        for i, j in itertools.product(range(2), range(2)):
            found.conv(f"{name}.model.{i}.model.{j}.conv", w, w, 3)
            found.norm(f"{name}.model.{i}.model.{j}.norm", w, "tracked" if kept else "instance")

    for part, kernel_layers in ((content, LAYERS), ("enc_style", 4)) if style else ((content, LAYERS),):
        c = 3
        for i in range(kernel_layers + 1):
            o = WIDTH * 2 ** min(i, 2)
            found.conv(f"{part}.model.{i}.conv", o, c, 4 if i else 7)
            found.norm(f"{part}.model.{i}.norm", o, "tracked" if averages and part == content else "instance")
            c = o
    residual(f"{content}.model.{LAYERS + 1}", averages)
    residual("dec.model.0", bool(style) or averages)
    for i, o in enumerate((2 * WIDTH, WIDTH)):
        found.conv(f"dec.model.{2 * i + 2}.conv", o, 2 * o, 5)
        found.shapes |= {f"dec.model.{2 * i + 2}.norm.{name}": (o,) for name in ("gamma", "beta")}
    found.conv(f"dec.model.{2 * LAYERS + 1}.conv", 3, WIDTH, 7)
    if style:
        found.conv("enc_style.model.6", style, 4 * WIDTH, 1)
        for i, (o, c) in enumerate(((HIDDEN, style), (HIDDEN, HIDDEN), (8 * w, HIDDEN))):
            found.shapes |= {f"mlp.model.{i}.fc.weight": (o, c), f"mlp.model.{i}.fc.bias": (o,)}
    return found.state()


def scaled_judge(layers=3, scales=2):
    found = Layout()
    for scale in range(scales):
        for i in range(layers):
            found.conv(f"cnns.{scale}.{i}.conv", WIDTH * 2**i, WIDTH * 2 ** (i - 1) if i else 3, 4)
        found.conv(f"cnns.{scale}.{layers}", 1, WIDTH * 2 ** (layers - 1), 1)
    return found.state()


class _Starred(_Growing):
    def block(self, name, o, i, norms=(), style=0):
        self.conv(f"{name}.conv1", o if style else i, i, 3)
        self.conv(f"{name}.conv2", o, o if style else i, 3)
        for number, width in enumerate(norms, 1):
            if style:
                self.layer(f"{name}.norm{number}.fc", 2 * width, style)
            else:
                self.norm(f"{name}.norm{number}", width, "instance_affine")
        if o != i:
            self.conv(f"{name}.conv1x1", o, i, 1, False)

    def trunk(self, name, widths):
        self.conv(f"{name}.0", widths[0], 3, 3)
        for number, (i, o) in enumerate(itertools.pairwise(widths), 1):
            self.block(f"{name}.{number}", o, i)
        self.conv(f"{name}.{len(widths) + 1}", widths[-1], widths[-1], 4)
        return len(widths) + 3


def star_generator(widths=(16, 32)):
    found, last = _Starred(), widths[-1]
    pairs = [*itertools.pairwise(widths), (last, last), (last, last)]
    found.conv("from_rgb", widths[0], 3, 3)
    for number, (i, o) in enumerate(pairs):
        found.block(f"encode.{number}", o, i, (i, i))
        found.block(f"decode.{len(pairs) - 1 - number}", i, o, (o, i), STYLE)
    found.norm("to_rgb.0", widths[0], "instance_affine")
    found.conv("to_rgb.2", 3, widths[0], 1)
    return found.state()


def star_mapping(domains=2):
    found = _Growing()
    for i in range(4):
        found.layer(f"shared.{2 * i}", HIDDEN, HIDDEN if i else LATENT)
        for domain in range(domains):
            found.layer(f"unshared.{domain}.{2 * i}", STYLE if i == 3 else HIDDEN, HIDDEN)
    return found.state()


def star_encoder(widths=(16, 24, 24), domains=2):
    found = _Starred()
    found.trunk("shared", widths)
    for domain in range(domains):
        found.layer(f"unshared.{domain}", STYLE, widths[-1])
    return found.state()


def star_judge(widths=(16, 24, 24), domains=2):
    found = _Starred()
    found.conv(f"main.{found.trunk('main', widths)}", domains, widths[-1], 1)
    return found.state()


def stars():
    return {
        "generator": star_generator(),
        "mapping_network": star_mapping(),
        "style_encoder": star_encoder(),
        "discriminator": star_judge(),
    }


# By name: networks of a run by their places in a file, our names, the method.
NAMED = {
    "pytorch_GAN_zoo": (
        {"netG": gan_zoo("generator"), "avgG": gan_zoo("generator"), "netD": gan_zoo("discriminator")},
        {"G", "D"},
        "pggan",
    ),
    "pytorch_GAN_zoo, old names": ({"avgG": gan_zoo("generator", "")}, {"G"}, "pggan"),
    "pytorch_GAN_zoo, DataParallel": (
        {"netG": {f"module.{key}": value for key, value in gan_zoo("generator").items()}},
        {"G"},
        "pggan",
    ),
    "pro_gan_pytorch": (
        {"shadow_generator": pro_gan("generator"), "discriminator": pro_gan("discriminator")},
        {"G", "D"},
        "pggan",
    ),
    "pro_gan_pytorch, to 4 pixels": ({"generator": pro_gan("generator", (16,))}, {"G"}, "pggan"),
    "U-GAT-IT": (
        {
            **{name: ugatit() for name in ("genA2B", "genB2A")},
            **{f"disG{x}": ugatit_judge(3) for x in "AB"},
            **{f"disL{x}": ugatit_judge(1) for x in "AB"},
        },
        {"G_AB", "G_BA", "D_A", "D_B"},
        "ugatit",
    ),
    "U-GAT-IT, light": ({"genB2A": ugatit(light=True)}, {"G_BA"}, "ugatit"),
    "U-GAT-IT, parametrized": (
        {"genA2B": ugatit(), "disGB": ugatit_judge(3, True), "disLB": ugatit_judge(1, True)},
        {"G_AB", "D_B"},
        "ugatit",
    ),
    "MUNIT": (
        {"gen_a": autoencoder(), "gen_b": autoencoder(), "dis_a": scaled_judge(), "dis_b": scaled_judge()},
        {"G_A", "G_B", "D_A", "D_B"},
        "munit",
    ),
    "MUNIT, averages": (
        {"gen_a": autoencoder(averages=True), "gen_b": autoencoder(averages=True)},
        {"G_A", "G_B"},
        "munit",
    ),
    "UNIT": (
        {"gen_a": autoencoder(0), "gen_b": autoencoder(0), "dis_b": scaled_judge(4, 3)},
        {"G_A", "G_B", "D_B"},
        "unit",
    ),
    "StarGAN v2": (stars(), {"G", "F", "E", "D"}, "starganv2"),
    "StarGAN v2, DataParallel": (
        {name: {f"module.{key}": value for key, value in state.items()} for name, state in stars().items()},
        {"G", "F", "E", "D"},
        "starganv2",
    ),
    "StarGAN v2, the average": (
        {name: state for name, state in stars().items() if name != "discriminator"},
        {"G", "F", "E"},
        "starganv2",
    ),
}
