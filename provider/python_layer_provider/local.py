"""Path dependencies: the digest by which a plan knows what is at a path, and the files that travel into the build.

Paths, contents and executable bits count; times, owners, umask and where the folder is do not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from python_layer_provider.errors import (
    LockFileConflictError,
    LockFileNotFoundError,
    LockFileStaleError,
    LockFileTargetError,
    LockFileUnsupportedError,
)
from python_layer_provider.fit import best_file, fitting_targets
from python_layer_provider.lockfile import File, Pin
from python_layer_provider.plan import LayerPlan
from python_layer_provider.project_files import Travelling, project_files
from python_layer_provider.target import Target

# Without one of these pip builds nothing.
_PROJECT = ("pyproject.toml", "setup.py")
_ALGORITHMS = ("sha256", "sha384", "sha512")


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalFile:
    """A file that travels into the build."""

    content: bytes
    executable: bool


def with_digests(plan: LayerPlan, base: Path) -> LayerPlan:
    """Look at what is at the paths of a plan's pins.

    Args:
        plan: What `make_plan` has selected.
        base: Where relative paths start.

    Returns:
        The plan, each pin of which that has a path knows the digest of what is there.

    Raises:
        LockFileNotFoundError: There is nothing, or it cannot be read.
        LockFileUnsupportedError: It is no Python project, or has links that lead astray.
        LockFileTargetError: It is a wheel that does not fit the target.
        LockFileConflictError: It is another file than the lock file names.
    """
    if not any(pin.path for pin in plan.pins):
        return plan
    pins = tuple(replace(pin, digest=_looked_at(pin, base, plan.target)) if pin.path else pin for pin in plan.pins)
    return replace(plan, pins=pins, base=str(base.absolute()))


def files(pin: Pin, base: Path) -> Mapping[str, LocalFile]:
    """What travels into the build, read again: by its path in the folder, or by the name of the one file.

    Raises:
        LockFileStaleError: It is no longer what the plan was made for.
        LayerError: As `with_digests`.
    """
    place = _place(pin, base)
    with _reading(pin):
        contents = {file: Path(file.source).read_bytes() for file in _travelling(pin, place)}
    if _digest({file: _sha256(content) for file, content in contents.items()}, place) != pin.digest:
        raise LockFileStaleError(
            f"{_called(pin)} has changed since the preview", hint="run it again: pulumi up", input_name="requirements"
        )
    return {file.path: LocalFile(content=contents[file], executable=file.executable) for file in contents}


def _looked_at(pin: Pin, base: Path, target: Target) -> str:
    """The digest of what is at a pin's path, once that is found to be fit."""
    place = _place(pin, base)
    with _reading(pin):
        hashes = {file: _file_hash(file.source) for file in _travelling(pin, place)}
        if place.is_file():
            _check_hashes(pin, place)
            _check_fit(pin, place.name, target)
    return _digest(hashes, place)


def _place(pin: Pin, base: Path) -> Path:
    """Where a pin's path is; something that pip installs is there."""
    place = base / (pin.path or "")
    with _reading(pin):
        if not place.exists():
            raise LockFileNotFoundError(
                f"there is nothing at the path of {_called(pin)}",
                hint=f"relative paths start at `{base}`",
                input_name="requirements",
            )
        if place.is_dir() and not any((place / name).is_file() for name in _PROJECT):
            raise _no_project(pin, "it has neither pyproject.toml nor setup.py")
        if not place.is_dir() and not place.is_file():
            raise _no_project(pin, "it is neither a folder nor a file")
    return place


def _no_project(pin: Pin, why: str) -> LockFileUnsupportedError:
    return LockFileUnsupportedError(
        f"{_called(pin)} is no Python project: {why}",
        hint="name the folder that has its pyproject.toml, a wheel or a source distribution",
        input_name="requirements",
    )


def _called(pin: Pin) -> str:
    return f"`{pin.name}` at `{pin.path}` ({pin.where})" if pin.where else f"`{pin.name}` at `{pin.path}`"


@contextmanager
def _reading(pin: Pin) -> Iterator[None]:
    try:
        yield
    # A path with a NUL is a ValueError.
    except (OSError, ValueError) as error:
        raise LockFileNotFoundError(
            f"{_called(pin)} cannot be read", detail=str(error), hint="check its rights", input_name="requirements"
        ) from error


def _travelling(pin: Pin, place: Path) -> Iterator[Travelling]:
    if place.is_dir():
        return project_files(place, _called(pin))
    return iter((Travelling(path=place.name, source=str(place), executable=False),))


def _digest(hashes: Mapping[Travelling, str], place: Path) -> str:
    """Of a folder over its files' paths, executable bits and hashes; of a file its own hash."""
    if not place.is_dir():
        return next(iter(hashes.values()))
    lines = [f"{file.path}\0{'x' if file.executable else '-'}\0{sha256}\n" for file, sha256 in hashes.items()]
    return _sha256("".join(sorted(lines)).encode(errors="surrogateescape"))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file_hash(source: str | Path, algorithm: str = "sha256") -> str:
    digest = hashlib.new(algorithm)
    with Path(source).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _check_hashes(pin: Pin, place: Path) -> None:
    """See that one of the lock file's hashes is that of the file, as pip will."""
    named = dict.fromkeys(one.partition(":")[0] for one in pin.hashes)
    found = [f"{algorithm}:{_file_hash(place, algorithm)}" for algorithm in named if algorithm in _ALGORITHMS]
    if found and not set(found) & set(pin.hashes):
        raise LockFileConflictError(
            f"{_called(pin)} is another file than the lock file names",
            detail="\n".join(found),
            hint="if the file is right, lock again",
            input_name="requirements",
        )


def _check_fit(pin: Pin, name: str, target: Target) -> None:
    file = File(name=name)
    if file.is_wheel and best_file([file], target) is None:
        fits = fitting_targets([file])
        raise LockFileTargetError(
            f"{_called(pin)} is a wheel that does not fit {target.runtime} on {target.architecture}",
            hint=f"it fits {', '.join(fits)}" if fits else "build it for the target, or name its source distribution",
            input_name="requirements",
        )
