"""`--mode=import`: a run made of PyTorch files that others published."""

import importlib
import inspect
import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import ml_collections
import numpy as np
from etils import epath

from gan_xla import devices, gans, images
from gan_xla.contract import Net
from gan_xla.errors import UserError
from gan_xla.labels import LabelSpace
from gan_xla.published import auto, checking, layout, structure, torch_file
from gan_xla.run import limits, settings, state
from gan_xla.run.checkpoint import Checkpoints

FORMATS = ("auto", "junyanz", "sktbrain", "yunjey")


def import_run(
    format: str,
    files: Sequence[str],
    workdir: epath.PathLike,
    config: ml_collections.ConfigDict | None = None,
    assume: str | None = None,
    check: str | None = None,
    **options: str | None,
) -> None:
    """Makes a run, at step 0, of the networks in `files`; what they lack begins afresh, and is named.

    The run's config.json is that of the shipped config of such networks, or `config`, with the networks that were
    found; `config.py` is the same for training on, where every field may change that no array depends on.

    Args:
      format: one of `FORMATS`; "auto" knows networks by their structure, whatever their names.
      files: of state_dicts.
      workdir: the run's directory, not there yet, or empty.
      config: what to train with later, in place of the shipped config.
      assume: NAME=VALUE,... of `structure.CHOICES`, for "auto".
      check: an image to translate when all is done.
      options: `direction` and `labels`, where the format has them.
    Raises:
      UserError: files that are no such networks or do not belong together, options that do not fit, or a directory
        that is in use or cannot be written. Nothing is left there then.
    """
    if format not in FORMATS:
        raise UserError(f"--format={format}: --mode=import reads {', '.join(FORMATS)}")
    workdir = epath.Path(workdir)
    if workdir.exists() and not (workdir.is_dir() and next(workdir.iterdir(), None) is None):
        raise UserError(f"--workdir={workdir} is in use; name a directory that does not exist yet")
    if check and not Path(check).is_file():
        raise UserError(f"--check={check}: no such file")
    devices.use_compilation_cache()
    paths, left = [Path(name) for name in files], []
    if format == "auto":
        try:
            found = auto.read(paths, structure.choices(assume), left)
        except structure.NoFit as error:
            _print_rows([("in the file", "expected"), *error.rows])
            raise
        plan, form = auto.plan(found, **options)
    else:
        plan, form = _planned(format, paths, {"assume": assume, **options})
    draws = any(file.network.latent for file in plan.networks.values())
    if check and draws:
        raise UserError(f"--check={check}: these networks draw, and translate nothing; leave it out")
    config = _configured(config or settings.load(plan.config), plan)
    made, notes = _state(config, form, plan)
    _save(workdir, config, made)
    _report(workdir, config, plan, draws, [*notes, *(f"left out: {reason}" for reason in left)])
    if check:
        checking.check(workdir, Path(check), _ways(plan.networks))


def _planned(format: str, paths: Sequence[Path], options: Mapping[str, str | None]) -> tuple[layout.Plan, ModuleType]:
    """The run to be made of files in a known layout."""
    form = importlib.import_module(f"gan_xla.published.{format}")
    options = {name: value for name, value in options.items() if value is not None}
    for name in options.keys() - inspect.signature(form.plan).parameters:
        raise UserError(f"--{name}: --format={format} has no such choice; leave it out")
    return form.plan([_file(path, form) for path in paths], **options), form


def _file(path: Path, form: ModuleType) -> layout.File:
    """What is in a file.

    Raises:
      UserError: it cannot be read, or is not of this format.
    """
    try:
        found = torch_file.read(path)
    except torch_file.ForeignObject as error:
        if error.name not in form.CLASSES:
            raise
        names = shlex.join([path.name, f"{path.stem}.state.pth"])
        raise UserError(
            f"{path}: a whole {error.name}, which only its own code can read; if you trust whoever made this file, "
            "make a state_dict of it beside that code: "
            "python -c \"import sys, torch; whole = torch.load(sys.argv[1], 'cpu', weights_only=False); "
            f'torch.save(whole.state_dict(), sys.argv[2])" {names}'
        ) from error
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            raise UserError(f"{path}: {name!r} is no tensor of a network; save the state_dict of one network alone")
    wrapped = found and all(name.startswith("module.") for name in found)  # by nn.DataParallel
    arrays = {name.removeprefix("module.") if wrapped else name: value for name, value in found.items()}
    arrays = {name: value for name, value in arrays.items() if not name.endswith(".num_batches_tracked")}
    layout.check(arrays, path)
    return layout.File(path, arrays, form.recognise(arrays, path))


def _configured(config: ml_collections.ConfigDict, plan: layout.Plan) -> ml_collections.ConfigDict:
    """The config with the networks of the plan.

    Raises:
      UserError: they do not fit each other, or the config.
    """
    shipped = settings.load(plan.config)
    if config.gan != shipped.gan or config.train.num_seeds > 1:
        raise UserError(f"--config: these networks need gan='{shipped.gan}' and train.num_seeds=1")
    models: dict[str, layout.File] = {}
    for file in plan.networks.values():
        if file.network.role not in ("generator", "discriminator"):
            continue
        first = models.setdefault(file.network.role, file)
        if first.network != file.network:
            raise UserError(f"{file.path}: {_about(file.network)}, unlike {first.path}: {_about(first.network)}")
    generator, size = models["generator"].network, max(file.network.size or 0 for file in models.values())
    updates = {"data.channels": generator.channels, **({"data.image_size": size} if size else {})}
    if size and config.data.load_size:  # in the same proportion
        read, seen = (max(images.sides(config.data[name])) for name in ("load_size", "image_size"))
        updates["data.load_size"] = read * size // seen
    fields = {f"model.{role}.{name}": x for role, file in models.items() for name, x in file.network.fields.items()}
    limits.check(updates | fields)
    with config.unlocked():
        for role, file in models.items():
            config.model[role] = ml_collections.ConfigDict(file.network.fields)
        config.update_from_flattened_dict(updates | plan.updates)
    _check_labels(config, generator.labels, chosen="data.labels" in plan.updates)
    return config


def _check_labels(config: ml_collections.ConfigDict, planes: int | None, chosen: bool) -> None:
    """Checks that a generator of so many label planes has as many labels; `chosen` ones leave exclusive groups."""
    if planes is None:
        return
    if chosen and config.data.get("exclusive"):
        known = set(config.data.labels)
        config.data.exclusive = tuple(group for group in config.data.exclusive if known.issuperset(group))
    space = LabelSpace.of(config.data)
    if space.size != planes:
        raise UserError(
            f"--labels: this generator takes {planes} label planes, and {', '.join(space.domains)} are {space.size}; "
            "name them in the order of its training, --labels=NAME,NAME,..."
        )


def _state(
    config: ml_collections.ConfigDict, form: ModuleType | None, plan: layout.Plan
) -> tuple[state.TrainState, list[str]]:
    """The run's first state with the networks of the plan, and notes on what was left out or begins afresh."""
    gan, found, notes = gans.build(config), {}, []
    shapes = jax.eval_shape(gan.init, jax.random.key(0))
    for letter, role, likes in zip("GD", ("generator", "discriminator"), shapes):
        for name, like in layout.split(likes, layout.single(likes, letter)).items():
            if name not in plan.networks:
                reads = "; --strength, which lets it read labels, says nothing before it is trained"
                fresh = f"{name} ({role}) is in none of the files: it begins with fresh weights"
                notes.append(fresh + (reads if letter == "D" and gan.classify else ""))
                continue
            file = plan.networks[name]
            fields, size, stale = config.model[role], config.data.image_size, []
            if form in auto.NAMED:
                found[name] = form.read(file, like, fields, size)
            else:
                layers = file.layers or form.layers(role, fields, size)
                found[name], stale = layout.read(file.state, like, layers, file.path)
            if stale:
                notes.append(f"{file.path}: {len(stale)} running averages, which instance norm does not use, left out")
    if odd := plan.networks.keys() - found.keys():
        raise UserError(f"--config: it trains no {min(odd)}, which {plan.networks[min(odd)].path} is")
    made = jax.device_get(state.create(gan, state.optimizers(config.optimizer, config.train.steps), config.seed))

    def filled(player: state.Player, letter: str) -> state.Player:
        single = layout.single(player, letter)
        nets = layout.split(Net(player.params, player.stats), single)
        net = layout.join({name: found.get(name, net) for name, net in nets.items()}, single)
        return player.replace(params=net.params, stats=net.stats, ema=None if player.ema is None else net)

    return made.replace(gen=filled(made.gen, "G"), disc=filled(made.disc, "D")), notes


def _save(workdir: epath.Path, config: ml_collections.ConfigDict, made: state.TrainState) -> None:
    """Writes the run, config.json last, or nothing."""
    try:
        with Checkpoints(workdir) as checkpoints:
            checkpoints.save(0, made)
        (workdir / "config.py").write_text(_source(config))
        settings.freeze(config, workdir)
    except BaseException as error:
        if workdir.exists():
            workdir.rmtree()
        if isinstance(error, OSError):
            raise UserError(f"--workdir={workdir}: cannot be written ({error.strerror or error})") from error
        raise


def _source(config: ml_collections.ConfigDict) -> str:
    """A config file of this config."""

    def text(value: Any, indent: int) -> str:
        if not isinstance(value, ml_collections.ConfigDict):
            return repr(value)
        unset = {name: f"config_dict.placeholder({value.get_type(name).__name__})" for name in value}
        parts = {name: unset[name] if part is None else text(part, indent + 4) for name, part in value.items()}
        lines = [f"{' ' * (indent + 4)}{name}={part},\n" for name, part in parts.items()]
        return f"dict(\n{''.join(lines)}{' ' * indent})"

    return (
        '"""Made by gan_xla --mode=import."""\n\nimport ml_collections\nfrom ml_collections import config_dict\n\n\n'
        "def get_config() -> ml_collections.ConfigDict:\n"
        f"    return ml_collections.ConfigDict(\n        {text(config, 8)}\n    )\n"
    )


def _about(network: layout.Network) -> str:
    fields = ", ".join(f"{name}={value}" for name, value in network.fields.items())
    return f"{network.role} of {network.channels} channels, {fields}"


def _ways(networks: Collection[str]) -> list[str]:
    """The directions of networks by name; either autoencoder, G_A and G_B, is of both."""
    ways = [f"{name[2]}to{name[3]}" for name in networks if name.startswith("G_") and len(name) == 4]
    return ways or ["AtoB", "BtoA"] * ("G_A" in networks)


def _print_rows(rows: Sequence[tuple[str, str]]) -> None:
    width = max((len(theirs) for theirs, _ in rows), default=0)
    for theirs, ours in rows:
        print(f"  {theirs:{width}}  {ours}")


def _report(
    workdir: epath.Path, config: ml_collections.ConfigDict, plan: layout.Plan, draws: bool, notes: Sequence[str]
) -> None:
    for name, file in plan.networks.items():
        print(f"{file.path}: {name}, {_about(file.network)}")
        _print_rows(file.rows)
        if file.rows:
            print(f"assumed, since no array tells it (--assume=NAME=VALUE,...): {structure.assumed(file)}")
    for note in (*plan.notes, *notes):
        print(f"note: {note}")
    where, domain = os.fspath(workdir), f" --domain={config.data.labels[0]}" if config.data.labels else ""
    data = f"--config.data.path=DIR{'' if config.data.source == 'folder' else ' --config.data.source=folder'}"
    print(f"{where}: {config.gan} of {images.shown(config.data.image_size)} images, step 0")
    if draws:
        print(f"sample:    python -m gan_xla.main --mode=sample --workdir={where} --output=DIR{domain}")
    else:
        print(
            f"translate: python -m gan_xla.main --mode=translate --workdir={where} --input=PHOTOS --output=DIR{domain}"
        )
    print(f"train on:  python -m gan_xla.main --config={where}/config.py --workdir={where} {data}")
