"""The flags of the command line: what each means, and for which modes."""

from collections.abc import Sequence

from absl import flags
from ml_collections import config_flags

from gan_xla.run import settings

_bool, _text, _whole, _enum = flags.DEFINE_bool, flags.DEFINE_string, flags.DEFINE_integer, flags.DEFINE_enum
_real = flags.DEFINE_float


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
    (
        _whole,
        "num_processes",
        None,
        "distributed, translate: how many processes; with --coordinator, or to share files.",
    ),
    (_whole, "process_id", None, "distributed, translate: which of them this is, from 0."),
    (_text, "workdir", None, "The run's directory. Default: runs/<config's name>. demo: RUN[,RUN...], also 'runs/*'."),
    (_text, "host", None, "demo: the address that it is open to. Default: 127.0.0.1, this machine alone."),
    (_whole, "port", None, "demo: of the page. Default: the first free one from 7860 on.", 0, 65535),
    (
        _text,
        "input",
        None,
        "translate: an image file, a directory of images, or a video. evaluate: a directory of images for the first "
        "direction, with testA/ testB/, or with a directory for each label, in place of the test images. "
        "import: FILE[,FILE...].",
    ),
    (
        _text,
        "output",
        None,
        "translate, sample: directory for the results. export: file or directory to make. report: the page's file; "
        "default: report.html in the run's directory. evaluate --compare: a JSON file, too.",
    ),
    (_bool, "skip_existing", False, "translate: leave out files whose results are there, to go on after a stop."),
    (_bool, "overwrite", False, "translate, sample, project, evaluate, report: replace what is there and differs."),
    (
        _text,
        "format",
        None,
        "translate: mp4, to take a directory of images as a video's frames. sample --interpolate: mp4, gif or webp. "
        "export: stablehlo, onnx, savedmodel, torch, safetensors or web. import: auto "
        "(default; by structure or names), junyanz, sktbrain or yunjey.",
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
    (
        _whole,
        "styles",
        None,
        "translate: results of each image, in as many styles, of models that have them; with two images as "
        "--reference, on the way from one's style to the other's. Default: 1.",
        1,
    ),
    (_text, "reference", None, "translate: IMAGE[,IMAGE...] whose style to take."),
    (
        _real,
        "strength",
        1.0,
        "translate: 0 to 1, of models with styles (from the mean style to the one asked for) or labels (from the "
        "image's own to those asked for).",
    ),
    (
        _text,
        "mask",
        None,
        "translate: an image, or a directory of images of the same names, white where translations count; elsewhere "
        "the input stays.",
    ),
    (
        _bool,
        "keep_background",
        False,
        "translate: the input's background stays: what is transparent, or of the plain colour around the object.",
    ),
    (_whole, "num", 16, "sample, evaluate: number of images. evaluate: default as many as for testing.", 1),
    (
        _text,
        "labels",
        None,
        "sample, project: NAME[,NAME...] of labels, in turn. Default: all. import: the model's, in order.",
    ),
    (_text, "z", None, "sample: z.npz of --mode=project, to draw from, with other --labels, or to walk between."),
    (_real, "psi", 1.0, "sample: factor of the noise; below 1 images are more usual and less varied."),
    (_whole, "steps", 200, "project: steps of the search for each image.", 1),
    (_whole, "interpolate", 0, "sample: images of each row on the way from one noise to another."),
    (
        _text,
        "compare",
        None,
        "report: RUN,RUN[,...] to show side by side. evaluate: RUN,RUN; is the difference more than noise? Either may "
        "be several, 'runs/a-seed*'.",
    ),
    (_text, "blind", None, "report: RUN[,RUN...][,real]; asks which is more real, --num times."),
    (_text, "answers", None, "report: FILE[,FILE...] that such a page saved, to count picks and agreement."),
    (_real, "rate", 25.0, "sample, translate: frames a second of a video of images."),
    (_real, "smooth", 0.0, "translate: 0 to below 1, share of the frame before where a video is still; less flicker."),
    (_text, "checkpoint", "last", "last, or the step of a checkpoint. evaluate: or all."),
    (_bool, "per_image", False, "evaluate: write the scores of every image to per_image-STEP.csv in the run, too."),
    (_text, "metrics", None, "evaluate: NAME[,NAME...]. Default: all that fit the run."),
    (
        _enum,
        "features",
        "efficientnet",
        ["efficientnet", "inception", "inception-clean", "clip", "dinov2"],
        "evaluate: the feature network. inception: of FID by the legacy protocol, inception-clean: as clean-fid. clip: "
        "of CMMD. dinov2: of FD-DINOv2.",
    ),
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
    (_enum, "runtime", "jax", ["jax", "onnx"], "translate: what runs the networks; onnx may be faster on a CPU."),
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


def _define(argv: list[str], modes: Sequence[str]) -> flags.FlagValues:
    values = flags.FlagValues()
    common = {"flag_values": values}
    text = "Config file, or a shipped config's name; append :quick for the short form, :tiny for two steps."
    config_flags.DEFINE_config_file("config", None, text, sys_argv=argv, **common)
    flags.DEFINE_enum("mode", "train", list(modes), "What to do.", **common)
    for define, *flag in FLAGS:
        define(*flag, **common)
    flags.DEFINE_bool("help", False, "Show this help.", short_name="h", **common)
    return values


def parse(argv: list[str], modes: Sequence[str]) -> tuple[flags.FlagValues, str | None]:
    """Parsed flags, and the config's specification as the user gave it.

    Args:
      argv: the command's words.
      modes: of `--mode`; the first is the default.
    Raises:
      UserError: a wrong flag, or no such config.
    """
    if "--config" in argv[:-1]:  # two words for --config=...
        at = argv.index("--config")
        argv = [*argv[:at], f"--config={argv[at + 1]}", *argv[at + 2 :]]
    spec = next((arg.split("=", 1)[1] for arg in argv if arg.startswith("--config=")), None)
    argv = [f"--config={settings.find(spec)}" if arg == f"--config={spec}" else arg for arg in settings.renamed(argv)]
    return settings.parse(_define(argv, modes), argv), spec
