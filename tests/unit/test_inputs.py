from __future__ import annotations

from typing import Any

import pytest

from python_layer_provider import inputs, plan
from python_layer_provider.errors import LockFileSyntaxError, UnknownRuntimeError
from python_layer_provider.inputs import (
    LayerInputs,
    failure,
    failures,
    problems,
    replaced_by,
    updated_by,
)
from python_layer_provider.layer_version import LayerVersion
from python_layer_provider.lifecycle import Versions
from tests.unit.helpers import ARN, METADATA, a_pin, a_plan

UNKNOWN = object()
"""Stands for the engine's word for what is not known yet."""
PLAN = a_plan()
OTHER = a_plan(a_pin("idna", "3.12"))
PROPS: dict[str, Any] = {
    "requirements": "requirements.txt",
    "runtime": "python3.13",
    "architecture": "x86_64",
    "layer_name": "deps",
    "compatible_runtimes": ["python3.13"],
    "compatible_architectures": ["x86_64"],
    "build": {"timeout": 60.0},
    "region": "eu-west-1",
    "packages": PLAN.packages,
    "content_hash": PLAN.content_hash(),
    inputs.PLAN: PLAN.to_json(),
}


def replaced(news: dict[str, Any], olds: dict[str, Any] | None = None) -> list[str]:
    olds = inputs.visible(PROPS) if olds is None else olds
    return replaced_by(olds, {**PROPS, **news}, unknown=lambda value: value is UNKNOWN)


def failed(**news: Any) -> list[str]:
    return [failure.input_name for failure in failures({**PROPS, **news})]


# Properties to inputs and outputs.


def test_inputs_are_what_the_properties_say() -> None:
    wanted = LayerInputs.of({**PROPS, "description": "d", "license_info": "MIT", "profile": "dev"})
    assert wanted.plan == PLAN
    assert (wanted.metadata.description, wanted.metadata.license_info) == ("d", "MIT")
    assert (wanted.region, wanted.profile, wanted.timeout) == ("eu-west-1", "dev", 60)


def test_what_is_left_out_has_its_default() -> None:
    wanted = LayerInputs.of({key: PROPS[key] for key in PROPS if key not in {"build", "region"}})
    assert wanted.metadata == METADATA
    assert (wanted.region, wanted.profile, wanted.timeout) == (None, None, 1800)


def test_outputs_are_the_inputs_and_what_aws_says() -> None:
    version = LayerVersion(
        arn=ARN,
        layer_arn=ARN.removesuffix(":3"),
        version="3",
        code_sha256="sha",
        code_size=2,
        created_date="today",
        description="",
        license_info="",
        compatible_runtimes=(),
        compatible_architectures=(),
    )
    versions = Versions(current={"eu-west-1": ARN}, retained=("older",), lineage="abcdef")
    outputs = inputs.outputs(PROPS, version, versions)
    assert outputs.items() >= inputs.visible(PROPS).items()
    assert (outputs["arn"], outputs["layer_arn"], outputs["version"]) == (ARN, ARN.removesuffix(":3"), "3")
    assert (outputs["code_sha256"], outputs["source_code_hash"], outputs["source_code_size"]) == ("sha", "sha", 2)
    assert (outputs["arns"], outputs["retained_arns"]) == ({"eu-west-1": ARN}, ["older"])
    assert Versions.of(outputs) == versions


def test_the_plan_is_in_no_output() -> None:
    assert inputs.PLAN in PROPS
    assert not any(key.startswith("__") for key in inputs.visible(PROPS))


def test_compatible_lists_are_sorted_and_nothing_else_is() -> None:
    props = {"compatible_runtimes": ["b", "a"], "compatible_architectures": [UNKNOWN, "a"], "triggers": ["b", "a"]}
    assert inputs.normalised(props) == {**props, "compatible_runtimes": ["a", "b"]}


# What is wrong.


def test_nothing_is_wrong_with_good_inputs() -> None:
    assert failed() == []
    assert failed(description=None, license_info=None, triggers=[1.0]) == []


def test_everything_wrong_is_found_at_once_the_constructors_findings_first() -> None:
    found = problems([failure(UnknownRuntimeError("a", input_name="runtime")), failure(LockFileSyntaxError("b"))])
    assert failed(
        **{inputs.PROBLEMS: found},
        layer_name="a b",
        description="x" * 257,
        license_info="x" * 513,
        compatible_runtimes=[],
        compatible_architectures=["mips"],
    ) == [
        "runtime",
        "requirements",
        "layer_name",
        "description",
        "license_info",
        "compatible_runtimes",
        "compatible_architectures",
    ]


def test_a_problem_reaches_the_person_as_its_whole_message() -> None:
    error = LockFileSyntaxError("requirements.txt:1: what", hint="write it right", input_name="requirements")
    assert failures({inputs.PROBLEMS: problems([failure(error)])})[0].reason == str(error)


@pytest.mark.parametrize("name", ["a", "a-b_C9", "x" * 64])
def test_a_layer_name_that_lambda_takes_is_taken(name: str) -> None:
    assert failed(layer_name=name) == []


@pytest.mark.parametrize("name", ["", "a b", "a.b", "x" * 65, "é", "a\n", "arn:aws:lambda:eu-west-1:1:layer:a"])
def test_a_layer_name_that_lambda_refuses_is_refused(name: str) -> None:
    assert failed(layer_name=name) == ["layer_name"]


@pytest.mark.parametrize(("key", "limit"), [("description", 256), ("license_info", 512)])
def test_a_text_may_be_as_long_as_lambda_takes_it(key: str, limit: int) -> None:
    assert failed(**{key: "x" * limit}) == []
    assert failed(**{key: "x" * (limit + 1)}) == [key]


@pytest.mark.parametrize("runtimes", [["python3.12"], [], ["python3.13", *map(str, range(15))]])
def test_compatible_runtimes_name_the_runtime_and_are_fifteen_at_most(runtimes: list[str]) -> None:
    assert failed(compatible_runtimes=runtimes) == ["compatible_runtimes"]
    assert failed(compatible_runtimes=["python3.13", *map(str, range(14))]) == []


@pytest.mark.parametrize("architectures", [["arm64"], [], ["x86_64", "mips"]])
def test_compatible_architectures_name_the_architecture_and_known_ones_only(architectures: list[str]) -> None:
    assert failed(compatible_architectures=architectures) == ["compatible_architectures"]
    assert failed(compatible_architectures=["arm64", "x86_64"]) == []


def test_what_is_not_known_yet_is_not_judged() -> None:
    assert failures({"compatible_runtimes": ["python3.13"], "compatible_architectures": ["x86_64"]}) == []


@pytest.mark.parametrize("failure", failures({**PROPS, "layer_name": "!", "description": "x" * 300}))
def test_a_failure_ends_with_its_code(failure: inputs.Failure) -> None:
    assert failure.reason.endswith("[PYL-INPUT-INVALID]")


# What a change asks for.


def test_nothing_changed_replaces_nothing() -> None:
    assert replaced({}) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("layer_name", "other"),
        ("description", "d"),
        ("license_info", "MIT"),
        ("compatible_runtimes", ["python3.12", "python3.13"]),
        ("compatible_architectures", ["arm64", "x86_64"]),
        ("region", "us-east-1"),
        ("triggers", ["2026-11"]),
    ],
)
def test_what_aws_never_changes_replaces(key: str, value: Any) -> None:
    assert replaced({key: value}) == [key]
    assert replaced({}, {**PROPS, key: value}) == [key]


@pytest.mark.parametrize("key", inputs.REPLACING)
def test_what_is_not_known_yet_counts_as_changed(key: str) -> None:
    assert replaced({key: UNKNOWN}) == [key]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("requirements", "other.txt"),
        ("build", {"timeout": 1.0}),
        ("strict", True),
        ("skip_destroy", True),
        ("profile", "dev"),
        (inputs.PLAN, "{}"),
    ],
)
def test_what_leaves_the_version_as_it_is_replaces_nothing(key: str, value: Any) -> None:
    assert replaced({key: value}) == []


@pytest.mark.parametrize("key", ["description", "license_info", "triggers"])
@pytest.mark.parametrize("empty", [None, "", []])
def test_empty_and_missing_are_the_same(key: str, empty: Any) -> None:
    assert replaced({key: empty}) == []
    assert replaced({}, {**PROPS, key: empty}) == []


def test_other_contents_replace() -> None:
    news = {"content_hash": OTHER.content_hash(), inputs.PLAN: OTHER.to_json(), "packages": OTHER.packages}
    assert replaced(news) == ["content_hash"]


def test_a_region_that_is_no_longer_named_stays() -> None:
    assert replaced({"region": None}) == []


def test_a_region_that_was_looked_up_before_is_compared() -> None:
    assert replaced({"region": "eu-west-1"}, {**PROPS, "region": "eu-west-1"}) == []


def test_ignored_contents_replace_nothing() -> None:
    # ignore_changes puts the old value in the place of the new one; the plan still travels.
    assert replaced({inputs.PLAN: OTHER.to_json()}) == []


def test_contents_of_a_layer_of_unknown_origin_replace_it() -> None:
    assert replaced({}, {"layer_name": "deps"}) == [
        "content_hash",
        "compatible_runtimes",
        "compatible_architectures",
        "region",
    ]


@pytest.fixture
def recipe_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that hashes in another way."""
    monkeypatch.setitem(plan._RECIPES, 2, lambda found: {"new": plan._recipe_1(found)})
    monkeypatch.setattr(plan, "RECIPE", 2)


@pytest.mark.usefixtures("recipe_2")
def test_a_new_recipe_replaces_nothing() -> None:
    assert PLAN.content_hash(2) != PLAN.content_hash(1)
    assert replaced({"content_hash": PLAN.content_hash(2)}) == []


@pytest.mark.usefixtures("recipe_2")
def test_other_contents_replace_across_recipes() -> None:
    assert replaced({"content_hash": OTHER.content_hash(2), inputs.PLAN: OTHER.to_json()}) == ["content_hash"]


@pytest.mark.parametrize("same", [True, False])
def test_a_state_of_a_later_release_is_compared_by_what_both_understand(*, same: bool) -> None:
    olds = {**PROPS, "content_hash": "2:abc", "packages": PLAN.packages if same else OTHER.packages}
    assert replaced({}, olds) == ([] if same else ["content_hash"])


@pytest.mark.parametrize(
    ("old", "new", "updates"),
    [
        ({}, {}, []),
        ({}, {"skip_destroy": True}, ["skip_destroy"]),
        ({"skip_destroy": True}, {"skip_destroy": False}, ["skip_destroy"]),
        ({"skip_destroy": True}, {}, ["skip_destroy"]),
        ({}, {"skip_destroy": False}, []),
        ({"skip_destroy": None}, {"skip_destroy": False}, []),
        ({"profile": "a"}, {"profile": "b"}, ["profile"]),
        ({"profile": ""}, {"profile": None}, []),
        ({"description": "a"}, {"description": "b"}, []),
    ],
)
def test_retention_and_profile_update(old: dict[str, Any], new: dict[str, Any], updates: list[str]) -> None:
    assert updated_by(old, new) == updates
