"""The project beside Poetry's lock file: what it asks for, by group and extra, and whether that has changed since."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from python_layer_provider.lockfile.poetry_need import Need, Place, read_needs
from python_layer_provider.lockfile.problem import shown
from python_layer_provider.lockfile.source import Source
from python_layer_provider.lockfile.table import Table, load_toml

MAIN = canonicalize_name("main")
"""The group of what the project needs to run."""
_PYPROJECT = "pyproject.toml"
_DEV = "dev-dependencies"
_STANDARD_GROUPS = "dependency-groups"
_STANDARD_EXTRAS = "optional-dependencies"


class Project:
    """A `pyproject.toml` that Poetry takes."""

    def __init__(self, table: Table) -> None:
        self._root = table
        self._standard = table.table("project")
        self._poetry = table.table("tool").table("poetry")

    @property
    def label(self) -> str:
        """How messages name it."""
        return self._root.where

    @property
    def name(self) -> NormalizedName | None:
        """The project's own name."""
        name = self._standard.text("name") or self._poetry.text("name")
        return canonicalize_name(name) if name else None

    @property
    def groups(self) -> set[str]:
        """The groups beside the main one, as they are written."""
        legacy = {"dev"} if _DEV in self._poetry else set()
        return {*self._poetry.table("group").data, *self._root.table(_STANDARD_GROUPS).data, *legacy}

    @property
    def extras(self) -> set[str]:
        """The extras, as they are written."""
        return {*self._poetry.table("extras").data, *self._standard.table(_STANDARD_EXTRAS).data}

    def needs(self, groups: Collection[str]) -> Iterator[Need]:
        """What the main group asks for, with all that only extras bring, and the given ones, whose names are normal.

        Raises:
            LockFileSyntaxError: Something of it cannot be read; names the key.
        """
        yield from self._main()
        if "dev" in groups:
            yield from read_needs(self._poetry.table(_DEV))
        for name, group in self._poetry.table("group").items():
            if canonicalize_name(name) in groups:
                yield from read_needs(group.table("dependencies"))
        standard = self._root.table(_STANDARD_GROUPS)
        for name in standard.data:
            if canonicalize_name(name) in groups:
                yield from _group(standard, name, ())

    def _main(self) -> Iterator[Need]:
        # Where both stand, an old Poetry has made the lock file, which knows its own table only.
        if "dependencies" in self._poetry:
            yield from read_needs(self._poetry.table("dependencies"))
            return
        yield from _written(self._standard.texts("dependencies"), self._standard)
        extras = self._standard.table(_STANDARD_EXTRAS)
        for extra in extras.data:
            for need in _written(extras.texts(extra), extras):
                yield replace(need, optional=True)

    def has_changed(self, locked: str, lock_version: Version, made_by: Version | None) -> bool:
        """Whether the project asks for something else than what was locked.

        Args:
            locked: The hash of it that the lock file holds.
            lock_version: The version of the lock file's format.
            made_by: Poetry's version, where the lock file tells it.
        """
        return locked not in {_hash(content) for content in self._contents(lock_version, made_by)}

    def _contents(self, lock_version: Version, made_by: Version | None) -> Iterator[Mapping[str, Any]]:
        """What the Poetrys that may have made such a lock file have hashed."""
        if lock_version < _SINCE_PROJECT:
            yield self._own(always=_LEGACY)
            if lock_version < _SINCE_2_0:
                yield {key: self._poetry.data.get(key) for key in _LEGACY}
            return
        yield self._all(self._root.table(_STANDARD_GROUPS).data)
        if made_by is None or made_by < _SINCE_GROUPS:
            yield self._all({})

    def _all(self, groups: Mapping[str, Any]) -> Mapping[str, Any]:
        project = {key: value for key, value in self._standard.data.items() if key in _STANDARD}
        content = {**({"project": project} if project else {}), **({_STANDARD_GROUPS: groups} if groups else {})}
        return {**content, "tool": {"poetry": self._own()}} if content else self._own(always=_LEGACY)

    def _own(self, always: Sequence[str] = ()) -> Mapping[str, Any]:
        data = self._poetry.data
        return {key: data.get(key) for key in (*_LEGACY, "group") if key in data or key in always}


_LEGACY = ("dependencies", "source", "extras", "dev-dependencies")
_STANDARD = ("requires-python", "dependencies", "optional-dependencies")
_SINCE_2_0, _SINCE_PROJECT = Version("2.0"), Version("2.1")
"""The formats since which Poetry hashes its own groups for sure, and the tables of other tools."""
_SINCE_GROUPS = Version("2.3")
"""The Poetry that was the first to hash `dependency-groups`."""


def read_neighbour(source: Source) -> Project | None:
    """The project in the lock file's folder; None where there is none that Poetry takes.

    Raises:
        LockFileSyntaxError: It is not TOML, or not a project.
    """
    text = source.neighbour(_PYPROJECT)
    table = load_toml(text, source.path(_PYPROJECT)) if text is not None else Table({}, "")
    is_project = "project" in table or "poetry" in table.table("tool")
    return Project(table) if is_project else None


def made_by(text: str) -> Version | None:
    """The version of Poetry in a lock file's first line, which tells it since 1.4."""
    found = re.match(r"#[^\n]*\bPoetry (\S+)", text)
    try:
        return Version(found[1]) if found else None
    except InvalidVersion:
        return None


def _hash(content: Mapping[str, Any]) -> str:
    # TOML has dates, which are in no project that Poetry takes.
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _group(groups: Table, name: str, opened: Sequence[str]) -> Iterator[Need]:
    """The requirements of a standard group (PEP 735) and of those that it includes."""
    items = groups.data[name]
    if not isinstance(items, list):
        groups.fail(f"has a group that is no array: `{shown(name)}`")
    yield from _written((item for item in items if isinstance(item, str)), groups)
    spelled = {canonicalize_name(group): group for group in groups.data}
    for item in items:
        included = item.get("include-group") if isinstance(item, dict) else None
        found = spelled.get(canonicalize_name(included)) if isinstance(included, str) else None
        if found is not None and found not in (name, *opened):
            yield from _group(groups, found, (*opened, name))


def _written(texts: Iterable[str], table: Table) -> Iterator[Need]:
    for text in texts:
        try:
            requirement = Requirement(text)
        # packaging's parser calls itself for each parenthesis.
        except (InvalidRequirement, RecursionError):
            table.fail(f"has a requirement that is none: `{shown(text)}`")
        yield Need(
            name=canonicalize_name(requirement.name),
            constraint=str(requirement.specifier) or "*",
            place=_place(requirement.url) if requirement.url else None,
            extras=tuple(sorted(canonicalize_name(extra) for extra in requirement.extras)),
            marker=table.normal_marker(str(requirement.marker)) if requirement.marker else None,
        )


def _place(url: str) -> Place:
    if url.startswith("git+"):
        return Place("git", re.sub(r"@[^@/]+$", "", url.removeprefix("git+").partition("#")[0]))
    return Place("path", url) if url.startswith("file:") else Place("url", url.partition("#")[0])
