"""A package of Poetry's lock file: table in, `Pin` out."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from python_layer_provider.errors import LockFileUnsupportedError
from python_layer_provider.lockfile.direct import parsed, vcs_url, with_subdirectory
from python_layer_provider.lockfile.model import File, Pin
from python_layer_provider.lockfile.options import checked_url
from python_layer_provider.lockfile.paths import name_and_version
from python_layer_provider.lockfile.poetry_constraint import admits
from python_layer_provider.lockfile.poetry_need import Need, Place
from python_layer_provider.lockfile.problem import Problem, shown
from python_layer_provider.lockfile.source import Source
from python_layer_provider.lockfile.table import Table

_WEB = re.compile(r"https?://", re.IGNORECASE)
_HASHES = ("sha256:", "sha384:", "sha512:")
_BARE_SHA256 = re.compile(r"[0-9a-f]{64}")
# Old lock files name them as well; pip takes none of them.
_NOT_INSTALLED = (".egg", ".exe", ".msi", ".rpm", ".dmg", ".deb")


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A package of the lock file."""

    pin: Pin
    table: Table
    place: Place | None
    index: str | None
    optional: bool
    """Whether only extras of the project bring it."""

    def meets(self, need: Need) -> bool:
        """Whether this is what a need, which has its name, may mean."""
        if need.place:
            return _is_same(need.place, self.place)
        return (not need.index or need.index == self.index) and admits(need.constraint, self.pin.version or "")


def read_package(table: Table, metadata: Table, source: Source) -> Package:
    """Read a package.

    Args:
        table: The package.
        metadata: The lock file's last table, which in old ones has the hashes of all packages.
        source: The lock file.

    Raises:
        LockFileSyntaxError: It is not what Poetry has written.
        LockFileUnsupportedError: It comes from where a layer cannot be built from.
    """
    origin = table.table("source")
    files = _files(table, metadata)
    pin = _pin(table, origin, _hashes(files), source)
    place = None if origin.text("type") in (None, "legacy") else Place(origin.needed("type"), origin.needed("url"))
    return Package(
        pin=replace(pin, files=tuple(File(name=name) for name, _ in files if _is_installed(name))),
        table=table,
        place=place,
        index=None if place else origin.text("reference"),
        optional=table.flag("optional"),
    )


def _is_same(wanted: Place, found: Place | None) -> bool:
    if found is None:
        return False
    if wanted.kind in ("path", "file"):
        # Paths start at whoever has the need.
        return found.kind in ("directory", "file")
    return wanted.kind == found.kind and _bare(wanted.where) == _bare(found.where)


def _bare(url: str) -> str:
    return url.rstrip("/").removesuffix(".git")


# --- what is pinned ---


def _pin(table: Table, origin: Table, hashes: list[str], source: Source) -> Pin:
    name = table.normal_name(table.needed("name"))
    version = table.needed("version")
    kind = origin.text("type")
    if kind in (None, "legacy"):
        pin = parsed(f"{name}=={version}", hashes, table.where)
        return replace(pin, index=_index(origin)) if kind else pin
    if kind in ("directory", "file"):
        return replace(parsed(name, hashes, table.where), version=version, path=_path(origin, source))
    return replace(parsed(f"{name} @ {_url(origin)}", hashes, table.where), version=version)


def _url(origin: Table) -> str:
    url, subdirectory = origin.needed("url"), origin.text("subdirectory")
    kind = origin.needed("type")
    if kind == "git":
        # Poetry 1.0 wrote the commit where later ones write what was asked for.
        return vcs_url(kind, url, origin.text("resolved_reference") or origin.text("reference"), subdirectory)
    if kind != "url":
        raise LockFileUnsupportedError(
            f"{origin.where} is of the type `{shown(kind)}`, which is not known",
            hint="poetry export -o requirements.txt",
            input_name="requirements",
        )
    return with_subdirectory(url, subdirectory)


def _path(origin: Table, source: Source) -> str:
    path, subdirectory = origin.needed("url"), origin.text("subdirectory")
    if subdirectory and origin.text("type") == "file":
        raise LockFileUnsupportedError(
            f"{origin.where} is a folder within the file `{shown(path)}`",
            hint="unpack it and name the folder",
            input_name="requirements",
        )
    return source.path(posixpath.join(path, subdirectory or ""))


def _index(origin: Table) -> str:
    url = origin.needed("url")
    if not _WEB.match(url):
        raise LockFileUnsupportedError(
            f"{origin.where} is not an address that the build can reach: `{shown(url)}`",
            hint="name a source by `https://…` in pyproject.toml, and lock again: poetry lock",
            input_name="requirements",
        )
    try:
        checked_url(url)
    except Problem:
        origin.fail(f"has a `url` that is none: `{shown(url)}`")
    return url


# --- its files ---


def _files(table: Table, metadata: Table) -> list[tuple[str, str]]:
    """The names of files, as far as they are known, and their hashes."""
    if "files" in table:
        return _named(table.tables("files"))
    name = table.needed("name")
    if "hashes" in metadata:
        return [("", f"sha256:{one}" if _BARE_SHA256.fullmatch(one) else one) for one in _of(metadata, "hashes", name)]
    shared = metadata.table("files")
    named = _named(shared.tables(_key(shared, name)))
    # Packages of one name share their files here.
    return [(file, value) for file, value in named if _is_of(file, table.needed("version"))]


def _of(metadata: Table, key: str, name: str) -> tuple[str, ...]:
    tables = metadata.table(key)
    return tables.texts(_key(tables, name))


def _key(table: Table, name: str) -> str:
    """How a table spells a name."""
    if name in table:
        return name
    return next((key for key in table.data if canonicalize_name(key) == canonicalize_name(name)), name)


def _named(files: Iterable[Table]) -> list[tuple[str, str]]:
    return [(file.needed("file"), file.text("hash") or "") for file in files]


def _is_of(file: str, version: str) -> bool:
    try:
        found = name_and_version(file)
        return found is None or Version(found[1]) == Version(version)
    # What is no version is an error elsewhere.
    except (Problem, InvalidVersion):
        return True


def _is_installed(file: str) -> bool:
    return file != "" and not file.endswith(_NOT_INSTALLED)


def _hashes(files: Iterable[tuple[str, str]]) -> list[str]:
    return [value for _, value in files if value.startswith(_HASHES)]
