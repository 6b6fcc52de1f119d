"""Direct references as the tables of lock files have them, in parts: to the requirement that pip takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from urllib.parse import quote

from python_layer_provider.lockfile.model import Pin
from python_layer_provider.lockfile.options import checked_hash
from python_layer_provider.lockfile.problem import Line, Problem
from python_layer_provider.lockfile.requirement import no_files, not_a_requirement, parse_requirement

VCS = ("git", "hg", "svn", "bzr")
"""The version control systems that pip knows."""

# What git and ssh take beside URLs: `git@host:path`.
_SCP = re.compile(r"(?P<host>(?:[^@/:\s]+@)?[^@/:\s]+):(?P<path>[^/].*)")
# A revision behind a repository, where it gives way to the one that was locked.
_REVISION = re.compile(r"(?<=\.git)@.+$")


def vcs_url(vcs: str, url: str, revision: str | None, subdirectory: str | None) -> str:
    """A reference to a repository, as pip takes it: `git+https://host/path@revision#subdirectory=folder`."""
    bare, _, fragment = url.removeprefix(f"{vcs}+").partition("#")
    if scp := _SCP.fullmatch(bare):
        bare = f"ssh://{scp['host']}/{scp['path']}"
    if revision:
        bare = f"{_REVISION.sub('', bare)}@{revision}"
    return with_subdirectory(f"{vcs}+{bare}#{fragment}" if fragment else f"{vcs}+{bare}", subdirectory)


def with_subdirectory(url: str, subdirectory: str | None) -> str:
    """A URL that names the folder of the project, where that is not the outermost."""
    if not subdirectory or "subdirectory=" in url:
        return url
    return f"{url}{'&' if '#' in url else '#'}subdirectory={subdirectory}"


def at_path(name: str, path: str, hashes: Iterable[str], where: str, read: Callable[[str], str]) -> Pin:
    """The pin of what is at a path, which starts where the program is; `read` reads a project's own files."""
    # As a URL, for in a requirement a blank ends a path.
    url = path if path.startswith("file:") else f"file:{quote(path, safe='/:', errors='replace')}"
    return parsed(f"{name} @ {url}", hashes, where, raw=f"{name} @ {path}", read=read)


def parsed(
    head: str,
    hashes: Iterable[str],
    where: str,
    *,
    raw: str | None = None,
    read: Callable[[str], str] = no_files,
) -> Pin:
    """The pin of a requirement that was put together from a table.

    Args:
        head: The requirement.
        hashes: `sha256:…` and their like, as they stand in the file.
        where: File and key, for messages.
        raw: What messages quote in place of the requirement, where that holds values of the environment.
        read: What reads the files of a project at a path.

    Raises:
        LayerError: pip does not take it.
    """
    line = Line(where, head if raw is None else raw)
    try:
        return parse_requirement(head, [checked_hash(one) for one in hashes], (), where, read)
    except Problem as problem:
        problem.hint = problem.hint or "lock again, or mend the entry"
        raise problem.at(line) from None
    # packaging's parser calls itself for each parenthesis of a marker.
    except (ValueError, RecursionError) as error:
        raise not_a_requirement(line.raw, error).at(line) from error
