"""All tests, those that need no real parts beside those that do: together they take as long as the slower half.

Each half measures coverage into a file of its own; what both have covered is reported in the end.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from tools.places import log_file
from tools.process import child
from tools.progress import say

_QUICK = ("tests/unit", "tests/lockfiles")
_REAL = ("tests/engine",)


def main() -> int:
    """Run both halves; 0 where all is well."""
    started = time.monotonic()
    log = log_file("quick-tests")
    say(f"The tests without real parts run beside those with them: {log}")
    with log.open("wb") as output, child(_pytest(_QUICK), stdout=output, env=_environment(_QUICK)) as quick:
        real = subprocess.run(_pytest(_REAL), env=_environment(_REAL), check=False).returncode
        quick.wait()
    sys.stdout.write(log.read_text())
    covered = _coverage("combine", _data(_QUICK), _data(_REAL)) or _coverage("report")
    say(f"All tests took {time.monotonic() - started:.0f} s.")
    return real or quick.returncode or covered


def _pytest(paths: tuple[str, ...]) -> list[str]:
    # One half alone never covers enough.
    return [sys.executable, "-m", "pytest", "--cov", "--cov-report=", "--cov-fail-under=0", *paths]


def _environment(paths: tuple[str, ...]) -> dict[str, str]:
    return {**os.environ, "COVERAGE_FILE": _data(paths)}


def _data(paths: tuple[str, ...]) -> str:
    return str(Path(f".coverage-{Path(paths[0]).name}").absolute())


def _coverage(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "coverage", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
