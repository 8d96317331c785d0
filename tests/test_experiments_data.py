import csv
import gzip
import hashlib
import json
import shutil
import zipfile
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from experiments.common import run
from experiments.data import between, emoji, faces, furniture, icons, mnist, objects, output, render, torcs
from gan_xla import images
from gan_xla.data.sources import builtin
from gan_xla.errors import UserError

pytestmark = pytest.mark.slow

# Enough for every split to have some.
BASES = [f"{code:x}" for code in range(0x1F950, 0x1F978)]
TONED = ["1f44b", "1f44b-1f3fb", "1f44b-1f3ff", "1f46e-1f3fd-200d-2640", "1f46e-200d-2642", "1f46e"]
FLAG = "1f6a9"
COLOURS = {"noto": "#ff0000", "twemoji": "#0000ff"}


def icon_set(root, vendor, unshared, change=lambda files: None):
    """Writes an icon set of one square each, in the vendor's colour on the left half."""
    names = {codepoints: f"icon-{codepoints}" for codepoints in [*BASES, *TONED, FLAG, unshared]}
    square = f'<path fill="{COLOURS[vendor]}" d="M0 0h8v16H0z"/>'
    files = {
        "icons.json": {"prefix": vendor, "width": 16, "icons": {icon: {"body": square} for icon in names.values()}},
        "chars.json": names,
        "info.json": {"license": {"spdx": icons.PINS[vendor].licence}, "author": {"name": "Nobody"}},
        "metadata.json": {"categories": {"Flags": [f"icon-{FLAG}"]}},
        "package.json": {"version": "0.0.1"},
    }
    change(files)
    directory = root / "@iconify-json" / vendor
    directory.mkdir(parents=True)
    for name, content in files.items():
        (directory / name).write_text(json.dumps(content))


@pytest.fixture
def vendors(tmp_path):
    pytest.importorskip("resvg_py")
    icon_set(tmp_path / "node_modules", "noto", "1f9f0")
    icon_set(tmp_path / "node_modules", "twemoji", "1f9f1")
    return tmp_path / "node_modules"


def make(vendors, path, *flags):
    assert run(emoji.main, [f"--icons={vendors}", f"--output={path}", "--size=16", *flags]) == 0
    return {folder.name: {file.stem for file in folder.glob("*.png")} for folder in path.iterdir() if folder.is_dir()}


def refused(capsys, main, *flags):
    """The one line that a user's mistake prints."""
    assert run(main, list(flags)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_pairs_have_equal_names_and_each_vendor_its_own_drawing(vendors, tmp_path):
    found = make(vendors, tmp_path / "out", "--a=noto", "--b=twemoji")
    assert found["trainA"] == found["trainB"] and found["testA"] == found["testB"] and found["testA"]
    assert found["trainA"] | found["testA"] == {*BASES, *TONED}  # shared by both, and no flag
    assert found["flagsA"] == found["flagsB"] == {FLAG}
    for domain, colour in (("A", (255, 0, 0)), ("B", (0, 0, 255))):
        image = images.read(tmp_path / "out" / f"train{domain}" / f"{min(found['trainA'])}.png")
        assert image.shape == (16, 16, 3)
        assert (image[:, :8] == colour).all() and (image[:, 8:] == 255).all()


def test_variants_of_a_base_are_on_one_side_of_every_split(vendors, tmp_path):
    found = make(vendors, tmp_path / "out", "--a=noto", "--b=twemoji", "--unpaired")
    sides = [{emoji.base(name) for name in found[folder]} for folder in ("trainA", "trainB", "testA")]
    assert all(sides) and not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert found["testA"] == found["testB"]
    assert found["trainA"] | found["trainB"] | found["testA"] == {*BASES, *TONED}


def test_labelled_vendors_come_with_skin_tones_as_attributes(vendors, tmp_path):
    make(vendors, tmp_path / "out", "--labelled=noto,twemoji")
    with (tmp_path / "out" / "attributes.csv").open() as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("out/*/*/*.png")}
    tones = {row["codepoints"]: row["skin_tone"] for row in rows.values() if row["vendor"] == "twemoji"}
    assert tones["1f44b"] == "" and tones["1f44b-1f3fb"] == "light" and tones["1f46e-1f3fd-200d-2640"] == "medium"
    about = (tmp_path / "out" / "SOURCES.md").read_text()
    size = sum(path.stat().st_size for path in tmp_path.glob("out/flags/noto/*.png"))
    assert "CC-BY-4.0" in about and f"| flags/noto | 1 | {size} |" in about


def test_emoji_without_skin_tones_are_a_choice(vendors, tmp_path):
    found = make(vendors, tmp_path / "out", "--a=noto", "--b=twemoji", "--no_tones")
    assert found["trainA"] | found["testA"] == {*BASES, "1f44b", "1f46e", "1f46e-200d-2642"}


@pytest.mark.parametrize(
    "variants",
    [
        ("1f44b", "1f44b-1f3fb", "1f44b-1f3ff"),
        ("1f9d1-200d-1f33e", "1f468-200d-1f33e", "1f469-1f3fd-200d-1f33e"),
        ("1f3c3", "1f3c3-200d-2640", "1f3c3-1f3fb-200d-2642-200d-27a1"),
        ("1f46a", "1f468-200d-1f469-200d-1f466", "1f9d1-200d-1f9d2"),
        ("1f91d", "1faf1-1f3fb-200d-1faf2-1f3ff"),
        ("1f46b", "1f46d-1f3fd", "1f469-1f3fb-200d-1f91d-200d-1f468-1f3ff"),
        ("1f468", "1f471-1f3fb-200d-2640", "1f469-200d-1f9b0"),
    ],
)
def test_variants_have_one_base(variants):
    assert len({emoji.base(codepoints) for codepoints in variants}) == 1


def test_different_emoji_have_different_bases_and_a_swatch_of_skin_is_its_own():
    assert len({emoji.base(one) for one in ("1f44b", "1f9d1-200d-1f33e", "1f9d1-200d-1f373", "1f3fb", "1f3ff")}) == 5


def test_about_a_tenth_of_the_bases_is_held_out():
    share = np.mean([emoji.held_out(f"{code:x}") for code in range(0x1F300, 0x1FB00)])
    assert 0.08 < share < 0.12


def test_a_finished_data_set_is_recognised_and_another_one_never_overwritten(vendors, tmp_path, capsys):
    make(vendors, tmp_path / "out", "--a=noto", "--b=twemoji")
    capsys.readouterr()
    make(vendors, tmp_path / "out", "--a=noto", "--b=twemoji")
    assert "is there already" in capsys.readouterr().out
    flags = (f"--icons={vendors}", f"--output={tmp_path / 'out'}", "--size=16", "--b=twemoji")
    assert "other flags" in refused(capsys, emoji.main, *flags, "--a=noto", "--unpaired")
    next((tmp_path / "out" / "testA").iterdir()).unlink()
    assert "missing" in refused(capsys, emoji.main, *flags, "--a=noto")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    assert "something else" in refused(capsys, emoji.main, *flags, "--a=noto", f"--output={tmp_path / 'mine'}")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "give either"),
        (["--a=noto"], "give either"),
        (["--a=noto", "--b=acme"], "'acme' is not known"),
        (["--a=noto", "--b=noto"], "each once"),
        (["--labelled=noto,twemoji", "--unpaired"], "--unpaired"),
        (["--a=noto", "--b=twemoji", "--size=1"], "--size=1"),
        (["--a=noto", "--b=twemoji", "--background=bright"], "no colour"),
        (["--a=noto", "--b=openmoji"], "npm install"),
    ],
)
def test_a_mistake_with_emoji_is_one_line(vendors, tmp_path, capsys, flags, said):
    assert said in refused(capsys, emoji.main, f"--icons={vendors}", f"--output={tmp_path / 'out'}", *flags)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: files["info.json"]["license"].update(spdx="GPL-3.0"), "licence"),
        (lambda files: files["icons.json"]["icons"].popitem(), "missing"),
        (lambda files: files["package.json"].update(version=icons.PINS["noto"].version), "emoji, not"),
        (lambda files: files.update({"info.json": []}), "not an Iconify"),
    ],
)
def test_an_icon_set_that_is_not_what_it_should_be_is_refused(tmp_path, change, said):
    icon_set(tmp_path, "noto", "1f9f0", change)
    with pytest.raises(UserError, match=said):
        icons.load("noto", tmp_path)


def test_a_damaged_drawing_is_named(tmp_path):
    pytest.importorskip("resvg_py")
    icon_set(tmp_path, "noto", "1f9f0", lambda files: files["icons.json"]["icons"]["icon-1f44b"].update(body="<g>"))
    with pytest.raises(UserError, match="1f44b cannot be drawn"):
        icons.load("noto", tmp_path).render("1f44b", 16, (255, 255, 255))


def test_npm_that_is_missing_or_fails_is_told(tmp_path, monkeypatch, capsys):
    pytest.importorskip("resvg_py")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    flags = ["--a=noto", "--b=twemoji", f"--output={tmp_path / 'out'}"]
    assert "npm is not installed" in refused(capsys, emoji.main, *flags)
    (tmp_path / "npm").write_text("#!/bin/sh\necho offline >&2\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    assert "offline" in refused(capsys, emoji.main, *flags)
    (tmp_path / "npm").write_text('#!/bin/sh\nfor last; do :; done\necho no > "${last#*=}/noto.tgz"\n')
    assert "another file than the one pinned" in refused(capsys, emoji.main, *flags)


# A wedge: a box 4 long (z), 2 wide, 2 high, whose roof falls towards the front, red in front, blue elsewhere.
WEDGE = """mtllib wedge.mtl
v -1 -1 -2
v 1 -1 -2
v 1 -1 2
v -1 -1 2
v -1 1 -2
v 1 1 -2
vt .25 .5
usemtl front
f 5 6 3 4
usemtl rest
f 1 2 6 5
f 1/1 4/1 3/1 2/1
f 2 3 6
f 1 5 4
"""
MATERIALS = "newmtl front\nKd 1 0 0\nnewmtl rest\nKd 0 0 1\nmap_Kd blue.png\n"


@pytest.fixture
def library(tmp_path):
    """A library of four wedges, the third one lying on its back until it is rotated, the fourth not free."""
    entries = [
        ("Bus", "", ""),
        ("Bus", "", ""),
        ("Tower", "modelRotation#3=1 0 0 0 0 1 0 -1 0", ""),
        ("Car", "", "GPL"),
    ]
    lines = ["# a catalogue", "version=1.0", "license=Public domain"]
    for number, (name, rotation, licence) in enumerate(entries, 1):
        lines += [f"id#{number}=Own#{number}", f"name#{number}={name}", f"category#{number}=Things", rotation]
        lines += [f"model#{number}=/own/wedge.obj", f"creator#{number}=Zo\\u00eb", f"tags#{number}=Sharp, {name} tag"]
        lines += [f"license#{number}={licence}"] if licence else []
    Image.new("RGB", (4, 4), (0, 0, 255)).save(tmp_path / "blue.png")
    with zipfile.ZipFile(tmp_path / "own.sh3f", "w") as archive:
        archive.writestr(furniture.CATALOGUE, "\n".join(lines))
        archive.writestr("own/wedge.obj", WEDGE)
        archive.writestr("own/wedge.mtl", MATERIALS)
        archive.write(tmp_path / "blue.png", "own/blue.png")
    return tmp_path / "own.sh3f"


CAR = """AC3Db
MATERIAL "paint" rgb 1 1 1  amb 1 1 1  emis 0 0 0  spec 0 0 0  shi 0  trans 0
OBJECT world
kids 1
OBJECT poly
name "body"
texture "paint.rgb" base
texture "none.rgb" shad
numvert 8
-2 0.5 -1 0 0 1
-2 0.5 1 0 0 1
-2 2.5 1 0 0 1
-2 2.5 -1 0 0 1
2 0.5 -1 0 0 1
2 0.5 1 0 0 1
2 1 1 0 0 1
2 1 -1 0 0 1
numsurf 6
SURF 0x14
mat 0
refs 4
4 0.75 0.5 0 0
5 0.75 0.5 0 0
7 0.75 0.5 0 0
6 0.75 0.5 0 0
"""
SIDES = ("0 1 2 3", "0 1 5 4", "3 2 6 7", "0 3 7 4", "1 2 6 5")
AXLES = {"Front": 1.2, "Rear": -1.2}
WHEEL = """<section name="{0} {1} Wheel"><attnum name="ypos" unit="m" val="{2}"/><attnum name="tire width" val="300"/>
<attnum name="rim diameter" unit="in" val="20"/><attnum name="tire height-width ratio" val="0.5"/></section>"""


@pytest.fixture
def cars(tmp_path):
    """One wedge on wheels, in TORCS's files: blue, but red in front, which is low."""
    folder = tmp_path / "cars" / "wedge"
    folder.mkdir(parents=True)
    refs = ("".join(f"{point} 0.25 0.5 0 0\n" for point in side.split()) for side in SIDES)
    text = CAR + "".join(f"SURF 0x30\nmat 0\nrefs 4\n{rows}" for rows in refs) + "kids 0\n"
    (folder / "wedge.acc").write_text(text)
    (folder / "wedge-lod1.acc").write_text("AC3Db\n")
    paint = np.zeros((4, 4, 3), np.uint8)
    paint[:, :2, 2] = paint[:, 2:, 0] = 255
    Image.fromarray(paint).save(folder / "paint.rgb", "SGI")
    axles = "".join(f'<section name="{a} Axle"><attnum name="xpos" val="{x}"/></section>' for a, x in AXLES.items())
    wheels = "".join(WHEEL.format(a, side, y) for a in AXLES for side, y in (("Right", -1), ("Left", 1)))
    (folder / "wedge.xml").write_text(f"<params>{axles}{wheels}</params>")
    (folder / "readme.txt").write_text("Copyright © 2002-2005 Zoë, Yan\nin terms of the Free Art license.\n")
    return folder.parent


def test_cars_of_torcs_face_the_front_on_wheels_and_are_painted(cars):
    (model,) = torcs.catalogue(cars)
    assert (model.name, model.creator, model.licence) == ("wedge", "Zoë, Yan", "Free Art License")
    mesh = torcs.load(model)
    front, side, back = (render.view(mesh, azimuth, 64) for azimuth in (0, 90, 180))
    assert (front[..., 0] > 150).any() and not (back[..., 0] > 150).any()
    tall = (side[..., 3] > 0).sum(0)
    assert tall[:32].sum() > tall[32:].sum()  # the front is to the right
    below = side[side[..., 3].any(1)][-2]
    assert (below[below[:, 3] > 200, :3] < 40).all() and 4 < (below[:, 3] > 0).sum() < 32  # two tyres


def test_cars_of_torcs_stand_beside_other_models(cars, library, tmp_path, capsys):
    pytest.importorskip("trimesh")
    shutil.copytree(cars / "wedge", cars / "other")
    for file in (cars / "other").glob("wedge.*"):
        file.rename(file.with_stem("other"))
    packages = ["--package", str(library), str(cars)]
    assert run(objects.main, [*packages, "--list"]) == 0 and "racing cars | 2" in capsys.readouterr().out
    flags = ["--size=32", "--azimuths=2", "--a=racing cars", "--b=bus,tower", f"--output={tmp_path / 'made'}"]
    assert run(objects.main, [*packages, *flags]) == 0
    assert {path.name for path in (tmp_path / "made").glob("t*A/*")} == {
        f"torcs-{name}_{angle}.png" for name in ("wedge", "other") for angle in ("000", "180")
    }
    assert "| wedge | Zoë, Yan | Free Art License | wedge of TORCS |" in (tmp_path / "made" / "SOURCES.md").read_text()
    (cars / "wedge" / "wedge.xml").write_text("<params/>")
    with pytest.raises(UserError, match=r"wedge: cannot be read .*; leave 'torcs#wedge' out"):
        torcs.load(torcs.catalogue(cars)[1])


def render_all(library, path, *flags):
    assert run(objects.main, [f"--package={library}", f"--output={path}", "--size=32", "--azimuths=4", *flags]) == 0


def extent(rgba):
    """(width, height) of what is opaque at all."""
    rows, columns = np.nonzero(rgba[..., 3])
    return np.ptp(columns) + 1, np.ptp(rows) + 1


def test_models_are_seen_from_the_front_then_from_the_side_with_the_front_to_the_right(library):
    pytest.importorskip("trimesh")
    mesh = furniture.load(furniture.catalogue(library)[0])
    front, right, back, left = (render.view(mesh, azimuth, 32) for azimuth in (0, 90, 180, 270))
    # The bounding sphere, of diameter sqrt(24), takes 0.95 of 32 pixels: 6.2 pixels a unit.
    assert extent(front)[0] == extent(back)[0] == pytest.approx(2 * 6.2, abs=2)
    assert extent(right)[0] == extent(left)[0] == pytest.approx(4 * 6.2, abs=2)
    assert front[16, 16, 0] > 128 > front[16, 16, 2] and back[16, 16, 2] > 128 > back[16, 16, 0]
    # The tall end is the back: on the left when the front is to the right.
    tall = (right[..., 3] > 0).sum(0), (left[..., 3] > 0).sum(0)
    assert tall[0][:16].sum() > 1.3 * tall[0][16:].sum() and tall[1][16:].sum() > 1.3 * tall[1][:16].sum()


def test_faces_are_lit_by_their_angle_to_the_light_and_edges_are_antialiased(library):
    pytest.importorskip("trimesh")
    mesh = furniture.load(furniture.catalogue(library)[0])
    tilt = np.deg2rad(15)
    camera = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    for azimuth, normal, channel in ((0, np.array([0, 2, 1]) / np.sqrt(5), 0), (180, np.array([0, 0, 1]), 2)):
        shown = render.view(mesh, azimuth, 64)
        lit = 0.45 + 0.55 * (camera @ normal) @ [0.3, 0.6, np.sqrt(0.55)]
        assert shown[..., channel].max() == pytest.approx(255 * lit, abs=1)
        assert {0, 255} < set(np.unique(shown[..., 3])) <= {0, 64, 128, 191, 255}


def test_a_rotation_in_the_catalogue_sets_a_model_upright(library):
    pytest.importorskip("trimesh")
    tower = render.view(furniture.load(furniture.catalogue(library)[2]), 0, 32)
    assert extent(tower)[1] > 1.5 * extent(tower)[0]


def test_a_selection_becomes_a_labelled_data_set_split_by_model(library, tmp_path, capsys):
    pytest.importorskip("trimesh")
    render_all(library, tmp_path / "out", "--categories=things")
    assert output.count(tmp_path / "out") == {"test/things": 4, "train/things": 8}  # the GPL one is left out
    sides = [
        {path.name.split("_")[0] for path in (tmp_path / "out" / side / "things").iterdir()}
        for side in ("train", "test")
    ]
    assert not sides[0] & sides[1]
    assert (tmp_path / "out/test/things/own-2_090.png").is_file()
    assert "| Bus | Zoë | Public domain |" in (tmp_path / "out" / "SOURCES.md").read_text("utf-8")
    capsys.readouterr()
    render_all(library, tmp_path / "out", "--categories=things")
    assert "is there already" in capsys.readouterr().out


def test_two_domains_need_different_models_that_can_be_split(library, tmp_path, capsys):
    pytest.importorskip("trimesh")
    flags = (f"--package={library}", f"--output={tmp_path / 'out'}", "--azimuths=4")
    assert "in two domains" in refused(capsys, objects.main, *flags, "--a=bus", "--b=sharp")
    assert "cannot be divided" in refused(capsys, objects.main, *flags, "--a=bus", "--b=tower")
    render_all(library, tmp_path / "out", "--a=bus", "--b=tower,own#4", "--any_licence")
    assert output.count(tmp_path / "out") == {"testA": 4, "testB": 4, "trainA": 4, "trainB": 4}


def test_one_selection_for_both_domains_is_dealt_to_them(library, tmp_path):
    pytest.importorskip("trimesh")
    render_all(library, tmp_path / "out", "--a=sharp", "--b=sharp", "--any_licence")
    models = [{path.name.split("_")[0] for path in (tmp_path / "out").glob(f"t*{domain}/*.png")} for domain in "AB"]
    assert models == [{"own-1", "own-3"}, {"own-2", "own-4"}]
    assert output.count(tmp_path / "out") == {"testA": 4, "testB": 4, "trainA": 4, "trainB": 4}


def test_the_listing_shows_categories_and_what_is_selected(library, capsys):
    assert run(objects.main, [f"--package={library}", "--list"]) == 0
    assert "| Things | 3 |" in capsys.readouterr().out
    assert run(objects.main, [f"--package={library}", "--list", "--categories=tower tag"]) == 0
    assert "| Own#3 | Tower | Zoë |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--categories=planes"], "'planes' fits no model"),
        (["--a=bus"], "give either"),
        (["--categories=bus", "--azimuths=0"], "--azimuths=0"),
        (["--check"], "are missing"),
        (["--package=/nowhere", "--list"], "apt-get download sweethome3d-furniture"),
    ],
)
def test_a_mistake_with_objects_is_one_line(library, tmp_path, capsys, flags, said):
    pytest.importorskip("trimesh")
    given = (f"--package={library}", f"--output={tmp_path / 'out'}")
    assert said in refused(capsys, objects.main, *given, *flags)


def test_damaged_libraries_and_models_are_named(tmp_path, capsys):
    pytest.importorskip("trimesh")
    (tmp_path / "bad.sh3f").write_bytes(b"PK no zip")
    assert "not a furniture library" in refused(capsys, objects.main, f"--package={tmp_path}", "--list")
    with zipfile.ZipFile(tmp_path / "bad.sh3f", "w") as archive:
        archive.writestr(
            furniture.CATALOGUE, "license=Public domain\nname#1=Box\nmodel#1=/box.obj\nname#2=Box\nmodel#2=/b.obj"
        )
    flags = (f"--package={tmp_path}", f"--output={tmp_path / 'out'}", "--categories=box")
    assert "box.obj cannot be read" in refused(capsys, objects.main, *flags)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))


def test_digits_are_checked_and_written_by_class(tmp_path, monkeypatch, capsys):
    """Three hand-made digits in MNIST's file format, plain and gzipped."""
    pixels = np.arange(3 * 784, dtype=np.uint8).tobytes()
    content = {name: bytes(16) + pixels if "images" in name else bytes(8) + bytes([7, 0, 7]) for name in mnist.FILES}
    for name, raw in content.items():
        (tmp_path / name).write_bytes(raw)
    train = "train-images-idx3-ubyte"
    (tmp_path / f"{train}.gz").write_bytes(gzip.compress(content[train]))
    command = [f"--files={tmp_path}", f"--output={tmp_path}/out"]
    assert run(mnist.main, command) == 2 and "is not MNIST's file" in capsys.readouterr().err
    monkeypatch.setattr(mnist, "FILES", {name: hashlib.md5(raw).hexdigest() for name, raw in content.items()})
    assert run(mnist.main, command) == 0
    assert "6 images of 2 digits" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out/train/7").iterdir()) == ["00000.png", "00002.png"]
    digit = images.read(tmp_path / "out/test/0/00001.png", channels=1)
    np.testing.assert_array_equal(digit.ravel(), np.frombuffer(pixels, np.uint8)[784:1568])


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--identities=3", "--output={}/out"], "--identities=3 must be 6 or more"),
        (["--size=4", "--output={}/out"], "--size=4 from 8 to 512"),
        ([], "--output=DIR is missing"),
    ],
)
def test_a_mistake_with_faces_is_one_line(tmp_path, capsys, flags, said):
    assert said in refused(capsys, faces.main, *(flag.format(tmp_path) for flag in flags))


def test_faces_need_anny_or_say_so(tmp_path, capsys):
    """The heads themselves take a quarter of an hour to unpack when they are first made."""
    if find_spec("anny"):
        pytest.skip("anny is installed")
    assert "anny is not installed; pip install -e '.[faces]'" in refused(capsys, faces.main, f"--output={tmp_path}/out")


def test_views_between_two_others_lie_apart_by_what_was_asked(tmp_path, monkeypatch, capsys):
    heads = builtin.rendered("faces")[:2]
    monkeypatch.setattr(between.builtin, "rendered", lambda category: heads)  # 60 take a while to write
    command = [f"--output={tmp_path / 'out'}", "--apart=45"]
    assert run(between.main, command) == 0 == run(between.main, command)
    assert "is there already" in capsys.readouterr().out
    for name, place in (("left", 23), ("middle", 2), ("right", 5)):  # 345, 30 and 75 degrees
        found = images.read(tmp_path / "out" / name / "01_030.png", channels=3)
        np.testing.assert_array_equal(found, images.compose(heads[1, place], images.WHITE))
    assert "--apart=40: takes multiples of 15 below 180" in refused(capsys, between.main, *command[:1], "--apart=40")
