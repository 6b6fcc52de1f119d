"""One requirement of a requirements file: text in, `Pin` out."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name, parse_sdist_filename, parse_wheel_filename

from python_layer_provider.errors import LockFileUnsupportedError
from python_layer_provider.lockfile.model import Pin
from python_layer_provider.lockfile.options import checked_hash, checked_url, split
from python_layer_provider.lockfile.problem import Problem

_URL = re.compile(r"(?:(?:git|hg|svn|bzr)\+[a-z]+|https?)://", re.IGNORECASE)
_VCS = re.compile(r"(?:git|hg|svn|bzr)\+", re.IGNORECASE)
_ARCHIVE = r"\.(?:whl|zip|tar|tgz|tbz|txz|tlz|tar\.(?:gz|bz2|xz|lz|lzma))"
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


def parse_requirement(head: str, hashes: Iterable[str], settings: tuple[str, ...], where: str) -> Pin:
    """The pin of a requirement, its hashes and settings."""
    _refuse_local(head)
    requirement, marker = _requirement(head)
    name = canonicalize_name(requirement.name)
    if requirement.url:
        version, url, found = _direct(requirement.url, name)
        hashes = [*hashes, *found]
    else:
        version, url = _version(requirement.specifier), None
        _refuse_file_name(requirement)
    return Pin(
        name=name,
        version=version,
        specifier=str(requirement.specifier),
        url=url,
        extras=tuple(sorted({canonicalize_name(extra) for extra in requirement.extras})),
        marker=marker,
        hashes=tuple(sorted(set(hashes))),
        config_settings=settings,
        where=where,
    )


def _requirement(head: str) -> tuple[Requirement, str | None]:
    # pip splits here as well, and only in a URL that stands alone does it leave a semicolon without a blank.
    alone = _URL.match(head)
    text, _, marker = head.partition("; " if alone else ";")
    return Requirement(_named(text.strip()) if alone else text), _marker(marker) if marker.strip() else None


@functools.lru_cache(maxsize=1024)
def _marker(text: str) -> str:
    # Half of the time that a lock file takes went into the same few markers.
    return str(Marker(text))


def editable(value: str) -> str:
    """What `-e` names: a VCS reference, which in a layer is as any other."""
    if not (_VCS.match(value) and _URL.match(value)):
        raise _path_dependency()
    return value


def _refuse_local(head: str) -> None:
    if _LOCAL.match(head):
        raise _path_dependency()


def _path_dependency() -> Problem:
    return Problem(
        "path dependencies are not supported yet",
        hint="publish it and pin it, or build a wheel and name its URL: `name @ https://…/name-1.0-py3-none-any.whl`; "
        "to leave out your own project: `uv export --no-emit-project`",
        kind=LockFileUnsupportedError,
    )


def _refuse_file_name(requirement: Requirement) -> None:
    if not requirement.specifier and requirement.name.lower().endswith((".txt", ".in", ".toml", ".lock")):
        raise Problem("a file, not a requirement", hint=f"-r {requirement.name}")


def _version(specifier: SpecifierSet) -> str | None:
    """The one version that a specifier admits: `==2.*` names none, `===` any text."""
    exact = [part for part in specifier if part.operator in ("==", "===")]
    versions = {part.version for part in exact if part.operator == "===" or not part.version.endswith(".*")}
    if len(versions) > 1:
        raise Problem("pinned to two versions", hint="keep one of them")
    return versions.pop() if versions else None


def _named(url: str) -> str:
    """`name @ url` for a URL that stands alone, which has its name in `#egg=` or in the file's name."""
    if ";" in url or " " in url:
        raise Problem("unexpected text after a URL", hint="part them by a blank, a semicolon and a blank")
    if egg := re.search(r"[#&]egg=([^&#]+)", url):
        return f"{egg[1]} @ {url}"
    file = _name_and_version(url)
    if not file:
        raise Problem("a URL without a name", hint="write the distribution's name before it: `name @ https://…`")
    return f"{file[0]} @ {url}"


def _direct(url: str, name: NormalizedName) -> tuple[str | None, str, list[str]]:
    """The version that a URL's file name tells, the URL without what pip no longer needs, and its hashes."""
    if _LOCAL.match(url) or not _URL.match(url):
        raise _foreign_url(url)
    checked_url(url)
    if url.endswith("]"):
        raise Problem("extras stand behind the URL", hint=f"{name}[…] @ https://…")
    base, _, fragment = url.partition("#")
    # pip finds a hash behind a second `#` as well.
    parts = [part for part in re.split("[#&]", fragment) if part]
    hashes = [
        checked_hash(part.replace("=", ":", 1)) for part in parts if part.startswith(("sha256=", "sha384=", "sha512="))
    ]
    # pip takes the name from before the `@`, and warns of one that stands here as well.
    kept = "&".join(part for part in parts if not part.startswith("egg="))
    found, version = _name_and_version(url) or (name, None)
    if found != name and base.endswith(".whl"):
        raise Problem("the wheel at this URL is of another distribution", hint=f"{found} @ https://…")
    return version if found == name else None, f"{base}#{kept}" if kept else base, hashes


def _name_and_version(url: str) -> tuple[NormalizedName, str] | None:
    """What a file's name tells: a wheel always, an sdist where it keeps to the standard, a repository nothing."""
    if _VCS.match(url):
        return None
    filename = unquote(urlsplit(url).path.rpartition("/")[2])
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


def _foreign_url(url: str) -> Problem:
    if _LOCAL.match(url) or ":" not in url:
        return _path_dependency()
    hint = "pip takes `https://…`, `git+https://…`, `git+ssh://git@host/path` and their like"
    return Problem("no such kind of URL", hint=hint, kind=LockFileUnsupportedError)


# What people write instead, and what they mean.
_SPECIFICATION = "https://packaging.python.org/en/latest/specifications/dependency-specifiers/"
_NAME = r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?)"
_LIKELY = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r"<{7}|={7}|>{7}", "resolve the merge conflict"),
        (r"(?:python[\d.]* -m )?pip[\d.]* ", "name what `pip install` is given, without the command"),
        (
            rf"{_NAME}\s*(?:=|\^|~)\s*(?P<version>\d[^\s;,=]*)\s*(?P<rest>;.*)?$",
            "did you mean `{name}=={version}{rest}`",
        ),
        (rf"{_NAME}\s+(?P<version>\d[^\s;,=]*)\s*(?P<rest>;.*)?$", "did you mean `{name}=={version}{rest}`"),
        (rf"{_NAME}=(?P<version>\d[^\s;,=]*)=\S+$", "that is conda's; did you mean `{name}=={version}`"),
        (rf"{_NAME}\s*=\s*[\"'{{]", "that is TOML; did you mean `{name}==…`"),
        (rf"{_NAME}\s*[=~<>!]=?\s*[^\s;,]+,?\s+[A-Za-z]", "put each requirement on its own line"),
        (r"(?P<name>[\w.-]+)(?P<version>==[^\s\[;]+)(?P<extra>\[[^\]]*\])", "did you mean `{name}{extra}{version}`"),
        (r"(?P<vcs>git\+)?git@(?P<host>[^:/\s]+):(?P<path>\S+)", "did you mean `git+ssh://git@{host}/{path}`"),
        (r"(?P<url>git://\S+|ssh://\S+)", "did you mean `git+{url}`"),
    )
)


def not_a_requirement(raw: str, error: Exception) -> Problem:
    """What is wrong with a line that is no requirement, and what was likely meant."""
    head, _ = split(raw)
    reason = str(error).partition("\n")[0]
    # The other messages of packaging quote what they were given.
    what = (
        f"not a requirement ({reason[0].lower()}{reason[1:]})"
        if reason.startswith("Expected ")
        else "not a requirement"
    )
    for pattern, hint in _LIKELY:
        if match := pattern.match(head):
            groups = {name: value or "" for name, value in match.groupdict().items()}
            return Problem("not a requirement", hint=hint.format(**groups), excerpt=head)
    return Problem(what, hint=f"requirements are written as in {_SPECIFICATION}", excerpt=head)
