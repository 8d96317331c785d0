"""A real browser for the pages that the project writes: the fixture `browse`, which conftest.py brings.

    def test_a_page(browse):
        page, seen = browse()
        page.goto(path.as_uri())
        assert seen.quiet

Playwright drives Debian's Chromium; a test that lacks one of them is skipped.
"""

import dataclasses
import shutil
from urllib.parse import urlsplit

import pytest

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LOCAL = ("file", "data", "blob", "about")
HOSTS = ("localhost", "127.0.0.1")


@dataclasses.dataclass
class Seen:
    """What went wrong in a page, and what it asked of the network.

    Attributes:
      errors: the console's errors and warnings, and exceptions that nothing caught.
      network: addresses that are neither of this page nor of this machine.
    """

    errors: list[str] = dataclasses.field(default_factory=list)
    network: list[str] = dataclasses.field(default_factory=list)

    @property
    def quiet(self) -> bool:
        """Whether there was neither."""
        return not self.errors and not self.network

    def watch(self, page) -> None:
        """Records all of a page."""
        page.on("console", lambda line: self.errors.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))

    def _asked(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in LOCAL and parts.hostname not in HOSTS:
            self.network.append(address)


@pytest.fixture
def browse():
    """Opens pages: `page, seen = browse(**options)`, of `playwright`'s `new_context`; all share one browser.

    For each test anew: while it is open, this thread has a running event loop, which checkpoints do not go with, so
    train first and browse then.
    """
    api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))

        def open_page(**options):
            page, seen = browser.new_context(**{"accept_downloads": True, **options}).new_page(), Seen()
            page.set_default_timeout(60_000)
            seen.watch(page)
            return page, seen

        yield open_page
        browser.close()
