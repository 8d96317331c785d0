"""Serving the page: where, to whom, and what is refused before Gradio sees it."""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gan_xla.demo.page import build, library
from gan_xla.errors import UserError

HOST = "127.0.0.1"
FILE = 32 * 2**20  # bytes of an image
CALL = 64 * 2**10  # of a call, which names images that were sent before
DISK = 2**30  # of all files that wait to be deleted
SESSIONS = 100  # whose choices are remembered


class Refusals:
    """ASGI middleware: bodies are as large as they say, and small; nothing is fetched from other servers; files that
    people send have an end.

    Args:
      app: what is behind it.
      folder: where files go.
    """

    def __init__(self, app: Callable, folder: str):
        self._app, self._folder = app, folder

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            status, receive = await self._look(scope, receive)
            if status:
                await send({"type": "http.response.start", "status": status, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
        await self._app(scope, receive, send)

    async def _look(self, scope, receive) -> tuple[int, Callable]:
        """The status of a refusal, or 0, and where the body is then read from."""
        path = scope["path"].lower()
        if "proxy=" in path or ("file=" in path and "://" in path):
            return 403, receive
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            return 0, receive
        said = dict(scope["headers"]).get(b"content-length", b"")
        if not said.isdigit():
            return 411, receive
        if path.rstrip("/").endswith("/upload"):
            if int(said) > FILE + CALL:
                return 413, receive
            return 507 if self._used() + int(said) > DISK else 0, receive
        if int(said) > CALL:
            return 413, receive
        return await self._call(receive)

    async def _call(self, receive) -> tuple[int, Callable]:
        """As `_look`, of a call: files are named by paths, addresses are refused."""
        messages, body, more = [], b"", True
        while more:
            message = await receive()
            messages.append(message)
            body += message.get("body", b"")
            more = message.get("more_body", False)
        try:
            refused = _abroad(json.loads(body or b"null"))
        except (ValueError, RecursionError):
            return 400, receive

        async def again():
            return messages.pop(0) if messages else await receive()

        return (403 if refused else 0), again

    def _used(self) -> int:
        return sum(path.lstat().st_size for path in Path(self._folder).rglob("*") if path.is_file())


def _abroad(call: Any) -> bool:
    """Whether the place of a file in a call is an address."""
    if isinstance(call, dict):
        place = call.get("path")
        address = isinstance(place, str) and place.lstrip().lower().startswith(("http:", "https:"))
        return address or any(map(_abroad, call.values()))
    return isinstance(call, list) and any(map(_abroad, call))


def serve(workdirs: Sequence[str], host: str | None = None, port: int | None = None) -> None:
    """Serves the page until it is interrupted.

    Args:
      workdirs: directories of runs, or patterns.
      host: the address to listen on; None: this machine alone, or what GRADIO_SERVER_NAME says, as on a Space.
      port: None: the first free one from 7860 on, or what GRADIO_SERVER_PORT says.
    Raises:
      UserError: no such run, no Gradio, or the port is taken.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # an orderly end, which deletes the files
    with tempfile.TemporaryDirectory(prefix="gan_xla-demo-") as folder:
        page, options = prepare(workdirs, folder)
        try:
            page.launch(server_name=host or os.environ.get("GRADIO_SERVER_NAME", HOST), server_port=port, **options)
        except OSError as error:
            raise UserError(f"--host, --port: cannot be listened on ({error}); use others") from error


def prepare(workdirs: Sequence[str], folder: str) -> tuple[Any, dict[str, Any]]:
    """The page whose files are in `folder` alone, and how it is to be launched."""
    gr = library()
    from starlette.middleware import Middleware

    # Gradio serves what lies in these two to whoever knows its name: those of other demos must not.
    os.environ["GRADIO_TEMP_DIR"] = os.environ["GRADIO_EXAMPLES_CACHE"] = os.path.realpath(folder)
    here = ["system-ui", "sans-serif"]  # fonts of the machine: the default theme's come from a network
    options = {
        "share": False,
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "enable_monitoring": False,
        "run_history": False,
        "footer_links": ["api"],
        "show_error": False,
        "max_file_size": FILE,
        "state_session_capacity": SESSIONS,
        "theme": gr.themes.Default(font=here, font_mono=["monospace"]),
        "app_kwargs": {"middleware": [Middleware(Refusals, folder=folder)]},
    }
    return build(workdirs), options
