"""Two views of a head and the view between them: six channels to three.

  python -m experiments.data.between --output=data/between [--apart=30]

left/ and right/ hold the built-in heads as they are seen so many degrees to either side of the view of the same name in
middle/. As pairs of two modalities and their target:

  python -m gan_xla.main --config=configs/pix2pix.py:quick --config.data.source=folder \\
    --config.data.path_a="('data/between/left','data/between/right')" --config.data.channels_a=6 \\
    --config.data.path_b=data/between/middle --config.data.flip=False
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from experiments.common import run
from experiments.data import output
from gan_xla import images
from gan_xla.data.sources import builtin
from gan_xla.errors import UserError

SOURCES = "# Sources\n\nThe heads inside gan_xla, CC0: see gan_xla/data/objects/ATTRIBUTION.md.\n"
STEP = 360 // builtin.AZIMUTHS


def _pictures(apart: int) -> Iterator[tuple[str, np.ndarray]]:
    for number, views in enumerate(images.compose(builtin.rendered("faces"), images.WHITE)):
        for name, turn in (("left", -apart), ("middle", 0), ("right", apart)):
            for azimuth, view in enumerate(np.roll(views, -turn // STEP, axis=0)):
                yield f"{name}/{number:02d}_{azimuth * STEP:03d}.png", view


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the data set and prints what is in it.

    Raises:
      UserError: a wrong flag, or as `output.write`.
    """
    parser = argparse.ArgumentParser(prog="python -m experiments.data.between", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="directory of the data set")
    parser.add_argument("--apart", type=int, default=30, help="degrees to either side (default %(default)s)")
    options = parser.parse_args(argv)
    if options.apart % STEP or not 0 < options.apart < 180:
        raise UserError(f"--apart={options.apart}: takes multiples of {STEP} below 180")
    request = {"apart": options.apart}
    if output.present(options.output, request):
        print(f"{options.output}: is there already")
        return
    print(output.write(options.output, request, _pictures(options.apart), {"SOURCES.md": SOURCES}), file=sys.stdout)


if __name__ == "__main__":
    raise SystemExit(run(main))
