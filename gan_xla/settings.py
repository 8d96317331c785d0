"""A run's configuration: found by name, resolved, frozen in its work directory."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_collections
from absl import flags
from etils import epath
from ml_collections import config_flags

from gan_xla.errors import UserError

# Where configs live: beside the package in a checkout, inside it in a wheel.
SHIPPED = (Path(__file__).parent / "configs", Path(__file__).parent.parent / "configs")


def shipped() -> list[str]:
    """Names of the configs that come with the package."""
    return sorted({path.stem for folder in SHIPPED for path in folder.glob("*.py") if path.stem != "__init__"})


def find(spec: str) -> str:
    """The file behind `--config`: "PATH.py[:variant]", or the name of a shipped config.

    Returns:
      The specification with an existing path.
    Raises:
      UserError: no such file and no such name.
    """
    path, _, variant = spec.partition(":")
    name = Path(path).name.removesuffix(".py")
    for candidate in (Path(path), *(folder / f"{name}.py" for folder in SHIPPED)):
        if candidate.is_file():
            return f"{candidate}:{variant}" if variant else str(candidate)
    raise UserError(f"--config={spec}: no such file; shipped configs are {', '.join(shipped())}")


def load(spec: str, *overrides: str) -> ml_collections.ConfigDict:
    """The config that `--config=spec --FIELD=VALUE ...` means on the command line.

    Args:
      spec: as `find`.
      overrides: "config.train.steps=2", and so on.
    Raises:
      UserError: no such config, or a field that it does not have or of another type.
    """
    argv = ["", f"--config={find(spec)}", *(f"--{override}" for override in overrides)]
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    return parse(values, argv).config


def parse(values: flags.FlagValues, argv: list[str]) -> flags.FlagValues:
    """Parses a command line of defined flags, config fields among them.

    Raises:
      UserError: a flag or config field that does not exist, or a value of the wrong type.
    """
    try:
        rest = values(argv)
    except flags.Error as error:
        raise UserError(str(error).replace("\n", " ")) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"--config: {str(error).splitlines()[0]}") from error
    if rest[1:]:
        raise UserError(f"unexpected argument {rest[1]!r}; flags begin with --")
    return values


def default_workdir(spec: str) -> str:
    """runs/discogan for configs/discogan.py, runs/discogan-quick for configs/discogan.py:quick."""
    path, _, variant = spec.partition(":")
    return f"runs/{Path(path).stem}{'-' + variant if variant else ''}"


def resolve(
    config: ml_collections.ConfigDict, images: int, fields: Mapping[str, Any] | None = None
) -> ml_collections.ConfigDict:
    """A copy in which `train.epochs` has become `train.steps`, checked for impossible values.

    Args:
      config: as given by the user.
      images: training images that an epoch shows.
      fields: of `data` that reading the data has made known, such as the names of the labels.
    Raises:
      UserError: an impossible value.
    """
    config = ml_collections.ConfigDict(config.to_dict())
    config.data.update(fields or {})
    train = config.train
    for field in ("batch_size", "log_every", "sample_every", "checkpoint_every", "steps_per_call"):
        if train[field] < 1:
            raise UserError(f"train.{field}={train[field]} must be 1 or more")
    if train.epochs and train.steps:
        raise UserError(f"train.steps={train.steps} and train.epochs={train.epochs} are both set; set one of them to 0")
    if train.epochs:
        train.steps = math.ceil(train.epochs * images / train.batch_size)
        train.epochs = 0
    if train.steps < 1 and not config.get("growth"):  # whose phases have a length
        raise UserError("train.steps or train.epochs must be 1 or more")
    if train.num_seeds != 1:
        raise UserError(f"train.num_seeds={train.num_seeds}: only 1 is supported so far; start one run per seed")
    cycle = len(train.turns)
    if train.steps_per_call > 1 and train.steps_per_call % cycle:
        raise UserError(f"train.steps_per_call={train.steps_per_call} must be a multiple of the {cycle} train.turns")
    if train.keep_every < 0 or train.keep_every % train.steps_per_call:
        raise UserError(
            f"train.keep_every={train.keep_every} must be 0 (keep the newest checkpoints alone) or a multiple of "
            f"train.steps_per_call={train.steps_per_call}"
        )
    if train.steps % train.steps_per_call:
        raise UserError(f"train.steps={train.steps} must be a multiple of train.steps_per_call={train.steps_per_call}")
    return config


def _flat(tree: dict, prefix: str = "") -> dict:
    items = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            items.update(_flat(value, f"{prefix}{key}."))
        else:
            items[f"{prefix}{key}"] = value
    return items


def _plain(config: ml_collections.ConfigDict) -> dict:
    """The config as JSON gives it back: tuples are lists."""
    return json.loads(json.dumps(config.to_dict()))


def _may_change(field: str) -> bool:
    return field == "train.steps" or field.endswith("_every")


def compare(config: ml_collections.ConfigDict, workdir: epath.PathLike) -> None:
    """Checks that the run in `workdir` was started with `config`.

    Only `train.steps` and the `*_every` fields may differ.

    Raises:
      UserError: another field differs; it is named with both values.
    """
    old, now = _flat(read(workdir).to_dict()), _flat(_plain(config))
    for field in sorted(old.keys() | now.keys()):
        if old.get(field) != now.get(field) and not _may_change(field):
            raise UserError(
                f"{workdir}: this run has {field}={old.get(field)!r}, not {now.get(field)!r}; "
                "use another --workdir, or the run's own value"
            )


def freeze(config: ml_collections.ConfigDict, workdir: epath.PathLike) -> None:
    """Writes config.json, whole or not at all."""
    path = epath.Path(workdir) / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(_plain(config), indent=1) + "\n")
    temporary.replace(path)


def read(workdir: epath.PathLike) -> ml_collections.ConfigDict:
    """The config of the run in `workdir`.

    Raises:
      UserError: there is no run.
    """
    path = epath.Path(workdir) / "config.json"
    if not path.exists():
        raise UserError(f"{path.parent}: no run in this directory (config.json is missing); check --workdir")
    try:
        return ml_collections.ConfigDict(json.loads(path.read_text()))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not valid JSON ({error}); restore it from the run's command") from error
