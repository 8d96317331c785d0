"""TFDS data sets that are prepared here, from the built-in images, by TFDS's own builders.

A builder is given our images where it would download; its features, names and files are its own.
"""

import io

import ml_collections
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gan_xla import data, images
from gan_xla.data import attributes, pipeline
from gan_xla.data.augmentation import Augment
from gan_xla.data.sources import builtin
from gan_xla.data.sources.tfds import TFRecords
from gan_xla.errors import UserError


def load(name, path, **fields):
    section = {"source": "tfds", "name": name, "path": str(path), "image_size": 64} | fields
    return data.load(ml_collections.ConfigDict(section))


def generators(splits):
    """What a builder's `_split_generators` returns, of examples by split."""
    return {split: enumerate(examples) for split, examples in splits.items()}


def prepare(name, path, splits, file_format="array_record", shards=1):
    builder = tfds.builder(name, data_dir=path)
    builder._split_generators = lambda manager: generators(splits)
    builder.download_and_prepare(
        file_format=file_format, download_config=tfds.download.DownloadConfig(num_shards=shards)
    )
    return builder


def rows_of(source):
    return source.read(np.arange(len(source)))


def numbers(rows, pictures):
    """Which of the pictures each row is, to the bit."""
    equal = (rows[:, None] == pictures[None]).all(axis=(2, 3, 4))
    assert (equal.sum(axis=1) == 1).all()
    return equal.argmax(axis=1).tolist()


def as_png(image):
    """TFDS keeps the bytes of files as they are, so that these stay lossless where it would write JPEG."""
    return io.BytesIO(images.encode(image))


@pytest.fixture(scope="module")
def pictures():
    """32 images uint8 [32, 64, 64, 3], all different."""
    views = builtin.views("chairs2cars", "test", 64)
    return np.concatenate([views["x_A"][::15], views["x_B"][::4]])[:32]


# celeb_a: domains and labels by attributes

HEIGHT, WIDTH = 218, 178


def face(image, number, features):
    """Face `number` of celeb_a: number % 2 is 0 where it is male, % 3 blond, % 4 with eyeglasses."""
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    canvas[:64, :64] = image
    named = {name: number % n == 0 for name, n in (("Male", 2), ("Blond_Hair", 3), ("Eyeglasses", 4))}
    return {
        "image": as_png(canvas),
        "attributes": dict.fromkeys(features["attributes"], False) | named,
        "landmarks": dict.fromkeys(features["landmarks"], 3),
        "identity": {"Identity_No": number % 8},
    }


@pytest.fixture(scope="module")
def celeb_a(tmp_path_factory, pictures):
    path = tmp_path_factory.mktemp("celeb_a")
    features = tfds.builder("celeb_a", data_dir=path).info.features
    faces = [face(image, number, features) for number, image in enumerate(pictures)]
    prepare("celeb_a", path, {"train": faces[:24], "validation": faces[:4], "test": faces[24:]})
    return path


def inner(rows):
    """The 64x64 pictures inside faces that were padded to HEIGHT x HEIGHT with white."""
    left = (HEIGHT - WIDTH) // 2
    assert (rows[:, :, :left] == 255).all()
    return rows[:, :64, left : left + 64]


def test_attributes_select_domains_of_celeb_a(celeb_a, pictures):
    options = {"image_size": HEIGHT, "fit": "pad"}
    dataset = load("celeb_a", celeb_a, domain_a="Blond_Hair", domain_b="Male=1, Eyeglasses=0", **options)
    counts = "8 + 6 training and 3 + 2 test images, 2 + 1 of the split validation for scores"
    assert dataset.about == f"celeb_a/2.1.0 (split test held out): {counts}"
    assert dataset.labels == ()
    for part, (key, holds) in enumerate((("x_A", lambda n: n % 3 == 0), ("x_B", lambda n: n % 4 == 2))):
        for side, among in ((dataset.train, range(24)), (dataset.test, range(24, 32))):
            found = numbers(inner(rows_of(side[part])[key]), pictures)
            assert sorted(found) == [number for number in among if holds(number)]


def test_integer_attributes_select_and_domains_may_overlap(celeb_a):
    dataset = load("celeb_a", celeb_a, domain_a="Identity_No=2", domain_b="Male")
    assert [len(source) for source in dataset.train + dataset.test] == [3, 12, 1, 4]
    assert [len(source) for source in dataset.validation] == [1, 2], "of the split validation"
    assert load("celeb_a", celeb_a, domain_a="Identity_No=7", domain_b="Male").validation == (), "it has no such face"


def test_attributes_are_labels_of_every_face(celeb_a, pictures):
    names = ("Eyeglasses", "Male", "Blond_Hair")
    dataset = load("celeb_a", celeb_a, labels=names, image_size=HEIGHT, fit="pad")
    (train, _), (test,) = dataset.train, dataset.test
    assert dataset.labels == names and (len(train), len(test)) == (24, 8)
    assert train.spec == {"x": ((HEIGHT, HEIGHT, 3), np.uint8), "label": ((3,), np.float32)}
    rows = rows_of(train)
    found = np.asarray(numbers(inner(rows["x"]), pictures))
    np.testing.assert_array_equal(rows["label"], np.stack([found % 4 == 0, found % 2 == 0, found % 3 == 0], axis=1))
    assert rows["label"].dtype == np.float32


def test_labelled_faces_go_through_the_pipeline(celeb_a):
    dataset = load("celeb_a", celeb_a, labels=("Male",), image_size=32, load_size=36, channels=1)
    options = {"batch_size": 6, "seed": 0, "steps_per_call": 2, "image_size": 32, "load_size": 36}
    options |= {"augment": Augment(flip=True)}
    calls = list(pipeline.batches(dataset.train, start=0, stop=4, **options))
    assert calls[0]["x"].shape == (2, 6, 32, 32, 1) and calls[0]["label"].shape == (2, 6, 1)
    assert sum(call["label"].sum() for call in calls) == 12  # 4 batches of 6 are one epoch
    (tail,) = pipeline.batches(dataset.train, start=2, stop=4, **options)
    np.testing.assert_array_equal(tail["x"], calls[1]["x"])


@pytest.mark.parametrize(
    "fields,message",
    [
        ({}, "celeb_a/2.1.0 has no splits trainA and trainB; set data.domain_a .* data.labels, .*5_o_Clock_Shadow, "),
        ({"domain_a": "Male"}, "data.domain_a='Male' is set but data.domain_b is not"),
        ({"domain_a": "Blond", "domain_b": "Male"}, "data.domain_a='Blond': .* no attribute 'Blond'; did .*Blond_Hair"),
        ({"domain_a": "Male", "domain_b": "Male=no"}, "data.domain_b='Male=no': .*write Male=1 or Male=0"),
        ({"domain_a": "Male", "domain_b": "nose_x"}, "data.domain_b='nose_x': .*write nose_x=NUMBER"),
        ({"domain_a": "Male", "domain_b": "Bald"}, "data.domain_b='Bald': no image of .*, split train, is so"),
        ({"labels": ("all",)}, "exactly one ClassLabel, but celeb_a/2.1.0 has 0; name .*boolean attributes: 5_o_Clock"),
        ({"labels": ("male",)}, r"data.labels=\('male',\): .* no label 'male'; did you mean Male"),
        ({"labels": ("Male", "nose_x")}, "no label 'nose_x'"),
        ({"labels": ("Male",), "paired": True}, "data.source='tfds' has no pairs"),
        ({"labels": ("Male",), "fit": "zoom"}, "data.fit='zoom' is unknown"),
    ],
)
def test_mistakes_about_attributes_are_told_in_one_line(celeb_a, fields, message):
    with pytest.raises(UserError, match=message) as caught:
        load("celeb_a", celeb_a, **fields)
    assert "\n" not in str(caught.value)


# cycle_gan: domains by splits


def test_splits_are_the_domains_of_cycle_gan(tmp_path, pictures):
    where = {"trainA": range(9), "trainB": range(9, 14), "testA": range(14, 17), "testB": range(17, 19)}
    examples = {
        split: [{"image": as_png(pictures[n]), "label": split[-1]} for n in chosen] for split, chosen in where.items()
    }
    prepare("cycle_gan/horse2zebra", tmp_path, examples)
    dataset = load("cycle_gan/horse2zebra", tmp_path)
    assert dataset.about == "cycle_gan/horse2zebra/3.0.0 (split testA held out): 9 + 5 training and 3 + 2 test images"
    found = {
        f"{split}{key[-1]}": sorted(numbers(rows_of(source)[key], pictures))
        for split, side in (("train", dataset.train), ("test", dataset.test))
        for key, source in zip(("x_A", "x_B"), side)
    }
    assert found == {split: list(chosen) for split, chosen in where.items()}
    batch = next(iter(pipeline.batches(dataset.train, batch_size=3, seed=1, start=0, stop=1)))
    assert set(numbers(batch["x_B"][0], pictures)) <= set(where["trainB"])
    with pytest.raises(UserError, match="data.domain_a='label=A' selects from the split train, but .* has .*trainA"):
        load("cycle_gan/horse2zebra", tmp_path, domain_a="label=A", domain_b="label=B")


def test_jpeg_files_are_decoded_as_everywhere_else_and_domains_without_test_splits_hold_out(tmp_path, pictures):
    jpeg = io.BytesIO()
    Image.fromarray(pictures[0]).save(jpeg, format="JPEG", quality=80)
    example = {"image": io.BytesIO(jpeg.getvalue()), "label": "A"}
    others = [{"image": as_png(image), "label": "B"} for image in pictures[:20]]
    prepare(
        "cycle_gan/maps",
        tmp_path,
        {"trainA": [example, {"image": as_png(pictures[1]), "label": "A"}], "trainB": others},
    )
    dataset = load("cycle_gan/maps", tmp_path)
    assert [len(source) for source in dataset.train + dataset.test] == [1, 18, 1, 2]
    a = np.concatenate([rows_of(side[0])["x_A"] for side in (dataset.train, dataset.test)])
    assert (a == images.read(jpeg.getvalue())).all(axis=(1, 2, 3)).sum() == 1
    b = [number for side in (dataset.train, dataset.test) for number in numbers(rows_of(side[1])["x_B"], pictures)]
    assert sorted(b) == list(range(20))


# mnist: classes


def digits(pictures):
    """28x28 greyscale of the pictures [32, 28, 28, 1], and examples of mnist: picture n has the label n % 10."""
    small = np.stack([images.resize(images.luminance(image), 28) for image in pictures])
    return small, [{"image": image, "label": number % 10} for number, image in enumerate(small)]


@pytest.fixture(scope="module")
def mnist(tmp_path_factory, pictures):
    path = tmp_path_factory.mktemp("mnist")
    prepare("mnist", path, {"train": digits(pictures)[1][:25], "test": digits(pictures)[1][25:]}, shards=2)
    return path


@pytest.mark.parametrize("names", [("all",), ("7", "3")])
def test_classes_are_one_hot_labels_of_mnist(mnist, pictures, names):
    dataset = load("mnist", mnist, labels=names, image_size=28, channels=1)
    train, _ = dataset.train
    classes = tuple("0123456789") if names == ("all",) else names
    assert dataset.labels == classes
    rows = rows_of(train)
    found = numbers(rows["x"], digits(pictures)[0])
    assert sorted(found) == [number for number in range(25) if str(number % 10) in classes]
    assert [classes[column] for column in rows["label"].argmax(1)] == [str(number % 10) for number in found]
    assert (rows["label"].sum(1) == 1).all()


def test_all_images_without_labels_are_one_domain(mnist, pictures):
    dataset = load("mnist", mnist, unlabelled=True, image_size=28, channels=1)
    assert list(dataset.train[0].spec) == ["x"] and dataset.labels == ()
    assert sorted(numbers(rows_of(dataset.train[0])["x"], digits(pictures)[0])) == list(range(25))


def test_a_class_is_a_domain(mnist, pictures):
    dataset = load("mnist", mnist, domain_a="label=7", domain_b="label=1", image_size=28)
    grey = np.repeat(digits(pictures)[0], 3, axis=-1)
    assert sorted(numbers(rows_of(dataset.train[0])["x_A"], grey)) == [7, 17]
    assert sorted(numbers(rows_of(dataset.test[1])["x_B"], grey)) == [31]
    for value, hint in (("label=12", "did you mean 2 or 1"), ("label", "use one of: 0, 1, 2")):
        with pytest.raises(UserError, match=f"data.domain_a='{value}': label has no class .*; {hint}"):
            load("mnist", mnist, domain_a=value, domain_b="label=1")
    with pytest.raises(UserError, match="no label 'ten'; use one of: 0, 1"):
        load("mnist", mnist, labels=("ten",))


def test_a_data_set_without_test_splits_holds_out_its_last_rows(tmp_path, pictures):
    prepare("mnist", tmp_path, {"train": digits(pictures)[1]})
    dataset = load("mnist", tmp_path, labels=("all",), image_size=28, channels=1)
    (train, _), (test,) = dataset.train, dataset.test
    assert (len(train), len(test)) == (29, 3) and "the last rows held out" in dataset.about
    both = numbers(np.concatenate([rows_of(train)["x"], rows_of(test)["x"]]), digits(pictures)[0])
    assert sorted(both) == list(range(32))
    assert rows_of(test)["label"].argmax(1).tolist() == [number % 10 for number in both[29:]]


# Files


def test_tfrecord_files_give_the_rows_that_array_record_files_give(mnist, tmp_path, pictures):
    examples = digits(pictures)[1]
    prepare("mnist", tmp_path, {"train": examples[:25], "test": examples[25:]}, file_format="tfrecord", shards=3)
    first, second = (
        rows_of(load("mnist", path, labels=("all",), image_size=28).train[0]) for path in (mnist, tmp_path)
    )
    for key in ("x", "label"):
        np.testing.assert_array_equal(first[key], second[key])
    path = next(tmp_path.glob("mnist/*/*train.tfrecord-00001*"))
    whole = path.read_bytes()
    for content in (whole[:-3], whole[: len(whole) // 2], b""):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"{path.name}"):
            load("mnist", tmp_path, labels=("all",))


def test_tfrecords_are_read_by_row_number_in_any_order(tmp_path):
    records = [bytes([number]) * number for number in range(5)]
    with pipeline.tf.io.TFRecordWriter(str(tmp_path / "file")) as writer:
        for record in records:
            writer.write(record)
    shard = tfds.core.utils.shard_utils.FileInstruction(str(tmp_path / "file"), 0, 5, 5)
    both = TFRecords([shard, shard])
    assert len(both) == 10 and [both[row] for row in (9, 0, 3, 7)] == [records[row % 5] for row in (4, 0, 3, 2)]


def test_a_missing_data_set_is_prepared_once_as_array_record(tmp_path, pictures, monkeypatch, capsys):
    splits = {"train": digits(pictures)[1][:20], "test": digits(pictures)[1][20:]}
    monkeypatch.setattr(tfds.builder_cls("mnist"), "_split_generators", lambda self, manager: generators(splits))
    fields = {"labels": ("all",), "image_size": 28}
    first = load("mnist", tmp_path, **fields)
    assert f"mnist/3.0.1 is not in {tmp_path}" in capsys.readouterr().out
    assert list(tmp_path.glob("mnist/3.0.1/mnist-train.array_record*"))
    second = load("mnist", tmp_path, **fields)
    assert "is not in" not in capsys.readouterr().out and first.about == second.about


def test_a_failed_download_and_an_unknown_name_are_told_in_one_line(tmp_path, monkeypatch):
    def refuse(self, manager):
        raise tfds.download.DownloadError("Failed to get url:\nHTTP code: 403.")

    monkeypatch.setattr(tfds.builder_cls("mnist"), "_split_generators", refuse)
    cases = [
        ("mnist", "data.name='mnist': TFDS cannot prepare it in .*HTTP code: 403.*catalog/mnist.*data.source='folder'"),
        ("celeba", "data.name='celeba': Dataset celeba not found. Did you mean: celeba -> celeb_a"),
        ("cycle_gan/horses", "data.name='cycle_gan/horses': .*horses not found"),
        ("mnist:9.9.9", "cannot be loaded at version 9.9.9, only: 3.0.1"),
        ("", "data.name='': "),
    ]
    for name, message in cases:
        with pytest.raises(UserError, match=message) as caught:
            load(name, tmp_path, labels=("all",))
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


# The features of data sets that nothing is downloaded of


@pytest.mark.parametrize(
    "name,image,some",
    [
        ("celeb_a", "image", {"Male": "attributes/Male", "nose_x": "landmarks/nose_x"}),
        ("cycle_gan/horse2zebra", "image", {"label": "label"}),
        ("mnist", "image", {"label": "label"}),
        ("oxford_iiit_pet", "image", {"species": "species", "label": "label"}),
        ("clevr", "image", {}),
    ],
)
def test_features_of_real_data_sets_are_understood(tmp_path, name, image, some):
    features = tfds.builder(name, data_dir=tmp_path).info.features
    assert attributes.image_key(features, name) == image
    known = attributes.scalars(features)
    assert {key: known[key].path for key in some} == some


def test_celeb_a_has_forty_boolean_attributes(tmp_path):
    known = attributes.scalars(tfds.builder("celeb_a", data_dir=tmp_path).info.features)
    names = tuple(name for name, attribute in known.items() if attribute.path.startswith("attributes/"))
    labels, choice = attributes.labelled(names, known, "celeb_a")
    assert len(labels) == 40 and choice.paths[0] == "attributes/5_o_Clock_Shadow"


def test_attributes_of_equal_name_are_told_apart_by_their_paths():
    features = tfds.features.FeaturesDict(
        {
            "left": {"x": np.int64, "y": np.bool_},
            "right": {"x": np.int64},
            "name": tfds.features.Text(),
            "score": np.float32,
        }
    )
    assert sorted(attributes.scalars(features)) == ["left/x", "right/x", "y"]


def test_data_sets_without_one_image_are_refused():
    image = tfds.features.Image()
    with pytest.raises(UserError, match="sounds has no images"):
        attributes.image_key(tfds.features.FeaturesDict({"wave": np.int64}), "sounds")
    with pytest.raises(UserError, match="views has several images"):
        attributes.image_key(tfds.features.FeaturesDict({"left": image, "right": image}), "views")
    assert attributes.image_key(tfds.features.FeaturesDict({"a": {"photo": image}}), "one") == "a/photo"
