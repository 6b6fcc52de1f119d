"""A finished layer's zip, read back: what is in it, and what of Lambda's limits it leaves."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from python_layer_provider.errors import ArchiveError


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """An installed distribution."""

    name: NormalizedName
    version: str
    size: int
    """Bytes of its files, unzipped."""
    zipped_size: int
    """Bytes of its files in the zip."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What is in a layer's zip."""

    zipped_size: int
    unpacked_size: int
    packages: tuple[Package, ...]
    """The largest first."""
    files: tuple[tuple[str, int], ...]
    """Path and bytes, the largest first."""


def read_contents(path: Path) -> Contents:
    """Read a layer's zip; nothing is unpacked.

    Raises:
        ArchiveError: It is no zip, or none of a Python layer.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename: info for info in archive.infolist() if not info.is_dir()}
            packages = [_package(archive, infos, record) for record in infos if record.endswith(".dist-info/RECORD")]
    except FileNotFoundError as error:
        raise ArchiveError(f"There is no file `{path}`", hint="pulumi-python-layer build --output layer.zip") from error
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise ArchiveError(f"`{path}` is no zip that can be read: {error}") from error
    if not any(name.startswith("python/") for name in infos):
        raise ArchiveError(f"`{path}` is no Python layer", hint="Lambda finds packages below `python/` in the zip")
    return Contents(
        zipped_size=path.stat().st_size,
        unpacked_size=sum(info.file_size for info in infos.values()),
        packages=tuple(sorted(packages, key=lambda package: (-package.size, package.name))),
        files=tuple(sorted(((info.filename, info.file_size) for info in infos.values()), key=lambda f: (-f[1], f[0]))),
    )


def size_table(path: Path, count: int = 8) -> str:
    """The largest distributions of a layer's zip, a line each, in MB; empty where there is no zip to look into."""
    try:
        packages = read_contents(path).packages
    except ArchiveError:
        return ""
    rows = [f"{each.size / 1e6:8.1f} MB {each.zipped_size / 1e6:8.1f} MB  {each.name}" for each in packages[:count]]
    return "\n".join([f"{'unzipped':>11} {'zipped':>11}", *rows])


def _package(archive: zipfile.ZipFile, infos: dict[str, zipfile.ZipInfo], record: str) -> Package:
    root, _, dist_info = record.removesuffix("/RECORD").rpartition("/")
    name, _, version = dist_info.removesuffix(".dist-info").partition("-")
    files = [infos[file] for file in _files(archive.read(record).decode(), root) if file in infos]
    return Package(
        name=canonicalize_name(name),
        version=version,
        size=sum(info.file_size for info in files),
        zipped_size=sum(info.compress_size for info in files),
    )


def _files(record: str, root: str) -> Iterator[str]:
    # pip names scripts of a --target folder as ../../bin/…, where they are not.
    for row in csv.reader(io.StringIO(record, newline="")):
        if row:
            yield f"{root}/{row[0].removeprefix('../../')}"
