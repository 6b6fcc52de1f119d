"""Tree to zip, deterministic: the same members give the same bytes, whenever, wherever and in whatever order."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import tempfile
import zipfile
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from python_layer_provider.errors import HostileTreeError
from python_layer_provider.tree import Deflated, Member

# APPNOTE.TXT of PKWARE, 4.3.7, 4.3.12 and 4.3.16.
_LOCAL = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_END = struct.Struct("<4sHHHHLLH")
_VERSION = 20
_MADE_BY_UNIX = (3 << 8) | _VERSION
_UTF8 = 1 << 11
_DEFLATED = 8
_STORED = 0
# 1980-01-01 00:00, the first moment that a zip can tell.
_TIME = 0
_DATE = (1 << 5) | 1
_FILE = 0o100000
_LEVEL = 6
# Members under way: enough to keep all workers busy, few enough to stay small in memory.
_AHEAD = 8
# What is inflated at a time: a file may be a hundred times its deflated size.
_BLOCK = 1 << 18


@dataclass(frozen=True, kw_only=True, slots=True)
class Zip:
    """A finished zip."""

    path: Path
    code_sha256: str
    """SHA-256 of the file in base64, as Lambda's `CodeSha256`."""
    size: int
    """Bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerArchive:
    """A layer that is built and verified."""

    zip: Zip
    unpacked_size: int
    """Bytes, unzipped."""
    packages: dict[str, str]
    """The distributions in it: name to version."""
    image_digest: str
    """The digest of the image in which pip ran."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Piece:
    """A member as it goes into the zip."""

    member: Member
    crc: int
    stream: bytes


def write_archive(members: Iterable[Member], path: Path) -> Zip:
    """Write the members to a zip at `path`, sorted by name, all dated 1980-01-01, 644 or 755, in one pass.

    What a wheel has deflated already is copied as it is, after a look at whether it inflates to what the
    wheel says.

    Args:
        members: Each with a path of its own; see `tree.unique`.
        path: Where the zip appears, whole or not at all.

    Raises:
        HostileTreeError: A member is not what its wheel says.
    """
    ordered = sorted(members, key=lambda member: member.path.encode())
    digest, size = hashlib.sha256(), 0
    with _new(path) as file, closing(_pieces(ordered)) as pieces:
        for chunk in _zip(pieces):
            digest.update(chunk)
            size += file.write(chunk)
    return Zip(path=path, code_sha256=base64.b64encode(digest.digest()).decode(), size=size)


def read_members(path: Path, prefix: str = "") -> Iterator[Member]:
    """The files below a prefix of a zip that `write_archive` has made, without the prefix, ready for another one.

    Args:
        path: The zip; it has to stay while the members are used.
        prefix: A folder with its slash at the end; what is elsewhere is left out.
    """
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.filename.startswith(prefix):
                yield _member(path, info, info.filename.removeprefix(prefix))


def _member(path: Path, info: zipfile.ZipInfo, name: str) -> Member:
    start = info.header_offset + _LOCAL.size + len(info.filename.encode())

    def stream() -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(info.compress_size)

    return Member(
        path=name,
        size=info.file_size,
        executable=bool(info.external_attr >> 16 & 0o100),
        origin=path.name,
        head=b"",
        content=lambda: zlib.decompress(stream(), -zlib.MAX_WBITS) if info.file_size else b"",
        deflated=Deflated(crc=info.CRC, read=stream) if info.file_size else None,
    )


@contextmanager
def _new(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears at `path` whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _pieces(members: Iterable[Member]) -> Generator[_Piece, None, None]:
    """The members in their order, made ready ahead of time by as many threads as there are processors."""
    under_way: deque[Future[_Piece]] = deque()
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        try:
            for member in members:
                under_way.append(workers.submit(_piece, member))
                if len(under_way) > _AHEAD:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            workers.shutdown(cancel_futures=True)


def _piece(member: Member) -> _Piece:
    if member.deflated:
        stream = member.deflated.read()
        _check(member, stream, member.deflated.crc)
        return _Piece(member=member, crc=member.deflated.crc, stream=stream)
    content = member.content()
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    stream = deflater.compress(content) + deflater.flush() if content else b""
    return _Piece(member=member, crc=zlib.crc32(content), stream=stream)


def _check(member: Member, stream: bytes, crc: int) -> None:
    """See that a stream that is taken as it is holds what its wheel says."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    found, size, rest = 0, 0, stream
    try:
        while not inflater.eof and size <= member.size:
            block = inflater.decompress(rest, _BLOCK)
            rest = inflater.unconsumed_tail
            found, size = zlib.crc32(block, found), size + len(block)
            if not block and not rest:
                break
    except zlib.error as error:
        raise _broken(member, str(error)) from error
    if (found, size) != (crc, member.size) or inflater.unused_data or not inflater.eof:
        raise _broken(member, "its size or checksum is not what the wheel says")


def _broken(member: Member, why: str) -> HostileTreeError:
    return HostileTreeError(f"`{member.path}` of `{member.origin}` is broken: {why}")


def _zip(pieces: Iterable[_Piece]) -> Iterator[bytes]:
    """The zip's bytes: each member under its local header, then the central directory."""
    directory: list[bytes] = []
    position = 0
    for piece in pieces:
        header, entry = _headers(piece, position)
        directory.append(entry)
        position += len(header) + len(piece.stream)
        yield header
        yield piece.stream
    yield from directory
    size = sum(map(len, directory))
    yield _END.pack(b"PK\5\6", 0, 0, len(directory), len(directory), size, position, 0)


def _headers(piece: _Piece, position: int) -> tuple[bytes, bytes]:
    """What stands before a member, and in the central directory."""
    member, name = piece.member, piece.member.path.encode()
    method = _DEFLATED if member.size else _STORED
    sizes = (piece.crc, len(piece.stream), member.size, len(name), 0)
    shared = (_VERSION, _UTF8, method, _TIME, _DATE, *sizes)
    mode = _FILE | (0o755 if member.executable else 0o644)
    local = _LOCAL.pack(b"PK\3\4", *shared) + name
    return local, _CENTRAL.pack(b"PK\1\2", _MADE_BY_UNIX, *shared, 0, 0, 0, mode << 16, position) + name
