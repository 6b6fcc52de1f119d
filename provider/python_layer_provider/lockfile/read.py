"""Lock files where they are: a path, a folder or a list to `Lockfile`, by the reader of its format."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from python_layer_provider.errors import (
    InvalidInputError,
    LockFileEmptyError,
    LockFileNotFoundError,
    LockFileSyntaxError,
    LockFileUnsupportedError,
)
from python_layer_provider.lockfile.model import Lockfile
from python_layer_provider.lockfile.problem import masked
from python_layer_provider.lockfile.requirements import parse_requirement_list, parse_requirements

DEFAULT_NAME = "requirements.txt"
"""The lock file that is looked for in a folder."""


@dataclass(frozen=True, slots=True)
class _Format:
    """A format that is not read yet, and how to turn it into one that is."""

    names: str
    export: str
    mark: str = ""
    """How its lines begin, for a file that has another name."""


# The first that fits, most particular first; whatever fits none is a requirements file.
_NOT_READ_YET = (
    _Format("poetry.lock", "poetry export -f requirements.txt -o requirements.txt", "content-hash = "),
    _Format("pdm.lock", "pdm export -f requirements -o requirements.txt", "content_hash = "),
    _Format("pylock.toml", "uv export --no-emit-project -o requirements.txt", "lock-version = "),
    _Format("pylock.*.toml", "uv export --no-emit-project -o requirements.txt"),
    _Format("uv.lock", "uv export --no-emit-project -o requirements.txt", "[[package]]"),
    _Format("Pipfile.lock", "pipenv requirements --hash > requirements.txt", '"_meta": '),
    _Format("Pipfile", "pipenv lock && pipenv requirements --hash > requirements.txt", "[packages]"),
    _Format("pyproject.toml", "uv pip compile --generate-hashes pyproject.toml -o requirements.txt", "[project]"),
    _Format("setup.py", "uv pip compile --generate-hashes setup.py -o requirements.txt", "from setuptools import "),
    _Format("environment.y*ml", "pip list --format=freeze > requirements.txt", "dependencies:"),
)
_HOW_TO_LOCK = "uv pip compile --generate-hashes requirements.in -o requirements.txt"
_ENCODINGS = (
    # PowerShell's `>` writes UTF-16. The mark of UTF-32 begins with that of UTF-16.
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def read_lockfile(
    requirements: str | os.PathLike[str] | Sequence[str], *, base: Path, environ: Mapping[str, str]
) -> Lockfile:
    """Read what the program gives as its lock file.

    Args:
        requirements: A path to a file, or to a folder that holds `requirements.txt`; or a list of requirements.
        base: Where relative paths start.
        environ: What `${NAME}` in the file stands for.

    Raises:
        InvalidInputError: It is none of these.
        LockFileNotFoundError: There is no such file, or it cannot be opened.
        LockFileEmptyError: It asks for nothing.
        LockFileUnsupportedError: It has a format, or asks for something, that is not supported.
        LockFileSyntaxError: It has lines that cannot be read.
    """
    if isinstance(requirements, (str, os.PathLike)):
        lockfile = _read_path(os.fspath(requirements), base, environ)
    else:
        lockfile = _read_list(requirements, base, environ)
    if not lockfile.pins:
        raise LockFileEmptyError(
            f"`{lockfile.label}` pins nothing",
            hint=_HOW_TO_LOCK,
            input_name="requirements",
        )
    return lockfile


def _read_path(path: str, base: Path, environ: Mapping[str, str]) -> Lockfile:
    _refuse_requirements(path, base)
    label = _in_folder(base, path) if _is_folder(base / path) else path
    text = _read_text(base, label)
    try:
        return parse_requirements(text, label=label, environ=environ, read_text=lambda name: _read_text(base, name))
    except (LockFileSyntaxError, LockFileUnsupportedError):
        for known in _NOT_READ_YET:
            if known.mark and re.search(rf"^\s*{re.escape(known.mark)}", text, re.MULTILINE):
                raise _not_read_yet(label, known) from None
        raise


def _read_list(requirements: object, base: Path, environ: Mapping[str, str]) -> Lockfile:
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
    return parse_requirement_list(requirements, environ=environ, read_text=lambda name: _read_text(base, name))


def _read_text(base: Path, label: str) -> str:
    name = Path(label).name
    for known in _NOT_READ_YET:
        if fnmatchcase(name, known.names) and (base / label).is_file():
            raise _not_read_yet(label, known)
    try:
        return _decoded((base / label).read_bytes(), label)
    except FileNotFoundError:
        raise _not_found(base, label) from None
    # A path with a NUL is a ValueError.
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        what = f"`{label}` cannot be read: {reason[0].lower()}{reason[1:]}"
        raise LockFileNotFoundError(what, input_name="requirements") from error


def _decoded(data: bytes, label: str) -> str:
    encoding = next((name for mark, name in _ENCODINGS if data.startswith(mark)), "utf-8-sig")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LockFileSyntaxError(
            f"{label}:{line}: not UTF-8: byte `0x{data[error.start]:02x}`",
            hint=f"iconv -f latin1 -t utf-8 {label} > requirements.utf-8.txt",
            input_name="requirements",
        ) from None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


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


def _in_folder(base: Path, folder: str) -> str:
    """The path of the folder's `requirements.txt`; without one, the error names what is there instead."""
    names = _names(base / folder)
    if DEFAULT_NAME in names:
        return str(Path(folder, DEFAULT_NAME))
    texts = [name for name in names if fnmatchcase(name, "*requirements*.txt")]
    others = [(known, name) for known in _NOT_READ_YET for name in names if fnmatchcase(name, known.names)]
    if texts:
        hint = f'requirements="{Path(folder, texts[0]).as_posix()}"'
    elif others:
        hint = others[0][0].export
    else:
        hint = _HOW_TO_LOCK
    found = [f"`{name}`" for name in [*texts, *(name for _, name in others)]]
    what = f"no `{DEFAULT_NAME}` in the folder `{folder}`" + (f", which has {', '.join(found)}" if found else "")
    raise LockFileNotFoundError(what, hint=hint, input_name="requirements")


def _not_found(base: Path, label: str) -> LockFileNotFoundError:
    folder = (base / label).parent
    close = difflib.get_close_matches(Path(label).name, _names(folder), n=1)
    if close:
        hint = f"did you mean `{Path(label).with_name(close[0]).as_posix()}`"
    else:
        hint = f"relative paths start at `{base}`"
    return LockFileNotFoundError(f"no such file: `{label}`", hint=hint, input_name="requirements")


def _not_read_yet(label: str, known: _Format) -> LockFileUnsupportedError:
    what = f"the format of `{known.names}` is not read yet: `{label}`"
    return LockFileUnsupportedError(what, hint=known.export, input_name="requirements")


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (OSError, ValueError):
        return []
