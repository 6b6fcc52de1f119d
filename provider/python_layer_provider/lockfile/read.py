"""Lock files where they are: a path, a folder or a list to `Lockfile`, by the reader of its format."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from python_layer_provider.errors import InvalidInputError, LockFileEmptyError, LockFileNotFoundError
from python_layer_provider.lockfile.files import find_lock_file, read_text
from python_layer_provider.lockfile.formats import format_of
from python_layer_provider.lockfile.model import Lockfile
from python_layer_provider.lockfile.problem import masked
from python_layer_provider.lockfile.requirements import parse_requirement_list
from python_layer_provider.lockfile.source import Source


def read_lockfile(
    requirements: str | os.PathLike[str] | Sequence[str],
    *,
    base: Path,
    environ: Mapping[str, str],
    groups: Sequence[str] = (),
    extras: Sequence[str] = (),
) -> Lockfile:
    """Read what the program gives as its lock file.

    Args:
        requirements: A path to a lock file, to a folder that holds one, or to a member of a uv workspace;
            or a list of requirements.
        base: Where relative paths start.
        environ: What `${NAME}` in the file stands for.
        groups: The dependency groups (Pipfile: categories) that are wanted beside the main one.
        extras: The extras of the project that are wanted.

    Raises:
        InvalidInputError: It is none of these, or has no such group or extra.
        LockFileNotFoundError: There is no such file, or it cannot be opened.
        LockFileConflictError: The folder holds several.
        LockFileEmptyError: It asks for nothing.
        LockFileUnsupportedError: It has a format, or asks for something, that is not supported.
        LockFileSyntaxError: It has lines that cannot be read.
    """
    asked = {"groups": _names_of("groups", groups), "extras": _names_of("extras", extras)}
    if isinstance(requirements, (str, os.PathLike)):
        lockfile = _read_path(os.fspath(requirements), base, environ, **asked)
    else:
        lockfile = _read_list(requirements, base, environ, **asked)
    if not lockfile.pins or lockfile.roots == ():
        raise LockFileEmptyError(f"`{lockfile.label}` pins nothing", hint=lockfile.relock, input_name="requirements")
    return lockfile


def _read_path(
    path: str, base: Path, environ: Mapping[str, str], *, groups: tuple[str, ...], extras: tuple[str, ...]
) -> Lockfile:
    _refuse_requirements(path, base)
    label, member = find_lock_file(base, path)
    read = partial(read_text, base)
    source = Source(
        label=label, text=read(label), environ=environ, read=read, groups=groups, extras=extras, member=member
    )
    return format_of(source.label, source.text).parse(source)


def _names_of(what: str, names: object) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise InvalidInputError(f"`{what}` is not a list of names: `{names!r}`", hint=f'{what}=["…"]', input_name=what)
    return tuple(names)


def _read_list(
    requirements: object, base: Path, environ: Mapping[str, str], *, groups: tuple[str, ...], extras: tuple[str, ...]
) -> Lockfile:
    if not isinstance(requirements, Sequence) or isinstance(requirements, (bytes, bytearray)):
        raise InvalidInputError(
            f"`requirements` is neither a path nor a list: `{type(requirements).__name__}`",
            hint='requirements="requirements.txt"',
            input_name="requirements",
        )
    for i, item in enumerate(requirements):
        if not isinstance(item, str):
            raise InvalidInputError(
                f"`requirements[{i}]` is not a string: `{type(item).__name__}`",
                hint='requirements=["requests==2.32.3"]',
                input_name="requirements",
            )
    source = Source(
        label="requirements", text="", environ=environ, read=partial(read_text, base), groups=groups, extras=extras
    )
    return parse_requirement_list(requirements, source)


def _refuse_requirements(text: str, base: Path) -> None:
    """Refuse a requirement that stands where a path or a list is expected."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise LockFileNotFoundError(
            "`requirements` is empty", hint='requirements="requirements.txt"', input_name="requirements"
        )
    if len(lines) > 1 or (_is_requirement(text) and not _exists(base / text)):
        items = ", ".join([*(f'"{masked(line)}"' for line in lines[:3]), *["…"][: len(lines[3:])]])
        raise LockFileNotFoundError(
            f"`requirements` is a path or a list, and this is neither: `{masked(lines[0])}`",
            hint=f"requirements=[{items}]",
            input_name="requirements",
        )


def _is_requirement(text: str) -> bool:
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError):
        return False
    return bool(requirement.specifier or requirement.url or requirement.extras or requirement.marker)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
