"""`PythonFunction` as far as it goes without an engine: what it declares, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from pulumi_python_layer import PythonFunction, PythonLayer, cold_start
from tests.unit import engine_fake
from tests.unit.engine_fake import LAYER
from tests.unit.helpers import A_UV_LOCK, ARN, HASH

FUNCTION = "aws:lambda/function:Function"
ROLE, ATTACHMENT = "aws:iam/role:Role", "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
COMPONENT = "pulumi-python-layer:index:PythonFunction"
OTHER = "arn:aws:lambda:eu-west-1:123456789012:layer:other:1"

# Pulumi's mocks look for an event loop that Python no longer makes by itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:There is no current event loop:DeprecationWarning"),
    # pulumi_aws says so of its own modules when they load.
    pytest.mark.filterwarnings("ignore:aws.lambda/:DeprecationWarning"),
]


def run(program: Callable[[], object]) -> dict[tuple[str, str], dict[str, Any]]:
    """Run a program to its end; what it declares, by type and name."""
    return {(seen.typ, seen.name): dict(seen.inputs) for seen in engine_fake.run(program).seen}


def declared(**given: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return run(lambda: PythonFunction("api", entry="app", **given))


def function(**given: Any) -> dict[str, Any]:
    """What the function itself is declared with."""
    return declared(**given)[FUNCTION, "api"]


def refusal(**given: Any) -> str:
    """What is told of a function that cannot be."""
    arguments = {"entry": "app", **given}
    with pytest.raises(pulumi.RunError) as caught:
        run(lambda: PythonFunction("api", **arguments))
    return str(caught.value)


@pytest.fixture(autouse=True)
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program's folder, with a function's code and its lock file in `app`."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "index.py").write_text("def handler(event, context):\n    return event\n")
    (folder / "uv.lock").write_text(A_UV_LOCK)
    return folder


# What is declared.


def test_a_folder_becomes_a_function_with_a_layer_and_a_role() -> None:
    found = declared(runtime="python3.12", architecture="arm64")
    assert set(found) == {
        (COMPONENT, "api"),
        (FUNCTION, "api"),
        (LAYER, "api-deps"),
        (ROLE, "api-role"),
        (ATTACHMENT, "api-logs"),
    }
    layer = found[LAYER, "api-deps"]
    assert (layer["runtime"], layer["architecture"]) == ("python3.12", "arm64")
    assert layer["packages"] == {"boto3": "1", "idna": "3.11"}
    made = found[FUNCTION, "api"]
    assert (made["runtime"], made["architectures"]) == ("python3.12", ["arm64"])
    assert made["handler"] == "index.handler"
    assert made["layers"] == [ARN]
    assert made["role"] == "arn:aws:of:api-role"


def test_arguments_may_come_as_a_dictionary() -> None:
    found = run(lambda: PythonFunction("api", {"entry": "app", "memory_size": 512}, timeout=9))
    made = found[FUNCTION, "api"]
    assert (made["memorySize"], made["timeout"]) == (512, 9)


def test_what_a_function_takes_is_passed_through() -> None:
    made = function(function_name="mine", environment={"variables": {"A": "1"}}, tags={"team": "web"})
    assert (made["name"], made["environment"], made["tags"]) == ("mine", {"variables": {"A": "1"}}, {"team": "web"})


def test_the_code_is_the_same_zip_from_run_to_run_and_changes_with_the_code(entry: Path) -> None:
    before, again = function(), function()
    (entry / "more.py").write_text("VALUE = 1\n")
    after = function()
    assert before["sourceCodeHash"] == again["sourceCodeHash"] != after["sourceCodeHash"]
    assert before["code"].path == again["code"].path != after["code"].path


def test_what_is_excluded_is_no_part_of_the_code(entry: Path) -> None:
    before = function(exclude=["*.md"])["sourceCodeHash"]
    (entry / "NOTES.md").write_text("notes")
    assert function(exclude=["*.md"])["sourceCodeHash"] == before


def test_layers_come_after_the_functions_own() -> None:
    def program() -> None:
        shared = PythonLayer("shared", requirements="app")
        PythonFunction("api", entry="app", layers=[shared, OTHER])

    assert run(program)[FUNCTION, "api"]["layers"] == [ARN, ARN, OTHER]


def test_a_function_may_have_no_dependencies(entry: Path) -> None:
    (entry / "uv.lock").unlink()
    found = declared(dependencies="none")
    assert (LAYER, "api-deps") not in found
    assert found[FUNCTION, "api"].get("layers", []) == []


def test_a_lock_file_may_be_elsewhere(entry: Path) -> None:
    (entry / "uv.lock").rename(entry.parent / "uv.lock")
    assert declared(requirements="uv.lock", groups=["dev"])[LAYER, "api-deps"]["packages"].keys() >= {"attrs"}


# Dependencies at cold start.


def carried(**given: Any) -> dict[str, bytes]:
    """What is in the zip of a function that installs its dependencies itself."""
    with zipfile.ZipFile(function(dependencies="at-cold-start", **given)["code"].path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_at_cold_start_there_is_no_layer_and_another_handler() -> None:
    found = declared(dependencies="at-cold-start")
    assert (LAYER, "api-deps") not in found
    made = found[FUNCTION, "api"]
    assert made["handler"] == "pulumi_python_layer.bootstrap.handler"
    assert made.get("layers", []) == []


def test_the_code_carries_what_installs_and_what_is_installed() -> None:
    found = carried()
    assert found["pulumi_python_layer/cold_start.py"] == Path(cold_start.__file__).read_bytes()
    assert found["pulumi_python_layer/__init__.py"] == b""
    assert b"'index.handler'" in found["pulumi_python_layer/bootstrap.py"]
    pins = found["pulumi_python_layer/requirements.txt"].decode().splitlines()
    assert pins == [f"boto3==1 --hash={HASH}", f"idna==3.11 --hash={HASH}"]


def test_groups_and_runtime_packages_count_at_cold_start_too() -> None:
    pins = carried(groups=["dev"], omit_runtime_packages=True)["pulumi_python_layer/requirements.txt"]
    assert [pin.partition(b"==")[0] for pin in pins.splitlines()] == [b"attrs", b"idna"]


def test_layers_of_others_count_at_cold_start_too() -> None:
    assert function(dependencies="at-cold-start", layers=[OTHER])["layers"] == [OTHER]


def test_whoever_declares_it_is_warned_once_and_of_what_is_not_locked(
    entry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, Any]] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, resource: told.append((text, resource)))
    (entry / "uv.lock").unlink()
    (entry / "requirements.txt").write_text("idna==3.11\n")
    declared(dependencies="at-cold-start")
    (development, _), (unlocked, on) = told
    assert "for development, not for production" in development
    assert "1 of 1 requirements are not locked" in unlocked
    assert isinstance(on, PythonFunction)


def test_at_cold_start_the_handler_and_the_lock_file_are_checked_in_preview(entry: Path) -> None:
    (entry / "uv.lock").unlink()
    found = refusal(dependencies="at-cold-start", handler="none")
    assert "there is no `none` in `index.py`" in found
    assert "no lock file in the folder `app`" in found


def test_a_folder_of_the_bootstraps_name_is_refused(entry: Path) -> None:
    (entry / "pulumi_python_layer").mkdir()
    (entry / "pulumi_python_layer/mine.py").touch()
    assert "`pulumi_python_layer/mine.py` has the name of what is packed" in refusal(dependencies="at-cold-start")
    assert function()["handler"] == "index.handler"


def test_path_dependencies_are_refused_at_cold_start(entry: Path) -> None:
    (entry / "uv.lock").unlink()
    (entry / "lib").mkdir()
    (entry / "requirements.txt").write_text("lib @ ./lib\n")
    found = refusal(dependencies="at-cold-start")
    assert "where a function cannot install it from" in found
    assert 'hint: dependencies="layer"' in found


@pytest.mark.parametrize("storage", [None, {"size": 700}, aws.lambda_.FunctionEphemeralStorageArgs(size=700)])
def test_dependencies_that_find_no_room_are_refused(entry: Path, storage: Any) -> None:
    (entry / "uv.lock").write_text(A_UV_LOCK.replace("size = 20000000", "size = 200000000"))
    given = {"ephemeral_storage": storage} if storage else {}
    assert f"the function has {700 if storage else 512} MB there" in refusal(dependencies="at-cold-start", **given)


@pytest.mark.parametrize(
    "storage",
    [
        {"size": 1024},
        aws.lambda_.FunctionEphemeralStorageArgs(size=1024),
        pulumi.Output.from_input({"size": 512}),
        {"size": pulumi.Output.from_input(512)},
    ],
)
def test_room_that_is_enough_or_only_known_later_is_not_refused(entry: Path, storage: Any) -> None:
    (entry / "uv.lock").write_text(A_UV_LOCK.replace("size = 20000000", "size = 200000000"))
    assert function(dependencies="at-cold-start", ephemeral_storage=storage)["handler"].endswith("bootstrap.handler")


# Role.


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        ({}, "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"),
        ({"region": "cn-north-1"}, "arn:aws-cn:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"),
        ({"region": "us-gov-west-1"}, "arn:aws-us-gov:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"),
        (
            {"vpc_config": {"subnet_ids": ["a"], "security_group_ids": ["b"]}},
            "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole",
        ),
    ],
)
def test_a_role_may_do_what_the_function_has_to(given: dict[str, Any], policy: str) -> None:
    found = declared(**given)
    assert found[ATTACHMENT, "api-logs"]["policyArn"] == policy
    assert "lambda.amazonaws.com" in found[ROLE, "api-role"]["assumeRolePolicy"]


def test_a_role_that_is_given_is_taken() -> None:
    found = declared(role="arn:aws:iam::123456789012:role/mine")
    assert (ROLE, "api-role") not in found
    assert found[FUNCTION, "api"]["role"] == "arn:aws:iam::123456789012:role/mine"


def test_an_explicit_provider_counts_for_the_layer_too() -> None:
    def program() -> None:
        provider = aws.Provider("frankfurt", region="eu-central-1", profile="dev")
        PythonFunction("api", entry="app", opts=pulumi.ResourceOptions(provider=provider))

    layer = run(program)[LAYER, "api-deps"]
    assert (layer["region"], layer["profile"]) == ("eu-central-1", "dev")


# What cannot be.


def test_an_argument_that_there_is_not_is_told_with_the_likely_one() -> None:
    assert "did you mean `memory_size`" in refusal(memory_sizes=512)


def test_a_missing_entry_is_told() -> None:
    assert "no such folder: `none`" in refusal(entry="none")
    assert 'hint: entry="app"' in refusal(entry="")


def test_an_entry_outside_of_the_project_is_told(tmp_path: Path) -> None:
    outside = tmp_path.parent
    assert f"`{outside}` is outside of the project" in refusal(entry=str(outside))


def test_a_handler_that_is_not_there_is_told_without_importing(entry: Path) -> None:
    (entry / "index.py").write_text("raise SystemExit\n\ndef handle(event, context): ...\n")
    found = refusal()
    assert "`handler`" in found
    assert "handle" in found


def test_all_mistakes_are_told_at_once() -> None:
    found = refusal(runtime="python2.7", handler="none", timeouts=3)
    for part in ("PYL-RUNTIME-UNKNOWN", "`none`", "did you mean `timeout`"):
        assert part in found


def test_a_sixth_layer_is_told() -> None:
    assert "6 layers, the function's own among them; Lambda takes 5" in refusal(layers=[OTHER] * 5)
    assert function(layers=[OTHER] * 4)["layers"] == [ARN, *[OTHER] * 4]


@pytest.mark.parametrize("other", [{"runtime": "python3.11"}, {"architecture": "arm64"}])
def test_a_layer_for_another_target_is_told(other: dict[str, str]) -> None:
    def program() -> None:
        shared = PythonLayer("shared", requirements="app", **other)  # type: ignore[arg-type]
        PythonFunction("api", entry="app", layers=[shared])

    with pytest.raises(pulumi.RunError, match="the layer `shared` is built for"):
        run(program)


def test_layers_that_are_too_large_together_are_told(entry: Path) -> None:
    (entry / "uv.lock").write_text(A_UV_LOCK.replace("size = 20000000", "size = 90000000"))
    assert "the function and its layers take about 300 MB unzipped; Lambda takes 262 MB" in refusal()


def test_dependencies_in_a_way_that_there_is_not_are_told() -> None:
    found = refusal(dependencies="zip")
    assert '`dependencies` is `zip`\nhint: use one of "layer", "code", "at-cold-start", "none"' in found


def test_dependencies_beside_the_code_need_a_bucket() -> None:
    assert '`s3_bucket`: dependencies="code" needs a bucket' in refusal(dependencies="code")


def test_dependencies_beside_the_code_count_with_its_layers(entry: Path) -> None:
    (entry / "uv.lock").write_text(A_UV_LOCK.replace("size = 20000000", "size = 90000000"))
    found = refusal(dependencies="code", s3_bucket="ours")
    assert "the function and its layers take about 300 MB unzipped" in found


def test_a_package_is_named_by_what_is_in_it_before_it_is_made(entry: Path) -> None:
    given = declared(dependencies="code", s3_bucket="ours")
    (package,) = (props for (_, name), props in given.items() if name == "api-package")
    assert package["s3_key"].startswith("python-layers/1-")
    (entry / "index.py").write_text("def handler(event, context): return 1\n")
    (other,) = (p for (_, name), p in declared(dependencies="code", s3_bucket="ours").items() if name == "api-package")
    assert other["s3_key"] != package["s3_key"]


def test_a_missing_lock_file_is_a_problem_of_the_layer(entry: Path) -> None:
    (entry / "uv.lock").unlink()
    problems = declared()[LAYER, "api-deps"]["__problems"]
    assert "no lock file in the folder `app`" in problems


def test_a_program_without_pulumi_aws_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi_python_layer.function.find_spec", lambda _: None)
    assert "pip install 'pulumi-python-layer[aws]'" in refusal()


# What is loaded.


def test_pulumi_aws_is_loaded_when_a_function_is_declared_and_not_before() -> None:
    code = "import sys, pulumi_python_layer as p; p.PythonLayer; p.PythonFunction; print('pulumi_aws' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
