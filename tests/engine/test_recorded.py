"""States of every release up to this one: the program that made each changes nothing, and destroy works."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from pulumi import automation

from tests.engine.recorded import PROGRAMS, STATES, recorded_stack, write_locks
from tests.engine.stacks import LAYER_TYPE, Aws, LayerStack
from tools.aws_emulator import aws_emulator

RECORDED = sorted(STATES.glob("*/*.json"))


@pytest.fixture(params=RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def state(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The name of a recorded state, and the state."""
    path: Path = request.param
    return path.stem, json.loads(path.read_text())


@pytest.fixture
def empty_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each state expects version numbers of its own."""
    with aws_emulator() as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.endpoint)
        yield


@pytest.fixture
def stack(
    state: tuple[str, dict[str, Any]], program_folder: Path, monkeypatch: pytest.MonkeyPatch, empty_aws: None
) -> LayerStack:
    """A stack in the recorded state."""
    assert empty_aws is None
    name, deployment = state
    for variable in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"):
        monkeypatch.setenv(variable, "set below, and put back by monkeypatch")
    write_locks(program_folder)
    found = recorded_stack(program_folder, PROGRAMS[name])
    found.automation.import_stack(automation.Deployment(version=3, deployment=deployment))
    return found


def test_recorded_state_previews_without_a_change_and_destroys(stack: LayerStack, aws: Aws) -> None:
    (recorded,) = stack.resources()
    name, region = recorded["outputs"]["layer_name"], recorded["outputs"]["region"]
    while aws.publish(name, region) != recorded["id"]:
        pass
    previewed = stack.preview()
    assert previewed.operations == ("same",), previewed.text
    assert stack.up().operations == ("same",)
    destroyed = stack.destroy()
    assert destroyed.ok, destroyed.text
    assert recorded["id"].rpartition(":")[2] not in map(str, aws.versions(name, region))


def test_recorded_state_destroys_where_the_version_is_gone(stack: LayerStack) -> None:
    destroyed = stack.destroy()
    assert destroyed.ok, destroyed.text
    assert stack.resources() == []


def test_recorded_states_carry_the_token_and_the_provider_of_today(state: tuple[str, dict[str, Any]]) -> None:
    """What stands in people's stacks cannot be renamed."""
    _, deployment = state
    (layer,) = [found for found in deployment["resources"] if found["type"] == LAYER_TYPE]
    assert layer["inputs"]["__provider"] == layer["outputs"]["__provider"]
    assert layer["inputs"]["__provider"] == (
        "gASVNwAAAAAAAACMHnB5dGhvbl9sYXllcl9wcm92aWRlci5wcm92aWRlcpSMDUxheWVyUHJvdmlkZXKUk5QpgZQu"
    )


def test_this_release_has_recorded_states_of_every_program() -> None:
    names = {path.stem for path in RECORDED if path.parent.name == version("pulumi-python-layer")}
    assert names == set(PROGRAMS)
