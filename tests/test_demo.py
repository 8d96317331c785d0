"""`--mode=demo`: its API, what it refuses, and its page in a real browser. Needs the extra `demo`."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from devices import configure
from PIL import Image
from test_inference import _save

import gan_xla
from gan_xla import demo, images
from gan_xla.demo.runs import Runs
from gan_xla.errors import UserError
from gan_xla.main import main

CLOSING = "Method not implemented."  # what Gradio's own script says whenever an answer is there
ROOT = Path(gan_xla.__file__).parents[1]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of two directions, of styles, of labels, and of noise with labels."""
    root = tmp_path_factory.mktemp("runs")
    for name, turn in (("discogan", "dg"), ("munit", "d+g"), ("stargan_joint", "dg"), ("cgan", "d+g")):
        _save(root / name, configure(name, (turn,)))
    return root


def _free():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _up(process, address):
    for _ in range(240):
        assert process.poll() is None, "the server has ended"
        try:
            return urllib.request.urlopen(f"{address}/config", timeout=5)
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server does not answer")


@pytest.fixture(scope="module")
def address(runs, tmp_path_factory):
    """Where `--mode=demo` serves them; nothing that was sent is left behind."""
    pytest.importorskip("gradio")
    port, folder = _free(), tmp_path_factory.mktemp("sent")
    command = [sys.executable, "-m", "gan_xla.main", "--mode=demo", f"--workdir={runs}/*", f"--port={port}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TMPDIR": str(folder)}, **quiet)
    try:
        _up(process, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
        assert list(folder.glob("gan_xla-demo-*"))
    finally:
        process.terminate()
        process.wait(30)
    assert not [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def client(address):
    return pytest.importorskip("gradio_client").Client(address, verbose=False)


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    images.write(path, np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
    return path


def _translate(
    client, run, image, checkpoint="last", direction="", domains=None, styles=1, reference=None, seed=0, s=1
):
    from gradio_client import handle_file

    files = [file and handle_file(str(file)) for file in (image, reference)]
    answer = client.predict(
        run, checkpoint, files[0], direction, domains, styles, files[1], seed, s, api_name="/translate"
    )
    return np.stack([images.read(one["image"]) for one in answer])


def test_the_api_gives_what_the_models_do(client, runs, photo):
    x = images.read(photo)[None]
    model = gan_xla.load(runs / "discogan", 1)
    np.testing.assert_array_equal(_translate(client, "discogan", photo, "1", "BtoA"), model.translate(x, "BtoA"))
    model = gan_xla.load(runs / "munit")
    codes = model.styles(3, seed=5)
    expected = np.concatenate([model.translate(x, style=code) for code in codes])
    np.testing.assert_array_equal(_translate(client, "munit", photo, styles=3, seed=5), expected)
    expected = model.translate(x, reference=x)
    np.testing.assert_array_equal(_translate(client, "munit", photo, reference=photo), expected)
    np.testing.assert_array_equal(_translate(client, "munit", photo, styles=2, reference=photo)[1:], expected)
    expected = model.translate(x, style=codes[0], strength=0.5)
    np.testing.assert_array_equal(_translate(client, "munit", photo, seed=5, s=0.5)[0], expected[0])
    model = gan_xla.load(runs / "stargan_joint")
    domain = model.domains[:1]
    np.testing.assert_array_equal(
        _translate(client, "stargan_joint", photo, domains=list(domain)), model.translate(x, domain=domain)
    )


def test_noise_is_drawn_and_walked_through(client, runs):
    model = gan_xla.load(runs / "cgan")
    read = lambda answer: np.stack([images.read(one["image"], model.channels()) for one in answer])
    drawn = client.predict("cgan", "last", "all", 4, 7, 0.5, api_name="/sample")
    np.testing.assert_array_equal(read(drawn), model.sample(4, ["all"], seed=7, psi=0.5))
    assert [one["caption"] for one in drawn] == ["all"] * 4
    walked = read(client.predict("cgan", "last", "all", 3, 7, 8, 1, api_name="/walk"))
    np.testing.assert_array_equal(walked[0], model.sample(1, ["all"], seed=7)[0])
    np.testing.assert_array_equal(walked[-1], model.sample(1, ["all"], seed=8)[0])


MISTAKES = {
    "a path as a run": ("/sample", ("../runs/cgan", "last", "", 1, 0, 1), "run: use one of cgan, discogan"),
    "no run": ("/sample", ({"a": 1}, "last", "", 1, 0, 1), "run: use one of"),
    "a path as a checkpoint": ("/sample", ("cgan", "../../x", "", 1, 0, 1), "use last, best or one of 1, 2"),
    "another label": ("/sample", ("cgan", "last", "cat", 1, 0, 1), "cat"),
    "too many": ("/sample", ("cgan", "last", "", 10**9, 0, 1), "number: must be a whole number from 1 to 16"),
    "no number": ("/sample", ("cgan", "last", "", "many", 0, 1), "number: must be a whole number"),
    "not a number": ("/sample", ("cgan", "last", "", 1, 0, None), "psi: must be a number from 0 to 2"),
    "no way": ("/walk", ("cgan", "last", "all", 4, 5, 5, 1), "to seed: must differ"),
    "no noise": ("/sample", ("discogan", "last", "", 1, 0, 1), "does not draw from noise"),
    "no image": ("/translate", ("discogan", "last", None, "", None, 1, None, 0, 1), "image: is missing"),
}  # fmt: skip


@pytest.mark.parametrize("endpoint, arguments, message", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_told_in_one_line_without_places(endpoint, arguments, message, client, runs):
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError) as error:
        client.predict(*arguments, api_name=endpoint)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert str(runs) not in str(error.value) and "Traceback" not in str(error.value)


def test_files_that_are_no_images_or_bombs_are_refused(client, tmp_path):
    from gradio_client.exceptions import AppError

    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    (tmp_path / "text.png").write_text("not an image")
    for name, message in (("bomb", "are more than max_pixels=50000000"), ("text", "cannot be read as an image")):
        with pytest.raises(AppError, match=f"^image: .*{message}"):
            _translate(client, "discogan", tmp_path / f"{name}.png")


def _status(address, body=None, headers=()):
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, dict(headers)), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize(
    "name", ["run's file", "/etc/passwd", "/etc/../etc/passwd", "http://127.0.0.1:1/x", "file:///etc/passwd"]
)
def test_no_file_but_those_of_the_page_can_be_fetched(name, address, runs):
    name = str(runs / "cgan" / "config.json") if name == "run's file" else name
    for route in (
        "/gradio_api/file=",
        "/file=",
        "/gradio_api/file/",
        "/gradio_api/proxy=",
        "/static/../../../..",
        "/assets/",
    ):
        status, body = _status(address + route + name)
        assert status >= 400 and b"root:" not in body and b'"gan"' not in body
    data = ["discogan", "last", {"path": name, "meta": {"_type": "gradio.FileData"}}, "", None, 1, None, 0, 1]
    for place in (data, [*data[:2], {"path": name}, *data[3:]]):
        status, body = _status(
            f"{address}/gradio_api/call/translate",
            json.dumps({"data": place}).encode(),
            [("Content-Type", "application/json")],
        )
        if status == 200:
            _, body = _status(f"{address}/gradio_api/call/translate/{json.loads(body)['event_id']}")
            assert b"event: error" in body and b"complete" not in body
        assert str(runs).encode() not in body.replace(name.encode(), b"")


def _declared(address, route, **headers):
    """The status of a POST that says what would come, before anything comes."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", route)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    return connection.getresponse().status


def test_what_is_too_large_or_of_no_known_length_is_refused(address):
    call = "/gradio_api/queue/join"
    assert _declared(address, call, Content_Length=2**16 + 1) == 413
    assert _declared(address, call, Transfer_Encoding="chunked") == 411
    assert _declared(address, "/gradio_api/upload", Content_Length=2**25 + 2**17) == 413
    assert _status(address + call, b"[" * 50_000)[0] == 400


def test_models_are_loaded_when_they_are_asked_for_and_the_oldest_go(runs):
    found = Runs([f"{runs}/*"], keep=2)
    assert found.names == ["cgan", "discogan", "munit", "stargan_joint"] and found.steps("cgan") == [1, 2]
    first = found.model("cgan")
    assert found.model("cgan") is first and found.model("cgan", "1").step == 1
    found.model("discogan")
    assert found.model("cgan") is not first and len(found._models) == 2
    with pytest.raises(UserError, match="--checkpoint=7: use last"):
        found.model("cgan", "7")


def test_runs_of_one_name_go_by_two(runs, tmp_path):
    (tmp_path / "cgan").symlink_to(runs / "cgan")
    assert Runs([f"{runs}/cgan", f"{tmp_path}/cgan"]).names == [f"{runs.name}/cgan", f"{tmp_path.name}/cgan"]
    with pytest.raises(UserError, match="no run there"):
        Runs([str(tmp_path)])


def test_without_gradio_one_line_says_what_to_install(runs, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["main", "--mode=demo", f"--workdir={runs}/cgan"]) == 2
    assert "pip install 'gan_xla[demo]'" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told_in_one_line(address, runs, capsys):
    assert main(["main", "--mode=demo", f"--workdir={runs}/cgan", f"--port={address.rpartition(':')[2]}"]) == 2
    assert "--host, --port: cannot be listened on" in capsys.readouterr().err


@pytest.mark.slow
def test_the_file_of_a_space_runs(runs, tmp_path):
    pytest.importorskip("gradio")
    lines = [line.strip() for line in demo.__doc__.splitlines() if line.startswith("  ")]
    (tmp_path / "app.py").write_text("\n".join(lines[lines.index("from gan_xla.demo import serve") :]))
    (tmp_path / "run").symlink_to(runs / "cgan")
    port = _free()
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=tmp_path, env=environment)
    try:
        assert b"gan_xla" in _up(process, f"http://127.0.0.1:{port}").read()
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_the_page_shows_what_the_chosen_run_can_do(address, photo, browse):
    page, seen = browse()
    page.goto(address)
    choose = lambda label, name: (
        page.get_by_label(label, exact=True).click(),
        page.get_by_role("option", name=name).click(),
    )
    page.wait_for_selector("text=cgan, step 2")
    assert page.get_by_role("tab", name="Translate").count() == 0
    page.get_by_role("tab", name="Walk").click()
    page.get_by_role("button", name="Walk", exact=True).click()
    page.wait_for_selector("button img >> nth=7")
    choose("Run", "discogan")
    page.wait_for_selector("text=discogan, step 2")
    assert page.get_by_role("tab", name="Walk").count() == 0
    page.set_input_files("input[type=file] >> nth=0", photo)
    choose("Direction", "BtoA")
    page.wait_for_selector("[data-testid=image] img")
    page.get_by_role("button", name="Translate", exact=True).click()
    page.wait_for_selector("text=BtoA >> nth=0")
    page.wait_for_selector(".grid-wrap img")
    choose("Run", "munit")
    page.wait_for_selector("text=munit, step 2")
    assert page.get_by_label("Styles").count() and not page.locator(".grid-wrap img").count()
    assert not seen.network and set(seen.errors) <= {CLOSING}, seen
