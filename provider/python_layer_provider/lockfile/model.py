"""What every lock file format is read into."""

from __future__ import annotations

from dataclasses import dataclass, field

from packaging.utils import NormalizedName


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
    extras: tuple[str, ...] = ()
    """Normalised, sorted."""
    marker: str | None = None
    """The environment marker (PEP 508) as `packaging` writes it."""
    hashes: tuple[str, ...] = ()
    """`sha256:…`, sorted; one of them has to match."""
    config_settings: tuple[str, ...] = ()
    """`KEY=VALUE` of pip's `--config-settings`, in the file's order."""
    where: str = ""
    """The file and line that a message names: `requirements.txt:12`."""

    @property
    def pinned(self) -> bool:
        """Whether the line names exactly one version or file."""
        return self.version is not None or self.url is not None

    @property
    def requirement(self) -> str:
        """The requirement as pip takes it, without its marker."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras} @ {self.url}" if self.url else f"{self.name}{extras}{self.specifier}"


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
class Lockfile:
    """The pins of a lock file, before any target is known."""

    label: str
    """How messages name it: the path as it was given, or `requirements`."""
    pins: tuple[Pin, ...]
    constraints: tuple[Pin, ...] = ()
    """Lines of `-c` files: versions that pip may take, of distributions that may not be needed."""
    index: IndexOptions = field(default_factory=IndexOptions)
