"""UNIT and MUNIT in plain PyTorch: the reference for speed and for numerical parity.

Networks of Huang et al., "Multimodal Unsupervised Image-to-Image Translation" (2018), and without styles of Liu et al.,
"Unsupervised Image-to-Image Translation Networks" (2017), in the authors' published layout, written from the papers.
"""

import itertools

import ml_collections
import torch
from torch import nn
from torch.nn import functional as F

from experiments.benchmarks import torch_common
from experiments.benchmarks.torch_common import least_squares

WAYS = (("A", "B"), ("B", "A"))


class LayerNorm(nn.Module):
    """Of an image's whole maps, with a scale and a bias for each map."""

    def __init__(self, width):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.rand(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x):
        return F.layer_norm(x, x.shape[1:]) * self.gamma[:, None, None] + self.beta[:, None, None]


class AdaptiveNorm(nn.Module):
    """Instance norm, then a style's numbers; the running averages are in the published files, and never used."""

    def __init__(self, width):
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x, bias, scale):
        return F.instance_norm(x) * scale[:, :, None, None] + bias[:, :, None, None]


class Layer(nn.Module):
    """Padding by reflection, a convolution, a norm and what follows."""

    def __init__(self, i, o, kernel, stride=1, norm=None, active=F.relu):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(i, o, kernel, stride), norm
        self._pad, self._active = [(kernel - stride + 1) // 2] * 4, active

    def forward(self, x, *style):
        x = self.conv(F.pad(x, self._pad, mode="reflect"))
        x = self.norm(x, *style) if self.norm else x
        return self._active(x) if self._active else x


class Residual(nn.Module):
    def __init__(self, width, norm):
        super().__init__()
        self.model = nn.ModuleList([Layer(width, width, 3, 1, norm(width), active) for active in (F.relu, None)])

    def forward(self, x, first=(), second=()):
        return x + self.model[1](self.model[0](x, *first), *second)


class Residuals(nn.Module):
    def __init__(self, count, width, norm):
        super().__init__()
        self.model = nn.ModuleList([Residual(width, norm) for _ in range(count)])

    def forward(self, x, numbers=None):
        """`numbers`: of the norms, [n, 2 blocks, 2, c]."""
        styles = [()] * (2 * len(self.model)) if numbers is None else [norm.unbind(1) for norm in numbers.unbind(1)]
        for block, *style in zip(self.model, styles[::2], styles[1::2]):
            x = block(x, *style)
        return x


class Content(nn.Module):
    def __init__(self, width, layers, blocks):
        super().__init__()
        model = [Layer(3, width, 7, norm=nn.InstanceNorm2d(width))]
        for c in (width * 2**i for i in range(layers)):
            model.append(Layer(c, 2 * c, 4, 2, nn.InstanceNorm2d(2 * c)))
        self.model = nn.Sequential(*model, Residuals(blocks, width * 2**layers, nn.InstanceNorm2d))

    def forward(self, x):
        return self.model(x)


class Style(nn.Module):
    def __init__(self, width, layers, style):
        super().__init__()
        widths = [width * 2 ** min(i, 2) for i in range(layers + 1)]
        model = [Layer(3, width, 7), *(Layer(a, b, 4, 2) for a, b in itertools.pairwise(widths))]
        self.model = nn.Sequential(*model, nn.AdaptiveAvgPool2d(1), nn.Conv2d(widths[-1], style, 1))

    def forward(self, x):
        return self.model(x)[:, :, 0, 0]


class Decoder(nn.Module):
    def __init__(self, width, layers, blocks, norm):
        super().__init__()
        model = [Residuals(blocks, width * 2**layers, norm)]
        for c in (width * 2**i for i in reversed(range(layers))):
            model += [nn.Upsample(scale_factor=2), Layer(2 * c, c, 5, norm=LayerNorm(c))]
        self.model = nn.ModuleList([*model, Layer(width, 3, 7, active=torch.tanh)])

    def forward(self, x, numbers=None):
        blocks, *rest = self.model
        x = blocks(x, numbers)
        for layer in rest:
            x = layer(x)
        return x


class Perceptron(nn.Module):
    """A style's code -> numbers of the decoder's norms, [n, norms, 2, c], biases first."""

    def __init__(self, style, hidden, norms, width):
        super().__init__()
        sizes = [style, hidden, hidden, 2 * norms * width]
        self.model = nn.ModuleList([nn.ModuleDict({"fc": nn.Linear(*pair)}) for pair in itertools.pairwise(sizes)])
        self._shape = norms, 2, width

    def forward(self, x):
        first, second, last = (layer["fc"] for layer in self.model)
        return last(F.relu(second(F.relu(first(x))))).reshape(-1, *self._shape)


class Generator(nn.Module):
    """The autoencoder of a domain, [n, 3, h, w]; without styles UNIT's, whose encoder has another name."""

    def __init__(self, width, layers, blocks, style, style_layers, hidden):
        super().__init__()
        content, inner = Content(width, layers, blocks), width * 2**layers
        if style:
            self.enc_style, self.enc_content = Style(width, style_layers, style), content
            self.mlp = Perceptron(style, hidden, 2 * blocks, inner)
        else:
            self.enc = content
        self.dec = Decoder(width, layers, blocks, AdaptiveNorm if style else nn.InstanceNorm2d)

    def content(self, x):
        return (self.enc_content if hasattr(self, "mlp") else self.enc)(x)

    def decode(self, content, style=None):
        return self.dec(content) if style is None else self.dec(content, self.mlp(style))


class Discriminator(nn.Module):
    """[n, 3, h, w] -> logits of each scale."""

    def __init__(self, width, layers, scales):
        super().__init__()
        widths = [3, *(width * 2**i for i in range(layers))]

        def make():
            model = [Layer(a, b, 4, 2, active=lambda x: F.leaky_relu(x, 0.2)) for a, b in itertools.pairwise(widths)]
            return nn.Sequential(*model, nn.Conv2d(widths[-1], 1, 1))

        self.cnns = nn.ModuleList([make() for _ in range(scales)])

    def forward(self, x):
        logits = []
        for scale, model in enumerate(self.cnns):
            x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False) if scale else x
            logits.append(model(x))
        return logits


class Trainer(torch_common.Trainer):
    """D's update on translations, then G's against the new D on others; what is drawn for them by name is theirs."""

    def __init__(self, generators, discriminators, config: ml_collections.ConfigDict, setup: torch_common.Setup):
        super().__init__(generators, discriminators, config, setup)
        for net in self.generators.values() if setup.compiled else ():
            for part in net.children():  # which are called, not the whole
                part.compile()
        self._loss, self._style = config.loss, config.model.generator.style
        self._coders = {name[-1]: net for name, net in self.generators.items()}
        self._judges = {name[-1]: net for name, net in self.discriminators.items()}

    def _translate(self, a, b, x, drawn):
        """((code, style or None) for the decoder of b, the content of x), in domain a."""
        content = self._coders[a].content(x)
        if self._style:
            name, shape = f"s_{b}", (len(x), self._style)
        else:
            name, shape = f"z_{a}", content.shape
        noise = drawn[name] if drawn else torch.randn(shape, device=x.device, dtype=x.dtype)
        return (content, noise) if self._style else (content + noise, None), content

    def _munit(self, a, b, x, drawn):
        """(the translation, the loss but for the adversarial term) of x, in domain a."""
        coder, other, loss = self._coders[a], self._coders[b], self._loss
        (content, style), _ = self._translate(a, b, x, drawn)
        own, made = coder.enc_style(x), other.decode(content, style)
        again, read = other.content(made), other.enc_style(made)
        total = loss.lambda_x * F.l1_loss(coder.decode(content, own), x)
        total = total + loss.lambda_c * F.l1_loss(again, content) + loss.lambda_s * F.l1_loss(read, style)
        if loss.lambda_cycle:
            total = total + loss.lambda_cycle * F.l1_loss(coder.decode(again, own), x)
        return made, total

    def _unit(self, a, b, x, drawn):
        """As `_munit`."""
        coder, other, loss = self._coders[a], self._coders[b], self._loss
        (code, _), mean = self._translate(a, b, x, drawn)
        made = other.decode(code)
        again = other.content(made)
        noise = drawn[f"z_{a}{b}"] if drawn else torch.randn_like(again)
        total = loss.lambda_x * F.l1_loss(coder.decode(code), x) + loss.lambda_kl * mean.square().mean()
        total = total + loss.lambda_kl_cycle * again.square().mean()
        return made, total + loss.lambda_cycle * F.l1_loss(coder.decode(again + noise), x)

    def step(self, a: torch.Tensor, b: torch.Tensor, codes: tuple[dict, dict] | None = None):
        """`codes`: what is added to codes, or styles, of D's turn and of G's by name; None to draw them."""
        x, (for_d, for_g) = {"A": a, "B": b}, codes or (None, None)
        with self._autocast():
            d_loss = 0
            for a, b in WAYS:
                with torch.no_grad():
                    fake = self._coders[b].decode(*self._translate(a, b, x[a], for_d)[0])
                for image, wanted in ((x[b], 1), (fake, 0)):
                    d_loss = d_loss + sum(least_squares(logits, wanted) for logits in self._judges[b](image))
            d_loss = self._loss.disc_weight * d_loss
        d_loss = self._learn(self._adam_d, d_loss)
        way = self._munit if self._style else self._unit
        with self._gen_turn():
            g_loss = 0
            for a, b in WAYS:
                fake, terms = way(a, b, x[a], for_g)
                fooled = sum(least_squares(logits, 1) for logits in self._judges[b](fake))
                g_loss = g_loss + self._loss.gan_weight * fooled + terms
        return d_loss, self._learn(self._adam_g, g_loss)


def trainer(config: ml_collections.ConfigDict, setup: torch_common.Setup) -> Trainer:
    """For a config such as configs/munit.py or configs/unit.py."""
    gen, disc = config.model.generator, config.model.discriminator
    sizes = gen.width, gen.layers, gen.blocks, gen.style, gen.style_layers, gen.hidden
    generators = {f"G_{domain}": Generator(*sizes) for domain in "AB"}
    discriminators = {f"D_{domain}": Discriminator(disc.width, disc.layers, disc.scales) for domain in "AB"}
    return Trainer(generators, discriminators, config, setup)
