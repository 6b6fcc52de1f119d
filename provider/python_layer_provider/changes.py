"""What changes from one set of packages to another, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageChange:
    """A package that is not what it was."""

    name: str
    old: str | None
    """None where the package is new."""
    new: str | None
    """None where the package goes."""

    def __str__(self) -> str:
        """`urllib3 2.2.1 -> 2.5.0`, `+ idna 3.11`, or `- six 1.17.0`."""
        if self.old is None:
            return f"+ {self.name} {self.new}"
        return f"- {self.name} {self.old}" if self.new is None else f"{self.name} {self.old} -> {self.new}"


def package_changes(olds: Mapping[str, str], news: Mapping[str, str]) -> list[PackageChange]:
    """The packages that change: other versions first, then what comes, then what goes; each by name."""
    return sorted(_changes(olds, news), key=lambda change: (change.new is None, change.old is None, change.name))


def _changes(olds: Mapping[str, str], news: Mapping[str, str]) -> Iterator[PackageChange]:
    for name in olds.keys() | news.keys():
        if olds.get(name) != news.get(name):
            yield PackageChange(name=name, old=olds.get(name), new=news.get(name))
