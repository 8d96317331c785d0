"""The method that a newcomer might write, of the package's README."""

import re
from pathlib import Path

import pytest

from gan_xla import gans

HERE = Path(__file__).parent
METHODS = ("minimal",)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The methods where `gans.build` finds them; their configs' files by name."""
    readme = (HERE.parents[1] / "gan_xla" / "README.md").read_text()
    written = {
        name: re.search(rf"<!-- {name} -->\n```python\n(.*?)```", readme, re.S)[1] for name in ("method", "config")
    }
    places = {"method": tmp_path / "methods/minimal.py", "config": tmp_path / "configs/minimal.py"}
    for name, path in places.items():
        path.parent.mkdir()
        path.write_text(written[name])
    monkeypatch.setattr(gans, "__path__", [*gans.__path__, str(places["method"].parent)])
    return {"minimal": str(places["config"])}
