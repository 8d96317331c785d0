"""Which of our networks a list of convolutions could be, by how it begins and ends."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gan_xla.published import junyanz, sktbrain, yunjey
from gan_xla.published.layout import CONV, NORM, UP, Network

Shapes = Sequence[tuple[int, ...]]  # of kernels, as PyTorch has them


class Guess(NamedTuple):
    """What a list of layers could be.

    Attributes:
      title: in messages.
      network: of ours.
      kinds: CONV, UP and NORM in the order in which they run.
      blurs: whether resampling layers with fixed filters belong to it.
    """

    title: str
    network: Network
    kinds: list[str]
    blurs: bool = False


def guesses(shapes: Shapes, norm: str, blurs: bool) -> Iterator[Guess]:
    """What a list of kernels could be; `norm`: the kind of `blocks.Norm`; `blurs`: whether filters stand between."""
    if len(shapes) < 3 or any(len(shape) != 4 for shape in shapes):
        return
    for guess in (_resnet, _unet, _resized_unet, _encoder_decoder, _dcgan, _patchgan, _judge, _stargan_judge):
        yield from guess(shapes, norm, blurs)


def _generator(title: str, net: str, shape: Sequence[int], takes: int, kinds: list[str], **fields: Any) -> Guess:
    """Of a first kernel `shape`; takes and gives: channels."""
    gives, size, labels = fields.pop("gives"), fields.pop("size", None), fields.pop("labels", None)
    blurs = fields.get("upsample") == "blur"
    fields = {"net": net, "width": shape[0], **fields}
    channels = gives if labels else takes
    return Guess(title, Network("generator", fields, channels, size, labels), kinds, blurs)


def _resnet(shapes: Shapes, norm: str, blurs: bool) -> Iterator[Guess]:
    (width, takes, *kernel), last = shapes[0], shapes[-1]
    if kernel != [7, 7] or last[2:] != (7, 7) or len(shapes) < 6:
        return
    count, gives = (len(shapes) - 6) // 2, last[0]
    resized = shapes[-3][:2] == (2 * width, 4 * width)
    up = CONV if resized else UP
    kinds = [CONV, NORM] * (3 + 2 * count) + [up, NORM] * 2 + [CONV]
    if shapes[1][2:] == (4, 4):
        upsample = "resize" if resized else "transpose"
        yield _generator(
            f"StarGAN's generator of {count} blocks",
            "stargan",
            shapes[0],
            takes,
            kinds,
            blocks=count,
            upsample=upsample,
            output="tanh",
            gives=gives,
            labels=takes - gives,
        )
        return
    fields = {
        "blocks": count,
        "dropout": 0.0,
        "norm": norm,
        "upsample": ("blur" if blurs else "resize") if resized else "transpose",
        "antialias": blurs,
        "output": "tanh",
    }
    yield _generator(f"a ResNet generator of {count} blocks", "resnet", shapes[0], takes, kinds, gives=gives, **fields)


def _fours(shapes: Shapes) -> bool:
    return all(shape[2:] == (4, 4) for shape in shapes)


def _unet(shapes: Shapes, norm: str, blurs: bool) -> Iterator[Guess]:
    levels, width = len(shapes) // 2, shapes[0][0]
    if not _fours(shapes) or len(shapes) % 2 or levels < 2 or shapes[-1][0] != 2 * width:
        return
    kinds = [layer.kind for layer in junyanz.layers("generator", {"net": "unet_pix2pix", "levels": levels}, 0)]
    fields = {"norm": norm, "upsample": "transpose", "output": "tanh", "gives": shapes[-1][1], "size": 2**levels}
    yield _generator(f"a U-Net of {levels} levels", "unet_pix2pix", shapes[0], shapes[0][1], kinds, **fields)


def _resized_unet(shapes: Shapes, norm: str, blurs: bool) -> Iterator[Guess]:
    levels, width, last = len(shapes) // 2, shapes[0][0], shapes[-1]
    if not _fours(shapes) or len(shapes) % 2 or not 4 <= levels <= 6 or last[1] != 2 * width:
        return
    kinds = [CONV, *[CONV, NORM] * (levels - 2), CONV, *[UP, NORM] * (levels - 1), CONV]
    title = f"a U-Net of {levels} levels that ends with a convolution"
    fields = {"dropout": 0.5, "norm": norm, "output": "tanh", "gives": last[0], "size": 2**levels}
    yield _generator(title, "unet_discogan", shapes[0], shapes[0][1], kinds, **fields)


def _dcgan(shapes: Shapes, norm: str, blurs: bool) -> Iterator[Guess]:
    latent, width, gives, size = shapes[0][0], shapes[-1][0], shapes[-1][1], 2 ** (len(shapes) + 1)
    if not _fours(shapes) or any(a[1] != b[0] for a, b in itertools.pairwise(shapes)):
        return
    kinds = [UP, NORM] * (len(shapes) - 1) + [UP]
    fields = {"net": "dcgan", "width": width, "output": "tanh"}
    network = Network("generator", fields, gives, size, latent=latent)
    yield Guess(f"DCGAN's generator for {size} pixels", network, kinds)


def _encoder_decoder(shapes: Shapes, norm: str, blurs: bool) -> Iterator[Guess]:
    width, depth = shapes[0][0], len(shapes) // 2
    if not _fours(shapes) or len(shapes) % 2 or depth < 2 or shapes[-1][0] != width:
        return
    # With and without a bottleneck the layers may be the same; the innermost channels tell.
    for deep in (False, True) if depth > 2 and shapes[depth - 1][0] != width * min(2 ** (depth - 1), 8) else (False,):
        size = 2 ** (depth + 2 - deep)
        fields = {"width": width, "bottleneck": shapes[depth - 1][0] if deep else None}
        kinds = [layer.kind for layer in sktbrain.layers("generator", fields, size)] if size >= 8 else []
        title = f"DiscoGAN's generator{' with a bottleneck' if deep else ''} for {size} pixels"
        more = {"upsample": "transpose", "output": "sigmoid", "gives": shapes[-1][1], "size": size, **fields}
        yield _generator(title, "encoder_decoder", shapes[0], shapes[0][1], kinds, **more)


def _discriminator(title: str, net: str, channels: int, size: int | None, kinds: list[str], **fields: Any) -> Guess:
    return Guess(title, Network("discriminator", {"net": net, **fields}, channels, size), kinds)


def _patchgan(shapes: Shapes, norm: str, blurs: bool) -> Iterator[Guess]:
    pixels = all(shape[2:] == (1, 1) for shape in shapes) and len(shapes) == 3
    if shapes[-1][0] != 1 or not (pixels or _fours(shapes)):
        return
    count = 0 if pixels else len(shapes) - 2
    kinds = [layer.kind for layer in junyanz.layers("discriminator", {"net": "patchgan", "layers": count}, 0)]
    fields = {"width": shapes[0][0], "layers": count, "norm": norm, "spectral_norm": False, "judges": "patches"}
    fields["antialias"] = blurs
    guess = _discriminator(f"a PatchGAN of {count} layers", "patchgan", shapes[0][1], None, kinds, **fields)
    yield guess._replace(blurs=blurs)


def _judge(shapes: Shapes, norm: str, blurs: bool) -> Iterator[Guess]:
    if shapes[-1][0] != 1 or not _fours(shapes):
        return
    size, width = 2 ** (len(shapes) + 1), shapes[0][0]
    kinds = [layer.kind for layer in sktbrain.layers("discriminator", {"width": width}, size)]
    fields = {"width": width, "norm": norm, "spectral_norm": False}
    title = f"DiscoGAN's discriminator for {size} pixels"
    yield _discriminator(title, "encoder_decoder", shapes[0][1], size, kinds, **fields)


def _stargan_judge(shapes: Shapes, norm: str, blurs: bool) -> Iterator[Guess]:
    *hidden, source, labels = shapes
    if source[0] != 1 or source[2:] != (3, 3) or not _fours(hidden) or labels[1] != source[1]:
        return
    fields = {"width": hidden[0][0], "layers": len(hidden)}
    size = labels[2] * 2 ** len(hidden)
    kinds = [layer.kind for layer in yunjey.layers("discriminator", fields, size)]
    guess = _discriminator("StarGAN's discriminator", "stargan", hidden[0][1], size, kinds, **fields)
    yield guess._replace(network=guess.network._replace(labels=labels[0]))
