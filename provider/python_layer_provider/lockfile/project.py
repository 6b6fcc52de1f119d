"""A project's name and version, by what its files say; nothing of the project is run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator
from configparser import Error, RawConfigParser
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from python_layer_provider.errors import LockFileNotFoundError
from python_layer_provider.lockfile.table import load_toml


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """What the files in a project's folder say of it."""

    exists: bool
    """Whether there is any of the files that make a folder a project."""
    name: str | None = None
    """As the project writes it; None where only running it would tell."""
    version: str | None = None
    """None where it is found out at build time, from tags perhaps."""


def read_project(folder: str, read: Callable[[str], str]) -> Project:
    """Look at the project in a folder.

    Args:
        folder: Its path, which starts where the program is.
        read: `Source.read`.

    Raises:
        LayerError: One of its files cannot be read.
    """
    found: list[tuple[str | None, str | None]] = []
    for name, values in (("pyproject.toml", _pyproject), ("setup.cfg", _setup_cfg), ("setup.py", _setup_py)):
        path = f"{folder}/{name}"
        try:
            found.append(values(read(path), path))
        except LockFileNotFoundError:
            continue
    return Project(
        exists=bool(found),
        name=next((name for name, _ in found if name), None),
        version=next((version for _, version in found if version and _is_version(version)), None),
    )


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _pyproject(text: str, path: str) -> tuple[str | None, str | None]:
    top = load_toml(text, path)
    project, poetry = top.table("project"), top.table("tool").table("poetry")
    return project.text("name") or poetry.text("name"), project.text("version") or poetry.text("version")


def _setup_cfg(text: str, _path: str) -> tuple[str | None, str | None]:
    config = RawConfigParser()
    try:
        config.read_string(text)
    except Error:
        return None, None
    # `attr: module.name` is no version, and is passed over as such.
    return config.get("metadata", "name", fallback=None), config.get("metadata", "version", fallback=None)


def _setup_py(text: str, _path: str) -> tuple[str | None, str | None]:
    try:
        with warnings.catch_warnings():
            # What Python has to say of somebody else's code.
            warnings.simplefilter("ignore")
            program = ast.parse(text)
    # Deep nesting is each of the last two, by release of Python.
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None, None
    constants = dict(_constants(program))
    for call in ast.walk(program):
        if isinstance(call, ast.Call) and _called(call.func) == "setup":
            given = {word.arg: _literal(word.value, constants) for word in call.keywords}
            return given.get("name"), given.get("version")
    return None, None


def _constants(program: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that hold a string, by a line such as `NAME = "x"`."""
    for line in program.body:
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str):
            for target in line.targets:
                if isinstance(target, ast.Name):
                    yield target.id, line.value.value


def _called(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _literal(value: ast.expr, constants: dict[str, str]) -> str | None:
    if isinstance(value, ast.Name):
        return constants.get(value.id)
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
