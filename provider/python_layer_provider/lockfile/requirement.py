"""One requirement of a requirements file: text in, `Pin` out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import VERSION_PATTERN

from python_layer_provider.errors import LockFileNotFoundError, LockFileUnsupportedError
from python_layer_provider.lockfile.markers import normal
from python_layer_provider.lockfile.model import Pin
from python_layer_provider.lockfile.options import checked_hash, checked_url, split
from python_layer_provider.lockfile.paths import at_path, is_file, is_path, name_and_version
from python_layer_provider.lockfile.problem import Problem

_EXACT = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*==\s*([A-Za-z0-9.!+_-]+)")
_VERSION = re.compile(VERSION_PATTERN, re.VERBOSE | re.IGNORECASE)
_URL = re.compile(r"(?:(?:git|hg|svn|bzr)\+[a-z]+|https?)://", re.IGNORECASE)
_VCS = re.compile(r"(?:git|hg|svn|bzr)\+", re.IGNORECASE)


def no_files(path: str) -> str:
    """Read nothing, for requirements that are at no path or have their name before it."""
    raise LockFileNotFoundError(f"no such file: `{path}`")


def parse_requirement(
    head: str,
    hashes: Iterable[str],
    settings: tuple[str, ...],
    where: str,
    read: Callable[[str], str] = no_files,
) -> Pin:
    """The pin of a requirement, its hashes and settings; `read` reads the files of a project at a path."""
    text, marker = _parted(head)
    if exact := _exact(text):
        name, version = exact
        return Pin(
            name=canonicalize_name(name),
            version=version,
            specifier=f"=={version}",
            marker=normal(marker) if marker.strip() else None,
            hashes=tuple(sorted(set(hashes))),
            config_settings=settings,
            where=where,
        )
    pin = _pin(text, read)
    found = tuple(sorted({*hashes, *pin.hashes}))
    if found and pin.path and not is_file(pin.path):
        raise Problem("a folder has no hash", hint="leave out `--hash`: what is in the folder counts as it is")
    return replace(
        pin,
        marker=normal(marker) if marker.strip() else None,
        hashes=found,
        config_settings=settings,
        where=where,
    )


def _parted(head: str) -> tuple[str, str]:
    # pip splits here as well, and only in a URL that stands alone does it leave a semicolon without a blank.
    text, _, marker = head.partition("; " if _URL.match(head) or head.lower().startswith("file:") else ";")
    return text.strip(), marker


def _exact(text: str) -> tuple[str, str] | None:
    """Name and version of `name==version`, as nearly all lines are; `packaging` takes ten times as long for it."""
    found = _EXACT.fullmatch(text)
    # Where the version is none, `packaging` has the words for it.
    return (found[1], found[2]) if found and _VERSION.fullmatch(found[2]) else None


def _pin(text: str, read: Callable[[str], str]) -> Pin:
    if is_path(text):
        return at_path(_checked_path(text), read)
    requirement = Requirement(_named(text) if _URL.match(text) else text)
    name = canonicalize_name(requirement.name)
    extras = tuple(sorted({canonicalize_name(extra) for extra in requirement.extras}))
    if not requirement.url:
        _refuse_file_name(requirement)
        specifier = requirement.specifier
        return Pin(name=name, version=_version(specifier), specifier=str(specifier), extras=extras)
    if is_path(requirement.url) or ":" not in requirement.url:
        return at_path(_checked_path(requirement.url), read, requirement)
    version, url, hashes = _direct(requirement.url, name)
    return Pin(name=name, version=version, url=url, extras=extras, hashes=tuple(hashes))


def _checked_path(text: str) -> str:
    if _VCS.match(text):
        hint = "name the folder itself, `name @ ./folder`, or a URL that the build can reach"
        raise Problem("a repository on this machine", hint=hint, kind=LockFileUnsupportedError)
    if ";" in text:
        raise Problem("unexpected text after a URL", hint="part them by a blank, a semicolon and a blank")
    return text


def editable(value: str) -> str:
    """What `-e` names: a repository or a folder, which in a layer is as any other."""
    if re.fullmatch(r"[\w.-]+(?:\[[^\]]*\])?", value):
        return f"./{value}"
    if not (_VCS.match(value) or is_path(value) or "@" in value):
        raise Problem("`-e` takes a folder or a repository", hint="leave out `-e`")
    return value


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
    if not _URL.match(url):
        hint = "pip takes `https://…`, `git+https://…`, `git+ssh://git@host/path` and their like"
        raise Problem("no such kind of URL", hint=hint, kind=LockFileUnsupportedError)
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
    """What the file's name in a URL tells; a repository's tells nothing."""
    return None if _VCS.match(url) else name_and_version(unquote(urlsplit(url).path.rpartition("/")[2]))


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
