"""What git ignores, by the `.gitignore` files of a repository, without asking git.

The rules are those of https://git-scm.com/docs/gitignore. Each path is judged by itself, that of a folder too: what is
in an ignored folder is ignored, and nobody has to look into it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

# POSIX's classes of characters that a pattern may name: `[[:digit:]]`.
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
_TOKEN = re.compile(
    r"""
      (?P<folders>(?:(?<=/)|^)\*\*+/)          # any folders, or none
    | (?P<all>(?:(?<=/)|^)\*\*+$)              # all that is inside
    | (?P<stars>\*+)
    | (?P<one>\?)
    | \[(?P<negated>[!^]?)(?P<items>\]?(?:\[:[a-z]+:\]|\\.|[^\]\\])*)\]
    | \\(?P<escaped>.)
    | (?P<broken>\[|\\$)
    | (?P<plain>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ITEM = re.compile(r"\[:(?P<kind>[a-z]+):\]|\\?(?P<first>.)(?:-\\?(?P<last>.))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a folder's `.gitignore`, and those of the folders around it."""

    levels: tuple[tuple[int, tuple[_Pattern, ...]], ...] = ()
    """Where in a path each one's own paths start, and its patterns; outermost first."""

    def within(self, folder: str, text: str) -> Rules:
        """The rules that hold in a folder further in, which has a `.gitignore` of its own.

        Args:
            folder: The folder's path, with a slash at its end; empty for the outermost.
            text: What its `.gitignore` says.
        """
        return Rules((*self.levels, (len(folder), _patterns(text))))

    def ignore(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path is ignored, as far as its own name says; it may be so for a folder that it is in."""
        name = path.rpartition("/")[2]
        for start, patterns in reversed(self.levels):
            own = path[start:]
            for pattern in patterns:
                if (is_folder or not pattern.folders_only) and pattern.fits(own if pattern.is_path else name):
                    return pattern.ignored
        return False


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A line of a `.gitignore`."""

    fits: Callable[[str], object]
    ignored: bool
    """Whether what fits is ignored, or is not."""
    folders_only: bool
    is_path: bool
    """Whether it is of the whole path, or of the name alone."""


# The files around a folder are asked for once for each folder of a workspace.
@lru_cache(maxsize=64)
def _patterns(text: str) -> tuple[_Pattern, ...]:
    """The patterns in the order in which they are asked: the last line has the last word."""
    lines = f"{text}\n".removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    return tuple(pattern for line in reversed(lines) if (pattern := _pattern(line)))


def _pattern(line: str) -> _Pattern | None:
    """What a line says; None where it says nothing."""
    ignored = not line.startswith("!")
    pattern = _without_trailing_blanks(line if ignored else line[1:])
    bare = pattern.removesuffix("/")
    if not bare or line.startswith("#"):
        return None
    return _Pattern(
        fits=re.compile("".join(_translated(bare.removeprefix("/"))), re.DOTALL).fullmatch,
        ignored=ignored,
        folders_only=bare != pattern,
        is_path="/" in bare,
    )


def _without_trailing_blanks(line: str) -> str:
    bare = line.rstrip(" ")
    escaped = len(bare) < len(line) and (len(bare) - len(bare.rstrip("\\"))) % 2
    return f"{bare} " if escaped else bare


def _translated(pattern: str) -> Iterator[str]:
    """A pattern as parts of a regular expression."""
    for token in _TOKEN.finditer(pattern):
        match token.lastgroup:
            case "folders":
                yield "(?:.*/)?"
            case "all":
                yield ".*"
            case "stars":
                yield "[^/]*"
            case "one":
                yield "[^/]"
            case "items":
                yield _one_of(token["items"], negated=bool(token["negated"]))
            case "broken":
                yield "(?!)"
            case kind:
                yield re.escape(token[kind or 0])


def _one_of(items: str, *, negated: bool) -> str:
    """A set of characters, none of which is a slash."""
    parts: list[str] = []
    for item in _ITEM.finditer(items):
        first, last = item["first"], item["last"] or item["first"]
        if item["kind"]:
            parts.append(_CLASSES.get(item["kind"], ""))
        elif first <= last:
            parts.append(f"{re.escape(first)}-{re.escape(last)}")
    inside = "".join(parts)
    if negated:
        return f"[^/{inside}]"
    return f"(?!/)[{inside}]" if inside else "(?!)"
