"""What is in the layer that AWS gets: it imports where Lambda puts it, and the same plan gives the same bytes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from python_layer_provider.build.cache import cache_folder
from tests.engine.conftest import Containers
from tests.engine.stacks import LOCKS, RUNTIME, Aws, LayerStack
from tools.invocation import as_tar

SDISTS = str(LOCKS / "sdists.txt")
NOBODY = "65534:65534"


def test_published_layer_imports_in_a_fresh_container(stack: LayerStack, aws: Aws, containers: Containers) -> None:
    stack.declare(requirements=SDISTS)
    outputs = stack.up().outputs
    zipped = cache_folder() / f"{outputs['deps.content_hash'].replace(':', '-')}.zip"
    assert aws.version(outputs["deps.arn"])["Content"]["CodeSize"] == zipped.stat().st_size
    program = "import idna, pyleri, sysv_ipc; print(idna.__version__, sysv_ipc.VERSION, sysv_ipc.__file__)"
    said = _said_in_lambda(containers, zipped, ["python3", "-c", program])
    assert said.startswith("3.10 1.1.0 /opt/python/sysv_ipc."), said


def test_same_plan_gives_the_same_bytes(tmp_path: Path, containers: Containers) -> None:
    """Cold and warm, in another folder, with another umask, time zone and locale, some seconds later."""
    containers.forget_pip_cache()
    cold = _built(tmp_path / "one", umask=0o022)
    warm = _built(tmp_path / "two", umask=0o077, settings={"TZ": "Pacific/Auckland", "LC_ALL": "C"})
    containers.forget_pip_cache()
    again = _built(tmp_path / "three", umask=0o002, settings={"SOURCE_DATE_EPOCH": "1700000000"})
    assert cold == warm
    assert cold == again


def test_cached_layer_is_the_built_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = _built(tmp_path / "one", use_cache=True)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    assert _built(tmp_path / "two", use_cache=True) == built


def _built(
    folder: Path, *, umask: int = 0o022, settings: Mapping[str, str] | None = None, use_cache: bool = False
) -> bytes:
    """The zip that the command line builds."""
    folder.mkdir()
    command = [
        sys.executable,
        "-m",
        "pulumi_python_layer.cli",
        "build",
        "--requirements",
        SDISTS,
        "--runtime",
        RUNTIME,
        "--json",
    ]
    command += ["--architecture", "x86_64", "--output", "layer.zip", *([] if use_cache else ["--no-cache"])]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(settings or {})},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    content = (folder / "layer.zip").read_bytes()
    assert said["zipped_size"] == len(content)
    return content


def _said_in_lambda(containers: Containers, zipped: Path, command: list[str]) -> str:
    """What a command says where the layer is unpacked as Lambda does it, run by an unprivileged user."""
    environment = {"PYTHONPATH": "/opt/python"}
    container = containers.client.containers.create(containers.image, command, user=NOBODY, environment=environment)
    try:
        container.put_archive("/opt", as_tar(zipped))
        container.start()
        container.wait()
        return container.logs().decode()
    finally:
        container.remove(force=True)
