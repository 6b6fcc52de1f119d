"""The project beside uv's lock file: whether it asks for what it asked for when it was locked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from python_layer_provider.lockfile.table import Table
from python_layer_provider.lockfile.uv_package import FOLDERS

_ELSEWHERE = {"git", "url", "path", "workspace", *FOLDERS}
"""Sources other than an index: uv keeps no versions of what comes from there."""
_EXTRA = re.compile(r"\bextra == '([^']+)'")


class _Asked(NamedTuple):
    """One requirement of the project's; markers are left out, for uv writes them in words of its own."""

    by: tuple[str, ...]
    """The part of the project that asks."""
    name: NormalizedName
    extras: frozenset[str]
    versions: SpecifierSet
    elsewhere: bool


_PROJECT = ("dependencies",)
_EXTRAS = "optional-dependencies"
_GROUPS = "dependency-groups"


def changed_names(package: Table, pyproject: Table) -> list[str]:
    """The names of what the project asks for otherwise than when it was locked, sorted.

    Args:
        package: The project in the lock file.
        pyproject: The project's `pyproject.toml`.

    Raises:
        LockFileSyntaxError: A value of either is of the wrong type.
    """
    # Neither has to say what it asks for: old lock files do not, nor do projects of other build tools.
    if "project" not in pyproject or ("metadata" not in package and "dependencies" in package):
        return []
    try:
        before, now = [*_before(package.table("metadata"))], [*_now(pyproject)]
    # Such a requirement uv does not take either, and says so better.
    except (InvalidRequirement, InvalidSpecifier, RecursionError):
        return []
    dynamic = set(pyproject.table("project").texts("dynamic"))
    elsewhere = {asked.name for asked in (*before, *now) if asked.elsewhere}
    return sorted(
        {
            asked.name
            for asked in _comparable(before, elsewhere) ^ _comparable(now, elsewhere)
            if asked.by[0] not in dynamic
        }
    )


def _comparable(asked: list[_Asked], elsewhere: set[NormalizedName]) -> set[_Asked]:
    return {one._replace(versions=SpecifierSet(), elsewhere=True) if one.name in elsewhere else one for one in asked}


def _before(metadata: Table) -> Iterator[_Asked]:
    for need in metadata.tables("requires-dist"):
        extras = _EXTRA.findall(need.text("marker") or "")
        parts: list[tuple[str, ...]] = [(_EXTRAS, canonicalize_name(extra)) for extra in extras]
        for by in parts or [_PROJECT]:
            yield _locked(need, by)
    groups = metadata.table("requires-dev")
    for group in groups.data:
        for need in groups.tables(group):
            yield _locked(need, (_GROUPS, canonicalize_name(group)))


def _locked(need: Table, by: tuple[str, ...]) -> _Asked:
    return _Asked(
        by=by,
        name=canonicalize_name(need.needed("name")),
        extras=frozenset(canonicalize_name(extra) for extra in need.texts("extras")),
        versions=SpecifierSet(need.text("specifier") or ""),
        elsewhere=not _ELSEWHERE.isdisjoint(need.data),
    )


def _now(pyproject: Table) -> Iterator[_Asked]:
    project, uv = pyproject.table("project"), pyproject.table("tool").table("uv")
    elsewhere = _sourced_elsewhere(uv.table("sources"))
    for text in project.texts("dependencies"):
        yield _written(text, _PROJECT, elsewhere)
    optional = project.table(_EXTRAS)
    for extra in optional.data:
        for text in optional.texts(extra):
            yield _written(text, (_EXTRAS, canonicalize_name(extra)), elsewhere)
    groups = pyproject.table(_GROUPS)
    for group in groups.data:
        for text in _group(groups, group, ()):
            yield _written(text, (_GROUPS, canonicalize_name(group)), elsewhere)
    for text in uv.texts("dev-dependencies"):
        yield _written(text, (_GROUPS, canonicalize_name("dev")), elsewhere)


def _written(text: str, by: tuple[str, ...], elsewhere: set[NormalizedName]) -> _Asked:
    requirement = Requirement(text)
    name = canonicalize_name(requirement.name)
    return _Asked(
        by=by,
        name=name,
        extras=frozenset(canonicalize_name(extra) for extra in requirement.extras),
        versions=requirement.specifier,
        elsewhere=bool(requirement.url) or name in elsewhere,
    )


def _group(groups: Table, wanted: str, opened: tuple[str, ...]) -> Iterator[str]:
    """The requirements of a group and of those that it includes."""
    spelled = {canonicalize_name(group): group for group in groups.data}
    group = spelled.get(canonicalize_name(wanted))
    if group is None or group in opened:
        return
    for item in groups.data[group] if isinstance(groups.data[group], list) else ():
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict) and isinstance(item.get("include-group"), str):
            yield from _group(groups, item["include-group"], (*opened, group))


def _sourced_elsewhere(sources: Table) -> set[NormalizedName]:
    """The names for which the project gives a place that is no index, be it for some targets only."""
    found: set[NormalizedName] = set()
    for name, value in sources.data.items():
        given = value if isinstance(value, list) else [value]
        if any(isinstance(one, dict) and not _ELSEWHERE.isdisjoint(one) for one in given):
            found.add(canonicalize_name(name))
    return found
