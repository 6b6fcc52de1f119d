"""The one door to child processes: their output goes to a log, and none of them outlives its caller."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tools.progress import PartUnavailableError

_LINES_QUOTED = 8
_GROUP_SECONDS = 10


class CommandFailedError(Exception):
    """A command ended with an error; the message quotes its last lines and names its log."""


def run(
    argv: Sequence[str],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    patience: float = 10,
) -> None:
    """Run a command to its end; when interrupted, ask it to stop and wait `patience` seconds before killing it."""
    with log.open("wb") as output, child(argv, stdout=output, cwd=cwd, env=env, patience=patience) as process:
        code = process.wait()
    if code != 0:
        quoted = tail(log.read_text(errors="replace"))
        raise CommandFailedError(f"{log.stem} ended with exit code {code}\n{quoted}\nAll of it: {log}")


@contextmanager
def child(
    argv: Sequence[str],
    *,
    stdout: IO[bytes],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    patience: float = 10,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a command in a session of its own, so that Ctrl-C reaches us alone, and end it with the block."""
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=None if env is None else dict(env),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        stop(process, patience)


def stop(process: "subprocess.Popen[bytes]", patience: float) -> None:
    """End a process that leads its group, first with a request, then the group by force."""
    if process.poll() is None:
        _signal(process.pid, signal.SIGINT)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            _signal(-process.pid, signal.SIGKILL)
            process.wait()
            _wait_for_group(process.pid)


def _wait_for_group(group: int) -> None:
    # The leader is gone at once; the others may still be writing where somebody is about to clean up.
    deadline = time.monotonic() + _GROUP_SECONDS
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            with suppress(PermissionError):
                os.killpg(group, 0)
            time.sleep(0.02)


def _signal(target: int, number: signal.Signals) -> None:
    try:
        os.kill(target, number)
    except PermissionError:
        # What sudo started is root's.
        subprocess.run(["sudo", "-n", "kill", f"-{number}", "--", str(target)], check=False)


def tail(output: str) -> str:
    """Return the last lines of an output, indented for quoting."""
    return "\n".join(f"    {line}" for line in output.splitlines()[-_LINES_QUOTED:])


def tied_to_us(argv: Sequence[str]) -> list[str]:
    """Return a command that is killed when we are killed ourselves, where the system can do that."""
    # The kernel looks at the thread that started it: a command is only tied while that thread waits for it.
    tie = shutil.which("setpriv")
    return list(argv) if tie is None else [tie, "--pdeathsig", "KILL", *argv]


def as_root(argv: Sequence[str], *, refusal: str) -> list[str]:
    """Return the command as root would run it; `refusal` is said where root's rights take a password or more."""
    if os.geteuid() == 0:
        return list(argv)
    sudo = shutil.which("sudo")
    if sudo is None or subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode != 0:
        raise PartUnavailableError(refusal)
    return [sudo, "-n", *argv]
