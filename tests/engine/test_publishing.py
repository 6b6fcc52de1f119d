"""Where a layer is and who may use it: regions, permissions, changes by hand; and that nothing is built twice."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from pulumi import automation

from pulumi_python_layer import LayerPermission
from python_layer_provider.build.container import OWNER_LABEL
from tests.engine.conftest import Containers
from tests.engine.recorded import PROGRAMS, STATES, recorded_stack, write_locks
from tests.engine.servers import Fault, Gate, Shelf
from tests.engine.stacks import (
    LOCKS,
    REGION,
    Aws,
    CommandLineStack,
    LayerStack,
    assert_explained,
    eventually,
    new_project,
)
from tests.engine.test_signals import PROGRAM, UP, _kill_group, _providers

OLD, NEW = str(LOCKS / "old.txt"), str(LOCKS / "new.txt")
REPLACED = ("create-replacement", "replace", "delete-replaced")
SECOND, THIRD = "eu-central-1", "us-east-1"
ONE, OTHER = "111111111111", "222222222222"
ORGANIZATION = "o-a1b2c3d4e5"
SECONDS = 20


class Policy:
    """Who may use a version, looked at and changed from beside the stack."""

    def __init__(self, arn: str) -> None:
        layer, _, version = arn.rpartition(":")
        self._named: Any = {"LayerName": layer, "VersionNumber": int(version)}
        self._client = boto3.client("lambda", region_name=arn.split(":")[3])

    def statements(self) -> list[dict[str, Any]]:
        try:
            policy = self._client.get_layer_version_policy(**self._named)["Policy"]
        except self._client.exceptions.ResourceNotFoundException:
            return []
        return list(json.loads(policy)["Statement"])

    def ours(self) -> list[dict[str, Any]]:
        return [found for found in self.statements() if found["Sid"].startswith("python-layer-")]

    def accounts(self) -> list[str]:
        """The accounts that ours name."""
        return sorted(found["Principal"]["AWS"].split(":")[4] for found in self.ours())

    def add(self, name: str, account: str) -> None:
        self._client.add_layer_version_permission(
            **self._named, StatementId=name, Action="lambda:GetLayerVersion", Principal=account
        )

    def remove(self, name: str) -> None:
        self._client.remove_layer_version_permission(**self._named, StatementId=name)


def test_permissions_change_in_place_on_all_versions_and_leave_others_statements_alone(
    stack: LayerStack, aws: Aws
) -> None:
    stack.declare(requirements=OLD, keep_versions=1)
    arns = [stack.up().outputs["deps.arn"]]
    stack.declare(requirements=NEW, keep_versions=1, permissions=[LayerPermission(principal=ONE)])
    arns.append(stack.up().outputs["deps.arn"])
    policies = [Policy(arn) for arn in arns]
    assert [policy.accounts() for policy in policies] == [[ONE], [ONE]]
    for policy in policies:
        policy.add("by-hand", OTHER)
    both = [LayerPermission(principal=OTHER), LayerPermission(principal="*", organization_id=ORGANIZATION)]
    stack.declare(requirements=NEW, keep_versions=1, permissions=both)
    assert stack.up().operations == ("update",)
    for policy in policies:
        conditions = [found.get("Condition") for found in policy.ours()]
        assert {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}} in conditions
        assert len(conditions) == len(both)
    stack.declare(requirements=NEW, keep_versions=1, permissions=both[::-1])
    assert stack.preview().operations == ("same",)
    assert stack.refresh().ok
    assert stack.preview().operations == ("same",)
    stack.declare(requirements=OLD, keep_versions=1)
    policies = [policies[1], Policy(stack.up().outputs["deps.arn"])]
    assert [policy.ours() for policy in policies] == [[], []]
    assert [found["Sid"] for found in policies[0].statements()] == ["by-hand"]
    assert aws.versions(stack.layer_name()) == [2, 3]


@pytest.mark.parametrize("by_hand", ["removed", "changed"])
def test_a_permission_that_was_changed_by_hand_is_mended(stack: LayerStack, by_hand: str) -> None:
    stack.declare(requirements=OLD, permissions=[LayerPermission(principal=ONE)])
    policy = Policy(stack.up().outputs["deps.arn"])
    (statement,) = policy.ours()
    policy.remove(statement["Sid"])
    if by_hand == "changed":
        policy.add(statement["Sid"], OTHER)
    assert stack.refresh().ok
    assert stack.up().operations == ("update",)
    assert policy.accounts() == [ONE]
    assert stack.preview().operations == ("same",)


def test_regions_come_and_go_in_place_with_the_same_bytes(
    stack: LayerStack, aws: Aws, containers: Containers, new_cache: Path
) -> None:
    assert not new_cache.exists()
    name = stack.layer_name()
    since = time.time()
    stack.declare(requirements=OLD, regions=[SECOND])
    assert stack.up().operations == ("create",)
    assert _containers_made(containers, since) == 1
    arns = stack.resources()[0]["outputs"]["arns"]
    assert set(arns) == {REGION, SECOND}
    assert len({aws.version(arn)["Content"]["CodeSha256"] for arn in arns.values()}) == 1
    stack.declare(requirements=NEW, regions=[SECOND], keep_versions=1)
    assert stack.up().operations == REPLACED
    assert aws.versions(name) == aws.versions(name, SECOND) == [1, 2]
    stack.declare(requirements=NEW, regions=[THIRD], keep_versions=1)
    assert stack.up().operations == ("update",)
    assert (aws.versions(name), aws.versions(name, SECOND), aws.versions(name, THIRD)) == ([1, 2], [], [1])
    assert stack.preview().operations == ("same",)
    stack.declare(requirements=OLD, keep_versions=1)
    assert stack.up().operations == REPLACED
    assert (aws.versions(name), aws.versions(name, THIRD)) == ([2, 3], [])
    assert stack.destroy().ok
    assert aws.versions(name) == []


def test_a_region_that_refuses_leaves_nothing_in_the_others(stack: LayerStack, aws: Aws, before_aws: Gate) -> None:
    before_aws.fail("PublishLayerVersion", Fault.DENIED, region=SECOND)
    stack.declare(requirements=OLD, regions=[SECOND])
    assert_explained(stack.up(), "PYL-AWS-ACCESS-DENIED", "lambda:PublishLayerVersion")
    assert aws.versions(stack.layer_name()) == []
    before_aws.recover()
    assert stack.up().ok
    before_aws.fail("PublishLayerVersion", Fault.DENIED, region=THIRD)
    stack.declare(requirements=OLD, regions=[SECOND, THIRD])
    assert_explained(stack.up(), "PYL-AWS-ACCESS-DENIED")
    before_aws.recover()
    assert stack.up().operations == ("update",)
    assert [len(aws.versions(stack.layer_name(), region)) for region in (REGION, SECOND, THIRD)] == [1, 1, 1]


def test_versions_that_were_deleted_by_hand_are_noticed_and_published_again(stack: LayerStack, aws: Aws) -> None:
    name = stack.layer_name()
    program: dict[str, Any] = {"keep_versions": 1, "regions": [SECOND]}
    stack.declare(requirements=OLD, **program)
    assert stack.up().ok
    stack.declare(requirements=NEW, **program)
    assert stack.up().ok
    aws.delete(name, 1)
    assert stack.refresh().ok
    assert len(stack.resources()[0]["outputs"]["retained_arns"]) == 1
    assert stack.preview().operations == ("same",)
    aws.delete(name, 2, SECOND)
    assert stack.refresh().ok
    assert stack.up().operations == ("update",)
    assert stack.preview().operations == ("same",)
    assert aws.versions(name, SECOND) == [1, 3]
    aws.delete(name, 2)
    assert stack.refresh().ok
    assert stack.up().operations == REPLACED
    assert stack.preview().operations == ("same",)
    assert (aws.versions(name), aws.versions(name, SECOND)) == ([3], [3, 4])


def test_twenty_layers_of_one_lock_file_are_built_once(
    stack: LayerStack, aws: Aws, containers: Containers, new_cache: Path
) -> None:
    assert not new_cache.exists()
    since = time.time()
    for number in range(20):
        stack.declare(f"deps{number}", requirements=OLD)
    outcome = stack.up()
    assert outcome.operations == ("create",) * 20, outcome.text
    assert _containers_made(containers, since) == 1
    assert stack.destroy().ok
    assert aws.versions(stack.layer_name("deps7")) == []


@pytest.fixture
def building(tmp_path: Path, wheels: Shelf) -> Iterator[list[tuple[CommandLineStack, "subprocess.Popen[str]"]]]:
    """Two stacks with one lock file: one builds, the other waits for it."""
    wheels.giving.clear()
    line = wheels.wheel("held", {"held.py": f"RUN = {new_project('held')!r}\n".encode()})
    found: list[tuple[CommandLineStack, subprocess.Popen[str]]] = []
    for name in ("first", "second"):
        stack = CommandLineStack(new_project(name), tmp_path / name, PROGRAM)
        (stack.folder / "requirements.txt").write_text(line)
        found.append((stack, stack.start(*UP)))
        assert wheels.asked.wait(SECONDS)
    time.sleep(4)
    yield found
    wheels.giving.set()
    for _, process in found:
        process.kill()
        process.communicate()


def test_two_processes_build_the_same_layer_once(
    building: list[tuple[CommandLineStack, "subprocess.Popen[str]"]], wheels: Shelf, containers: Containers, aws: Aws
) -> None:
    assert len(containers.builds()) == 1
    since = time.time()
    wheels.giving.set()
    for stack, process in building:
        text, _ = process.communicate(timeout=60)
        assert process.returncode == 0, text
        assert aws.versions(stack.layer_name()) == [1]
    assert _containers_made(containers, since) == 0


def test_whoever_waits_for_a_builder_that_is_killed_builds(
    building: list[tuple[CommandLineStack, "subprocess.Popen[str]"]], wheels: Shelf, containers: Containers, aws: Aws
) -> None:
    (_, first), (stack, second) = building
    for provider in _providers(first.pid):
        _kill_group(provider)
    wheels.giving.set()
    text, _ = second.communicate(timeout=60)
    assert second.returncode == 0, text
    assert aws.versions(stack.layer_name()) == [1]
    assert eventually(lambda: containers.builds() == [], SECONDS)


@pytest.fixture
def stack_of_a_release(program_folder: Path, monkeypatch: pytest.MonkeyPatch, aws: Aws) -> LayerStack:
    """A stack in the state that 0.1.0 has left, whose version is there."""
    for variable in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"):
        monkeypatch.setenv(variable, "set below, and put back by monkeypatch")
    write_locks(program_folder)
    stack = recorded_stack(program_folder, PROGRAMS["small"])
    deployment = json.loads((STATES / "0.1.0" / "small.json").read_text())
    stack.automation.import_stack(automation.Deployment(version=3, deployment=deployment))
    (recorded,) = stack.resources()
    while aws.publish(recorded["outputs"]["layer_name"]) != recorded["id"]:
        pass
    return stack


def test_a_layer_of_the_first_release_takes_all_that_is_new(stack_of_a_release: LayerStack, aws: Aws) -> None:
    stack = stack_of_a_release
    (recorded,) = stack.resources()
    name = recorded["outputs"]["layer_name"]
    others = aws.versions(name)[:-1]
    program = {
        **PROGRAMS["small"],
        "keep_versions": 1,
        "regions": [SECOND],
        "permissions": [LayerPermission(principal=ONE)],
    }
    stack.declare(**program)
    assert stack.preview().operations == ("update",)
    assert stack.up().operations == ("update",)
    assert stack.resources()[0]["id"] == recorded["id"]
    assert Policy(recorded["id"]).accounts() == [ONE]
    assert len(aws.versions(name, SECOND)) == 1
    assert stack.preview().operations == ("same",)
    stack.declare(**{**program, "requirements": NEW})
    assert stack.up().operations == REPLACED
    assert recorded["id"] in stack.resources()[0]["outputs"]["retained_arns"]
    assert stack.destroy().ok
    assert (aws.versions(name), aws.versions(name, SECOND)) == (others, [])


@pytest.fixture
def new_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which nothing is."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new-cache"))
    return tmp_path / "new-cache"


def _containers_made(containers: Containers, since: float) -> int:
    """How many builds of this run have begun."""
    names = {containers.image, containers.client.images.get(containers.image).id}
    filters = {"type": "container", "event": "create", "label": OWNER_LABEL}
    events = containers.client.events(since=int(since), until=int(time.time()) + 1, filters=filters, decode=True)
    return len([event for event in events if event["Actor"]["Attributes"]["image"] in names])
