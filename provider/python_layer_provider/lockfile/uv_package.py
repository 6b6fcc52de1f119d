"""A package of uv's lock file: table in, `Pin` out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote

from packaging.utils import NormalizedName
from packaging.version import InvalidVersion, Version

from python_layer_provider.errors import LockFileUnsupportedError
from python_layer_provider.lockfile.markers import both
from python_layer_provider.lockfile.model import Dependency, File, Pin
from python_layer_provider.lockfile.options import checked_url
from python_layer_provider.lockfile.problem import Problem, shown
from python_layer_provider.lockfile.source import Source
from python_layer_provider.lockfile.table import Table

FOLDERS = ("editable", "directory", "virtual")
"""The kinds of sources that are a project's folder; uv does not install a virtual one, only what it needs."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HASH = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Origin:
    """Where a package comes from, in the words of `Pin`."""

    url: str | None = None
    path: str | None = None
    index: str | None = None

    @property
    def key(self) -> str | None:
        """What tells packages of one name and version apart."""
        return self.url or self.path or self.index


class Package:
    """A package of the lock file, of which no more is read than is asked for."""

    def __init__(self, table: Table, source: Source) -> None:
        self.table = table
        self.name = name_of(table)
        self._source = source

    @cached_property
    def folder(self) -> str | None:
        """Where the project is, relative to the lock file's folder; None where the package is no project's folder."""
        return _first(self.table.table("source"), FOLDERS)

    @cached_property
    def extras(self) -> frozenset[str]:
        """The extras of the project; those that bring nothing stand in its metadata only."""
        named = self.table.table("metadata").texts("provides-extras")
        return frozenset((*self.table.table("optional-dependencies").data, *named))

    @cached_property
    def groups(self) -> frozenset[str]:
        """The dependency groups of the project, empty ones as well."""
        named = self.table.table("metadata").table("requires-dev").data
        return frozenset((*self.table.table("dev-dependencies").data, *named))

    def needs(self, extra: str | None = None) -> list[Dependency]:
        """What it needs always, or for an extra."""
        if extra is None:
            return list(read_needs(self.table, "dependencies", self._source))
        # Neither a quote nor a backslash is in a normal name.
        condition = f'"{self.table.normal_name(extra)}" in extras'
        return list(read_needs(self.table.table("optional-dependencies"), extra, self._source, condition))

    def narrowed(self, edge: Dependency) -> Dependency:
        """An edge that leads to the packages of this name, as one to this alone, where its forks count."""
        version, key = self.table.text("version"), _origin(self.table.table("source"), self._source).key
        forks = " or ".join(f"({fork})" for fork in markers_of(self.table, "resolution-markers"))
        return replace(edge, version=version, source=key, marker=both(edge.marker, forks))

    def pin(self, needs: Iterable[Dependency], *, virtual: bool) -> Pin:
        """The pin.

        Args:
            needs: What it needs.
            virtual: Whether it is not installed, whatever its source.

        Raises:
            LockFileSyntaxError: It is not what uv has written.
            LockFileUnsupportedError: It is one of several files of a folder that serves as an index.
        """
        table, place = self.table, self.table.table("source")
        origin = _origin(place, self._source)
        if not origin.key:
            origin = _Origin(path=self._source.path(self._only_file(place, _entries(table))))
        files, hashes = _plain_files(table.data) or _files(_entries(table), origin)
        version, direct = table.text("version") or None, origin.url or origin.path
        if not version and not direct:
            table.fail("`version` is missing")
        return Pin(
            name=self.name,
            version=version,
            specifier=f"=={_checked_version(table, version)}" if version and not direct else "",
            url=origin.url,
            path=origin.path,
            index=origin.index,
            hashes=tuple(sorted(hashes)),
            files=files,
            virtual=virtual or "virtual" in place,
            dependencies=tuple(needs),
            where=table.where,
        )

    def _only_file(self, place: Table, entries: list[Table]) -> str:
        """The path of a package whose index is a folder of files."""
        folder = place.needed("registry")
        if len(entries) == 1:
            return f"{folder}/{entries[0].needed('path')}"
        raise LockFileUnsupportedError(
            f"{self.table.where}: `{self.name}` is one of {len(entries)} files in the folder `{folder}`",
            hint=f'name one in [tool.uv.sources]: {self.name} = {{ path = "{folder}/…" }}',
            input_name="requirements",
        )


def _entries(table: Table) -> list[Table]:
    return [*table.tables("wheels"), *([table.table("sdist")] if "sdist" in table else [])]


def _plain_files(data: Mapping[str, Any]) -> tuple[tuple[File, ...], set[str]] | None:
    """The files and hashes of a package as nearly all are; None where any of its files is told in another way.

    There are thousands of files, so that looking at each key in its turn was half of the time that a lock file took.
    """
    files: list[File] = []
    hashes: set[str] = set()
    try:
        for entry in (*data.get("wheels", ()), *((data["sdist"],) if "sdist" in data else ())):
            url, digest, size = entry["url"], entry["hash"], entry["size"]
            # A name that is encoded, or not at the end, or told elsewhere.
            if "%" in url or "#" in url or "?" in url or "filename" in entry:
                return None
            if not _HASH.fullmatch(digest) or type(size) is not int:
                return None
            files.append(File(name=url.rpartition("/")[2], size=size))
            hashes.add(digest)
    except (AttributeError, KeyError, TypeError):
        return None
    return tuple(files), hashes


def _files(entries: list[Table], origin: _Origin) -> tuple[tuple[File, ...], set[str]]:
    """The files and hashes of a package, each value checked."""
    files = tuple(File(name=_file_name(entry, origin), size=entry.number("size")) for entry in entries)
    return files, {one for entry in entries if (one := _hash(entry))}


def read_needs(table: Table, key: str, source: Source, condition: str | None = None) -> Iterator[Dependency]:
    """The edges of an array, all under one more condition."""
    for need in table.tables(key):
        yield Dependency(
            name=name_of(need),
            version=need.text("version"),
            source=_origin(need.table("source"), source).key if "source" in need else None,
            extras=names_of(need, "extra"),
            marker=both(condition, marker_of(need)),
        )


def name_of(table: Table, key: str = "name") -> NormalizedName:
    """The normalised name of a package, or of what is needed."""
    return table.normal_name(table.needed(key))


def names_of(table: Table, key: str) -> tuple[str, ...]:
    """Normalised names, such as the extras that are needed."""
    return tuple(table.normal_name(name) for name in table.texts(key)) if key in table else ()


def marker_of(table: Table) -> str | None:
    """The marker of what is needed."""
    text = table.text("marker")
    return table.normal_marker(text) if text else None


def markers_of(table: Table, key: str) -> tuple[str, ...]:
    """Markers of which one has to hold."""
    return tuple(table.normal_marker(text) for text in table.texts(key))


def _checked_version(table: Table, version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion:
        table.fail(f"has a version that is none: `{shown(version)}`")


def _first(place: Table, kinds: tuple[str, ...]) -> str | None:
    return next((place.text(kind) for kind in kinds if kind in place), None)


def _origin(place: Table, source: Source) -> _Origin:
    """Where a package comes from; nowhere yet for a folder of files that serves as an index."""
    if index := place.text("registry"):
        return _Origin(index=index) if "://" in index else _Origin()
    if url := place.text("git"):
        return _Origin(url=_git_url(place, _checked_url(place, url)))
    if url := place.text("url"):
        folder = place.text("subdirectory")
        return _Origin(url=f"{_checked_url(place, url)}#subdirectory={folder}" if folder else _checked_url(place, url))
    path = _first(place, ("path", *FOLDERS))
    if path is None:
        place.fail("is of a kind that is not known", hint="uv export --frozen --no-emit-project -o requirements.txt")
    if "subdirectory" in place:
        place.fail("is a folder within an archive", hint="unpack the archive, or name its URL")
    return _Origin(path=source.path(path))


def _checked_url(place: Table, url: str) -> str:
    try:
        checked_url(url)
    except Problem as problem:
        place.fail(f"is {problem.what}: `{shown(url)}`")
    return url


def _git_url(place: Table, url: str) -> str:
    """The reference as pip takes it: of `?rev=…&subdirectory=…#<commit>` only commit and folder count."""
    base, _, commit = url.partition("#")
    base, _, query = base.partition("?")
    if not _COMMIT.fullmatch(commit):
        place.fail(f"names no commit: `{shown(url)}`")
    folder = parse_qs(query).get("subdirectory")
    return f"git+{base}@{commit}" + (f"#subdirectory={folder[0]}" if folder else "")


def _hash(entry: Table) -> str | None:
    """The hash, where it is of a kind that pip takes."""
    text = entry.text("hash")
    if text is None or _HASH.fullmatch(text):
        return text
    if text.startswith("sha"):
        entry.fail(f"has a hash that is none: `{shown(text)}`")
    return None


def _file_name(entry: Table, origin: _Origin) -> str:
    # There are thousands of files, and of nearly all of them the URL alone tells the name.
    key = next((key for key in ("filename", "url", "path") if key in entry.data), "")
    place = entry.text(key) or origin.url or origin.path or ""
    if "#" in place or "?" in place:
        place = place.partition("#")[0].partition("?")[0]
    return unquote(place.rpartition("/")[2])
