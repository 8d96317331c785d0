"""Emoji of five vendors: the icon sets of Iconify, as the npm registry carries them.

An icon set is a JSON file of SVG bodies by icon name, and another of icon
names by codepoints. The vendors draw the same codepoints, each in its own style.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_xla import images
from gan_xla.errors import UserError
from gan_xla.export import npm

FILES = ("icons.json", "chars.json", "info.json", "metadata.json", "package.json")


class Pin(NamedTuple):
    """The version of a set that is fetched, and what it must be."""

    version: str
    emoji: int  # codepoints in chars.json
    licence: str  # SPDX
    integrity: str  # of the tarball, as npm writes it


PINS = {
    "noto": Pin(
        "1.2.9",
        3729,
        "Apache-2.0",
        "sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==",
    ),
    "twemoji": Pin(
        "1.2.5",
        3988,
        "CC-BY-4.0",
        "sha512-uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==",
    ),
    "openmoji": Pin(
        "1.2.29",
        4556,
        "CC-BY-SA-4.0",
        "sha512-vXdhkqcXVSO6suy+m9LbcUM3OdVyuNOtpV8/als/WqfkQIRxevL5Geb/g+6GH/Qwnq1OqksEmaDGTCmZ5nFKJQ==",
    ),
    "fluent-emoji-flat": Pin(
        "1.2.6",
        3139,
        "MIT",
        "sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
    ),
    "fluent-emoji-high-contrast": Pin(
        "1.2.6",
        1594,
        "MIT",
        "sha512-esqhZPpkrF7sNX3NsLoh8KW64okEr/bzko7WNnFP+qTJGAqDPDYjp0925yxuivXy3HtVQB8xhIKu3+Nq1byX5w==",
    ),
}


class IconSet(NamedTuple):
    """One vendor's emoji."""

    vendor: str
    version: str
    licence: str  # SPDX
    author: str
    url: str
    names: Mapping[str, str]  # icon by codepoints, as "1f44b-1f3fd"
    groups: Mapping[str, str]  # such as "Food & Drink", by icon
    icons: Mapping[str, dict]
    width: float  # of icons that do not say
    height: float

    def group(self, codepoints: str) -> str:
        """The group of an emoji, empty where the set has none."""
        return self.groups.get(self.names[codepoints], "")

    def render(self, codepoints: str, size: int, background: tuple[int, int, int]) -> np.ndarray:
        """An emoji, antialiased, whole and centred in a square: uint8 [size, size, 3].

        Raises:
          UserError: the set's drawing is no SVG.
        """
        import resvg_py  # of the extra `experiments`

        icon = self.icons[self.names[codepoints]]
        box = [icon.get("left", 0), icon.get("top", 0), icon.get("width", self.width), icon.get("height", self.height)]
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="{size}" height="{size}" viewBox="{" ".join(map(str, box))}">{icon["body"]}</svg>'
        )
        try:
            png = resvg_py.svg_to_bytes(svg, skip_system_fonts=True)
        except ValueError as error:
            raise UserError(f"{self.vendor}: {codepoints} cannot be drawn ({error}); install the set again") from error
        return images.read(io.BytesIO(png), background=background)


def load(vendor: str, directory: Path | None = None) -> IconSet:
    """A vendor's set from a directory such as node_modules, or fetched at its pinned version and kept.

    Raises:
      UserError: the set is not there, is not what it should be, or npm cannot fetch it.
    """
    pin = PINS[vendor]
    where = f"{directory}/@iconify-json/{vendor}" if directory else f"@iconify-json/{vendor}@{pin.version}"
    if directory:
        texts = _installed(Path(where))
    else:
        texts = npm.fetch(f"@iconify-json/{vendor}", pin.version, pin.integrity, FILES, "give --icons=node_modules")
    try:
        chars, icons, info, metadata, package = (
            json.loads(texts[name])
            for name in ("chars.json", "icons.json", "info.json", "metadata.json", "package.json")
        )
        result = IconSet(
            vendor=vendor,
            version=package["version"],
            licence=info["license"]["spdx"],
            author=info["author"]["name"],
            url=info["author"].get("url", ""),
            names=chars,
            groups={icon: group for group, names in metadata.get("categories", {}).items() for icon in names},
            icons=icons["icons"],
            width=icons.get("width", 16),
            height=icons.get("height", 16),
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise UserError(f"{where}: not an Iconify icon set ({error!r}); install the package again") from error
    _check(result, pin, where)
    return result


def _check(found: IconSet, pin: Pin, where: str) -> None:
    if found.licence != pin.licence:
        raise UserError(f"{where}: its licence is {found.licence}, not {pin.licence}; take version {pin.version}")
    if found.version == pin.version and len(found.names) != pin.emoji:
        raise UserError(f"{where}: has {len(found.names)} emoji, not {pin.emoji}; install the package again")
    missing = [icon for icon in found.names.values() if icon not in found.icons]
    if missing:
        raise UserError(f"{where}: {len(missing)} icons are missing ({missing[0]}, ...); take version {pin.version}")


def _installed(directory: Path) -> dict[str, bytes]:
    try:
        return {name: (directory / name).read_bytes() for name in FILES}
    except OSError as error:
        raise UserError(
            f"{error.filename}: {error.strerror}; --icons is a node_modules after "
            f"`npm install @iconify-json/{directory.name}`"
        ) from error
