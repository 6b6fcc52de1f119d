"""Version constraints as Poetry writes them (`^3.8`, `~1.2`, `1.*`, `>=2 || <1`), in terms of PEP 440."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

_PART = re.compile(
    r"\s*(?P<operator>\^|~=|~|={1,3}|!=|>=|<=|>|<)?\s*(?:(?P<any>\*|[xX](?=\s|,|$))|v?(?P<version>\d[^\s,|]*))\s*(?:,|(?=\s)|$)"
)
_PRECISE = 3
"""How many numbers a version of Python has that names one release."""


class Clause(NamedTuple):
    """A comparison of PEP 440."""

    operator: str
    version: str


@functools.lru_cache(maxsize=4096)
def alternatives(text: str) -> tuple[tuple[Clause, ...], ...]:
    """The clauses of a constraint: all those of one of the alternatives have to hold.

    Raises:
        ValueError: It is no constraint.
    """
    found = tuple(tuple(_clauses(one)) for one in re.split(r"\|\|?", text))
    for clauses in found:
        SpecifierSet(specifier(clauses))
    return found


def specifier(clauses: tuple[Clause, ...]) -> str:
    """The clauses as a specifier of PEP 440: `>=3.8,<4`."""
    return ",".join(f"{operator}{version}" for operator, version in clauses)


def admits(text: str, version: str) -> bool:
    """Whether a constraint admits a version; what is no constraint, or no version, admits all.

    Lock files are consistent when they are made: where Poetry was more lenient than PEP 440, it has chosen already.
    """
    try:
        found, parsed = alternatives(text), Version(version)
    except (InvalidSpecifier, InvalidVersion, ValueError):
        return True
    return any(SpecifierSet(specifier(clauses)).contains(parsed, prereleases=True) for clauses in found)


def python_marker(text: str) -> str | None:
    """The marker of a constraint on Python; None where it admits all; raises as `alternatives`."""
    found = alternatives(text)
    if not all(found):
        return None
    parts = [" and ".join(_python_clause(clause) for clause in clauses) for clauses in found]
    return parts[0] if len(parts) == 1 else " or ".join(f"({part})" for part in parts)


def _python_clause(clause: Clause) -> str:
    operator, version = clause
    # `3.8` alone means all of its releases, as Poetry compares it with `python_version`.
    if operator == "==" and "*" not in version and len(Version(version).release) < _PRECISE:
        version = f"{version}.*"
    return f'python_full_version {operator} "{version}"'


def _clauses(text: str) -> list[Clause]:
    found: list[Clause] = []
    position, end = 0, len(text.rstrip().rstrip(",").rstrip())
    while position < end:
        part = _PART.match(text, position, end)
        if not part:
            raise InvalidSpecifier(f"not a constraint: {text}")
        if part["version"]:
            found += _in_pep_440(part["operator"] or "==", part["version"])
        position = part.end()
    return found


def _in_pep_440(operator: str, version: str) -> list[Clause]:
    bare = re.sub(r"(?:\.\*)+$", "", version)
    if bare != version and operator in ("=", "==", "!="):
        return [Clause("!=" if operator == "!=" else "==", f"{bare}.*")]
    # Metadata of old distributions has `>=3.6.*`, where the wildcard says nothing.
    parsed = Version(bare)
    if operator == "^":
        return [Clause(">=", bare), Clause("<", _after(parsed, _first_that_counts(parsed)))]
    if operator == "~" or (operator == "~=" and len(parsed.release) == 1):
        return [Clause(">=", bare), Clause("<", _after(parsed, min(1, len(parsed.release) - 1)))]
    return [Clause("==" if operator == "=" else operator, bare)]


def _first_that_counts(version: Version) -> int:
    """The place of the number that may not change: the first that is not zero, else the last of three."""
    numbers = version.release[:_PRECISE]
    return next((place for place, number in enumerate(numbers) if number), len(numbers) - 1)


def _after(version: Version, place: int) -> str:
    """The first version in which the number at that place is another."""
    numbers = [*version.release[:place], version.release[place] + 1]
    epoch = f"{version.epoch}!" if version.epoch else ""
    return epoch + ".".join(map(str, numbers))
