"""`--mode=demo` under a thousand requests of several clients, some of them hostile.

  python -m experiments.reliability.demo --workdir=RUN[,RUN...] [--requests=1000] [--hostile=100] [--seed=0]

Starts the server, with as many runs as are given (more than stay in memory, so that they come and go), and sends it
honest calls of its API with a hostile one now and then: bombs, broken images, wrong types, paths and addresses in the
place of files, too large bodies, routes of files. A hostile request is held where it is refused in one line, or
with a status of 400 and above, and its answer holds nothing of a file or of a run's place. Prints a table, and what the
server's memory and its folder of files were. Exit code 1 where a request was not held, an honest one failed, or a run
changed. Needs the extra `demo`.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from experiments import common
from experiments.reliability.bad_input import _digests
from gan_xla import images

SECRET = "a line of a file that nobody may read"


def _free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def _server(workdir: str, folder: Path) -> Iterator[tuple[str, int]]:
    """(address, number of the process) of a server whose temporary files lie in `folder`."""
    port = _free()
    command = [sys.executable, "-m", "gan_xla.main", "--mode=demo", f"--workdir={workdir}", f"--port={port}"]
    with (folder / "server.log").open("w") as log:
        environment = {**os.environ, "TMPDIR": str(folder)}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            while process.poll() is None and _status(f"http://127.0.0.1:{port}/config")[0] != 200:
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            process.wait(60)


def _status(address: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=60) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def _megabytes(pid: int) -> float:
    """Memory of a process that is in use."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def _translation(run: str, image: object) -> tuple:
    """All values of a call of "translate"."""
    return run, "last", image, "", None, 1, None, 0, 1.0


class Requests:
    """What is sent: methods that give (whether it was as it should be, the answer)."""

    def __init__(self, address: str, folder: Path, rng: random.Random):
        self._address, self._folder, self._rng = address, folder, rng
        self._client = Client(address, verbose=False)
        about = self._client.view_api(return_format="dict", print_info=False)
        run = about["named_endpoints"]["/translate"]["parameters"][0]
        self._runs = run["type"]["enum"]
        (folder / "secret.txt").write_text(SECRET)

    def honest(self) -> tuple[str, bool, str]:
        """A call that a run can do, by trying its tasks."""
        run, rng = self._rng.choice(self._runs), self._rng
        picture = self._folder / "photo.png"
        pixels = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (40, 50, 3), np.uint8)
        images.write(picture, pixels)
        way = (run, "last", "", rng.randint(2, 8), rng.randrange(100), rng.randrange(100, 200), 1.0)
        calls = {
            "translate": _translation(run, handle_file(str(picture))),
            "sample": (run, "last", "", rng.randint(1, 8), rng.randrange(100), 1.0),
            "walk": way,
        }
        said = ""
        for task in self._rng.sample(sorted(calls), len(calls)):
            good, said = self._call(task, calls[task])
            if good:
                return f"honest: {task}", True, said
        return "honest", False, said

    def _call(self, task: str, arguments: tuple) -> tuple[bool, str]:
        """Whether a call is answered with images; what the error says."""
        try:
            return bool(self._client.predict(*arguments, api_name=f"/{task}")), ""
        except AppError as error:
            return False, str(error)

    def hostile(self, number: int) -> tuple[str, bool, str]:
        """The kind, whether it was refused, and the answer."""
        kinds: dict[str, Callable[[], tuple[bool, str]]] = {
            "hostile: image of 400 million pixels": self._bomb,
            "hostile: broken image": self._broken,
            "hostile: wrong type or number": self._typed,
            "hostile: path as run, checkpoint or file": self._path,
            "hostile: address as file": self._abroad,
            "hostile: too large a body": self._large,
            "hostile: route to a file": self._route,
        }
        kind = list(kinds)[number % len(kinds)]
        return kind, *kinds[kind]()

    def _refused(self, task: str, arguments: tuple) -> tuple[bool, str]:
        done, said = self._call(task, arguments)
        return not done and bool(said) and "\n" not in said and "Traceback" not in said, said

    def _sent(self, file: Path) -> tuple[bool, str]:
        return self._refused("translate", _translation(self._runs[0], handle_file(str(file))))

    def _bomb(self) -> tuple[bool, str]:
        file = self._folder / "bomb.png"
        if not file.exists():
            Image.new("1", (20_000, 20_000)).save(file)
        return self._sent(file)

    def _broken(self) -> tuple[bool, str]:
        whole = (self._folder / "photo.png").read_bytes() if self._rng.random() < 0.5 else self._rng.randbytes(5000)
        file = self._folder / f"broken{self._rng.choice(('.png', '.svg', '.jpg', '.npy', '.gif'))}"
        file.write_bytes(whole[: self._rng.randrange(len(whole) // 2)])
        return self._sent(file)

    def _typed(self) -> tuple[bool, str]:
        junk = self._rng.choice([None, "many", -1, 10**30, [1], {"a": 1}, True, "x" * 9999])
        place = self._rng.choice([0, 3, 4, 5])
        arguments = [self._runs[0], "last", "", 1, 0, 1.0]
        arguments[place] = junk if not (place == 5 and junk is None) else "x"
        return self._refused("sample", tuple(arguments))

    def _path(self) -> tuple[bool, str]:
        path = self._rng.choice(
            ["/etc/passwd", "../../etc/passwd", str(self._folder / "secret.txt"), "..", "/proc/self/environ"]
        )
        if self._rng.random() < 0.5:
            where = self._rng.choice([(path, "last"), (self._runs[0], path)])
            return self._refused("sample", (*where, "", 1, 0, 1.0))
        return self._posted(
            {"path": path, "meta": {"_type": "gradio.FileData"}} if self._rng.random() < 0.5 else {"path": path}
        )

    def _abroad(self) -> tuple[bool, str]:
        address = self._rng.choice(
            ["http://127.0.0.1:1/x.png", "https://example.com/x.png", " HTTP://169.254.169.254/"]
        )
        return self._posted({"path": address, "meta": {"_type": "gradio.FileData"}})

    def _posted(self, file: dict) -> tuple[bool, str]:
        call = f"{self._address}/gradio_api/call/translate"
        body = json.dumps({"data": _translation(self._runs[0], file)}).encode()
        status, said = _status(call, body, **{"Content-Type": "application/json"})
        if status != 200:
            return status >= 400, said
        _, said = _status(f"{call}/{json.loads(said)['event_id']}")
        return "event: error" in said and "event: complete" not in said, said

    def _large(self) -> tuple[bool, str]:
        route, size = self._rng.choice([("upload", 2**26), ("queue/join", 2**20), ("call/translate", 2**30)])
        status, said = _status(f"{self._address}/gradio_api/{route}", b"x", **{"Content-Length": str(size)})
        return status == 413, said

    def _route(self) -> tuple[bool, str]:
        start = self._rng.choice(
            ["file=", "gradio_api/file=", "gradio_api/file/", "gradio_api/proxy=", "static/../../../.."]
        )
        end = self._rng.choice(
            ["/etc/passwd", "../../../etc/passwd", str(self._folder / "secret.txt"), "http://127.0.0.1:1/"]
        )
        status, said = _status(f"{self._address}/{start}{end}")
        return status >= 400, said


def _tracebacks(log: str) -> collections.Counter:
    """How often each exception ends a traceback in a log."""
    return collections.Counter(re.findall(r"^Traceback .*\n(?:[ \n].*\n|\n)*(\S.*)$", log, re.MULTILINE))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", required=True, help="runs, with commas between")
    for name, default in (("requests", 1000), ("hostile", 100), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    places = [Path(path) for path in options.workdir.split(",")]
    before = {path: _digests(path) for path in places}
    counts: dict[str, collections.Counter] = {}
    memory, disk, began = [], [], time.monotonic()
    with tempfile.TemporaryDirectory() as name, _server(options.workdir, Path(name)) as (address, pid):
        rng = random.Random(options.seed)
        sent = Path(name) / "sent"
        sent.mkdir()
        requests = Requests(address, sent, rng)
        evil = set(rng.sample(range(options.requests), options.hostile))
        for number in range(options.requests):
            kind, good, said = requests.hostile(len(counts) + number) if number in evil else requests.honest()
            told = SECRET in said or "root:" in said or any(str(path.parent) in said for path in places)
            counts.setdefault(kind, collections.Counter())[
                "leaks" if told else "as it should be" if good else "wrong"
            ] += 1
            if told or not good:
                print(f"{kind}: {said[:300]!r}", file=sys.stderr)
            if number % 100 == 0 or number == options.requests - 1:
                memory.append(round(_megabytes(pid)))
                disk.append(round(sum(map(_size, Path(name).glob("gan_xla-demo-*"))), 1))
        traces = _tracebacks((Path(name) / "server.log").read_text())
    changed = [path for path in places if _digests(path) != before[path]]
    columns = ["as it should be", "wrong", "leaks"]
    print(
        common.table(
            ["request", *columns], [[kind, *(str(c[x]) for x in columns)] for kind, c in sorted(counts.items())]
        )
    )
    print(f"{time.monotonic() - began:.0f} s; MB of memory, each 100 requests: {memory}; MB of files: {disk}")
    print(f"runs that changed: {len(changed)}; tracebacks in the server's own log: {dict(traces) or 'none'}")
    return int(bool(changed) or any(c["wrong"] or c["leaks"] for c in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
