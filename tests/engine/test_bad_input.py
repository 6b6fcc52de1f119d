"""What goes wrong on the real engine: the message says what, where and what next; state and AWS stay as they were."""

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_python_layer import Build
from tests.engine.conftest import Containers
from tests.engine.servers import Gate, Shelf
from tests.engine.stacks import LAYER_TYPE, LOCKS, Aws, LayerStack, assert_explained

OLD, NEW = str(LOCKS / "old.txt"), str(LOCKS / "new.txt")
AARCH64 = 183


@pytest.fixture(scope="module")
def version_1(new_stack: Callable[[], LayerStack]) -> tuple[LayerStack, list[Any]]:
    stack = new_stack()
    stack.declare(requirements=OLD)
    assert stack.up().ok
    return stack, _kept(stack)


@pytest.fixture
def standing(version_1: tuple[LayerStack, list[Any]], aws: Aws, containers: Containers) -> Iterator[LayerStack]:
    """A stack with version 1 of its layer up, which is still so after whatever the test does to it."""
    stack, before = version_1
    yield stack
    stack.layers = {}
    assert _kept(stack) == before
    assert aws.versions(stack.layer_name()) == [1]
    assert containers.builds() == []


@pytest.mark.parametrize(
    ("inputs", "code", "phrases"),
    [
        ({"requirements": "requirments.txt"}, "PYL-LOCK-NOT-FOUND", ["no such file: `requirments.txt`"]),
        ({"requirements": str(LOCKS / "empty.txt")}, "PYL-LOCK-EMPTY", ["empty.txt` pins nothing"]),
        ({"requirements": str(LOCKS / "syntax-error.txt")}, "PYL-LOCK-SYNTAX", ["syntax-error.txt:3:", "six = 1.17.0"]),
        ({"requirements": OLD, "runtime": "python3.99"}, "PYL-RUNTIME-UNKNOWN", ["`python3.99`", "python3.13"]),
        ({"requirements": OLD, "architecture": "aarch64"}, "PYL-ARCHITECTURE-UNKNOWN", ["`aarch64`", '"arm64"']),
        ({"requirements": ["six"], "strict": True}, "PYL-LOCK-INCOMPLETE", ["`six` has no version", "uv pip compile"]),
        ({"requirements": ["six==1", "six==2"]}, "PYL-LOCK-CONFLICT", ["`six==1`", "`six==2`"]),
        ({"requirements": OLD, "layer_name": "no name"}, "PYL-INPUT-INVALID", ["`no name`", "letters, digits"]),
        ({"requirements": OLD, "description": "x" * 257}, "PYL-INPUT-INVALID", ["257", "256"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_found_in_preview(standing: LayerStack, inputs: dict[str, Any], code: str, phrases: list[str]) -> None:
    standing.declare(**inputs)
    assert_explained(standing.preview(), code, *phrases)


def test_mistakes_of_all_layers_are_reported_at_once(standing: LayerStack) -> None:
    standing.declare("one", requirements="missing.txt", runtime="python3.99", layer_name="no name")
    standing.declare("two", requirements=str(LOCKS / "syntax-error.txt"), architecture="aarch64")
    outcome = standing.preview()
    for code in (
        "PYL-LOCK-NOT-FOUND",
        "PYL-RUNTIME-UNKNOWN",
        "PYL-INPUT-INVALID",
        "PYL-LOCK-SYNTAX",
        "PYL-ARCHITECTURE-UNKNOWN",
    ):
        assert_explained(outcome, code)


@pytest.mark.parametrize(
    ("lock", "code", "phrases"),
    [
        ("wrong-hash", "PYL-PIP-HASH-MISMATCH", ["`idna==3.10`", "Expected sha256 0000", "Got        946d195a"]),
        ("no-such-version", "PYL-PIP-NO-MATCH", ["`idna==99.0`", "(from versions: "]),
        ("does-not-compile", "PYL-PIP-BUILD-FAILED", ["`frozenlist`", "fatal error: longintrepr.h: No such file"]),
    ],
)
def test_found_by_pip(standing: LayerStack, lock: str, code: str, phrases: list[str]) -> None:
    standing.declare(requirements=str(LOCKS / f"{lock}.txt"))
    assert_explained(standing.up(), code, *phrases)


def test_wheel_for_another_architecture(standing: LayerStack, wheels: Shelf) -> None:
    elf = struct.pack("<4sBBB9xHH", b"\x7fELF", 2, 1, 1, 3, AARCH64).ljust(64, b"\0")
    Path("requirements.txt").write_text(wheels.wheel("wrong", {"wrong/fast.so": elf}))
    standing.declare(requirements="requirements.txt")
    assert_explained(standing.up(), "PYL-TREE-ARCHITECTURE", "`python/wrong/fast.so`", "arm64", "x86_64")


def test_wheel_for_another_python(standing: LayerStack, wheels: Shelf) -> None:
    Path("requirements.txt").write_text(wheels.wheel("wrong", {"wrong.py": b""}, tag="cp39-cp39-manylinux2014_x86_64"))
    standing.declare(requirements="requirements.txt")
    assert_explained(standing.up(), "PYL-PIP-NO-MATCH", "wrong-1.0-cp39-cp39-manylinux2014_x86_64.whl")


def test_wheel_for_a_newer_glibc_than_the_runtimes(standing: LayerStack, wheels: Shelf) -> None:
    # The build image could run it; Amazon Linux 2, on which the runtime is, could not.
    Path("requirements.txt").write_text(
        wheels.wheel("newer", {"newer.py": b""}, tag="cp311-cp311-manylinux_2_28_x86_64")
    )
    standing.declare(requirements="requirements.txt")
    assert_explained(standing.up(), "PYL-PIP-NO-MATCH", "newer-1.0-cp311-cp311-manylinux_2_28_x86_64.whl")


def test_layer_over_250_mb(standing: LayerStack, wheels: Shelf, before_aws: Gate) -> None:
    zeros = {"large/zeros.bin": bytes(255_000_000), "small/zeros.bin": bytes(9_000_000)}
    Path("requirements.txt").write_text(wheels.wheel("large", zeros))
    standing.declare(requirements="requirements.txt")
    assert_explained(standing.up(), "PYL-LAYER-TOO-LARGE", "264.0 MB", "262.1 MB", "255.0 MB  large", "9.0 MB  small")
    assert before_aws.calls == []


def test_zip_over_what_lambda_takes_directly(standing: LayerStack, wheels: Shelf, before_aws: Gate) -> None:
    Path("requirements.txt").write_text(wheels.wheel("random", {"random.bin": os.urandom(54_000_000)}))
    standing.declare(requirements="requirements.txt")
    assert_explained(standing.up(), "PYL-UPLOAD-TOO-LARGE", "54.0 MB", "52.4 MB")
    assert before_aws.calls == []


def test_engine_that_does_not_run(standing: LayerStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    standing.declare(requirements=NEW, build=Build(image="index.example/never-built"))
    assert_explained(standing.up(), "PYL-ENGINE-NOT-RUNNING", "tcp://127.0.0.1:9", "systemctl start docker")


def test_image_that_is_nowhere(standing: LayerStack) -> None:
    standing.declare(requirements=NEW, build=Build(image="index.example/nobody/nothing:1"))
    assert_explained(standing.up(), "PYL-IMAGE-NOT-FOUND", "`index.example/nobody/nothing:1`", "PYTHON_LAYER_IMAGE")


def test_image_without_the_runtimes_python(standing: LayerStack, containers: Containers) -> None:
    standing.declare(requirements=NEW, runtime="python3.12", build=Build(image=containers.image))
    assert_explained(standing.up(), "PYL-IMAGE-MISMATCH", "`python3.12`")


def test_image_for_another_architecture(standing: LayerStack, containers: Containers) -> None:
    standing.declare(requirements=NEW, architecture="arm64", build=Build(image=containers.image))
    assert_explained(standing.up(), "PYL-IMAGE-MISMATCH", "amd64", "arm64")


def test_build_that_takes_longer_than_its_timeout(standing: LayerStack, wheels: Shelf) -> None:
    Path("requirements.txt").write_text(wheels.wheel("late", {"late.py": b""}))
    wheels.giving.clear()
    standing.declare(requirements="requirements.txt", build=Build(timeout=1))
    outcome = standing.up()
    wheels.giving.set()
    assert_explained(outcome, "PYL-BUILD-TIMEOUT", "Build(timeout=")


def test_access_denied(standing: LayerStack, before_aws: Gate) -> None:
    before_aws.refusal = (403, "AccessDeniedException")
    standing.declare(requirements=NEW)
    outcome = standing.up()
    assert_explained(outcome, "PYL-AWS-ACCESS-DENIED", "lambda:PublishLayerVersion", standing.layer_name())
    assert before_aws.names.count("PublishLayerVersion") == 1


def test_throttled_five_times(standing: LayerStack, before_aws: Gate) -> None:
    before_aws.refusal = (429, "TooManyRequestsException")
    standing.declare(requirements=NEW)
    assert_explained(standing.up(), "PYL-AWS-THROTTLED", "lambda:PublishLayerVersion", " 5 times")
    assert before_aws.names.count("PublishLayerVersion") == 5


def test_refusal_for_a_reason_of_its_own(standing: LayerStack, before_aws: Gate) -> None:
    before_aws.refusal = (400, "CodeStorageExceededException")
    standing.declare(requirements=NEW)
    assert_explained(standing.up(), "PYL-AWS-REFUSED", "CodeStorageExceededException: said the gate")


def test_endpoint_that_does_not_answer(standing: LayerStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    standing.declare(requirements=NEW)
    outcome = standing.up()
    monkeypatch.undo()
    assert_explained(outcome, "PYL-AWS-UNREACHABLE", "lambda:ListLayerVersions", "http://127.0.0.1:9")


def test_credentials_that_are_missing_are_told_before_the_build(
    standing: LayerStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    standing.declare(requirements=NEW)
    outcome = standing.up()
    monkeypatch.undo()
    assert_explained(outcome, "PYL-AWS-CREDENTIALS", "pulumi config set aws:profile")


def test_region_that_is_missing_is_told_before_the_build(stack: LayerStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    stack.declare(requirements=NEW)
    assert_explained(stack.up(), "PYL-AWS-REGION", "pulumi config set aws:region")


def test_aws_that_refuses_keeps_refresh_and_destroy_from_forgetting(
    standing: LayerStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a definite "not found" drops a version from the state."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    refreshed, destroyed = standing.refresh(), standing.destroy()
    monkeypatch.undo()
    assert_explained(refreshed, "PYL-AWS-UNREACHABLE", "lambda:GetLayerVersion")
    assert_explained(destroyed, "PYL-AWS-UNREACHABLE", "lambda:DeleteLayerVersion")


def _kept(stack: LayerStack) -> list[Any]:
    """What the state holds for good: the layers, and no operation that was left half done."""
    state = stack.state()
    layers = [found for found in state["resources"] if found["type"] == LAYER_TYPE]
    return [state.get("pending_operations"), *((found["id"], found["inputs"], found["outputs"]) for found in layers)]
