"""A state_dict in the layout of the repository that published such networks, for PyTorch."""

from pathlib import Path

from gan_xla.errors import UserError
from gan_xla.inference.model import Model
from gan_xla.published import exporting


def write(model: Model, output: Path, *, direction: str | None, batch: int | None, size: int | None) -> None:
    """Writes the generator of a direction to a file, or all networks into a directory, see `exporting.write`.

    Weights fit any `batch` and `size`, so these change nothing. Images are what the published code takes: its
    values, and its order of channels.

    Raises:
      UserError: PyTorch is missing, or a network that nobody published.
    """
    try:
        import torch
    except ImportError as error:
        raise UserError("--format=torch needs PyTorch: pip install 'gan_xla[torch]'") from error

    def tensors(tree):
        return {name: tensors(x) if isinstance(x, dict) else torch.from_numpy(x) for name, x in tree.items()}

    def save(arrays, about, path):
        torch.save(tensors(arrays), path)

    exporting.write(model, output, direction, save)
