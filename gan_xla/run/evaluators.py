"""Evaluators of a run, `eval.NAME` of its config: as many as its recipe and its command line name."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections

from gan_xla.configs import base
from gan_xla.errors import UserError

MARK = "--eval:"  # of the command line's fields, which the config's own flags know of those alone that a recipe names
_GIVEN = re.compile(r"--?config\.(eval\.[A-Za-z]\w*\.\w+=.*)", re.DOTALL)


def marked(arg: str) -> str:
    """An argument "--config.eval.NAME.FIELD=VALUE" as "--eval:eval.NAME.FIELD=VALUE"; others as they are."""
    found = _GIVEN.match(arg)
    return f"{MARK}{found[1]}" if found else arg


def given(argv: Sequence[str]) -> dict[str, str]:
    """The values of marked arguments, as text, by full names of fields."""
    return dict(arg.removeprefix(MARK).split("=", 1) for arg in argv if arg.startswith(MARK))


def give(config: ml_collections.ConfigDict, found: Mapping[str, str]) -> dict[str, Any]:
    """Sets fields by their full names; an evaluator that the config has not comes with the usual ones.

    Returns:
      Their values.
    Raises:
      UserError: there is no such field, or its value is of another type.
    """
    values = {}
    for full, text in found.items():
        _, name, field = full.split(".")
        _check_field(name, field)
        values[full] = _value(full, field, text)
        known = config.eval.to_dict() if "eval" in config else {}
        with config.unlocked():
            config.eval = {**known, name: {**base.EVALUATOR, **known.get(name, {}), field: values[full]}}
    return values


def _value(full: str, field: str, text: str) -> Any:
    try:
        return type(base.EVALUATOR[field])(text)
    except ValueError as error:
        raise UserError(f"--config.{full}={text}: must be a whole number") from error


def _check_field(name: str, field: str) -> None:
    if field not in base.EVALUATOR:
        raise UserError(f"eval.{name}.{field}: no such field; use one of: {', '.join(base.EVALUATOR)}")


def completed(evaluators: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """All fields of every evaluator."""
    return {name: {**base.EVALUATOR, **fields} for name, fields in evaluators.items()}


def check(config: ml_collections.ConfigDict) -> None:
    """Checks that `eval`, `train.best` and `train.patience` of a config fit together.

    Raises:
      UserError: they do not.
    """
    train, known = config.train, config.eval
    for name, fields in known.items():
        for field in fields:
            _check_field(name, field)
    if train.best and train.best not in known:
        raise UserError(f"train.best={train.best!r}: must be one of the evaluators {', '.join(known)}, or '' for none")
    best = known[train.best] if train.best else None
    if best and best.every and best.split == "test":
        raise UserError(
            f"train.best={train.best!r}: the best checkpoint is not chosen on test images; set "
            f"eval.{train.best}.split=val, or train.best to another evaluator, or to ''"
        )
    if train.patience and not (best and best.every):
        field = f"eval.{train.best}.every" if train.best else "train.best and that evaluator's every"
        raise UserError(f"train.patience={train.patience}: needs {field}, the steps from score to score")
