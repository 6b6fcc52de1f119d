"""Ctrl-C and killed processes while pip installs and while AWS works, with the command line as a person uses it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import boto3
import pytest

from tests.engine.conftest import Containers
from tests.engine.servers import Gate, Shelf
from tests.engine.stacks import REGION, Aws, CommandLineStack, Outcome, eventually, interrupt, new_project

PROGRAM = """
import pulumi
from pulumi_python_layer import PythonLayer

layer = PythonLayer("deps", requirements="requirements.txt", runtime="python3.11")
pulumi.export("arn", layer.arn)
"""
UP = ("up", "--yes", "--skip-preview", "--non-interactive")
DESTROY = ("destroy", "--yes", "--skip-preview", "--non-interactive")
SECONDS = 20
# Two parts, the second one short.
LARGE = 9_000_000


Held: TypeAlias = Callable[..., "subprocess.Popen[str]"]
"""Starts a command; see the fixture."""


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


class Bucket:
    """A bucket in which the stack keeps its layer, which is sent in parts."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._s3: Any = boto3.client("s3", region_name=REGION)
        self._s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def uploads(self) -> int:
        """How many uploads were begun and not ended."""
        return len(self._s3.list_multipart_uploads(Bucket=self._name).get("Uploads", ()))


@pytest.fixture
def bucket(stack: CommandLineStack, wheels: Shelf) -> Bucket:
    line = wheels.wheel("large", {"large.bin": os.urandom(LARGE)})
    (stack.folder / "requirements.txt").write_text(line)
    (stack.folder / "__main__.py").write_text(
        PROGRAM.replace('"python3.11"', f'"python3.11", s3_bucket="{stack.project}"')
    )
    return Bucket(stack.project)


@pytest.fixture
def held(stack: CommandLineStack, before_aws: Gate) -> Iterator[Held]:
    """Starts a command, and hands it over when AWS has done what a call asks for and has not said so."""
    started: list[tuple[subprocess.Popen[str], list[int]]] = []

    def start(call: str, *arguments: str) -> "subprocess.Popen[str]":
        before_aws.held = call
        before_aws.published.clear()
        before_aws.answering.clear()
        process = stack.start(*arguments)
        assert before_aws.published.wait(SECONDS)
        started.append((process, _providers(process.pid)))
        return process

    yield start
    before_aws.answering.set()
    for process, providers in started:
        process.kill()
        process.communicate()
        for provider in providers:
            _kill_group(provider)


def test_ctrl_c_once_while_aws_publishes_keeps_the_version(
    stack: CommandLineStack, held: Held, before_aws: Gate, aws: Aws
) -> None:
    process = held("PublishLayerVersion", *UP)
    interrupt(process)
    time.sleep(1)
    before_aws.answering.set()
    _ended(process)
    assert aws.versions(stack.layer_name()) == [1]
    assert _ids(stack) == [f"arn:aws:lambda:eu-west-1:123456789012:layer:{stack.layer_name()}:1"]


@pytest.mark.parametrize("whole", [True, False], ids=["all processes", "the provider"])
def test_a_version_that_a_killed_run_has_published_is_taken_over(
    stack: CommandLineStack, held: Held, before_aws: Gate, aws: Aws, *, whole: bool
) -> None:
    process = held("PublishLayerVersion", *UP)
    providers = _providers(process.pid)
    if whole:
        process.kill()
    for provider in providers:
        _kill_group(provider)
    _ended(process)
    before_aws.answering.set()
    assert aws.versions(stack.layer_name()) == [1]
    assert _ids(stack) == []
    before_aws.names.clear()
    _is_usable(stack, aws)
    assert "PublishLayerVersion" not in before_aws.names


def test_a_command_line_that_is_killed_while_aws_publishes_leaves_at_most_what_is_taken_over(
    stack: CommandLineStack, held: Held, before_aws: Gate, aws: Aws
) -> None:
    held("PublishLayerVersion", *UP).kill()
    before_aws.answering.set()
    assert len(aws.versions(stack.layer_name())) <= 1
    _is_usable(stack, aws)


def test_ctrl_c_twice_while_parts_are_uploaded_leaves_nothing(
    stack: CommandLineStack, bucket: Bucket, held: Held, before_aws: Gate, aws: Aws
) -> None:
    process = held("UploadPart", *UP)
    interrupt(process)
    time.sleep(1)
    interrupt(process)
    time.sleep(1)
    before_aws.answering.set()
    _ended(process)
    assert eventually(lambda: bucket.uploads() == 0, SECONDS)
    assert aws.versions(stack.layer_name()) == []
    _is_usable(stack, aws)
    assert bucket.uploads() == 0


def test_parts_that_a_killed_run_has_uploaded_are_gone_on_with(
    stack: CommandLineStack, bucket: Bucket, held: Held, before_aws: Gate, aws: Aws
) -> None:
    process = held("CompleteMultipartUpload", *UP)
    before_aws.held = "none"
    providers = _providers(process.pid)
    process.kill()
    for provider in providers:
        _kill_group(provider)
    before_aws.answering.set()
    before_aws.names.clear()
    _is_usable(stack, aws)
    assert "UploadPart" not in before_aws.names
    assert bucket.uploads() == 0


def test_a_version_that_a_killed_run_has_deleted_is_no_error(
    stack: CommandLineStack, held: Held, before_aws: Gate, aws: Aws
) -> None:
    assert stack.run(*UP).ok
    process = held("DeleteLayerVersion", *DESTROY)
    providers = _providers(process.pid)
    process.kill()
    for provider in providers:
        _kill_group(provider)
    before_aws.answering.set()
    assert aws.versions(stack.layer_name()) == []
    stack.run("cancel", "--yes", "--non-interactive")
    outcome = stack.run(*DESTROY)
    assert outcome.ok, outcome.text
    assert not stack.state().get("resources")


def _ended(process: "subprocess.Popen[str]") -> Outcome:
    text, _ = process.communicate(timeout=60)
    return Outcome(ok=process.returncode == 0, text=text)


def _is_usable(stack: CommandLineStack, aws: Aws) -> None:
    """The stack goes up and comes down, at the latest after `pulumi cancel`, which takes a killed run's lock away."""
    stack.run("cancel", "--yes", "--non-interactive")
    outcome = stack.run(*UP)
    assert outcome.ok, outcome.text
    assert len(aws.versions(stack.layer_name())) == 1
    outcome = stack.run(*DESTROY)
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
