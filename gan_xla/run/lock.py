"""One process at a time in a work directory."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from etils import epath

from gan_xla.errors import UserError


@contextlib.contextmanager
def only_one(workdir: epath.PathLike) -> Iterator[None]:
    """Holds the work directory, made if it is missing, for training; a process that dies lets go of it.

    Object stores (gs://) know no locks; there nothing is held.

    Raises:
      UserError: another process holds it.
    """
    if "://" in str(workdir):
        yield
        return
    Path(workdir).mkdir(parents=True, exist_ok=True)
    with open(Path(workdir) / ".lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UserError(
                f"{workdir}: {file.read().strip() or 'another process'} is training here; wait for it, or use "
                "another --workdir"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
