"""The exception that a user's mistake raises, its kind where the rest was done, and what messages are made of."""

from collections.abc import Sequence


class UserError(Exception):
    """A mistake of the user's, told in one line: what, where, how to mend it.

    `main` prints the message and exits with code 2, without a traceback. What cannot be printed is
    escaped: the name of a file may hold line breaks, and codes that a terminal would obey.
    """

    code = 2

    def __str__(self) -> str:
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in super().__str__())


class Incomplete(UserError):
    """Some of the input was left out, the rest is done; `main` exits with code 3."""

    code = 3


def some(items: Sequence, most: int, between: str = ", ") -> str:
    """The first of the items, and how many there are besides: "a, b and 3 more", or "a; b; and 3 more"."""
    shown = between.join(map(str, items[:most]))
    return shown + (f"{between.rstrip(', ')} and {len(items) - most} more" if len(items) > most else "")


def check_unused(path, overwrite: bool) -> None:
    """Raises UserError if a path is there, unless it may be replaced; for what is not to be made in vain."""
    if not overwrite and path.exists():
        raise UserError(f"{path}: is there already; use another --output, or --overwrite to replace it")
