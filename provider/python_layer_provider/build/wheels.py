"""Wheels to tree, as `pip install --target` would leave it: the install step of the wheel format.

https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from contextlib import contextmanager
from functools import cached_property, partial
from importlib.metadata import EntryPoint
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any, cast

from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename

from python_layer_provider.errors import HostileTreeError
from python_layer_provider.target import Target
from python_layer_provider.tree import Deflated, Member, member_path

# An ELF header has 64 bytes; METADATA and WHEEL are read as far as anyone has ever written them.
_HEAD = 64
_HEADERS = 1 << 20
# What is read whole, RECORD and scripts, and all wheels of a layer: far more than any layer that Lambda takes.
_LARGEST_FILE = 64 << 20
_LARGEST_STREAM = 4 << 30
# APPNOTE.TXT of PKWARE, 4.3.7: where a local header says how long its name and extra field are.
_LOCAL = struct.Struct("<26xHH")
_ENCRYPTED = 1


class _Chunks(io.RawIOBase):
    """A file to read from, made of the chunks that an engine sends."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = memoryview(b"")
        self.size = 0
        self.end = 0
        """Where the last byte that is not zero ends."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            if self.size > _LARGEST_STREAM:
                raise tarfile.ReadError("it does not end")
            self._left = memoryview(chunk)
            filled = len(chunk.rstrip(b"\0"))
            self.end = self.size + filled if filled else self.end
            self.size += len(chunk)
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def exhaust(self) -> None:
        """Read to the end, to see what there is."""
        while self.readinto(bytearray(1 << 16)):
            pass


def unpack(chunks: Iterable[bytes], folder: Path) -> list[Path]:
    """Write the wheels in a tar stream of one folder into `folder`, and return them sorted by name.

    Raises:
        HostileTreeError: The stream holds anything but wheels, or is no tar stream.
    """
    wheels: list[Path] = []
    source = _Chunks(chunks)
    try:
        with tarfile.open(fileobj=io.BufferedReader(source, 1 << 20), mode="r|") as stream:
            for info in stream:
                if not info.isdir():
                    wheels.append(folder / _wheel_name(info))
                    with wheels[-1].open("xb") as file:
                        copyfileobj(cast("IO[bytes]", stream.extractfile(info)), file, 1 << 20)
            source.exhaust()
            # tarfile takes what it cannot read for the end: the real one is two blocks of zeros and nothing else.
            if source.end > stream.offset or source.size < stream.offset + 2 * tarfile.BLOCKSIZE:
                raise tarfile.ReadError("it breaks off")
    except (tarfile.TarError, FileExistsError) as error:
        raise HostileTreeError(f"The container handed out no readable tar stream: {error}") from error
    return sorted(wheels)


def _wheel_name(info: tarfile.TarInfo) -> str:
    name = info.name.rpartition("/")[2]
    try:
        parse_wheel_filename(name)
    except InvalidWheelFilename as error:
        raise HostileTreeError(f"The container handed out something else than wheels: {info.name!r}") from error
    if not info.isreg():
        raise HostileTreeError(f"The container handed out a link or device where a wheel belongs: {info.name!r}")
    return name


def tree(wheels: Sequence[Path], target: Target, requested: Collection[NormalizedName]) -> Iterator[Member]:
    """The files that installing the wheels leaves, as pip leaves them.

    Differs from `pip install --target` where that depends on the machine it runs on: scripts
    name Lambda's interpreter instead of the image's, RECORD names scripts where they are, and nothing is byte-compiled.

    Args:
        wheels: Sorted; where two of them have the same file, the later one's counts, as with pip.
        target: Where the layer runs.
        requested: The distributions that are asked for by name, which pip marks with REQUESTED.

    Raises:
        HostileTreeError: A wheel holds what no installer would unpack, or is broken.
    """
    for path in wheels:
        with _broken_is_hostile(path.name), zipfile.ZipFile(path) as archive:
            wheel = _Wheel(path, archive, target)
            yield from wheel.members(requested=wheel.name in requested)


class _CaseSensitive(ConfigParser):
    """ConfigParser for entry points: names keep their case."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


class _Wheel:
    """One wheel on its way into the tree."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, target: Target) -> None:
        self.label = path.name
        self.name: NormalizedName = parse_wheel_filename(path.name)[0]
        self._path = path
        self._zip = archive
        self._target = target
        self._infos = [info for info in archive.infolist() if not info.is_dir()]

    def members(self, *, requested: bool) -> Iterator[Member]:
        """What the wheel's files become, then what an installer adds to them."""
        record = _Record(self._rows())
        for info in self._infos:
            place = self._place(info.filename)
            if place is None or info.filename == self._record_path or "__pycache__" in place:
                # Bytecode holds time and path of its compilation; the runtime's own is made for its own paths.
                continue
            member = self._member(info, "/".join(place))
            record.keep(info.filename, member, changed=self._is_script(info.filename))
            yield member
        for name, content, executable in self._added(requested=requested):
            member = self._made(name, content, executable=executable)
            record.add(member)
            yield member
        yield self._made(self._record_path, record.text(self._record_path), executable=False)

    @cached_property
    def _dist_info(self) -> str:
        roots = {info.filename.partition("/")[0] for info in self._infos}
        found = [root for root in roots if root.endswith(".dist-info") and _distribution(root) == self.name]
        if len(found) != 1:
            raise HostileTreeError(f"`{self.label}` is no wheel: it has {len(found)} fitting .dist-info folders")
        return found[0]

    @cached_property
    def _headers(self) -> set[str]:
        return {f"{self._dist_info}/METADATA", f"{self._dist_info}/WHEEL"}

    @property
    def _record_path(self) -> str:
        return f"{self._dist_info}/RECORD"

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        """The scripts to generate: name to what each calls."""
        parser = _CaseSensitive(delimiters=("=",), strict=False, interpolation=None)
        try:
            parser.read_string(self._read(f"{self._dist_info}/entry_points.txt").decode())
        except KeyError:
            return {}
        return {
            name: EntryPoint(name, value, group)
            for group in ("console_scripts", "gui_scripts")
            if parser.has_section(group)
            for name, value in parser.items(group)
        }

    def _rows(self) -> list[list[str]]:
        return list(csv.reader(io.StringIO(self._read(self._record_path).decode(), newline="")))

    def _place(self, name: str) -> list[str] | None:
        """Where pip puts a file of the wheel, below the target folder; None for what it leaves out."""
        data = self._dist_info.removesuffix(".dist-info") + ".data"
        root, *rest = name.split("/")
        if root != data or len(rest) < 2:  # noqa: PLR2004 (NAME.data/SCHEME/FILE)
            return [root, *rest]
        scheme, *inner = rest
        if scheme == "scripts":
            return None if _wrapped(inner[-1]) in self._entry_points else ["bin", *inner]
        if scheme == "headers":
            return ["include", "python", self.name, *inner]
        if scheme in {"purelib", "platlib", "data"}:
            return inner
        raise HostileTreeError(f"`{self.label}` has a file in the unknown scheme `{scheme}`: `{name}`")

    def _is_script(self, name: str) -> bool:
        return name.split("/")[1:2] == ["scripts"] and name.partition("/")[0].endswith(".data")

    def _member(self, info: zipfile.ZipInfo, place: str) -> Member:
        if stat.S_ISLNK(info.external_attr >> 16) or info.flag_bits & _ENCRYPTED:
            raise HostileTreeError(f"`{self.label}` has a link or an encrypted file: `{info.filename}`")
        if self._is_script(info.filename):
            return self._made(place, self._with_interpreter(self._read(info.filename)), executable=_executable(info))
        copied = info.compress_type == zipfile.ZIP_DEFLATED and info.file_size
        return Member(
            path=member_path(place, self.label),
            size=info.file_size,
            executable=_executable(info),
            origin=self.label,
            head=self._head(info, _HEADERS if info.filename in self._headers else _HEAD),
            content=partial(_inflated, self._path, info),
            deflated=Deflated(crc=info.CRC, read=partial(_stream, self._path, info)) if copied else None,
        )

    def _made(self, place: str, content: bytes, *, executable: bool) -> Member:
        return Member(
            path=member_path(place, self.label),
            size=len(content),
            executable=executable,
            origin=self.label,
            head=content,
            content=lambda: content,
        )

    def _read(self, name: str) -> bytes:
        """A file that is needed whole."""
        if self._zip.getinfo(name).file_size > _LARGEST_FILE:
            raise HostileTreeError(f"`{self.label}` has a file that is larger than it can be: `{name}`")
        return self._zip.read(name)

    def _head(self, info: zipfile.ZipInfo, size: int) -> bytes:
        with self._zip.open(info) as file:
            return file.read(size)

    def _with_interpreter(self, script: bytes) -> bytes:
        first, newline, rest = script.partition(b"\n")
        return self._shebang.encode() + newline + rest if first.startswith(b"#!python") else script

    @property
    def _shebang(self) -> str:
        # Where the runtime has its interpreter, in Lambda and in its images.
        return f"#!/var/lang/bin/python{self._target.python}"

    def _added(self, *, requested: bool) -> Iterator[tuple[str, bytes, bool]]:
        """What an installer adds: name, content, executable."""
        for name, entry in sorted(self._entry_points.items()):
            yield f"bin/{name}", self._script(entry).encode(), True
        yield f"{self._dist_info}/INSTALLER", b"pip\n", False
        if requested:
            yield f"{self._dist_info}/REQUESTED", b"", False

    def _script(self, entry: EntryPoint) -> str:
        if not entry.pattern.match(entry.value) or not entry.attr:
            raise HostileTreeError(f"`{self.label}` has an entry point that calls nothing: `{entry.name}`")
        return (
            f"{self._shebang}\n"
            "import sys\n"
            f"from {entry.module} import {entry.attr.partition('.')[0]}\n"
            'if __name__ == "__main__":\n'
            f"    sys.exit({entry.attr}())\n"
        )


class _Record:
    """RECORD as an installer leaves it: https://packaging.python.org/en/latest/specifications/recording-installed-packages/."""

    def __init__(self, rows: Iterable[Sequence[str]]) -> None:
        self._hashes = {row[0]: (row[1], row[2]) for row in rows if len(row) == 3}  # noqa: PLR2004 (path, hash, size)
        self._rows: list[tuple[str, str, str]] = []

    def keep(self, name: str, member: Member, *, changed: bool) -> None:
        """Take over a file's row, under the place where it is now."""
        if changed:
            self.add(member)
        else:
            self._rows.append((_below(member), *self._hashes.get(name, ("", ""))))

    def add(self, member: Member) -> None:
        """Write a row for a file that the wheel does not have so."""
        digest = base64.urlsafe_b64encode(hashlib.sha256(member.content()).digest()).decode().rstrip("=")
        self._rows.append((_below(member), f"sha256={digest}", str(member.size)))

    def text(self, own: str) -> bytes:
        """The file's contents."""
        file = io.StringIO()
        csv.writer(file).writerows(sorted([*self._rows, (own, "", "")]))
        return file.getvalue().encode()


# A wheel is closed before its files are read: a layer may have more wheels than a process may have open files.
def _stream(path: Path, info: zipfile.ZipInfo) -> bytes:
    """The deflated bytes of a file, as they lie in the wheel."""
    with path.open("rb") as file:
        file.seek(info.header_offset)
        names, extra = _LOCAL.unpack(file.read(_LOCAL.size))
        file.seek(names + extra, os.SEEK_CUR)
        return file.read(info.compress_size)


def _inflated(path: Path, info: zipfile.ZipInfo) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(info)


@contextmanager
def _broken_is_hostile(label: str) -> Iterator[None]:
    """Every way in which a wheel can be broken as one error of ours."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, csv.Error, ConfigError, struct.error) as error:
        raise HostileTreeError(f"`{label}` is broken: {error}") from error
    except (KeyError, ValueError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        # zipfile's answers to missing files, impossible offsets, names that are no text, features it does not have.
        raise HostileTreeError(f"`{label}` is no wheel that can be installed: {error}") from error


def _below(member: Member) -> str:
    return member.path.removeprefix("python/")


def _distribution(dist_info: str) -> NormalizedName:
    return canonicalize_name(dist_info.removesuffix(".dist-info").rpartition("-")[0])


def _executable(info: zipfile.ZipInfo) -> bool:
    mode = info.external_attr >> 16
    return stat.S_ISREG(mode) and bool(mode & 0o111)


def _wrapped(name: str) -> str:
    """The entry point of which a script is the wrapper that setuptools once put into wheels."""
    for suffix in (".exe", "-script.py", ".pya"):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
