"""Commands that are mistakes: configs with fields, types, values and files that cannot be."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from gan_xla import images
from gan_xla.run import settings

VARIANTS = ("", ":quick")
WRONG = {
    int: ("many", "1.5", "1e3", "0x", "", "None", "(1,)"),
    float: ("fast", "1,5", "", "None", "()"),
    bool: ("maybe", "2", "None"),
    tuple: ("(1,", "('a' 'b', 3 4)"),
    ConfigDict: ("5", "many", "(1,)"),
}
NUMBERS = {int: ("-1", "-2147483649", "99999999999999999999"), float: ("-1", "-1e-9", "nan", "inf", "-inf", "1e300")}
IMPOSSIBLE = {
    "seed": ("4294967296",),
    "data.image_size": ("1000000",),
    "data.channels": ("0", "5"),
    "data.background": ("(1,2)", "(0,0,256)", "red", "(0.5,0,0)", "(0,0,-1)"),
    "data.exclusive": ("all", "(1,)"),
    "growth.batch_sizes": ("4", "((8,1),(4,2))", "((4,0),)", "('a',)"),
    "loss.feature_layers": ("(-1,)", "('a',)", "(0.5,)"),
    "loss.reconstruction_rate": ("0.5", "((0,2),)", "((5,0.5),)", "((0,0.5),(0,0.6))"),
    "model.generator.dropout": ("1", "1.5"),
    "model.generator.hidden": ("0", "-5"),
    "model.generator.width": ("0", "1000000"),
    "model.generator.blocks": ("1000000",),
    "model.discriminator.layers": ("1000000",),
    "optimizer.b1": ("1", "2"),
    "optimizer.b2": ("1", "2"),
    "train.turns": ("()", "('dgg',)", "(1,)", "d+d"),
    "train.steps": ("99999999999",),
    **{f"train.{name}": ("0",) for name in ("batch_size", "log_every", "sample_every", "steps_per_call")},
}
NAMES = ("data.source", "data.fit")  # before anything is read; the others after the toy's points are drawn
TOY_NAMES = (
    "gan", "loss.objective", "loss.reconstruction", "loss.adversarial", "optimizer.name", "optimizer.schedule",
    "model.generator.net", "model.discriminator.net",
)  # fmt: skip
FILES = (
    "def get_config(:\n", "import no_such_module\n", "get_config = 3\n", "def get_config():\n    return {'gan': 1}\n",
    "def get_config():\n    return 1 / 0\n", "raise KeyError('x')\n",
    "def get_config():\n    return open('/no/file')\n",
    "from configs.discogan import get_config as get\n\ndef get_config():\n    return get('nonesuch')\n", "\0",
)  # fmt: skip
JUNK = (None, "x", -1, 1.5, [], [1], {}, {"a": 1}, True, "", 10**30, [[]], ["a", ["b"]], float("nan"), "1" * 300)
CONTENTS = (
    b"", b"[]", b"3", b"null", b"\xff\xfe\0", b"{", b'{"gan": ', b'{"a.b": 1}', b'{"gan": "discogan"}',
    b'{"__class__": 1}',
    b'{"a":' * 500 + b"1" + b"}" * 500, b'{"a":' * 100_000,
)  # fmt: skip


def _config(rng: random.Random) -> tuple[str, ConfigDict]:
    spec = rng.choice(settings.shipped()) + rng.choice(VARIANTS)
    return spec, settings.load(spec)


def _fields(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, type]]:
    """(full name, type) of every field and section."""
    for name in config:
        yield f"{prefix}{name}", config.get_type(name)
        if isinstance(config[name], ConfigDict):
            yield from _fields(config[name], f"{prefix}{name}.")


def _misspelt(rng: random.Random, name: str) -> str:
    at = rng.randrange(len(name))
    return rng.choice(
        (name[:at] + name[at + 1 :], name[:at] + "x" + name[at:], name.replace("_", "") + "s", "my." + name)
    )


def _unknown_field(rng, case):
    spec, config = _config(rng)
    known = {name for name, _ in _fields(config)}
    while True:
        field = _misspelt(rng, rng.choice(sorted(known)))
        if field not in known and all(part.isidentifier() for part in field.split(".")):
            return [f"--config={spec}", f"--config.{field}=1"], f"--config.{field}: this config has no such field"


def _wrong_type(rng, case):
    spec, config = _config(rng)
    field, kind = rng.choice([(name, kind) for name, kind in _fields(config) if kind in WRONG])
    return [f"--config={spec}", f"--config.{field}={rng.choice(WRONG[kind])}"], f"--config.{field}="


def _impossible_value(rng, case):
    spec, config = _config(rng)
    values = [(name, value) for name, kind in _fields(config) for value in NUMBERS.get(kind, ())]
    values += [(name, value) for name, _ in _fields(config) for value in 5 * IMPOSSIBLE.get(name, ())]
    field, value = rng.choice(values)
    return [f"--config={spec}", f"--config.{field}={value}"], f"{field}="


def _unknown_name(rng, case):
    spec, field = rng.choice([(_config(rng)[0], name) for name in NAMES] + [("toy_gmm", name) for name in TOY_NAMES])
    return [f"--config={spec}", f"--config.{field}=nonesuch"], field


def _broken_file(rng, case):
    (case / "mine.py").write_text(rng.choice(FILES))
    return [f"--config={case}/mine.py{rng.choice(('', ':tiny'))}"], "mine.py"


def _config_json(rng, case):
    """A run's config.json, damaged, of a run that has no checkpoint to load."""
    tree = json.loads(_config(rng)[1].to_json())
    path = tree
    *sections, last = rng.choice([name for name, _ in _fields(ConfigDict(tree))]).split(".")
    for section in sections:
        path = path[section]
    if rng.random() < 0.5:
        path[last] = rng.choice(JUNK)
    else:
        del path[last]
    run = case / "run"
    run.mkdir()
    (run / "config.json").write_bytes(json.dumps(tree).encode() if rng.random() < 0.7 else rng.choice(CONTENTS))
    images.write(case / "input.png", np.zeros((8, 8, 3), np.uint8))
    return ["--mode=translate", f"--workdir={run}", f"--input={case}/input.png", f"--output={case}/output"], ""


KINDS = {
    "config, unknown field": _unknown_field,
    "config, wrong type": _wrong_type,
    "config, impossible value": _impossible_value,
    "config, unknown name": _unknown_name,
    "config file, broken": _broken_file,
    "config.json, damaged": _config_json,
}


def mistake(rng: random.Random, number: int, case: Path) -> tuple[str, list[str], str]:
    """(kind, arguments, text that a clear refusal holds) of mistake `number`, whose files are made in `case`."""
    kind = list(KINDS)[number % len(KINDS)]
    argv, names = KINDS[kind](rng, case)
    workdir = [] if any(arg.startswith("--workdir") for arg in argv) else [f"--workdir={case}/run"]
    return kind, [*argv, *workdir], names
