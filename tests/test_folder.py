import logging
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from gan_xla import data, images
from gan_xla.data import pipeline, validation
from gan_xla.errors import UserError


def load(**fields):
    return data.load(ConfigDict({"source": "folder", "image_size": 8} | fields))


def decoded(path, size=8, **options):
    return images.fit(images.read(path, **options), size)


def save(directory, names, seed=0):
    directory.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng([seed, *directory.name.encode()])
    for name in names:
        images.write(directory / name, generator.integers(0, 256, (10, 12, 3), np.uint8))
    return directory


def test_folder_layout_with_four_directories(tmp_path):
    for name, count in (("trainA", 5), ("trainB", 4), ("testA", 3), ("testB", 2)):
        save(tmp_path / name, [f"{i}.png" for i in range(count)])
    dataset = load(path=str(tmp_path), load_size=9)
    assert [len(source) for source in dataset.train + dataset.test] == [5, 4, 3, 2]
    assert "5 + 4 training and 3 + 2 test images" in dataset.about
    rows = dataset.train[1].read(np.array([2, 0]))["x_B"]
    for row, name in zip(rows, ("2.png", "0.png")):
        np.testing.assert_array_equal(row, decoded(tmp_path / "trainB" / name, 9))
    assert dataset.test[0].read(np.array([0]))["x_A"].shape == (1, 8, 8, 3)


def test_a_path_may_start_with_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("trainA", "trainB"):
        save(tmp_path / "set" / name, ["1.png", "2.png", "3.png"])
    dataset = load(path="~/set")
    assert "2 + 2 training and 1 + 1 test images" in dataset.about


def test_two_directories_hold_out_the_last_tenth_by_name_and_say_so(tmp_path):
    names = [f"{i:02}.png" for i in range(30)]
    a, b = save(tmp_path / "cats", names), save(tmp_path / "dogs", names[:7])
    dataset = load(path_a=str(a), path_b=str(b))
    assert "27 + 6 training and 3 + 1 test images" in dataset.about and "held out" in dataset.about
    np.testing.assert_array_equal(dataset.test[0].read(np.array([0]))["x_A"][0], decoded(a / "27.png"))


def test_paired_directories_give_one_source_with_matching_rows(tmp_path):
    names = [f"{i}.png" for i in range(12)]
    a, b = save(tmp_path / "edges", names), save(tmp_path / "photos", names)
    dataset = load(path_a=str(a), path_b=str(b), paired=True)
    (train,), (test,) = dataset.train, dataset.test
    assert (len(train), len(test)) == (11, 1) and "11 training and 1 test pairs" in dataset.about
    name = sorted(names)[4]
    rows = train.read(np.array([4]))
    for key, directory in (("x_A", a), ("x_B", b)):
        np.testing.assert_array_equal(rows[key][0], decoded(directory / name))


def test_pairs_in_nested_directories_belong_together_by_their_paths_below_these(tmp_path):
    for name in ("a/one", "a/two", "b/one", "b/two"):
        save(tmp_path / name, ["1.png", "2.png"])
    dataset = load(path_a=str(tmp_path / "a"), path_b=str(tmp_path / "b"), paired=True)
    (train,), (test,) = dataset.train, dataset.test
    rows = train.read(np.array([2]))
    for key in ("x_A", "x_B"):
        np.testing.assert_array_equal(rows[key][0], decoded(tmp_path / key[-1].lower() / "two" / "1.png"))
    assert (len(train), len(test)) == (3, 1)


def test_paired_names_that_do_not_match_are_listed_with_the_way_out(tmp_path):
    a, b = save(tmp_path / "a", ["1.png", "2.png", "3.png"]), save(tmp_path / "b", ["1.png", "2.png", "4.png"])
    message = (
        r"data.paired=True .* 2 names .*/a \(3 images\) and .*/b \(3\): 3, 4; give pairs equal names, or .*cyclegan"
    )
    with pytest.raises(UserError, match=message) as caught:
        load(path_a=str(a), path_b=str(b), paired=True)
    assert "\n" not in str(caught.value)
    save(b, ["1.webp"])
    with pytest.raises(UserError, match="two images differ in extension only"):
        load(path_a=str(a), path_b=str(b), paired=True)


def test_mistakes_about_directories_are_told_in_one_line(tmp_path):
    full = save(tmp_path / "full", ["1.png", "2.png"])
    save(tmp_path / "half" / "trainA", ["1.png"])
    save(tmp_path / "one" / "train", ["1.png"])
    save(tmp_path / "two" / "train", ["1.png", "2.png"])
    save(tmp_path / "mixed" / "train", ["1.png"])
    save(tmp_path / "mixed" / "train" / "cat", ["1.png"])
    save(tmp_path / "classes" / "train" / "cat", ["1.png", "2.png"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    cases = [
        ({"path_a": full}, "data.path_a is set but data.path_b is not"),
        ({"path_a": full, "path_b": tmp_path / "gone"}, "data.path_b: .*gone: no such directory"),
        ({"path_a": full, "path_b": tmp_path / "empty"}, "data.path_b: .*empty: no images"),
        ({"path_a": tmp_path / "file", "path_b": full}, "data.path_a: .*file: is a file"),
        ({"path": tmp_path / "half"}, "trainB: no such directory"),
        ({"path": tmp_path / "gone"}, "data.path=.*gone: no such directory"),
        ({"path": tmp_path / "file"}, "data.path=.*file: is a file"),
        ({"path": full}, "full: none of the known layouts; it holds [0-9]+ images. Nearest: .*data.unlabelled"),
        ({"path": tmp_path / "one"}, "one/train: 1 image is not enough"),
        ({"path": tmp_path / "two"}, "two/train: one pair is not enough for two unpaired domains"),
        ({"path": tmp_path / "mixed"}, "mixed/train holds both images and directories"),
        ({"path": tmp_path / "classes"}, r"set data.domain_a and data.domain_b .* data.labels to \('all',\) .*: cat"),
        ({"path": tmp_path / "classes", "paired": True}, "has classes and no pairs"),
        (
            {"path": tmp_path / "classes", "domain_a": "cat", "domain_b": "dog"},
            "data.domain_b: .* no class 'dog'; .*cat",
        ),
        ({"path": tmp_path / "classes", "labels": ("cats",)}, "data.labels: .* no class 'cats'; did you mean cat?"),
        ({"path": tmp_path / "two", "labels": ("all",)}, "name class directories, but there are none"),
        ({"path_a": full, "path_b": full, "domain_a": "a", "domain_b": "b"}, "name class directories"),
        ({"path": tmp_path / "classes", "labels": ("all",), "channels": 2}, "data.channels=2"),
        ({"path": tmp_path / "classes", "labels": ("all",), "fit": "zoom"}, "data.fit='zoom'.*stretch, crop, pad"),
        ({"path": full, "path_a": full, "path_b": full}, "set one kind only"),
        ({"path": ""}, "data.source='folder' needs to know where the images are"),
    ]
    for fields, message in cases:
        with pytest.raises(UserError, match=message) as caught:
            load(**{key: str(value) if isinstance(value, Path) else value for key, value in fields.items()})
        assert "\n" not in str(caught.value)


# Side-by-side pairs


def save_pairs(directory, count):
    """Pairs whose halves tell their number (red) and side (green); returns their paths."""
    directory.mkdir(parents=True)
    for number in range(count):
        pair = np.zeros((8, 16, 3), np.uint8)
        pair[..., 0] = number
        pair[:, 8:, 1] = 255
        images.write(directory / f"{number:02}.png", pair)


def numbers_and_sides(source, key):
    rows = source.read(np.arange(len(source)))[key]
    assert (rows == rows[:, :1, :1]).all()
    return rows[:, 0, 0, 0].tolist(), set(rows[:, 0, 0, 1].tolist())


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_side_by_side_pairs_are_one_source_of_left_and_right(tmp_path, held_out):
    save_pairs(tmp_path / "train", 5)
    save_pairs(tmp_path / held_out, 3)
    dataset = load(path=str(tmp_path), paired=True, load_size=9)
    (train,), (test,) = dataset.train, dataset.test
    assert train.spec == {key: ((9, 9, 3), np.uint8) for key in ("x_A", "x_B")}
    for source, count in ((train, 5), (test, 3)):
        assert numbers_and_sides(source, "x_A") == (list(range(count)), {0})
        assert numbers_and_sides(source, "x_B") == (list(range(count)), {255})
    assert f"{held_out}/ held out" in dataset.about and "5 training and 3 test pairs" in dataset.about


def test_side_by_side_pairs_read_unpaired_share_no_training_pair_and_keep_the_test_pairs(tmp_path):
    save_pairs(tmp_path / "train", 21)
    dataset = load(path=str(tmp_path), paired=False)
    a, b = dataset.train
    assert numbers_and_sides(a, "x_A") == (list(range(9)), {0})
    assert numbers_and_sides(b, "x_B") == (list(range(9, 19)), {255})
    assert [numbers_and_sides(source, key)[0] for source, key in zip(dataset.test, ("x_A", "x_B"))] == [[19, 20]] * 2
    assert "9 + 10 training and 2 + 2 test images" in dataset.about and "unpaired" in dataset.about


def test_a_pair_of_odd_width_is_named_and_replaced_like_a_damaged_one(tmp_path, caplog):
    save_pairs(tmp_path / "train", 4)
    images.write(tmp_path / "train" / "01.png", np.zeros((8, 15, 3), np.uint8))
    (train,) = load(path=str(tmp_path), paired=True).train
    assert train.read(np.array([1]))["x_A"][0, 0, 0, 0] == 2
    assert "01.png: 15 pixels wide, but a side-by-side pair has an even width" in caplog.text
    (train,) = load(path=str(tmp_path), paired=True, max_unreadable=0).train
    with pytest.raises(UserError, match=r"1 images cannot be read.*01\.png: 15 pixels wide"):
        train.read(np.array([1]))


# Classes


@pytest.fixture
def classes(tmp_path):
    for name, count in (("cat", 20), ("dog", 11), ("owl", 3)):
        save(tmp_path / "train" / name, [f"{i:02}.png" for i in range(count)])
        save(tmp_path / "test" / name, ["0.png", "1.png"], seed=1)
    (tmp_path / "train" / ".cache").mkdir()
    return tmp_path


def test_two_classes_are_domains(classes):
    dataset = load(path=str(classes), domain_a="owl", domain_b="cat")
    assert [len(source) for source in dataset.train + dataset.test] == [3, 20, 2, 2]
    a, b = dataset.train
    np.testing.assert_array_equal(a.read(np.array([2]))["x_A"][0], decoded(classes / "train" / "owl" / "02.png"))
    np.testing.assert_array_equal(b.read(np.array([7]))["x_B"][0], decoded(classes / "train" / "cat" / "07.png"))
    assert dataset.labels == () and "owl and cat" in dataset.about


@pytest.mark.parametrize("names,counts", [(("all",), (20, 11, 3)), (("dog", "cat"), (11, 20))])
def test_classes_are_one_source_with_one_hot_labels(classes, names, counts):
    dataset = load(path=str(classes), labels=names)
    (train, _), (test,) = dataset.train, dataset.test
    assert dataset.labels == (("cat", "dog", "owl") if names == ("all",) else names)
    assert train.spec == {"x": ((8, 8, 3), np.uint8), "label": ((len(counts),), np.float32)}
    rows = train.read(np.arange(len(train)))
    assert rows["label"].dtype == np.float32 and (rows["label"].sum(1) == 1).all()
    assert np.bincount(rows["label"].argmax(1)).tolist() == list(counts)
    last = classes / "train" / dataset.labels[-1] / f"{counts[-1] - 1:02}.png"
    np.testing.assert_array_equal(rows["x"][-1], decoded(last))
    assert test.read(np.arange(len(test)))["label"].argmax(1).tolist() == np.arange(len(counts)).repeat(2).tolist()
    batch = next(iter(pipeline.batches(dataset.train, batch_size=4, seed=0, start=0, stop=1)))
    assert batch["x"].shape == (1, 4, 8, 8, 3) and batch["label"].shape == (1, 4, len(counts))


def test_without_test_directories_every_class_holds_out_its_last(classes):
    (classes / "test").rename(classes / "unused")
    dataset = load(path=str(classes), labels=("all",))
    (train, _), (test,) = dataset.train, dataset.test
    assert train.read(np.arange(len(train)))["label"].sum(0).tolist() == [18, 10, 2]
    rows = test.read(np.arange(len(test)))
    assert rows["label"].sum(0).tolist() == [2, 1, 1]
    np.testing.assert_array_equal(rows["x"][2], decoded(classes / "train" / "dog" / "10.png"))
    assert "last by name held out" in dataset.about and "30 training and 4 test images" in dataset.about


def test_an_unreadable_image_takes_the_label_of_the_image_in_its_place(classes):
    (classes / "train" / "cat" / "19.png").write_bytes(b"")
    train, _ = load(path=str(classes), labels=("all",)).train
    rows = train.read(np.array([19, 20]))
    np.testing.assert_array_equal(rows["x"][0], rows["x"][1])
    assert rows["label"].tolist() == [[0, 1, 0], [0, 1, 0]]


# Images for scores, and what is no image for training


def test_val_beside_test_is_for_scores_in_every_layout(tmp_path, classes):
    for part, count in (("train", 6), ("test", 3), ("val", 2)):
        for domain in "AB":
            save(tmp_path / "four" / f"{part}{domain}", [f"{i}.png" for i in range(count)])
        save_pairs(tmp_path / "pairs" / part, count)
        save(tmp_path / "plain" / part / "deeper", [f"{i}.png" for i in range(count)])
    for name in ("cat", "dog", "owl"):
        save(classes / "val" / name, ["0.png"], seed=2)
    four = {"path": str(tmp_path / "four")}
    found = [
        (load(**four), 2 * [2]),
        (load(**four, paired=True), [2]),
        (load(path=str(tmp_path / "pairs"), paired=True), [2]),
        (load(path=str(tmp_path / "pairs")), 2 * [2]),
        (load(path=str(tmp_path / "plain"), unlabelled=True), [2]),
        (load(path=str(classes), labels=("all",)), [3]),
        (load(path=str(classes), domain_a="cat", domain_b="owl"), 2 * [1]),
    ]
    for dataset, counts in found:
        assert [len(source) for source in dataset.validation] == counts
        assert [source.spec for source in dataset.validation] == [source.spec for source in dataset.test]
        assert "in val for scores" in dataset.about and dataset.for_scores.test is dataset.validation
    (tmp_path / "four" / "testA").rename(tmp_path / "four" / "unused")
    with pytest.raises(UserError, match="testA: no such directory"):
        load(**four)


def test_without_val_a_share_of_every_training_source_is_for_scores(tmp_path):
    names = [f"{i:03}.png" for i in range(100)]
    a, b = save(tmp_path / "a", names), save(tmp_path / "b", names[:7])
    whole = load(path_a=str(a), path_b=str(b), load_size=9)
    dataset = validation.hold_out(whole, 0.1)
    assert [len(source) for source in dataset.train + dataset.validation] == [82, 3, 8, 3]
    for key, before, train, held in zip(("x_A", "x_B"), whole.train, dataset.train, dataset.validation):
        rows = before.read(np.arange(len(before)))[key]
        places = validation.places(len(before), 0.1)
        np.testing.assert_array_equal(train.read(np.arange(len(train)))[key], np.delete(rows, places, axis=0))
        shrunk = [images.resize(row, 8) for row in rows[places]]
        np.testing.assert_array_equal(held.read(np.arange(len(held)))[key], shrunk)
    assert dataset.for_scores.test is dataset.validation and "8 + 3 for scores" in dataset.about
    assert dataset.test is whole.test and whole.for_scores is whole
    assert validation.hold_out(whole, 0.0).train is whole.train
    with pytest.raises(UserError, match="data.validation=0.1: .* has 1 training image of a domain"):
        validation.hold_out(load(path_a=str(a), path_b=str(save(tmp_path / "c", names[:2]))), 0.1)


def test_labelled_images_for_scores_are_of_all_classes_and_their_targets_are_not(classes):
    whole = load(path=str(classes), labels=("all",))
    dataset = validation.hold_out(whole, 0.2)
    (train, targets), (held,) = dataset.train, dataset.validation
    assert len(train) == len(targets) == 34 - len(held) and set(held.spec) == {"x", "label"}
    assert (held.read(np.arange(len(held)))["label"].sum(axis=0) > 0).all()


def test_directories_of_other_images_are_not_trained_on(tmp_path):
    save(tmp_path, [f"{i}.png" for i in range(4)])
    for name in ("deeper", "test", "val", "Results", "masks"):
        save(tmp_path / name, ["0.png", "1.png"])
    dataset = load(path=str(tmp_path), unlabelled=True)
    (train,), (test,), (held,) = dataset.train, dataset.test, dataset.validation
    assert (len(train), len(test), len(held)) == (6, 2, 2)


def test_files_that_are_passed_over_are_counted_by_their_endings(tmp_path):
    for name in ("trainA", "trainB"):
        save(tmp_path / name, ["1.png", "2.png"])
    for name in ("1.txt", "2.TXT", "notes", ".hidden.txt"):
        (tmp_path / "trainA" / name).write_text("")
    (tmp_path / "trainA" / "deeper.png.d").mkdir()
    assert load(path=str(tmp_path)).about.endswith("test images; passed over: 2 .txt, 1 without an ending")


# More layouts


@pytest.mark.parametrize("pattern", ["{split}{domain}", "{split}_{domain}", "{domain}/{split}", "{split}/{domain}"])
def test_domains_may_lie_in_directories_of_several_patterns(pattern, tmp_path):
    for split, count in (("train", 5), ("test", 2), ("val", 3)):
        for domain in "AB":
            save(tmp_path / pattern.format(split=split, domain=domain), [f"{i}.png" for i in range(count)])
    dataset = load(path=str(tmp_path))
    for part, count in ((dataset.train, 5), (dataset.test, 2), (dataset.validation, 3)):
        assert [len(source) for source in part] == [count] * 2
    expected = decoded(tmp_path / pattern.format(split="train", domain="B") / "3.png")
    np.testing.assert_array_equal(dataset.train[1].read(np.array([3]))["x_B"][0], expected)
    (pairs,) = load(path=str(tmp_path), paired=True).train
    assert set(pairs.spec) == {"x_A", "x_B"}


def test_of_domains_without_test_directories_the_last_are_held_out(tmp_path):
    for domain in "AB":
        save(tmp_path / domain / "train", [f"{i}.png" for i in range(20)])
    about = load(path=str(tmp_path)).about
    assert "no A/test/ B/test/: the last by name held out" in about and "18 + 18 training and 2 + 2 test" in about


def test_classes_may_lie_in_the_directory_itself(tmp_path):
    for name, count in (("cat", 20), ("dog", 10), ("results", 3)):
        save(tmp_path / name, [f"{i:02}.png" for i in range(count)])
    dataset = load(path=str(tmp_path), labels=("all",))
    assert dataset.labels == ("cat", "dog") and len(dataset.train[0]) == 27 and len(dataset.test[0]) == 3
    dataset = load(path=str(tmp_path), domain_a="dog", domain_b="cat")
    assert [len(source) for source in dataset.train] == [9, 18]
    for name in ("trainA", "trainB"):
        save(tmp_path / "other" / name, ["0.png", "1.png"])
    with pytest.raises(UserError, match="name class directories, but there are none"):
        load(path=str(tmp_path / "other"), labels=("all",))


def test_pairs_are_told_by_the_ends_of_their_names(tmp_path):
    names = [f"{place}/{i}" for place in ("one", "two") for i in range(6)]
    for name in names:
        save((tmp_path / name).parent, [f"{Path(name).name}_{end}.png" for end in ("map", "photo")])
    options = dict(path=str(tmp_path), paired=True, suffixes=("_photo", "_map"))
    dataset = load(**options)
    assert "names that end in _photo and _map" in dataset.about and "11 training and 1 test pairs" in dataset.about
    row = dataset.train[0].read(np.array([7]))
    for key, end in (("x_A", "photo"), ("x_B", "map")):
        np.testing.assert_array_equal(row[key][0], decoded(tmp_path / f"two/1_{end}.png"))
    (tmp_path / "two/1_map.png").rename(tmp_path / "two/1_mop.png")
    with pytest.raises(UserError, match="12 end in _photo, 11 in _map and 1 in neither; 1 are without.*: two/1$"):
        load(**options)
    with pytest.raises(UserError, match="data.suffixes makes pairs: set data.paired=True"):
        load(**options | {"paired": False})
    with pytest.raises(UserError, match="must be two ends of names"):
        load(**options | {"suffixes": ("_map",)})


def test_pairs_are_those_of_a_table(tmp_path):
    save(tmp_path / "in", [f"{i}.png" for i in range(6)])
    save(tmp_path / "out", [f"{i}.png" for i in range(6)])
    table = tmp_path / "pairs.csv"
    rows = [f"in/{i}.png,out/{5 - i}.png,{split}" for i, split in enumerate(["", "train", "", "train", "test", "val"])]
    table.write_text("A, B, split\n" + "\n".join(rows))
    dataset = load(pairs=str(table), paired=True)
    assert [len(part[0]) for part in (dataset.train, dataset.test, dataset.validation)] == [4, 1, 1]
    row = dataset.train[0].read(np.array([1]))
    np.testing.assert_array_equal(row["x_B"][0], decoded(tmp_path / "out/4.png"))
    table.write_text("B,A\n" + "\n".join(f"{i}.png,{i}.png" for i in range(6)))
    dataset = load(pairs=str(table), path=str(tmp_path / "in"), paired=True)
    assert "(the last held out): 5 training and 1 test pairs" in dataset.about
    for text, message in (
        ("left,right\na,b", "its first line must name the columns A, B"),
        ("A,B\n0.png", "line 2: 1 values for 2 columns"),
        ("A,B\n0.png,7.png", r"1 of its images do not exist .*7.png.*paths begin at data.path"),
        ("A,B,split\n0.png,1.png,tset", "line 2: split 'tset' is none of train, test, val"),
    ):
        table.write_text(text)
        with pytest.raises(UserError, match=message):
            load(pairs=str(table), path=str(tmp_path / "in"), paired=True)


def test_of_an_unknown_layout_it_is_said_what_is_there_and_what_is_nearest(tmp_path):
    save(tmp_path, ["0.png", "1.png"])
    with pytest.raises(UserError, match="it holds 2 images. Nearest: one domain with --config.data.unlabelled=True"):
        load(path=str(tmp_path))
    save(tmp_path / "two" / "horses", ["0.png", "1.png"])
    save(tmp_path / "two" / "zebras", ["0.png"])
    (tmp_path / "two" / "notes").mkdir()
    message = r"it holds horses/ \(2 images\), notes/ \(0 images\), zebras/ \(1 images\). Nearest: two domains with "
    with pytest.raises(UserError, match=f"{message}--config.data.path_a={tmp_path}/two/horses --config.data.path_b="):
        load(path=str(tmp_path / "two"))
    save(tmp_path / "two" / "cows", ["0.png"])
    with pytest.raises(UserError, match="Nearest: classes with --config.data.labels="):
        load(path=str(tmp_path / "two"))
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="it holds nothing. Nearest: data.path with trainA/ and trainB/"):
        load(path=str(tmp_path / "none"))


# Channels and fit


def test_folder_images_have_the_channels_fit_and_background_that_are_asked_for(tmp_path):
    rgba = np.full((10, 20, 4), [250, 0, 0, 0], np.uint8)
    rgba[:, 10:, 3] = 255
    for name in ("trainA", "trainB"):
        (tmp_path / name).mkdir()
        for number in range(2):
            images.write(tmp_path / name / f"{number}.png", rgba)
    options = {"path": str(tmp_path), "background": (0, 0, 200), "image_size": 20}
    for channels, fit in ((1, "pad"), (3, "crop"), (4, "pad"), (4, "stretch")):
        (source, _) = load(**options, channels=channels, fit=fit).train
        expected = images.read(tmp_path / "trainA" / "0.png", channels, (0, 0, 200))
        expected = images.fit(expected, 20, fit, (0, 0, 200))
        np.testing.assert_array_equal(source.read(np.array([0]))["x_A"][0], expected)
        assert expected.shape == (20, 20, channels)


def _numbered(shape, number):
    """An image each of whose pixels tells its row, its column and the image."""
    rows, columns = np.indices(shape)
    return np.stack([rows, columns, np.full(shape, number)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("paired", [False, True])
def test_native_crops_are_pieces_of_images_of_mixed_sizes_and_a_function_of_seed_and_step(paired, tmp_path):
    shapes = [(20, 30), (9, 40), (50, 8), (8, 12)]
    for name, first in (("trainA", 0), ("trainB", 100), ("testA", 0), ("testB", 100)):
        (tmp_path / name).mkdir()
        for number, shape in enumerate(shapes):
            images.write(tmp_path / name / f"{number}.png", _numbered(shape, first + number))
    dataset = load(path=str(tmp_path), fit="native", image_size=(8, 6), load_size=286, paired=paired)
    options = dict(batch_size=6, seed=3, image_size=(8, 6), load_size=(8, 6), native=True)
    whole = list(pipeline.batches(dataset.train, start=0, stop=40, **options))
    places = {}
    for batch in whole:
        for key, x in batch.items():
            for crop in x[0] if key != "index" else ():
                top, left, number = crop[0, 0].astype(int)
                height, width = shapes[number % 100]
                np.testing.assert_array_equal(crop, _numbered((height, width), number)[top : top + 8, left : left + 6])
                places.setdefault(number, set()).add((top, left))
        if paired:
            np.testing.assert_array_equal(batch["x_A"][..., :2], batch["x_B"][..., :2])
    # All that a small image has; of the others many, to the very edge.
    assert places[3] == {(0, left) for left in range(7)}
    tops = {top for top, _ in places[2]}
    assert min(tops) <= 4 and 38 <= max(tops) <= 42 and {left for _, left in places[2]} == {0, 1, 2}
    later = list(pipeline.batches(dataset.train, start=30, stop=40, rows=slice(2, 5), **options))
    for one, other in zip(whole[30:], later, strict=True):
        np.testing.assert_array_equal(one["x_A"][:, 2:5], other["x_A"])
    (row,) = dataset.test[0].read(np.array([0]))["x_A"]
    np.testing.assert_array_equal(row, _numbered(shapes[0], 0)[6:14, 12:18])  # the middle


def test_native_pairs_of_unequal_sizes_are_left_out_by_name(tmp_path, caplog):
    for name, width in (("trainA", 12), ("trainB", 12)):
        (tmp_path / name).mkdir()
        for number in range(4):
            images.write(
                tmp_path / name / f"{number}.png", _numbered((10, width + (name == "trainB" and number == 1)), 0)
            )
    (source,) = load(path=str(tmp_path), fit="native", paired=True).train
    source.read(np.arange(len(source)))
    assert "1.png: a pair of 12x10 and 13x10; data.fit='native' needs equal sizes" in caplog.text
    with pytest.raises(UserError, match="data.fit='native' has many: set data.on_device=False"):
        load(path=str(tmp_path), fit="native", on_device=True)


def test_rectangles_are_read_in_their_proportion(tmp_path):
    for name in ("trainA", "trainB"):
        save(tmp_path / name, ["1.png", "2.png", "3.png"])
    for load_size, expected in ((0, (8, 16)), (20, (10, 20)), ((9, 30), (9, 30))):
        dataset = load(path=str(tmp_path), image_size=(8, 16), load_size=load_size)
        assert dataset.train[0].spec["x_A"][0] == (*expected, 3) and dataset.test[0].spec["x_A"][0] == (8, 16, 3)
    with pytest.raises(UserError, match=r"data.load_size=15 and data.image_size=\(8, 16\)"):
        load(path=str(tmp_path), image_size=(8, 16), load_size=15)


# Unreadable images


def broken_folder(tmp_path, bad, count=12, **fields):
    names = [f"{i:02}.png" for i in range(count)]
    a, b = save(tmp_path / "a", names), save(tmp_path / "b", names)
    for i in bad:
        (a / names[i]).write_bytes((a / names[i]).read_bytes()[:60])
    return load(path_a=str(a), path_b=str(b), **fields)


def test_an_unreadable_image_is_named_once_and_replaced_by_the_next_readable(tmp_path, caplog):
    dataset = broken_folder(tmp_path, bad=(3, 4))
    with caplog.at_level(logging.WARNING):
        rows = dataset.train[0].read(np.array([3, 5, 3, 4]))["x_A"]
    assert all((row == rows[1]).all() for row in rows)
    assert [("03.png" in text, "04.png" in text) for text in caplog.messages] == [(True, False), (False, True)]


def test_a_pair_with_one_unreadable_side_is_replaced_as_a_pair(tmp_path):
    (source,) = broken_folder(tmp_path, bad=(3,), paired=True).train
    bad, following = source.read(np.array([3])), source.read(np.array([4]))
    for key in ("x_A", "x_B"):
        np.testing.assert_array_equal(bad[key], following[key])


def test_too_many_unreadable_images_stop_the_run_with_count_and_name(tmp_path):
    dataset = broken_folder(tmp_path, bad=(1, 2, 3), max_unreadable=2)
    with pytest.raises(UserError, match=r"3 images cannot be read, more than data.max_unreadable=2; .*0[123]\.png"):
        list(pipeline.batches(dataset.train, batch_size=4, seed=3, start=0, stop=10))


def test_a_folder_without_any_readable_image_is_refused(tmp_path):
    dataset = broken_folder(tmp_path, bad=(0, 1, 2), count=4)
    with pytest.raises(UserError, match="none of the 3 images can be read"):
        dataset.train[0].read(np.array([0]))
