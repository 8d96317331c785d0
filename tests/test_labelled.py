"""Labelled data: label vectors, targets, attribute files, several data sets in turn."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from gan_xla import data, images
from gan_xla.data import pipeline
from gan_xla.errors import UserError

NAMES = ("chairs", "cars")


def _load(**fields):
    return data.load(ConfigDict({"image_size": 8, "labels": ("all",), **fields}))


def _save(directory, count, value=0):
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        images.write(directory / f"{number:03}.png", np.full((8, 8, 3), value + number, np.uint8))


@pytest.fixture
def faces(tmp_path):
    """20 images, a CSV and CelebA's form of the same attributes: odd numbers are old, every third smiles."""
    _save(tmp_path / "images", 20)
    old, smiling = ([int(n % k == r) for n in range(20)] for k, r in ((2, 1), (3, 0)))
    rows = [f"{n:03}.png,{old[n]},{smiling[n]},{'red' if n < 10 else 'blue'}" for n in range(20)]
    (tmp_path / "faces.csv").write_text("\n".join(["file,old,smiling,hat", *rows]) + "\n")
    lines = [f"{n:03}.png  {2 * old[n] - 1}  {2 * smiling[n] - 1}" for n in range(20)]
    (tmp_path / "list_attr.txt").write_text("\n".join(["20", "old smiling", *lines]) + "\n")
    return tmp_path


def _faces(path, file="faces.csv", **fields):
    return _load(source="folder", path=str(path / "images"), attributes=str(path / file), **fields)


def _rows(source):
    return source.read(np.arange(len(source)))


def test_the_built_in_images_have_their_category_as_class():
    dataset = _load(source="builtin", name="chairs2cars")
    assert dataset.labels == NAMES and dataset.fields == {"labels": NAMES, "exclusive": (NAMES,)}
    assert _rows(dataset.train[0])["label"].sum(0).tolist() == [1248, 240]


def test_the_built_in_images_face_the_viewer_or_not():
    dataset = _load(source="builtin", name="chairs2cars", labels=("front", "back"))
    assert dataset.fields["exclusive"] == (("front", "back"),)
    assert _rows(dataset.train[0])["label"].sum(0).tolist() == [62 * 9, 62 * 9]  # 9 of 24 views of 62 models each
    with pytest.raises(UserError, match="data.labels=.*'left'.*front.*back"):
        _load(source="builtin", name="chairs2cars", labels=("left", "right"))


@pytest.mark.parametrize("file", ["faces.csv", "list_attr.txt"])
def test_attribute_files_label_images_and_a_fixed_tenth_is_held_out(faces, file):
    dataset = _faces(faces, file, labels=("smiling", "old"))
    train, test = _rows(dataset.train[0]), _rows(dataset.test[0])
    assert (len(train["x"]), len(test["x"])) == (18, 2)
    number = np.concatenate([train["x"], test["x"]])[:, 0, 0, 0].astype(int)
    assert sorted(number) == list(range(20)) and set(test["x"][:, 0, 0, 0]) != {18, 19}
    labels = np.concatenate([train["label"], test["label"]])
    np.testing.assert_array_equal(labels, np.stack([number % 3 == 0, number % 2 == 1], 1))
    assert dataset.fields == {"labels": ("smiling", "old"), "exclusive": ()}


def test_all_takes_the_columns_of_yes_and_no_and_a_value_of_others_is_a_label_too(faces):
    assert _faces(faces).labels == ("old", "smiling")
    dataset = _faces(faces, labels=("hat=red", "hat=blue"))
    assert dataset.fields["exclusive"] == (("hat=red", "hat=blue"),)
    red = _faces(faces, labels=("hat=red",))
    assert len(red.train[0]) + len(red.test[0]) == 10, "images of other hats are left out"


def test_attribute_files_may_list_paths_of_images_in_directories(tmp_path):
    for vendor in "ab":
        for split in ("train", "test"):
            _save(tmp_path / "images" / split / vendor, 3)
    lines = [f"{s}/{v}/{n:03}.png,{v}" for s in ("train", "test") for v in "ab" for n in range(3)]
    (tmp_path / "faces.csv").write_text("\n".join(["path,vendor", *lines]))
    dataset = _faces(tmp_path, labels=("vendor=b", "vendor=a"))
    assert _rows(dataset.train[0])["label"].tolist() == [[0, 1]] * 3 + [[1, 0]] * 3


@pytest.mark.parametrize(
    "change, fields, message",
    [
        ("", {"labels": ("young",)}, "data.labels: .*faces.csv has no column 'young'"),
        ("", {"labels": ("hat",)}, "column 'hat' of .*faces.csv holds 'red'; use hat=red"),
        ("", {"labels": ("hat=green",)}, "data.labels: no training image of .* is 'hat=green'"),
        ("", {"labels": ()}, "name them in data.labels"),
        ("", {"labels": ("old",), "exclusive": (("old", "young"),)}, "data.exclusive: young not in data.labels"),
        ("005.png", {"labels": ("old",)}, r"does not match the images: 1 of 2?[0-9]* under .* \(005.png\)"),
        (",1,", {"labels": ("old",)}, "faces.csv, line 2: 2 values for 3 columns"),
        ("file", {"attributes": "/nope.csv"}, "data.attributes=/nope.csv: cannot be read"),
    ],
)
def test_an_attribute_file_that_does_not_fit_is_a_clear_error(faces, change, fields, message):
    text = (faces / "faces.csv").read_text()
    if change == ",1,":
        text = text.replace("000.png,0", "000.png", 1)
    elif change:
        text = text.replace(change, "x" + change)
    (faces / "faces.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        fields = {"attributes": str(faces / "faces.csv"), **fields}
        _load(source="folder", path=str(faces / "images"), **fields)


def test_targets_are_a_shuffle_of_the_labels():
    dataset = _load(source="builtin", name="chairs2cars")
    batches = list(pipeline.batches(dataset.train, batch_size=248, seed=0, start=0, stop=6))
    label, target = (np.concatenate([batch[key][0] for batch in batches]) for key in ("label", "target"))
    np.testing.assert_array_equal(label.sum(0), target.sum(0))
    assert (label != target).any()


@pytest.fixture
def joint(tmp_path):
    """Fields of two data sets: classes of pixel values from 0 and 50, and the attributes of 100 and on."""
    for number, name in enumerate(("dark", "bright")):
        _save(tmp_path / "classes" / "train" / name, 6, value=50 * number)
    _save(tmp_path / "faces" / "images", 20, value=100)
    rows = [f"{n:03}.png,{n % 2}" for n in range(20)]
    (tmp_path / "faces" / "faces.csv").write_text("\n".join(["file,old", *rows]))
    second = {
        "path": str(tmp_path / "faces/images"),
        "attributes": str(tmp_path / "faces/faces.csv"),
        "labels": ("old",),
    }
    return {"source": "folder", "path": str(tmp_path / "classes"), "joint": {"faces": second}}


def test_joint_data_sets_take_turns_and_their_unknown_labels_are_zero(joint):
    dataset = _load(**joint)
    assert dataset.images == 36 and len(dataset.others) == 1
    others = [part.train for part in dataset.others]
    calls = list(
        pipeline.batches(dataset.train, others=others, batch_size=5, seed=0, start=0, stop=6, steps_per_call=3)
    )
    x, label, target = (np.concatenate([call[key] for call in calls]) for key in ("x", "label", "target"))
    for step in range(6):
        second = step % 2
        assert ((x[step] >= 100) == second).all()
        for vectors in (label[step], target[step]):  # [bright, dark, old, mask, mask]
            assert (vectors[:, 3:] == np.eye(2)[second]).all()
            assert (vectors[:, [2] if second == 0 else [0, 1]] == 0).all()
    singly = list(pipeline.batches(dataset.train, others=others, batch_size=5, seed=0, start=3, stop=6))
    np.testing.assert_array_equal(np.concatenate([call["x"] for call in singly]), x[3:])


def test_pictures_show_test_images_of_every_data_set(joint):
    batch = data.test_batch(_load(**joint), 5)
    assert batch["x"].shape[0] == 5 and batch["label"][:, 3:].sum(0).tolist() == [3, 2]


def test_unlabelled_images_are_one_domain(tmp_path):
    for name in ("train/a", "train/b", "val/a"):
        _save(tmp_path / "sorted" / name, 4)
    _save(tmp_path / "plain", 20)
    fields = {"source": "folder", "labels": (), "unlabelled": True}
    for name, counts in (("sorted", (8, 4)), ("plain", (18, 2))):
        dataset = _load(**fields, path=str(tmp_path / name))
        assert (len(dataset.train[0]), len(dataset.test[0])) == counts and list(dataset.train[0].spec) == ["x"]
    built_in = _load(source="builtin", name="chairs2cars", labels=(), unlabelled=True)
    assert list(built_in.train[0].spec) == ["x"] and len(built_in.train[0]) == 1488
    with pytest.raises(UserError, match="data.unlabelled=True takes all images as one domain"):
        _load(source="folder", unlabelled=True, path=str(tmp_path / "plain"))
