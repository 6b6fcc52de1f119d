"""The formats of lock files: what their files are called, and who reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from python_layer_provider.errors import LockFileUnsupportedError
from python_layer_provider.lockfile.model import Lockfile
from python_layer_provider.lockfile.pipfile import parse_pipfile
from python_layer_provider.lockfile.poetry import parse_poetry
from python_layer_provider.lockfile.pylock import parse_pylock
from python_layer_provider.lockfile.requirements import parse_requirements
from python_layer_provider.lockfile.source import Source
from python_layer_provider.lockfile.uv import parse_uv

_UV_COMPILE = "uv pip compile --generate-hashes {} -o requirements.txt"
HOW_TO_LOCK = _UV_COMPILE.format("requirements.in")
"""The command that a person without any lock file is told."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format of lock files."""

    names: tuple[str, ...]
    """What its files are called."""
    parse: Callable[[Source], Lockfile]
    mark: str = ""
    """How some line of it begins, by which a file of another name is recognised."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """What people give as a lock file, and how to get one from it."""

    names: tuple[str, ...]
    what: str
    lock: str
    """The command that makes a lock file of it."""
    mark: str = ""


_REQUIREMENTS = Format(("requirements.txt",), parse_requirements)
# The first whose name or mark fits, most particular first; whatever fits none is a requirements file.
_KNOWN: tuple[Format | Foreign, ...] = (
    Format(("poetry.lock",), parse_poetry, "content-hash = "),
    Foreign(("pdm.lock",), "a lock file of PDM", "pdm export -f pylock -o pylock.toml", "content_hash = "),
    Format(("pylock.toml", "pylock.*.toml"), parse_pylock, "lock-version = "),
    Format(("uv.lock", "*.py.lock"), parse_uv, "[[package]]"),
    Format(("Pipfile.lock",), parse_pipfile, '"_meta": '),
    Foreign(("Pipfile",), "not a lock file", "pipenv lock", "[packages]"),
    Foreign(("pyproject.toml",), "not a lock file", "uv lock", "[project]"),
    Foreign(("setup.py",), "not a lock file", _UV_COMPILE.format("setup.py"), "from setuptools import "),
    Foreign(
        ("environment.yml", "environment.yaml"),
        "for conda",
        "pip list --format=freeze > requirements.txt",
        "dependencies:",
    ),
)


def is_lock_file(name: str) -> bool:
    """Whether a file of that name is a lock file, for all that the name tells."""
    return any(isinstance(known, Format) and _named(known, name) for known in (_REQUIREMENTS, *_KNOWN))


def foreign_file(name: str) -> Foreign | None:
    """What a file of that name is, where it is one that people give as a lock file."""
    return next((known for known in _KNOWN if isinstance(known, Foreign) and _named(known, name)), None)


def format_of(label: str, text: str) -> Format:
    """The format of a lock file, by its name, else by its contents.

    Raises:
        LockFileUnsupportedError: It is no lock file, or none that is read.
    """
    name = Path(label).name
    found = next((known for known in _KNOWN if _named(known, name)), None)
    found = found or next((known for known in _KNOWN if known.mark and _has_line(text, known.mark)), _REQUIREMENTS)
    if isinstance(found, Foreign):
        what = f"`{label}` is {found.what}"
        raise LockFileUnsupportedError(what, hint=found.lock, input_name="requirements")
    return found


def _named(known: Format | Foreign, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in known.names)


def _has_line(text: str, mark: str) -> bool:
    # Most texts hold no mark at all, and a substring is found much faster than a line.
    return mark in text and re.search(rf"^[ \t]*{re.escape(mark)}", text, re.MULTILINE) is not None
