"""`--mode=export --format=web`: the page, in a real browser."""

import functools
import http.server
import re
import shutil
import threading

import numpy as np
import pytest
from devices import configure
from PIL import Image
from test_inference import _save

import gan_xla
from gan_xla import images
from gan_xla.export import npm, web
from gan_xla.main import main

pytestmark = pytest.mark.slow

ON = "boxes => boxes.filter(box => box.checked).map(box => box.parentElement.textContent.trim())"
READ = """id => {
  const {width, height} = document.getElementById(id);
  return [height, width, ...document.getElementById(id).getContext("2d").getImageData(0, 0, width, height).data];
}"""
SAID = "text => new RegExp(text).test(document.getElementById('status').textContent)"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Directories with pages: of two directions, of labels on grey images, of any size, and of styles."""
    pytest.importorskip("onnx")
    if not (shutil.which("npm") or npm.kept(web.PACKAGE, web.VERSION).is_file()):
        pytest.skip("needs npm, which fetches onnxruntime-web: apt-get install npm")
    root = tmp_path_factory.mktemp("web")
    cases = {
        "discogan": ("dg", 3, "pad"),
        "stargan_joint": ("dg", 1, "crop"),
        "cyclegan": ("gd", 3, "stretch"),
        "munit": ("dg", 3, "crop"),
    }
    for name, (turn, channels, fit) in cases.items():
        config = configure(name, (turn,))
        config.data.update({"channels": channels, "fit": fit, "background": (250, 128, 3)})
        _save(root / "runs" / name, config)
        size = "symbolic" if name == "cyclegan" else "train"
        flags = ("--mode=export", "--format=web", f"--workdir={root}/runs/{name}", f"--size={size}")
        assert main(["main", *flags, f"--output={root}/{name}"]) == 0
    return root


@pytest.fixture(scope="module")
def address(pages):
    """Where they are served."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=pages)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def models(pages):
    return {path.name: gan_xla.load(path) for path in (pages / "runs").iterdir()}


def _wait(page, text):
    page.wait_for_function(SAID, arg=text)


def _open(page, address, file=None):
    page.goto(address)
    _wait(page, "Ready|could not|missing")
    if file:
        page.set_input_files("#file", file)
        _wait(page, "Done|could not")


def _canvas(page, name):
    height, width, *numbers = page.evaluate(READ, name)
    return np.reshape(numbers, (height, width, 4))[..., :3]


def _photo(path, size=(40, 23), **options):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 4), np.uint8)
    Image.fromarray(pixels[..., : options.pop("channels", 3)]).resize(size).save(path, **options)
    return path


@pytest.mark.parametrize("opened", ["served", "from a file"])
def test_the_page_shows_what_the_model_makes(opened, pages, address, models, tmp_path, browse):
    model, picture = models["discogan"], np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    images.write(tmp_path / "one.png", picture)
    page, seen = browse()
    where = f"{address}/discogan/" if opened == "served" else (pages / "discogan" / "index.html").as_uri()
    _open(page, where, tmp_path / "one.png")
    np.testing.assert_array_equal(_canvas(page, "source"), picture)
    assert np.abs(_canvas(page, "result") - model.translate(picture[None])[0].astype(int)).max() <= 1
    page.select_option("#direction", "BtoA")
    _wait(page, "Done")
    expected = model.translate(picture[None], "BtoA")[0].astype(int)
    assert np.abs(_canvas(page, "result") - expected).max() <= 1
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "one-translated.png"
    download.value.save_as(tmp_path / "saved.png")
    np.testing.assert_array_equal(images.read(tmp_path / "saved.png"), _canvas(page, "result"))
    assert seen.quiet, seen


def test_another_style_is_another_translation(address, tmp_path, browse):
    page, seen = browse()
    _open(page, f"{address}/munit/", _photo(tmp_path / "photo.png", (16, 16)))
    before = page.evaluate(f"String(({READ})('result'))")
    page.click("#another")
    page.wait_for_function(f"before => String(({READ})('result')) !== before", arg=before)
    assert seen.quiet
    _open(page, f"{address}/discogan/")
    assert not page.is_visible("#another")


def test_photographs_are_turned_laid_on_the_background_and_fitted_as_in_python(address, models, tmp_path, browse):
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    files = (
        _photo(tmp_path / "turned.jpg", exif=turned, quality=95),
        _photo(tmp_path / "transparent.png", (23, 90), channels=4),
    )
    page, seen = browse()
    for name, c in (("discogan", 3), ("stargan_joint", 1)):
        data = models[name].config.data
        _open(page, f"{address}/{name}/")
        for file in files:
            page.set_input_files("#file", file)
            _wait(page, "Done")
            read = images.read(file, c, tuple(data.background))
            expected = images.unfit(images.fit(read, 16, data.fit, tuple(data.background)), read.shape, data.fit)
            found = _canvas(page, "source")
            assert found.shape[:2] == expected.shape[:2]
            assert np.abs(found - expected.astype(int)).mean() < 1  # decoders of JPEG differ by a level here and there
    assert seen.quiet, seen


def test_labels_are_chosen_by_boxes_of_which_impossible_ones_go_off(address, models, tmp_path, browse):
    model = models["stargan_joint"]
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 1), np.uint8)
    images.write(tmp_path / "one.png", picture)
    page, seen = browse()
    _open(page, f"{address}/stargan_joint/", tmp_path / "one.png")
    for name in model.domains:
        page.get_by_label(name, exact=True).check()
        _wait(page, "Done")
        on = [
            box.evaluate("box => box.parentElement.textContent.trim()") for box in page.locator("input:checked").all()
        ]
        assert name in on
        expected = model.translate(picture[None], domain=on)[0].astype(int)  # refuses labels that cannot be together
        assert np.abs(_canvas(page, "result") - expected).max() <= 1
    for box in page.locator("input:checked").all():
        box.uncheck()
    _wait(page, "Choose what to translate to")
    assert seen.quiet, seen


def test_networks_of_any_size_keep_the_shape_of_the_image(address, models, tmp_path, browse):
    page, seen = browse()
    _open(page, f"{address}/cyclegan/", _photo(tmp_path / "wide.png", (40, 24)))
    expected = models["cyclegan"].translate(images.read(tmp_path / "wide.png")[None])[0].astype(int)
    assert np.abs(_canvas(page, "result") - expected).max() <= 1
    page.set_input_files("#file", _photo(tmp_path / "long.png", (1030, 22)))
    _wait(page, "Done")
    assert _canvas(page, "result").shape == (12, 512, 3)
    assert seen.quiet, seen


def test_the_keyboard_a_dropped_file_a_phone_and_the_dark_work(address, tmp_path, browse):
    page, seen = browse(color_scheme="dark", has_touch=True, viewport={"width": 360, "height": 640})
    _open(page, f"{address}/discogan/")
    found = set()
    for _ in range(4):
        page.keyboard.press("Tab")
        found.add(page.evaluate("document.activeElement.id"))
    assert found >= {"file", "camera", "direction"}
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", dark))) < 64
    page.evaluate("""async () => {
        const canvas = new OffscreenCanvas(20, 20), dropped = new DataTransfer();
        canvas.getContext("2d");
        const blob = await canvas.convertToBlob();
        dropped.items.add(new File([blob], "dropped.png"));
        document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: dropped, bubbles: true}));
    }""")
    _wait(page, "Done")
    assert page.get_attribute("#result", "aria-label") == "Translation of dropped"
    assert seen.quiet, seen


def test_what_goes_wrong_is_said_on_the_page(pages, tmp_path, browse):
    (tmp_path / "notes.png").write_text("not an image")
    page, seen = browse()
    _open(page, (pages / "discogan" / "index.html").as_uri())
    page.set_input_files("#file", tmp_path / "notes.png")
    _wait(page, "notes.png is no image that this browser can read")
    shutil.copytree(pages / "discogan", tmp_path / "page")
    script = tmp_path / "page" / "model.js"
    script.write_text(re.sub('"AtoB": "', '"AtoB": "AAAA', script.read_text()))
    _open(page, (tmp_path / "page" / "index.html").as_uri())
    assert "The network could not be loaded" in page.text_content("#status")
    assert not seen.errors
    script.unlink()
    _open(page, (tmp_path / "page" / "index.html").as_uri())
    assert "Keep the files of this folder together" in page.text_content("#status")


def test_the_licence_of_the_runtime_is_beside_it(pages):
    text = (pages / "discogan" / "LICENSE-onnxruntime-web.txt").read_text()
    assert f"onnxruntime-web {web.VERSION}" in text and "MIT License" in text


REFUSED = {
    "noise": ("dcgan", "d+g", "--batch=1", "translates bytes, all grey or all in colours"),
    "points": ("toy_gmm", "dg", "--batch=1", "translates bytes, all grey or all in colours"),
    "many at once": ("discogan", "dg", "--batch=4", "--batch=4: the page of --format=web takes one image at a time"),
}


@pytest.mark.parametrize("config, turn, flag, message", REFUSED.values(), ids=REFUSED)
def test_what_a_page_cannot_do_is_refused(config, turn, flag, message, tmp_path, capsys):
    run = _save(tmp_path / "run", configure(config, (turn,), size=0 if config == "toy_gmm" else 16))
    flags = ("--mode=export", "--format=web", f"--workdir={run}", f"--output={tmp_path}/page", flag)
    assert main(["main", *flags]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "page").exists()


def test_without_npm_the_page_says_how_to_bring_the_runtime(tmp_path, capsys, monkeypatch):
    pytest.importorskip("onnx")
    run = _save(tmp_path / "run", configure("discogan", ("dg",)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["main", "--mode=export", "--format=web", f"--workdir={run}", f"--output={tmp_path}/page"]) == 2
    error = capsys.readouterr().err
    assert f"put onnxruntime-web-{web.VERSION}.tgz" in error and not (tmp_path / "page").exists()
