"""pylock.toml, the lock file of PEP 751: text in, `Lockfile` out."""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

from packaging.pylock import Package, PackageArchive, PackageSdist, PackageVcs, PackageWheel, Pylock
from packaging.pylock import PylockValidationError as InvalidPylockError
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

from python_layer_provider.errors import LockFileSyntaxError, LockFileUnsupportedError
from python_layer_provider.lockfile.direct import VCS, at_path, parsed, vcs_url, with_subdirectory
from python_layer_provider.lockfile.markers import with_extras
from python_layer_provider.lockfile.model import File, Lockfile, Pin, PythonBound
from python_layer_provider.lockfile.options import checked_url
from python_layer_provider.lockfile.problem import Problem, shown
from python_layer_provider.lockfile.source import Source
from python_layer_provider.lockfile.table import Table, load_toml

# What makes the file anew, by what made it.
_RELOCK = {
    "pdm": "pdm export -f pylock -o {}",
    "pip": "pip lock -r requirements.in -o {}",
    "pipenv": "pipenv lock",
    "poetry": "poetry export -f pylock.toml -o {}",
}
_RELOCK_UV = "uv export --format pylock.toml -o {}"
# What pip takes as a hash, the one that every tool writes first.
_HASHES = ("sha256", "sha384", "sha512")
_PACKAGE = re.compile(r"packages\[(\d+)\]")
_FILE_URL = re.compile(r"https?://[^?#;]+/([^/?#;]+)(?:[?#].*)?")
_WEB = re.compile(r"https?://", re.IGNORECASE)


def parse_pylock(source: Source) -> Lockfile:
    """Parse a pylock.toml.

    `packaging` decides what is one. Groups that are asked for add to the file's default ones.

    Raises:
        InvalidInputError: There is no such group or extra.
        LockFileSyntaxError: It breaks a rule of PEP 751.
        LockFileUnsupportedError: It has another version, or names what a layer cannot be built from.
    """
    root = load_toml(source.text, source.label)
    _check_version(root)
    lock = _validated(root)
    defaults = lock.default_groups or ()
    groups = source.selected_groups({*(lock.dependency_groups or ()), *defaults})
    bounds = [str(lock.requires_python)] if lock.requires_python else []
    return Lockfile(
        label=source.label,
        pins=tuple(
            _pin(package, f"{source.label}: packages[{number}]", source) for number, package in enumerate(lock.packages)
        ),
        extras=source.selected_extras(lock.extras or ()),
        groups=tuple(sorted({*groups, *map(canonicalize_name, defaults)})),
        closed=True,
        requires_python=tuple(PythonBound(specifier=bound, where=source.label) for bound in bounds),
        environments=tuple(str(one) for one in lock.environments or ()),
        relock=_relock(lock.created_by, source.label),
    )


def _relock(created_by: str, label: str) -> str:
    tool = re.split(r"[\s-]", created_by.lower())[0]
    return _RELOCK.get(tool, _RELOCK_UV).format(label)


# --- what packaging checks ---


def _check_version(root: Table) -> None:
    version = root.needed("lock-version")
    if version.partition(".")[0] != "1":
        raise LockFileUnsupportedError(
            f"{root.at('lock-version')} is `{shown(version)}`; 1.0 is read",
            hint="lock again with a tool that writes version 1.0",
            input_name="requirements",
        )


def _validated(root: Table) -> Pylock:
    # By PEP 751 a later 1.x only adds.
    data = {**root.data, "lock-version": "1.0"}
    if "packages" in root:
        data["packages"] = [_with_names(package) for package in root.tables("packages")]
    try:
        return Pylock.from_dict(data)
    except InvalidPylockError as error:
        at = f"{_named(error.context, root)}: " if error.context else ""
        message = f"{error.message[:1].lower()}{error.message[1:]}"
        raise LockFileSyntaxError(
            f"{root.where}: {at}{shown(message)}",
            hint="lock again: an edited or merged lock file is not what its tool has written",
            input_name="requirements",
        ) from None


def _with_names(package: Table) -> Mapping[str, object]:
    # uv leaves names to the URLs. `packaging` looks for them there anew each time, which was most of all the time,
    # and before 26.3 took `%2B` for a part of a name.
    named: dict[str, object] = {}
    if "wheels" in package:
        named["wheels"] = [_with_name(wheel.data) for wheel in package.tables("wheels")]
    if "sdist" in package:
        named["sdist"] = _with_name(package.table("sdist").data)
    return {**package.data, **named}


def _with_name(file: Mapping[str, object]) -> Mapping[str, object]:
    found = None if "name" in file or "path" in file else _FILE_URL.fullmatch(str(file.get("url")))
    return {**file, "name": unquote(found[1])} if found else file


def _named(context: str, root: Table) -> str:
    """The key that is at fault, with the name of the package that it is of."""
    found = _PACKAGE.match(context)
    name = root.tables("packages")[int(found[1])].data.get("name") if found else None
    return f"{context} (`{shown(name)}`)" if isinstance(name, str) else context


# --- packages ---


def _pin(package: Package, where: str, source: Source) -> Pin:
    return replace(
        _located(package, where, source),
        marker=_marker(package, where),
        requires_python=str(package.requires_python) if package.requires_python else None,
    )


def _marker(package: Package, where: str) -> str | None:
    try:
        return with_extras(str(package.marker)) if package.marker else None
    # What packaging has written it may not read again; its parser calls itself for each parenthesis.
    except (ValueError, RecursionError):
        what = f"{where}.marker of `{package.name}` cannot be read"
        raise LockFileSyntaxError(what, hint="lock again", input_name="requirements") from None


def _located(package: Package, where: str, source: Source) -> Pin:
    """The pin, by where its distribution is."""
    if package.vcs:
        return _repository(package, package.vcs, where)
    if package.archive:
        return _archive(package, package.archive, where, source)
    if package.directory:
        folder = os.path.join(package.directory.path, package.directory.subdirectory or "")  # noqa: PTH118
        return _local(package, folder, (), where, source)
    return _files(package, where, source)


def _repository(package: Package, vcs: PackageVcs, where: str) -> Pin:
    if vcs.type not in VCS:
        raise _unsupported(f"{where}.vcs: pip knows no `{shown(vcs.type)}`", f"it knows {', '.join(VCS)}")
    if not vcs.url:
        raise _unsupported(f"{where}.vcs: `{package.name}` is in a repository on this machine", "name its URL")
    # What stands in a repository may call itself anything: a version says less than the commit.
    return parsed(f"{package.name} @ {vcs_url(vcs.type, vcs.url, vcs.commit_id, vcs.subdirectory)}", (), where)


def _archive(package: Package, archive: PackageArchive, where: str, source: Source) -> Pin:
    hashes = (_hash(archive.hashes, where),)
    if archive.url:
        url = with_subdirectory(archive.url, archive.subdirectory)
        pin = parsed(f"{package.name} @ {url}", hashes, where)
        return replace(pin, version=pin.version or _version(package))
    if archive.subdirectory:
        raise _unsupported(f"{where}.archive: a folder within the file `{archive.path}`", "unpack it, name the folder")
    return _local(package, archive.path or "", hashes, where, source)


def _files(package: Package, where: str, source: Source) -> Pin:
    found = (*(package.wheels or ()), *((package.sdist,) if package.sdist else ()))
    files = tuple(File(name=file.filename, size=file.size) for file in found)
    hashes = tuple(_hash(file.hashes, where) for file in found)
    if package.index or all(file.url for file in found):
        version = _version(package) or _version_of(found, where)
        pin = parsed(f"{package.name}=={version}", hashes, where)
        return replace(pin, files=files, index=_index(package.index, where))
    if len(found) > 1:
        raise _unsupported(
            f"{where}: `{package.name}` has {len(found)} files, and some are only on this machine",
            "lock against an index, or leave the one wheel that fits",
        )
    return replace(_local(package, found[0].path or "", hashes, where, source), files=files)


def _local(package: Package, path: str, hashes: tuple[str, ...], where: str, source: Source) -> Pin:
    pin = at_path(package.name, source.path(path), hashes, where, source.read)
    return replace(pin, version=_version(package) or pin.version)


def _version(package: Package) -> str | None:
    return str(package.version) if package.version else None


def _version_of(files: tuple[PackageWheel | PackageSdist, ...], where: str) -> str:
    """The version that the names of files tell."""
    names = [file.filename for file in files]
    versions = {(parse_wheel_filename if name.endswith(".whl") else parse_sdist_filename)(name)[1] for name in names}
    if len(versions) > 1:
        raise _unsupported(f"{where}: files of {len(versions)} versions, and no `version`", "lock again")
    return str(versions.pop())


def _index(url: str | None, where: str) -> str | None:
    if url is None:
        return None
    if not _WEB.match(url):
        what = f"{where}.index is not an address that the build can reach: `{shown(url)}`"
        raise _unsupported(what, "lock against `https://…`")
    try:
        checked_url(url)
    except Problem as problem:
        hint = "lock again, or mend the URL"
        raise LockFileSyntaxError(
            f"{where}.index: {problem.what}: `{shown(url)}`", hint=hint, input_name="requirements"
        ) from None
    return url


def _hash(hashes: Mapping[str, str], where: str) -> str:
    kind = next((kind for kind in _HASHES if kind in hashes), None)
    if kind is None:
        raise _unsupported(
            f"{where}: no hash that pip takes, only {', '.join(f'`{shown(name)}`' for name in hashes)}",
            f"lock with one of {', '.join(_HASHES)}",
        )
    return f"{kind}:{hashes[kind]}"


def _unsupported(what: str, hint: str) -> LockFileUnsupportedError:
    return LockFileUnsupportedError(what, hint=hint, input_name="requirements")
