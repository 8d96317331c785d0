"""Emoji of two or more vendors as a data set: equal names are the same emoji in another style.

  python -m experiments.data.emoji --a=noto --b=twemoji --output=data/noto2twemoji
  python -m experiments.data.emoji --a=fluent-emoji-high-contrast --b=fluent-emoji-flat --output=data/lineart2colour
  python -m experiments.data.emoji --labelled=noto,twemoji,openmoji,fluent-emoji-flat --output=data/emoji

Vendors: noto, twemoji, openmoji, fluent-emoji-flat, and fluent-emoji-high-contrast, which is line art
without skin tones. The first two forms write trainA trainB testA testB, where images of equal name
belong together (config.data.paired=True); with --unpaired trainA and trainB share no base
emoji, the tests stay pairs. The last form writes train/VENDOR and test/VENDOR. Only emoji that all
chosen vendors draw are taken. Flags, nearly the same at all vendors, lie apart in flagsA and flagsB
or flags/VENDOR.

A base emoji is what is left of a codepoint sequence without skin tone, hair, gender and direction; what
a vendor draws almost alike, such as the 24 clocks, has one base too. All variants of a base are on one
side of every split. The side is read off a hash of the base: it is the same in every data set that
this makes, whatever the vendors.

Without --icons the sets are fetched by `npm pack` at the versions in icons.py, checked, and kept in
the user's cache directory. Needs the extra `experiments` (resvg-py).
"""

import argparse
import csv
import hashlib
import io
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import ImageColor

from experiments.common import run
from experiments.data import icons, output
from experiments.data.icons import IconSet
from gan_xla.errors import UserError

TONES = {"1f3fb": "light", "1f3fc": "medium-light", "1f3fd": "medium", "1f3fe": "medium-dark", "1f3ff": "dark"}
JOINER = "200d"
# Female and male sign, arrow to the right (the mirror image), four kinds of hair, and the request for colour.
MODIFIERS = {"2640", "2642", "27a1", "1f9b0", "1f9b1", "1f9b2", "1f9b3", "fe0f"}
# Woman and man are drawn as the person, girl and boy as the child, and so on.
NEUTRAL = {
    **dict.fromkeys(("1f468", "1f469"), "1f9d1"),
    **dict.fromkeys(("1f466", "1f467"), "1f9d2"),
    **dict.fromkeys(("1f474", "1f475"), "1f9d3"),
    **dict.fromkeys(("1f934", "1f478"), "1fac5"),
    **dict.fromkeys(("1f385", "1f936"), "1f9d1-200d-1f384"),
    "1f57a": "1f483",
    **dict.fromkeys(("1f930", "1fac3"), "1fac4"),
}
FAMILY = "1f46a"
# What one vendor or another draws as the same picture within a few grey levels, or with only the
# hands of the clock moved: found by comparing all training with all test images.
KIN = {
    **dict.fromkeys(("1f471", "1f64d", "1f64e", "1f9d4"), "1f9d1"),
    **dict.fromkeys((f"{code:x}" for code in range(0x1F551, 0x1F568)), "1f550"),
    "1faf1-200d-1faf2": "1f91d",
    **dict.fromkeys(("1f46b", "1f46c", "1f46d"), "1f9d1-200d-1f91d-200d-1f9d1"),
    "1f9d1-200d-2764-200d-1f9d1": "1f491",
    "1f9d1-200d-2764-200d-1f48b-200d-1f9d1": "1f48f",
    "1f47f": "1f608",
    "2721": "1f52f",
    "1f7e1": "1f315",
}
TEST_SHARE = 10
ATTRIBUTES = ("path", "codepoints", "vendor", "base", "skin_tone", "group")


class Image(NamedTuple):
    """One image to make."""

    path: str
    vendor: str
    codepoints: str


def base(codepoints: str) -> str:
    """The base emoji of a sequence: without skin tone, hair, gender, direction.

    >>> base("1f469-1f3fd-200d-1f33e"), base("1f3c3-1f3ff-200d-2642")
    ('1f9d1-200d-1f33e', '1f3c3')
    """
    parts = [
        [NEUTRAL.get(code, code) for code in part.split("-") if code not in MODIFIERS and code not in TONES]
        for part in codepoints.split(f"-{JOINER}-")
    ]
    kept = ["-".join(part) for part in parts if part]
    if len(kept) > 1 and set(kept) <= {"1f9d1", "1f9d2"}:
        return FAMILY
    whole = f"-{JOINER}-".join(kept) or codepoints
    return KIN.get(whole, whole)


def skin_tone(codepoints: str) -> str:
    """The tone of an emoji's skin: one of `TONES`, "mixed" for two of them, empty for none."""
    found = {TONES[code] for code in codepoints.split("-") if code in TONES}
    return "mixed" if len(found) > 1 else "".join(found)


def _draw(name: str, purpose: str, count: int) -> int:
    """A number below `count` that depends on the two texts alone."""
    return int.from_bytes(hashlib.sha256(f"{purpose}:{name}".encode()).digest()[:8]) % count


def held_out(name: str) -> bool:
    """Whether a base emoji is for testing: one in `TEST_SHARE`."""
    return _draw(name, "test", TEST_SHARE) == 0


def side(name: str) -> str:
    """The one domain, "A" or "B", that a base emoji trains where the domains share none."""
    return "AB"[_draw(name, "domain", 2)]


def split(codepoints: str, group: str) -> str:
    """The split of an emoji: "train", "test" or "flags"."""
    if group == "Flags":
        return "flags"
    return "test" if held_out(base(codepoints)) else "train"


def plan(sets: Sequence[IconSet], *, labelled: bool, unpaired: bool, tones: bool) -> list[Image]:
    """The images to make of the emoji that all sets have, by name."""
    shared = sorted(set.intersection(*(set(icon_set.names) for icon_set in sets)))
    chosen = []
    for codepoints in shared:
        if skin_tone(codepoints) and not tones:
            continue
        part = split(codepoints, sets[0].group(codepoints))
        for number, icon_set in enumerate(sets):
            if unpaired and part == "train" and side(base(codepoints)) != "AB"[number]:
                continue
            folder = f"{part}/{icon_set.vendor}" if labelled else part + "AB"[number]
            chosen.append(Image(f"{folder}/{codepoints}.png", icon_set.vendor, codepoints))
    return chosen


def attributes(chosen: Iterable[Image], sets: Mapping[str, IconSet]) -> str:
    """What is known of every image, as CSV."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(ATTRIBUTES)
    # One vendor's groups for all: their spellings differ.
    first = next(iter(sets.values()))
    for path, vendor, codepoints in chosen:
        about = (base(codepoints), skin_tone(codepoints), first.group(codepoints))
        table.writerow([path, codepoints, vendor, *about])
    return text.getvalue()


def sources(sets: Iterable[IconSet], chosen: Sequence[Image], size: int) -> str:
    """SOURCES.md: whose the images are, and under which licence."""
    lines = [
        "# Sources",
        f"Emoji rendered at {size}x{size} by `python -m experiments.data.emoji` from icon sets of Iconify (npm). The",
        "images are adaptations of the vendors' drawings, under the licence of each.",
        "",
        "| vendor | package | licence | by | images |",
        "|---|---|---|---|---:|",
    ]
    for found in sets:
        number = sum(image.vendor == found.vendor for image in chosen)
        package = f"@iconify-json/{found.vendor} {found.version}"
        lines.append(f"| {found.vendor} | {package} | {found.licence} | {found.author}, {found.url} | {number} |")
    return "\n".join(lines) + "\n"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.data.emoji", description=__doc__.splitlines()[0])
    parser.add_argument("--a", metavar="VENDOR", help=f"domain A: {', '.join(icons.PINS)}")
    parser.add_argument("--b", metavar="VENDOR", help="domain B")
    parser.add_argument("--labelled", metavar="VENDOR,...", help="in place of --a and --b: domains by name, or all")
    parser.add_argument("--unpaired", action="store_true", help="no base emoji in both trainA and trainB")
    parser.add_argument("--no_tones", action="store_true", help="leave out the emoji with a skin tone")
    parser.add_argument("--size", type=int, default=64, help="side in pixels (default %(default)s)")
    parser.add_argument("--background", default="white", help="a colour, as in CSS (default %(default)s)")
    parser.add_argument("--icons", type=Path, help="a node_modules with the sets (default: fetched by npm)")
    parser.add_argument("--output", type=Path, required=True, help="the data set's new directory")
    return parser.parse_args(argv)


def _vendors(args: argparse.Namespace) -> list[str]:
    """The chosen vendors, checked."""
    if bool(args.labelled) == bool(args.a or args.b) or bool(args.a) != bool(args.b):
        raise UserError("give either --a=VENDOR --b=VENDOR or --labelled=VENDOR,VENDOR,...")
    if args.labelled and args.unpaired:
        raise UserError("--unpaired is for two domains, --a and --b; without it --labelled gives every emoji of each")
    vendors = list(icons.PINS) if args.labelled == "all" else (args.labelled or f"{args.a},{args.b}").split(",")
    for vendor in vendors:
        if vendor not in icons.PINS:
            raise UserError(f"vendor {vendor!r} is not known; use {', '.join(icons.PINS)}")
    if len(set(vendors)) < len(vendors) or len(vendors) < 2:
        raise UserError(f"the vendors {', '.join(vendors)} must be two or more, each once")
    return vendors


def main(argv: Sequence[str] | None = None) -> None:
    """Makes the data set and prints what is in it.

    Raises:
      UserError: a wrong flag, a set that cannot be had, an output directory in use.
    """
    args = _arguments(argv)
    vendors = _vendors(args)
    if not 8 <= args.size <= 2048:
        raise UserError(f"--size={args.size} must be from 8 to 2048")
    try:
        background = ImageColor.getrgb(args.background)[:3]
    except ValueError:
        raise UserError(f"--background={args.background} is no colour; use such as white or #ffffff") from None
    options = {"labelled": bool(args.labelled), "unpaired": args.unpaired, "tones": not args.no_tones}
    request = {"emoji": vendors, "size": args.size, "background": background, **options}
    if output.present(args.output, request):
        print(f"{args.output}: is there already")
        return
    try:
        import resvg_py  # noqa: F401, before minutes of download
    except ImportError:
        raise UserError("resvg-py, which draws SVG, is not installed; pip install -e '.[experiments]'") from None
    start = time.monotonic()
    sets = {vendor: icons.load(vendor, args.icons) for vendor in vendors}
    chosen = plan(list(sets.values()), **options)
    counts = output.write(
        args.output,
        request,
        ((image.path, sets[image.vendor].render(image.codepoints, args.size, background)) for image in chosen),
        {"SOURCES.md": sources(sets.values(), chosen, args.size), "attributes.csv": attributes(chosen, sets)},
    )
    for folder, number in counts.items():
        print(f"{folder}: {number} images")
    bases = len({base(image.codepoints) for image in chosen})
    print(f"{args.output}: {len(chosen)} images of {bases} base emoji in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    sys.exit(run(main))
