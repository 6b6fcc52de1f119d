"""The pins that the roots of a lock file lead to, for one target."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from packaging.utils import NormalizedName

from python_layer_provider.conditions import Conditions
from python_layer_provider.errors import LockFileConflictError, LockFileSyntaxError
from python_layer_provider.lockfile import Dependency, Lockfile, Pin


def reached(lockfile: Lockfile, markers: Conditions) -> list[Pin]:
    """The pins that a lock file's roots lead to, once all markers see the extras that exclude each other."""
    known_as = {(extra.name, extra.extra): extra.known_as for extra in lockfile.shared_extras}
    while True:
        found = _agreed(partial(_Walk, lockfile, markers, known_as), lockfile)
        wanted = ((pin.name, extra) for pin in found for extra in pin.extras)
        if not markers.share({known_as[one] for one in wanted if one in known_as}):
            return found


def _agreed(start: Callable[[Mapping[NormalizedName, int]], _Walk], lockfile: Lockfile) -> list[Pin]:
    """The pins, where edges leave a choice among several: the best ones on which all edges agree."""
    untried: list[dict[NormalizedName, int]] = [{}]
    name = None
    for _ in range(_TRIES):
        if not untried:
            break
        decided = untried.pop()
        walk = start(decided)
        found = walk.reached()
        fits = {name: _in_all(edges) for name, edges in walk.choices.items()}
        if any(name in decided and decided[name] not in numbers for name, numbers in fits.items()):
            continue
        name = next((name for name in fits if name not in decided), None)
        if name is None:
            return found
        untried.extend({**decided, name: number} for number in reversed(fits[name]))
    raise LockFileConflictError(
        f"`{lockfile.label}` has several versions of `{name}`, and none meets all that needs it",
        hint=f"lock again: {lockfile.relock}",
        input_name="requirements",
    )


_TRIES = 1000


def _in_all(edges: Sequence[Sequence[int]]) -> list[int]:
    return [number for number in edges[0] if all(number in edge for edge in edges)]


class _Walk:
    """The pins that a lock file's roots lead to."""

    def __init__(
        self,
        lockfile: Lockfile,
        markers: Conditions,
        known_as: Mapping[tuple[NormalizedName, str], str],
        decided: Mapping[NormalizedName, int],
    ) -> None:
        self.choices: dict[NormalizedName, list[list[int]]] = {}
        """The edges that leave a choice, each by the pins that it admits, the best first."""
        self._decided = decided
        self._lockfile = lockfile
        self._markers = markers
        self._known_as = known_as
        self._pins: dict[NormalizedName, list[int]] = {}
        for number, pin in enumerate(lockfile.pins):
            self._pins.setdefault(pin.name, []).append(number)
        self._extras: dict[int, set[str]] = {}

    def reached(self) -> list[Pin]:
        """The pins, in the lock file's order, each with the extras that somebody needs of it."""
        lockfile = self._lockfile
        queue = list(self._targets(lockfile.roots or (), lockfile.label, ()))
        while queue:
            number, extras = queue.pop()
            known = self._extras.get(number)
            if known is not None and known.issuperset(extras):
                continue
            wanted = self._extras.setdefault(number, set())
            wanted.update(extras)
            pin = lockfile.pins[number]
            queue.extend(self._targets(pin.dependencies, pin.where, wanted))
        return [_with_extras(lockfile.pins[number], self._extras[number]) for number in sorted(self._extras)]

    def _targets(
        self, needs: Sequence[Dependency], where: str, extras: Collection[str]
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        for need in needs:
            # The marker of an edge sees what the edge itself asks for.
            own = [self._known_as[need.name, one] for one in need.extras if (need.name, one) in self._known_as]
            if self._markers.admit(need.marker, where, [*extras, *own] if own else extras):
                for number in self._meant(need, where):
                    yield number, need.extras

    def _meant(self, need: Dependency, where: str) -> list[int]:
        """The pins that an edge leads to: one, or none where the lock file has none for the target."""
        pins = self._lockfile.pins
        named = [
            number
            for number in self._pins.get(need.name, ())
            if need.version in (None, pins[number].version)
            and need.source in (None, pins[number].url, pins[number].path, pins[number].index)
        ]
        if not named:
            version = f" {need.version}" if need.version else ""
            raise LockFileSyntaxError(
                f"{where}: needs `{need.name}{version}`, which the lock file does not hold",
                hint=f"lock again: {self._lockfile.relock}",
                input_name="requirements",
            )
        fits = [number for number in named if self._markers.admit(pins[number].marker, pins[number].where)]
        return self._chosen(need, fits) if need.among else fits

    def _chosen(self, need: Dependency, fits: Sequence[int]) -> list[int]:
        wheres = {self._lockfile.pins[number].where: number for number in fits}
        admitted = [wheres[where] for where in need.among if where in wheres]
        if admitted:
            self.choices.setdefault(need.name, []).append(admitted)
        return [number for number in admitted if number == self._decided.get(need.name)]


def _with_extras(pin: Pin, extras: Collection[str]) -> Pin:
    # A lock file has hundreds of pins, and few are asked for with extras.
    return replace(pin, extras=tuple(sorted(extras))) if extras else pin
