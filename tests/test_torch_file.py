"""The reader of PyTorch's files: what PyTorch wrote (needs the extra `parity`), and hostile and damaged files."""

import collections
import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from gan_xla.errors import UserError
from gan_xla.published import torch_file

BOTH = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


class Named:
    """Pickled as a reference to a name, called with arguments; to write what PyTorch, or an attacker, writes."""

    def __init__(self, name, *arguments):
        self.reduction = (self.Global(name), arguments)

    def __reduce__(self):
        return self.reduction

    class Global(str):
        pass


class Pickler(pickle._Pickler):
    """Writes `Named` whether or not such a thing can be imported, and tuples ("storage", ...) as PyTorch does."""

    def persistent_id(self, value):
        return value if isinstance(value, tuple) and value[:1] == ("storage",) else None

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Named.Global):
            module, _, name = value.rpartition(".")
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        else:
            super().save(value, save_persistent_id)

    def save_reduce(self, function, arguments, *rest, **options):
        if not isinstance(function, Named.Global):
            super().save_reduce(function, arguments, *rest, **options)
            return
        self.save(function)
        self.save(arguments)
        self.write(pickle.REDUCE)


def _pickled(value):
    stream = io.BytesIO()
    Pickler(stream, 2).dump(value)
    return stream.getvalue()


def _file(path, value, storages, zipped=True, order="little"):
    """A file as PyTorch writes it of any value; storages: key -> (length, bytes)."""
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", _pickled(value))
            archive.writestr("archive/byteorder", order)
            for key, (_, data) in storages.items():
                archive.writestr(f"archive/data/{key}", data)
    else:
        head = [torch_file.MAGIC, torch_file.PROTOCOL, {"little_endian": True}, value, list(storages)]
        tail = [struct.pack("<q", length) + data for length, data in storages.values()]
        path.write_bytes(b"".join([*map(_pickled, head), *tail]))
    return path


def _tensor(shape, strides, offset=0, length=6, rebuild="_rebuild_tensor_v2", kind="torch.FloatStorage"):
    storage = ("storage", Named.Global(kind), "0", "cpu", length)
    return Named(f"torch._utils.{rebuild}", storage, offset, shape, strides, False, collections.OrderedDict())


SIX = {"0": (6, np.arange(6, dtype="<f4").tobytes())}

NONSENSE = {
    "too long": _tensor((7,), (1,)),
    "too far": _tensor((6,), (1,), offset=1),
    "too wide": _tensor((2, 3), (4, 1)),
    "before the start": _tensor((2,), (1,), offset=-1),
    "backwards": _tensor((2,), (-1,), offset=3),
    "negative": _tensor((-2,), (1,)),
    "a stride too few": _tensor((2, 3), (1,)),
    "bytes that overflow": _tensor((5,), (2**60,)),  # 4 strides of 4 bytes are 2^64
    "a size that overflows": _tensor((2**62,), (0,)),
    "a fraction": _tensor((1.5,), (1,)),
    "a string": _tensor(("1",), (1,)),
    "storage too short": _tensor((7,), (1,), length=7),
    "storage of negative length": _tensor((6,), (1,), length=-6),
    "storage of another type": _tensor((3,), (1,), length=6, kind="torch.DoubleStorage"),
    "no storage": Named("torch._utils._rebuild_tensor_v2", "storage", 0, (1,), (1,)),
    "no arguments": Named("torch._utils._rebuild_tensor_v2"),
    "storage of no type": ("storage", Named.Global("torch.Size"), "0", "cpu", 6),
    "storage of two parts": ("storage", "FloatStorage"),
    "missing storage": ("storage", Named.Global("torch.FloatStorage"), "9", "cpu", 6),
    "function": Named.Global("torch.Size"),
}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@BOTH
def test_every_type_is_read_as_it_was_saved(tmp_path, torch, zipped):
    values = torch.tensor([[0.1, -2.0, 3e4], [0.0, 1.0, -7.5]])
    tensors = {
        str(dtype): values.to(dtype)
        for dtype in (torch.float64, torch.float32, torch.float16, torch.int64, torch.int32, torch.int16, torch.bool)
    }
    tensors |= {"int8": torch.tensor([-128, 5], dtype=torch.int8), "uint8": torch.tensor([255], dtype=torch.uint8)}
    tensors |= {"complex": torch.complex(values, -values), "bfloat16": values.bfloat16()}
    torch.save(tensors, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    found = torch_file.read(tmp_path / "x.pt")
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        expected = (tensor.float() if name == "bfloat16" else tensor).numpy()
        assert found[name].dtype == expected.dtype and found[name].dtype.isnative
        np.testing.assert_array_equal(found[name], expected)


@BOTH
def test_a_networks_state_dict_is_read(tmp_path, torch, zipped):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    torch.save(network.state_dict(), tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    found = torch_file.read(tmp_path / "x.pth")
    assert type(found) is dict and found["1.num_batches_tracked"].shape == ()
    assert {k: v.shape for k, v in found.items()} == {k: tuple(v.shape) for k, v in network.state_dict().items()}
    np.testing.assert_array_equal(found["0.weight"], network[0].weight.detach())


@BOTH
def test_views_of_one_storage_are_read_as_views(tmp_path, torch, zipped):
    base = torch.arange(24.0).reshape(2, 3, 4)
    tensors = {
        "whole": base,
        "transposed": base.permute(2, 0, 1),
        "slice": base[1, :, 1:3],
        "stepped": base[:, ::2, ::3],
        "scalar": base[1, 2, 3],
        "repeated": base[0, 0].expand(5, 4),
        "empty": base[:0],
        "of nothing": torch.zeros(0, 7),
    }
    torch.save(tensors, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    found = torch_file.read(tmp_path / "x.pt")
    for name, tensor in tensors.items():
        assert found[name].shape == tuple(tensor.shape)
        np.testing.assert_array_equal(found[name], tensor)
    assert np.shares_memory(found["whole"], found["transposed"])
    assert not found["whole"].flags.writeable


@BOTH
def test_nested_checkpoints_keep_their_structure(tmp_path, torch, zipped):
    layer = torch.nn.Linear(2, 3)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    saved = {
        "G": layer.state_dict(),
        "parameter": layer.weight,
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "loss": [0.5, None],
        "shape": layer.weight.shape,
        "name": "größe",
    }
    torch.save(saved, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    found = torch_file.read(tmp_path / "x.pt")
    assert (found["epoch"], found["loss"], found["shape"], found["name"]) == (3, [0.5, None], (3, 2), "größe")
    np.testing.assert_array_equal(found["G"]["weight"], layer.weight.detach())
    np.testing.assert_array_equal(found["parameter"], layer.weight.detach())
    np.testing.assert_array_equal(
        found["optimizer"]["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"]
    )


@BOTH
def test_a_pickled_network_is_refused_and_its_file_named(tmp_path, torch, zipped):
    torch.save(torch.nn.Linear(2, 3), tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"x\.pt: holds the Python object torch\.nn\.modules\.linear\.Linear.*state_d"):
        torch_file.read(tmp_path / "x.pt")


@BOTH
def test_files_written_by_hand_are_read(tmp_path, zipped):
    """So that those below are refused for what is wrong with them."""
    value = {"a": _tensor((2, 3), (3, 1)), "b": _tensor((3, 2), (1, 3), rebuild="_rebuild_tensor")}
    found = torch_file.read(_file(tmp_path / "x", value, SIX, zipped))
    np.testing.assert_array_equal(found["a"], np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(found["b"], np.arange(6).reshape(2, 3).T)


def test_big_endian_machines_files_are_read(tmp_path):
    data = {"0": (6, np.arange(6, dtype=">f4").tobytes())}
    found = torch_file.read(_file(tmp_path / "x", {"a": _tensor((6,), (1,))}, data, order="big"))
    np.testing.assert_array_equal(found["a"], np.arange(6, dtype=np.float32))


@BOTH
@pytest.mark.parametrize(
    "name, arguments",
    [
        ("os.system", ["touch {}"]),
        ("posix.system", ["touch {}"]),
        ("builtins.open", ["{}", "w"]),
        ("builtins.exec", ["open('{}', 'w')"]),
        ("builtins.getattr", [{}, "items"]),
        ("torch.FloatStorage.__class__", []),
        ("torch._utils._rebuild_device_tensor_from_numpy", []),
        ("gan_xla.published.torch_file._array", []),
        ("collections.namedtuple", ["x", "y"]),
    ],
)
def test_no_other_name_is_called(tmp_path, zipped, name, arguments):
    target = tmp_path / "created"
    arguments = [a.format(target) if isinstance(a, str) else a for a in arguments]
    path = _file(tmp_path / "x", {"a": _tensor((6,), (1,)), "b": Named(name, *arguments)}, SIX, zipped)
    with pytest.raises(UserError, match=f"x: holds the Python object {name.replace('.', '[.]')}, not tensors alone"):
        torch_file.read(path)
    assert not target.exists()


def test_a_pickle_cannot_change_the_reader(tmp_path):
    """Attributes that it sets are set on functions that no other reading uses."""
    state = (None, {"__defaults__": (1, 2, 3, 4), "__name__": "x"})
    path = tmp_path / "x"
    stream = pickle.PROTO + b"\x02" + pickle.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n"
    stream += pickle.dumps(state, 2)[2:-1] + pickle.BUILD + pickle.STOP
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", stream)
    with pytest.raises(UserError):
        torch_file.read(path)
    assert torch_file.read(_file(path, {"a": _tensor((6,), (1,))}, SIX))["a"].shape == (6,)


@BOTH
@pytest.mark.parametrize("name", NONSENSE)
def test_tensors_outside_their_storage_and_other_nonsense_are_refused(tmp_path, zipped, name):
    with pytest.raises(UserError, match="x: not a file of torch.save, or a damaged or incomplete one"):
        torch_file.read(_file(tmp_path / "x", {"a": NONSENSE[name]}, SIX, zipped))


def test_what_contains_itself_or_grows_exponentially_ends(tmp_path):
    loop = []
    loop.append(loop)
    with pytest.raises(UserError, match="damaged"):
        torch_file.read(_file(tmp_path / "x", {"a": loop}, {}))
    nested = []
    for _ in range(100):
        nested = [nested, nested]
    assert len(torch_file.read(_file(tmp_path / "x", {"a": nested}, {}))["a"]) == 2


@BOTH
def test_a_file_cut_anywhere_is_refused(tmp_path, zipped):
    path = _file(tmp_path / "x", {"a": _tensor((2, 3), (3, 1))}, SIX, zipped)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="x: not a file of torch.save, or a damaged or incomplete one"):
            torch_file.read(path)


@BOTH
def test_changed_bytes_give_a_users_error_or_an_array(tmp_path, zipped):
    path = _file(tmp_path / "x", {"a": _tensor((2, 3), (3, 1)), "b": _tensor((6,), (1,))}, SIX, zipped)
    whole, generator = path.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(whole)
        changed[generator.integers(len(whole))] = generator.integers(256)
        path.write_bytes(changed)
        try:
            found = torch_file.read(path)
        except UserError:
            continue
        assert isinstance(found, dict)


def test_other_files_are_told_apart(tmp_path):
    path = tmp_path / "x.pth"
    for content in (b"<!DOCTYPE html>", b"version https://git-lfs.github.com/spec/v1\n", b"", pickle.dumps([1, 2])):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"x\.pth: not a file of torch\.save"):
            torch_file.read(path)
    with pytest.raises(UserError, match=r"none\.pth: No such file"):
        torch_file.read(tmp_path / "none.pth")
    with pytest.raises(UserError, match="Is a directory"):
        torch_file.read(tmp_path)
    with pytest.raises(UserError, match=r"x\.pth: holds a list, not a state_dict"):
        torch_file.read(_file(path, [1], {}))
