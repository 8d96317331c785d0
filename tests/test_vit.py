"""CLIP's and DINOv2's networks against PyTorch modules written here, and the protocols by which images come to them."""

import hashlib
import json
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_xla.data.sources import builtin
from gan_xla.errors import UserError
from gan_xla.evaluation import features
from gan_xla.evaluation.features import Features, clip, dinov2, inception, resizing, vit, weights
from gan_xla.published import torch_file

torch = pytest.importorskip("torch")
F = torch.nn.functional

WIDTH, HEADS, DEPTH, PATCH = 24, 3, 2, 4
COMMON = {"patch": PATCH, "width": WIDTH, "depth": DEPTH, "heads": HEADS}


def _small(network, grid, **fields):
    """The network at a size for tests, with all else as it is."""
    return network.clone(**COMMON, grid=grid, **fields)


def _images(n=3, size=20):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)


def _attend(query, key, value):
    """[n, tokens, width] each."""
    split = [x.unflatten(-1, (HEADS, WIDTH // HEADS)).transpose(1, 2) for x in (query, key, value)]
    return F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)


def _coloured(images, mean, deviation):
    x = torch.tensor(images).double().permute(0, 3, 1, 2) / 255
    return (x - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[:, None, None]


class Clip(torch.nn.Module):
    """CLIP's vision tower by Hugging Face's names."""

    def __init__(self, grid, projected):
        super().__init__()
        nn = torch.nn
        self.vision_model = nn.Module()
        self.vision_model.embeddings = embeddings = nn.Module()
        embeddings.class_embedding = nn.Parameter(torch.zeros(WIDTH))
        embeddings.patch_embedding = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        embeddings.position_embedding = nn.Embedding(1 + grid**2, WIDTH)
        self.vision_model.pre_layrnorm, self.vision_model.post_layernorm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.vision_model.encoder = nn.Module()
        self.vision_model.encoder.layers = nn.ModuleList()
        for _ in range(DEPTH):
            layer = nn.Module()
            layer.self_attn = nn.Module()
            for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
                setattr(layer.self_attn, name, nn.Linear(WIDTH, WIDTH))
            layer.layer_norm1, layer.layer_norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            layer.mlp = nn.Module()
            layer.mlp.fc1, layer.mlp.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
            self.vision_model.encoder.layers.append(layer)
        self.visual_projection = nn.Linear(WIDTH, projected, bias=False)
        self.register_buffer("text_model.position_ids".replace(".", "_"), torch.arange(3))

    def forward(self, images):
        vision = self.vision_model
        x = vision.embeddings.patch_embedding(_coloured(images, clip.NETWORK.mean, clip.NETWORK.deviation))
        x = x.flatten(2).transpose(1, 2)
        first = vision.embeddings.class_embedding.expand(len(x), 1, -1)
        x = vision.pre_layrnorm(torch.cat([first, x], 1) + vision.embeddings.position_embedding.weight)
        for layer in vision.encoder.layers:
            y, attention = layer.layer_norm1(x), layer.self_attn
            x = x + attention.out_proj(_attend(attention.q_proj(y), attention.k_proj(y), attention.v_proj(y)))
            y = layer.mlp.fc1(layer.layer_norm2(x))
            x = x + layer.mlp.fc2(y * torch.sigmoid(1.702 * y))
        return F.normalize(self.visual_projection(vision.post_layernorm(x[:, 0])), dim=-1)


class Dino(torch.nn.Module):
    """DINOv2's network by its own names."""

    def __init__(self, grid):
        super().__init__()
        nn = torch.nn
        self.cls_token, self.mask_token = nn.Parameter(torch.zeros(1, 1, WIDTH)), nn.Parameter(torch.zeros(1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid**2, WIDTH))
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.blocks = nn.ModuleList()
        for _ in range(DEPTH):
            block = nn.Module()
            block.norm1, block.norm2 = nn.LayerNorm(WIDTH, eps=1e-6), nn.LayerNorm(WIDTH, eps=1e-6)
            block.attn, block.mlp, block.ls1, block.ls2 = (nn.Module() for _ in range(4))
            block.attn.qkv, block.attn.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            block.mlp.fc1, block.mlp.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
            block.ls1.gamma, block.ls2.gamma = (nn.Parameter(torch.ones(WIDTH)) for _ in range(2))
            self.blocks.append(block)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.grid = grid

    def places(self, side):
        if side == self.grid:
            return self.pos_embed
        grid = self.pos_embed[:, 1:].reshape(1, self.grid, self.grid, WIDTH).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, scale_factor=((side + 0.1) / self.grid,) * 2, mode="bicubic")
        assert grid.shape[-2:] == (side, side)
        return torch.cat([self.pos_embed[:, :1], grid.flatten(2).transpose(1, 2)], 1)

    def forward(self, images):
        x = self.patch_embed.proj(_coloured(images, dinov2.NETWORK.mean, dinov2.NETWORK.deviation))
        side = x.shape[-1]
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1) + self.places(side)
        for block in self.blocks:
            y = block.attn.proj(_attend(*block.attn.qkv(block.norm1(x)).chunk(3, -1)))
            x = x + block.ls1.gamma * y
            x = x + block.ls2.gamma * block.mlp.fc2(F.gelu(block.mlp.fc1(block.norm2(x))))
        return self.norm(x)[:, 0]


def _random(module):
    """float64, far from every default."""
    torch.manual_seed(0)
    module.double()
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(0.4 * torch.randn_like(tensor) + (tensor.ndim == 1) * 0.5)
    return module.requires_grad_(False)


def _assert_equal(network, state, images, expected):
    expected = expected.numpy()
    assert expected.std(axis=0).min() > 1e-3, "images look alike"
    with jax.enable_x64(True):
        variables = jax.tree.map(lambda x: x.astype(jnp.float64), weights.variables(network, state, "x"))
        double = network.apply(variables, images)["features"]
    np.testing.assert_allclose(double, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def _state(module):
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("size", [20, 12, 28])
def test_dinov2_equals_a_pytorch_module_also_at_sizes_whose_places_are_interpolated(size):
    module = _random(Dino(grid=5))
    network = _small(dinov2.NETWORK, grid=5)
    _assert_equal(network, _state(module), _images(size=size), module(_images(size=size)))


def test_clip_equals_a_pytorch_module():
    module = _random(Clip(grid=5, projected=8))
    network = _small(clip.NETWORK, grid=5, projected=8)
    _assert_equal(network, vit.of_clip(_state(module)), _images(), module(_images()))


@pytest.mark.parametrize("source, target", [(37, 16), (5, 7), (6, 6)])
def test_places_are_interpolated_as_pytorch_does(source, target):
    x = torch.randn(1, 1, source, source, dtype=torch.float64)
    factor = (target + 0.1) / source
    expected = F.interpolate(x, scale_factor=(factor, factor), mode="bicubic") if source != target else x
    matrix = vit.interpolation(source, target)
    np.testing.assert_allclose(matrix @ x[0, 0].numpy() @ matrix.T, expected[0, 0], atol=2e-6)


@pytest.mark.parametrize("name, module", [("clip", clip), ("dinov2", dinov2)])
def test_published_weights_have_as_many_numbers_as_the_network(name, module):
    """Those of the published files: 427,944,193 of CLIP, less its text tower; 304,368,640 of DINOv2 with a mask."""
    shapes = jax.eval_shape(module.NETWORK.init, jax.random.key(0), jnp.zeros((1, 64, 64, 3), jnp.uint8))
    count = sum(x.size for x in jax.tree.leaves(shapes))
    assert count == {"clip": 427_944_193 - 123_060_480 - 768**2 - 1, "dinov2": 304_368_640 - 1024}[name]


def _safetensors(path, state):
    header, start = {}, 0
    for name, x in state.items():
        header[name] = {"dtype": "F32", "shape": list(x.shape), "data_offsets": [start, start + x.nbytes]}
        start += x.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(x.tobytes() for x in state.values()))


def test_weights_are_read_from_files_of_pytorch_and_of_safetensors(tmp_path, monkeypatch):
    module = _random(Clip(grid=24, projected=8)).float()
    monkeypatch.setattr(clip, "NETWORK", _small(clip.NETWORK, grid=24, projected=8))
    monkeypatch.setattr(clip, "SIZE", 24 * PATCH)
    torch.save(module.state_dict(), tmp_path / "own.bin")
    state = {name: x for name, x in _state(module).items() if x.dtype == np.float32}
    _safetensors(tmp_path / "own.safetensors", state)
    images = _images(5, 40)
    found = [features.load("clip", tmp_path / name) for name in ("own.bin", "own.safetensors")]
    assert [x.name for x in found] == [f"CLIP ViT-L/14@336 (weights of own.{end})" for end in ("bin", "safetensors")]
    first, second = (x(images) for x in found)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, rtol=1e-5)
    del state["vision_model.post_layernorm.bias"]
    _safetensors(tmp_path / "own.safetensors", state)
    with pytest.raises(UserError, match=r"own\.safetensors: lacks 'norm\.bias'"):
        features.load("clip", tmp_path / "own.safetensors")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "gan_xla").mkdir()
    (tmp_path / "own.bin").rename(tmp_path / "gan_xla" / clip.NAME)
    with pytest.raises(UserError, match="damaged or incomplete: delete it"):
        features.load("clip")
    monkeypatch.setattr(clip, "SHA256", hashlib.sha256((tmp_path / "gan_xla" / clip.NAME).read_bytes()).hexdigest())
    assert features.load("clip").name == "CLIP ViT-L/14@336", "the published weights"


def _keys(x):
    """The kernel of bicubic filters whose parameter is -0.5 (Keys 1981)."""
    x = np.abs(x)
    return np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))


def _filtered(length, size):
    """Matrix float64 [size, length] of a bicubic filter that widens as it shrinks; weights add up to 1 at edges too."""
    scale = length / size
    centre = (np.arange(size) + 0.5) * scale
    weights = _keys((np.arange(length) + 0.5 - centre[:, None]) / max(scale, 1))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("shape", [(64, 64), (500, 320), (299, 299), (17, 400)])
def test_the_clean_resize_is_an_antialiased_bicubic_filter_to_a_millionth_of_the_range(shape):
    images = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), np.uint8)
    found = resizing.floats_to(images, 299)
    rows, columns = (_filtered(length, 299) for length in shape)
    beyond = np.einsum("ih,nhwc,jw->nijc", rows, images.astype(np.float64), columns, optimize=True)
    expected = beyond.clip(0, 255)
    assert found.dtype == np.float32 and found.shape == (2, 299, 299, 3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * 255)
    assert shape != (64, 64) or (beyond.min() < -9 and beyond.max() > 264), "there is something to clip"


@pytest.mark.parametrize("shape", [(64, 64), (500, 320), (17, 400)])
def test_the_clean_resize_equals_clean_fids(shape):
    resize = pytest.importorskip("cleanfid.resize")
    images = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), np.uint8)
    expected = np.stack([resize.build_resizer("clean")(image) for image in images])
    np.testing.assert_allclose(resizing.floats_to(images, 299), expected, rtol=0, atol=1e-6 * 255)


def test_images_of_clip_and_dinov2_are_resized_as_pictures():
    images = np.random.default_rng(0).integers(0, 256, (2, 50, 31, 3), np.uint8)
    whole = [np.asarray(Image.fromarray(x).resize((28, 28), Image.BICUBIC)) for x in images]
    np.testing.assert_array_equal(resizing.bytes_to(images, 28), whole)
    square = [np.asarray(Image.fromarray(x[9:40]).resize((28, 28), Image.BICUBIC)) for x in images]
    np.testing.assert_array_equal(resizing.middle_to(images, 28), square)


class Means(inception.nn.Module):
    """Stands for Inception: what it is shown at a few places, resized as it does."""

    @inception.nn.compact
    def __call__(self, images):
        x = inception.resize(images.astype(jnp.float32))
        return {"2048": x[:, ::50, ::50].reshape(len(x), -1)}


def test_the_clean_protocol_is_not_resized_again_and_has_another_name(tmp_path, monkeypatch):
    monkeypatch.setattr(inception, "Inception", Means)
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(b"").hexdigest())
    monkeypatch.setattr(torch_file, "read", lambda path: {})
    (tmp_path / "none.pth").write_bytes(b"")
    legacy, clean = (features.load(name, tmp_path / "none.pth") for name in ("inception", "inception-clean"))
    assert (legacy.name, clean.name) == ("Inception-v3, legacy", "Inception-v3, clean")
    x = builtin.views("cars2cars", "test", 64)["x_A"][:3]
    shown = resizing.floats_to(x, inception.SIZE)[:, ::50, ::50].reshape(3, -1)
    np.testing.assert_allclose(clean(x), shown, atol=1e-4)
    assert np.abs(legacy(x) - clean(x)).max() > 5, "antialiasing or not, that is the difference"
    assert "bicubic" in clean.protocol and "bilinear" in legacy.protocol


def test_features_are_made_in_chunks_of_the_networks_own_size():
    seen = []

    def prepare(x):
        seen.append(len(x))
        return x

    network = Features("x", WIDTH, _small(dinov2.NETWORK, grid=2), {}, "features", prepare=prepare, chunk=4)
    variables = network.network.init(jax.random.key(0), _images(1, 8))
    found = Features(**{**vars(network), "variables": variables})
    assert found(_images(9, 8)).shape == (9, WIDTH) and seen == [4, 4, 4]
    assert not found.classes
