"""Files and folders in which lock files are, and what is wrong where they are not."""

from __future__ import annotations

import difflib
import os.path
from pathlib import Path

from python_layer_provider.errors import LockFileConflictError, LockFileNotFoundError, LockFileSyntaxError
from python_layer_provider.lockfile.formats import HOW_TO_LOCK, foreign_file, is_lock_file

_ENCODINGS = (
    # PowerShell's `>` writes UTF-16. The mark of UTF-32 begins with that of UTF-16.
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_PROJECT = "pyproject.toml"
_WORKSPACE_LOCK = "uv.lock"


def find_lock_file(base: Path, path: str) -> tuple[str, str]:
    """The lock file that a path stands for, and the workspace member that is meant, relative to the lock file.

    Args:
        base: Where relative paths start.
        path: A file; a folder that holds one lock file; or a folder with a project whose workspace holds one.

    Raises:
        LockFileNotFoundError: The folder has none; names what it has instead.
        LockFileConflictError: The folder has several.
    """
    if not _is_folder(base / path):
        return path, "."
    names = _names(base / path)
    locks = [name for name in names if is_lock_file(name) and not _is_folder(base / path / name)]
    if len(locks) > 1:
        raise LockFileConflictError(
            f"the folder `{path}` holds {len(locks)} lock files: {', '.join(f'`{name}`' for name in locks)}",
            hint=f'name the one that counts: requirements="{Path(path, locks[0]).as_posix()}"',
            input_name="requirements",
        )
    if locks:
        return str(Path(path, locks[0])), "."
    workspace = _workspace(base, path) if _PROJECT in names else None
    if workspace:
        return workspace
    raise _no_lock_file(path, names)


def _workspace(base: Path, path: str) -> tuple[str, str] | None:
    """The lock file of the uv workspace that a project may be a member of."""
    here = (base / path).resolve()
    for steps, folder in enumerate(here.parents, start=1):
        if (folder / _WORKSPACE_LOCK).is_file() and (folder / _PROJECT).is_file():
            label = os.path.normpath(os.path.join(path, *[".."] * steps, _WORKSPACE_LOCK))  # noqa: PTH118
            return label, here.relative_to(folder).as_posix()
    return None


def _no_lock_file(folder: str, names: list[str]) -> LockFileNotFoundError:
    texts = [name for name in names if name.endswith(".txt") and "requirements" in name]
    others = [(foreign, name) for name in names if (foreign := foreign_file(name))]
    if texts:
        hint = f'requirements="{Path(folder, texts[0]).as_posix()}"'
    elif others:
        hint = others[0][0].lock
    else:
        hint = HOW_TO_LOCK
    found = [f"`{name}`" for name in [*texts, *(name for _, name in others)]]
    what = f"no lock file in the folder `{folder}`" + (f", which has {', '.join(found)}" if found else "")
    return LockFileNotFoundError(what, hint=hint, input_name="requirements")


def read_text(base: Path, label: str) -> str:
    """The text of a file.

    Raises:
        LockFileNotFoundError: There is none, or it cannot be opened.
        LockFileSyntaxError: It is no text.
    """
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


def _not_found(base: Path, label: str) -> LockFileNotFoundError:
    folder = (base / label).parent
    close = difflib.get_close_matches(Path(label).name, _names(folder), n=1)
    if close:
        hint = f"did you mean `{Path(label).with_name(close[0]).as_posix()}`"
    else:
        hint = f"relative paths start at `{base}`"
    return LockFileNotFoundError(f"no such file: `{label}`", hint=hint, input_name="requirements")


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (OSError, ValueError):
        return []
