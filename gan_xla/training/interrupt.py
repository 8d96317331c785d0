"""Being asked to stop."""

import signal

from gan_xla import devices


class Interrupt:
    """Turns the first SIGINT or SIGTERM into a request to save and leave; a second one acts as usual.

    Where several processes train, JAX takes SIGTERM to any of them as a preemption notice, and all
    agree on the step after which they leave; SIGINT acts as usual.
    """

    def __init__(self):
        self.noted = None

    def __enter__(self):
        numbers = () if devices.several() else (signal.SIGINT, signal.SIGTERM)
        self._before = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *exc):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        self.noted = signal.Signals(number).name
        self.__exit__()

    def requested(self, step: int) -> str | None:
        """The name of what asked to leave after `step`, or None; all processes must ask at the same steps."""
        if self.noted is None and devices.preempted(step):
            self.noted = "SIGTERM"
        return self.noted
