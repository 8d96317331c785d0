"""Vision Transformers (Dosovitskiy et al. 2021) as CLIP (Radford et al. 2021) and DINOv2 (Oquab et al. 2023) have them.

Their parameters go by the names of DINOv2's code. With weights of 1.2 and 1.7 GB, an image takes seconds on a CPU.
"""

import functools
import re
from collections.abc import Mapping

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import nn as jax_nn

from gan_xla.contract import Array

CUBIC = -0.75  # of PyTorch's bicubic interpolation
OFFSET = 0.1  # that DINOv2's code adds to the number of patches a side


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys' kernel at distances x."""
    x, a = np.abs(x), CUBIC
    near = ((a + 2) * x - (a + 3)) * x**2 + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


@functools.cache
def interpolation(source: int, target: int) -> np.ndarray:
    """Weights [target, source] by which embeddings of a row of patches become those of another number of patches.

    As DINOv2's code has them made by torch.nn.functional.interpolate: bicubic, without antialiasing, edges repeated,
    and places a little off since the target counts for `OFFSET` more.
    """
    if source == target:
        return np.eye(source, dtype=np.float32)
    places = (np.arange(target) + 0.5) * source / (target + OFFSET) - 0.5
    weights = np.zeros((target, source))
    for tap in range(-1, 3):
        pixels = np.floor(places).astype(int) + tap
        np.add.at(weights, (np.arange(target), np.clip(pixels, 0, source - 1)), _cubic(places - pixels))
    return weights.astype(np.float32)


class Scale(nn.Module):
    """A factor for each channel (LayerScale, Touvron et al. 2021)."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return x * self.param("gamma", nn.initializers.ones, (x.shape[-1],))


class VisionTransformer(nn.Module):
    """The network.

    Attributes:
      patch, width, depth, heads: pixels a side of a patch, features, blocks, heads of the attention.
      grid: patches a side that the embeddings of places were trained for; others are interpolated.
      mean, deviation: of the colours, in [0, 1].
      epsilon: of the layer norms.
      quick: GELU as x sigmoid(1.702 x).
      scaled: LayerScale behind every branch.
      biased: of the embedding of patches.
      normed: a layer norm before the blocks.
      projected: features of a linear layer at the end; 0 for none. They are of unit length.
    """

    patch: int
    width: int
    depth: int
    heads: int
    grid: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    epsilon: float = 1e-6
    quick: bool = False
    scaled: bool = True
    biased: bool = True
    normed: bool = False
    projected: int = 0

    @nn.compact
    def __call__(self, images: Array) -> dict[str, Array]:
        """uint8 [n, h, w, 3], of as many patches as you like -> "features" [n, width or projected]."""
        x = (images.astype(jnp.float32) / 255 - np.float32(self.mean)) / np.float32(self.deviation)
        x = self._tokens(x)
        if self.normed:
            x = self._norm("norm_pre")(x)
        for number in range(self.depth):
            x = self._block(x, f"blocks.{number}")
        x = self._norm("norm")(x[:, 0])
        if self.projected:
            x = nn.Dense(self.projected, use_bias=False, name="head")(x)
            x = x / jnp.linalg.norm(x, axis=-1, keepdims=True)
        return {"features": x}

    def _tokens(self, x: Array) -> Array:
        """[n, h, w, 3] -> [n, 1 + patches, width], the class's token first."""
        patches = (self.patch, self.patch)
        x = nn.Conv(self.width, patches, patches, "VALID", use_bias=self.biased, name="patch_embed.proj")(x)
        start = self.param("cls_token", nn.initializers.zeros, (1, 1, self.width))
        places = self.param("pos_embed", nn.initializers.normal(0.02), (1, 1 + self.grid**2, self.width))
        rows, columns = (interpolation(self.grid, count) for count in x.shape[1:3])
        grid = places[0, 1:].reshape(self.grid, self.grid, self.width)
        x = x + jnp.einsum("ik,jl,klc->ijc", rows, columns, grid)
        first = jnp.broadcast_to(start + places[:, :1], (len(x), 1, self.width))
        return jnp.concatenate([first, x.reshape(len(x), -1, self.width)], axis=1)

    def _norm(self, name: str) -> nn.LayerNorm:
        return nn.LayerNorm(epsilon=self.epsilon, use_fast_variance=False, name=name)

    def _branch(self, x: Array, name: str) -> Array:
        return Scale(name=name)(x) if self.scaled else x

    def _block(self, x: Array, name: str) -> Array:
        x = x + self._branch(self._attention(self._norm(f"{name}.norm1")(x), f"{name}.attn"), f"{name}.ls1")
        y = nn.Dense(4 * self.width, name=f"{name}.mlp.fc1")(self._norm(f"{name}.norm2")(x))
        y = y * jax_nn.sigmoid(1.702 * y) if self.quick else nn.gelu(y, approximate=False)
        return x + self._branch(nn.Dense(self.width, name=f"{name}.mlp.fc2")(y), f"{name}.ls2")

    def _attention(self, x: Array, name: str) -> Array:
        n, tokens, width = x.shape
        x = nn.Dense(3 * width, name=f"{name}.qkv")(x).reshape(n, tokens, 3, self.heads, width // self.heads)
        query, key, value = (x[:, :, part] for part in range(3))
        scores = jnp.einsum("nqhc,nkhc->nhqk", query, key) * (width // self.heads) ** -0.5
        x = jnp.einsum("nhqk,nkhc->nqhc", jax_nn.softmax(scores), value)
        return nn.Dense(width, name=f"{name}.proj")(x.reshape(n, tokens, width))


def of_clip(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A state_dict of CLIP with its vision tower by the names that Hugging Face gives, by ours; what lacks is left out.

    Their "vision_model.encoder.layers.0.self_attn.q_proj.weight", k_proj and v_proj become "blocks.0.attn.qkv.weight".
    """
    found, parts = {}, {}
    for name, array in state.items():
        if not name.startswith(("vision_model.", "visual_projection.")):
            continue
        for theirs, ours in NAMES.items():
            name = name.replace(theirs, ours)
        if part := re.search(r"\b[qkv]_proj\b", name):
            parts.setdefault(name.replace(part[0], "qkv"), {})[part[0]] = array
        else:
            found[name] = array.reshape(SHAPES[name](array)) if name in SHAPES else array
    whole = {name: x for name, x in parts.items() if len(x) == 3}
    return found | {name: np.concatenate([x[f"{part}_proj"] for part in "qkv"]) for name, x in whole.items()}


NAMES = {
    "vision_model.embeddings.class_embedding": "cls_token",
    "vision_model.embeddings.position_embedding.weight": "pos_embed",
    "vision_model.embeddings.patch_embedding": "patch_embed.proj",
    "vision_model.pre_layrnorm": "norm_pre",
    "vision_model.post_layernorm": "norm",
    "vision_model.encoder.layers": "blocks",
    "visual_projection": "head",
    ".self_attn.out_proj": ".attn.proj",
    ".self_attn.": ".attn.",
    ".layer_norm": ".norm",
}
SHAPES = {"cls_token": lambda x: (1, 1, *x.shape), "pos_embed": lambda x: (1, *x.shape)}
