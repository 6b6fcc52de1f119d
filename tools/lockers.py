"""The tools that make lock files and install from them, in a virtual environment of their own.

`python -m tools.lockers` has them there, and says where.
"""

import hashlib
import sys
from pathlib import Path

from filelock import FileLock

from tools.places import log_file, tool_folder
from tools.process import CommandFailedError, run
from tools.progress import PartUnavailableError, step

# Exact, so that a lock file of the tests never differs because a tool has changed.
RELEASES = (
    "uv==0.13.9",
    "poetry==2.5.1",
    "poetry-plugin-export==1.10.1",
    "pipenv==2026.10.3",
    # The first line that reads pylock.toml.
    "pip==26.3",
)
_ADVICE = "They come from the package index that pip is set up for; it has to be within reach once."


def lockers() -> Path:
    """Return the folder with the programs `uv`, `poetry`, `pipenv` and `pip`, installing them where they are missing.

    Raises:
        PartUnavailableError: They cannot be installed here.
    """
    home = tool_folder() / f"lockers-{_key()}"
    ready = home / "ready"
    with FileLock(tool_folder("locks") / "lockers.lock"):
        if not ready.exists():
            _install(home)
            ready.touch()
    return home / "bin"


def _key() -> str:
    """What the environment depends on: another interpreter or release gets a folder of its own."""
    parts = "\n".join([sys.base_prefix, sys.version, *RELEASES])
    return hashlib.sha256(parts.encode()).hexdigest()[:12]


def _install(home: Path) -> None:
    python = str(home / "bin" / "python")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *RELEASES]
    try:
        with step("Installing uv, Poetry, Pipenv and pip for the tests of lock files"):
            run([sys.executable, "-m", "venv", "--clear", str(home)], log=log_file("lockers-venv"))
            run(command, log=log_file("lockers-install"))
    except (CommandFailedError, OSError) as error:
        raise PartUnavailableError(f"The tools that make lock files cannot be installed: {error}\n{_ADVICE}") from error


def main() -> int:
    """Have the tools, or say what is in the way."""
    try:
        print(f"uv, Poetry, Pipenv and pip: {lockers()}")
    except PartUnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
