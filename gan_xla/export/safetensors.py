"""Networks as safetensors with a description: as `--format=torch` has them, or where nobody published them, as ours."""

from pathlib import Path

from gan_xla.errors import UserError
from gan_xla.inference.model import Model
from gan_xla.published import exporting


def write(model: Model, output: Path, *, direction: str | None, batch: int | None, size: int | None) -> None:
    """Writes the generator of a direction to a file, or all networks into a directory, see `exporting.write`.

    Weights fit any `batch` and `size`, so these change nothing. The metadata, text or JSON by field, tell the
    method and the network, the layout, the values and the order of channels of its images, and what they are
    normalised by.

    Raises:
      UserError: safetensors is missing.
    """
    try:
        from safetensors.numpy import save_file
    except ImportError as error:
        raise UserError("--format=safetensors needs the package safetensors: pip install 'gan_xla[torch]'") from error

    def flat(tree, prefix=""):
        found = {}
        for name, x in tree.items():
            found |= flat(x, f"{prefix}{name}.") if isinstance(x, dict) else {f"{prefix}{name}": x}
        return found

    def save(arrays, about, path):
        save_file(flat(arrays), path, about)

    exporting.write(model, output, direction, save, suffix=".safetensors", own=True)
