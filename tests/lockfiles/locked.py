"""The projects of this folder, each locked by every tool that can: `python -m tests.lockfiles.locked` locks anew."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.lockfiles.index import environment, write_tree
from tests.lockfiles.universe import BY_PATH, BY_WHEEL
from tools.lockers import lockers
from tools.progress import step

PROJECTS = Path(__file__).with_name("projects")
_EVERY_TOOL = ("uv.lock", "poetry.lock", "Pipfile.lock")
_EVERY_FORMAT = (*_EVERY_TOOL, "pylock.toml", "requirements.txt")
LOCKED = {
    "conflicts": ("uv.lock",),
    "extras": _EVERY_TOOL,
    "five-formats": _EVERY_FORMAT,
    "groups": _EVERY_TOOL,
    "markers": _EVERY_FORMAT,
    "platforms": _EVERY_FORMAT,
    "sources": _EVERY_FORMAT,
    "workspace": ("uv.lock",),
}
"""The lock files of each project, in the order in which they are made."""
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "uv.lock": ("uv", "lock"),
    "poetry.lock": ("poetry", "lock"),
    "Pipfile.lock": ("pipenv", "lock", "--categories", "packages dev-packages docs-site"),
    "pylock.toml": ("uv", "export", "--frozen", "--no-emit-project", "--format", "pylock.toml", "-o", "pylock.toml"),
    "requirements.txt": ("uv", "export", "--frozen", "--no-emit-project", "-o", "requirements.txt"),
}


class ToolFailedError(Exception):
    """A tool ended with an error; the message is what it said."""


def tool(words: tuple[str, ...], folder: Path, variables: Mapping[str, str]) -> str:
    """Run a tool; what it writes to standard output.

    Raises:
        ToolFailedError: It failed.
    """
    found = shutil.which(words[0], path=variables["PATH"]) or words[0]
    done = subprocess.run([found, *words[1:]], cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolFailedError(f"{' '.join(words)} in {folder.name}:\n{done.stdout}{done.stderr}")
    return done.stdout


def relock(project: Path, variables: Mapping[str, str]) -> None:
    """Make the project's lock files anew, in a copy."""
    for name in LOCKED[project.name]:
        (project / name).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / project.name
        shutil.copytree(project, copy)
        if (copy / "by-path").exists():
            # Pipenv learns what a folder needs from its build backend.
            write_tree(copy / "by-path", BY_PATH)
        for name in LOCKED[project.name]:
            with step(f"{project.name}/{name}"):
                tool(_COMMANDS[name], copy, variables)
                shutil.copyfile(copy / name, project / name)


def main(names: list[str]) -> None:
    """Lock the projects of these names, or all."""
    for file, content in BY_WHEEL.files():
        (PROJECTS / "sources" / file).write_bytes(content)
    with tempfile.TemporaryDirectory() as folder, environment(Path(folder), lockers()) as variables:
        for name in names or LOCKED:
            relock(PROJECTS / name, variables)


if __name__ == "__main__":
    main(sys.argv[1:])
