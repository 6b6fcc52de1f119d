"""Lock file and target to plan: what will be installed, and the content hash that decides the diff."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.utils import NormalizedName

from python_layer_provider.errors import LockFileConflictError, LockFileEmptyError, LockFileSyntaxError, NotLockedError
from python_layer_provider.lockfile import IndexOptions, Lockfile, Pin
from python_layer_provider.target import Target

RECIPE = 1
"""The recipe of the content hash that this release writes; it reads all up to this one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerPlan:
    """What is installed for which target; pure data. Made by `make_plan`."""

    target: Target
    pins: tuple[Pin, ...]
    """Selected for the target and sorted by name; markers are spent."""
    constraints: tuple[Pin, ...] = ()
    """What pip may take for distributions that it has to resolve; empty where nothing is left to resolve."""
    index: IndexOptions = field(default_factory=IndexOptions)
    image: str | None = None
    """The build image that the program names; None for the runtime's own."""

    @property
    def packages(self) -> dict[str, str]:
        """What a reviewer sees: name to version, or to what the lock file says where it pins none."""
        return {pin.name: pin.version or pin.specifier or _without_credentials(pin.url or "*") for pin in self.pins}

    @property
    def unlocked(self) -> tuple[Pin, ...]:
        """The pins that name no version or have no hash."""
        return tuple(pin for pin in self.pins if not (pin.pinned and pin.hashes))

    @property
    def complete(self) -> bool:
        """Whether the pins are all there is to install, so that pip has nothing to resolve.

        One hash makes a lock file: whoever locks with hashes locks everything. A list without
        any may be one that a person wrote, and leave out what its distributions need.
        """
        return any(pin.hashes for pin in self.pins)

    @property
    def reproducible(self) -> bool:
        """Whether the plan alone decides what is installed, on any day."""
        return not self.unlocked

    @property
    def secrets(self) -> tuple[str, ...]:
        """What the plan's URLs keep secret, see `url_secrets`; the longest first."""
        urls = [self.index.index_url, *self.index.extra_index_urls, *self.index.find_links, *(p.url for p in self.pins)]
        found = {secret for url in urls if url for secret in url_secrets(url)}
        return tuple(sorted(found, key=lambda secret: (-len(secret), secret)))

    def content_hash(self, recipe: int = RECIPE) -> str:
        """The hash that decides the diff, by the given recipe: `1:` and 64 hexadecimal digits.

        Recipes are kept for good: a release with a new one compares an old state by the old one.
        """
        canonical = json.dumps(_RECIPES[recipe](self), sort_keys=True, separators=(",", ":"))
        return f"{recipe}:{hashlib.sha256(canonical.encode()).hexdigest()}"

    def to_json(self) -> str:
        """The plan as text; holds the credentials of its URLs."""
        return json.dumps(asdict(self, dict_factory=_without_defaults), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> LayerPlan:
        """The plan that `to_json` wrote."""
        data = json.loads(text)
        return cls(
            target=Target(**data["target"]),
            pins=_pins(data.get("pins", ())),
            constraints=_pins(data.get("constraints", ())),
            index=IndexOptions(**_tuples(data.get("index", {}))),
            image=data.get("image"),
        )


def make_plan(lockfile: Lockfile, target: Target, *, image: str | None = None, strict: bool = False) -> LayerPlan:
    """Select the pins of a lock file for a target.

    Args:
        lockfile: What the lock file says for all targets.
        target: Where the layer runs.
        image: The build image that the program names, if it does.
        strict: Whether a pin without version or hash is an error.

    Raises:
        LockFileEmptyError: Nothing is pinned for the target.
        LockFileSyntaxError: A marker cannot be evaluated.
        LockFileConflictError: Two lines pin one distribution differently.
        NotLockedError: `strict` or the file's own `--require-hashes`, and some pin has no version or no hash.
    """
    environment = target.marker_environment()
    constraints = _merged(_selected(lockfile.constraints, environment))
    pins = _merged([_constrained(pin, constraints) for pin in _selected(lockfile.pins, environment)])
    if not pins:
        raise LockFileEmptyError(
            f"`{lockfile.label}` pins nothing for {target.runtime} on {target.architecture}",
            hint="its markers leave out every line; check them, or the runtime",
            input_name="requirements",
        )
    ordered = tuple(pins[name] for name in sorted(pins))
    plan = LayerPlan(target=target, pins=ordered, index=lockfile.index, image=image)
    if (strict or lockfile.index.require_hashes) and plan.unlocked:
        raise NotLockedError(lock_advice(plan), hint=_HOW_TO_LOCK, input_name="requirements")
    left = tuple(constraints[name] for name in sorted(constraints) if name not in pins or not pins[name].pinned)
    return plan if plan.complete else replace(plan, constraints=left)


_HOW_TO_LOCK = "uv pip compile --generate-hashes requirements.in -o requirements.txt"


def lock_advice(plan: LayerPlan) -> str:
    """Which lines are not locked, and what that means; empty where all are."""
    lines = [_unlocked_line(pin) for pin in plan.unlocked]
    if not lines:
        return ""
    shown = "\n".join(f"    {line}" for line in lines[:_SHOWN])
    more = f"\n    and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return f"{len(lines)} of {len(plan.pins)} requirements are not locked:\n{shown}{more}"


def _unlocked_line(pin: Pin) -> str:
    lacks = "has no hash" if pin.pinned else "has no version"
    return f"`{_shown(pin)}` {lacks}: {pin.where}"


def _shown(pin: Pin) -> str:
    """The requirement for messages."""
    return replace(pin, url=_without_credentials(pin.url)).requirement if pin.url else pin.requirement


def lock_warning(plan: LayerPlan) -> str:
    """`lock_advice` as a warning, with the command that locks; empty where all is locked."""
    advice = lock_advice(plan)
    return f"{advice}\nhint: {_HOW_TO_LOCK}" if advice else ""


_SHOWN = 10


def _selected(pins: Sequence[Pin], environment: Mapping[str, str]) -> list[Pin]:
    admitted = {**environment, "extra": ""}
    return [replace(pin, marker=None) for pin in pins if _admits(pin, admitted)]


def _admits(pin: Pin, environment: Mapping[str, str]) -> bool:
    try:
        return pin.marker is None or Marker(pin.marker).evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName) as error:
        raise LockFileSyntaxError(
            f"{pin.where}: the marker cannot be evaluated: `{pin.marker}`",
            detail=str(error),
            hint="compare with ==, !=, in or not in",
            input_name="requirements",
        ) from error


def _constrained(pin: Pin, constraints: Mapping[NormalizedName, Pin]) -> Pin:
    """The pin, with the version that a constraint gives it where it has none itself."""
    constraint = constraints.get(pin.name)
    if pin.pinned or constraint is None or not constraint.pinned:
        return pin
    hashes = pin.hashes or constraint.hashes
    return replace(pin, version=constraint.version, specifier=constraint.specifier, url=constraint.url, hashes=hashes)


def _merged(pins: Sequence[Pin]) -> dict[NormalizedName, Pin]:
    """One pin per distribution: pip takes a line that stands twice, and so do we."""
    merged: dict[NormalizedName, Pin] = {}
    for pin in pins:
        other = merged.setdefault(pin.name, pin)
        if (other.version, other.specifier, other.url) != (pin.version, pin.specifier, pin.url):
            raise LockFileConflictError(
                f"`{pin.name}` is asked for twice: `{_shown(other)}` at {other.where} "
                f"and `{_shown(pin)}` at {pin.where}",
                hint="keep one of them, or tell them apart with markers",
                input_name="requirements",
            )
        merged[pin.name] = replace(
            other,
            hashes=tuple(sorted({*other.hashes, *pin.hashes})),
            extras=tuple(sorted({*other.extras, *pin.extras})),
        )
    return merged


def _recipe_1(plan: LayerPlan) -> dict[str, Any]:
    """Everything that decides the bytes; what is at its default is left out, so that later options change nothing."""
    options: dict[str, Any] = {
        "image": plan.image,
        "no_binary": plan.index.no_binary,
        "only_binary": plan.index.only_binary,
        "pre": plan.index.pre,
        "prefer_binary": plan.index.prefer_binary,
        "constraints": [_recipe_1_pin(pin, resolved=True) for pin in plan.constraints],
    }
    return {
        "python": plan.target.python,
        "architecture": plan.target.architecture,
        "pins": [_recipe_1_pin(pin, resolved=not plan.complete) for pin in plan.pins],
        **{key: value for key, value in options.items() if value},
    }


def _recipe_1_pin(pin: Pin, *, resolved: bool) -> dict[str, Any]:
    # Extras only matter while pip resolves: in a complete lock what they bring has a line of its own.
    fields: dict[str, Any] = {
        "name": pin.name,
        "version": pin.version,
        "specifier": pin.specifier if not pin.pinned else None,
        "url": _without_credentials(pin.url, query=not pin.hashes) if pin.url else None,
        "hashes": pin.hashes,
        "extras": pin.extras if resolved else None,
        "config_settings": pin.config_settings,
    }
    return {key: value for key, value in fields.items() if value}


_RECIPES = {1: _recipe_1}


def _without_credentials(url: str, *, query: bool = False) -> str:
    parts = urlsplit(url)
    # Storage services put signatures into the query, which are new each day.
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query=parts.query if query else "")
    return urlunsplit(bare)


def url_secrets(url: str) -> set[str]:
    """What of a URL is nobody's business: its credentials, as they stand there and decoded, and its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return set()
    userinfo = parts.netloc.rpartition("@")[0]
    user, _, password = userinfo.partition(":")
    # A token stands alone as the user as often as it stands as the password.
    secret = password or user
    return {secret, unquote(secret), userinfo, parts.query} - {"", "git"}


def _without_defaults(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in items if value not in (None, (), "", False)}


def _tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}


def _pins(data: Sequence[Mapping[str, Any]]) -> tuple[Pin, ...]:
    return tuple(Pin(**{"version": None, **_tuples(pin)}) for pin in data)
