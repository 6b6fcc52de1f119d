"""The tree that an install leaves, member by member, as it streams out of the container."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, cast

from python_layer_provider.errors import HostileTreeError

BLOCK = 1 << 20
"""Bytes that a member is read in. Part of the archive's format: each block is deflated on its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One regular file of the tree; to be read before the next one is asked for."""

    path: str
    """Relative, with `/`, beginning with `python/`."""
    size: int
    """Bytes."""
    executable: bool
    first: bytes
    """The first block: the whole file where it is no larger than `BLOCK`."""
    rest: IO[bytes]
    """What follows the first block."""

    def blocks(self) -> Iterator[bytes]:
        """The file's contents in blocks of `BLOCK`, the last one shorter; none for an empty file."""
        block = self.first
        while block:
            yield block
            block = self.rest.read(BLOCK)


class _Chunks:
    """A file to read from, made of the chunks that an engine sends."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        parts: list[memoryview] = []
        while size > 0:
            if not self._left:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._left = memoryview(chunk)
            parts.append(self._left[:size])
            self._left = self._left[size:]
            size -= len(parts[-1])
        return b"".join(parts)


def members(chunks: Iterable[bytes]) -> Iterator[Member]:
    """The files in a tar stream of the folder `python`, in the stream's order.

    Folders are implied by their files. `__pycache__` is left out: bytecode holds the time and
    path of its compilation, so no two builds would agree, and pip's default of compiling makes a
    legal layer too large (numpy, pandas and scipy: 225 MB without, 297 MB with).

    Raises:
        HostileTreeError: The stream holds what no install leaves, or is no tar stream.
    """
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", _Chunks(chunks)), mode="r|", bufsize=BLOCK) as stream:
            for info in stream:
                if _wanted(info):
                    yield _member(stream, info)
    except tarfile.TarError as error:
        raise HostileTreeError(f"The container handed out no readable tar stream: {error}") from error


def _wanted(info: tarfile.TarInfo) -> bool:
    parts = info.name.removeprefix("./").split("/")
    if info.name.startswith("/") or ".." in parts or parts[0] != "python" or not _plain(info.name):
        raise HostileTreeError(f"The container handed out a path outside of the layer: {info.name!r}")
    if not info.isfile() and not info.isdir():
        kind = "a link" if info.issym() or info.islnk() else "a device or pipe"
        raise HostileTreeError(
            f"The container handed out {kind} where a file belongs: `{info.name}`",
            hint="a wheel holds regular files only; look at what the distribution's build leaves behind",
        )
    return info.isfile() and "__pycache__" not in parts


def _plain(name: str) -> bool:
    # Surrogates are bytes that are no UTF-8; a backslash is a separator to some unzippers.
    return name.isprintable() and "\\" not in name and "//" not in name


def _member(stream: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    content = cast("IO[bytes]", stream.extractfile(info))
    return Member(
        path=info.name.removeprefix("./"),
        size=info.size,
        executable=bool(info.mode & 0o100),
        first=content.read(BLOCK),
        rest=content,
    )
