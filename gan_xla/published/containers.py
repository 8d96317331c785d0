"""Files of weights as trees of arrays, and the state_dicts in them. Nothing in a file is executed."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan_xla.errors import UserError
from gan_xla.published import torch_file

SAFE = {"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "u2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1"}
SAFE |= {"U8": "u1", "BOOL": "b1"}
MOMENTS = {"exp_avg", "momentum_buffer", "square_avg", "param_groups"}  # of PyTorch's optimisers


def read(path: Path) -> dict[str, Any]:
    """What a file of PyTorch's, .safetensors or .onnx holds; numpy arrays in the place of tensors.

    Raises:
      UserError: it cannot be read, or is no such file.
    """
    if path.suffix == ".safetensors":
        return _safetensors(path)
    return _onnx(path) if path.suffix == ".onnx" else torch_file.read(path, strangers=True)


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    """github.com/huggingface/safetensors: the length of a header, a header of JSON, numbers. float32 of bfloat16."""
    try:
        data = path.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        header.pop("__metadata__", None)
        return {name: _safe(data[start:], **entry) for name, entry in header.items()}
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: not a .safetensors file, or a damaged or incomplete one ({error})") from error


def _safe(data: bytes, dtype: str, shape: list[int], data_offsets: list[int]) -> np.ndarray:
    begin, end = data_offsets
    array = np.frombuffer(data[begin:end], np.dtype(SAFE[dtype]).newbyteorder("<")).reshape(shape)
    return (array.astype(np.uint32) << 16).view(np.float32) if dtype == "BF16" else array


def _onnx(path: Path) -> dict[str, np.ndarray]:
    try:
        import onnx
    except ImportError as error:
        raise UserError(f"{path}: reading it needs the package onnx: pip install 'gan_xla[onnx]'") from error
    try:
        graph = onnx.load(path, load_external_data=False).graph
        return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # What reading damaged bytes raises is anyone's guess.
        raise UserError(f"{path}: not an .onnx file, or a damaged one ({error})") from error


def states(tree: Mapping[Any, Any], label: str = "") -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """(where it stands, state_dict) of those in a tree; moments of optimisers are none."""
    if not all(isinstance(key, str) for key in tree) or MOMENTS & tree.keys():
        return
    arrays = {key: value for key, value in tree.items() if isinstance(value, np.ndarray)}
    kept = {key: value for key, value in arrays.items() if not key.endswith("num_batches_tracked")}
    if sum(value.ndim > 0 for value in kept.values()) > 1:
        yield label, kept
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from states(value, f"{label}.{key}" if label else key)
