"""poetry.lock: text in, `Lockfile` out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from python_layer_provider.errors import LockFileUnsupportedError
from python_layer_provider.lockfile.model import Lockfile, Pin, PythonBound
from python_layer_provider.lockfile.poetry_constraint import alternatives, python_marker, specifier
from python_layer_provider.lockfile.poetry_graph import Graph
from python_layer_provider.lockfile.poetry_need import brought_by
from python_layer_provider.lockfile.poetry_package import Package, read_package
from python_layer_provider.lockfile.poetry_project import MAIN, Project, made_by, read_neighbour
from python_layer_provider.lockfile.problem import shown
from python_layer_provider.lockfile.source import Source
from python_layer_provider.lockfile.table import Table, load_toml

_RELOCK = "poetry lock"
_NEWEST = 2
_CONDITIONS = Version("2.1")
"""The format since which each package tells its groups, and all conditions under which it is installed."""
_NO_CATEGORIES = Version("2.0")
"""The format since which packages tell no category any more."""


def parse_poetry(source: Source) -> Lockfile:
    """Parse a poetry.lock of any version.

    Selected are the main group, and the groups and extras that are asked for. Before version 2.1 a lock file does not
    say what belongs to them: that follows from the `pyproject.toml` beside it.

    Raises:
        InvalidInputError: There is no such group or extra.
        LockFileSyntaxError: It, or `pyproject.toml`, is not what Poetry takes; names the key.
        LockFileUnsupportedError: It is of a later version; or names what a layer cannot be built from; or needs a
            `pyproject.toml`, and there is none.
    """
    lock = _read(source)
    if lock.version >= _CONDITIONS:
        return _conditional(lock)
    if lock.project:
        return _asked_by(lock, lock.project)
    return _by_category(lock)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lock:
    source: Source
    version: Version
    """Of the format."""
    packages: Sequence[Package]
    extras: Table
    project: Project | None
    unasked: Lockfile
    """All that does not depend on what is asked for."""

    def selected_extras(self) -> tuple[NormalizedName, ...]:
        known = {*self.extras.data, *(self.project.extras if self.project else ())}
        return tuple(map(canonicalize_name, self.source.selected_extras(known)))

    def brought(self) -> set[NormalizedName]:
        """The names of what the selected extras bring."""
        extras = self.selected_extras()
        return {name for extra, name in brought_by(self.extras) if extra in extras}

    def selected_groups(self, locked: Mapping[str, object]) -> set[NormalizedName]:
        known = {*locked, *(self.project.groups if self.project else ())} - {MAIN}
        asked = tuple(name for name in self.source.groups if canonicalize_name(name) != MAIN)
        return {MAIN, *map(canonicalize_name, replace(self.source, groups=asked).selected_groups(known))}


def _read(source: Source) -> _Lock:
    document = load_toml(source.text, source.label)
    if "metadata" not in document:
        document.fail("`metadata` is missing, which every lock file of Poetry has")
    metadata = document.table("metadata")
    version, project = _version(metadata), read_neighbour(source)
    unasked = Lockfile(label=source.label, pins=(), closed=True, relock=_RELOCK)
    return _Lock(
        source=source,
        version=version,
        packages=[read_package(table, metadata, source) for table in document.tables("package")],
        extras=document.table("extras"),
        project=project,
        unasked=replace(_bound(unasked, metadata), stale=tuple(_staleness(metadata, version, project, source))),
    )


def _version(metadata: Table) -> Version:
    text = metadata.text("lock-version") or "0"
    try:
        version = Version(text)
    except InvalidVersion:
        metadata.fail(f"has a `lock-version` that is none: `{shown(text)}`")
    if version.major > _NEWEST:
        raise LockFileUnsupportedError(
            f"{metadata.at('lock-version')} is `{shown(text)}`; versions up to {_NEWEST} are read",
            hint="let the Poetry that made it write another format: poetry export -o requirements.txt",
            input_name="requirements",
        )
    return version


def _bound(lockfile: Lockfile, metadata: Table) -> Lockfile:
    """The lock file, for the Pythons that it says: a range, or several, which only markers can tell."""
    text = metadata.text("python-versions") or "*"
    try:
        found, marker = alternatives(text), python_marker(text)
    except ValueError:
        metadata.fail(f"has `python-versions` that are none: `{shown(text)}`")
    if marker is None:
        return lockfile
    if len(found) > 1:
        return replace(lockfile, environments=(marker,))
    return replace(lockfile, requires_python=(PythonBound(specifier=specifier(found[0]), where=lockfile.label),))


def _staleness(metadata: Table, version: Version, project: Project | None, source: Source) -> Iterator[str]:
    locked = metadata.text("content-hash")
    if project and locked and project.has_changed(locked, version, made_by(source.text)):
        yield f"`{project.label}` has changed since `{source.label}` was made"


# --- since 2.1: all is in the lock file ---


def _conditional(lock: _Lock) -> Lockfile:
    groups_of = {package.pin.where: _groups_of(package) for package in lock.packages}
    selected = lock.selected_groups({group: None for groups in groups_of.values() for group in groups.values()})
    pins = (
        _under(package.pin, _marker(package.table, [groups[one] for one in sorted(groups.keys() & selected)]))
        for package in lock.packages
        if not selected.isdisjoint(groups := groups_of[package.pin.where])
    )
    return replace(lock.unasked, pins=tuple(pins), extras=lock.selected_extras())


def _under(pin: Pin, marker: str | None) -> Pin:
    return replace(pin, marker=marker) if marker else pin


def _groups_of(package: Package) -> dict[NormalizedName, str]:
    """The groups that a package belongs to, and how it writes them."""
    if "groups" not in package.table:
        package.table.fail("is in no group: `groups` is missing")
    return {canonicalize_name(group): group for group in package.table.texts("groups")}


def _marker(table: Table, groups: Sequence[str]) -> str | None:
    """The marker under which any of the groups, of which there is one, needs a package."""
    if not isinstance(table.data.get("markers"), dict):
        text = table.text("markers")
        return table.normal_marker(text) if text else None
    markers = table.table("markers")
    texts = [markers.text(group) for group in groups]
    found = dict.fromkeys(markers.normal_marker(text) for text in texts if text)
    return " or ".join(f"({one})" for one in found) if all(texts) else None


# --- before 2.1: what the project asks for, and what that leads to ---


def _asked_by(lock: _Lock, project: Project) -> Lockfile:
    graph = Graph(lock.packages, project.name)
    brought = lock.brought()
    needs = project.needs(lock.selected_groups({}))
    roots = graph.edges(need for need in needs if not need.optional or need.name in brought)
    return replace(lock.unasked, pins=graph.pins(), roots=tuple(roots))


def _by_category(lock: _Lock) -> Lockfile:
    """What the lock file alone tells, in the versions that have categories."""
    pyproject = lock.source.path("pyproject.toml")
    if lock.version >= _NO_CATEGORIES:
        raise LockFileUnsupportedError(
            f"`{lock.source.label}` (version {lock.version}) does not say which packages are for development: "
            f"that stands in `{pyproject}`, and there is none",
            hint=f"put the pyproject.toml beside it; or lock with Poetry 2, which writes all into it: {_RELOCK}",
            input_name="requirements",
        )
    categories = {package.table.text("category") or MAIN: None for package in lock.packages}
    selected, brought = lock.selected_groups(categories), lock.brought()
    graph = Graph(lock.packages)
    roots = graph.outermost(
        [
            package
            for package in lock.packages
            if (package.table.text("category") or MAIN) in selected
            and (not package.optional or package.pin.name in brought)
        ]
    )
    what = f"`{pyproject}` is missing, and only it says under which conditions the project itself needs a package"
    return replace(lock.unasked, pins=graph.pins(), roots=tuple(roots), warnings=(what,))
