from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown
from pulumi.runtime.config import set_all_config
from pulumi.runtime.rpc import is_rpc_secret, unwrap_rpc_secret

from pulumi_python_layer import Build, PythonLayer
from python_layer_provider import inputs
from python_layer_provider.plan import LayerPlan
from tests.unit.engine_fake import LAYER, run
from tests.unit.helpers import A_UV_LOCK, ARN, HASH

LOCKED = f"idna==3.11 --hash={HASH}\n"
Declared = Callable[..., dict[str, Any]]


# Pulumi's mocks look for an event loop that Python no longer makes by itself.
pytestmark = pytest.mark.filterwarnings("ignore:There is no current event loop:DeprecationWarning")


def declared(*, preview: bool = False, **given: Any) -> dict[str, Any]:
    """What reaches the engine of a layer that is declared so."""
    given = {"requirements": "requirements.txt", **given}
    (seen,) = run(lambda: PythonLayer("deps", **given), preview=preview).seen
    return dict(seen.inputs)


def unknown() -> pulumi.Output[Any]:
    """What another resource of the program will have made by then."""

    async def later(value: Any) -> Any:
        return value

    return pulumi.Output(set(), later(None), later(False), later(False))  # noqa: FBT003 (is known, is secret)


def reasons(props: dict[str, Any]) -> list[str]:
    """What is wrong, as the provider's check will say."""
    return [failure.reason for failure in inputs.failures(props)]


@pytest.fixture(autouse=True)
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program's folder, with a lock file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text(LOCKED)
    return tmp_path / "requirements.txt"


# What reaches the engine.


def test_the_inputs_of_a_layer_are_complete() -> None:
    props = declared()
    plan = LayerPlan.from_json(props[inputs.PLAN])
    assert {key: props[key] for key in props if not key.startswith("__")} == {
        "requirements": "requirements.txt",
        "runtime": "python3.13",
        "architecture": "x86_64",
        "layer_name": "shop-dev-deps",
        "compatible_runtimes": ["python3.13"],
        "compatible_architectures": ["x86_64"],
        "build": {"timeout": 1800.0},
        "packages": {"idna": "3.11"},
        "content_hash": plan.content_hash(),
    }


def test_a_layer_is_registered_under_its_token() -> None:
    (seen,) = run(lambda: PythonLayer("deps", requirements="requirements.txt")).seen
    assert (seen.typ, seen.name, seen.custom) == (LAYER, "deps", True)


def test_a_subclass_is_the_same_resource() -> None:
    class Mine(PythonLayer):
        """A program's own."""

    (seen,) = run(lambda: Mine("deps", requirements="requirements.txt")).seen
    assert seen.typ == LAYER


def test_what_the_program_says_is_what_arrives() -> None:
    given: dict[str, Any] = {
        "runtime": "python3.12",
        "architecture": "arm64",
        "layer_name": "mine",
        "description": "what it is",
        "license_info": "MIT",
        "compatible_runtimes": ["python3.12", "python3.13"],
        "compatible_architectures": ["arm64", "x86_64"],
        "region": "eu-west-1",
        "profile": "dev",
        "skip_destroy": True,
        "triggers": ["2026", 11],
    }
    assert declared(**given).items() >= given.items()


def test_a_default_name_is_one_that_lambda_takes() -> None:
    (seen,) = run(lambda: PythonLayer("my.deps/é", requirements="requirements.txt")).seen
    assert seen.inputs["layer_name"] == "shop-dev-my-deps--"


def test_the_region_comes_from_the_configuration_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    assert "region" not in declared()
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert declared()["region"] == "eu-west-1"
    request.addfinalizer(lambda: set_all_config({}))
    set_all_config({"aws:region": "us-east-1"})
    assert declared()["region"] == "us-east-1"
    assert declared(region="eu-north-1")["region"] == "eu-north-1"


@pytest.mark.parametrize(
    "requirements",
    ["requirements.txt", Path("requirements.txt"), ".", Path(), [LOCKED], (LOCKED,)],
)
def test_a_lock_file_is_a_path_a_folder_or_a_list(requirements: Any) -> None:
    assert declared(requirements=requirements)["content_hash"] == declared()["content_hash"]


def test_an_image_is_part_of_the_content_hash_and_a_timeout_is_not() -> None:
    assert declared(build=Build(timeout=60))["content_hash"] == declared()["content_hash"]
    assert declared(build=Build(image="corp/build"))["content_hash"] != declared()["content_hash"]


def test_a_state_shows_requirements_as_the_program_gives_them() -> None:
    assert declared(requirements=["idna==3.11"])["requirements"] == ["idna==3.11"]
    assert declared(requirements=Path("requirements.txt"))["requirements"] == "requirements.txt"


# Outputs as inputs.


def test_inputs_may_be_outputs() -> None:
    def program() -> PythonLayer:
        said = pulumi.Output.from_input
        return PythonLayer(
            "deps",
            requirements=[said(LOCKED)],
            runtime=said("python3.13"),
            architecture=said("x86_64"),
            layer_name=said("mine"),
            build=Build(image=said("corp/build")),
        )

    (seen,) = run(program).seen
    expected = declared(layer_name="mine", build=Build(image="corp/build"))
    assert seen.inputs["content_hash"] == expected["content_hash"]
    assert seen.inputs["layer_name"] == "mine"


def test_an_image_of_the_same_program_leaves_the_packages_known() -> None:
    def program() -> PythonLayer:
        return PythonLayer("deps", requirements="requirements.txt", build=Build(image=unknown()))

    (seen,) = run(program, preview=True).seen
    assert seen.inputs["packages"] == {"idna": "3.11"}
    assert isinstance(seen.inputs["content_hash"], Unknown)
    assert isinstance(seen.inputs[inputs.PLAN], Unknown)


def test_a_runtime_that_is_not_known_yet_leaves_the_packages_unknown() -> None:
    def program() -> PythonLayer:
        return PythonLayer("deps", requirements="requirements.txt", runtime=unknown())

    (seen,) = run(program, preview=True).seen
    assert isinstance(seen.inputs["packages"], Unknown)
    assert isinstance(seen.inputs["content_hash"], Unknown)
    assert seen.inputs["layer_name"] == "shop-dev-deps"


# Secrets.


def test_a_plan_without_credentials_is_no_secret() -> None:
    assert not is_rpc_secret(declared()[inputs.PLAN])


def test_a_plan_with_credentials_is_a_secret(lock: Path) -> None:
    lock.write_text(f"--index-url https://user:hunter2@host/simple\n{LOCKED}")
    plan = declared()[inputs.PLAN]
    assert is_rpc_secret(plan)
    assert "hunter2" in unwrap_rpc_secret(plan)


@pytest.mark.parametrize(
    "line", ["idna @ https://user:hunter2@host/idna.zip", "--index-url https://user:hunter2@host/simple\nidna==3.11"]
)
def test_credentials_arrive_in_secrets_only(line: str) -> None:
    props = declared(requirements=[line])
    assert "hunter2" not in str({key: value for key, value in props.items() if not is_rpc_secret(value)})


def test_credentials_of_the_environment_arrive_in_secrets_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYER", "hunter2")
    props = declared(requirements=["idna @ https://user:${LAYER}@host/idna.zip"])
    assert is_rpc_secret(props[inputs.PLAN])
    assert "hunter2" not in str({key: value for key, value in props.items() if not is_rpc_secret(value)})


# What is wrong.


def test_a_problem_leaves_the_program_running_and_is_found_by_check() -> None:
    props = declared(requirements="nowhere.txt", runtime="python2.7")
    found = reasons(props)
    assert "[PYL-RUNTIME-UNKNOWN]" in found[0]
    assert "[PYL-LOCK-NOT-FOUND]" in found[1]
    assert (props["packages"], props["content_hash"], props[inputs.PLAN]) == ({}, "", "")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "PYL-LOCK-EMPTY"),
        ('idna==3.11; os_name == "nt"', "PYL-LOCK-EMPTY"),
        ("idna==3.11\nidna==3.10", "PYL-LOCK-CONFLICT"),
        ("idna = 3.11", "PYL-LOCK-SYNTAX"),
    ],
)
def test_a_bad_lock_file_is_found_by_check(lock: Path, text: str, code: str) -> None:
    lock.write_text(text)
    assert [f"[{code}]" in reason for reason in reasons(declared())] == [True]


@pytest.mark.parametrize("requirements", [5, {"idna": "3.11"}, [5], b"requirements.txt", ""])
def test_requirements_of_another_type_are_found_by_check(requirements: Any) -> None:
    assert len(reasons(declared(requirements=requirements))) == 1


@pytest.mark.parametrize("key", ["runtime", "architecture"])
@pytest.mark.parametrize("value", [None, 3.13])
def test_a_target_of_another_type_is_found_by_check(key: str, value: Any) -> None:
    assert reasons(declared(**{key: value}))


def test_strict_makes_an_unlocked_requirement_a_problem(lock: Path) -> None:
    lock.write_text("idna==3.11\n")
    assert "[PYL-LOCK-INCOMPLETE]" in reasons(declared(strict=True))[0]
    assert reasons(declared()) == []


def test_a_good_layer_has_no_problems() -> None:
    assert inputs.PROBLEMS not in declared()
    assert reasons(declared()) == []


# Lock files of projects.


@pytest.fixture
def uv_lock(lock: Path) -> Path:
    """The program's folder, with the lock file of a project."""
    lock.unlink()
    path = lock.with_name("uv.lock")
    path.write_text(A_UV_LOCK)
    return path


@pytest.mark.usefixtures("uv_lock")
@pytest.mark.parametrize(
    ("given", "packages"),
    [
        ({}, {"boto3", "idna"}),
        ({"groups": ["dev"]}, {"attrs", "boto3", "idna"}),
        ({"extras": ["fast"]}, {"boto3", "idna", "six"}),
        ({"omit_runtime_packages": True}, {"idna"}),
    ],
)
def test_the_program_selects_what_is_installed(given: dict[str, Any], packages: set[str]) -> None:
    props = declared(requirements=".", **given)
    assert set(props["packages"]) == packages
    assert reasons(props) == []


@pytest.mark.usefixtures("uv_lock")
def test_groups_may_be_known_later() -> None:
    assert set(declared(requirements=".", groups=pulumi.Output.from_input(["dev"]))["packages"]) >= {"attrs"}
    assert isinstance(declared(requirements=".", groups=unknown(), preview=True)["packages"], Unknown)


@pytest.mark.usefixtures("uv_lock")
@pytest.mark.parametrize(("what", "known"), [("groups", "dev"), ("extras", "fast")])
def test_an_unknown_name_is_a_problem_of_its_input_that_lists_the_known_ones(what: str, known: str) -> None:
    asked: dict[str, Any] = {what: ["none"]}
    (failure,) = inputs.failures(declared(requirements=".", **asked))
    assert failure.input_name == what
    assert f"no `none` in the {what} of `uv.lock`, which has `{known}`" in failure.reason


def test_the_contents_of_a_path_dependency_are_in_packages_and_hash(lock: Path) -> None:
    project = lock.parent / "lib"
    project.mkdir()
    (project / "pyproject.toml").write_text('[project]\nname = "lib"\nversion = "1.0"\n')
    lock.write_text("./lib\n")
    before = declared()
    (project / "lib.py").write_text("VALUE = 1\n")
    after = declared()
    for props in (before, after):
        assert re.fullmatch(r"1\.0 \([0-9a-f]{8}\)", props["packages"]["lib"])
        assert str(lock.parent) not in str(inputs.visible(props))
    assert before["packages"] != after["packages"]
    assert before["content_hash"] != after["content_hash"]


# Warnings.


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message.splitlines()[0] for record in caplog.records if record.levelno == logging.WARNING]


def test_a_layer_without_a_region_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    declared()
    assert warnings(caplog) == ["No AWS region is set"]


@pytest.mark.parametrize("given", [{"region": "eu-west-1"}, {"profile": "dev"}])
def test_a_layer_that_has_a_region_or_may_get_one_is_no_warning(
    caplog: pytest.LogCaptureFixture, given: dict[str, Any]
) -> None:
    declared(**given)
    assert warnings(caplog) == []


def test_an_unlocked_requirement_is_a_warning(lock: Path, caplog: pytest.LogCaptureFixture) -> None:
    lock.write_text("idna\n")
    declared(region="eu-west-1")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.startswith(
        "1 of 1 requirements are not locked:\n    `idna` has no version: requirements.txt:1"
    )


# What a program reads.


def test_outputs_are_attributes_known_or_not() -> None:
    found: dict[str, Any] = {}

    def program() -> None:
        layer = PythonLayer("deps", requirements="requirements.txt")
        for name in ("packages", "content_hash", "layer_name", "runtime", "compatible_runtimes", "id"):
            getattr(layer, name).apply(lambda value, name=name: found.update({name: value}))

    run(program)
    assert found["packages"] == {"idna": "3.11"}
    assert found["content_hash"].startswith("1:")
    assert (found["layer_name"], found["runtime"], found["id"]) == ("shop-dev-deps", "python3.13", ARN)


@pytest.mark.parametrize("name", PythonLayer.__annotations__)
def test_every_declared_output_is_there(name: str) -> None:
    layers: list[PythonLayer] = []
    run(lambda: layers.append(PythonLayer("deps", requirements="requirements.txt")))
    assert isinstance(getattr(layers[0], name), pulumi.Output)


class Mine(PythonLayer):
    """A program's own."""


@pytest.mark.parametrize("cls", [PythonLayer, Mine])
def test_a_version_that_exists_is_looked_up_by_its_arn(cls: type[PythonLayer]) -> None:
    layers: list[PythonLayer] = []
    (seen,) = run(lambda: layers.append(cls.get("theirs", ARN))).seen
    assert (seen.typ, seen.resource_id) == (LAYER, ARN)
    assert all(isinstance(getattr(layers[0], name), pulumi.Output) for name in PythonLayer.__annotations__)


@pytest.mark.parametrize("strict", [False, True])
def test_a_lock_file_older_than_its_project_is_a_warning_or_strictly_a_problem(
    uv_lock: Path, caplog: pytest.LogCaptureFixture, *, strict: bool
) -> None:
    (uv_lock.parent / "pyproject.toml").write_text('[project]\nname = "app"\nversion = "0"\ndependencies = ["flask"]\n')
    found = reasons(declared(requirements=".", region="eu-west-1", strict=strict))
    assert any("[PYL-LOCK-STALE]" in reason for reason in found) is strict
    assert ("changed since" in "".join(warnings(caplog))) is not strict
