"""Independent PyTorch networks in the authors' published layouts, written from the papers, and what
turns their parameters into ours. Imported by the parity tests, which need the extra `parity`."""

import itertools

import jax.numpy as jnp
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

NORMS = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}


class Residual(nn.Module):
    def __init__(self, width, norm, dropout):
        super().__init__()

        def half():
            return nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=norm != "batch"), NORMS[norm](width)

        self.conv_block = nn.Sequential(*half(), nn.ReLU(), *[nn.Dropout(0.5)] * dropout, *half())

    def forward(self, x):
        return x + self.conv_block(x)


class ResNet(nn.Module):
    """ResNet generator, [n, 3, h, w] -> [n, 3, h, w]."""

    def __init__(self, width, blocks, norm, dropout, upsample="transpose"):
        super().__init__()
        bias = norm != "batch"
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7, bias=bias), NORMS[norm](width), nn.ReLU()]
        for c in (width, 2 * width):
            layers += [nn.Conv2d(c, 2 * c, 3, 2, 1, bias=bias), NORMS[norm](2 * c), nn.ReLU()]
        layers += [Residual(4 * width, norm, dropout) for _ in range(blocks)]
        for c in (2 * width, width):
            if upsample == "transpose":
                layers += [nn.ConvTranspose2d(2 * c, c, 3, 2, 1, 1, bias=bias)]
            else:
                layers += [nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), nn.Conv2d(2 * c, c, 3, bias=bias)]
            layers += [NORMS[norm](c), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())

    def forward(self, x):
        return self.model(x)


class Level(nn.Module):
    """Levels `i` to the innermost one of a U-Net, with the skip around them."""

    def __init__(self, widths, i):
        super().__init__()
        outer, inner, innermost = widths[i - 1], widths[i], i == len(widths) - 1
        layers = [nn.LeakyReLU(0.2), nn.Conv2d(outer, inner, 4, 2, 1, bias=False)]
        if not innermost:
            layers += [nn.BatchNorm2d(inner), Level(widths, i + 1)]
        up = nn.ConvTranspose2d(inner if innermost else 2 * inner, outer, 4, 2, 1, bias=False)
        layers += [nn.ReLU(), up, nn.BatchNorm2d(outer)]
        self.model = nn.Sequential(*layers, *[nn.Dropout(0.5)] * (outer == inner and not innermost))

    def forward(self, x):
        return torch.cat([x, self.model(x)], 1)


class UNet(nn.Module):
    """U-Net generator with batch norm, [n, 3, h, w] -> [n, 3, h, w]."""

    def __init__(self, width, levels):
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(levels)]
        up = nn.ConvTranspose2d(2 * width, 3, 4, 2, 1)
        self.model = nn.Module()  # the outermost level, which has no skip
        self.model.model = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1, bias=False), Level(widths, 1), nn.ReLU(), up, nn.Tanh()
        )

    def forward(self, x):
        return self.model.model(x)


class StarGenerator(nn.Module):
    """StarGAN's generator, [n, 3 + labels, h, w] -> [n, 3, h, w]."""

    def __init__(self, width, blocks, labels):
        super().__init__()

        def norm(c):
            return nn.InstanceNorm2d(c, affine=True, track_running_stats=True)

        def block(c):
            block = nn.Module()
            half = lambda: (nn.Conv2d(c, c, 3, 1, 1, bias=False), norm(c))  # noqa: E731
            block.main = nn.Sequential(*half(), nn.ReLU(), *half())
            block.forward = lambda x: x + block.main(x)
            return block

        layers = [nn.Conv2d(3 + labels, width, 7, 1, 3, bias=False), norm(width), nn.ReLU()]
        for c in (width, 2 * width):
            layers += [nn.Conv2d(c, 2 * c, 4, 2, 1, bias=False), norm(2 * c), nn.ReLU()]
        layers += [block(4 * width) for _ in range(blocks)]
        for c in (2 * width, width):
            layers += [nn.ConvTranspose2d(2 * c, c, 4, 2, 1, bias=False), norm(c), nn.ReLU()]
        self.main = nn.Sequential(*layers, nn.Conv2d(width, 3, 7, 1, 3, bias=False), nn.Tanh())

    def forward(self, x):
        return self.main(x)


class StarDiscriminator(nn.Module):
    """StarGAN's discriminator, [n, 3, size, size] -> ([n, 1, h, h], [n, labels])."""

    def __init__(self, width, layers, labels, size):
        super().__init__()
        widths = [3, *(width * 2**i for i in range(layers))]
        main = [(nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.01)) for a, b in itertools.pairwise(widths)]
        self.main = nn.Sequential(*itertools.chain(*main))
        self.conv1 = nn.Conv2d(widths[-1], 1, 3, 1, 1, bias=False)
        self.conv2 = nn.Conv2d(widths[-1], labels, size // 2**layers, bias=False)

    def forward(self, x):
        x = self.main(x)
        return self.conv1(x), self.conv2(x)[:, :, 0, 0]


class PatchGAN(nn.Module):
    """Discriminator of patches, [n, c, h, w] -> [n, 1, h', w']."""

    def __init__(self, width, layers, norm, channels=3):
        super().__init__()
        k, p = (4, 1) if layers else (1, 0)
        widths = [width * min(2**i, 8) for i in range(layers + 1 if layers else 2)]
        model = [nn.Conv2d(channels, width, k, 2 if layers else 1, p), nn.LeakyReLU(0.2)]
        for i, (a, b) in enumerate(itertools.pairwise(widths), 1):
            model += [nn.Conv2d(a, b, k, 2 if i < layers else 1, p, bias=norm != "batch"), NORMS[norm](b)]
            model += [nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*model, nn.Conv2d(widths[-1], 1, k, 1, p))

    def forward(self, x):
        return self.model(x)


def flax_variables(model) -> tuple[dict, dict]:
    """PyTorch's parameters and statistics under the names that Flax gives to the same layers in the same order."""
    params, stats, counts = {}, {}, {}
    for layer in model.modules():
        kinds = {nn.Conv2d: "Conv", nn.ConvTranspose2d: "ConvTranspose", nn.BatchNorm2d: "Norm"}
        kind = kinds.get(type(layer), "Norm" if isinstance(layer, nn.InstanceNorm2d) and layer.affine else None)
        if kind is None:
            continue
        name = f"{kind}_{counts.setdefault(kind, 0)}"
        counts[kind] += 1
        value = {name: jnp.array(tensor.numpy()) for name, tensor in layer.state_dict().items()}
        if kind == "Norm":
            affine = {"scale": value["weight"], "bias": value["bias"]}
            params[name] = {f"{type(layer).__name__.removesuffix('2d')}_0": affine}
            if isinstance(layer, nn.InstanceNorm2d):  # tracks averages, and never uses them
                continue
            stats[name] = {"BatchNorm_0": {"mean": value["running_mean"], "var": value["running_var"]}}
            continue
        weight = value.pop("weight")
        kernel = weight.transpose(2, 3, 1, 0) if kind == "Conv" else weight.transpose(2, 3, 0, 1)[::-1, ::-1]
        params[name] = {"kernel": kernel, **value}
    return params, stats
