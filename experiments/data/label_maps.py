"""Emoji and maps of their colours as a data set of labels and photographs, after Cityscapes in pix2pix and CycleGAN.

  python -m experiments.data.label_maps --vendor=noto --output=data/labels2emoji [--unpaired]

Domain B is a vendor's emoji, domain A maps that say which of `COLOURS` is the nearest at each pixel, in the colours
`CODES`, which have nothing to do with them. Equal names belong together; with --unpaired trainA and trainB share no
base emoji. What labels an image of domain B has, or what labels a picture of domain A shows, `labels` says exactly:
no network needs to be trained for it.

Wants the images of experiments.data.emoji --labelled, see there, in --emoji.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.common import run
from experiments.data import emoji, icons, output
from gan_xla import images
from gan_xla.errors import UserError
from gan_xla.evaluation.metrics import segmentation

# name: (what is labelled so, what it is drawn with in a map)
CLASSES = {
    "white": ((255, 255, 255), (0, 0, 0)),
    "black": ((35, 35, 35), (128, 64, 128)),
    "grey": ((150, 150, 155), (70, 130, 180)),
    "red": ((215, 50, 60), (107, 142, 35)),
    "yellow": ((255, 200, 50), (0, 0, 142)),
    "green": ((90, 150, 60), (220, 20, 60)),
    "blue": ((70, 140, 215), (250, 170, 30)),
    "brown": ((150, 100, 75), (190, 190, 190)),
}
COLOURS, CODES = (np.array(column, np.uint8) for column in zip(*CLASSES.values()))


def labels(x: np.ndarray, domain: str) -> np.ndarray:
    """The class of every pixel of images of a domain, uint8 [n, h, w, 3] -> int64 [n, h, w]."""
    return segmentation.labels_of(x, CODES if domain == "A" else COLOURS)


def _pictures(root: Path, rows: Sequence[Mapping[str, str]], unpaired: bool) -> Iterator[tuple[str, np.ndarray]]:
    for row in rows:
        split = row["path"].partition("/")[0]
        image = images.read(root / row["path"], 3)
        both = {"A": CODES[labels(image[None], "B")[0]], "B": image}
        for domain, picture in both.items():
            if split == "test" or not unpaired or emoji.side(row["base"]) == domain:
                yield f"{split}{domain}/{row['codepoints']}.png", picture


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.data.label_maps", description=__doc__.splitlines()[0])
    parser.add_argument("--emoji", type=Path, required=True, help="what experiments.data.emoji --labelled made")
    parser.add_argument("--vendor", default="noto", help=f"of {', '.join(icons.PINS)} (default %(default)s)")
    parser.add_argument("--unpaired", action="store_true", help="no base emoji in both trainA and trainB")
    parser.add_argument("--output", type=Path, required=True, help="the data set's new directory")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Makes the data set.

    Raises:
      UserError: no such images, or an output directory in use.
    """
    args = _arguments(argv)
    request = {"label_maps": args.vendor, "unpaired": args.unpaired}
    if output.present(args.output, request):
        print(f"{args.output}: is there already")
        return
    try:
        with (args.emoji / "attributes.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["vendor"] == args.vendor]
        sources = (args.emoji / "SOURCES.md").read_text("utf-8")
    except (OSError, KeyError) as error:
        raise UserError(f"--emoji={args.emoji}: no images of experiments.data.emoji --labelled ({error})") from error
    rows = [row for row in rows if row["path"].startswith(("train/", "test/"))]
    if not rows:
        raise UserError(f"--emoji={args.emoji}: has no images of {args.vendor}")
    counts = output.write(args.output, request, _pictures(args.emoji, rows, args.unpaired), {"SOURCES.md": sources})
    print(f"{args.output}: {', '.join(f'{folder} {number}' for folder, number in counts.items())} images")


if __name__ == "__main__":
    sys.exit(run(main))
