"""Lock file to the pins of one target, each with the file that fits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName

from python_layer_provider.conditions import Conditions
from python_layer_provider.errors import LockFileConflictError, LockFileSyntaxError, LockFileTargetError
from python_layer_provider.fit import best_file, fitting_targets
from python_layer_provider.graph import reached
from python_layer_provider.lockfile import File, IndexOptions, Lockfile, Pin
from python_layer_provider.lockfile.problem import masked
from python_layer_provider.target import RUNTIMES, Target


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What a lock file holds for a target."""

    pins: Mapping[NormalizedName, Pin]
    """Each with the one file that fits best, where the lock file names files; markers and edges are spent."""
    constraints: Mapping[NormalizedName, Pin]
    omitted: Mapping[NormalizedName, Pin]
    """What would have been selected, but is not wanted."""


def select(lockfile: Lockfile, target: Target, omit: Collection[str] = ()) -> Selection:
    """Select the pins of a lock file for a target, never for the host.

    Args:
        lockfile: What the lock file says for all targets.
        target: Where the layer runs.
        omit: Names that are not wanted. What they need stays, unless it is among them.

    Raises:
        LockFileSyntaxError: A marker cannot be evaluated, or the graph leads nowhere.
        LockFileTargetError: The lock file is not for the target, or some pin has no file that fits it.
        LockFileConflictError: Two lines pin one distribution differently.
    """
    markers = Conditions(lockfile, target)
    _check_target(lockfile, target, markers)
    constraints = _merged(pin for pin in lockfile.constraints if markers.admit(pin.marker, pin.where))
    if lockfile.roots is None:
        found: Iterable[Pin] = [pin for pin in lockfile.pins if markers.admit(pin.marker, pin.where)]
    else:
        found = [pin for pin in reached(lockfile, markers) if not pin.virtual]
    pins = _merged(_constrained(pin, constraints) for pin in found)
    wanted = {name: pin for name, pin in pins.items() if name not in omit}
    return Selection(
        pins=_fitting(wanted, lockfile.index, target),
        constraints={name: _spent(pin, ()) for name, pin in constraints.items()},
        omitted={name: _spent(pin, ()) for name, pin in pins.items() if name in omit},
    )


def _check_target(lockfile: Lockfile, target: Target, markers: Conditions) -> None:
    for bound in lockfile.requires_python:
        if not admits(bound.specifier, target, bound.where):
            who = "it" if bound.where == lockfile.label else bound.where
            raise LockFileTargetError(
                f"`{lockfile.label}` is not for {target.runtime}: {who} requires Python `{bound.specifier}`",
                hint=_other_runtimes(bound.specifier, target),
                input_name="requirements",
            )
    if lockfile.environments and not any(markers.admit(one, lockfile.label) for one in lockfile.environments):
        raise LockFileTargetError(
            f"`{lockfile.label}` is not for {target.runtime} on {target.architecture}",
            detail="\n".join(f"it is for `{one}`" for one in lockfile.environments),
            hint=f"lock for the target as well: {lockfile.relock}",
            input_name="requirements",
        )


def admits(specifier: str, target: Target, where: str) -> bool:
    """Whether a bound admits the target's Python; `where` says who has set it.

    Raises:
        LockFileSyntaxError: It is none.
    """
    try:
        # The patch release of a runtime is whatever AWS has rolled out: a bound within it says nothing.
        return SpecifierSet(specifier).contains(target.python_full, prereleases=True)
    except InvalidSpecifier as error:
        raise LockFileSyntaxError(
            f"{where}: not a version specifier: `{specifier}`", hint="lock again", input_name="requirements"
        ) from error


def _other_runtimes(specifier: str, target: Target) -> str:
    fits = [runtime for runtime in RUNTIMES if admits(specifier, replace(target, runtime=runtime), "")]
    named = f"use one of {', '.join(fits)}" if len(fits) > 1 else f'runtime="{fits[0]}"' if fits else ""
    return named or "no runtime of Lambda has such a Python: widen the project's bound and lock again"


def _spent(pin: Pin, files: tuple[File, ...]) -> Pin:
    """The pin for one target: what decided about it has no more to say."""
    if not pin.marker and not pin.dependencies and pin.files == files:
        return pin
    return replace(pin, marker=None, dependencies=(), files=files)


def _constrained(pin: Pin, constraints: Mapping[NormalizedName, Pin]) -> Pin:
    """The pin, with the version that a constraint gives it where it has none itself."""
    constraint = constraints.get(pin.name)
    if pin.pinned or constraint is None or not constraint.pinned:
        return pin
    hashes = pin.hashes or constraint.hashes
    return replace(pin, version=constraint.version, specifier=constraint.specifier, url=constraint.url, hashes=hashes)


def _merged(pins: Iterable[Pin]) -> dict[NormalizedName, Pin]:
    """One pin per distribution: pip takes a line that stands twice, and so do we."""
    merged: dict[NormalizedName, Pin] = {}
    for pin in pins:
        other = merged.get(pin.name)
        if other is None:
            merged[pin.name] = pin
            continue
        if (other.version, other.specifier, other.url, other.path) != (pin.version, pin.specifier, pin.url, pin.path):
            raise LockFileConflictError(
                f"`{pin.name}` is asked for twice: `{masked(other.requirement)}` at {other.where} "
                f"and `{masked(pin.requirement)}` at {pin.where}",
                hint="keep one of them, or tell them apart with markers",
                input_name="requirements",
            )
        merged[pin.name] = replace(
            other,
            hashes=tuple(sorted({*other.hashes, *pin.hashes})),
            files=tuple(dict.fromkeys((*other.files, *pin.files))),
            extras=tuple(sorted({*other.extras, *pin.extras})),
        )
    return merged


def _fitting(pins: Mapping[NormalizedName, Pin], index: IndexOptions, target: Target) -> dict[NormalizedName, Pin]:
    """The pins, each with the file that fits best."""
    fitting: dict[NormalizedName, Pin] = {}
    misfits: list[str] = []
    for name, pin in pins.items():
        if pin.requires_python and not admits(pin.requires_python, target, pin.where):
            misfits.append(f"{_called(pin)} requires Python `{pin.requires_python}`: {pin.where}")
        file = best_file(_allowed(pin, index), target)
        if pin.files and file is None:
            misfits.append(_misfit(pin))
        fitting[name] = _spent(pin, (file,) if file else ())
    if misfits:
        shown = [*misfits[:_SHOWN], *([f"and {len(misfits) - _SHOWN} more"] if len(misfits) > _SHOWN else [])]
        raise LockFileTargetError(
            f"{len(misfits)} of {len(pins)} pins have no file for {target.runtime} on {target.architecture}",
            detail="\n".join(shown),
            hint="choose a runtime that all of them have a wheel for, or pin versions that have one for this",
            input_name="requirements",
        )
    return fitting


_SHOWN = 10


def _allowed(pin: Pin, index: IndexOptions) -> list[File]:
    """The files that pip may take, by `--only-binary` and `--no-binary`."""
    wheels = not {":all:", pin.name} & set(index.no_binary)
    sources = not {":all:", pin.name} & set(index.only_binary)
    return [file for file in pin.files if (wheels if file.is_wheel else sources)]


def _called(pin: Pin) -> str:
    return f"`{pin.name}` {pin.version}" if pin.version else f"`{pin.name}`"


def _misfit(pin: Pin) -> str:
    wheels = [file for file in pin.files if file.is_wheel]
    fits = fitting_targets(wheels)
    if fits:
        return f"{_called(pin)} has wheels for {', '.join(fits)}"
    return f"{_called(pin)} has no wheel for any runtime of Lambda, such as {pin.files[0].name}"
