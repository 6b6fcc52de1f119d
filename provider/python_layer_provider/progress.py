"""How a long build talks with whoever waits for it: what it says, and whether it should stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from python_layer_provider.errors import CancelledError


class Progress:
    """What a build reports to. This one says nothing; the command line and the provider each have their own.

    A build asks `check` before a step that leaves a trace, and hangs work that would
    otherwise block on `interrupting`. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._interrupted = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    def step(self, message: str) -> None:
        """Say what is going on now; the next step may overwrite it."""

    def debug(self, message: str) -> None:
        """Say what only a bug report needs."""

    def warn(self, message: str) -> None:
        """Say what the person should read afterwards."""

    @property
    def interrupted(self) -> bool:
        """Whether nobody waits for the outcome any more."""
        return self._interrupted.is_set()

    def check(self) -> None:
        """Go on only while somebody waits.

        Raises:
            CancelledError: `interrupt` was called.
        """
        if self.interrupted:
            raise CancelledError("Interrupted, nothing was published", hint="run the command again")

    def interrupt(self) -> None:
        """Ask the build to stop, and run at once what `interrupting` has registered."""
        with self._lock:
            self._interrupted.set()
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    @contextmanager
    def interrupting(self, callback: Callable[[], None]) -> Iterator[None]:
        """Have `callback` called once, from another thread, if the build is interrupted within the block."""
        with self._lock:
            if self._interrupted.is_set():
                raise CancelledError("Interrupted, nothing was published", hint="run the command again")
            self._callbacks.append(callback)
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)
