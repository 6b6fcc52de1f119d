"""When a pin or an edge of a lock file counts for a target."""

from __future__ import annotations

from collections.abc import Collection

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

from python_layer_provider.errors import LockFileSyntaxError
from python_layer_provider.lockfile import Lockfile
from python_layer_provider.target import Target


class Conditions:
    """The markers of one lock file, evaluated for one target."""

    def __init__(self, lockfile: Lockfile, target: Target) -> None:
        self._environment = target.marker_environment()
        self._groups = frozenset(lockfile.groups)
        self._extras = frozenset(lockfile.extras)
        # pip knows no sets of extras: in a requirements file they are a mistake, and never simply false.
        self._sets = lockfile.closed
        self._known: dict[tuple[str, frozenset[str]], bool] = {}

    def share(self, extras: Collection[str]) -> bool:
        """Have all markers see these extras; whether some of them are news."""
        before, self._extras = self._extras, self._extras.union(extras)
        return self._extras != before

    def admit(self, marker: str | None, where: str, extras: Collection[str] = ()) -> bool:
        """Whether a marker holds; `extras` are those of whoever has the need that it limits."""
        if marker is None:
            return True
        # A few markers stand at hundreds of pins, and most have nothing to do with extras.
        key = (marker, self._extras.union(extras) if "extra" in marker else self._extras)
        if key not in self._known:
            self._known[key] = self._evaluate(*key, where)
        return self._known[key]

    def _evaluate(self, marker: str, extras: frozenset[str], where: str) -> bool:
        sets = {"extras": extras, "dependency_groups": self._groups} if self._sets else {}
        environment: dict[str, str | frozenset[str]] = {**self._environment, "extra": "", **sets}
        try:
            return Marker(marker).evaluate(environment, context="lock_file" if self._sets else "metadata")
        # It does not always take what it has written itself, as of surrogates.
        except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName) as error:
            raise LockFileSyntaxError(
                f"{where}: the marker cannot be evaluated: `{marker}`",
                detail=str(error),
                hint="compare with ==, !=, in or not in",
                input_name="requirements",
            ) from error
