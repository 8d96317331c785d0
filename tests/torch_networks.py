"""Random parameters of the PyTorch networks in experiments/benchmarks, and what turns them into ours.

Imported by the parity tests, which need the extra `parity`.
"""

import jax.numpy as jnp
import pytest

torch = pytest.importorskip("torch")
from torch import nn


def flax_variables(model) -> tuple[dict, dict]:
    """PyTorch's parameters and statistics under the names that Flax gives to the same layers in the same order."""
    params, stats, counts = {}, {}, {}
    for layer in model.modules():
        kinds = {nn.Conv2d: "Conv", nn.ConvTranspose2d: "ConvTranspose", nn.BatchNorm2d: "Norm", nn.PReLU: "PReLU"}
        kind = kinds.get(type(layer), "Norm" if isinstance(layer, nn.InstanceNorm2d) and layer.affine else None)
        if kind is None:
            continue
        name = f"{kind}_{counts.setdefault(kind, 0)}"
        counts[kind] += 1
        value = {name: jnp.array(tensor.numpy()) for name, tensor in layer.state_dict().items()}
        if kind == "PReLU":
            params[name] = {"negative_slope": value["weight"][0]}
            continue
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


def randomise(model, seed=0):
    """Random parameters and statistics, so that scales of 1, biases and means of 0 hide nothing."""
    torch.manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if tensor.ndim == 4:
            tensor.normal_(0, tensor[0].numel() ** -0.5)
        elif name.endswith(("bias", "mean")):
            tensor.normal_(0, 0.3)
        elif tensor.ndim:
            tensor.uniform_(0.5, 1.5)
