"""`--format=web`: a directory with a page that translates images in the browser, without a server or a network.

The page runs ONNX by onnxruntime-web. Everything comes by script elements, weights and runtime as text, because a page
that is opened from a file may read nothing else; so it works by a double click as well as from any web server.
"""

import base64
import gzip
import json
from importlib import resources
from pathlib import Path

from gan_xla.contract import BYTES
from gan_xla.errors import UserError
from gan_xla.export import npm, onnx, program
from gan_xla.inference.model import Model

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
SCRIPT, GLUE, BINARY = "dist/ort.wasm.min.js", "dist/ort-wasm-simd-threaded.mjs", "dist/ort-wasm-simd-threaded.wasm"
PAGE = resources.files("gan_xla.export") / "page"
COPIED = ("index.html", "style.css", "page.js", "LICENSE-onnxruntime-web.txt")


def write(
    model: Model, output: Path, *, direction: str | None, batch: int | None, size: int | None, opset: int = onnx.OPSET
) -> None:
    """Writes the directory `output`, whose index.html translates in `direction`, or in all; or to labels.

    Raises:
      UserError: a model that draws from noise, or of points or transparent images; no npm to fetch the runtime with.
    """
    ends = (*"AB",) if model.directions else ("x",)
    kinds = {(model.channels(end), model.values(end)) for end in ends} if model.config.data.image_size else set()
    if model.latent or kinds not in ({(1, BYTES)}, {(3, BYTES)}):
        raise UserError(
            "--format=web: the page translates bytes, all grey or all in colours; use --format=onnx for this model"
        )
    if batch not in (None, 1):
        raise UserError(f"--batch={batch}: the page of --format=web takes one image at a time; leave --batch out")
    names = [direction] if direction else model.directions or [None]
    networks = {
        str(name): _text(onnx.content(model, direction=name, batch=1, size=size, opset=opset)) for name in names
    }
    runtime = _runtime()
    output.mkdir()
    _script(output / "model.js", "MODEL", {"about": program.describe(model, direction, size), "networks": networks})
    _script(output / "runtime.js", "RUNTIME", runtime)
    for name in COPIED:
        (output / name).write_bytes((PAGE / name).read_bytes())


def _runtime() -> dict[str, str]:
    """The worker's program, and what it needs of onnxruntime-web."""
    otherwise = f"put {PACKAGE}-{VERSION}.tgz, which `npm pack {PACKAGE}@{VERSION}` makes elsewhere, into "
    otherwise += f"{npm.kept(PACKAGE, VERSION).parent}"
    files = npm.fetch(PACKAGE, VERSION, INTEGRITY, [SCRIPT, GLUE, BINARY], otherwise)
    worker = f"{files[SCRIPT].decode()}\n{(PAGE / 'worker.js').read_text()}"
    return {"worker": worker, "glue": files[GLUE].decode(), "binary": _text(files[BINARY])}


def _text(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _script(path: Path, name: str, value: dict) -> None:
    path.write_text(f"const {name} = {json.dumps(value)};\n")
