"""Command line: flags and dispatch.

Train, or resume what the same command began:
  python -m gan_xla.main --config=configs/discogan.py:quick
Say what that would be, and how long it would take, without beginning it:
  python -m gan_xla.main --config=configs/discogan.py --dry_run
Translate images with a trained run:
  python -m gan_xla.main --mode=translate --workdir=runs/discogan-quick --input=photos --output=out
Draw images with a run of a method that makes them from noise:
  python -m gan_xla.main --mode=sample --workdir=runs/cgan --num=16 --labels=3,7 --output=out
Measure a trained run of any method on the test images of its data:
  python -m gan_xla.main --mode=evaluate --workdir=runs/discogan-quick
Look at a run, at runs side by side, or at pictures of them without knowing whose they are:
  python -m gan_xla.main --mode=report --workdir=runs/discogan-quick
  python -m gan_xla.main --mode=report --compare=runs/one,runs/two --output=comparison.html
  python -m gan_xla.main --mode=report --blind=runs/one,runs/two,real --output=blind.html
Export a trained run for other runtimes (stablehlo, onnx, savedmodel, torch, safetensors) or as a web page (web):
  python -m gan_xla.main --mode=export --format=web --workdir=runs/discogan-quick --output=page
Make a run of published PyTorch checkpoints (junyanz, sktbrain, yunjey):
  python -m gan_xla.main --mode=import --input=latest_net_G_A.pth,latest_net_G_B.pth --workdir=run
On several machines, or several times on one: the same command with --distributed in each process.
Any field of the config is a flag: --config.train.batch_size=32. The list of flags: --help.
"""

import logging
import os
import sys

from absl import flags
from ml_collections import config_flags

from gan_xla.errors import UserError
from gan_xla.run import settings

_bool, _text, _whole, _enum = flags.DEFINE_bool, flags.DEFINE_string, flags.DEFINE_integer, flags.DEFINE_enum


# The function that defines a flag, its name, default, choices where it has some, and help.
FLAGS = (
    (_bool, "dry_run", False, "train: print data, networks, phases, memory and hours expected, and begin nothing."),
    (_bool, "allow_changes", False, "train: let a run go on with fields that change its result; history.jsonl tells."),
    (_text, "init_from", None, "train: RUN[@STEP] whose networks a new run begins with, as far as they fit."),
    (_enum, "init_parts", "all", ["all", "gen", "disc"], "init_from: the players that are taken."),
    (_bool, "init_optimizer", False, "init_from: take the optimisers' memory too, where all fits."),
    (_whole, "devices", None, "train: how many of this machine's devices to use. Default: all.", 1),
    (_bool, "distributed", False, "train: one of several processes of this command."),
    (_text, "coordinator", None, "distributed: HOST:PORT of process 0. Default: as the TPU pod, Slurm or MPI says."),
    (_whole, "num_processes", None, "distributed: how many processes; with --coordinator."),
    (_whole, "process_id", None, "distributed: which of them this is, from 0."),
    (_text, "workdir", None, "The run's directory. Default: runs/<config's name>."),
    (
        _text,
        "input",
        None,
        "translate: an image file or a directory of images. evaluate: a directory of images for the first direction, "
        "with testA/ testB/, or with a directory for each label, in place of the test images. import: FILE[,FILE...].",
    ),
    (
        _text,
        "output",
        None,
        "translate, sample: directory for the results. export: file or directory to make. report: the page's file; "
        "default: report.html in the run's directory.",
    ),
    (_bool, "overwrite", False, "translate, sample, evaluate, report: replace what is there already and differs."),
    (
        _text,
        "format",
        None,
        "export: stablehlo, onnx, savedmodel, torch, safetensors or web. import: auto "
        "(default; by structure), junyanz, sktbrain or yunjey.",
    ),
    (
        _text,
        "direction",
        None,
        "translate, export: AtoB or BtoA. Default: the model's first. import: of a generator alone.",
    ),
    (
        _text,
        "assume",
        None,
        "import: NAME=VALUE[,NAME=VALUE...] of norm, padding, output, slope, order, which no array tells.",
    ),
    (_text, "check", None, "import: an image, to be translated by the new run, before and after in check.png."),
    (
        _enum,
        "task",
        None,
        ["translate", "sample"],
        "export: which of them, where the model does both. Default: translate.",
    ),
    (_text, "domain", None, "translate: NAME[,NAME...] of the model's domains, where it has many."),
    (_whole, "num", 16, "sample, evaluate: number of images. evaluate: default as many as for testing.", 1),
    (_text, "labels", None, "sample: NAME[,NAME...] of labels, in turn. Default: all. import: the model's, in order."),
    (_whole, "interpolate", 0, "sample: images of each row on the way from one noise to another."),
    (_text, "compare", None, "report: RUN,RUN[,...] to show side by side."),
    (_text, "blind", None, "report: RUN[,RUN...][,real]; asks which is more real, --num times."),
    (_text, "answers", None, "report: FILE[,FILE...] that such a page saved, to count picks and agreement."),
    (_text, "checkpoint", "last", "last, or the step of a checkpoint. evaluate: or all."),
    (_text, "metrics", None, "evaluate: NAME[,NAME...]. Default: all that fit the run."),
    (_enum, "features", "efficientnet", ["efficientnet", "inception"], "evaluate: the feature network."),
    (_text, "features_path", None, "evaluate: file of its weights. Default: the published ones."),
    (
        _text,
        "size",
        None,
        "translate: train (resize to the training size, the default) or native (keep; the default where data.fit is). "
        "export: train (default), symbolic (any) or pixels.",
    ),
    (_whole, "tile", 1024, "translate --size=native: larger images go in tiles of this size."),
    (_whole, "overlap", 128, "translate --size=native: pixels that tiles share."),
    (_whole, "max_pixels", None, "translate: of the largest image. Default: the run's data.max_pixels."),
    (_text, "batch", "symbolic", "export: images at once, or symbolic (any number)."),
    (_whole, "opset", None, "export: version of ONNX's operators. Default: one that most know."),
    (
        _enum,
        "statistics",
        None,
        ["running", "image", "batch"],
        "translate: batch norm by training's averages, by each image alone or by all together. Default: the method's.",
    ),
    (_bool, "dropout", None, "translate: keep dropout on. Default: the method's."),
    (_whole, "seed", 0, "translate, sample, evaluate: of dropout and noise.", 0, 2**32 - 1),
)


def _define(argv: list[str]) -> flags.FlagValues:
    values = flags.FlagValues()
    common = {"flag_values": values}
    text = "Config file, or a shipped config's name; append :quick for the short form, :tiny for two steps."
    config_flags.DEFINE_config_file("config", None, text, sys_argv=argv, **common)
    flags.DEFINE_enum("mode", "train", list(COMMANDS), "What to do.", **common)
    for define, *flag in FLAGS:
        define(*flag, **common)
    flags.DEFINE_bool("help", False, "Show this help.", short_name="h", **common)
    return values


def _parse(argv: list[str]) -> tuple[flags.FlagValues, str | None]:
    """Parsed flags, and the config's specification as the user gave it."""
    if "--config" in argv[:-1]:  # two words for --config=...
        at = argv.index("--config")
        argv = [*argv[:at], f"--config={argv[at + 1]}", *argv[at + 2 :]]
    spec = next((arg.split("=", 1)[1] for arg in argv if arg.startswith("--config=")), None)
    argv = [f"--config={settings.find(spec)}" if arg == f"--config={spec}" else arg for arg in argv]
    return settings.parse(_define(argv), argv), spec


def _require(values: flags.FlagValues, *names: str) -> None:
    for name in names:
        if not getattr(values, name):
            raise UserError(f"--mode={values.mode} needs --{name}")


def _train(values: flags.FlagValues, spec: str | None) -> None:
    from gan_xla import devices
    from gan_xla.run import transfer
    from gan_xla.training.train import train

    _require(values, "config")
    if values.distributed:
        devices.start(values.coordinator, values.num_processes, values.process_id)
    devices.use(values.devices)
    quick = f"--config={spec}:quick shows a result in minutes" if ":" not in spec else ""
    if values.dry_run:
        from gan_xla.training import plan

        print(plan.describe(values.config, hint=quick))
        return
    workdir = values.workdir or settings.default_workdir(spec)
    origin = None
    if values.init_from:
        origin = transfer.Origin.parse(values.init_from, values.init_parts, values.init_optimizer)
    train(values.config, workdir, hint=quick, init_from=origin, allow_changes=values.allow_changes)


def _workdir(values: flags.FlagValues, spec: str | None) -> str:
    workdir = values.workdir or (spec and settings.default_workdir(spec))
    if not workdir:
        raise UserError(f"--mode={values.mode} needs --workdir, the directory of a trained run")
    return workdir


def _sample(values: flags.FlagValues, spec: str | None) -> None:
    from gan_xla.inference.sample import sample

    _require(values, "output")
    labels = values.labels.split(",") if values.labels else None
    sample(
        _workdir(values, spec),
        values.output,
        num=values.num,
        labels=labels,
        seed=values.seed,
        checkpoint=values.checkpoint,
        interpolate=values.interpolate,
        overwrite=values.overwrite,
    )


def _translate(values: flags.FlagValues, spec: str | None) -> None:
    from gan_xla.inference.translate import translate

    _require(values, "input", "output")
    translate(
        _workdir(values, spec),
        values.input,
        values.output,
        direction=values.direction,
        checkpoint=values.checkpoint,
        size=values.size,
        tile=values.tile,
        overlap=values.overlap,
        max_pixels=values.max_pixels,
        overwrite=values.overwrite,
        domain=values.domain,
        statistics=values.statistics,
        dropout=values.dropout,
        seed=values.seed,
    )


def _evaluate(values: flags.FlagValues, spec: str | None) -> None:
    from gan_xla.evaluation.evaluate import evaluate

    evaluate(
        _workdir(values, spec),
        values.checkpoint,
        values.metrics.split(",") if values.metrics else None,
        values.input,
        num=values.num if values["num"].present else None,
        features=values.features,
        features_path=values.features_path,
        seed=values.seed,
        overwrite=values.overwrite,
    )


def _report(values: flags.FlagValues, spec: str | None) -> None:
    from gan_xla import report

    asked = [name for name in ("compare", "blind", "answers") if getattr(values, name)]
    if len(asked) > 1:
        raise UserError(f"--{asked[0]} and --{asked[1]} are both set; set one of them")
    if values.answers:
        print(report.count(values.answers.split(",")))
        return
    if asked:
        _require(values, "output")
    if values.compare:
        path = report.compare(values.compare.split(","), values.output, values.overwrite)
    elif values.blind:
        trials = {"trials": values.num} if values["num"].present else {}
        only = values.direction or values.domain
        options = {"direction": only, "seed": values.seed, "overwrite": values.overwrite, **trials}
        path = report.blind(values.blind.split(","), values.output, **options)
    else:
        path = report.write(_workdir(values, spec), values.output, values.checkpoint, overwrite=values.overwrite)
    print(f"report in {path}")


def _export(values: flags.FlagValues, spec: str | None) -> None:
    from gan_xla.export import export

    _require(values, "format", "output")
    export(
        _workdir(values, spec),
        values.output,
        format=values.format,
        task=values.task,
        direction=values.direction,
        checkpoint=values.checkpoint,
        batch=values.batch,
        size=values.size or "train",
        opset=values.opset,
    )


def _import(values: flags.FlagValues, spec: str | None) -> None:
    from gan_xla.published.importing import import_run

    _require(values, "input", "workdir")
    import_run(
        values.format or "auto",
        values.input.split(","),
        values.workdir,
        values.config if spec else None,
        values.assume,
        values.check,
        direction=values.direction,
        labels=values.labels,
    )


COMMANDS = {
    "train": _train,
    "translate": _translate,
    "sample": _sample,
    "evaluate": _evaluate,
    "report": _report,
    "export": _export,
    "import": _import,
}


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns its exit code: 0, 2 after a user's mistake, 3 where some input was left out."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of files need not be of the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    values = None
    try:
        values, spec = _parse(list(sys.argv if argv is None else argv))
        if values.help:
            print(f"{__doc__}\n{values.get_help()}")
        else:
            if values.dry_run and values.mode != "train":
                raise UserError(f"--dry_run: says what training would be; leave it out of --mode={values.mode}")
            COMMANDS[values.mode](values, spec)
    except UserError as error:
        # In one write, lest another thread's words come between.
        print(f"error: {error}\n", end="", file=sys.stderr, flush=True)
        if values and values.distributed:
            sys.stdout.flush()
            os._exit(error.code)  # an orderly end waits for the other processes, which may be gone or wait for this one
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
