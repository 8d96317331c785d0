"""CLIP's vision tower ViT-L/14 at 336 pixels, on which CMMD is defined (Jayasumana et al. 2024).

Part of the definition, as in the authors' code: the largest square in the middle is resized to 336x336 pixels by
Pillow's bicubic filter, and the embedding is scaled to unit length. The weights, 1.7 GB, are downloaded once, or come
from a file with Hugging Face's names: pytorch_model.bin or model.safetensors of openai/clip-vit-large-patch14-336.
"""

from functools import partial
from pathlib import Path

from gan_xla.evaluation.features import Features, resizing, vit, weights

URL = "https://huggingface.co/openai/clip-vit-large-patch14-336/resolve/main/pytorch_model.bin"
NAME = "clip-vit-large-patch14-336.bin"
SHA256 = "c6032c2e0caae3dc2d4fba35535fa6307dbb49df59c7e182b1bc4b3329b81801"
SIZE, PATCH = 336, 14
NETWORK = vit.VisionTransformer(
    patch=PATCH,
    width=1024,
    depth=24,
    heads=16,
    grid=SIZE // PATCH,
    mean=(0.48145466, 0.4578275, 0.40821073),
    deviation=(0.26862954, 0.26130258, 0.27577711),
    epsilon=1e-5,
    quick=True,
    scaled=False,
    biased=False,
    normed=True,
    projected=768,
)


def load(path: Path | None = None) -> Features:
    """The network with its weights, downloaded once, or from a file.

    Raises:
      UserError: no such weights.
    """
    return Features.from_file(
        weights.cached(URL, SHA256, NAME) if path is None else path,
        SHA256,
        convert=vit.of_clip,
        name="CLIP ViT-L/14@336",
        network=NETWORK,
        dim=NETWORK.projected,
        tap="features",
        prepare=partial(resizing.middle_to, size=SIZE),
        protocol=f"the square in the middle, Pillow's bicubic filter to {SIZE} pixels, bytes",
        unit=True,
        chunk=8,
    )
