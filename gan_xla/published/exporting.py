"""Networks of a trained model in the published layouts, for the formats torch and safetensors of `--mode=export`."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import ml_collections
import numpy as np

import gan_xla
from gan_xla import nets
from gan_xla.contract import BYTES, Net
from gan_xla.errors import UserError
from gan_xla.inference.model import Model
from gan_xla.published import clovaai, facebookresearch, junyanz, layout, nvlabs, sktbrain, yunjey, znxlwm

NAMED = (znxlwm, facebookresearch, nvlabs, clovaai)  # whose arrays have other forms than ours
FORMS = {net: form for form in (junyanz, sktbrain, yunjey, *NAMED) for net in form.NETS}
BY_NAME = {form.__name__.rpartition(".")[-1]: form for form in FORMS.values()}
SIDES = {"gen": "generator", "disc": "discriminator"}
# What the published networks do not have, by the fields of `model.<role>`.
PLAIN = {
    "upsample": ("transpose",),
    "skips": (True,),
    "spectral_norm": (False,),
    "judges": ("patches", "mean"),
    "padding": ("reflect",),
    "slope": (0.2,),
    "first_norm": (True,),
    "group": (facebookresearch.GROUP,),
    "unbiased": (True,),
}
# What a run can do about it.
MENDS = {
    "unbiased": "train on in a run with --init_from=WORKDIR --config.model.generator.unbiased=True, if only a step, or "
}
# What some of them have besides.
ALSO = {("resnet", "upsample"): ("blur",), ("munit", "unbiased"): (False,)}
Written = tuple[dict[str, Any], dict[str, str]]  # arrays by name, and metadata


class Unpublished(UserError):
    """A network that nobody published."""


def write(
    model: Model,
    output: Path,
    direction: str | None,
    save: Callable[[dict[str, Any], dict[str, str], Path], None],
    suffix: str | None = None,
    own: bool = False,
) -> None:
    """Writes what translates in one direction to a file, or all networks, discriminators too, into a directory.

    The former is a generator, or, where none translates alone, all networks of that side, each under its name.

    Args:
      model: trained.
      output: path of a file, with a suffix (net.pth), or of a directory, without one.
      direction: of a file; None for the model's first. A directory holds all of them.
      save: (float32 arrays by PyTorch's names, or such of several networks by theirs, metadata, path) -> None.
      suffix: of the files in a directory; None for those that the published code gives them.
      own: whether networks that nobody published are written as they are here, under our names.
    Raises:
      UserError: a network that nobody published, or a direction of a directory.
    """
    if output.suffix:
        save(*_translating(model, direction, own), output)
        return
    if direction:
        raise UserError(
            f"--direction={direction}: a directory holds all networks; leave it out, or name a file, net.pth"
        )
    found = {name: _network(model, side, name, own) for side in SIDES for name in _nets(model, side)}
    output.mkdir()
    if not suffix and (joined := _joined(model, found)):
        for file, networks in joined.items():
            save(networks, {}, output / file)
        return
    for name, (arrays, about) in found.items():
        form = BY_NAME.get(about["layout"])
        path = output / (form.file_name(model, name) if form else name)
        save(arrays, about, path.with_suffix(suffix) if suffix else path)


def _translating(model: Model, direction: str | None, own: bool) -> Written:
    """The generator of a direction; where none translates or draws alone, all networks of that side, by their names."""
    direction = direction or next(iter(model.directions), None)
    name, nets = f"G_{direction[0]}{direction[-1]}" if direction else "G", _nets(model, "gen")
    if len(nets) == 1 or (direction and name in nets):
        return _network(model, "gen", name, own)
    found = {name: _network(model, "gen", name, own) for name in nets}
    about = {**next(iter(found.values()))[1], "network": ", ".join(found)}
    joined = _joined(model, found) or {"": {name: arrays for name, (arrays, _) in found.items()}}
    return next(iter(joined.values())), about


def _joined(model: Model, found: Mapping[str, Written]) -> dict[str, dict[str, Any]]:
    """What the files hold of networks whose published code keeps several in one, by their names, else {}."""
    (form, *more) = {about["layout"] for _, about in found.values()}
    together = getattr(BY_NAME.get(form), "together", None)
    return together({name: arrays for name, (arrays, _) in found.items()}, model) if together and not more else {}


def _nets(model: Model, side: str) -> dict[str, Net]:
    """The networks of a side by name, but for heads on features."""
    net = Net(*model.variables[side])
    found = layout.split(net, layout.single(net, side[0].upper()))
    return found if side[0].upper() in found else {name: net for name, net in found.items() if name[0] in "GD"}


def _network(model: Model, side: str, name: str, own: bool) -> Written:
    """The arrays of a network, and what to know of it.

    Raises:
      Unpublished: nobody published such networks, and not `own`.
    """
    role, nets = SIDES[side], _nets(model, side)
    try:
        form, fields = _published(model, role)
    except Unpublished:
        if not own:
            raise
        # What draws and translates may have one network for all of it.
        return _as_it_is(nets.get(name) or next(iter(nets.values()))), _about(model, role, name, "gan_xla", "")
    size, bgr = model.phase.resolution or model.config.data.image_size, False
    if form in NAMED:
        arrays = form.write(nets[name], layout.ROLES[name[0]], fields, size)
    else:
        layers = form.layers(role, fields, size)
        arrays, bgr = layout.write(nets[name], layers), any(layer.bgr is not None for layer in layers)
    known = next(name for name, one in BY_NAME.items() if one is form)
    return arrays, _about(model, role, name, known, "BGR" if bgr and model.config.data.channels == 3 else "")


def _as_it_is(net: Net) -> dict[str, np.ndarray]:
    """Our arrays, kernels [h, w, in, out], under our names."""
    leaves = [leaf for tree in net for leaf in jax.tree_util.tree_leaves_with_path(tree)]
    return {".".join(part.key for part in path): np.asarray(array, np.float32) for path, array in leaves}


def _published(model: Model, role: str) -> tuple[ModuleType, Mapping[str, Any]]:
    """The repository that has such networks, and all fields of the network."""
    config = model.config
    fields = config.model.get(role) or ml_collections.ConfigDict({"net": "own"})
    draws = model.latent and fields.net not in facebookresearch.NETS
    if not (model.directions or model.labels or model.latent) or draws or fields.net not in FORMS:
        raise Unpublished(
            f"{config.gan}'s {fields.net} {role} has no published PyTorch layout; those of {', '.join(FORMS)} have "
            "one; use --format=stablehlo, onnx or savedmodel"
        )
    for field, plain in PLAIN.items():
        if field in fields and fields[field] not in (*plain, *ALSO.get((fields.net, field), ())):
            raise Unpublished(
                f"model.{role}.{field}={fields[field]!r}: the published PyTorch network has nothing like it; "
                f"{MENDS.get(field, '')}use --format=stablehlo, onnx or savedmodel"
            )
    if model.step < model.phase.fades_until:
        raise Unpublished(
            f"step {model.step}: a level fades in until step {model.phase.fades_until}, which the published files do "
            "not tell; export a later checkpoint, or use --format=stablehlo, onnx or savedmodel"
        )
    channels = {"channels": nets.channels(config.data)} if role == "generator" else {}
    if isinstance(nets.channels(config.data), tuple):
        raise Unpublished(
            "the published PyTorch code has one number of channels for A and B, this run two; use --format=stablehlo, "
            "onnx or savedmodel"
        )
    module = nets.build(fields, role.capitalize(), **channels, **nets.common(config, None))
    return FORMS[fields.net], {
        "net": fields.net,
        **{name: getattr(module, name) for name in module.__dataclass_fields__},
    }


def _about(model: Model, role: str, name: str, form: str, order: str) -> dict[str, str]:
    """Metadata of a file, text by text."""
    config = model.config
    fields = config.model.get(role) or ml_collections.ConfigDict()
    about = {
        "format": "pt",
        "gan_xla": gan_xla.__version__,
        "layout": form,
        "method": config.gan,
        "network": name,
        "step": model.step,
        role: fields.to_dict(),
        "directions": model.directions,
        "labels": model.domains,
        "image_size": config.data.image_size,
        "size_multiple": model.size_multiple,
        "channels": config.data.channels,
        "channel_order": order or {1: "grey", 3: "RGB", 4: "RGBA"}.get(config.data.channels, ""),
        "value_range": model.value_range,
        **{f"values_{end}": list(model.values(end)) for end in "AB" if model.values(end) != BYTES},
        "statistics": model.habit.statistics,
        "dropout": model.habit.dropout,
    }
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}
