"""States of releases: the programs that made them, and `python -m tests.engine.recorded` to record this release's.

A recorded state is never changed and never recorded again once its release is out: it is what is in people's stacks.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pulumi_python_layer import LayerPermission
from tests.engine.stacks import REGION, LayerStack, lock
from tools.parts import real_parts

STATES = Path(__file__).parents[1] / "state"
PROJECT = "recorded"
# A state is only taken in with the passphrase that it was given out with.
PASSPHRASE = "recorded"
_LOCK = "requirements.txt"

PROGRAMS: Mapping[str, Mapping[str, Any]] = {
    "small": {"requirements": _LOCK},
    "every-input": {
        "requirements": ["idna==3.9", "six==1.17.0"],
        "architecture": "x86_64",
        "layer_name": "every-input",
        "description": "says what it is",
        "license_info": "Apache-2.0",
        "compatible_runtimes": ["python3.12", "python3.11"],
        "compatible_architectures": ["x86_64", "arm64"],
        "region": "eu-central-1",
        "skip_destroy": False,
        "triggers": ["first", 2, {"third": True}],
    },
    "secret-url": {"requirements": "with-secret.txt"},
    "later-life": {
        "requirements": _LOCK,
        "regions": ["us-east-1"],
        "permissions": [LayerPermission(principal="123456789012")],
        "keep_versions": 2,
        "delete_unused_only": True,
        "max_size": 100_000_000,
    },
}
"""Name of a state to the inputs of its only layer."""
# Machine and moment of the recording.
_DROPPED = ("created", "modified", "sourcePosition", "stackTrace", "time")


def write_locks(folder: Path) -> None:
    """Put the lock files of the programs where they run."""
    (folder / _LOCK).write_text(lock("old"))
    index = "--extra-index-url https://deploy:hidden@index.example/simple\n"
    (folder / "with-secret.txt").write_text(index + lock("old"))


def main() -> None:
    """Record the state of each program that has none yet, with the code as it is."""
    folder = STATES / version("pulumi-python-layer")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, real_parts() as parts:
        os.environ.update(parts.environment(Path(home), region=REGION))
        os.chdir(home)
        write_locks(Path(home))
        for name, inputs in PROGRAMS.items():
            path = folder / f"{name}.json"
            if not path.exists():
                _record(path, recorded_stack(Path(home, name), inputs))


def recorded_stack(home: Path, inputs: Mapping[str, Any]) -> LayerStack:
    """A stack with the names of the recorded ones, in a backend of its own."""
    (home / "stacks").mkdir(parents=True)
    os.environ.update(PULUMI_BACKEND_URL=(home / "stacks").as_uri(), PULUMI_CONFIG_PASSPHRASE=PASSPHRASE)
    stack = LayerStack(PROJECT, home / "work")
    stack.declare(**inputs)
    return stack


def _record(path: Path, stack: LayerStack) -> None:
    outcome = stack.up()
    if not outcome.ok:
        sys.exit(outcome.text)
    path.write_text(json.dumps(_portable(stack.state()), indent=2, sort_keys=True) + "\n")


def _portable(value: Any) -> Any:
    if isinstance(value, list):
        return [_portable(item) for item in value]
    if isinstance(value, dict):
        return {key: _portable(item) for key, item in value.items() if key not in _DROPPED}
    return value


if __name__ == "__main__":
    main()
