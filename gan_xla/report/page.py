"""HTML files that need nothing but themselves: style, script and pictures are inside, and they may load nothing."""

import base64
import datetime
import hashlib
import json
from pathlib import Path

from etils import epath

from gan_xla import __version__
from gan_xla.errors import UserError, check_unused

TEMPLATES = Path(__file__).with_name("templates")


def render(name: str, script: str, **values) -> str:
    """The page of templates/<name>.html with templates/<script>.js; all values are escaped.

    Raises:
      UserError: Jinja is not installed.
    """
    try:
        import jinja2
        from markupsafe import Markup
    except ImportError as error:
        raise UserError("the report needs Jinja: pip install jinja2") from error
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["svg"] = Markup  # drawn by us, of numbers alone
    script, style = (_text(file) for file in (f"{script}.js", "page.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(f"{name}.html").render(
        script=Markup(script),
        style=Markup(style),
        policy=f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'",
        version=__version__,
        now=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **values,
    )


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def value(x) -> str:
    """A field of a configuration in print."""
    return x if isinstance(x, str) and x else json.dumps(x, ensure_ascii=False)


def check(path: epath.PathLike, overwrite: bool) -> None:
    """Raises UserError where `path` cannot be a page's file, or may not; said before what takes long."""
    if epath.Path(path).is_dir():
        raise UserError(f"{path}: is a directory; use another --output, a file")
    check_unused(epath.Path(path), overwrite)


def save(path: epath.PathLike, text: str) -> epath.Path:
    """Writes a page, whole or not at all; makes the directory where it is missing.

    Raises:
      UserError: it cannot be written.
    """
    path = epath.Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); use another --output, a file") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
