from __future__ import annotations

import subprocess
import sys

import pytest

import pulumi_python_layer

HEAVY = ("boto3", "botocore", "docker", "grpc", "pulumi", "requests")


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import pulumi_python_layer").isdisjoint(HEAVY)


def test_the_resource_loads_pulumi_but_neither_boto3_nor_docker() -> None:
    modules = loaded_by("from pulumi_python_layer import PythonLayer")
    assert "pulumi" in modules
    assert modules.isdisjoint({"boto3", "botocore", "docker"})


def test_the_provider_loads_neither_boto3_nor_docker() -> None:
    assert loaded_by("import python_layer_provider.provider").isdisjoint({"boto3", "botocore", "docker"})


@pytest.mark.parametrize(
    "stage",
    [
        "archive",
        "code",
        "contents",
        "errors",
        "handler",
        "inputs",
        "layer_version",
        "lockfile",
        "plan",
        "settings",
        "target",
        "tree",
        "verify",
    ],
)
def test_a_pure_stage_loads_nothing_heavy(stage: str) -> None:
    assert loaded_by(f"import python_layer_provider.{stage}").isdisjoint(HEAVY)


def test_all_that_is_declared_is_there() -> None:
    for name in pulumi_python_layer.__all__:
        assert getattr(pulumi_python_layer, name).__module__.startswith("pulumi_python_layer")


def test_what_is_not_declared_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'LayerProvider'"):
        _ = pulumi_python_layer.LayerProvider
