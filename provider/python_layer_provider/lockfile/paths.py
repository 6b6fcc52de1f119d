"""Requirements that are at a path: text in, `Pin` out."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name, parse_sdist_filename, parse_wheel_filename

from python_layer_provider.errors import LockFileNotFoundError, LockFileUnsupportedError
from python_layer_provider.lockfile.model import Pin
from python_layer_provider.lockfile.options import checked_hash
from python_layer_provider.lockfile.problem import Problem
from python_layer_provider.lockfile.project import read_project

_ARCHIVE = r"\.(?:whl|zip|tar|tgz|tbz|txz|tlz|tar\.(?:gz|bz2|xz|lz|lzma))"
_IS_ARCHIVE = re.compile(rf"{_ARCHIVE}$", re.IGNORECASE)
_LOCAL = re.compile(
    rf"""
    \.{{1,2}}(?:$|[/\\\[;\s])       # . ./x .[extra]
    | ~?[/\\] | [A-Za-z]:[/\\]      # /x ~/x C:\x
    | (?:[a-z]+\+)?file:            # file:///x git+file:///x
    | [^\s=<>!@:;]*[/\\]            # vendor/x
    | [^\s=<>!@:;/]+{_ARCHIVE}(?:\[[^\]]*\])?\s*(?:$|;)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FILE_URL = re.compile("file:", re.IGNORECASE)
_EXTRAS = re.compile(r"(?P<path>.+?)\s*\[(?P<extras>[^\]]*)\]")
_DRIVE = re.compile(r"/(?=[A-Za-z]:)")


class NoProject(Problem):
    """No project is at the path that a requirement names."""

    def __init__(self, path: str) -> None:
        super().__init__(
            "no Python project at this path",
            hint="relative paths start where the program is; the folder needs a pyproject.toml or setup.py",
            kind=LockFileNotFoundError,
        )
        self.path = path


def is_path(text: str) -> bool:
    """Whether a requirement, or what stands behind the `@` of one, is a path or a URL of a file."""
    return _LOCAL.match(text) is not None


def is_file(path: str) -> bool:
    """Whether a path is that of a wheel or a source distribution, by its name; others are folders."""
    return _IS_ARCHIVE.search(path) is not None


def at_path(text: str, read: Callable[[str], str], requirement: Requirement | None = None) -> Pin:
    """The pin of what is at a path.

    Args:
        text: The path, or the URL of a file; extras may stand behind it.
        read: What reads a project's own files, where they have to tell its name.
        requirement: What stands before the `@`, where there is one.

    Raises:
        Problem: It is no path, or the name is nowhere to be found.
        ValueError: The name or the extras are none.
        LayerError: What `read` raises.
    """
    bare, extras = _without_extras(text, requirement)
    path, fragment = _parted(bare)
    given = requirement.name if requirement else fragment.get("egg")
    name, version = _of_file(path, given) if is_file(path) else _of_folder(path, given, read)
    return Pin(
        name=name,
        version=version,
        path=path,
        extras=extras,
        hashes=tuple(
            checked_hash(f"{key}:{fragment[key]}") for key in ("sha256", "sha384", "sha512") if key in fragment
        ),
    )


def name_and_version(filename: str) -> tuple[NormalizedName, str] | None:
    """What a file's name tells: a wheel's always, an sdist's where it keeps to the standard."""
    if filename.endswith(".whl"):
        try:
            name, version, _, _ = parse_wheel_filename(filename)
        except ValueError as error:
            raise Problem("not the name of a wheel", hint="name-1.0-py3-none-any.whl", excerpt=filename) from error
        return name, str(version)
    try:
        name, version = parse_sdist_filename(filename)
    except ValueError:
        return None
    return name, str(version)


def _without_extras(text: str, requirement: Requirement | None) -> tuple[str, tuple[str, ...]]:
    match = _EXTRAS.fullmatch(text)
    if match and requirement:
        raise Problem("extras stand behind the path", hint=f"{requirement.name}[…] @ …")
    written = Requirement(f"name[{match['extras']}]") if match else requirement
    extras = sorted({canonicalize_name(extra) for extra in written.extras}) if written else []
    return match["path"] if match else text, tuple(extras)


def _parted(text: str) -> tuple[str, dict[str, str]]:
    """The path, with slashes and without detours, and what a URL says behind its `#`."""
    if text.startswith("~"):
        raise Problem("pip does not know `~`", hint="write the path from where the program is", kind=_UNSUPPORTED)
    path, fragment = _of_url(text) if _FILE_URL.match(text) else (text, {})
    if not path:
        raise Problem("not a path", hint="name @ ./folder")
    if "subdirectory" in fragment:
        if is_file(path):
            raise Problem("a folder in a file is not supported", hint="unpack it: `name @ ./folder`", kind=_UNSUPPORTED)
        path = f"{path}/{fragment['subdirectory']}"
    return posixpath.normpath(path.replace("\\", "/")), fragment


def _of_url(url: str) -> tuple[str, dict[str, str]]:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Problem("not a URL", hint="name @ ./folder") from None
    if parts.netloc not in ("", "localhost"):
        hint = "three slashes stand before a path from the root: `file:///path`; relative ones need no URL: `./path`"
        raise Problem("a file of another machine", hint=hint, kind=_UNSUPPORTED)
    words = (word.partition("=") for word in re.split("[#&]", parts.fragment))
    return _DRIVE.sub("", unquote(parts.path), count=1), {key: value for key, _, value in words}


_UNSUPPORTED = LockFileUnsupportedError


def _of_file(path: str, given: str | None) -> tuple[NormalizedName, str | None]:
    found = name_and_version(posixpath.basename(path))
    if not given:
        if not found:
            raise Problem("a file without a name", hint="write the distribution's name before it: `name @ ./file.zip`")
        return found
    name = canonicalize_name(given, validate=True)
    if found and found[0] != name and path.endswith(".whl"):
        raise Problem("the wheel at this path is of another distribution", hint=f"{found[0]} @ …")
    return name, found[1] if found and found[0] == name else None


def _of_folder(path: str, given: str | None, read: Callable[[str], str]) -> tuple[NormalizedName, str | None]:
    project = read_project(path, read)
    name = given or project.name
    if name:
        return canonicalize_name(name, validate=True), project.version
    if not project.exists:
        raise NoProject(path)
    hint = "write it before the path: `name @ ./path`"
    raise Problem("only running the project would tell its name", hint=hint, kind=_UNSUPPORTED)
