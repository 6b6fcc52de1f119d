"""Runs in Lambda, for experiments: installs what a function needs when it starts, and what its code asks for later.

`PythonFunction(dependencies="at-cold-start")` packs this file as it is with the function's code, so that `ensure` is
the same import there and on the machine where the function is written. Standard library only, down to Python 3.9.

Each set of requirements has a folder below `/tmp`, named by their hash. pip fills another one, which takes that name
when it is complete: what was cut off is never imported from, never taken for installed, and gone with the next install.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_PLACE = Path("/tmp/pulumi-python-layer")  # noqa: S108 (the one place where a function may write)
_HERE = Path(__file__).parent
_IN_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME"
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?) *== *(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)"
    r"(?: +--hash=(?:sha256|sha384|sha512):[0-9a-f]+)*"
)
# pip masks them as well, but not in a URL that it cannot read.
_USERINFO = re.compile(r"(:/+)[^\s/@]+@")
_PIP = (
    *("install", "--user", "--no-cache-dir", "--no-input", "--no-color", "--progress-bar", "off"),
    # Python compiles what is imported, which of large packages is little.
    *("--no-compile", "--no-warn-script-location", "--disable-pip-version-check"),
)
# The last lines of pip that an error quotes.
_QUOTED = 15


class ColdStartError(RuntimeError):
    """What a function needs could not be installed; says why, and what to do."""


def start(
    handler: str, *, runs: Sequence[Sequence[str]], needs: int | None = None, indexes: Sequence[str] = ()
) -> Callable[[Any, Any], Any]:
    """Install what the requirements files beside this one name, once per environment, and hand out the handler.

    Args:
        handler: The function's own, as Lambda has it: `app.handle`.
        runs: The arguments of each `pip install`.
        needs: About how many bytes of `/tmp` the install takes; None where nobody knows.
        indexes: As `pip_at_indexes` takes them.

    Raises:
        ColdStartError: There is no pip, no room, or pip fails.
    """
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(_HERE.glob("*.txt"))}
    _have(files, runs, needs, indexes)
    module, _, name = handler.rpartition(".")
    found: Callable[[Any, Any], Any] = getattr(importlib.import_module(module), name)
    return found


def ensure(*requirements: str) -> None:
    """Have these distributions to import, installed now if they are not there in that version.

    Their dependencies are installed as well; but where one has a hash, all have to be named with theirs, as pip has it.
    What is imported already stays as it is. Outside of Lambda nothing is installed.

    Args:
        requirements: Each `name==version`, and if you like ` --hash=sha256:…` after it.

    Raises:
        ValueError: One of them is not pinned.
        ImportError: Outside of Lambda, one of them is not there; says what to `pip install`.
        ColdStartError: There is no pip, no room, or pip fails.
    """
    asked = [(text, *_parsed(text)) for text in requirements]
    missing = [text for text, name, version in asked if not _is_there(name, version)]
    if not missing:
        return
    if _IN_LAMBDA not in os.environ:
        pins = " ".join(text.partition(" --hash")[0].replace(" ", "") for text in missing)
        raise ImportError(f"not installed here: {pins}\nhint: pip install {pins}")
    _have({"requirements.txt": "".join(f"{text}\n" for text in requirements)}, [["-r", "requirements.txt"]])


def _parsed(text: str) -> tuple[str, str]:
    """Name and version of a requirement."""
    found = _REQUIREMENT.fullmatch(text)
    if not found:
        raise ValueError(f"`{text}` is not pinned\nhint: name one version of one distribution, `name==1.2.3`")
    return found["name"], found["version"]


def _is_there(name: str, version: str) -> bool:
    try:
        return _plain(metadata.version(name)) == _plain(version)
    except metadata.PackageNotFoundError:
        return False


def _plain(version: str) -> str:
    """A version as it compares: `1.0` is `1`."""
    return re.sub(r"(?:\.0)+$", "", version.lower())


def _have(
    files: Mapping[str, str], runs: Sequence[Sequence[str]], needs: int | None = None, indexes: Sequence[str] = ()
) -> None:
    """Have the packages of these requirements files to import."""
    key = repr((sorted(files.items()), [list(run) for run in runs]))
    folder = _PLACE / hashlib.sha256(key.encode()).hexdigest()[:16]
    with _alone():
        if not folder.is_dir():
            began = time.monotonic()
            _check_pip()
            _forget_attempts()
            _check_room(needs)
            with _attempt() as attempt:
                for name, text in files.items():
                    (attempt / name).write_text(text, encoding="utf-8")
                for run in runs:
                    _pip(run, attempt, indexes)
                shutil.rmtree(attempt / "tmp")
                attempt.rename(folder)
            _tell(folder, time.monotonic() - began)
        _put_on_path(folder)


@contextmanager
def _alone() -> Iterator[None]:
    """Be the only one who installs, among threads and processes; the lock of a process that is killed goes with it."""
    import fcntl  # noqa: PLC0415 (Windows has none, and imports this module too)

    _PLACE.mkdir(parents=True, exist_ok=True)
    with (_PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_attempts() -> None:
    """Remove what was cut off, and takes room."""
    for left in _PLACE.glob(".*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _attempt() -> Iterator[Path]:
    """A folder to install into, gone afterwards unless it has another name by then."""
    # Never the same one: a pip that outlived its function may still write.
    attempt = Path(tempfile.mkdtemp(prefix=".", dir=_PLACE))
    (attempt / "tmp").mkdir()
    try:
        yield attempt
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def _check_pip() -> None:
    if find_spec("pip") is None:
        raise ColdStartError('this runtime has no pip\nhint: dependencies="layer"')


def _check_room(needs: int | None) -> None:
    free = _free()
    if needs is not None and free < needs:
        raise ColdStartError(
            f"the install takes about {needs / 1e6:.0f} MB in /tmp, where {free / 1e6:.0f} MB are free\n"
            'hint: a larger `ephemeral_storage`, or dependencies="layer"'
        )


def _free() -> int:
    return shutil.disk_usage(_PLACE).free


def _pip(run: Sequence[str], attempt: Path, indexes: Sequence[str]) -> None:
    program = [str(_HERE / "pip_at_indexes.py")] if indexes else ["-m", "pip"]
    done = subprocess.run(  # noqa: S603 (pip, with arguments that the function carries)
        [sys.executable, *program, *_PIP, *run],
        cwd=attempt,
        env=_environment(attempt, indexes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in _USERINFO.sub(r"\1****@", done.stdout).splitlines() if line.strip()]
        raise ColdStartError("\n".join(["pip could not install what the function needs", *lines[-_QUOTED:]]))


def _environment(attempt: Path, indexes: Sequence[str]) -> dict[str, str]:
    """What the function's environment says of pip counts, before what the lock file says."""
    # Not the function's own folder: a module of its own named as one of Python's would break pip.
    root = os.environ.get("LAMBDA_TASK_ROOT")
    settings = {
        "HOME": str(_PLACE.parent),
        "TMPDIR": str(attempt / "tmp"),
        "PYTHONUSERBASE": str(attempt),
        "PYTHONPATH": os.pathsep.join(place for place in sys.path if place and place != root),
    }
    if indexes:
        own = ["-"] if os.environ.get("PIP_INDEX_URL") else []
        settings["PYTHON_LAYER_INDEXES"] = " ".join([*indexes, *own])
    return {**os.environ, **settings}


def _places(folder: Path) -> list[str]:
    """Where pip has put the packages, below what was its user's base."""
    base = {"userbase": str(folder)}
    return list(dict.fromkeys(sysconfig.get_path(kind, "posix_user", base) for kind in ("purelib", "platlib")))


def _put_on_path(folder: Path) -> None:
    """Import from there before the runtime's own packages and the layers, but after the function's code."""
    before = list(sys.path)
    for place in _places(folder):
        # It reads .pth files as well.
        site.addsitedir(place)
    added = [place for place in sys.path if place not in before]
    root = os.environ.get("LAMBDA_TASK_ROOT")
    position = before.index(root) + 1 if root in before else 0
    sys.path[:] = [*before[:position], *added, *before[position:]]
    importlib.invalidate_caches()


def _tell(folder: Path, seconds: float) -> None:
    found = sorted(f"{one.metadata['Name']} {one.version}" for one in metadata.distributions(path=_places(folder)))
    size = sum(path.lstat().st_size for path in folder.rglob("*"))
    print(  # noqa: T201 (Lambda's log)
        f"pulumi-python-layer: installed {', '.join(found) or 'nothing'} in {seconds:.1f} s, "
        f"{size / 1e6:.1f} MB in /tmp, {_free() / 1e6:.0f} MB free",
        flush=True,
    )
