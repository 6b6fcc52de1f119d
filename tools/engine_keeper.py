"""Keeps a container engine running while anybody uses it, and ends it with all that it started.

Run by its path as the first process of a PID and mount namespace, so it imports nothing of this project: what is left
when it ends, the kernel ends, and a mount is never seen outside. Users hold `users.lock` shared. The kernel lets go of
it however a user ends, so that not even a killed one leaves an engine behind. Standard input is `keeper.lock`, locked:
it is free again when the keeper and its namespace are gone.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_STOP_SECONDS = 40
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_INTERFACES = Path("/sys/class/net")
# A bridge that Docker made, or a rule that speaks of one or of Docker's own chains.
_BRIDGE = re.compile(r"docker0|br-[0-9a-f]{12}")
_RULE = re.compile(rf"\bDOCKER\b|\b({_BRIDGE.pattern})\b")


def main() -> int:
    """Run the command given after the folder until nobody holds the folder's `users.lock`; return its exit code."""
    folder, command = Path(sys.argv[1]), sys.argv[2:]
    with _other_engines_hidden(), _network_put_back():
        engine = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(engine.pid, signal.SIGTERM))
        threading.Thread(target=_stop_when_unused, args=(folder, engine.pid), daemon=True).start()
        return _wait(engine.pid)


def _stop_when_unused(folder: Path, engine: int) -> None:
    with (folder / "users.lock").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        os.kill(engine, signal.SIGTERM)
        time.sleep(_STOP_SECONDS)
        os.kill(engine, signal.SIGKILL)


def _wait(engine: int) -> int:
    # As the first process of its namespace it also has to take in what other processes left.
    while True:
        ended, status = os.wait()
        if ended == engine:
            return os.waitstatus_to_exitcode(status)


@contextmanager
def _other_engines_hidden() -> Iterator[None]:
    """Cover the folder of the machine's containerd, which the engine would use and which could not see its mounts."""
    place = Path("/run/containerd")
    was_there = place.is_dir()
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(place)], check=True)
    yield
    subprocess.run(["umount", "--lazy", str(place)], check=True)
    if not was_there:
        with suppress(OSError):
            place.rmdir()


@contextmanager
def _network_put_back() -> Iterator[None]:
    """Take back what the engine leaves on the host's network: bridges, rules, forwarding and its policy."""
    forwarding, links = _FORWARDING.read_text(), _bridges()
    policies = {tool: _forward_policy(_saved(tool)) for tool in ("iptables", "ip6tables")}
    with _shared_with_other_keepers() as is_last:
        yield
        # Beside another engine's bridges, its rules and ours cannot be told apart.
        if not links and is_last():
            _put_network_back(policies)
            _FORWARDING.write_text(forwarding)


@contextmanager
def _shared_with_other_keepers() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether this is the only keeper left on the machine, whoever runs the others."""
    # A lock on a folder that is there anyway needs no file that somebody has to make and remove.
    place = os.open("/run", os.O_RDONLY)
    fcntl.flock(place, fcntl.LOCK_SH)

    def is_last() -> bool:
        with suppress(BlockingIOError):
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    try:
        yield is_last
    finally:
        os.close(place)


def _put_network_back(policies: dict[str, str]) -> None:
    for bridge in _bridges():
        subprocess.run(["ip", "link", "delete", bridge], check=False)
    for tool, policy in policies.items():
        rules = [line for line in _saved(tool).splitlines() if not _RULE.search(line)]
        text = re.sub(r"(?m)^:FORWARD DROP", f":FORWARD {policy}", "\n".join([*rules, ""]))
        subprocess.run([f"{tool}-restore", "--counters"], input=text, text=True, check=False)


def _bridges() -> list[str]:
    return [link.name for link in _INTERFACES.iterdir() if _BRIDGE.fullmatch(link.name)]


def _saved(tool: str) -> str:
    return subprocess.run([f"{tool}-save", "--counters"], capture_output=True, text=True, check=True).stdout


def _forward_policy(rules: str) -> str:
    filters = rules.partition("*filter")[2].partition("COMMIT")[0]
    found = re.search(r"(?m)^:FORWARD (\w+)", filters)
    return found[1] if found else "ACCEPT"


if __name__ == "__main__":
    sys.exit(main())
