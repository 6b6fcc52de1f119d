"""Tree to zip, deterministic: the same members give the same bytes, whenever, wherever and in whatever order."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import tempfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

from python_layer_provider.errors import HostileTreeError
from python_layer_provider.tree import BLOCK, Member

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
# What deflate looks back at: the end of the block before is the dictionary of the next.
_WINDOW = 32 * 1024
# Blocks under way: enough to keep all workers busy, few enough to stay small in memory.
_AHEAD = 16


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


@dataclass(slots=True)
class _Entry:
    """What the headers say of a member, and where its deflated bytes lie in the spool."""

    name: bytes
    executable: bool
    size: int
    offset: int
    crc: int = 0
    deflated: int = 0

    @property
    def method(self) -> int:
        return _DEFLATED if self.size else _STORED


def write_archive(members: Iterable[Member], path: Path) -> Zip:
    """Write the members to a zip at `path`, sorted by name, all dated 1980-01-01, 644 or 755, in one pass.

    Blocks of `tree.BLOCK` bytes are deflated in parallel, each with the end of the block before
    as its dictionary, so time falls with the number of cores while memory and bytes stay the same.

    Raises:
        HostileTreeError: Two members have one path.
    """
    with tempfile.TemporaryFile(dir=path.parent) as spool, _new(path) as file:
        entries = sorted(_spooled(members, spool), key=lambda entry: entry.name)
        _check_unique(entries)
        digest = hashlib.sha256()
        for chunk in _zip(entries, spool):
            digest.update(chunk)
            file.write(chunk)
        size = file.tell()
    return Zip(path=path, code_sha256=base64.b64encode(digest.digest()).decode(), size=size)


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


def _spooled(members: Iterable[Member], spool: IO[bytes]) -> list[_Entry]:
    """Deflate all members into the spool, in the order in which they come."""
    entries: list[_Entry] = []
    under_way: deque[tuple[_Entry, Future[bytes]]] = deque()
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for member in members:
            entry = _Entry(member.path.encode(), member.executable, member.size, 0)
            entries.append(entry)
            before, left = b"", member.size
            for block in member.blocks():
                left -= len(block)
                entry.crc = zlib.crc32(block, entry.crc)
                under_way.append((entry, workers.submit(_deflate, block, before, last=not left)))
                before = block[-_WINDOW:]
                if len(under_way) > _AHEAD:
                    _settle(*under_way.popleft(), spool)
        while under_way:
            _settle(*under_way.popleft(), spool)
    return entries


def _deflate(block: bytes, before: bytes, *, last: bool) -> bytes:
    """One block as a piece of a raw deflate stream that ends on a byte (RFC 1951)."""
    # An empty dictionary is none; zlib takes it all the same.
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zdict=before)
    return deflater.compress(block) + deflater.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


def _settle(entry: _Entry, deflated: Future[bytes], spool: IO[bytes]) -> None:
    piece = deflated.result()
    if not entry.deflated:
        entry.offset = spool.tell()
    entry.deflated += len(piece)
    spool.write(piece)


def _check_unique(entries: list[_Entry]) -> None:
    for one, other in pairwise(entries):
        if one.name == other.name:
            raise HostileTreeError(f"The container handed out one path twice: `{one.name.decode()}`")


def _zip(entries: list[_Entry], spool: IO[bytes]) -> Iterator[bytes]:
    """The zip's bytes: each member under its local header, then the central directory."""
    directory: list[bytes] = []
    position = 0
    for entry in entries:
        fields = (entry.crc, entry.deflated, entry.size, len(entry.name))
        shared = (_VERSION, _UTF8, entry.method, _TIME, _DATE, *fields, 0)
        mode = _FILE | (0o755 if entry.executable else 0o644)
        directory.append(_CENTRAL.pack(b"PK\1\2", _MADE_BY_UNIX, *shared, 0, 0, 0, mode << 16, position) + entry.name)
        header = _LOCAL.pack(b"PK\3\4", *shared) + entry.name
        yield header
        spool.seek(entry.offset)
        left = entry.deflated
        while left:
            chunk = spool.read(min(left, BLOCK))
            left -= len(chunk)
            yield chunk
        position += len(header) + entry.deflated
    yield from directory
    size = sum(map(len, directory))
    yield _END.pack(b"PK\5\6", 0, 0, len(entries), len(entries), size, position, 0)
