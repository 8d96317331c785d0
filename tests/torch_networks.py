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


def _linear(layer) -> dict:
    """Of a linear layer, or of a convolution of single pixels in whose place ours has one."""
    weight, bias = (jnp.array(tensor.numpy()) for tensor in layer.state_dict().values())
    return {"kernel": weight.reshape(weight.shape[:2]).T, "bias": bias}


def munit_variables(net) -> dict:
    """The parameters of a generator of torch_munit."""
    decoder = flax_variables(net.dec)[0] | (flax_variables(net.mlp)[0] if hasattr(net, "mlp") else {})
    norms = [layer for layer in net.dec.modules() if hasattr(layer, "gamma")]
    for number, norm in enumerate(norms):
        value = {name: jnp.array(tensor.numpy()) for name, tensor in norm.state_dict().items()}
        decoder[f"LayerNorm_{number}"] = {"scale": value["gamma"], "bias": value["beta"]}
    if not hasattr(net, "mlp"):
        return {"content_encoder": flax_variables(net.enc)[0], "decoder": decoder}
    *layers, _, last = net.enc_style.model
    style = flax_variables(nn.Sequential(*layers))[0] | {"Dense_0": _linear(last)}
    return {"content_encoder": flax_variables(net.enc_content)[0], "style_encoder": style, "decoder": decoder}


def starganv2_variables(net) -> dict:
    """The parameters of a network of torch_starganv2."""
    variables = lambda net: flax_variables(net)[0]
    if hasattr(net, "from_rgb"):
        kinds = ("Block", net.encode), ("StyledBlock", net.decode)
        blocks = {f"{kind}_{i}": variables(block) for kind, found in kinds for i, block in enumerate(found)}
        return variables(nn.Sequential(net.from_rgb, net.to_rgb)) | blocks
    if hasattr(net, "main"):
        return {"Trunk_0": _trunk(net.main[:-1]), "Dense_0": _linear(net.main[-1])}
    if isinstance(net.shared[0], nn.Linear):
        return variables(net)
    heads = [_linear(head) for head in net.unshared]
    joined = {name: jnp.concatenate([head[name] for head in heads], -1) for name in ("kernel", "bias")}
    return {"Trunk_0": _trunk(net.shared), "Dense_0": joined}


def _trunk(layers) -> dict:
    blocks = [layer for layer in layers if hasattr(layer, "conv1")]
    convs = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    found = {f"Block_{i}": flax_variables(block)[0] for i, block in enumerate(blocks)}
    return flax_variables(nn.Sequential(*convs))[0] | found


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
