"""Reads files that `torch.save` wrote, without PyTorch and without running anything that they contain.

Such a file is a pickle, which may call any function that it names, beside the plain bytes of the tensors.
Here it may name what a state_dict consists of and nothing else, and what it names are stand-ins that live
for one reading. Both forms are read: the zip archive of PyTorch 1.6 on, and the older one, a sequence of
pickles and storages (PyTorch, torch/serialization.py, `_save` and `_legacy_save`).
"""

import collections
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from gan_xla.errors import UserError

ZIP = b"PK\x03\x04"
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the older form
# numpy's names; it has no bfloat16, whose bits are the upper half of a float32.
DTYPES = {
    "BFloat16Storage": "u2",
    "BoolStorage": "b1",
    "ByteStorage": "u1",
    "CharStorage": "i1",
    "ComplexDoubleStorage": "c16",
    "ComplexFloatStorage": "c8",
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "IntStorage": "i4",
    "LongStorage": "i8",
    "ShortStorage": "i2",
}


class ForeignObject(UserError):
    """A file names a Python object, `name`, that is none of what a state_dict consists of."""

    def __init__(self, name: str, message: str):
        super().__init__(message)
        self.name = name


class _Storage(NamedTuple):
    """Consecutive numbers, `length` of them, whose bytes lie under `key`."""

    kind: str
    key: str
    length: int

    @property
    def nbytes(self) -> int:
        return self.length * np.dtype(DTYPES[self.kind]).itemsize


class _Tensor(NamedTuple):
    """A view of a storage; offset and strides count numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Stranger:
    """Stands for an object of a class that a file names, which is not made: whatever is done to it does nothing."""

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        pass

    def extend(self, values: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> "Stranger":
        return self


def read(path: str | os.PathLike, strangers: bool = False) -> dict[str, Any]:
    """The dict that was saved, with numpy arrays in the place of tensors and parameters.

    A state_dict is flat, `{"conv.weight": array}`; a dict of dicts, lists and numbers is given as it is.
    bfloat16 becomes float32, other types stay. Arrays are read-only and share memory as the tensors did;
    one that was saved transposed is so here. Attributes of dicts, such as a state_dict's `_metadata`, and
    whether a tensor requires a gradient are left out.

    Args:
      path: of the file.
      strangers: whether other objects may be among the tensors, such as the settings of a training; a `Stranger`
        stands for each.
    Raises:
      UserError: the file cannot be opened, is damaged or no such file, is not a dict, or holds objects other than
        tensors in dicts, lists and tuples where these may not be.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(len(ZIP))
            file.seek(0)
            tree = _zip(file, path, strangers) if start == ZIP else _legacy(file, path, strangers)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # What reading damaged bytes raises is anyone's guess.
        reason = str(error) or type(error).__name__
        raise UserError(f"{path}: not a file of torch.save, or a damaged or incomplete one ({reason})") from error
    if not isinstance(tree, dict):
        raise UserError(f"{path}: holds a {type(tree).__name__}, not a state_dict")
    return tree


class _Unpickler(pickle.Unpickler):
    """Builds the tree with stand-ins; `storages` lists those that it refers to."""

    def __init__(self, file: BinaryIO, path: Path, strangers: bool):
        super().__init__(file, encoding="utf-8")  # for strings that Python 2 wrote
        self.path = path
        self.strangers = strangers
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        # A pickle can set attributes of what it is given: hence new functions each time, not ours.
        match module, name:
            case "collections", "OrderedDict":
                return collections.OrderedDict
            case "torch", "Size":
                return lambda sizes=(): tuple(sizes)
            case "torch", kind if kind in DTYPES:
                return kind
            case "torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2":
                return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
            case "torch._utils", "_rebuild_parameter":
                return lambda tensor, *_: tensor
        if self.strangers:
            return type("Stranger", (Stranger,), {"NAME": f"{module}.{name}"})
        raise self.foreign(f"{module}.{name}")

    def foreign(self, name: str) -> ForeignObject:
        return ForeignObject(
            name,
            f"{self.path}: holds the Python object {name}, not tensors alone, and could run code when read; "
            "ask its author for the state_dict of the network, torch.save(network.state_dict(), FILE)",
        )

    def tree(self) -> Any:
        """What the file holds; a whole network, or what else is no dict, is refused."""
        tree = self.load()
        if isinstance(tree, Stranger):
            raise self.foreign(tree.NAME)
        return tree

    def persistent_load(self, pid: Any) -> _Storage:
        tag, kind, key, _, length, *view = pid
        if tag != "storage" or kind not in DTYPES or type(length) is not int or length < 0 or any(view):
            raise ValueError(f"storage {pid}")
        storage = _Storage(kind, key, length)
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError(f"two storages {key}")
        return storage


def _zip(file: BinaryIO, path: Path, strangers: bool) -> Any:
    with zipfile.ZipFile(file) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = name.removesuffix("data.pkl")
        big = folder + "byteorder" in archive.namelist() and archive.read(folder + "byteorder") == b"big"
        with archive.open(name) as pickled:
            unpickler = _Unpickler(pickled, path, strangers)
            tree = unpickler.tree()
        numbers = {}
        for key, storage in unpickler.storages.items():
            entry = archive.getinfo(f"{folder}data/{key}")
            if entry.file_size != storage.nbytes:
                raise ValueError(f"storage {key} has {entry.file_size} bytes, not {storage.nbytes}")
            numbers[storage] = _numbers(storage, archive.read(entry), ">" if big else "<")
    return _resolve(tree, numbers.__getitem__, {})


def _legacy(file: BinaryIO, path: Path, strangers: bool) -> Any:
    if [_Unpickler(file, path, False).load() for _ in range(2)] != [MAGIC, PROTOCOL]:
        raise ValueError("another magic number")
    _Unpickler(file, path, False).load()  # sizes of C types on the machine that wrote it; the bytes depend on none
    unpickler = _Unpickler(file, path, strangers)
    tree = unpickler.tree()
    numbers, size = {}, os.fstat(file.fileno()).st_size
    for key in _Unpickler(file, path, False).load():
        storage = unpickler.storages[key]
        (length,) = struct.unpack("<q", file.read(8))
        if length != storage.length or file.tell() + storage.nbytes > size:
            raise ValueError(f"storage {key} is incomplete")
        numbers[storage] = _numbers(storage, file.read(storage.nbytes), "<")
    return _resolve(tree, numbers.__getitem__, {})


def _numbers(storage: _Storage, data: bytes, order: str) -> np.ndarray:
    """[length] numbers of a storage."""
    stored = np.frombuffer(data, np.dtype(DTYPES[storage.kind]).newbyteorder(order))
    values = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    if storage.kind == "BFloat16Storage":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values


def _array(tensor: _Tensor, numbers: np.ndarray) -> np.ndarray:
    offset, shape, strides = tensor.offset, tuple(tensor.shape), tuple(tensor.strides)
    if len(shape) != len(strides) or any(type(v) is not int or v < 0 for v in (offset, *shape, *strides)):
        raise ValueError(f"a tensor of shape {shape} and strides {strides} from {offset} on")
    # Checked here as well as by numpy, whose 64-bit integers a large stride overflows.
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides))
    if 0 not in shape and last >= len(numbers):
        raise ValueError(f"a tensor reaches number {last} of a storage of {len(numbers)}")
    if 0 in shape:
        return np.empty(shape, numbers.dtype)
    steps = [stride * numbers.itemsize for stride in strides]
    view = np.ndarray(shape, numbers.dtype, numbers, offset * numbers.itemsize, steps)
    view.flags.writeable = False
    return view


def _resolve(value: Any, numbers: Callable[[_Storage], np.ndarray], done: dict[int, Any]) -> Any:
    """`value` with arrays for tensors. What occurs many times is resolved once: nested, it may grow exponentially."""
    if id(value) not in done:
        match value:
            case _Tensor():
                result = _array(value, numbers(value.storage))
            case dict():
                result = {k: _resolve(v, numbers, done) for k, v in value.items()}
            case list() | tuple():
                result = type(value)([_resolve(v, numbers, done) for v in value])
            case None | bool() | int() | float() | str() | bytes() | Stranger():
                result = value
            case type() if issubclass(value, Stranger):
                result = value
            case _:
                raise ValueError(f"a {type(value).__name__} among the tensors")
        done[id(value)] = result
    return done[id(value)]
