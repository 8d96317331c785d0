"""DINOv2's ViT-L/14, whose Frechet distance agrees best with people (FD-DINOv2, Stein et al. 2023).

Part of the definition, as in the authors' code by default: images are resized to 224x224 pixels by Pillow's bicubic
filter, whatever their shape; the features are the normed token of the class. The weights, 1.2 GB, are downloaded once,
or come from a file with the names of DINOv2's code: dinov2_vitl14_pretrain.pth, or such names in .safetensors.
"""

from functools import partial
from pathlib import Path

from gan_xla.evaluation.features import Features, resizing, vit, weights

URL = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth"
SHA256 = "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428"
SIZE, PATCH = 224, 14
NETWORK = vit.VisionTransformer(
    patch=PATCH,
    width=1024,
    depth=24,
    heads=16,
    grid=518 // PATCH,
    mean=(0.485, 0.456, 0.406),
    deviation=(0.229, 0.224, 0.225),
)


def load(path: Path | None = None) -> Features:
    """The network with its weights, downloaded once, or from a file.

    Raises:
      UserError: no such weights.
    """
    return Features.from_file(
        weights.cached(URL, SHA256) if path is None else path,
        SHA256,
        name="DINOv2 ViT-L/14",
        network=NETWORK,
        dim=NETWORK.width,
        tap="features",
        prepare=partial(resizing.bytes_to, size=SIZE),
        protocol=f"Pillow's bicubic filter to {SIZE} pixels, bytes",
        chunk=16,
    )
