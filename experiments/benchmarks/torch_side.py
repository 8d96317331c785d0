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

# Methods that have a `trainer` in torch_METHOD.py, with the fields that it reads; others are as in the shipped config.
WIDTHS = ("model.generator.width", "model.discriminator.width")
READS = {
    "discogan": WIDTHS,
    "cyclegan": (*WIDTHS, "model.generator.blocks", "model.discriminator.layers", "loss.lambda_identity"),
    "pix2pix": (*WIDTHS, "model.discriminator.layers"),
    "simgan": (*WIDTHS, "model.generator.blocks", "model.discriminator.layers", "loss.content_weight"),
    "bigan": (*WIDTHS, "model.generator.blocks", "model.discriminator.layers"),
    "stargan": (*WIDTHS, "model.generator.blocks", "model.discriminator.layers", "train.turns"),
}
RANGES = {"sigmoid": (1 / 255, 0.0), "tanh": (2 / 255, -1.0)}  # factor and offset of uint8 images


def _flat(tree: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    items = {}
    for name, value in tree.items():
        items |= _flat(value, f"{prefix}.{name}") if isinstance(value, Mapping) else {f"{prefix}.{name}": value}
    return items


def _recipe(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """What makes the work of a step what it is, by field."""
    tree = config.to_dict()
    fields = _flat(tree["model"], "model") | _flat(tree["loss"], "loss")
    return fields | {"train.turns": tuple(config.train.turns), "train.accumulate": config.train.accumulate}


def require() -> None:
    """Raises UserError where there is no PyTorch."""
    if importlib.util.find_spec("torch") is None:
        raise UserError("PyTorch is not installed, which this measures against; pip install torch")


def check(spec: str, config: ml_collections.ConfigDict) -> None:
    """Raises UserError where the config has no PyTorch form that does the same work, or there is no PyTorch."""
    if config.gan not in READS:
        raise UserError(f"--against: there is no PyTorch form of gan={config.gan!r}; there is of {', '.join(READS)}")
    ours, theirs = _recipe(config), _recipe(settings.load(config.gan))
    fields = sorted((ours.keys() | theirs.keys()) - set(READS[config.gan]))
    differing = [f"{name}={ours.get(name)!r}" for name in fields if ours.get(name) != theirs.get(name)]
    if config.data.get("joint"):
        differing.append("data.joint")
    if "train.turns" in READS[config.gan] and set(config.train.turns) - {"d", "dg"}:
        differing.append(f"train.turns={tuple(config.train.turns)}")
    if differing:
        raise UserError(f"--against: the PyTorch form of {config.gan!r} has not {', '.join(differing)}, as {spec} has")
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
    trainer = importlib.import_module(f"experiments.benchmarks.torch_{config.gan}").trainer(config, setup)
    host = [torch.from_numpy(x) for x in workload.batch(config, len(config.data.labels)).values()]
    host = [x.pin_memory() for x in host] if device == "cuda" else host
    factor, offset = RANGES[config.model.generator.output]

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
