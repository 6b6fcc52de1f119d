"""Poetry's lock files as graphs: which packages the needs of the project, and of packages, lead to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from packaging.utils import NormalizedName
from packaging.version import InvalidVersion, Version

from python_layer_provider.lockfile.markers import both
from python_layer_provider.lockfile.model import Dependency, Pin
from python_layer_provider.lockfile.poetry_need import (
    Need,
    brought_by,
    conditions_of,
    python_marker_of,
    read_needs,
)
from python_layer_provider.lockfile.poetry_package import Package

# Poetry before 1.2 took them for granted, and locked none of them.
_TAKEN_FOR_GRANTED = frozenset({"distribute", "pip", "setuptools", "wheel"})


class Graph:
    """The packages of a lock file, and what leads from one to another."""

    def __init__(self, packages: Sequence[Package], project: NormalizedName | None = None) -> None:
        self._packages = packages
        self._project = project
        """The project's own name, which is not locked."""
        self._named: dict[NormalizedName, list[Package]] = {}
        for package in sorted(packages, key=_version, reverse=True):
            self._named.setdefault(package.pin.name, []).append(package)

    def pins(self) -> tuple[Pin, ...]:
        """The pins, with the edges between them."""
        return tuple(
            replace(
                package.pin,
                marker=self._marker(package),
                dependencies=tuple(self.edges(_needs_of(package))),
            )
            for package in self._packages
        )

    def edges(self, needs: Iterable[Need]) -> Iterator[Dependency]:
        """The edges that needs are."""
        for need in needs:
            found = self._named.get(need.name, [])
            if found or need.name not in {self._project, *_TAKEN_FOR_GRANTED}:
                among = ([one for one in found if one.meets(need)] or found) if len(found) > 1 else []
                yield Dependency(
                    name=need.name,
                    among=tuple(one.pin.where for one in among),
                    extras=need.extras,
                    marker=need.marker,
                )

    def outermost(self, candidates: Sequence[Package]) -> Iterator[Dependency]:
        """Edges to the candidates that no other candidate leads to, and to one of each circle of them."""
        led_to = {name for package in candidates for name in _leads_to(package)}
        seen: set[NormalizedName] = set()
        for package in sorted(candidates, key=lambda package: package.pin.name in led_to):
            if package.pin.name not in seen:
                yield from self.edges([Need(name=package.pin.name)])
                self._see(package.pin.name, seen)

    def _see(self, name: NormalizedName, seen: set[NormalizedName]) -> None:
        queue = [name]
        while queue:
            name = queue.pop()
            if name not in seen:
                seen.add(name)
                queue += [one for package in self._named.get(name, ()) for one in _leads_to(package)]

    def _marker(self, package: Package) -> str | None:
        table = package.table
        marker = table.text("marker")
        # Which of several versions is meant follows from Python too, in words of each one's metadata.
        several = len(self._named[package.pin.name]) > 1
        python = table.text("python-versions") if several else None
        return both(
            table.normal_marker(marker) if marker else None,
            conditions_of(table.table("requirements")),
            python_marker_of(python, table) if python else None,
        )


def _version(package: Package) -> Version:
    try:
        return Version(package.pin.version or "")
    except InvalidVersion:
        return Version("0")


def _leads_to(package: Package) -> set[NormalizedName]:
    """The names of what a package needs without any of its extras, whatever the markers say."""
    needs = read_needs(package.table.table("dependencies"))
    return {need.name for need in needs if not need.optional} - {package.pin.name}


def _needs_of(package: Package) -> Iterator[Need]:
    """What a package needs; what only extras of it bring says which ones."""
    brought = list(brought_by(package.table.table("extras")))
    for need in read_needs(package.table.table("dependencies")):
        if not need.optional or "extra" in (need.marker or ""):
            yield need
        elif marker := _any_extra(extra for extra, name in brought if name == need.name):
            yield replace(need, marker=both(need.marker, marker))


def _any_extra(extras: Iterable[NormalizedName]) -> str:
    return " or ".join(f'"{extra}" in extras' for extra in sorted(set(extras)))
