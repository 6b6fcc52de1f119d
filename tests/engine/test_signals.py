"""Ctrl-C and killed processes while pip installs and while AWS publishes, with the command line as a person uses it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.engine.conftest import Containers
from tests.engine.servers import Gate, Shelf
from tests.engine.stacks import Aws, CommandLineStack, Outcome, eventually, interrupt, new_project

PROGRAM = """
import pulumi
from pulumi_python_layer import PythonLayer

layer = PythonLayer("deps", requirements="requirements.txt", runtime="python3.11")
pulumi.export("arn", layer.arn)
"""
UP = ("up", "--yes", "--skip-preview", "--non-interactive")
SECONDS = 20


@pytest.fixture
def stack(tmp_path: Path, wheels: Shelf) -> CommandLineStack:
    """A stack whose only wheel nobody has built before: its content differs from run to run."""
    found = CommandLineStack(new_project("signals"), tmp_path / "program", PROGRAM)
    line = wheels.wheel("held", {"held.py": f"RUN = {found.project!r}\n".encode()})
    (found.folder / "requirements.txt").write_text(line)
    return found


@pytest.fixture
def installing(stack: CommandLineStack, wheels: Shelf, containers: Containers) -> Iterator["subprocess.Popen[str]"]:
    """An up whose pip waits for its wheel."""
    wheels.giving.clear()
    process = stack.start(*UP)
    assert wheels.asked.wait(SECONDS)
    assert len(containers.builds()) == 1
    providers = _providers(process.pid)
    yield process
    process.kill()
    process.communicate()
    # Pulumi's providers do not notice that their engine was killed.
    for provider in providers:
        _kill_group(provider)


def test_ctrl_c_once_lets_the_operation_finish(
    stack: CommandLineStack, installing: "subprocess.Popen[str]", wheels: Shelf, aws: Aws
) -> None:
    interrupt(installing)
    time.sleep(1)
    wheels.giving.set()
    outcome = _ended(installing)
    assert not outcome.ok, outcome.text
    assert aws.versions(stack.layer_name()) == [1]
    assert _ids(stack) == [f"arn:aws:lambda:eu-west-1:123456789012:layer:{stack.layer_name()}:1"]
    assert stack.run(*UP).ok
    assert aws.versions(stack.layer_name()) == [1]


def test_ctrl_c_twice_publishes_nothing_and_leaves_no_container(
    stack: CommandLineStack, installing: "subprocess.Popen[str]", wheels: Shelf, aws: Aws, containers: Containers
) -> None:
    interrupt(installing)
    time.sleep(1)
    interrupt(installing)
    _ended(installing)
    assert eventually(lambda: not containers.builds(), SECONDS)
    wheels.giving.set()
    assert aws.versions(stack.layer_name()) == []
    _is_usable(stack, aws)


def test_ctrl_c_twice_while_aws_publishes_leaves_no_version(
    stack: CommandLineStack, before_aws: Gate, aws: Aws
) -> None:
    before_aws.answering.clear()
    process = stack.start(*UP)
    assert before_aws.published.wait(SECONDS)
    interrupt(process)
    time.sleep(1)
    interrupt(process)
    time.sleep(1)
    before_aws.answering.set()
    _ended(process)
    assert eventually(lambda: aws.versions(stack.layer_name()) == [], SECONDS)
    _is_usable(stack, aws)


def test_killed_command_line_publishes_nothing_and_leaves_no_container(
    stack: CommandLineStack, installing: "subprocess.Popen[str]", wheels: Shelf, aws: Aws, containers: Containers
) -> None:
    installing.kill()
    assert eventually(lambda: not containers.builds(), SECONDS)
    wheels.giving.set()
    assert aws.versions(stack.layer_name()) == []
    _is_usable(stack, aws)


def test_killed_provider_leaves_a_container_that_the_next_run_removes(
    stack: CommandLineStack, installing: "subprocess.Popen[str]", wheels: Shelf, aws: Aws, containers: Containers
) -> None:
    providers = _providers(installing.pid)
    installing.kill()
    for provider in providers:
        _kill_group(provider)
    (left,) = containers.builds()
    wheels.giving.set()
    _is_usable(stack, aws)
    assert left.id not in [found.id for found in containers.builds()]


def test_killed_provider_fails_the_operation_and_publishes_nothing(
    stack: CommandLineStack, installing: "subprocess.Popen[str]", wheels: Shelf, aws: Aws
) -> None:
    for provider in _providers(installing.pid):
        _kill_group(provider)
    outcome = _ended(installing)
    assert not outcome.ok
    wheels.giving.set()
    assert aws.versions(stack.layer_name()) == []
    _is_usable(stack, aws)


def _ended(process: "subprocess.Popen[str]") -> Outcome:
    text, _ = process.communicate(timeout=60)
    return Outcome(ok=process.returncode == 0, text=text)


def _is_usable(stack: CommandLineStack, aws: Aws) -> None:
    """The stack goes up and comes down, at the latest after `pulumi cancel`, which takes a killed run's lock away."""
    stack.run("cancel", "--yes", "--non-interactive")
    outcome = stack.run(*UP)
    assert outcome.ok, outcome.text
    assert len(aws.versions(stack.layer_name())) == 1
    outcome = stack.run("destroy", "--yes", "--skip-preview", "--non-interactive")
    assert outcome.ok, outcome.text
    assert aws.versions(stack.layer_name()) == []


def _ids(stack: CommandLineStack) -> list[str]:
    return [found["id"] for found in stack.state()["resources"] if "PythonLayer" in found["type"]]


def _providers(parent: int) -> list[int]:
    """The process groups of a `pulumi` process's providers: the engine starts each as the leader of one."""
    listing = subprocess.run(["ps", "-axwwo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listing.splitlines()]
    return [int(pid) for pid, ppid, command in rows if int(ppid) == parent and "resource-pulumi-python" in command]


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
