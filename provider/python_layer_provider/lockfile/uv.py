"""uv: text in, `Lockfile` out."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from packaging.utils import canonicalize_name

from python_layer_provider.errors import InvalidInputError, LockFileEmptyError, LockFileUnsupportedError
from python_layer_provider.lockfile.model import Dependency, Lockfile, PythonBound, SharedExtra
from python_layer_provider.lockfile.source import Source
from python_layer_provider.lockfile.table import Table, load_toml
from python_layer_provider.lockfile.uv_package import (
    Package,
    marker_of,
    markers_of,
    name_of,
    names_of,
    read_needs,
)
from python_layer_provider.lockfile.uv_project import changed_names

_VERSION = 1


def parse_uv(source: Source) -> Lockfile:
    """Parse the lock file of a project, of a workspace's member, or of a script.

    What a project needs is selected, and not the project itself. Where the workspace's root is no project, its
    members are what is needed. No group is selected that is not asked for, `dev` neither.

    Raises:
        LockFileSyntaxError: It is not what uv has written, or `pyproject.toml` is not TOML; names the key.
        LockFileUnsupportedError: It is of another version, or has something that pip cannot be told.
        InvalidInputError: There is no such member, group or extra, or they exclude each other.
    """
    document = load_toml(source.text, source.label)
    _check_version(document)
    packages = [Package(table, source) for table in document.tables("package")]
    lock = _Lock(document, document.table("manifest"), packages, source)
    return _script(lock) if "requirements" in lock.manifest else _project(lock)


def _check_version(document: Table) -> None:
    version = document.number("version")
    if version is None:
        document.fail("`version` is missing, which every lock file of uv has")
    if version != _VERSION:
        raise LockFileUnsupportedError(
            f"`{document.where}` is of version {version} of uv's format, and only version {_VERSION} is read",
            hint="uv export --frozen --no-emit-project -o requirements.txt",
            input_name="requirements",
        )


@dataclass(frozen=True, slots=True)
class _Lock:
    document: Table
    manifest: Table
    packages: Sequence[Package]
    source: Source


def _script(lock: _Lock) -> Lockfile:
    lock.source.selected_groups(())
    lock.source.selected_extras(())
    script = os.path.basename(lock.source.label).removesuffix(".lock")  # noqa: PTH119
    roots = tuple(_manifest_needs(lock, lock.manifest, "requirements"))
    return replace(_lockfile(lock, roots), relock=f"uv lock --script {script}")


def _project(lock: _Lock) -> Lockfile:
    project = _own_project(lock)
    asked = _asked(lock, project)
    lockfile = _lockfile(lock, tuple(_roots(lock, asked, project)), project)
    beside = [(member, toml) for member in asked.members if (toml := _pyproject(lock, member))]
    bounds = (bound for _, toml in beside for bound in _bound(toml.table("project"), toml.where))
    return replace(
        lockfile,
        extras=tuple(sorted(_active(lock, asked))),
        requires_python=(*lockfile.requires_python, *bounds),
        stale=tuple(warning for member, toml in beside for warning in _warnings(lock, member, toml)),
    )


def _lockfile(lock: _Lock, roots: tuple[Dependency, ...], project: Package | None = None) -> Lockfile:
    """What follows from what is asked for."""
    return Lockfile(
        label=lock.source.label,
        # Whoever needs the project gets what it needs, as the layer does.
        pins=tuple(package.pin(needs, virtual=package is project) for package, needs in _reached(lock, roots)),
        roots=roots,
        shared_extras=tuple(_shared_extras(lock)),
        closed=True,
        requires_python=_bound(lock.document, lock.source.label),
        environments=markers_of(lock.document, "supported-markers"),
        relock="uv lock",
    )


def _reached(lock: _Lock, roots: Iterable[Dependency]) -> list[tuple[Package, list[Dependency]]]:
    """The packages that the roots may lead to, with what they need: of a large lock file often a small part."""
    packages: dict[str, list[Package]] = {}
    for package in lock.packages:
        packages.setdefault(package.name, []).append(package)
    needs: dict[Package, list[Dependency]] = {}
    queue, seen = list(_steps(roots)), set()
    while queue:
        step = name, extra = queue.pop()
        if step in seen:
            continue
        seen.add(step)
        for package in packages.get(name, ()):
            more = package.needs(extra)
            needs.setdefault(package, []).extend(more)
            queue.extend(_steps(more))
    return [(package, needs[package]) for package in lock.packages if package in needs]


def _steps(needs: Iterable[Dependency]) -> Iterator[tuple[str, str | None]]:
    return ((need.name, extra) for need in needs for extra in (None, *need.extras))


def _bound(table: Table, where: str) -> tuple[PythonBound, ...]:
    specifier = table.text("requires-python")
    return (PythonBound(specifier=specifier, where=where),) if specifier else ()


# --- what is asked for ---


@dataclass(frozen=True, slots=True)
class _Asked:
    members: Sequence[Package]
    shared: Table
    """The groups of a workspace whose root is no project."""
    groups: tuple[str, ...]
    extras: tuple[str, ...]


def _own_project(lock: _Lock) -> Package | None:
    """The project that is meant; None where the folder of the lock file holds none."""
    wanted = lock.source.path(lock.source.member)
    for package in lock.packages:
        if package.folder is not None and lock.source.path(package.folder) == wanted:
            return package
    if lock.source.member != ".":
        _unknown_member(lock)
    return None


def _unknown_member(lock: _Lock) -> None:
    folders = sorted(package.folder for package in _members(lock) if package.folder)
    has = f"has {', '.join(f'`{folder}`' for folder in folders)}" if folders else "has no members"
    raise InvalidInputError(
        f"no project at `{lock.source.member}` in `{lock.source.label}`, which {has}",
        hint="uv lock, once the project stands in [tool.uv.workspace]",
        input_name="requirements",
    )


def _members(lock: _Lock) -> list[Package]:
    names = {canonicalize_name(name) for name in lock.manifest.texts("members")}
    return [package for package in lock.packages if package.folder is not None and package.name in names]


def _asked(lock: _Lock, project: Package | None) -> _Asked:
    members = [project] if project else _members(lock)
    shared = Table({}, lock.document.where) if project else lock.manifest.table("dependency-groups")
    if lock.packages and not members and not shared.data:
        lock.document.fail("holds packages, but no project that needs them")
    if shared.data and not members and not lock.source.groups:
        raise _no_group(lock, shared)
    return _Asked(
        members,
        shared,
        groups=lock.source.selected_groups({*shared.data, *chain.from_iterable(one.groups for one in members)}),
        extras=lock.source.selected_extras({*chain.from_iterable(one.extras for one in members)}),
    )


def _no_group(lock: _Lock, shared: Table) -> LockFileEmptyError:
    return LockFileEmptyError(
        f"`{lock.source.label}` is of groups only, and none is asked for",
        hint=f'groups=["{min(shared.data)}"]',
        input_name="groups",
    )


def _roots(lock: _Lock, asked: _Asked, project: Package | None) -> Iterator[Dependency]:
    for member in asked.members:
        extras = tuple(extra for extra in asked.extras if extra in member.extras)
        # A project that needs nothing asks for nothing.
        if member is not project or extras or member.needs():
            path = lock.source.path(member.folder or ".")
            yield Dependency(name=member.name, source=path, extras=extras)
        dev = member.table.table("dev-dependencies")
        for group in _keys(dev, asked.groups):
            yield from read_needs(dev, group, lock.source)
    for group in _keys(asked.shared, asked.groups):
        yield from _manifest_needs(lock, asked.shared, group)


def _keys(table: Table, names: Iterable[str]) -> list[str]:
    return [key for key in table.data if canonicalize_name(key) in names]


def _manifest_needs(lock: _Lock, table: Table, key: str) -> Iterator[Dependency]:
    """Edges from requirements as a person wrote them: all packages of a name are meant, each in its forks."""
    for need in table.tables(key):
        edge = Dependency(name=name_of(need), extras=names_of(need, "extras"), marker=marker_of(need))
        found = [package for package in lock.packages if package.name == edge.name]
        yield from (package.narrowed(edge) for package in found) if len(found) > 1 else (edge,)


# --- what excludes each other ---


def _conflicts(document: Table) -> Iterator[list[Table]]:
    """Sets of which one extra, group or project counts at a time."""
    given = document.data.get("conflicts", [])
    if not isinstance(given, list):
        document.fail("`conflicts` is not an array")
    sets = Table({str(number): one for number, one in enumerate(given)}, document.at("conflicts"))
    return (sets.tables(number) for number in sets.data)


def _known_as(item: Table) -> str:
    """The name of an extra, a group or a project in markers, which uv writes as if all were extras."""
    name = name_of(item, "package")
    for kind in ("extra", "group"):
        if kind in item:
            return f"{kind}-{len(name)}-{name}-{item.text(kind)}"
    return f"project-{len(name)}-{name}"


def _shared_extras(lock: _Lock) -> Iterator[SharedExtra]:
    for item in chain.from_iterable(_conflicts(lock.document)):
        if extra := item.text("extra"):
            yield SharedExtra(name=name_of(item, "package"), extra=extra, known_as=_known_as(item))


def _active(lock: _Lock, asked: _Asked) -> set[str]:
    active: set[str] = set()
    for conflict in _conflicts(lock.document):
        chosen = [item for item in conflict if _is_asked(item, asked)]
        if len(chosen) > 1:
            raise _exclusive(chosen, lock.source.label)
        active.update(_known_as(item) for item in chosen)
    return active


def _is_asked(item: Table, asked: _Asked) -> bool:
    extra, group, name = item.text("extra"), item.text("group"), name_of(item, "package")
    members = [member for member in asked.members if member.name == name]
    if extra:
        return extra in asked.extras and any(extra in member.extras for member in members)
    if group:
        return group in asked.groups and any(group in member.groups for member in members)
    return bool(members)


def _exclusive(items: Sequence[Table], label: str) -> InvalidInputError:
    inputs = ["extras" if "extra" in item else "groups" if "group" in item else "requirements" for item in items]
    return InvalidInputError(
        f"{' and '.join(_called(item) for item in items)} exclude each other in `{label}`",
        hint="ask for one of them, and make a layer of its own for the other",
        input_name=inputs[0],
    )


def _called(item: Table) -> str:
    part, package = item.text("extra") or item.text("group"), name_of(item, "package")
    return f"`{part}` of `{package}`" if part else f"`{package}`"


# --- the project beside it ---


def _pyproject(lock: _Lock, member: Package) -> Table | None:
    relative = os.path.join(member.folder or "", "pyproject.toml")  # noqa: PTH118
    text = lock.source.neighbour(relative)
    return None if text is None else load_toml(text, lock.source.path(relative))


def _warnings(lock: _Lock, member: Package, pyproject: Table) -> Iterator[str]:
    if names := changed_names(member.table, pyproject):
        changed = ", ".join(f"`{name}`" for name in names)
        yield f"`{pyproject.where}` has changed since `{lock.source.label}` was made: {changed}"
