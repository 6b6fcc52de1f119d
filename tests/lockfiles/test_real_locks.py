"""Lock files of public projects against what the real tools select.

The collection is no part of the repository: these tests are there where `REAL_LOCK_FILES` names its folder. Each case
has a lock file with its neighbours, and an `expected.json` that maps targets to names and versions.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from python_layer_provider.errors import InputError, LockFileTargetError
from python_layer_provider.lockfile import read_lockfile
from python_layer_provider.selection import select
from python_layer_provider.target import Target

CASES = sorted(
    (path.parent for path in Path(os.environ["REAL_LOCK_FILES"]).glob("*/expected.json")), key=lambda path: path.name
)
TARGETS = {
    "py311-x86_64": Target.of("python3.11", "x86_64"),
    "py313-x86_64": Target.of("python3.13", "x86_64"),
    "py313-aarch64": Target.of("python3.13", "arm64"),
}


def selected(case: Path, lock: str, target: Target, folder: Path) -> dict[str, str | None] | InputError:
    """What is selected, without what is at a path; or the refusal."""
    shutil.copytree(case, folder, dirs_exist_ok=True)
    # Variables that some of the files name in the URLs of their indexes.
    environ = {"ENV_VAR": "value"}
    try:
        lockfile = read_lockfile(lock, base=folder, environ=environ)
        pins = select(lockfile, target).pins
    except InputError as error:
        return error
    return {name: pin.version for name, pin in pins.items() if not pin.path}


def equal(found: dict[str, str | None], expected: dict[str, str | None]) -> bool:
    """Whether names and versions are the same; a version that the map does not tell may be any."""
    return found.keys() == expected.keys() and all(
        wanted is None or Version(found[name] or "0") == Version(wanted) for name, wanted in expected.items()
    )


def no_file_fits(found: InputError) -> bool:
    """Whether the refusal is about files, at which the expected selections do not look."""
    return isinstance(found, LockFileTargetError) and "have no file for" in found.what


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_real_lock_files_give_what_the_real_tools_select(case: Path, target: str, tmp_path: Path) -> None:
    expected: dict[str, Any] = json.loads((case / "expected.json").read_text())
    if target not in expected:
        # The real tool could not be run for it: there is nothing to compare with.
        return
    found = selected(case, expected["lock"], TARGETS[target], tmp_path)
    if expected[target] is None or expected[target] == {}:
        assert isinstance(found, InputError) or not found
        return
    if isinstance(found, InputError):
        assert no_file_fits(found), found
        return
    allowed = [expected[target], *(one.get(target) for one in expected.get("variants", {}).values())]
    assert any(equal(found, one) for one in allowed if one)
