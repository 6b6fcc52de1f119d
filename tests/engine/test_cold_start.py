"""Functions with `dependencies="at-cold-start"` on the real engine, in containers that can write to /tmp alone."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest
from docker.models.containers import Container

from pulumi_python_layer import PythonFunction
from python_layer_provider.build import pip
from tests.engine.conftest import Containers
from tests.engine.servers import Shelf, shelf
from tests.engine.stacks import RUNTIME, LayerStack, eventually, lock
from tools.function_runtime import CUT_OFF
from tools.invocation import Invoker

TELLS = """
import pathlib, idna, six

def handle(event, context):
    try:
        pathlib.Path("/var/task/written").touch()
    except OSError as error:
        refused = error.strerror
    return {"idna": idna.__version__, "files": [idna.__file__, six.__file__], "refused": refused, "event": event}
"""
ASKS = """
import importlib, sys
from pulumi_python_layer.cold_start import ensure

def handle(event, context):
    before = list(sys.modules)
    ensure(*event["pins"])
    ensure(*event["pins"])
    return {"file": importlib.import_module(event["module"]).__file__, "before": event["module"] in before}
"""
SIX = "six==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"
SLOW = "import slow\n\ndef handle(event, context):\n    return slow.SAYS\n"
IN_TMP = "/tmp/pulumi-python-layer/"
SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of a container to its end."""

    answers: list[Any]
    log: str
    changed: list[Any]
    """What differs from the image, as the container engine sees it."""


class Functions:
    """A stack of functions that install their dependencies themselves."""

    def __init__(self, stack: LayerStack, invoke: Invoker) -> None:
        self._stack = stack
        self._invoke = invoke
        self._names: dict[str, str] = {}
        self._given: dict[str, dict[str, Any]] = {}
        self.said = ""
        """What the update said."""
        stack.extra = self._program

    def declare(self, name: str, code: str, requirements: str, **variables: str) -> None:
        """Have a function of that code and lock file, with variables beside those by which it reaches the index."""
        folder = Path(name)
        folder.mkdir()
        (folder / "app.py").write_text(code)
        (folder / "requirements.txt").write_text(requirements)
        self._given[name] = {"environment": {"variables": {**_reaching_the_index(folder), **variables}}}

    def up(self) -> None:
        outcome = self._stack.up()
        assert outcome.ok, outcome.text
        self._names.update(outcome.outputs)
        self.said = outcome.text

    def started(self, name: str, *events: Any) -> AbstractContextManager[Container]:
        return self._invoke.started(self._names[name], *events)

    def run(self, name: str, *events: Any) -> Run:
        with self.started(name, *events) as container:
            return to_the_end(container)

    def _program(self) -> None:
        for name, given in self._given.items():
            function = PythonFunction(
                name, entry=name, handler="app.handle", runtime=RUNTIME, dependencies="at-cold-start", **given
            )
            pulumi.export(name, function.function_name)


def _reaching_the_index(folder: Path) -> dict[str, str]:
    """Variables of a function by which pip reaches the index from a container, as it does in builds."""
    index = {"PIP_INDEX_URL": os.environ["PIP_INDEX_URL"]} if os.environ.get("PIP_INDEX_URL") else {}
    authorities = pip._host_ca(os.environ)
    if authorities:
        (folder / "authorities.pem").write_bytes(authorities)
    trusted = {"PIP_CERT": "/var/task/authorities.pem"} if authorities else {}
    return {**pip._proxies(os.environ), **index, **trusted}


def to_the_end(container: Container) -> Run:
    container.wait(timeout=SECONDS)
    log = container.logs().decode()
    answers = [json.loads(line) for line in log.splitlines() if line.startswith(("{", '"'))]
    return Run(answers=answers, log=log, changed=container.diff() or [])


@pytest.fixture(scope="module")
def slow_shelf(containers: Containers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with shelf(tmp_path_factory.mktemp("shelf"), containers.gateway) as found:
        yield found


@pytest.fixture(scope="module")
def functions(
    new_stack: Callable[[], LayerStack],
    invoke: Invoker,
    slow_shelf: Shelf,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Functions]:
    """Functions that stand: one that tells what it has, one that asks for more, one with a wrong hash, a slow one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("program"))
        found = Functions(new_stack(), invoke)
        found.declare("tells", TELLS, lock("old"))
        found.declare("asks", ASKS, lock("old"))
        found.declare("wrong", TELLS, lock("old").replace("sha256:69297d5d", "sha256:00000000"))
        found.declare("slow", SLOW, slow_shelf.wheel("slow", {"slow.py": b"SAYS = 'there'\n"}), INIT_SECONDS="3")
        found.up()
        yield found


@pytest.fixture(scope="module")
def twice(functions: Functions) -> Run:
    """Two cold starts in the same /tmp."""
    return functions.run("tells", {"asked": 1}, {"asked": 2})


def test_it_installs_when_it_starts_and_answers_with_packages_from_tmp(twice: Run) -> None:
    answer = twice.answers[0]
    assert (answer["idna"], answer["event"]) == ("3.9", {"asked": 1})
    assert all(file.startswith(IN_TMP) for file in answer["files"])


def test_a_second_start_in_the_same_tmp_installs_nothing(twice: Run) -> None:
    assert [answer["event"]["asked"] for answer in twice.answers] == [1, 2]
    assert twice.log.count("pulumi-python-layer: installed") == 1


def test_the_log_says_what_was_installed_and_what_room_it_takes(twice: Run) -> None:
    line = next(line for line in twice.log.splitlines() if line.startswith("pulumi-python-layer: "))
    assert line.startswith("pulumi-python-layer: installed idna 3.9, six 1.17.0 in ")
    assert "MB in /tmp" in line
    assert line.endswith(" MB free")


def test_nothing_is_written_outside_of_tmp(twice: Run) -> None:
    assert {answer["refused"] for answer in twice.answers} == {"Read-only file system"}
    assert twice.changed == []


def test_a_hash_that_does_not_fit_fails_with_pips_words(functions: Functions) -> None:
    (answer,) = functions.run("wrong", {}).answers
    assert answer["errorType"] == "ColdStartError"
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in answer["errorMessage"]
    assert "idna==3.9" in answer["errorMessage"]


def test_ensure_installs_when_it_is_asked_and_once(functions: Functions) -> None:
    run = functions.run("asks", {"pins": ["iniconfig==2.0.0"], "module": "iniconfig"})
    (answer,) = run.answers
    assert answer["file"].startswith(IN_TMP)
    assert not answer["before"]
    assert run.log.count("installed iniconfig 2.0.0 in") == 1


def test_ensure_installs_nothing_that_is_there(functions: Functions) -> None:
    run = functions.run("asks", {"pins": [SIX], "module": "six"})
    assert run.answers[0]["file"].startswith(IN_TMP)
    assert run.log.count("pulumi-python-layer: installed") == 1


def test_an_install_that_was_cut_off_is_done_again(functions: Functions, slow_shelf: Shelf) -> None:
    slow_shelf.giving.clear()
    with functions.started("slow", {}) as container:
        assert eventually(lambda: CUT_OFF in container.logs().decode(), SECONDS)
        slow_shelf.giving.set()
        run = to_the_end(container)
    assert run.answers == ["there"]
    assert run.log.count("installed slow 1.0 in") == 1


def test_whoever_deploys_it_is_told_once_for_each_function_that_it_is_for_development(functions: Functions) -> None:
    told = functions.said.partition("Diagnostics:")[2]
    assert told.count("is for development, not for production") == 4
