"""The house: which room may know of which."""

import ast
from pathlib import Path

import gan_xla

ROOT = Path(gan_xla.__file__).parent
# From the ground up: a room imports from those above it in this list, never from those below or beside it.
FLOORS = (
    ("errors", "tf"),
    ("labels",),
    ("contract",),
    ("losses", "devices", "images"),
    ("nets", "data"),
    ("gans",),
    ("run",),
    ("inference",),
    ("published",),
    ("evaluation",),
    ("report", "export", "demo"),
    ("training", "flags"),
    ("main",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def _room(module: str) -> str:
    return module.split(".")[1]


def _imported(tree: ast.Module) -> set[str]:
    """Modules of the package that a file imports, wherever it does so."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {
        name for name in found if name.startswith("gan_xla.") and name.split(".")[1] not in ("__version__", "configs")
    }


def _files() -> list[Path]:
    return [path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.name != "__init__.py"]


def test_every_file_stands_in_a_room_of_the_list():
    rooms = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in _files()} - {"configs"}
    assert rooms == set(FLOOR)


def test_rooms_import_from_below_alone():
    wrong = []
    for path in _files():
        own = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for module in sorted(_imported(ast.parse(path.read_text()))):
            if _room(module) != own and FLOOR[_room(module)] >= FLOOR[own]:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong


def test_every_room_says_what_lives_there():
    for path in ROOT.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path
