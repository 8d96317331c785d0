"""Files read ahead of their use and written behind it, by threads: decoding and encoding leave Python's lock."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

WAITING = 2  # batches that are read before they are used

Item, Read = TypeVar("Item"), TypeVar("Read")


def read(pool: ThreadPoolExecutor, function: Callable[[Item], Read], batches: Sequence[Sequence[Item]]) -> Iterator:
    """Lists of what `function` makes of the items of each batch, in order; a few batches at a time are in memory."""
    waiting: deque[list[Future]] = deque()
    for batch in batches:
        waiting.append([pool.submit(function, item) for item in batch])
        if len(waiting) > WAITING:
            yield [future.result() for future in waiting.popleft()]
    while waiting:
        yield [future.result() for future in waiting.popleft()]


class Behind:
    """Calls that nobody waits for, until `finish`; what one raises comes with the next call.

    Args:
      pool: of threads.
    """

    def __init__(self, pool: ThreadPoolExecutor):
        self._pool, self._calls = pool, deque()

    def call(self, function: Callable, *args) -> None:
        """Has a thread call `function`; waits where many calls are open, so that memory stays bounded."""
        self._calls.append(self._pool.submit(function, *args))
        while len(self._calls) > 256 or (self._calls and self._calls[0].done()):
            self._calls.popleft().result()

    def finish(self) -> None:
        """Waits for all calls."""
        while self._calls:
            self._calls.popleft().result()
