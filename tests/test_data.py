import re
import subprocess
import sys

import ml_collections
import numpy as np
import pytest

from gan_xla import data, images
from gan_xla.data import augmentation, order, pipeline
from gan_xla.data.augmentation import Augment
from gan_xla.data.dataset import domains, kept, labels, suggest
from gan_xla.data.sources import builtin, gmm
from gan_xla.errors import UserError


def section(**fields):
    return ml_collections.ConfigDict(fields)


def numbered(count, size=4, key="x_A"):
    """Images [count, size, size, 3] whose pixels tell their row number and place."""
    array = np.zeros((count, size, size, 3), np.uint8)
    array[..., 0] = np.arange(count)[:, None, None]
    array[..., 1] = np.arange(size)[:, None]
    array[..., 2] = np.arange(size)
    return data.Arrays(**{key: array})


def test_edges2objects_pairs_line_drawings_with_what_they_show():
    dataset = data.load(section(name="edges2objects", image_size=64, paired=True))
    (train,), (test,) = dataset.train, dataset.test
    assert (len(train), len(test)) == (1488, 312)
    rows = train.read(np.arange(0, 1488, 100))
    white = (rows["x_B"] == 255).all(-1)
    assert (rows["x_A"][white].mean() > 230) and (rows["x_A"] < 64).any(axis=(1, 2, 3)).all()
    assert (rows["x_A"] == builtin.drawing(rows["x_B"][0])).all(axis=(1, 2, 3))[0]
    assert (builtin.drawing(np.full((8, 8, 4), 9, np.uint8)) == 255).all(), "nothing to draw"
    unpaired = data.load(section(name="edges2objects", image_size=64))
    assert [list(source.spec) for source in unpaired.train] == [["x_A"], ["x_B"]]
    with pytest.raises(UserError, match="data.paired=True, but data.name='chairs2cars' has no pairs"):
        data.load(section(name="chairs2cars", paired=True))


def drawn(sources, **options):
    options = {"batch_size": 8, "seed": 3, "start": 0, "stop": 10} | options
    return list(pipeline.batches(sources, **options))


def joined(calls, key):
    """[steps, n, ...] over all calls."""
    return np.concatenate([call[key] for call in calls])


# Sources


def test_importing_the_package_and_its_sources_does_not_import_tensorflow():
    code = (
        "import sys, gan_xla.data; from gan_xla.data.sources import builtin, folder, gmm; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_source_lists_the_known_ones():
    with pytest.raises(UserError, match="data.source='web'.*builtin, folder, gmm, tfds$"):
        data.load(section(source="web"))
    with pytest.raises(UserError, match="data.source='pipeline'"):
        data.load(section(source="pipeline"))


def test_load_takes_a_config_dict():
    config = ml_collections.ConfigDict(
        {"source": "builtin", "name": "cars2cars", "image_size": 32, "load_size": 36, "background": (0, 0, 0)}
    )
    dataset = data.load(config)
    assert dataset.train[0].spec == {"x_A": ((36, 36, 3), np.uint8)}
    assert dataset.test[1].spec == {"x_B": ((32, 32, 3), np.uint8)}
    assert dataset.train[0].read(np.array([0]))["x_A"][0, 0, 0].tolist() == [0, 0, 0]


def test_load_size_smaller_than_image_size_is_refused():
    with pytest.raises(UserError, match="data.load_size=32 and data.image_size=64"):
        data.load(section(source="builtin", name="cars2cars", image_size=64, load_size=32))


def test_arrays_read_rows_in_the_order_asked_and_need_equal_lengths():
    assert numbered(5).read(np.array([3, 0, 3]))["x_A"][:, 0, 0, 0].tolist() == [3, 0, 3]
    with pytest.raises(ValueError, match="equal lengths"):
        data.Arrays(x_A=np.zeros(3), x_B=np.zeros(4))


def test_test_batch_spreads_over_the_test_rows_of_each_domain():
    dataset = data.Dataset(train=(), test=(numbered(40), numbered(4, key="x_B")), about="")
    batch = data.test_batch(dataset, 8)
    assert (batch["x_A"][:, 0, 0, 0] // 5).tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert batch["x_B"][:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_labels_and_domains_are_refused_when_they_contradict_each_other():
    assert labels(section()) == () and domains(section(domain_a=None)) == ("", "")
    assert labels(section(labels=(3, "cat"))) == ("3", "cat")
    for fields, message in (
        ({"labels": ("a", "b", "a")}, "a name is there twice"),
        ({"domain_a": "cat"}, "data.domain_a='cat' is set but data.domain_b is not"),
        ({"domain_a": "a", "domain_b": "b", "labels": ("a",)}, "both set; set one kind only"),
    ):
        with pytest.raises(UserError, match=message):
            labels(section(**fields)), domains(section(**fields))


def test_an_unknown_name_suggests_the_nearest_or_lists_them():
    assert suggest("blond_hair", ["Bald", "Blond_Hair", "Young"]) == "did you mean Blond_Hair?"
    assert suggest("zzz", ["cat", "dog"]) == "use one of: cat, dog"
    assert len(suggest("zzz", [f"a{i}" for i in range(1000)])) < 400


def test_no_more_than_two_hundred_images_are_held_out():
    assert [kept(count, "") for count in (5000, 100, 30, 2)] == [4800, 90, 27, 1]
    with pytest.raises(UserError, match="photos: 1 image is not enough"):
        kept(1, "photos")


def test_test_batch_of_the_builtin_images_shows_several_orientations():
    part = builtin.views("chairs2cars", "test", 64)
    azimuths = data.Arrays(azimuth_A=part["azimuth_A"])
    for n in (4, 8, 10, 16):
        assert len(set(data.test_batch(data.Dataset((), (azimuths,), ""), n)["azimuth_A"])) > n // 2


# Built-in images


@pytest.mark.parametrize(
    "name,models,views",
    [
        (
            "chairs2cars",
            (52, 10, 10, 3),
            "1248 + 240 views of 52 + 10 models, 240 + 72 views of 10 + 3 models held out",
        ),
        (
            "chairs2chairs",
            (26, 26, 5, 5),
            "624 + 624 views of 26 + 26 models, 120 + 120 views of 5 + 5 models held out",
        ),
        ("cars2cars", (5, 5, 2, 1), "120 + 120 views of 5 + 5 models, 48 + 24 views of 2 + 1 models held out"),
        ("chairs2faces", (52, 50, 10, 10), "1248 + 1200 views of 52 + 50 models, 240 + 240 views of 10 + 10 models"),
        ("faces2faces", (25, 25, 5, 5), "600 + 600 views of 25 + 25 models, 120 + 120 views of 5 + 5 models held out"),
    ],
)
def test_about_states_the_sizes_of_the_splits(name, models, views):
    assert tuple(len(builtin.models(name, split, domain)) for split in ("train", "test") for domain in "AB") == models
    dataset = data.load(section(source="builtin", name=name, image_size=64))
    assert views in dataset.about
    assert [len(source) for source in dataset.train + dataset.test] == [24 * count for count in models]


@pytest.mark.parametrize("name", ["chairs2cars", "chairs2chairs", "cars2cars", "cars2faces", "faces2faces"])
def test_no_model_and_no_twin_is_on_two_sides_of_a_split(name):
    categories = name.split("2")
    sides = [
        (categories["AB".index(domain)], set(builtin.models(name, split, domain)))
        for split in ("train", "test")
        for domain in "AB"
    ]
    for category in set(categories):
        members = [models for its, models in sides if its == category]
        everything = [model for models in members for model in models]
        assert sorted(everything) == list(range({"chairs": 62, "cars": 13, "faces": 60}[category]))
        for kin in builtin.KIN[category]:
            assert any(set(kin) <= models for models in members)


def test_models_that_are_nearly_equal_in_pixels_are_named_as_kin():
    for category, limit in (("chairs", 0.12), ("cars", 0.1)):
        name = f"{category}2{category}"
        parts = [builtin.views(name, split, 64) for split in ("train", "test")]
        numbers = np.concatenate([part[f"model_{d}"] for part in parts for d in "AB"])[::24]
        pixels = np.concatenate([part[f"x_{d}"] for part in parts for d in "AB"])
        pixels = pixels.reshape(len(numbers), -1) / np.float32(255)
        squares = (pixels**2).sum(1)
        distance = np.sqrt(np.maximum(squares[:, None] + squares - 2 * pixels @ pixels.T, 0) / pixels.shape[1])
        near = {tuple(sorted((numbers[i], numbers[j]))) for i, j in np.argwhere(distance < limit) if i < j}
        assert near
        assert all(any(set(pair) <= set(kin) for kin in builtin.KIN[category]) for pair in near)


def test_views_carry_azimuth_and_model_and_the_background_that_was_asked():
    part = builtin.views("chairs2cars", "test", 64, background=(10, 20, 30))
    assert part["azimuth_A"].dtype == np.float32 and part["azimuth_A"][:25].tolist() == [*range(0, 360, 15), 0]
    assert part["model_B"].tolist() == [4] * 24 + [7] * 24 + [10] * 24
    assert part["x_B"].shape == (72, 64, 64, 3) and (part["x_A"][:, 0, 0] == [10, 20, 30]).all()
    # A car's front view is narrower than its side view.
    ink = (part["x_B"] != [10, 20, 30]).any(-1).any(1).sum(-1)
    assert ink[0] < ink[6]


def test_views_between_azimuths_are_those_of_all():
    every, part = (builtin.views("cars2faces", "test", 16, azimuths=some) for some in ((), (-75, 75)))
    for domain in "AB":
        front = np.cos(np.radians(every[f"azimuth_{domain}"])) > 0.2
        assert front.mean() == 11 / 24
        for key in ("x", "azimuth", "model"):
            np.testing.assert_array_equal(part[f"{key}_{domain}"], every[f"{key}_{domain}"][front])
    found = data.load(ml_collections.ConfigDict(dict(name="faces2faces", image_size=16, azimuths=(0, 0))))
    assert "25 + 25 models" in found.about and "1 azimuths between 0 and 0 degrees" in found.about
    assert len(found.train[0]) == len(found.train[0].azimuths) == 25


@pytest.mark.parametrize(
    "azimuths, message", [((3, 5), "takes no view: they stand 15 degrees apart"), ((75,), "must be (least, greatest)")]
)
def test_azimuths_that_take_no_view_are_told(azimuths, message):
    with pytest.raises(UserError, match=re.escape(f"data.azimuths={azimuths} {message}")):
        builtin.views("chairs2cars", "test", 64, azimuths=azimuths)


def test_faces_are_whole_and_symmetric_and_the_front_is_not_the_back():
    faces = builtin.rendered("faces")
    alpha = faces[..., 3] / 255
    assert (alpha.mean((2, 3)) > 0.15).all() and (alpha.mean((2, 3)) < 0.7).all()
    assert not alpha[:, :, [0, -1]].any() and not alpha[..., [0, -1]].any(), "within the picture"
    mirrored = alpha[:, -np.arange(24) % 24, :, ::-1]  # the silhouette from the other side
    assert (np.minimum(alpha, mirrored).sum((1, 2, 3)) > 0.97 * np.maximum(alpha, mirrored).sum((1, 2, 3))).all()
    front, back = (images.compose(faces[:, number]).astype(np.float32) for number in (0, 12))
    assert np.abs(front - back).mean((1, 2, 3)).min() > 8


def test_resizing_keeps_the_edges_free_of_colours_from_under_the_alpha():
    large, small = (builtin.views("cars2cars", "test", size, background=(255, 255, 255))["x_A"] for size in (64, 32))
    assert small.shape[1:] == (32, 32, 3)
    blocks = large.reshape(len(large), 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(small - blocks).mean() < 2.5


def test_builtin_images_have_the_channels_that_are_asked_for():
    grey, rgb, rgba = (
        data.load(section(source="builtin", name="cars2cars", image_size=64, channels=c)).test[0] for c in (1, 3, 4)
    )
    assert [source.spec["x_A"][0] for source in (grey, rgb, rgba)] == [(64, 64, 1), (64, 64, 3), (64, 64, 4)]
    rows = np.arange(3)
    np.testing.assert_array_equal(images.compose(rgba.read(rows)["x_A"]), rgb.read(rows)["x_A"])
    luminance = rgb.read(rows)["x_A"] @ [0.299, 0.587, 0.114]
    assert np.abs(grey.read(rows)["x_A"][..., 0] - luminance).max() < 1
    with pytest.raises(UserError, match="data.channels=2: these data have 1"):
        data.load(section(source="builtin", name="cars2cars", channels=2))


def test_an_unknown_builtin_name_lists_the_known_ones():
    with pytest.raises(UserError, match="data.name='dogs'.*chairs2cars, chairs2chairs, cars2cars, .*gmm"):
        data.load(section(source="builtin", name="dogs", image_size=64))


def test_attribution_file_agrees_with_the_records():
    written = (builtin.resources.files("gan_xla.data") / "objects" / "ATTRIBUTION.md").read_text("utf-8")
    assert written == builtin.attribution()
    assert written.count("\n- ") == 62 + 13 and "60 heads" in written


# The 2-D toy


def test_toy_modes_are_well_separated_and_points_lie_around_them():
    for domain, count in (("A", 5), ("B", 10)):
        centres = gmm.modes(domain)
        gaps = np.linalg.norm(centres[:, None] - centres, axis=-1) + 1e9 * np.eye(count)
        assert gaps.min() > 6 * gmm.SIGMA
        points = gmm.points(domain, "train")
        distance = np.linalg.norm(points[:, None] - centres, axis=-1)
        assert np.bincount(distance.argmin(1)).tolist() == [len(points) // count] * count
        offsets = points - centres[distance.argmin(1)]
        assert abs(offsets.std() - gmm.SIGMA) < 1e-3 and np.abs(offsets.mean(0)).max() < 2e-3
    between = np.linalg.norm(gmm.modes("A")[:, None] - gmm.modes("B"), axis=-1)
    assert between.min() > 6 * gmm.SIGMA


@pytest.mark.parametrize("fields", [{"source": "gmm"}, {"source": "builtin", "name": "gmm"}])
def test_toy_is_float32_points_under_both_names(fields):
    dataset = data.load(section(**fields))
    assert [source.spec for source in dataset.train] == [{"x_A": ((2,), np.float32)}, {"x_B": ((2,), np.float32)}]
    assert not np.isin(dataset.test[0].read(np.arange(100))["x_A"][:, 0], gmm.points("A", "train")[:, 0]).any()


# Pipeline

MIRROR = Augment(flip=True)
EVERYTHING = Augment(flip=True, flip_vertical=True, turn=True, rotate=20.0, scale=0.2, color=0.3)


def test_shapes_dtypes_and_row_numbers():
    points = data.Arrays(x_B=np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32))
    first, *_, last = drawn((numbered(20), points), steps_per_call=3, stop=8, image_size=3, rows=slice(2, 8, 2))
    assert {key: (array.shape, array.dtype) for key, array in first.items()} == {
        "index": ((3, 3), np.int32),
        "x_A": ((3, 3, 3, 3, 3), np.uint8),
        "x_B": ((3, 3, 2), np.float32),
    }
    assert first["index"].tolist() == [[2, 4, 6]] * 3
    assert last["x_A"].shape[0] == 2  # what is left of 8 steps


def test_a_later_start_gives_the_tail_of_the_run():
    sources = (numbered(20, size=6), numbered(11, size=6, key="x_B"))
    whole = drawn(sources, stop=12, image_size=4, augment=MIRROR)
    tail = drawn(sources, start=5, stop=12, image_size=4, augment=MIRROR)
    for key in ("index", "x_A", "x_B"):
        np.testing.assert_array_equal(joined(whole, key)[5:], joined(tail, key))


def test_steps_per_call_changes_the_packing_only():
    sources = (numbered(20, size=6),)
    singly, packed = (drawn(sources, steps_per_call=k, image_size=4, augment=MIRROR) for k in (1, 4))
    np.testing.assert_array_equal(joined(singly, "x_A"), joined(packed, "x_A"))
    assert [len(call["x_A"]) for call in packed] == [4, 4, 2]


def test_rows_of_all_processes_make_the_global_batch():
    sources = (numbered(20, size=6), numbered(30, size=6, key="x_B"))
    whole = drawn(sources, image_size=4, augment=MIRROR)
    parts = [drawn(sources, image_size=4, augment=MIRROR, rows=rows) for rows in (slice(0, 3), slice(3, 8))]
    for key in ("index", "x_A", "x_B"):
        np.testing.assert_array_equal(joined(whole, key), np.concatenate([joined(part, key) for part in parts], axis=1))


def test_every_epoch_shows_every_row_once_also_across_batches():
    calls = drawn((numbered(11),), stop=33)  # 33 batches of 8 are 24 epochs of 11
    epochs = joined(calls, "x_A")[..., 0, 0, 0].reshape(24, 11)
    assert (np.sort(epochs, axis=1) == np.arange(11)).all()
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 24


def test_orders_are_uniform_and_do_not_repeat():
    orders = np.stack([order.permutation(24, order.SHUFFLE, 0, 0, epoch) for epoch in range(2400)])
    assert len({tuple(order) for order in orders.tolist()}) == 2400
    counts = np.stack([np.bincount(column, minlength=24) for column in orders.T])
    assert 0.8 < ((counts - 100) ** 2 / 100).sum() / 23**2 < 1.25  # chi squared over its degrees of freedom


def test_domains_and_seeds_shuffle_independently():
    a, b = (joined(drawn((numbered(20), numbered(20, key="x_B"))), key)[..., 0, 0, 0] for key in ("x_A", "x_B"))
    other = joined(drawn((numbered(20),), seed=4), "x_A")[..., 0, 0, 0]
    assert (a == b).mean() < 0.25 and (a == other).mean() < 0.25


def test_crop_and_flip_vary_by_position_repeat_by_seed_and_leave_rows_whole():
    options = {"batch_size": 20, "stop": 30, "image_size": 4, "augment": MIRROR}
    first, second = (joined(drawn((numbered(20, size=6),), **options), "x_A") for _ in range(2))
    np.testing.assert_array_equal(first, second)
    top, left, right = first[..., 0, 0, 1], first[..., 0, 0, 2].astype(int), first[..., 0, 3, 2].astype(int)
    mirrored = left > right
    assert (np.abs(right - left) == 3).all() and 0.4 < mirrored.mean() < 0.6
    assert np.bincount(top.reshape(-1), minlength=3).min() > 120  # of 600, three places
    assert np.bincount(np.minimum(left, right).reshape(-1), minlength=3).min() > 120


def test_pairs_share_crop_and_flip_and_unpaired_domains_do_not():
    array = numbered(20, size=8).read(np.arange(20))["x_A"]
    paired = drawn((data.Arrays(x_A=array, x_B=array),), image_size=5, augment=MIRROR)
    np.testing.assert_array_equal(joined(paired, "x_A"), joined(paired, "x_B"))
    unpaired = drawn((data.Arrays(x_A=array), data.Arrays(x_B=array)), image_size=5, augment=MIRROR)
    places = [joined(unpaired, key)[..., 0, 0, 1:] for key in ("x_A", "x_B")]
    assert (places[0] == places[1]).all(-1).mean() < 0.3


def test_labels_travel_untouched_with_their_augmented_images():
    generator = np.random.default_rng(0)
    label = generator.integers(0, 2, (20, 3)).astype(np.float32)
    image = numbered(20, size=6).read(np.arange(20))["x_A"]
    options = {"stop": 20, "image_size": 4, "augment": MIRROR}
    calls = drawn((data.Arrays(x=image, label=label),), **options)
    found, plain = joined(calls, "x"), joined(drawn((data.Arrays(x=image),), **options), "x")
    np.testing.assert_array_equal(found, plain)
    assert found.shape == (20, 8, 4, 4, 3) and (found[..., 0, 0, 2] > found[..., 0, 3, 2]).any()
    np.testing.assert_array_equal(joined(calls, "label"), label[found[..., 0, 0, 0]])
    assert calls[0]["label"].dtype == np.float32


def test_all_changes_are_the_same_for_every_number_of_processes_and_after_a_resume_and_for_pairs():
    noise = np.random.default_rng(0).integers(0, 256, (20, 9, 9, 3), np.uint8)
    options = {"image_size": 6, "augment": EVERYTHING, "stop": 6}
    sources = (data.Arrays(x_A=noise, x_B=noise),)
    whole = drawn(sources, **options)
    np.testing.assert_array_equal(joined(whole, "x_A"), joined(whole, "x_B"))
    part = drawn(sources, start=4, rows=slice(3, 8), **options)
    np.testing.assert_array_equal(joined(part, "x_A"), joined(whole, "x_A")[4:, 3:8])
    assert len(np.unique(joined(whole, "x_A").reshape(-1, 6 * 6 * 3), axis=0)) == 6 * 8


def test_mirror_images_and_quarter_turns_come_equally_often():
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    turned = [np.rot90(flipped, k) for flipped in (image[0], image[0, :, ::-1]) for k in range(4)]
    every = Augment(flip=True, flip_vertical=True, turn=True)
    found = joined(drawn((data.Arrays(x_A=image),), stop=100, augment=every), "x_A").reshape(-1, 2, 2, 3)
    counts = [(found == one).all(axis=(1, 2, 3)).sum() for one in turned]
    assert sum(counts) == 800 and min(counts) > 60 and max(counts) < 140
    found = joined(drawn((data.Arrays(x_A=image),), stop=100, augment=Augment(flip_vertical=True)), "x_A")
    upside = (found.reshape(-1, 2, 2, 3) == image[0, ::-1]).all(axis=(1, 2, 3))
    assert 0.4 < upside.mean() < 0.6


def test_a_rotation_by_a_right_angle_is_a_quarter_turn_and_a_scale_enlarges_about_the_middle():
    noise = np.random.default_rng(0).integers(0, 256, (1, 7, 7, 3), np.uint8)
    for share, k in ((1.0, -1), (0.0, 1), (0.5, 0)):
        found = augmentation.warp(noise, np.array([[share, 0.5]]), Augment(rotate=90.0))
        np.testing.assert_array_equal(found[0], np.rot90(noise[0], k))
    slope = np.repeat(np.arange(0, 90, 10, dtype=np.uint8), 9).reshape(1, 9, 9, 1)
    for share, step in ((1.0, 5), (0.5, 10), (0.0, 20)):
        found = augmentation.warp(slope, np.array([[0.5, share]]), Augment(scale=1.0))[0, 3:6, 4, 0]
        np.testing.assert_array_equal(found, [40 - step, 40, 40 + step])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_colours_change_about_their_mean_and_alpha_stays(channels):
    x = np.random.default_rng(0).integers(100, 150, (2, 8, 8, channels), np.uint8)
    strong = Augment(color=0.5)
    same = augmentation.recolour(x, np.full((2, 3), 0.5), strong)
    np.testing.assert_array_equal(same, x)
    brighter, contrasted, grey = (
        augmentation.recolour(x, np.full((2, 3), 0.5) + 0.5 * np.eye(3)[part], strong).astype(float)
        for part in range(3)
    )
    colours = x[..., :3].astype(float)
    np.testing.assert_allclose(brighter[..., :3].mean((1, 2, 3)), 1.5 * colours.mean((1, 2, 3)), rtol=0.01)
    np.testing.assert_allclose(contrasted[..., :3].std((1, 2, 3)), 1.5 * colours.std((1, 2, 3)), rtol=0.01)
    spread = grey[..., :3].std(-1).mean(), colours.std(-1).mean()
    assert spread[0] == pytest.approx(1.5 * spread[1], rel=0.05)
    np.testing.assert_array_equal(brighter[..., 3:], x[..., 3:])


def test_changes_that_a_run_cannot_make_are_refused():
    section = ml_collections.ConfigDict({"image_size": (8, 16), "turn": True})
    with pytest.raises(UserError, match="data.turn=True needs squares"):
        augmentation.of(section)
    section = ml_collections.ConfigDict({"image_size": 8, "rotate": 5.0, "on_device": True})
    with pytest.raises(UserError, match="data.rotate is done on the host; set data.on_device=False"):
        augmentation.of(section)


def test_balance_shows_every_label_equally_often_and_all_rows_of_each():
    label = np.zeros((60, 5), np.float32)
    label[:50, 0], label[50:57, 1], label[57:, 2], label[:, 4] = 1, 1, 1, 1  # one for none, one for all
    rows = np.arange(60, dtype=np.float32)[:, None]
    sources = (data.Arrays(x=rows, label=label), data.Arrays(target=label))
    calls = drawn(sources, batch_size=6, stop=100, balance=True)
    shown, found = joined(calls, "label")[..., :3], joined(calls, "x")[..., 0].astype(int)
    np.testing.assert_array_equal(shown.sum(axis=(1,)), np.full((100, 3), 2))  # in every batch, a multiple of 3
    np.testing.assert_array_equal(joined(calls, "label"), label[found])
    counts = np.bincount(found.reshape(-1), minlength=60)
    assert set(counts[:50]) == {4} and set(counts[50:57]) <= {28, 29} and set(counts[57:]) <= {66, 67}
    targets = joined(calls, "target")[..., :3]
    assert (targets.sum(axis=1) == 2).all() and (targets != shown).any()
    part = drawn(sources, batch_size=6, start=40, stop=100, balance=True, rows=slice(1, 5))
    np.testing.assert_array_equal(joined(part, "x"), joined(calls, "x")[40:, 1:5])
    with pytest.raises(UserError, match="data.balance=True.*these data have none"):
        drawn((data.Arrays(x=rows),), balance=True)


def test_balance_takes_rows_without_a_label_for_one_more_group():
    label = np.array([[1, 0], [1, 1], [0, 1], *[[0, 0]] * 20], np.float32)
    shown = order.balanced(label, 0, 0)(np.arange(3 * 400))
    none, first, second = (shown >= 3).mean(), np.isin(shown, [0, 1]).mean(), np.isin(shown, [1, 2]).mean()
    assert none == pytest.approx(1 / 3) and first == pytest.approx(1 / 2) and second == pytest.approx(1 / 2)


def test_a_domain_smaller_than_a_batch_shows_all_of_its_images_equally_often():
    (batch,) = pipeline.batches((numbered(20), numbered(3, key="x_B")), batch_size=9, seed=0, start=0, stop=1)
    assert np.bincount(batch["x_B"][0, :, 0, 0, 0]).tolist() == [3, 3, 3]
    (batch,) = pipeline.batches((numbered(1),), batch_size=2, seed=0, start=0, stop=1)
    assert batch["x_A"].shape[:2] == (1, 2)
    with pytest.raises(UserError, match="x_B: no training rows; add images"):
        pipeline.batches((numbered(20), numbered(0, key="x_B")), batch_size=8, seed=0, start=0, stop=1)


def test_sizes_that_cannot_be_cropped_and_shared_keys_are_refused():
    with pytest.raises(ValueError, match="smaller than image_size=5"):
        drawn((numbered(20),), image_size=5)
    with pytest.raises(ValueError, match="not load_size=6"):
        drawn((numbered(20),), load_size=6)
    with pytest.raises(ValueError, match="key in common"):
        drawn((numbered(20), numbered(20)))


class Failing(data.Arrays):
    error = UserError("row 13 of the test is broken")

    def read(self, indices):
        if 13 in indices:
            raise self.error
        return super().read(indices)


def test_an_error_inside_read_comes_out_as_it_was_raised_and_prints_nothing(capfd):
    with pytest.raises(UserError) as caught:
        drawn((Failing(x_A=np.zeros((20, 2))),))
    assert caught.value is Failing.error
    assert "Traceback" not in capfd.readouterr().err


def test_batches_before_an_error_are_still_given():
    rows = np.zeros((200, 2))
    shown = order.permutation(200, order.SHUFFLE, 0, 3, 0).tolist()
    received = []
    with pytest.raises(UserError):
        for batch in pipeline.batches((Failing(x_A=rows),), batch_size=8, seed=3, start=0, stop=25):
            received.append(batch)
    assert len(received) == shown.index(13) // 8


def test_an_iterator_can_be_closed_early_and_no_steps_give_nothing():
    iterator = pipeline.batches((numbered(20),), batch_size=8, seed=0, start=0, stop=10**9)
    next(iterator)
    iterator.close()
    assert not list(iterator)
    assert not drawn((numbered(20),), start=4, stop=4)
