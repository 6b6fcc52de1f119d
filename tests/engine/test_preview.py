"""What a preview knows, and what it needs for that: no container engine, no AWS, no network."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pulumi_python_layer import Build, PythonLayer
from tests.engine.stacks import LOCKS, RUNTIME, LayerStack, Outcome, lock

OLD, NEW = str(LOCKS / "old.txt"), str(LOCKS / "new.txt")
NOWHERE = "http://127.0.0.1:9"


# Name of a layer to what changes about it, and what the preview says of that.
REPLACING: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "runtime": ({"runtime": "python3.12"}, "python3.12"),
    "architecture": ({"architecture": "arm64"}, "arm64"),
    "description": ({"description": "another"}, "another"),
    "license": ({"license_info": "MIT"}, "MIT"),
    "triggers": ({"triggers": ["again"]}, "again"),
    "name": ({"layer_name": "another-name"}, "another-name"),
    "region": ({"region": "us-east-1"}, "us-east-1"),
    "compatible-runtimes": ({"compatible_runtimes": ["python3.11", "python3.12"]}, "python3.12"),
    "image": ({"build": Build(image="index.example/mine")}, "index.example/mine"),
    "version": ({"requirements": NEW}, "idna 3.9 -> 3.10"),
    "fewer": ({"requirements": ["idna==3.9"]}, "- six 1.17.0"),
}
_PATHS = ("comment", "line-ends", "order-spelling-windows", "index")
UNCHANGED: Mapping[str, Mapping[str, Any]] = {
    **{name: {"requirements": f"{name}.txt"} for name in _PATHS},
    "strict": {"strict": True},
    "timeout": {"build": Build(timeout=60)},
    "spelled-out-default": {"compatible_runtimes": ["python3.11"], "compatible_architectures": ["x86_64"]},
}


@pytest.fixture(scope="module")
def standing(new_stack: Callable[[], LayerStack]) -> LayerStack:
    """A stack with version 1 of all its layers up; every test here only previews."""
    stack = new_stack()
    for name in (*REPLACING, *UNCHANGED):
        stack.declare(name, requirements=OLD)
    outcome = stack.up()
    assert outcome.ok, outcome.text
    return stack


@pytest.fixture(scope="module")
def previewed(standing: LayerStack, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One preview of all changes together."""
    folder = tmp_path_factory.mktemp("locks")
    texts = {
        "comment": "# a comment\n" + lock("old"),
        "line-ends": lock("old").replace("\n", "\r\n"),
        "order-spelling-windows": lock("old-said-otherwise"),
        "index": "--index-url https://index.example/simple\n" + lock("old"),
    }
    for name, text in texts.items():
        (folder / f"{name}.txt").write_bytes(text.encode())
    for name, change in [*((name, change) for name, (change, _) in REPLACING.items()), *UNCHANGED.items()]:
        standing.declare(name, **{"requirements": OLD, **change})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return standing.preview(diff=True)


@pytest.fixture
def nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on a machine without container engine, AWS settings and network."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
        monkeypatch.setenv(name.lower(), NOWHERE)
    # Pulumi's parts speak to each other over loopback, and gRPC would ask a proxy for that too.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("nothing_answers")
def test_first_preview_needs_nothing_and_knows_hash_and_packages(stack: LayerStack) -> None:
    known: dict[str, Any] = {}
    stack.declare(requirements=OLD)
    stack.layer_class = _noting(known)
    outcome = stack.preview()
    assert outcome.ok, outcome.text
    assert outcome.operations == ("create",)
    assert known["packages"] == {"idna": "3.9", "six": "1.17.0"}
    assert known["content_hash"].startswith("1:")
    assert "arn" not in known


@pytest.mark.usefixtures("nothing_answers")
def test_preview_of_a_change_needs_nothing_and_names_it(standing: LayerStack) -> None:
    standing.declare("version", requirements=NEW)
    outcome = standing.preview()
    assert outcome.ok, outcome.text
    assert _operations(outcome, "version") == ["create-replacement", "replace", "delete-replaced"]
    assert "idna 3.9 -> 3.10\n" in outcome.text


@pytest.mark.parametrize("name", REPLACING)
def test_a_new_version_is_published_for_another(previewed: Outcome, name: str) -> None:
    assert "create-replacement" in _operations(previewed, name), previewed.text
    assert REPLACING[name][1] in previewed.text


@pytest.mark.parametrize("name", UNCHANGED)
def test_no_new_version_is_published_for(previewed: Outcome, name: str) -> None:
    assert _operations(previewed, name) == ["same"], previewed.text


def test_what_another_resource_makes_is_unknown_in_preview_and_no_error(stack: LayerStack) -> None:
    stack.extra = _layer_in_an_image_that_another_resource_makes
    outcome = stack.preview()
    assert outcome.ok, outcome.text
    assert sorted(outcome.steps) == [("create", "first"), ("create", "second")]


def _layer_in_an_image_that_another_resource_makes() -> None:
    first = PythonLayer("first", requirements=OLD, runtime=RUNTIME)
    PythonLayer("second", requirements=OLD, runtime=RUNTIME, build=Build(image=first.code_sha256))


def _operations(outcome: Outcome, name: str) -> list[str]:
    return [operation for operation, of in outcome.steps if of == name]


def _noting(known: dict[str, Any]) -> type[PythonLayer]:
    class Noting(PythonLayer):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            for name in ("packages", "content_hash", "arn"):
                getattr(self, name).apply(lambda value, name=name: known.update({name: value}))

    return Noting
