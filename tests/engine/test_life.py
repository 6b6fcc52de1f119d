"""A layer's life on the real engine: up, change, refresh, destroy; versions in AWS are counted from beside it."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from pulumi_python_layer import Build, PythonLayer
from tests.engine.conftest import Containers
from tests.engine.stacks import LAYER_TYPE, LOCKS, REGION, RUNTIME, Aws, LayerStack, assert_explained

OLD, NEW = str(LOCKS / "old.txt"), str(LOCKS / "new.txt")
REPLACED = ("create-replacement", "replace", "delete-replaced")


@pytest.fixture
def standing(stack: LayerStack) -> LayerStack:
    """A stack with version 1 of its layer up."""
    stack.declare(requirements=OLD)
    outcome = stack.up()
    assert outcome.operations == ("create",), outcome.text
    return stack


@pytest.fixture(scope="module")
def version_1(new_stack: Callable[[], LayerStack]) -> LayerStack:
    stack = new_stack()
    stack.declare(requirements=OLD)
    assert stack.up().ok
    return stack


@pytest.fixture
def unchanged(version_1: LayerStack) -> LayerStack:
    """A stack that several tests share, because none of them changes it."""
    version_1.layer_class, version_1.extra = PythonLayer, lambda: None
    version_1.declare(requirements=OLD)
    return version_1


def test_up_publishes_and_a_second_up_changes_nothing(stack: LayerStack, aws: Aws) -> None:
    stack.declare(requirements=OLD, description="for trying out", license_info="Apache-2.0")
    outputs = stack.up().outputs
    found = aws.version(outputs["deps.arn"])
    assert outputs["deps.version"] == "1"
    assert outputs["deps.packages"] == {"idna": "3.9", "six": "1.17.0"}
    assert found["Content"]["CodeSha256"] == outputs["deps.code_sha256"]
    assert found["Content"]["CodeSize"] == outputs["deps.source_code_size"]
    assert re.fullmatch(r"for trying out \[python-layer [0-9a-f.]{22}\]", found["Description"])
    assert found["LicenseInfo"] == "Apache-2.0"
    assert (found["CompatibleRuntimes"], found["CompatibleArchitectures"]) == ([RUNTIME], ["x86_64"])
    assert stack.up().operations == ("same",)
    assert aws.versions(stack.layer_name()) == [1]


def test_change_publishes_the_new_version_before_it_deletes_the_old_one(standing: LayerStack, aws: Aws) -> None:
    standing.declare(requirements=NEW)
    seen: list[tuple[str, list[int]]] = []
    outcome = standing.up(on_event=_noting_versions(seen, standing, aws))
    assert outcome.outputs["deps.version"] == "2"
    assert [operation for operation, _ in seen] == ["create-replacement", "delete-replaced"]
    assert seen[0][1] == [1, 2]
    assert aws.versions(standing.layer_name()) == [2]
    assert "idna 3.9 -> 3.10" in outcome.text


def test_refresh_notices_a_version_that_was_deleted_by_hand(standing: LayerStack, aws: Aws) -> None:
    aws.delete(standing.layer_name(), 1)
    assert standing.refresh().ok
    assert standing.resources() == []
    assert standing.up().operations == ("create",)
    assert aws.versions(standing.layer_name()) == [2]


def test_refresh_changes_nothing_where_nothing_has_changed(unchanged: LayerStack) -> None:
    before = unchanged.resources()[0]
    assert unchanged.refresh().operations == ("same",)
    after = unchanged.resources()[0]
    assert (after["outputs"], after["inputs"]) == (before["outputs"], before["inputs"])
    assert unchanged.preview().operations == ("same",)


def test_destroy_leaves_no_version(standing: LayerStack, aws: Aws) -> None:
    outcome = standing.destroy()
    assert outcome.ok, outcome.text
    assert aws.versions(standing.layer_name()) == []
    assert standing.resources() == []


def test_destroy_of_a_version_that_was_deleted_by_hand_succeeds(standing: LayerStack, aws: Aws) -> None:
    aws.delete(standing.layer_name(), 1)
    outcome = standing.destroy()
    assert outcome.ok, outcome.text
    assert standing.resources() == []


def test_skip_destroy_is_taken_over_in_place_and_keeps_versions(standing: LayerStack, aws: Aws) -> None:
    before = standing.resources()[0]
    standing.declare(requirements=OLD, skip_destroy=True)
    assert standing.up().operations == ("update",)
    after = standing.resources()[0]
    assert after["id"] == before["id"]
    assert after["outputs"] == {**before["outputs"], "skip_destroy": True}
    standing.declare(requirements=NEW, skip_destroy=True)
    assert standing.up().operations == REPLACED
    assert standing.destroy().ok
    assert aws.versions(standing.layer_name()) == [1, 2]


def test_skip_destroy_that_is_taken_back_deletes(stack: LayerStack, aws: Aws) -> None:
    stack.declare(requirements=OLD, skip_destroy=True)
    assert stack.up().ok
    stack.declare(requirements=OLD)
    assert stack.up().operations == ("update",)
    assert stack.destroy().ok
    assert aws.versions(stack.layer_name()) == []


def test_another_region_publishes_there_and_deletes_in_the_old_one(stack: LayerStack, aws: Aws) -> None:
    stack.configure(aws__region="eu-central-1")
    stack.declare(requirements=OLD)
    assert stack.up().outputs["deps.region"] == "eu-central-1"
    stack.configure(aws__region="us-east-1")
    outcome = stack.up()
    assert outcome.operations == REPLACED
    assert outcome.outputs["deps.region"] == "us-east-1"
    assert aws.versions(stack.layer_name(), "eu-central-1") == []
    assert aws.versions(stack.layer_name(), "us-east-1") == [1]
    assert aws.versions(stack.layer_name(), REGION) == []


def test_destroy_deletes_where_the_version_is_whatever_the_configuration_says_now(stack: LayerStack, aws: Aws) -> None:
    stack.configure(aws__region="eu-central-1")
    stack.declare(requirements=OLD)
    assert stack.up().ok
    stack.configure(aws__region="us-east-1")
    assert stack.destroy().ok
    assert aws.versions(stack.layer_name(), "eu-central-1") == []


def test_keys_and_endpoint_of_the_configuration_come_before_the_environments(
    stack: LayerStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = _take(monkeypatch, "AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    stack.configure(aws__accessKey="testing", aws__secretKey="testing")
    stack.configure(aws__endpoints=f'[{{"lambda": "{endpoint}", "sts": "{endpoint}"}}]')
    stack.configure(aws__assumeRoles='[{"roleArn": "arn:aws:iam::123456789012:role/deployer"}]')
    stack.declare(requirements=OLD)
    outcome = stack.up()
    assert outcome.ok, outcome.text
    assert stack.destroy().ok


def test_get_looks_a_version_up(unchanged: LayerStack, aws: Aws) -> None:
    arn = unchanged.resources()[0]["id"]
    found: dict[str, Any] = {}
    unchanged.extra = lambda: _look_up(arn, found)
    outcome = unchanged.preview()
    assert ("read", "found") in outcome.steps, outcome.text
    assert found["version"] == "1"
    assert found["code_sha256"] == aws.version(arn)["Content"]["CodeSha256"]
    assert found["compatible_runtimes"] == [RUNTIME]


def test_get_of_a_version_that_is_not_there_fails(unchanged: LayerStack) -> None:
    unchanged.extra = lambda: _look_up(f"arn:aws:lambda:{REGION}:123456789012:layer:nobody:7", {})
    outcome = unchanged.preview()
    assert_explained(outcome, "PYL-INPUT-INVALID", "nobody:7")


def test_protected_layers_are_neither_replaced_nor_destroyed(stack: LayerStack, aws: Aws) -> None:
    stack.declare(requirements=OLD, opts=pulumi.ResourceOptions(protect=True))
    assert stack.up().ok
    stack.declare(requirements=NEW, opts=pulumi.ResourceOptions(protect=True))
    assert not stack.up().ok
    assert not stack.destroy().ok
    assert aws.versions(stack.layer_name()) == [1]


def test_retain_on_delete_leaves_the_version(stack: LayerStack, aws: Aws) -> None:
    stack.declare(requirements=OLD, opts=pulumi.ResourceOptions(retain_on_delete=True))
    assert stack.up().ok
    assert stack.destroy().ok
    assert aws.versions(stack.layer_name()) == [1]


def test_ignored_changes_of_the_content_change_nothing(unchanged: LayerStack) -> None:
    unchanged.declare(requirements=NEW, opts=pulumi.ResourceOptions(ignore_changes=["content_hash"]))
    assert unchanged.up().operations == ("same",)


def test_subclasses_are_the_same_resource(unchanged: LayerStack) -> None:
    class Ours(PythonLayer):
        pass

    unchanged.layer_class = Ours
    assert unchanged.up().operations == ("same",)
    assert unchanged.resources()[0]["urn"] == f"urn:pulumi:dev::{unchanged.project}::{LAYER_TYPE}::deps"


def test_many_layers_go_up_and_come_down_together(stack: LayerStack, aws: Aws) -> None:
    names = [f"deps{number}" for number in range(6)]
    for name in names:
        stack.declare(name, requirements=OLD, description=name)
    assert stack.up().operations == ("create",) * 6
    assert [aws.versions(stack.layer_name(name)) for name in names] == [[1]] * 6
    assert stack.destroy().ok
    assert [aws.versions(stack.layer_name(name)) for name in names] == [[]] * 6


def test_image_that_another_resource_makes_is_used(stack: LayerStack, containers: Containers) -> None:
    stack.extra = lambda: _layer_in_an_image_that_another_resource_makes(containers.image)
    assert stack.up().steps == (("create", "first"), ("create", "second"))
    assert stack.up().operations == ("same", "same")


def test_pins_may_stand_in_the_program(stack: LayerStack, program_folder: Path) -> None:
    (program_folder / "requirements.txt").write_text("six==1.17.0\n")
    stack.declare("list", requirements=["idna==3.9", "six==1.17.0"])
    stack.declare("folder", requirements=program_folder)
    outcome = stack.up()
    assert outcome.outputs["list.packages"] == {"idna": "3.9", "six": "1.17.0"}
    assert outcome.outputs["folder.packages"] == {"six": "1.17.0"}
    assert "2 of 2 requirements are not locked" in outcome.text


def _noting_versions(seen: list[tuple[str, list[int]]], stack: LayerStack, aws: Aws) -> Callable[[Any], None]:
    def note(event: Any) -> None:
        done = event.res_outputs_event
        if done and LAYER_TYPE in done.metadata.urn and done.metadata.op.value != "replace":
            seen.append((done.metadata.op.value, aws.versions(stack.layer_name())))

    return note


def _layer_in_an_image_that_another_resource_makes(image: str) -> None:
    first = PythonLayer("first", requirements=OLD, runtime=RUNTIME)
    made = first.code_sha256.apply(lambda _: image)
    PythonLayer("second", requirements=OLD, runtime=RUNTIME, build=Build(image=made))


def _look_up(arn: str, found: dict[str, Any]) -> None:
    layer = PythonLayer.get("found", arn)
    for name in ("version", "code_sha256", "compatible_runtimes"):
        getattr(layer, name).apply(lambda value, name=name: found.update({name: value}))


def _take(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str:
    """Put another value into the environment; the one that was there."""
    before = os.environ[name]
    monkeypatch.setenv(name, value)
    return before
