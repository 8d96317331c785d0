"""Command line: dispatch; the flags are in flags.py.

Train, or resume what the same command began:
  python -m gan_xla.main --config=configs/discogan.py:quick
Say what that would be, and how long it would take, without beginning it:
  python -m gan_xla.main --config=configs/discogan.py --dry_run
Translate images with a trained run:
  python -m gan_xla.main --mode=translate --workdir=runs/discogan-quick --input=photos --output=out
Draw images with a run of a method that makes them from noise:
  python -m gan_xla.main --mode=sample --workdir=runs/cgan --num=16 --labels=3,7 --output=out
Translate a video; make one of the way between images:
  python -m gan_xla.main --mode=translate --workdir=runs/cyclegan --input=clip.mp4 --output=out --smooth=0.5
  python -m gan_xla.main --mode=sample --workdir=runs/pggan --num=4 --interpolate=50 --format=mp4 --output=out
Find the noise that a run would draw real images from, for sample --z:
  python -m gan_xla.main --mode=project --workdir=runs/pggan --input=photos --output=projected
Measure a trained run of any method on the test images of its data:
  python -m gan_xla.main --mode=evaluate --workdir=runs/discogan-quick
  python -m gan_xla.main --mode=evaluate --compare=runs/one,runs/two
Look at a run, at runs side by side, or at pictures of them without knowing whose they are:
  python -m gan_xla.main --mode=report --workdir=runs/discogan-quick
  python -m gan_xla.main --mode=report --compare=runs/one,runs/two --output=comparison.html
  python -m gan_xla.main --mode=report --blind=runs/one,runs/two,real --output=blind.html
Export a trained run for other runtimes (stablehlo, onnx, savedmodel, torch, safetensors) or as a web page (web):
  python -m gan_xla.main --mode=export --format=web --workdir=runs/discogan-quick --output=page
Make a run of published PyTorch checkpoints, whose networks are known by their structure or names:
  python -m gan_xla.main --mode=import --input=latest_net_G_A.pth,latest_net_G_B.pth --workdir=run
  python -m gan_xla.main --mode=import --input=100000_nets_ema.ckpt --labels=cat,dog,wild --workdir=run
Try runs on a page, or by programs through its API:
  python -m gan_xla.main --mode=demo --workdir=runs/discogan-quick,runs/cgan
On several machines, or several times on one: the same command with --distributed in each process.
Any field of the config is a flag: --config.train.batch_size=32. The list of flags: --help.
"""

import logging
import os
import sys

from absl.flags import FlagValues

from gan_xla import flags
from gan_xla.errors import UserError
from gan_xla.run import settings


def _require(values: FlagValues, *names: str) -> None:
    for name in names:
        if not getattr(values, name):
            raise UserError(f"--mode={values.mode} needs --{name}")


def _train(values: FlagValues, spec: str | None) -> None:
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


def _workdir(values: FlagValues, spec: str | None) -> str:
    workdir = values.workdir or (spec and settings.default_workdir(spec))
    if not workdir:
        raise UserError(f"--mode={values.mode} needs --workdir, the directory of a trained run")
    return workdir


def _sample(values: FlagValues, spec: str | None) -> None:
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
        z=values.z,
        psi=values.psi,
        format=values.format,
        rate=values.rate,
        overwrite=values.overwrite,
    )


def _share(values: FlagValues) -> tuple[int, int]:
    """Which of how many processes this is."""
    number, count = values.process_id, values.num_processes
    if (number is None) != (count is None) or (count is not None and not 0 <= number < count):
        raise UserError("--process_id, --num_processes: set both, the first from 0 on and below the second")
    return (0, 1) if count is None else (number, count)


def _translate(values: FlagValues, spec: str | None) -> None:
    from gan_xla.inference import films
    from gan_xla.inference.translate import translate
    from gan_xla.inference.video import translate_video

    _require(values, "input", "output")
    load, share = None, _share(values)
    if values.runtime == "onnx":
        from gan_xla.export.runtime import load
    options = {"skip_existing": values.skip_existing, "share": share}
    video = bool(values.format) or films.is_video(values.input)
    if video:
        if values.format not in (None, "mp4"):
            raise UserError(f"--format={values.format}: a translated video is mp4; leave it out, but for a directory")
        if values.skip_existing or share != (0, 1):
            raise UserError("--skip_existing, --num_processes: go by image files; leave them out for a video")
        options = {"rate": values.rate, "smooth": values.smooth}
    (translate_video if video else translate)(
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
        styles=values.styles,
        reference=values.reference,
        strength=values.strength,
        mask=values.mask,
        keep_background=values.keep_background,
        load=load,
        seed=values.seed,
        **options,
    )


def _project(values: FlagValues, spec: str | None) -> None:
    from gan_xla.evaluation.project import project_files

    _require(values, "input", "output")
    project_files(
        _workdir(values, spec),
        values.input,
        values.output,
        labels=values.labels.split(",") if values.labels else None,
        steps=values.steps,
        seed=values.seed,
        checkpoint=values.checkpoint,
        overwrite=values.overwrite,
    )


def _evaluate(values: FlagValues, spec: str | None) -> None:
    from gan_xla.evaluation.compare import compare
    from gan_xla.evaluation.evaluate import evaluate

    metrics = values.metrics.split(",") if values.metrics else None
    options = {"features": values.features, "features_path": values.features_path, "seed": values.seed}
    options["num"] = values.num if values["num"].present else None
    if values.compare:
        compare(values.compare.split(","), values.checkpoint, metrics, values.output, **options)
        return
    evaluate(
        _workdir(values, spec),
        values.checkpoint,
        metrics,
        values.input,
        **options,
        overwrite=values.overwrite,
        each=values.per_image,
    )


def _report(values: FlagValues, spec: str | None) -> None:
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


def _export(values: FlagValues, spec: str | None) -> None:
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


def _demo(values: FlagValues, spec: str | None) -> None:
    from gan_xla.demo import serve

    serve(_workdir(values, spec).split(","), values.host, values.port)


def _import(values: FlagValues, spec: str | None) -> None:
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
    "project": _project,
    "evaluate": _evaluate,
    "report": _report,
    "export": _export,
    "import": _import,
    "demo": _demo,
}


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns its exit code: 0, 2 after a user's mistake, 3 where some input was left out."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of files need not be of the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    values = None
    try:
        values, spec = flags.parse(list(sys.argv if argv is None else argv), list(COMMANDS))
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
