from __future__ import annotations

from threading import Event, Thread

import pytest

from python_layer_provider.errors import CancelledError
from python_layer_provider.progress import Progress


def test_a_build_goes_on_while_nobody_interrupts() -> None:
    progress = Progress()
    progress.step("a step")
    progress.warn("a warning")
    progress.check()
    assert not progress.interrupted


def test_an_interrupted_build_stops_at_the_next_check() -> None:
    progress = Progress()
    progress.interrupt()
    assert progress.interrupted
    with pytest.raises(CancelledError, match="nothing was published"):
        progress.check()


def test_an_interruption_runs_the_callbacks_of_the_blocks_under_way() -> None:
    progress, called = Progress(), []
    with progress.interrupting(lambda: called.append("outer")):
        with progress.interrupting(lambda: called.append("inner")):
            pass
        progress.interrupt()
    assert called == ["outer"]


def test_an_interruption_after_the_block_runs_nothing() -> None:
    progress, called = Progress(), list[str]()
    with progress.interrupting(lambda: called.append("late")):
        pass
    progress.interrupt()
    assert called == []


def test_a_block_does_not_begin_after_an_interruption() -> None:
    progress, called = Progress(), []
    progress.interrupt()
    with pytest.raises(CancelledError), progress.interrupting(lambda: called.append("never")):
        called.append("entered")
    assert called == []


def test_a_callback_is_gone_when_its_block_fails() -> None:
    progress, called = Progress(), list[str]()
    with pytest.raises(KeyError), progress.interrupting(lambda: called.append("late")):
        raise KeyError
    progress.interrupt()
    assert called == []


def test_a_callback_may_wait_for_its_block_to_end() -> None:
    # Removing a container ends the call that runs in it, in another thread.
    progress, entered, stop, left = Progress(), Event(), Event(), Event()

    def end() -> None:
        stop.set()
        left.wait(5)

    def work() -> None:
        with progress.interrupting(end):
            entered.set()
            stop.wait(5)
        left.set()

    thread = Thread(target=work)
    thread.start()
    assert entered.wait(5)
    progress.interrupt()
    assert left.is_set()
    thread.join()
