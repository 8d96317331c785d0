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
    kinds = {
        nn.Conv2d: "Conv",
        nn.ConvTranspose2d: "ConvTranspose",
        nn.Linear: "Dense",
        nn.BatchNorm2d: "Norm",
        nn.BatchNorm1d: "Norm",
        nn.PReLU: "PReLU",
    }
    for path, layer in model.named_modules():
        kind = kinds.get(type(layer), "Norm" if isinstance(layer, nn.InstanceNorm2d) and layer.affine else None)
        if kind is None:
            continue
        value = {name: jnp.array(tensor.numpy()) for name, tensor in layer.state_dict().items()}
        if path == "embedding":
            params[path] = {"kernel": value["weight"].T}
            continue
        name = f"{kind}_{counts.setdefault(kind, 0)}"
        counts[kind] += 1
        if kind == "PReLU":
            params[name] = {"negative_slope": value["weight"][0]}
            continue
        if kind == "Norm":
            affine = {"scale": value["weight"], "bias": value["bias"]}
            params[name] = {f"{type(layer).__name__[:-2]}_0": affine}  # without the 1d or 2d
            if isinstance(layer, nn.InstanceNorm2d):  # tracks averages, and never uses them
                continue
            stats[name] = {"BatchNorm_0": {"mean": value["running_mean"], "var": value["running_var"]}}
            continue
        params[name] = {"kernel": _kernel(kind, value.pop("weight")), **value}
    return params, stats


def _kernel(kind, weight):
    """PyTorch's weight of a layer as ours."""
    if kind == "Dense":
        return weight.T
    return weight.transpose(2, 3, 1, 0) if kind == "Conv" else weight.transpose(2, 3, 0, 1)[::-1, ::-1]


def progressive_variables(model) -> dict:
    """The parameters of a network of torch_pggan under our names, "16x16_conv"."""
    value = {name: jnp.array(tensor.numpy()) for name, tensor in model.state_dict().items()}
    params = {}
    for name in sorted({name.rpartition(".")[0] for name in value} - {"", "dense", "out"}):
        kind, _, r = name.partition(".")
        kernel = value[f"{name}.weight"].transpose(2, 3, 1, 0)
        params[f"{r}x{r}_{kind}"] = {"kernel": kernel, "bias": value[f"{name}.bias"]}
    dense = value["dense.weight"]
    if "bias" in value:  # the generator's makes 4x4 pixels; ours is a transposed convolution there
        kernel = dense.reshape(4, 4, -1, dense.shape[1]).transpose(0, 1, 3, 2)[::-1, ::-1]
        return params | {"4x4_up": {"kernel": kernel, "bias": value["bias"]}}
    params["4x4_down"] = {
        "kernel": dense.reshape(len(dense), 4, 4, -1).transpose(1, 2, 3, 0),
        "bias": value["dense.bias"],
    }
    return params | {"out": {"kernel": value["out.weight"].T[None, None], "bias": value["out.bias"]}}


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
