"""The exception that a user's mistake raises, and its kind where the rest was done."""


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
