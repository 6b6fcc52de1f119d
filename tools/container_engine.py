"""The container engine: the one that answers, else one of our own from Debian's packages, shared by all runs."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import docker
from docker.errors import DockerException
from filelock import FileLock

from tools import debian
from tools.places import log_file, tool_folder
from tools.process import as_root, tail
from tools.progress import PartUnavailableError, step

_KEEPER = Path(__file__).with_name("engine_keeper.py")
_PACKAGES = ("docker.io", "iptables", "debootstrap")
_ADVICE = "Start Docker, Podman or Finch, or set DOCKER_HOST to an engine that runs."
_ANSWER_SECONDS = 5
_START_SECONDS = 60
# Longer than the keeper gives the engine itself.
_STOP_SECONDS = 60


@contextmanager
def container_engine() -> Iterator[str | None]:
    """Have an engine for the length of the block; gives the DOCKER_HOST to use, None for the default one."""
    host = os.environ.get("DOCKER_HOST")
    if answers(host):
        yield host
    else:
        with _own_engine() as own:
            yield own


def answers(host: str | None) -> bool:
    """Tell whether an engine answers at `host`, or at the default place."""
    try:
        client = connect(host, timeout=_ANSWER_SECONDS)
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except (DockerException, OSError):
        return False
    finally:
        client.close()


def connect(host: str | None, *, timeout: int) -> docker.DockerClient:
    """Return a client of the engine at `host`, or of the one that the environment names."""
    if host is None or host == os.environ.get("DOCKER_HOST"):
        return docker.from_env(timeout=timeout)
    return docker.DockerClient(base_url=host, timeout=timeout)


@contextmanager
def _own_engine() -> Iterator[str]:
    dockerd = debian.need("dockerd", _PACKAGES, title="Docker Engine", otherwise=_ADVICE)
    folder = tool_folder("engine")
    host = f"unix://{folder / 'docker.sock'}"
    keeper = None
    with (folder / "users.lock").open("a") as users:
        try:
            with FileLock(folder / "turn.lock"):
                # Waits here for an engine that is just being stopped.
                fcntl.flock(users, fcntl.LOCK_SH)
                if not answers(host):
                    keeper = _start(_keeper_command(dockerd, folder, host), folder / "keeper.lock")
                    _wait_until_answering(host, keeper)
            yield host
        finally:
            _leave(folder, users, keeper)


def _keeper_command(dockerd: str, folder: Path, host: str) -> list[str]:
    engine = [dockerd, "--host", host, "--group", str(os.getgid()), "--data-root", str(folder / "data")]
    # Made anew by the keeper: old PID files would name processes that are others now.
    engine += ["--exec-root", "/run/containerd/engine", "--pidfile", "/run/containerd/engine.pid"]
    keeper = [sys.executable, "-I", str(_KEEPER), str(folder), *engine]
    # Its own namespaces: all its processes and mounts end with the keeper, whatever ends the keeper.
    apart = ["unshare", "--mount", "--propagation", "slave", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return as_root([*apart, *keeper], refusal=f"Starting Docker Engine takes root's rights. {_ADVICE}")


def _start(command: list[str], lock: Path) -> "subprocess.Popen[bytes]":
    with lock.open("a") as life, log_file("dockerd").open("wb") as output:
        if not _waited_for(life, fcntl.LOCK_EX):
            raise PartUnavailableError(f"Docker Engine of another run neither answers nor ends. {_ADVICE}")
        return subprocess.Popen(
            command,
            # The lock goes over to it, and is free again only when the last of its processes is gone.
            stdin=life,
            stdout=output,
            stderr=subprocess.STDOUT,
            # It may serve other runs after ours, and Ctrl-C must not reach it before they are done.
            start_new_session=True,
        )


def _wait_until_answering(host: str, keeper: "subprocess.Popen[bytes]") -> None:
    log = log_file("dockerd")
    deadline = time.monotonic() + _START_SECONDS
    with step("Starting Docker Engine"):
        while not answers(host):
            if keeper.poll() is not None or time.monotonic() > deadline:
                quoted = tail(log.read_text(errors="replace"))
                raise PartUnavailableError(f"Docker Engine did not start here:\n{quoted}\nAll of it: {log}\n{_ADVICE}")
            time.sleep(0.1)


def _leave(folder: Path, users: IO[str], keeper: "subprocess.Popen[bytes] | None") -> None:
    with FileLock(folder / "turn.lock"):
        fcntl.flock(users, fcntl.LOCK_UN)
        if _was_last(users):
            _wait_for_end(folder / "keeper.lock")
    if keeper is not None and keeper.poll() is None:
        # Another run goes on with it, or it is past its end: it is not ours to wait for any more.
        keeper.returncode = 0


def _wait_for_end(lock: Path) -> None:
    with step("Stopping Docker Engine"), lock.open("a") as life:
        try:
            _waited_for(life, fcntl.LOCK_SH)
        except BaseException:
            # Ctrl-C while it is being stopped; one more, and the keeper is left to do the rest alone.
            _waited_for(life, fcntl.LOCK_SH)
            raise


def _was_last(users: IO[str]) -> bool:
    # Nobody else, or already the keeper, which takes it alone to stop the engine.
    is_last = _locked(users, fcntl.LOCK_EX) or not _locked(users, fcntl.LOCK_SH)
    fcntl.flock(users, fcntl.LOCK_UN)
    return is_last


def _locked(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _waited_for(file: IO[str], kind: int) -> bool:
    deadline = time.monotonic() + _STOP_SECONDS
    while not (locked := _locked(file, kind)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return locked
