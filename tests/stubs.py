"""Stand-ins for packages that others import and that nothing here uses."""

import importlib.machinery
import sys
import types


class Stub(types.ModuleType):
    """A module that has every name: a class of nothing."""

    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def install(monkeypatch, *names: str) -> None:
    """Puts stubs in the places of modules, parents before their children."""
    for name in names:
        stub = Stub(name)
        stub.__spec__ = importlib.machinery.ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, stub)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, stub)
