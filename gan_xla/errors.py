"""The one exception that a user's mistake raises."""


class UserError(Exception):
    """A mistake of the user's, told in one line: what, where, how to mend it.

    `main` prints the message and exits with code 2, without a traceback. What cannot be printed is
    escaped: the name of a file may hold line breaks, and codes that a terminal would obey.
    """

    def __str__(self) -> str:
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in super().__str__())
