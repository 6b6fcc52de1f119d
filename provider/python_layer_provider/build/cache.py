"""Finished layers by content hash, so that nothing is built twice on one machine."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copyfile, rmtree

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from python_layer_provider.archive import LayerArchive, Zip
from python_layer_provider.plan import LayerPlan
from python_layer_provider.progress import Progress

LIMIT = 4 << 30
"""Bytes that the cache may grow to before the layers that were longest unused go."""
# What a build of another process may be reading right now, or has left behind, seconds after it was last used.
_IN_USE = 3600
_ABANDONED = 24 * 3600
# Seconds between two looks at whether somebody still waits.
_POLL = 0.5
# What no program has asked for in a month, seconds.
_UNREAD = 30 * 24 * 3600


def cache_folder() -> Path:
    """Where finished layers are kept."""
    folder = user_cache_path("pulumi-python-layer") / "layers"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def code_folder() -> Path:
    """Where the zips of functions' code are, which the engine reads after the program has ended."""
    folder = user_cache_path("pulumi-python-layer") / "code"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file in folder.iterdir():
        # Another process may have been faster.
        with suppress(FileNotFoundError):
            if time.time() - file.stat().st_mtime > _UNREAD:
                file.unlink()
    return folder


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for the files of one build, on the cache's file system; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache_folder(), ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def building(plan: LayerPlan, progress: Progress) -> Iterator[None]:
    """Build a plan alone: whoever wants the same one on this machine waits, and then finds it finished.

    The lock is the operating system's: it goes with the process that holds it, however that ends.
    """
    if not plan.reproducible:
        yield
        return
    lock = FileLock(_locks() / f"{_path(plan).stem}.lock", thread_local=False)
    while True:
        progress.check()
        with suppress(Timeout):
            lock.acquire(timeout=_POLL)
            break
        progress.step("The same layer is being built already; waiting for it")
    try:
        yield
    finally:
        lock.release()


def _locks() -> Path:
    folder = cache_folder().with_name("locks")
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def load(plan: LayerPlan) -> LayerArchive | None:
    """The finished layer of a plan; None where there is none, or where its bytes are no longer what they were."""
    path = _path(plan)
    try:
        data = json.loads(path.with_suffix(".json").read_text())
        archive = LayerArchive(**{**data, "zip": Zip(**{**data["zip"], "path": path})})
        intact = _sha256(path) == archive.zip.code_sha256
        os.utime(path)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return archive if intact else None


def store(plan: LayerPlan, archive: LayerArchive) -> None:
    """Keep a finished layer, if its plan alone decides what it is; each file appears whole or not at all."""
    if not plan.reproducible:
        return
    path = _path(plan)
    text = json.dumps(asdict(archive), default=str)
    # The description comes last: a zip without one is never used.
    with workspace() as folder:
        copyfile(archive.zip.path, folder / "zip")
        (folder / "json").write_text(text)
        (folder / "zip").replace(path)
        (folder / "json").replace(path.with_suffix(".json"))
    _prune()


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A finished layer in the cache."""

    content_hash: str
    size: int
    """Bytes of the zip."""
    used: float
    """When it was last asked for, seconds since the epoch."""
    packages: Mapping[str, str]
    """Distribution name to version."""


def kept() -> list[Kept]:
    """What is in the cache, the longest unused first."""
    return [
        Kept(
            content_hash=path.stem.replace("-", ":", 1),
            size=stat.st_size,
            used=stat.st_mtime,
            packages=_packages(path),
        )
        for stat, path in _found("*.zip")
    ]


def remove(unused_for: float) -> list[Kept]:
    """Remove the layers that nobody has asked for in so many seconds; what was removed."""
    gone = [layer for layer in kept() if time.time() - layer.used >= unused_for]
    for layer in gone:
        _remove(cache_folder() / f"{layer.content_hash.replace(':', '-')}.zip")
    return gone


def _packages(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.with_suffix(".json").read_text())["packages"])
    except (OSError, ValueError, TypeError, KeyError):
        # Half of it is gone, or of another release: nobody uses it, and it goes with the others.
        return {}


def _remove(path: Path) -> None:
    # A zip without its description is never used.
    path.with_suffix(".json").unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _path(plan: LayerPlan) -> Path:
    return cache_folder() / f"{plan.content_hash().replace(':', '-')}.zip"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return base64.b64encode(digest.digest()).decode()


def _prune() -> None:
    """Remove the longest unused layers over `LIMIT`, and what killed builds have left."""
    now = time.time()
    for stat, folder in _found("build-*"):
        if now - stat.st_mtime > _ABANDONED:
            rmtree(folder, ignore_errors=True)
    layers = _found("*.zip")
    total = sum(stat.st_size for stat, _ in layers)
    for stat, path in layers:
        if total <= LIMIT or now - stat.st_mtime < _IN_USE:
            return
        _remove(path)
        total -= stat.st_size


def _found(pattern: str) -> list[tuple[os.stat_result, Path]]:
    """What is in the cache, the longest unused first."""
    found: list[tuple[os.stat_result, Path]] = []
    for path in cache_folder().glob(pattern):
        # Another process may have removed it since it was listed.
        with suppress(FileNotFoundError):
            found.append((path.stat(), path))
    return sorted(found, key=lambda entry: entry[0].st_mtime)
