"""What a project or a package needs, as Poetry writes it: tables in, `Need` out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

from python_layer_provider.lockfile.markers import both
from python_layer_provider.lockfile.poetry_constraint import python_marker
from python_layer_provider.lockfile.problem import shown
from python_layer_provider.lockfile.table import Table

_EXTRA_NEED = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


class Place(NamedTuple):
    """Where a distribution comes from, where that is no index."""

    kind: str
    where: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What a package, or the project, needs: a constraint that one or more packages of the lock file meet."""

    name: NormalizedName
    constraint: str = "*"
    place: Place | None = None
    index: str | None = None
    """What the project calls the index that it has to come from."""
    extras: tuple[NormalizedName, ...] = ()
    marker: str | None = None
    optional: bool = False
    """Whether only an extra of whoever has the need makes it one."""


def read_needs(table: Table) -> Iterator[Need]:
    """The entries of a table of dependencies, except for Python itself; several for one name where they are a list."""
    for key in table.data:
        name = table.normal_name(key)
        if name != "python":
            for entry in _entries(table, key):
                yield _need(name, entry)


def brought_by(extras: Table) -> Iterator[tuple[NormalizedName, NormalizedName]]:
    """Extras, each with the name of something that it brings: a table of arrays of requirements."""
    for extra in extras.data:
        for need in extras.texts(extra):
            if found := _EXTRA_NEED.match(need):
                yield extras.normal_name(extra), canonicalize_name(found[1])


def python_marker_of(text: str, table: Table) -> str | None:
    """The marker of a constraint on Python; raises as `Table.normal_marker`."""
    try:
        return python_marker(text)
    except ValueError:
        table.fail(f"has a constraint on Python that is none: `{shown(text)}`")


def conditions_of(table: Table) -> str | None:
    """The marker of the keys `python` and `platform`; raises as `Table.normal_marker`."""
    python, platform = table.text("python"), table.text("platform")
    return both(
        python_marker_of(python, table) if python else None,
        table.normal_marker(_platform_marker(platform)) if platform else None,
    )


def _entries(table: Table, key: str) -> list[Table]:
    """The values of a key: one or several, each a version or a table."""
    value = table.data[key]
    values = value if isinstance(value, list) else [value]
    return Table({key: [{"version": one} if isinstance(one, str) else one for one in values]}, table.where).tables(key)


def _need(name: NormalizedName, entry: Table) -> Need:
    markers = entry.text("markers")
    return Need(
        name=name,
        constraint=entry.text("version") or "*",
        place=next(
            (Place(kind, where) for kind in ("git", "url", "path", "file") if (where := entry.text(kind))), None
        ),
        index=entry.text("source"),
        extras=tuple(entry.normal_name(extra) for extra in entry.texts("extras")),
        marker=both(conditions_of(entry), entry.normal_marker(markers) if markers else None),
        optional=entry.flag("optional"),
    )


def _platform_marker(text: str) -> str:
    """The marker of `platform`: `linux`, `!=win32`, `linux || darwin`."""
    return " or ".join(
        " and ".join(
            f'sys_platform {"!=" if "!" in one else "=="} "{one.strip(" =!")}"' for one in alternative.split(",")
        )
        for alternative in re.split(r"\|\|?", text)
    )
