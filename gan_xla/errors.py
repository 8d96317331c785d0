"""The one exception that a user's mistake raises."""


class UserError(Exception):
    """A mistake of the user's, told in one line: what, where, how to mend it.

    `main` prints the message and exits with code 2, without a traceback.
    """
