"""Pipfile.lock, pipenv's own format: text in, `Lockfile` out."""

from __future__ import annotations

import hashlib
import json
import os.path
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from packaging.utils import NormalizedName, canonicalize_name

from python_layer_provider.errors import LockFileUnsupportedError
from python_layer_provider.lockfile.direct import VCS, at_path, parsed, vcs_url, with_subdirectory
from python_layer_provider.lockfile.markers import both
from python_layer_provider.lockfile.model import IndexOptions, Lockfile, Pin, PythonBound
from python_layer_provider.lockfile.options import checked_url
from python_layer_provider.lockfile.problem import Problem, shown
from python_layer_provider.lockfile.source import Source
from python_layer_provider.lockfile.table import Table, load_json, load_toml

_SPEC = 6
_RELOCK = "pipenv lock"
_MAIN, _DEVELOP = "default", "develop"
# The Pipfile says `dev-packages`, the command line `--dev`, the lock file `develop`.
_DEVELOP_ALIASES = ("dev", "dev-packages")
# Environment markers as keys, each with an operator and a value: `sys_platform = "== 'win32'"`.
_MARKER_KEYS = (
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_full_version",
    "python_version",
    "sys_platform",
)
_SHORT_VERSION = re.compile(r"\d+(?:\.\d+)?")
_SPECIFIER = re.compile(r"\s*[=<>!~][^@;\[]*")
_WEB = re.compile(r"https?://", re.IGNORECASE)


def parse_pipfile(source: Source) -> Lockfile:
    """Parse a Pipfile.lock.

    The pins are those of `default` and of the categories that are asked for. Only sources that one of
    them comes from have to have their environment variables set.

    Raises:
        InvalidInputError: There is no such category; or extras are asked for.
        LockFileSyntaxError: It is not what pipenv writes, or an environment variable is not set.
        LockFileUnsupportedError: It has another version of the format, or names what a layer cannot be built from.
    """
    root = load_json(source.text, source.label)
    meta = root.table("_meta")
    _check_format(meta)
    source.selected_extras(())
    entries = [entry for category in _categories(root, source) for entry in root.table(category).items()]
    indexes = _Indexes(meta.tables("sources"), source.environ)
    pins = tuple(_pin(name, entry, indexes, source) for name, entry in entries)
    extra = () if any("index" in entry for _, entry in entries) else indexes.others()
    return Lockfile(
        label=source.label,
        pins=pins,
        index=IndexOptions(extra_index_urls=extra, trusted_hosts=tuple(indexes.trusted)),
        closed=True,
        made_for=_made_for(meta),
        stale=tuple(_staleness(meta, source)),
        relock=_RELOCK,
    )


def _check_format(meta: Table) -> None:
    spec = meta.number("pipfile-spec")
    if spec not in (None, _SPEC):
        raise LockFileUnsupportedError(
            f"{meta.at('pipfile-spec')} is {spec}; {_SPEC} is read",
            hint=f"lock again with a current pipenv: {_RELOCK}",
            input_name="requirements",
        )


def _made_for(meta: Table) -> PythonBound | None:
    """The Python that the Pipfile requires; pipenv installs on others, with a warning."""
    requires = meta.table("requires")
    version = requires.text("python_version") or requires.text("python_full_version") or ""
    found = _SHORT_VERSION.match(version)
    return PythonBound(specifier=f"=={found[0]}.*", where=requires.where) if found else None


def _categories(root: Table, source: Source) -> list[str]:
    """The keys of `default` and of the categories that are asked for."""
    keys = {canonicalize_name(key): key for key in root.data if key not in ("_meta", _MAIN)}
    asked = tuple(_category(name, keys) for name in source.groups)
    selected = replace(source, groups=asked).selected_groups(keys.values())
    return [_MAIN, *(keys[canonicalize_name(name)] for name in selected)]


def _category(name: str, keys: Mapping[NormalizedName, str]) -> str:
    other = canonicalize_name(name) not in keys and name in _DEVELOP_ALIASES
    return _DEVELOP if other else name


# --- sources ---


@dataclass(slots=True)
class _Indexes:
    """The sources of a Pipfile.lock, looked at when a pin comes from them."""

    sources: list[Table]
    environ: Mapping[str, str]
    trusted: dict[str, None] = field(default_factory=dict)
    """Hosts of which no certificate is wanted."""
    _urls: dict[str, str] = field(default_factory=dict)

    def of(self, entry: Table) -> str | None:
        """The URL of the source that an entry comes from: the one it names, else the first."""
        name = entry.text("index")
        if name is not None:
            return self._url(self._named(name, entry))
        return self._url(self.sources[0]) if self.sources else None

    def others(self) -> tuple[str, ...]:
        """The URLs of all sources but the first: where no pin names one, an old pipenv has looked in all of them."""
        return tuple(self._url(source) for source in self.sources[1:])

    def _named(self, name: str, entry: Table) -> Table:
        found = next((source for source in self.sources if name in (source.text("name"), source.text("url"))), None)
        if found is None:
            names = ", ".join(shown(source.text("name") or "") for source in self.sources)
            entry.fail(f"comes from `{shown(name)}`, which is none of the sources: {names}")
        return found

    def _url(self, source: Table) -> str:
        if source.where not in self._urls:
            self._urls[source.where] = url = _index_url(source, self.environ)
            if "verify_ssl" in source and not source.flag("verify_ssl"):
                self.trusted[urlsplit(url).netloc.rpartition("@")[2]] = None
        return self._urls[source.where]


def _index_url(source: Table, environ: Mapping[str, str]) -> str:
    raw = _braced(source.needed("url"))
    url = _expanded(raw, source, environ)
    try:
        checked_url(url)
    except Problem:
        source.fail(f"has a `url` that is none: `{shown(raw)}`")
    if not _WEB.match(url):
        raise LockFileUnsupportedError(
            f"{source.at('url')} is not an address that the build can reach: `{shown(raw)}`",
            hint="name an index by `https://…` in the Pipfile, and lock again",
            input_name="requirements",
        )
    return url


_VARIABLE = re.compile(r"'?\$\{([^}]+)\}'?")
_BARE_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


def _braced(text: str) -> str:
    """Every variable as `${NAME}`, by which messages know what is secret."""
    return _BARE_VARIABLE.sub(r"${\1}", text)


def _expanded(raw: str, table: Table, environ: Mapping[str, str]) -> str:
    """A URL with what its variables stand for, encoded where it is a part of the credentials."""
    credentials, at, rest = raw.rpartition("@")

    def value(found: re.Match[str]) -> str:
        known = environ.get(found[1])
        if not known:
            what = f"names the environment variable `{found[1]}`, which is not set"
            table.fail(what, hint=f"export {found[1]}=…")
        return known

    def encoded(found: re.Match[str]) -> str:
        # A value that is encoded already, or holds both parts, stays as it is.
        return quote(value(found), safe="%:!$&'()*+,;=")

    if "/" in credentials.partition("://")[2]:
        return _VARIABLE.sub(value, raw)
    return f"{_VARIABLE.sub(encoded, credentials)}{at}{_VARIABLE.sub(value, rest)}"


# --- entries ---


def _pin(key: str, entry: Table, indexes: _Indexes, source: Source) -> Pin:
    name = entry.normal_name(key)
    pin = _direct(name, entry, source) or _registry_pin(name, entry, indexes)
    extras = {entry.normal_name(extra) for extra in entry.texts("extras")}
    return replace(pin, extras=tuple(sorted(extras)), marker=_marker(entry))


def _registry_pin(name: NormalizedName, entry: Table, indexes: _Indexes) -> Pin:
    version = entry.text("version") or "*"
    if version != "*" and not _SPECIFIER.fullmatch(version):
        entry.fail(f"has a `version` that is none: `{shown(version)}`", hint='"version": "==1.0"')
    pin = parsed(f"{name}{'' if version == '*' else version}", entry.texts("hashes"), entry.where)
    return replace(pin, index=indexes.of(entry))


def _direct(name: NormalizedName, entry: Table, source: Source) -> Pin | None:
    """The pin of an entry that names a repository, a file or a folder."""
    for vcs in VCS:
        if (repository := entry.text(vcs)) is not None:
            # No hash of a repository could be checked.
            url = vcs_url(vcs, repository, entry.text("ref"), entry.text("subdirectory"))
            return _url_pin(name, url, (), entry, source)
    for key in ("file", "path"):
        if (place := entry.text(key)) is not None:
            return _placed(name, place, entry, source)
    return None


def _placed(name: NormalizedName, place: str, entry: Table, source: Source) -> Pin:
    hashes = entry.texts("hashes")
    if _WEB.match(place):
        return _url_pin(name, with_subdirectory(place, entry.text("subdirectory")), hashes, entry, source)
    if place.startswith("file:"):
        return at_path(name, with_subdirectory(place, entry.text("subdirectory")), hashes, entry.where, source.read)
    folder = os.path.join(place, entry.text("subdirectory") or "")  # noqa: PTH118
    return at_path(name, source.path(folder), hashes, entry.where, source.read)


def _url_pin(name: NormalizedName, url: str, hashes: tuple[str, ...], entry: Table, source: Source) -> Pin:
    raw = _braced(url)
    expanded = _expanded(raw, entry, source.environ)
    return parsed(f"{name} @ {expanded}", hashes, entry.where, raw=f"{name} @ {raw}")


def _marker(entry: Table) -> str | None:
    keyed = [f"{key} {value}" for key in _MARKER_KEYS if (value := entry.text(key))]
    return both(
        *(entry.normal_marker(text) for text in (entry.text("markers"), entry.text("os_markers"), *keyed) if text)
    )


# --- the Pipfile beside it ---

_NO_CATEGORIES = frozenset(
    {"source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv", _MAIN, _DEVELOP}
)


def _staleness(meta: Table, source: Source) -> Iterator[str]:
    """The warning that the Pipfile is not the one that was locked."""
    lock = os.path.basename(source.label)  # noqa: PTH119
    name = lock.removesuffix(".lock") if lock.endswith(".lock") else "Pipfile"
    locked = meta.table("hash").text("sha256")
    text = source.neighbour(name) if locked else None
    if text is None:
        return
    pipfile = load_toml(text, source.path(name)).data
    if locked not in _pipfile_hashes(pipfile, meta.data.get("sources", [])):
        yield f"`{source.path(name)}` has changed since `{source.label}` was made"


def _pipfile_hashes(pipfile: Mapping[str, Any], sources: object) -> set[str]:
    """The hashes that pipenv may have written for a Pipfile.

    There are three: before 2022 of the two first categories alone, since then of all, and lately with names normalised.
    """
    head = {
        # Without sources in it pipenv puts its own there, which the lock file has.
        "_meta": {"sources": pipfile.get("source", sources), "requires": pipfile.get("requires", {})},
        _MAIN: pipfile.get("packages", {}),
        _DEVELOP: pipfile.get("dev-packages", {}),
    }
    custom = {key: value for key, value in pipfile.items() if key not in _NO_CATEGORIES}
    categories = {**head, **custom}
    normalised = {key: value if key == "_meta" else _normalised(value) for key, value in categories.items()}
    return {_hash(content) for content in (head, categories, normalised)}


def _normalised(category: object) -> object:
    return (
        {canonicalize_name(key): value for key, value in category.items()} if isinstance(category, dict) else category
    )


def _hash(content: Mapping[str, object]) -> str:
    # TOML has dates, which are in no Pipfile that pipenv takes.
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
