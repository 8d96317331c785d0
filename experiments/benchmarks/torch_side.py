"""PyTorch's training step as a contestant. The parent imports this module, so PyTorch itself is imported by `make`."""

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any

import ml_collections

from experiments.benchmarks.race import Contestant, memory_mb
from experiments.benchmarks.workload import Workload
from gan_xla.errors import UserError
from gan_xla.run import settings

# Shipped configs that have a `trainer` in PyTorch, with the fields that it reads; others are as in that config.
WIDTHS = ("model.generator.width", "model.discriminator.width")
HIDDEN = ("model.latent", "model.generator.hidden", "model.discriminator.hidden")
FMAPS = tuple(f"model.{side}.{field}" for side in ("generator", "discriminator") for field in ("fmap_base", "fmap_max"))
CODERS = (
    *(*WIDTHS, "model.generator.layers", "model.generator.blocks", "model.discriminator.layers"),
    "model.discriminator.scales",
)
STYLED = ("model.generator.style", "model.generator.style_layers", "model.generator.hidden", "loss.lambda_cycle")
READS = {
    "discogan": WIDTHS,
    "discogan_unet": (
        *(*WIDTHS, "model.generator.dropout"),
        *("loss.gan_weight", "loss.reconstruction_weight", "loss.disc_weight"),
    ),
    "cyclegan": (*WIDTHS, "model.generator.blocks", "model.discriminator.layers", "loss.lambda_identity"),
    "pix2pix": (*WIDTHS, "model.discriminator.layers"),
    "simgan": (*WIDTHS, "model.generator.blocks", "model.discriminator.layers", "loss.content_weight"),
    "bigan": (*WIDTHS, "model.generator.blocks", "model.discriminator.layers"),
    "stargan": (*WIDTHS, "model.generator.blocks", "model.discriminator.layers", "train.turns", "data.labels"),
    "gan": HIDDEN,
    "cgan": (*HIDDEN, "model.generator.embedding", "model.discriminator.embedding", "data.labels"),
    "dcgan": (*WIDTHS, "model.latent"),
    "pggan": ("model.latent", *FMAPS, "model.discriminator.group", "loss.lambda_gp", "loss.drift"),
    "unit": CODERS,
    "munit": (*CODERS, *STYLED),
    "starganv2": (
        *(*WIDTHS, "model.generator.most", "model.generator.levels", "model.generator.style"),
        *("model.discriminator.most", "model.latent", "model.mapping", "data.labels"),
    ),
}
MODULES = {"cgan": "gan", "dcgan": "gan", "unit": "munit"}  # torch_MODULE.py, where it is not called as the config is
# Factor and offset of uint8 images.
RANGES = {"sigmoid": (1 / 255, 0.0), "tanh": (2 / 255, -1.0), "linear": (2 / 255, -1.0)}


def _flat(tree: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    items = {}
    for name, value in tree.items():
        items |= _flat(value, f"{prefix}.{name}") if isinstance(value, Mapping) else {f"{prefix}.{name}": value}
    return items


def _recipe(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """What makes the work of a step what it is, by field."""
    tree = config.to_dict()
    fields = _flat(tree["model"], "model") | _flat(tree["loss"], "loss")
    update = {name: config.optimizer[name] for name in ("name", "grad_clip")}
    update |= {"gen.ema_warmup": config.optimizer.gen.ema_warmup, "disc.clip": config.optimizer.disc.clip}
    fields |= _flat(update, "optimizer")
    return fields | {"train.turns": tuple(config.train.turns), "train.accumulate": config.train.accumulate}


def form(config: ml_collections.ConfigDict) -> str:
    """The shipped config whose PyTorch form is meant: of this method and, where several are, with this generator.

    Raises:
      UserError: the method has none.
    """
    shipped = {name: settings.load(name) for name in READS}
    same = {name: other.model.generator.net for name, other in shipped.items() if other.gan == config.gan}
    if not same:
        raise UserError(f"--against: there is no PyTorch form of gan={config.gan!r}; there is of {', '.join(READS)}")
    return next((name for name, net in same.items() if net == config.model.generator.net), next(iter(same)))


def require() -> None:
    """Raises UserError where there is no PyTorch."""
    if importlib.util.find_spec("torch") is None:
        raise UserError("PyTorch is not installed, which this measures against; pip install torch")


def check(spec: str, config: ml_collections.ConfigDict) -> None:
    """Raises UserError where the config has no PyTorch form that does the same work, or there is no PyTorch."""
    name = form(config)
    ours, theirs, reads = _recipe(config), _recipe(settings.load(name)), READS[name]
    fields = sorted((ours.keys() | theirs.keys()) - set(reads))
    differing = [f"{field}={ours.get(field)!r}" for field in fields if ours.get(field) != theirs.get(field)]
    differing += ["data.joint"] if config.data.get("joint") else []
    differing += ["data.labels"] if config.data.labels and "data.labels" not in reads else []
    if "train.turns" in reads and set(config.train.turns) - {"d", "dg"}:
        differing.append(f"train.turns={tuple(config.train.turns)}")
    if differing:
        raise UserError(f"--against: the PyTorch form of {name!r} has not {', '.join(differing)}, as {spec} has")
    require()


def make(workload: Workload, compiled: bool) -> Contestant:
    """The same turns as ours, at PyTorch's best: channels_last, fused Adam, TF32 or autocast, cuDNN's search.

    Args:
      workload: what to run.
      compiled: whether torch.compile makes the networks' programs.
    """
    import torch

    from experiments.benchmarks import torch_common

    config = workload.config()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    setup = torch_common.Setup(device, autocast=config.train.dtype == "bfloat16", compiled=compiled)
    name = form(config)
    trainer = importlib.import_module(f"experiments.benchmarks.torch_{MODULES.get(name, name)}").trainer(config, setup)
    host = [torch.from_numpy(x) for x in workload.batch(config, len(config.data.labels)).values()]
    host = [x.pin_memory() for x in host] if device == "cuda" else host
    factor, offset = RANGES[config.model.generator.get("output", "tanh")]

    def prepared(x):
        x = x.to(device, non_blocking=True)
        return x.permute(0, 3, 1, 2).float() * factor + offset if x.ndim == 4 else x  # channels_last as it is

    def step():
        for _ in config.train.turns:
            trainer.step(*map(prepared, host))
        if device == "cuda":
            torch.cuda.synchronize()

    def facts():
        peak = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else memory_mb()
        name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        return {"peak_memory_mb": peak, "device": name, "version": f"torch {torch.__version__}"}

    return Contestant({"step": step}, facts)
