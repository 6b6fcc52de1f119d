"""Lock file and target to plan: what will be installed, and the content hash that decides the diff."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from python_layer_provider.errors import LockFileEmptyError, LockFileStaleError, NotLockedError
from python_layer_provider.lockfile import File, IndexOptions, Lockfile, Pin
from python_layer_provider.lockfile.problem import masked
from python_layer_provider.runtime_packages import runtime_packages
from python_layer_provider.selection import admits, select
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
    omitted: tuple[Pin, ...] = ()
    """What the runtime has anyway, and the program does not want in the layer."""
    closed: bool = False
    """Whether the lock file holds all that there is to install, hashes or none."""
    base: str | None = None
    """Where relative paths of pins start; None before path dependencies were looked at."""

    @property
    def packages(self) -> dict[str, str]:
        """What a reviewer sees: name to version, or to what the lock file says where it pins none.

        A path dependency shows the beginning of its digest as well: its contents may change while its version does not.
        """
        return {pin.name: _shown_version(pin) for pin in self.pins}

    @property
    def download_size(self) -> int | None:
        """Bytes of the files that fit best, where the lock file tells all their sizes."""
        sizes = [file.size for pin in self.pins for file in pin.files]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(self.pins) else None

    @property
    def unlocked(self) -> tuple[Pin, ...]:
        """The pins that leave open which bytes are installed."""
        return tuple(pin for pin in self.pins if not pin.locked)

    @property
    def complete(self) -> bool:
        """Whether the pins are all there is to install, so that pip has nothing to resolve.

        Tools that resolve write down all. In a requirements file one hash makes a lock file: whoever
        locks with hashes locks everything. A list without any may be one that a person wrote, and
        leave out what its distributions need.
        """
        return self.closed or any(pin.hashes for pin in self.pins)

    @property
    def reproducible(self) -> bool:
        """Whether the plan alone decides what is installed, on any day."""
        return not self.unlocked

    @property
    def indexes(self) -> tuple[str, ...]:
        """The indexes that the lock file names for its pins, in their order."""
        return tuple(dict.fromkeys(pin.index for pin in self.pins if pin.index))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What the plan's URLs keep secret, see `url_secrets`; the longest first."""
        index = self.index
        urls = [index.index_url, *index.extra_index_urls, *index.find_links, *self.indexes, *(p.url for p in self.pins)]
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
            omitted=_pins(data.get("omitted", ())),
            closed=data.get("closed", False),
            base=data.get("base"),
        )


def make_plan(
    lockfile: Lockfile,
    target: Target,
    *,
    image: str | None = None,
    strict: bool = False,
    omit_runtime_packages: bool = False,
) -> LayerPlan:
    """Select the pins of a lock file for a target.

    Args:
        lockfile: What the lock file says for all targets.
        target: Where the layer runs.
        image: The build image that the program names, if it does.
        strict: Whether a pin that is not locked is an error, and a lock file older than its project.
        omit_runtime_packages: Whether what Lambda's runtime has anyway is left out.

    Raises:
        LockFileEmptyError: Nothing is pinned for the target.
        LockFileSyntaxError: A marker cannot be evaluated.
        LockFileTargetError: The lock file is not for the target, or a pin has no file that fits it.
        LockFileConflictError: Two lines pin one distribution differently.
        LockFileStaleError: `strict`, and the project has changed since the lock file was made.
        NotLockedError: `strict` or the file's own `--require-hashes`, and some pin has no version or no hash.
    """
    omit = runtime_packages(target) if omit_runtime_packages else frozenset()
    selection = select(lockfile, target, omit)
    pins, constraints = selection.pins, selection.constraints
    if not pins:
        raise _nothing_pinned(lockfile, target, omitted=bool(selection.omitted))
    if strict and lockfile.stale:
        raise LockFileStaleError("; ".join(lockfile.stale), hint=lockfile.relock, input_name="requirements")
    plan = LayerPlan(
        target=target,
        pins=tuple(pins[name] for name in sorted(pins)),
        omitted=tuple(selection.omitted[name] for name in sorted(selection.omitted)),
        index=lockfile.index,
        image=image,
        closed=lockfile.closed,
    )
    if (strict and plan.unlocked) or (lockfile.index.require_hashes and not all(pin.hashes for pin in plan.pins)):
        raise NotLockedError(lock_advice(plan), hint=_how_to_lock(lockfile, plan), input_name="requirements")
    left = tuple(constraints[name] for name in sorted(constraints) if name not in pins or not pins[name].pinned)
    return plan if plan.complete else replace(plan, constraints=left)


def _nothing_pinned(lockfile: Lockfile, target: Target, *, omitted: bool) -> LockFileEmptyError:
    hint = "its markers leave out every line; check them, or the runtime"
    if omitted:
        hint = "the runtime has all of it: no layer is needed, or set omit_runtime_packages=False"
    return LockFileEmptyError(
        f"`{lockfile.label}` pins nothing for {target.runtime} on {target.architecture}",
        hint=hint,
        input_name="requirements",
    )


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
    return f"`{masked(pin.requirement)}` {lacks}: {pin.where}"


def lock_warnings(lockfile: Lockfile, plan: LayerPlan) -> list[str]:
    """What a person should know of a lock file and what is planned from it, each with its hint where there is one."""
    stale = [f"{what}\nhint: {lockfile.relock}" for what in lockfile.stale]
    advice = lock_advice(plan)
    unlocked = [f"{advice}\nhint: {_how_to_lock(lockfile, plan)}"] if advice else []
    return [*stale, *unlocked, *lockfile.warnings, *_other_python(lockfile, plan.target)]


def _how_to_lock(lockfile: Lockfile, plan: LayerPlan) -> str:
    if lockfile.closed and all(pin.url for pin in plan.unlocked):
        # Its tool has locked all that it can.
        return "end the URL in a whole commit, `@<commit>`, or in the file's hash, `#sha256=…`"
    return lockfile.relock


def _other_python(lockfile: Lockfile, target: Target) -> list[str]:
    made_for = lockfile.made_for
    if made_for is None or admits(made_for.specifier, target, made_for.where):
        return []
    python = made_for.specifier.removeprefix("==").removesuffix(".*")
    return [f"`{lockfile.label}` was made for Python {python}, and may lack what Python {target.python} needs"]


_SHOWN = 10


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
        # What is at a path is known by its contents; not every format tells the version beside them.
        "version": None if pin.path else pin.version,
        "digest": pin.digest,
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
    return tuple(_pin(pin) for pin in data)


def _pin(data: Mapping[str, Any]) -> Pin:
    files = tuple(File(**file) for file in data.get("files", ()))
    return Pin(**{"version": None, **_tuples(data), "files": files})


def _shown_version(pin: Pin) -> str:
    if pin.path:
        return f"{pin.version or PurePath(pin.path).name} ({(pin.digest or '')[:_DIGITS]})"
    return pin.version or pin.specifier or _without_credentials(pin.url or "*")


_DIGITS = 8
