"""The tree, member by member: what a layer's zip is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from python_layer_provider.errors import HostileTreeError


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One regular file of the tree. Its contents are read when they are needed, and not kept."""

    path: str
    """Relative, with `/`; in a layer it begins with `python/`."""
    size: int
    """Bytes."""
    executable: bool
    origin: str
    """What it comes from, for messages: a wheel's file name."""
    head: bytes
    """The first bytes, enough for an ELF header; all of it for a file of `.dist-info`."""
    content: Callable[[], bytes]
    """Reads all of it."""
    deflated: Deflated | None = None
    """Its bytes as they are in a wheel, where that has deflated them: nothing is gained by doing so again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deflated:
    """A member's contents as a raw deflate stream (RFC 1951)."""

    crc: int
    """What the wheel says is the CRC-32 of the contents; whoever uses the stream checks it."""
    read: Callable[[], bytes]
    """Reads the stream."""


def unique(members: Iterable[Member]) -> tuple[list[Member], list[str]]:
    """The members with one for each path, and sentences on those that were left out though they differ.

    The later one counts, as with pip, which says nothing about it.
    """
    found: dict[str, Member] = {}
    overlaps: list[str] = []
    for member in members:
        other = found.get(member.path)
        if other and not _same(other, member):
            overlaps.append(f"`{member.path}` of `{other.origin}` is replaced by that of `{member.origin}`")
        found[member.path] = member
    return list(found.values()), overlaps


def _same(one: Member, other: Member) -> bool:
    if one.deflated and other.deflated:
        return (one.size, one.deflated.crc) == (other.size, other.deflated.crc)
    return one.size == other.size and one.content() == other.content()


def member_path(name: str, origin: str) -> str:
    """The place in the tree of a file that a wheel puts at `name`, below site-packages.

    Raises:
        HostileTreeError: The name leads outside, or cannot be unpacked everywhere.
    """
    if not unpacks_everywhere(name):
        raise HostileTreeError(f"`{origin}` has a file with a name that no layer can have: {name!r}")
    return f"python/{name}"


def unpacks_everywhere(name: str) -> bool:
    """Whether a member of this name is unpacked to the same place by all, and inside."""
    # A backslash is a separator to some unzippers; what does not print hides something.
    return name.isprintable() and "\\" not in name and {"", ".", ".."}.isdisjoint(name.split("/"))
