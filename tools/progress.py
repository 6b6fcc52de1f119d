"""The one place that speaks to the person who waits."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Often enough that a CI which ends silent jobs keeps waiting, seldom enough to leave its log readable.
_QUIET_SECONDS = 30
_WORTH_TELLING_SECONDS = 5


class PartUnavailableError(Exception):
    """A real part cannot be had here; the message says what the person can do."""


def say(message: str) -> None:
    """Print one line; to stderr, because stdout belongs to the command that runs among the parts."""
    print(message, file=sys.stderr, flush=True)


@contextmanager
def step(message: str) -> Iterator[None]:
    """Say what is being done and, while it takes long, for how long already."""
    started = time.monotonic()
    say_step = _TerminalStep if sys.stderr.isatty() else _LogStep
    line = say_step(message)
    done = threading.Event()
    ticker = threading.Thread(target=_tick, args=(line, done, started), daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
        line.end(time.monotonic() - started)


def _tick(line: "_LogStep | _TerminalStep", done: threading.Event, started: float) -> None:
    while not done.wait(line.interval):
        line.still(time.monotonic() - started)


class _TerminalStep:
    """One line that is rewritten every second."""

    interval = 1

    def __init__(self, message: str) -> None:
        self._message = message
        self._write(f"{message} ...")

    def still(self, seconds: float) -> None:
        self._write(f"\r{self._message} ... {seconds:.0f} s")

    def end(self, seconds: float) -> None:
        self.still(seconds)
        self._write("\n")

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


class _LogStep:
    """A line at the start, one every half minute, and one at the end of what took long."""

    interval = _QUIET_SECONDS

    def __init__(self, message: str) -> None:
        self._message = message
        say(f"{message} ...")

    def still(self, seconds: float) -> None:
        say(f"{self._message} ... {seconds:.0f} s")

    def end(self, seconds: float) -> None:
        if seconds >= _WORTH_TELLING_SECONDS:
            say(f"{self._message} ... {seconds:.0f} s in all")
