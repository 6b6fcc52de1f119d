"""Earlier versions: which stay, which go, and that nobody else's are touched; what is taken over after a loss."""

from collections.abc import Callable
from functools import partial
from typing import Any

import boto3
import pulumi
import pytest
from pulumi import automation

from pulumi_python_layer import LayerPermission, PythonLayer
from tests.engine.soaking import make_function
from tests.engine.stacks import LAYER_TYPE, LOCKS, REGION, RUNTIME, Aws, LayerStack, Outcome
from tests.engine.test_functions import CODE, NOWHERE, declare_function

OLD, NEW = str(LOCKS / "old.txt"), str(LOCKS / "new.txt")
REPLACED = ("create-replacement", "replace", "delete-replaced")
ACCOUNT = "111111111111"


class Changing:
    """A stack with one layer whose content is published anew at each change."""

    def __init__(self, stack: LayerStack, **inputs: Any) -> None:
        self.stack = stack
        self.inputs = {"requirements": OLD, "triggers": [0], **inputs}
        self._changes = 0

    def up(self, **inputs: Any) -> Outcome:
        """Change inputs, in place if they can be."""
        self.inputs.update(inputs)
        self.stack.declare(**self.inputs)
        outcome = self.stack.up()
        assert outcome.ok, outcome.text
        return outcome

    def change(self, **inputs: Any) -> Outcome:
        """Publish a new version."""
        self._changes += 1
        return self.up(**inputs, triggers=[self._changes])

    def retained(self) -> list[str]:
        """The numbers of the versions that the state retains."""
        (layer,) = self.stack.resources()
        return [arn.rpartition(":")[2] for arn in layer["outputs"]["retained_arns"]]


@pytest.fixture
def changing(stack: LayerStack) -> Changing:
    return Changing(stack)


def test_as_many_earlier_versions_stay_as_are_asked_for(changing: Changing, aws: Aws) -> None:
    name = changing.stack.layer_name()
    changing.up(keep_versions=2)
    for _ in range(5):
        assert changing.change().operations == REPLACED
    assert aws.versions(name) == [4, 5, 6]
    assert changing.retained() == ["5", "4"]
    assert changing.up(keep_versions=1).operations == ("update",)
    assert aws.versions(name) == [5, 6]
    changing.change(keep_versions=2)
    assert aws.versions(name) == [5, 6, 7]
    assert changing.up(keep_versions=None).operations == ("update",)
    assert aws.versions(name) == [7]
    assert changing.stack.preview().operations == ("same",)
    changing.change(keep_versions=1)
    assert changing.stack.destroy().ok
    assert aws.versions(name) == []


def test_versions_that_are_let_go_stay_and_those_kept_before_are_deleted_no_more(changing: Changing, aws: Aws) -> None:
    changing.up(keep_versions=1)
    changing.change()
    changing.up(skip_destroy=True)
    changing.change()
    assert aws.versions(changing.stack.layer_name()) == [1, 2, 3]
    changing.up(skip_destroy=None)
    assert changing.stack.destroy().ok
    assert aws.versions(changing.stack.layer_name()) == [2]


def test_a_version_that_a_function_uses_stays_until_it_does_no_more(changing: Changing, aws: Aws) -> None:
    name = changing.stack.layer_name()
    arn = changing.up(delete_unused_only=True).outputs["deps.arn"]
    client = boto3.client("lambda", region_name=REGION)
    make_function(name, arn)
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    client.update_function_configuration(FunctionName=name, Layers=[])
    changing.change()
    assert aws.versions(name) == [1, 2]
    changing.change()
    assert aws.versions(name) == [1, 3]
    assert changing.retained() == ["1"]
    client.delete_function(FunctionName=name)
    changing.change()
    assert aws.versions(name) == [4]
    changing.up(permissions=[LayerPermission(principal=ACCOUNT)])
    make_function(f"{name}-2", changing.up().outputs["deps.arn"])
    changing.change()
    client.delete_function(FunctionName=f"{name}-2")
    # The state has it still; sharing finds it gone.
    aws.delete(name, 4)
    changing.up(permissions=[LayerPermission(principal="*")])
    changing.up(delete_unused_only=None)
    assert aws.versions(name) == [5]


def test_destroy_tells_of_versions_that_functions_use(changing: Changing, aws: Aws) -> None:
    name = changing.stack.layer_name()
    arn = changing.up(delete_unused_only=True).outputs["deps.arn"]
    client = boto3.client("lambda", region_name=REGION)
    make_function(name, arn)
    outcome = changing.stack.destroy()
    assert outcome.ok, outcome.text
    assert f"Functions still use these versions, which stay in AWS:\n        {arn}\n" in outcome.text
    assert aws.versions(name) == [1]
    client.delete_function(FunctionName=name)


def test_stacks_and_people_that_share_a_layers_name_leave_each_others_versions_alone(
    new_stack: Callable[[], LayerStack], changing: Changing, aws: Aws
) -> None:
    name = changing.stack.layer_name()
    other = Changing(new_stack(), layer_name=name)
    changing.up(keep_versions=1)
    other.up()
    aws.publish(name)
    for _ in range(2):
        changing.change()
        other.change()
    changing.stack.automation.import_stack(automation.Deployment(version=3, deployment={}))
    assert changing.up().outputs["deps.version"] == "6"
    assert aws.versions(name) == [3, 4, 6, 7]
    assert changing.stack.destroy().ok
    assert aws.versions(name) == [3, 4, 7]
    assert other.stack.destroy().ok
    assert aws.versions(name) == [3, 4]


def test_two_layers_of_a_stack_may_have_one_name(stack: LayerStack, aws: Aws) -> None:
    name = stack.layer_name()
    stack.declare("one", requirements=OLD, layer_name=name, keep_versions=1)
    stack.declare("other", requirements=OLD, layer_name=name)
    assert stack.up().ok
    stack.declare("one", requirements=NEW, layer_name=name, keep_versions=1)
    assert stack.up().ok
    assert aws.versions(name) == [1, 2, 3]
    del stack.layers["one"]
    outcome = stack.up()
    assert outcome.ok, outcome.text
    assert aws.versions(name) == [int(stack.resources()[0]["outputs"]["version"])]


def test_a_failed_update_of_a_function_leaves_a_version_that_is_then_kept(stack: LayerStack, aws: Aws) -> None:
    stack.extra = partial(_layer_and_function, OLD, keep=1)
    assert stack.up().ok
    stack.extra = partial(_layer_and_function, NEW, NOWHERE, keep=1)
    assert not stack.up().ok
    assert aws.versions(stack.layer_name()) == [1, 2]
    stack.extra = partial(_layer_and_function, NEW, keep=1)
    outcome = stack.up()
    assert outcome.ok, outcome.text
    assert aws.versions(stack.layer_name()) == [1, 2]
    assert stack.destroy().ok
    assert aws.versions(stack.layer_name()) == []


def test_what_is_still_to_be_deleted_goes_by_what_the_program_says_now(stack: LayerStack, aws: Aws) -> None:
    stack.extra = partial(_layer_and_function, OLD)
    assert stack.up().ok
    stack.extra = partial(_layer_and_function, NEW, NOWHERE)
    assert not stack.up().ok
    stack.extra = partial(_layer_and_function, NEW, skip_destroy=True)
    assert stack.up().ok
    assert aws.versions(stack.layer_name()) == [1, 2]


def test_deleting_before_replacing_keeps_as_many_versions(changing: Changing, aws: Aws) -> None:
    opts = pulumi.ResourceOptions(delete_before_replace=True)
    for _ in range(3):
        changing.change(keep_versions=1, opts=opts)
    assert aws.versions(changing.stack.layer_name()) == [2, 3]
    assert changing.retained() == ["2"]
    assert changing.stack.destroy().ok
    assert aws.versions(changing.stack.layer_name()) == []


def test_after_a_loss_of_the_state_the_same_is_taken_over_and_all_else_is_published(
    changing: Changing, aws: Aws
) -> None:
    name = changing.stack.layer_name()
    arn = changing.up(permissions=[LayerPermission(principal=ACCOUNT)]).outputs["deps.arn"]
    _lose_state(changing.stack)
    outcome = changing.up(permissions=None)
    assert outcome.operations == ("create",)
    assert outcome.outputs["deps.arn"] == arn
    assert aws.versions(name) == [1]
    assert _shared_with(arn) == []
    assert changing.stack.preview().operations == ("same",)
    _lose_state(changing.stack)
    assert changing.up(requirements=NEW).outputs["deps.version"] == "2"
    assert changing.change().outputs["deps.version"] == "3"
    assert changing.up(requirements=OLD).outputs["deps.version"] == "4"
    assert aws.versions(name) == [1, 4]


def test_a_replacement_that_is_forced_never_deletes_what_it_takes_over(changing: Changing, aws: Aws) -> None:
    arn = changing.up().outputs["deps.arn"]
    urn = f"urn:pulumi:dev::{changing.stack.project}::{LAYER_TYPE}::deps"
    outcome = changing.stack.up(replace=[urn])
    assert outcome.ok, outcome.text
    assert outcome.outputs["deps.arn"] == arn
    assert aws.versions(changing.stack.layer_name()) == [1]
    assert changing.stack.preview().operations == ("same",)
    assert changing.change().outputs["deps.version"] == "2"
    assert aws.versions(changing.stack.layer_name()) == [2]


def test_a_killed_up_is_taken_over_and_not_published_twice(changing: Changing, aws: Aws) -> None:
    changing.up()
    before = changing.stack.automation.export_stack()
    published = changing.up(requirements=NEW).outputs["deps.arn"]
    changing.stack.automation.import_stack(before)
    outcome = changing.up()
    assert outcome.operations == REPLACED
    assert outcome.outputs["deps.arn"] == published
    assert aws.versions(changing.stack.layer_name()) == [2]


def _layer_and_function(lock: str, *more_layers: str, keep: int = 0, skip_destroy: bool = False) -> None:
    layer = PythonLayer("deps", requirements=lock, runtime=RUNTIME, keep_versions=keep, skip_destroy=skip_destroy)
    archive = pulumi.AssetArchive({"app.py": pulumi.StringAsset(CODE)})
    declare_function(archive, layers=[layer.arn, *more_layers])


def _lose_state(stack: LayerStack) -> None:
    stack.automation.import_stack(automation.Deployment(version=3, deployment={}))


def _shared_with(arn: str) -> list[Any]:
    layer, _, version = arn.rpartition(":")
    client = boto3.client("lambda", region_name=REGION)
    try:
        client.get_layer_version_policy(LayerName=layer, VersionNumber=int(version))
    except client.exceptions.ResourceNotFoundException:
        return []
    return [arn]
