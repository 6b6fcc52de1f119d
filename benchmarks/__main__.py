"""`make bench`: container build and zip, ours against `docker run … pip install -t` plus `zip -r`, as ratios.

Both run on the same locks, engine, image and machine, in turn, in three states:

- cold: no cache of pip's, none of ours; the image is there;
- warm: the caches are filled, one line of the lock has changed to a version not seen before;
- unchanged: the same lock again.

Before that, how long a preview takes to read a lock file of each format.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import docker
from rich.console import Console
from rich.table import Table

from benchmarks import memory, reading
from tools.parts import RealParts, real_parts
from tools.progress import PartUnavailableError

_LOCKS = Path(__file__).parent / "locks"
_PYTHON = "3.11"
_READINGS = 15
_STATES = ("cold", "warm", "unchanged")
_PEER_CACHE = "pulumi-python-layer-bench"
_OUR_CACHES = "pulumi-python-layer-pip-"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one side."""

    seconds: float
    peak: int
    """Bytes of the side's own process; containers are the engine's."""
    zipped: int
    """Bytes of the zip."""


@dataclass(kw_only=True)
class Comparison:
    """All runs of one lock in one state."""

    lock: str
    state: str
    ours: list[Run] = field(default_factory=list)
    peer: list[Run] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Ours as a share of the peer's, pair by pair, the median."""
        return statistics.median(a.seconds / b.seconds for a, b in zip(self.ours, self.peer, strict=True))


class Bench:
    """Both sides on one engine."""

    def __init__(self, parts: RealParts, folder: Path) -> None:
        self._folder = folder
        self._client = docker.DockerClient(base_url=parts.docker_host) if parts.docker_host else docker.from_env()
        template = parts.image_template or "public.ecr.aws/sam/build-python{python}:latest-x86_64"
        self._image = template.replace("{python}", _PYTHON)
        self._environment = {**parts.environment(folder / "home"), "XDG_CACHE_HOME": str(folder / "cache")}

    def compare(self, lock: str, runs: int) -> list[Comparison]:
        """Run both sides in turn through all states."""
        found = {state: Comparison(lock=lock, state=state) for state in _STATES}
        for number in range(runs):
            self._forget()
            first, changed = _LOCKS / f"{lock}-0.txt", _LOCKS / f"{lock}-{number + 1}.txt"
            for state, path in (("cold", first), ("warm", changed), ("unchanged", changed)):
                found[state].peer.append(self._peer(path))
                found[state].ours.append(self._ours(path))
                _tell(found[state])
        return list(found.values())

    def _ours(self, lock: Path) -> Run:
        output = self._folder / "ours.zip"
        command = [sys.executable, "-m", "pulumi_python_layer.cli", "build", "--requirements", str(lock)]
        return self._timed([*command, "--runtime", f"python{_PYTHON}", "--output", str(output)], output)

    def _peer(self, lock: Path) -> Run:
        output = self._folder / "peer.zip"
        script = Path(__file__).with_name("pip_and_zip.sh")
        return self._timed(["sh", str(script), self._image, _PEER_CACHE, str(lock), str(output), _PYTHON], output)

    def _timed(self, command: list[str], output: Path) -> Run:
        output.unlink(missing_ok=True)
        with (self._folder / "log").open("wb") as log:
            started = time.perf_counter()
            process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command[0]} failed:\n{(self._folder / 'log').read_text()}")
        return Run(seconds=seconds, peak=usage.ru_maxrss * 1024, zipped=output.stat().st_size)

    def _forget(self) -> None:
        shutil.rmtree(self._folder / "cache", ignore_errors=True)
        for volume in self._client.volumes.list():
            if volume.name.startswith((_PEER_CACHE, _OUR_CACHES)):
                volume.remove(force=True)

    def close(self) -> None:
        """Leave nothing of the peer's in the engine."""
        for volume in self._client.volumes.list():
            if volume.name.startswith(_PEER_CACHE):
                volume.remove(force=True)
        self._client.close()


def _tell(comparison: Comparison) -> None:
    ours, peer = comparison.ours[-1].seconds, comparison.peer[-1].seconds
    print(f"{comparison.lock} {comparison.state}: {ours:.2f} s against {peer:.2f} s", file=sys.stderr, flush=True)


def _table(comparisons: list[Comparison]) -> Table:
    table = Table("lock", "state", title="pulumi-python-layer build, against pip install -t and zip -r")
    for column in ("ours, s", "peer, s", "ratio", "peak memory, MB", "zip, MB", "peer's zip, MB"):
        table.add_column(column, justify="right")
    for found in comparisons:
        table.add_row(
            found.lock,
            found.state,
            _spread(found.ours, lambda run: run.seconds),
            _spread(found.peer, lambda run: run.seconds),
            f"{found.ratio:.2f}",
            f"{max(run.peak for run in found.ours) / 1e6:.0f}",
            f"{found.ours[-1].zipped / 1e6:.1f}",
            f"{found.peer[-1].zipped / 1e6:.1f}",
        )
    return table


def _spread(runs: list[Run], value: Callable[[Run], float]) -> str:
    values = sorted(map(value, runs))
    return f"{values[0]:.2f} / {statistics.median(values):.2f} / {values[-1]:.2f}"


def _summary(found: Comparison) -> Mapping[str, object]:
    return {
        "lock": found.lock,
        "state": found.state,
        "ratio": round(found.ratio, 3),
        "ours": [round(run.seconds, 3) for run in found.ours],
        "peer": [round(run.seconds, 3) for run in found.peer],
        "peak_memory": max(run.peak for run in found.ours),
    }


def main() -> int:
    """Compare, and print a table of minimum / median / maximum."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, choices=range(1, 6), help="runs of each state (3)")
    parser.add_argument("--lock", action="append", choices=("small", "large"), help="which locks (both)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--reading", action="store_true", help="only how long lock files take to read")
    parser.add_argument("--memory", action="store_true", help="only what a layer takes on its way into a bucket")
    options = parser.parse_args()
    if options.memory:
        Console().print(memory.table(memory.peaks()))
        return 0
    readings = list(reading.readings(_READINGS))
    if options.reading:
        Console().print(reading.table(readings))
        return 0
    if not shutil.which("zip") or not shutil.which("docker"):
        print("The peer needs `docker` and `zip`: apt-get install docker.io zip", file=sys.stderr)
        return 1
    try:
        with real_parts(_PYTHON) as parts, tempfile.TemporaryDirectory(prefix="python-layer-bench-") as folder:
            bench = Bench(parts, Path(folder))
            try:
                found = [
                    one for lock in options.lock or ("small", "large") for one in bench.compare(lock, options.runs)
                ]
            finally:
                bench.close()
    except PartUnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        builds, read = [_summary(one) for one in found], [asdict(one) for one in readings]
        print(json.dumps({"builds": builds, "reading": read}, indent=2))
    else:
        Console().print(reading.table(readings), _table(found), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
