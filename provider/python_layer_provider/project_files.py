"""What of a project's folder travels into a build: what git would keep, less what tools leave behind."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from python_layer_provider.errors import LockFileUnsupportedError
from python_layer_provider.gitignore import Rules

_GITIGNORE = ".gitignore"
_REPOSITORY = ".git"
# What tools leave in a project, wherever in it, and no build takes.
_LITTER = frozenset(
    {
        *(_REPOSITORY, ".hg", ".svn", ".venv", ".tox", ".nox", "node_modules", ".DS_Store"),
        *("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
    }
)
_LITTER_ENDS = (".pyc", ".egg-info")
# What builds leave at a project's top, unless that is the package itself.
_OUTPUT = frozenset({"build", "dist"})
_VIRTUAL_ENVIRONMENT = "pyvenv.cfg"


@dataclass(frozen=True, kw_only=True, slots=True)
class Travelling:
    """A file that travels."""

    path: str
    """Relative to the project's folder, with slashes."""
    source: str
    """Where it is on this machine."""
    executable: bool


def project_files(folder: Path, called: str, excluded: Rules = Rules()) -> Iterator[Travelling]:  # noqa: B008 (frozen)
    """The files of a project's folder that travel, in no particular order.

    Files that git ignores stay: they are of this machine, and may be large, secret, or other tomorrow. Where the
    folder as a whole is ignored, as vendored code may be, only its own `.gitignore` counts.

    Links are resolved, as any build does that reads through them. They may lead out of the folder, to a licence for the
    whole workspace perhaps, but not out of the repository: what is there was not meant to be shared.

    Args:
        folder: Where it is.
        called: How messages name it.
        excluded: What else stays, by paths in the folder.

    Raises:
        LockFileUnsupportedError: A link leads nowhere, out of the repository or into itself.
        OSError: Something cannot be read.
    """
    yield from _Walk(folder, called, excluded).files()


@dataclass(frozen=True, slots=True)
class _Folder:
    place: str
    """Where it is, all links resolved."""
    path: str
    """Relative to the repository, with a slash at its end; empty for the repository itself."""
    rules: Rules
    chain: tuple[str, ...]
    """The places of those that lead to it, and its own."""


class _Walk:
    """One project's files, found with one look at each folder and none into what is ignored."""

    def __init__(self, folder: Path, called: str, excluded: Rules) -> None:
        self._called = called
        self._excluded = excluded
        real = folder.resolve(strict=True)
        self._repository = repository(real)
        self._path = "".join(f"{name}/" for name in real.relative_to(self._repository).parts)
        self._start = _Folder(str(real), self._path, _rules_around(self._repository, self._path), (str(real),))

    def files(self) -> Iterator[Travelling]:
        folders = [self._start]
        while folders:
            for found in self._look(folders.pop()):
                if isinstance(found, _Folder):
                    folders.append(found)
                else:
                    yield found

    def _look(self, folder: _Folder) -> Iterator[_Folder | Travelling]:
        with os.scandir(folder.place) as scan:
            entries = {entry.name: entry for entry in scan}
        if _VIRTUAL_ENVIRONMENT in entries and folder is not self._start:
            return
        rules = _with_own(folder.rules, folder.place, folder.path) if _GITIGNORE in entries else folder.rules
        for entry in entries.values():
            if entry.name not in _LITTER and not entry.name.endswith(_LITTER_ENDS):
                yield from self._entry(entry, folder, rules)

    def _entry(self, entry: os.DirEntry[str], folder: _Folder, rules: Rules) -> Iterator[_Folder | Travelling]:
        path = f"{folder.path}{entry.name}"
        mode = _mode(entry)
        is_folder = stat.S_ISDIR(mode)
        if rules.ignore(path, is_folder=is_folder) or self._excluded.ignore(self._inside(path), is_folder=is_folder):
            return
        real = self._target(entry, path) if entry.is_symlink() else entry.path
        if stat.S_ISREG(mode):
            yield Travelling(path=self._inside(path), source=real, executable=bool(mode & stat.S_IXUSR))
        elif is_folder and not (folder is self._start and _is_output(entry)):
            if real in folder.chain:
                raise self._bad_link(path, "leads into itself")
            yield _Folder(real, f"{path}/", rules, (*folder.chain, real))

    def _inside(self, path: str) -> str:
        """A path relative to the project's folder."""
        return path[len(self._path) :]

    def _target(self, link: os.DirEntry[str], path: str) -> str:
        """Where a link leads."""
        try:
            target = Path(link.path).resolve(strict=True)
        # A circle of links is a RuntimeError in Python 3.10 to 3.12.
        except (OSError, RuntimeError) as error:
            raise self._bad_link(path, "leads nowhere") from error
        if not target.is_relative_to(self._repository):
            raise self._bad_link(path, "leads out of its repository")
        return str(target)

    def _bad_link(self, path: str, what: str) -> LockFileUnsupportedError:
        return LockFileUnsupportedError(
            f"the link `{self._inside(path)}` in {self._called} {what}",
            hint="put a copy of the file there, remove the link, or name it in .gitignore",
            input_name="requirements",
        )


def repository(real: Path) -> Path:
    """The repository that a folder is in; the folder itself where it is in none."""
    return next((folder for folder in (real, *real.parents) if os.path.lexists(folder / _REPOSITORY)), real)


def _rules_around(repository: Path, path: str) -> Rules:
    """The rules of the folders around a project; none where they ignore the project itself."""
    rules, around = Rules(), ""
    for name in path.split("/")[:-1]:
        rules = _with_own(rules, repository / around, around)
        if rules.ignore(f"{around}{name}", is_folder=True):
            return Rules()
        around = f"{around}{name}/"
    return rules


def _with_own(rules: Rules, place: str | Path, path: str) -> Rules:
    file = Path(place, _GITIGNORE)
    return rules.within(path, file.read_text("utf-8", "surrogateescape")) if file.is_file() else rules


def _mode(entry: os.DirEntry[str]) -> int:
    """What an entry, or what a link leads to, is; 0 where it leads nowhere."""
    try:
        return entry.stat().st_mode
    except OSError:
        if entry.is_symlink():
            return 0
        raise


def _is_output(entry: os.DirEntry[str]) -> bool:
    return entry.name in _OUTPUT and not Path(entry.path, "__init__.py").is_file()
