"""`PythonFunction(dependencies="code")` on the real engine: code and dependencies in one object of a bucket."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pulumi
import pytest

from pulumi_python_layer import PythonFunction
from tests.engine.stacks import REGION, RUNTIME, Aws, LayerStack, changed, lock, new_project
from tools.invocation import Invoker

CODE = """
import idna
from words import GREETING

def handle(event, context):
    return {"says": GREETING, "version": idna.__version__, "file": idna.__file__}
"""


@pytest.fixture(scope="module")
def bucket(environment: None) -> str:
    assert environment is None
    name = new_project("packages")
    boto3.client("s3", region_name=REGION).create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return name


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program") / "api"
    folder.mkdir()
    (folder / "app.py").write_text(CODE)
    (folder / "words.py").write_text('GREETING = "hello"\n')
    (folder / "requirements.txt").write_text(lock("old"))
    return folder


@pytest.fixture(scope="module")
def stack(new_stack: Callable[[], LayerStack], bucket: str) -> LayerStack:
    """The stack on which the tests below work one after the other."""

    def program() -> None:
        api = PythonFunction(
            "api", entry="api", handler="app.handle", runtime=RUNTIME, dependencies="code", s3_bucket=bucket
        )
        pulumi.export("function", api.function_name)
        pulumi.export("key", api.function.s3_key)

    found = new_stack()
    found.extra = program
    return found


@pytest.fixture(autouse=True)
def in_the_programs_folder(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(entry.parent)


@pytest.fixture
def answered(invoke: Invoker, bucket: str, tmp_path: Path) -> Callable[[Mapping[str, Any]], Any]:
    """What the function answers, with the code that is in the bucket."""

    def ask(outputs: Mapping[str, Any]) -> Any:
        path = tmp_path / "code.zip"
        boto3.client("s3", region_name=REGION).download_file(bucket, outputs["key"], str(path))
        return invoke(outputs["function"], {}, code=path)

    return ask


def test_the_packages_come_from_beside_the_code(
    stack: LayerStack, answered: Callable[[Mapping[str, Any]], Any]
) -> None:
    done, outputs = changed(stack)
    assert done["create"] >= {"api", "api-package"}
    assert answered(outputs) == {"says": "hello", "version": "3.9", "file": "/var/task/idna/__init__.py"}


def test_nothing_changes_without_a_change_on_a_machine_that_has_built_nothing(
    stack: LayerStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    assert changed(stack)[0] == {}


def test_a_preview_names_the_object_that_an_update_will_make(
    stack: LayerStack, entry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    before = str(stack.automation.outputs()["key"].value)
    (entry / "requirements.txt").write_text(lock("new"))
    outcome = stack.preview(diff=True)
    assert outcome.ok, outcome.text
    assert f'"{before}" => "python-layers/1-' in outcome.text


def test_a_change_of_the_lock_file_updates_the_function(
    stack: LayerStack, answered: Callable[[Mapping[str, Any]], Any]
) -> None:
    done, outputs = changed(stack)
    assert done == {"update": {"api", "api-package"}}
    assert answered(outputs)["version"] == "3.10"


def test_code_that_was_there_before_is_not_built_again(
    stack: LayerStack, entry: Path, monkeypatch: pytest.MonkeyPatch, answered: Callable[[Mapping[str, Any]], Any]
) -> None:
    (entry / "requirements.txt").write_text(lock("old"))
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
        elsewhere.setenv("XDG_CACHE_HOME", f"{os.environ['XDG_CACHE_HOME']}/elsewhere")
        assert changed(stack)[0] == {"update": {"api", "api-package"}}
    assert answered({key: output.value for key, output in stack.automation.outputs().items()})["version"] == "3.9"


def test_refresh_notices_an_object_that_is_gone_and_an_update_makes_it_again(stack: LayerStack, bucket: str) -> None:
    key = str(stack.automation.outputs()["key"].value)
    s3 = boto3.client("s3", region_name=REGION)
    s3.delete_object(Bucket=bucket, Key=key)
    assert stack.refresh().ok
    assert changed(stack)[0]["create"] == {"api-package"}
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] > 0


def test_destroy_leaves_no_function(stack: LayerStack, aws: Aws) -> None:
    function = str(stack.automation.outputs()["function"].value)
    assert stack.destroy().ok
    assert function not in aws.functions()
