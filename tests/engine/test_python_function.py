"""`PythonFunction` on the real engine: up, invoked, nothing changed, code changed, lock changed, gone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from pulumi_python_layer import PythonFunction
from tests.engine.stacks import RUNTIME, Aws, LayerStack, changed, lock
from tools.invocation import Invoker

CODE = """
import idna
from words import GREETING

def handle(event, context):
    return {"says": GREETING, "version": idna.__version__, "file": idna.__file__, "event": event}
"""
ROLE = {"api-role", "api-logs"}


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a function: code in two files, and a lock file."""
    folder = tmp_path_factory.mktemp("program") / "api"
    folder.mkdir()
    (folder / "app.py").write_text(CODE)
    (folder / "words.py").write_text('GREETING = "hello"\n')
    (folder / "requirements.txt").write_text(lock("old"))
    return folder


class Program:
    """A program with one function, which remembers the zip of its code."""

    def __init__(self) -> None:
        self.name = "api"
        self.options: pulumi.ResourceOptions | None = None
        self.given: dict[str, Any] = {}

    def __call__(self) -> None:
        api = PythonFunction(
            self.name, opts=self.options, entry="api", handler="app.handle", runtime=RUNTIME, **self.given
        )
        pulumi.export("function", api.function_name)
        pulumi.export("layer", api.layer.arn if api.layer else None)


@pytest.fixture(scope="module")
def program() -> Program:
    return Program()


@pytest.fixture(scope="module")
def stack(new_stack: Callable[[], LayerStack], program: Program) -> LayerStack:
    """The stack on which the tests below work one after the other."""
    found = new_stack()
    found.extra = program
    return found


@pytest.fixture(autouse=True)
def in_the_programs_folder(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(entry.parent)


def test_a_folder_becomes_a_function_that_answers(stack: LayerStack, invoke: Invoker) -> None:
    done, outputs = changed(stack)
    assert done["create"] >= {"api", "api-deps", *ROLE}
    answer = invoke(outputs["function"], {"asked": 1})
    assert answer == {
        "says": "hello",
        "version": "3.9",
        "file": "/opt/python/idna/__init__.py",
        "event": {"asked": 1},
    }


def test_nothing_changes_without_a_change(stack: LayerStack) -> None:
    assert changed(stack)[0] == {}


def test_a_change_of_the_code_leaves_the_layer_alone(stack: LayerStack, entry: Path, invoke: Invoker) -> None:
    (entry / "words.py").write_text('GREETING = "good morning"\n')
    done, outputs = changed(stack)
    assert done == {"update": {"api"}}
    assert invoke(outputs["function"], {})["says"] == "good morning"


def test_a_change_of_the_lock_file_moves_the_function_to_the_new_layer(
    stack: LayerStack, entry: Path, invoke: Invoker, aws: Aws
) -> None:
    (entry / "requirements.txt").write_text(lock("new"))
    done, outputs = changed(stack)
    assert done == {"create-replacement": {"api-deps"}, "update": {"api"}, "delete-replaced": {"api-deps"}}
    assert invoke(outputs["function"], {})["version"] == "3.10"
    assert aws.versions(stack.layer_name("api-deps")) == [2]


def test_a_function_that_is_renamed_with_an_alias_is_the_same(stack: LayerStack, program: Program, aws: Aws) -> None:
    before = program.name
    program.name, program.options = "front", pulumi.ResourceOptions(aliases=[pulumi.Alias(name=before)])
    assert changed(stack)[0] == {}
    names = {resource["urn"].rpartition("::")[2] for resource in stack.state()["resources"]}
    assert names > {"front", "front-deps", "front-role", "front-logs"}
    assert aws.versions(stack.layer_name("api-deps")) == [2]


def test_mistakes_are_told_in_preview_without_a_traceback(stack: LayerStack, program: Program) -> None:
    program.given = {"layers": [f"arn:aws:lambda:eu-west-1:123456789012:layer:l{n}:1" for n in range(5)]}
    outcome = stack.preview()
    program.given = {}
    assert not outcome.ok
    assert "6 layers, the function's own among them; Lambda takes 5" in outcome.text
    assert "Traceback" not in outcome.text


def test_destroy_leaves_nothing(stack: LayerStack, aws: Aws) -> None:
    function = str(stack.automation.outputs()["function"].value)
    assert stack.destroy().ok
    assert function not in aws.functions()
    assert aws.versions(stack.layer_name("api-deps")) == []
