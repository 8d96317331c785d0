"""A run's configuration: found by name, resolved, frozen in its work directory."""

import difflib
import functools
import glob
import json
import math
import operator
import os
import re
import runpy
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections
from absl import flags
from etils import epath
from ml_collections import config_flags

import gan_xla
from gan_xla.data.sources import builtin
from gan_xla.errors import UserError
from gan_xla.run import compat, evaluators, limits

# Fields that a run keeps as it began where they are not set: what reading the data makes known, and how it was then.
KEPT = {
    "data": (
        "validation",
        *(f"{name}{end}" for name in ("dtype", "range", "channels", "palette") for end in ("", "_a", "_b")),
    ),
    "train": ("pool",),
}

# What a recipe sets to take scores by azimuth, and what is usual.
AZIMUTH = {"eval.score.type": "", "eval.score.every": 0, "data.validation": None}

# Where configs live: beside the package in a checkout, inside it in a wheel.
SHIPPED = tuple(Path(__file__).parents[up] / "configs" for up in (1, 2))
PARTS = ("__init__", "base")  # files there that are no configs

_OVERRIDE = re.compile(r"--?(?:no)?config\.([^=]+)")
_TYPES = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "text",
    tuple: "a tuple, such as \"('a', 'b')\" or \"(1, 2)\"",
}


def shipped() -> list[str]:
    """Names of the configs that come with the package."""
    return sorted({path.stem for folder in SHIPPED for path in folder.glob("*.py")} - set(PARTS))


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
        part = candidate.stem in PARTS and candidate.absolute().parent in SHIPPED
        if os.path.isfile(candidate) and not part:
            return f"{candidate}:{variant}" if variant else str(candidate)
    raise UserError(f"--config={spec}: no such file; shipped configs are {', '.join(shipped())}")


def load(spec: str, *overrides: str) -> ml_collections.ConfigDict:
    """The config that `--config=spec --FIELD=VALUE ...` means on the command line.

    Args:
      spec: as `find`.
      overrides: "config.train.steps=2", and so on.
    Raises:
      UserError: no such config, or a field that it does not have, of another type, or of an impossible value.
    """
    argv = renamed(["", f"--config={find(spec)}", *(f"--{override}" for override in overrides)])
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    return parse(values, argv).config


def renamed(argv: Sequence[str]) -> list[str]:
    """A command line as `parse` takes it: with the present names of fields, and those of evaluators marked."""

    def one(arg: str) -> str:
        found = _OVERRIDE.match(arg)
        return arg.replace(found[1], compat.FIELDS[found[1]], 1) if found and found[1] in compat.FIELDS else arg

    return [evaluators.marked(one(arg)) for arg in argv]


def parse(values: flags.FlagValues, argv: list[str]) -> flags.FlagValues:
    """Parses a command line of defined flags, config fields among them.

    Raises:
      UserError: a flag or config field that does not exist, or a value of the wrong type, or an impossible one.
    """
    own = evaluators.given(argv)
    try:
        rest = values([arg for arg in argv if not arg.startswith(evaluators.MARK)])
        fields = flat(values.config.to_dict()) if values["config"].present else {}
    except Exception as error:  # a config is a program, which can fail in any way
        raise _explained(error, argv) from error
    if rest[1:]:
        raise UserError(f"unexpected argument {rest[1]!r}; flags begin with --")
    if values["config"].present:
        _prefer(values.config, {*(found[1] for found in map(_OVERRIDE.match, argv) if found), *own}, argv)
        fields |= evaluators.give(values.config, own)
    limits.check(fields)
    return values


def _prefer(config: ml_collections.ConfigDict, given: set[str], argv: Sequence[str]) -> None:
    """What the user gives counts in place of what the config file sets and what does not go with it.

    A length of training takes the place of the other one. On data of which nobody knows the azimuths, a recipe of data
    that turn takes no scores by them.
    """
    for one, other in (("steps", "epochs"), ("epochs", "steps")):
        if f"train.{one}" in given and f"train.{other}" not in given and config.train.get(one):
            config.train[other] = 0
    if given & {"data.source", "data.name"} and not builtin.turns(config.data):
        recipe = _run(_specs(argv)[-1])
        if recipe.get("eval", {}).get("score", {}).get("type") == "azimuth" and builtin.turns(recipe.data):
            for name in AZIMUTH.keys() - given:
                section, _, field = name.rpartition(".")
                _get(config, section)[field] = AZIMUTH[name]


def _specs(argv: Sequence[str]) -> list[str]:
    return [arg.partition("=")[2] for arg in argv if re.match("--?config=", arg)]


def _explained(error: Exception, argv: Sequence[str]) -> UserError:
    """What to tell the user about an error in parsing a command line."""
    if specs := _specs(argv):
        config = _run(specs[-1])
        for field in (found[1] for found in map(_OVERRIDE.match, argv) if found):
            try:
                _get(config, field)
            except (LookupError, TypeError):
                return _unknown(field, config)
        found = re.match(r"flag --config\.([^=]+)=(.*?): ", str(error), re.DOTALL)
        if found:
            section, _, name = found[1].rpartition(".")
            kind = _get(config, section).get_type(name)
            return UserError(f"--config.{found[1]}={found[2]}: must be {_TYPES.get(kind, 'a dict of fields')}")
    return UserError(" ".join(str(error).split()))


def _unknown(field: str, config: ml_collections.ConfigDict) -> UserError:
    section, _, last = field.rpartition(".")
    known = {name: name.rpartition(".")[-1] for name in sorted(flat(config.to_dict()))}
    # By the last part first: any two fields of a section have much in common.
    alike = difflib.get_close_matches(last, set(known.values()))
    nearest = difflib.get_close_matches(field, [name for name in known if known[name] in alike], 1, cutoff=0)
    inside = [name for name in known if name.startswith(f"{section}.")] or sorted(config)
    hint = f"did you mean {nearest[0]}?" if nearest else f"use one of: {', '.join(inside)}"
    return UserError(f"--config.{field}: this config has no such field; {hint}")


def _get(config: ml_collections.ConfigDict, field: str) -> Any:
    return functools.reduce(operator.getitem, field.split(".") if field else (), config)


def _run(spec: str) -> ml_collections.ConfigDict:
    """What the file behind a specification gives, without overrides.

    Raises:
      UserError: the file fails, or gives no config.
    """
    path, *variant = spec.split(":", 1)
    try:
        config = runpy.run_path(path)["get_config"](*variant)
    except ValueError as error:  # an unknown variant
        raise UserError(f"--config={spec}: {error}") from error
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        where = f", line {lines[-1]}" if lines else ""
        raise UserError(f"--config={spec}{where}: {type(error).__name__}: {error}; mend this file") from error
    if not isinstance(config, ml_collections.ConfigDict):
        raise UserError(f"--config={spec}: get_config() must return an ml_collections.ConfigDict, not {type(config)}")
    return config


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
    config = compat.renamed(config.to_dict())
    config.data.update(fields or {})
    for name in ("image_size", "load_size"):  # a square has one way to be written
        if isinstance(size := config.data.get(name), tuple) and len(set(size)) == 1:
            config.data[name] = size[0]
    train = config.train
    if train.get("pool") == "":
        train.pool = limits.POOLS[0]
    limits.check(flat(config.to_dict()))
    if train.epochs and train.steps:
        raise UserError(f"train.steps={train.steps} and train.epochs={train.epochs} are both set; set one of them to 0")
    if train.epochs:
        train.steps = math.ceil(train.epochs * images / train.batch_size)
        train.epochs = 0
    if train.steps < 1 and not config.get("growth"):  # whose phases have a length
        raise UserError("train.steps or train.epochs must be 1 or more")
    if train.num_seeds > 1 and config.get("growth"):
        raise UserError(f"train.num_seeds={train.num_seeds}: networks that grow train alone; start one run per seed")
    evaluators.check(config)
    cycle = len(train.turns)
    if train.steps_per_call > 1 and train.steps_per_call % cycle:
        raise UserError(f"train.steps_per_call={train.steps_per_call} must be a multiple of the {cycle} train.turns")
    if train.keep_every % train.steps_per_call:
        raise UserError(
            f"train.keep_every={train.keep_every} must be 0 (keep the newest checkpoints alone) or a multiple of "
            f"train.steps_per_call={train.steps_per_call}"
        )
    if train.steps % train.steps_per_call:
        raise UserError(f"train.steps={train.steps} must be a multiple of train.steps_per_call={train.steps_per_call}")
    return config


def flat(tree: dict, prefix: str = "") -> dict:
    """The leaves of nested dicts by their names: {"train": {"steps": 2}} is {"train.steps": 2}."""
    items = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            items.update(flat(value, f"{prefix}{key}."))
        else:
            items[f"{prefix}{key}"] = value
    return items


def plain(config: ml_collections.ConfigDict) -> dict:
    """The config as JSON gives it back: tuples are lists."""
    return json.loads(json.dumps(config.to_dict()))


def _with_tuples(x: Any) -> Any:
    if isinstance(x, dict):
        return {name: _with_tuples(value) for name, value in x.items()}
    return tuple(map(_with_tuples, x)) if isinstance(x, list) else x


def continued(config: ml_collections.ConfigDict, workdir: epath.PathLike) -> ml_collections.ConfigDict:
    """A copy in which fields of `KEPT` that are not set are those of the run in `workdir`, if there is one.

    Raises:
      UserError: as `read`.
    """
    config = config.copy_and_resolve_references()
    if (epath.Path(workdir) / "config.json").exists():
        old = read(workdir)
        for section, name in ((section, name) for section, names in KEPT.items() for name in names):
            if config[section].get(name) in (None, "", ()) and old[section].get(name) not in (None, "", ()):
                with config.unlocked():  # a newcomer's method may not have the fields of domains
                    config[section][name] = old[section][name]
    return config


def freeze(config: ml_collections.ConfigDict, workdir: epath.PathLike) -> None:
    """Writes config.json, whole or not at all."""
    text = json.dumps({"format": compat.FORMAT, **plain(config)}, indent=1) + "\n"
    write_whole(epath.Path(workdir) / "config.json", text)


def write_whole(path: epath.Path, text: str) -> None:
    """Writes a file of a run whole or not at all, and its directory where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text)
    temporary.replace(path)


def matching(pattern: str, flag: str) -> list[str]:
    """The directory of a run, or those that match a pattern with *, sorted.

    Raises:
      UserError: there is no run; the message begins with `flag`.
    """
    found = [pattern, *sorted(glob.glob(os.path.expanduser(pattern)))]
    runs = [path for path in dict.fromkeys(found) if (epath.Path(path) / "config.json").exists()]
    if not runs:
        raise UserError(f"{flag}{pattern}: no run there (config.json is missing); check the directory")
    return runs


def read(workdir: epath.PathLike) -> ml_collections.ConfigDict:
    """The config of the run in `workdir`, with tuples where JSON has made them lists.

    Raises:
      UserError: there is no run, or its config.json is damaged or has an impossible value.
    """
    path = epath.Path(workdir) / "config.json"
    try:
        if not path.exists():
            raise UserError(f"{path.parent}: no run in this directory (config.json is missing); check --workdir")
        tree = json.loads(path.read_text())
        if not isinstance(tree, dict):
            raise TypeError(f"{type(tree).__name__}, not an object")
        if (made := tree.pop("format", 0)) > compat.FORMAT:
            raise UserError(
                f"{path}: made by a newer gan_xla (format {made}; this version, {gan_xla.__version__}, reads up to "
                f"{compat.FORMAT}); upgrade gan_xla"
            )
        config = compat.upgraded(_with_tuples(tree))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: is no run's config ({reason}); restore it from the run's command") from error
    try:
        limits.check(flat(config.to_dict()))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return config
