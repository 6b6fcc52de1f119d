"""Layers and the functions that use them: `pulumi_aws` programs on the real engine, functions run in a container."""

import json
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws
import pytest
from pulumi.runtime.rpc import UNKNOWN

from pulumi_python_layer import PythonLayer
from tests.engine.servers import Gate
from tests.engine.stacks import LOCKS, REGION, RUNTIME, Aws, LayerStack, Outcome, noting_steps
from tools.invocation import Invoker

OLD, NEW = str(LOCKS / "old.txt"), str(LOCKS / "new.txt")
CODE = """
import idna

def handler(event, context):
    return {"version": idna.__version__, "file": idna.__file__, "event": event}
"""
MAY_RUN = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
NOWHERE = f"arn:aws:lambda:{REGION}:123456789012:layer:nowhere:1"
_SECONDS = 60


class Program:
    """A program with a function that takes a layer from a lock file."""

    def __init__(self, code: Path) -> None:
        self.code = code
        self.requirements = OLD
        self.more_layers: tuple[str, ...] = ()

    def __call__(self) -> None:
        layer = PythonLayer("deps", requirements=self.requirements, runtime=RUNTIME)
        archive = pulumi.FileArchive(str(self.code))
        function = declare_function(archive, layers=[layer.arn, *self.more_layers])
        pulumi.export("arn", layer.arn)
        pulumi.export("function", function.name)


def declare_function(code: pulumi.Archive, layers: list[pulumi.Input[str]]) -> pulumi_aws.lambda_.Function:
    """A function and its role, as a person writes them."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": [MAY_RUN]})
    role = pulumi_aws.iam.Role("may-run", assume_role_policy=policy)
    logs = pulumi_aws.iam.ManagedPolicy.AWS_LAMBDA_BASIC_EXECUTION_ROLE
    pulumi_aws.iam.RolePolicyAttachment("may-log", role=role.name, policy_arn=logs)
    return pulumi_aws.lambda_.Function(
        "tells", runtime=RUNTIME, handler="app.handler", role=role.arn, code=code, layers=layers
    )


def program_that_refers_to(owner: LayerStack) -> Callable[[], None]:
    """A program with a function that takes the layer of another stack."""

    def program() -> None:
        reference = pulumi.StackReference(f"organization/{owner.project}/dev")
        archive = pulumi.AssetArchive({"app.py": pulumi.StringAsset(CODE)})
        pulumi.export("function", declare_function(archive, layers=[reference.require_output("arn")]).name)

    return program


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("code") / "code.zip"
    with zipfile.ZipFile(path, "w") as archive:
        member = zipfile.ZipInfo("app.py")
        member.external_attr = 0o644 << 16
        archive.writestr(member, CODE)
    return path


@pytest.fixture
def program(stack: LayerStack, code: Path) -> Program:
    """The program of the test's own stack."""
    found = Program(code)
    stack.extra = found
    return found


@pytest.fixture
def standing(stack: LayerStack, program: Program) -> LayerStack:
    """A stack whose function is on version 1."""
    assert program.requirements == OLD
    outcome = stack.up()
    assert outcome.ok, outcome.text
    return stack


@pytest.fixture(scope="module")
def first_up(new_stack: Callable[[], LayerStack], code: Path) -> tuple[LayerStack, Outcome]:
    """A stack that several tests share, because none of them changes it."""
    stack = new_stack()
    stack.extra = Program(code)
    outcome = stack.up()
    assert outcome.ok, outcome.text
    return stack, outcome


@pytest.fixture
def invoked(invoke: Invoker, code: Path) -> Callable[[str, Any], Any]:
    """Runs a function of AWS's with an event; what it answers."""
    return partial(invoke, code=code)


def test_a_preview_hands_the_function_an_arn_that_is_not_known_yet(stack: LayerStack, program: Program) -> None:
    assert program.requirements == OLD
    layers: list[Any] = []
    outcome = stack.preview(on_event=lambda event: layers.extend(_layers_of_the_function(event)))
    assert outcome.ok, outcome.text
    assert layers == [[UNKNOWN]]


def test_a_function_imports_from_its_layer(
    first_up: tuple[LayerStack, Outcome], invoked: Callable[[str, Any], Any]
) -> None:
    _, outcome = first_up
    answer = invoked(outcome.outputs["function"], {"asked": 1})
    assert answer == {"version": "3.9", "file": "/opt/python/idna/__init__.py", "event": {"asked": 1}}


def test_a_function_stays_as_it_is_where_its_layer_does(first_up: tuple[LayerStack, Outcome]) -> None:
    stack, _ = first_up
    seen: list[tuple[str, str]] = []
    outcome = stack.up(on_event=noting_steps(seen))
    assert outcome.ok, outcome.text
    assert seen == []


def test_another_stack_takes_the_layer_by_reference(
    first_up: tuple[LayerStack, Outcome], stack: LayerStack, aws: Aws
) -> None:
    owner, before = first_up
    stack.extra = program_that_refers_to(owner)
    outcome = stack.up()
    assert outcome.ok, outcome.text
    assert _layers(aws, outcome.outputs["function"]) == [before.outputs["arn"]]
    assert stack.destroy().ok
    assert aws.versions(owner.layer_name()) == [1]


def test_another_stacks_function_names_the_deleted_version_until_the_next_up_of_its_own(
    standing: LayerStack, program: Program, new_stack: Callable[[], LayerStack], aws: Aws
) -> None:
    other = new_stack()
    other.extra = program_that_refers_to(standing)
    function = other.up().outputs["function"]
    program.requirements = NEW
    outcome = standing.up()
    assert outcome.ok, outcome.text
    assert not _has_its_layers(aws, function)
    seen: list[tuple[str, str]] = []
    assert other.up(on_event=noting_steps(seen)).ok
    assert seen == [("update", "tells")]
    assert _layers(aws, function) == [outcome.outputs["arn"]]


def test_a_function_moves_to_the_new_version_before_the_old_one_goes(
    before_aws: Gate, standing: LayerStack, program: Program, aws: Aws, invoked: Callable[[str, Any], Any]
) -> None:
    function = _function_of(standing)
    program.requirements = NEW
    before_aws.calls.clear()
    seen: list[tuple[str, str]] = []
    note = noting_steps(seen)
    all_there: list[bool] = []

    def note_and_look(event: Any) -> None:
        note(event)
        all_there.append(_has_its_layers(aws, function))

    outcome = standing.up(on_event=note_and_look)
    assert outcome.ok, outcome.text
    assert set(all_there) == {True}
    assert seen == [("create-replacement", "deps"), ("update", "tells"), ("delete-replaced", "deps")]
    assert list(_changes(before_aws.calls)) == ["POST versions", "PUT configuration", "DELETE 1"]
    assert _layers(aws, function) == [outcome.outputs["arn"]]
    assert invoked(function, {})["version"] == "3.10"


def test_a_failed_update_of_the_function_leaves_it_the_old_version_until_the_next_up(
    standing: LayerStack, program: Program, aws: Aws, invoked: Callable[[str, Any], Any]
) -> None:
    function = _function_of(standing)
    before = _layers(aws, function)
    program.requirements, program.more_layers = NEW, (NOWHERE,)
    failed = standing.up()
    assert not failed.ok
    assert "LayerVersion does not exist" in failed.text
    assert aws.versions(standing.layer_name()) == [1, 2]
    assert _layers(aws, function) == before
    assert invoked(function, {})["version"] == "3.9"

    program.more_layers = ()
    seen: list[tuple[str, str]] = []
    outcome = standing.up(on_event=noting_steps(seen))
    assert outcome.ok, outcome.text
    assert sorted(seen) == [("delete-replaced", "deps"), ("update", "tells")]
    assert aws.versions(standing.layer_name()) == [2]
    assert _layers(aws, function) == [outcome.outputs["arn"]]


def test_destroy_leaves_neither_function_nor_version(standing: LayerStack, aws: Aws) -> None:
    function = _function_of(standing)
    seen: list[tuple[str, str]] = []
    outcome = standing.destroy(on_event=noting_steps(seen))
    assert outcome.ok, outcome.text
    assert seen.index(("delete", "tells")) < seen.index(("delete", "deps"))
    assert function not in aws.functions()
    assert aws.versions(standing.layer_name()) == []
    assert standing.state().get("resources", []) == []


def _layers(aws: Aws, function: str) -> list[str]:
    return [layer["Arn"] for layer in aws.function(function)["Layers"]]


def _has_its_layers(aws: Aws, function: str) -> bool:
    """Whether each version that the function names is there; asked while it moves on, the answer tells nothing."""
    named = _layers(aws, function)
    parts = [arn.rpartition(":") for arn in named]
    there = all(int(number) in aws.versions(layer.rpartition(":")[2]) for layer, _, number in parts)
    return there or _layers(aws, function) != named


def _function_of(stack: LayerStack) -> str:
    return str(stack.automation.outputs()["function"].value)


def _layers_of_the_function(event: Any) -> Iterator[Any]:
    found = event.resource_pre_event
    if found and found.metadata.urn.endswith("::tells"):
        yield found.metadata.new.inputs["layers"]


def _changes(calls: list[str]) -> Iterator[str]:
    """What was changed in AWS: the method and the last part of the path."""
    for method, _, path in (call.partition(" ") for call in calls):
        if method != "GET" and ("/layers/" in path or "/functions/" in path):
            yield f"{method} {path.rpartition('/')[2]}"
