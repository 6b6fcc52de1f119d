"""What every lock file format is read into."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from packaging.utils import NormalizedName

# A whole commit of git or Mercurial names contents, as a hash does; a branch or a tag names what may change.
_COMMIT = re.compile(r"(?:git|hg)\+[^#]*@(?:[0-9a-f]{40}|[0-9a-f]{64})(?:#|$)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependency:
    """What a pin, or the project itself, needs: an edge of a lock file's graph."""

    name: NormalizedName
    """The distribution's normalised name (PEP 503)."""
    version: str | None = None
    """Which of several pins of that name is meant; None where the lock file has one."""
    source: str | None = None
    """The URL, folder or index that tells pins of one name and version apart; None where nothing has to."""
    among: tuple[str, ...] = ()
    """Which of several pins may be meant, each as `Pin.where` has it, the best first; empty where `version` decides."""
    extras: tuple[str, ...] = ()
    """The extras of the distribution that are needed, normalised."""
    marker: str | None = None
    """When it is needed, in terms of the target and of `extras`: those of whoever needs it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file of a distribution that the lock file names."""

    name: str
    """The file's name, which tells for what a wheel is."""
    size: int | None = None
    """Bytes; None where the format tells none."""

    @property
    def is_wheel(self) -> bool:
        """Whether the file is a wheel, not a source distribution."""
        return self.name.endswith(".whl")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """One requirement of a lock file, for every target that its marker admits."""

    name: NormalizedName
    """The distribution's normalised name (PEP 503)."""
    version: str | None
    """The version that `==` or `===` names; None where the line pins none, or names a URL."""
    specifier: str = ""
    """What stands in the file: `==2.32.3`, `>=2`, or nothing."""
    url: str | None = None
    """The direct reference (PEP 440), credentials and all, where there is one."""
    path: str | None = None
    """A folder, wheel or source distribution on this machine; relative paths start where the program is."""
    digest: str | None = None
    """SHA-256 of what is at `path`; None before it was looked at."""
    extras: tuple[str, ...] = ()
    """Normalised, sorted."""
    marker: str | None = None
    """The environment marker (PEP 508, PEP 751) as `packaging` writes it."""
    requires_python: str | None = None
    """The Pythons for which the lock file holds this pin, where it says so of a single one."""
    hashes: tuple[str, ...] = ()
    """`sha256:…`, sorted; one of them has to match."""
    files: tuple[File, ...] = ()
    """What the index had when the lock file was made; empty where the format tells none."""
    index: str | None = None
    """The simple API of the index that the lock file names, credentials and all."""
    dependencies: tuple[Dependency, ...] = ()
    """What it needs, in a lock file that is a graph."""
    virtual: bool = False
    """Whether it stands for what it needs and is not installed itself, as the project that was locked."""
    config_settings: tuple[str, ...] = ()
    """`KEY=VALUE` of pip's `--config-settings`, in the file's order."""
    where: str = ""
    """The file and line that a message names: `requirements.txt:12`."""

    @property
    def pinned(self) -> bool:
        """Whether the line names exactly one version or file."""
        return self.version is not None or self.url is not None or self.path is not None

    @property
    def locked(self) -> bool:
        """Whether the lock file decides which bytes are installed."""
        return bool(self.hashes or self.path or (self.url and _COMMIT.match(self.url))) and self.pinned

    @property
    def origin(self) -> str:
        """Where the distribution comes from, in a word: `wheel`, `sdist`, `git`, `url`, `path`, or `index`."""
        if self.path:
            return "path"
        if self.url:
            return "url" if self.url.startswith("http") else self.url.partition("+")[0]
        # Once a pin is selected its one file is the one that fits.
        return "index" if not self.files else "wheel" if self.files[0].is_wheel else "sdist"

    @property
    def requirement(self) -> str:
        """The requirement as pip takes it, without its marker."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        direct = self.url or self.path
        return f"{self.name}{extras} @ {direct}" if direct else f"{self.name}{extras}{self.specifier}"


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexOptions:
    """Where pip looks and what it takes, as a requirements file may say."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    no_index: bool = False
    pre: bool = False
    prefer_binary: bool = False
    require_hashes: bool = False
    """Whether every pin must have a hash (pip's hash-checking mode)."""
    no_binary: tuple[str, ...] = ()
    """Normalised names, or `:all:`; sorted."""
    only_binary: tuple[str, ...] = ()
    """Normalised names, or `:all:`; sorted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PythonBound:
    """The Pythons that a lock file, or the project beside it, is for."""

    specifier: str
    """`>=3.11,<3.13` (PEP 440)."""
    where: str
    """Who says so, as messages name it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedExtra:
    """An extra that all markers of a lock file see, once anybody needs it: one of several that exclude each other."""

    name: NormalizedName
    """The distribution's normalised name (PEP 503)."""
    extra: str
    known_as: str
    """What it is called in `extras`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lockfile:
    """The pins of a lock file, before any target is known."""

    label: str
    """How messages name it: the path as it was given, or `requirements`."""
    pins: tuple[Pin, ...]
    roots: tuple[Dependency, ...] | None = None
    """What is asked for, in a lock file that is a graph: the rest follows from it. None where every pin counts."""
    constraints: tuple[Pin, ...] = ()
    """Lines of `-c` files: versions that pip may take, of distributions that may not be needed."""
    index: IndexOptions = field(default_factory=IndexOptions)
    extras: tuple[str, ...] = ()
    """The selected extras, normalised: `extras` in markers."""
    groups: tuple[str, ...] = ()
    """The selected groups, normalised: `dependency_groups` in markers."""
    shared_extras: tuple[SharedExtra, ...] = ()
    """Those that exclude each other, of whatever distribution."""
    closed: bool = False
    """Whether the pins are all there is to install, hashes or none: what tools that resolve have written."""
    requires_python: tuple[PythonBound, ...] = ()
    environments: tuple[str, ...] = ()
    """Markers of which the target has to meet one; empty where the lock file is for all."""
    made_for: PythonBound | None = None
    """The Python that it was made on, where others are taken as well."""
    stale: tuple[str, ...] = ()
    """What has changed since it was made; `relock` is the next step."""
    warnings: tuple[str, ...] = ()
    """What else a person should know."""
    relock: str = "uv pip compile --generate-hashes requirements.in -o requirements.txt"
    """The command that makes it anew."""
