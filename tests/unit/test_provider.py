from __future__ import annotations

import base64
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.output import Unknown

from python_layer_provider import inputs
from python_layer_provider.build import cache
from python_layer_provider.errors import (
    AccessDeniedError,
    CredentialsError,
    InvalidInputError,
    LockFileEmptyError,
    RefusedError,
    RegionMissingError,
)
from python_layer_provider.layer_version import split_arn
from python_layer_provider.lockfile import File
from python_layer_provider.plan import LayerPlan
from python_layer_provider.provider import LayerProvider
from tests.unit.aws_fake import FakeLambda
from tests.unit.helpers import ARN, a_pin, a_plan, an_archive

UNKNOWN: Any = Unknown()  # type: ignore[no-untyped-call]
PLAN = a_plan()
OTHER = a_plan(a_pin("idna", "3.12"))
ZIP = base64.b64decode("UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==")


def configured(endpoint: str, **others: str) -> LayerProvider:
    """A provider in a stack whose configuration leads to this endpoint."""
    provider = LayerProvider()
    config = {
        "aws:accessKey": "testing",
        "aws:secretKey": "testing",
        "aws:endpoints": f'[{{"lambda": "{endpoint}"}}]',
        "other:key": "not ours",
        **others,
    }
    provider.configure(ConfigureRequest(Config(config, "project")))
    return provider


def news(plan: LayerPlan = PLAN, /, **others: Any) -> dict[str, Any]:
    """What the engine hands over for a layer: numbers are floats, and None is not there."""
    props = {
        "runtime": "python3.13",
        "architecture": "x86_64",
        "layer_name": "deps",
        "compatible_runtimes": ["python3.13"],
        "compatible_architectures": ["x86_64"],
        "build": {"timeout": 1800.0},
        "region": "eu-west-1",
        "packages": plan.packages,
        "content_hash": plan.content_hash(),
        inputs.PLAN: plan.to_json(),
        "__provider": "pickled",
        **others,
    }
    return {key: value for key, value in props.items() if value is not None}


def olds(**others: Any) -> dict[str, Any]:
    """The outputs of that layer, as the state has them."""
    return {**inputs.visible(news()), "arn": ARN, "version": "3", "source_code_size": 22.0, **others}


@pytest.fixture
def urns(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """A provider's process that has said nothing yet; without an engine there is one URN, the empty one."""
    told: set[str] = set()
    monkeypatch.setattr("python_layer_provider.provider._TOLD", told)
    return told


@pytest.fixture
def built(tmp_path: Path) -> Iterator[None]:
    """The layer of `PLAN` is in the cache, so that nothing has to be built."""
    cache.store(PLAN, an_archive(tmp_path, ZIP))
    yield
    for file in cache.cache_folder().iterdir():
        file.unlink()


# The state contract: changes here break every stack.


def test_what_is_pickled_is_the_path_of_the_class_and_nothing_else() -> None:
    pickled = b"gASVNwAAAAAAAACMHnB5dGhvbl9sYXllcl9wcm92aWRlci5wcm92aWRlcpSMDUxheWVyUHJvdmlkZXKUk5QpgZQu"
    assert base64.b64encode(pickle.dumps(LayerProvider(), protocol=4)) == pickled
    assert isinstance(pickle.loads(base64.b64decode(pickled)), LayerProvider)


def test_the_sdk_pickles_the_same() -> None:
    found = base64.b64decode(serialize_provider(LayerProvider()))
    assert found == pickle.dumps(LayerProvider(), protocol=pickle.DEFAULT_PROTOCOL)


def test_a_provider_has_no_attributes_and_is_no_secret() -> None:
    assert vars(LayerProvider()) == {}
    assert LayerProvider.serialize_as_secret_always is False


# Check.


def test_check_hands_back_good_inputs_with_sorted_sets() -> None:
    result = LayerProvider().check({}, news(compatible_runtimes=["python3.13", "python3.12"]))
    assert result.failures == []
    assert result.inputs == news(compatible_runtimes=["python3.12", "python3.13"])


def test_check_reports_what_the_constructor_found_and_what_it_finds_itself() -> None:
    problems = inputs.problems([inputs.failure(LockFileEmptyError("nothing", input_name="requirements"))])
    failures = LayerProvider().check({}, news(layer_name="a b", **{inputs.PROBLEMS: problems})).failures
    assert [failure.property for failure in failures or []] == ["requirements", "layer_name"]
    assert (failures or [])[0].reason == "nothing\n[PYL-LOCK-EMPTY]"


def test_check_leaves_alone_what_is_not_known_yet() -> None:
    given = news(runtime=UNKNOWN, compatible_runtimes=[UNKNOWN], layer_name=UNKNOWN, content_hash=UNKNOWN)
    result = LayerProvider().check({}, given)
    assert (result.inputs, result.failures) == (given, [])


def test_a_layer_that_the_program_does_not_name_keeps_the_name_it_has() -> None:
    given = news(layer_name="project-dev-new", **{inputs.NAMED: False})
    assert LayerProvider().check(news(), given).inputs["layer_name"] == "deps"
    assert LayerProvider().check({}, given).inputs["layer_name"] == "project-dev-new"
    assert LayerProvider().check(news(), {**given, inputs.NAMED: True}).inputs["layer_name"] == "project-dev-new"


# Diff: an answer always, or the engine compares the pickled provider too.


@pytest.mark.parametrize(
    ("changed", "replaces", "changes"),
    [
        ({}, [], False),
        ({"build": {"timeout": 60.0}}, [], False),
        ({"__provider": "pickled by another release"}, [], False),
        ({"skip_destroy": True}, [], True),
        ({"profile": "dev"}, [], True),
        ({"layer_name": "other"}, ["layer_name"], True),
        ({"description": UNKNOWN}, ["description"], True),
        ({"content_hash": UNKNOWN, "packages": UNKNOWN, inputs.PLAN: UNKNOWN}, ["content_hash"], True),
        ({"triggers": [UNKNOWN]}, ["triggers"], True),
        ({"triggers": [{"bucket": UNKNOWN}]}, ["triggers"], True),
    ],
)
def test_diff_says_whether_and_what_is_replaced(changed: dict[str, Any], replaces: list[str], *, changes: bool) -> None:
    result = LayerProvider().diff(ARN, olds(), news(**changed))
    assert (result.changes, result.replaces) == (changes, replaces)
    assert result.delete_before_replace is False


def test_numbers_in_triggers_are_compared_as_the_engine_hands_them_over() -> None:
    assert LayerProvider().diff(ARN, olds(triggers=[1]), news(triggers=[1.0])).changes is False


def test_diff_tells_which_packages_change(capfd: pytest.CaptureFixture[str]) -> None:
    LayerProvider().diff(ARN, olds(), news(OTHER))
    assert capfd.readouterr().err == "info: idna 3.11 -> 3.12\n"


def test_diff_tells_the_size_where_the_lock_file_knows_it(capfd: pytest.CaptureFixture[str]) -> None:
    weighed = a_plan(a_pin("idna", "3.12", files=(File(name="idna-3.12-py3-none-any.whl", size=20_000_000),)))
    LayerProvider().diff(ARN, olds(), news(weighed))
    assert capfd.readouterr().err == "info: idna 3.11 -> 3.12 (about 66 MB of 262 MB unzipped)\n"


def test_check_tells_once_what_a_new_layer_holds(capfd: pytest.CaptureFixture[str], urns: set[str]) -> None:
    LayerProvider().check({}, news())
    assert capfd.readouterr().err == "info: 1 package\n"
    # So the engine asks again where a layer is replaced.
    LayerProvider().check({}, news())
    assert capfd.readouterr().err == ""
    assert urns == {""}


@pytest.mark.usefixtures("urns")
def test_check_is_silent_about_layers_that_stand_or_cannot_be(capfd: pytest.CaptureFixture[str]) -> None:
    LayerProvider().check(news(), news())
    LayerProvider().check({}, news(layer_name="no name"))
    LayerProvider().check({}, news(packages=UNKNOWN))
    assert capfd.readouterr().err == ""


def test_diff_is_silent_where_nothing_changes(capfd: pytest.CaptureFixture[str]) -> None:
    LayerProvider().diff(ARN, olds(), news())
    LayerProvider().diff(ARN, olds(), news(packages=UNKNOWN, content_hash=UNKNOWN))
    assert capfd.readouterr().err == ""


# Create.


@pytest.mark.usefixtures("built")
def test_create_publishes_and_keeps_all_that_delete_needs(moto: str) -> None:
    result = configured(moto).create(news(description="d"))
    outs = result.outs or {}
    assert result.id == outs["arn"] == f"{outs['layer_arn']}:{outs['version']}"
    assert (outs["layer_name"], outs["region"], outs["description"]) == ("deps", "eu-west-1", "d")
    assert (outs["unpacked_size"], outs["image_digest"], outs["source_code_size"]) == (7, "sha256:beef", len(ZIP))
    assert not any(key.startswith("__") for key in outs)


@pytest.mark.usefixtures("built")
def test_create_records_the_region_that_the_configuration_gives(moto: str) -> None:
    result = configured(moto, **{"aws:region": "us-east-2"}).create(news(region=None))
    assert (result.outs or {})["region"] == "us-east-2"
    assert ":us-east-2:" in result.id


@pytest.mark.usefixtures("built")
def test_nothing_changes_after_create(moto: str) -> None:
    outs = configured(moto).create(news()).outs
    assert LayerProvider().diff(ARN, outs or {}, news()).changes is False


def test_create_looks_for_region_and_credentials_before_it_builds() -> None:
    with pytest.raises(RegionMissingError):
        LayerProvider().create(news(region=None))
    with pytest.raises(CredentialsError):
        LayerProvider().create(news())


@pytest.mark.usefixtures("built")
def test_create_that_aws_refuses_leaves_no_folder_behind(fake_lambda: FakeLambda) -> None:
    fake_lambda.refuse(403, "AccessDeniedException")
    with pytest.raises(AccessDeniedError):
        configured(fake_lambda.endpoint).create(news())
    assert list(cache.cache_folder().glob("build-*")) == []


# Read.


@pytest.mark.usefixtures("built")
def test_nothing_changes_after_a_refresh(moto: str) -> None:
    provider = configured(moto)
    created = provider.create(news(description="d"))
    result = provider.read(created.id, created.outs or {})
    assert (result.id, result.outs) == (created.id, {**(created.outs or {}), "license_info": None})


@pytest.mark.usefixtures("built")
def test_read_needs_no_more_than_the_id(moto: str) -> None:
    created = configured(moto).create(news())
    outs = configured(moto).read(created.id, {}).outs
    assert (outs or {})["layer_name"] == "deps"
    assert (outs or {})["compatible_runtimes"] == ["python3.13"]


def test_read_drops_what_aws_says_is_not_there(fake_lambda: FakeLambda) -> None:
    fake_lambda.refuse(404, "ResourceNotFoundException")
    result = configured(fake_lambda.endpoint).read(ARN, olds())
    assert (result.id, result.outs) == ("", {})


def test_a_version_that_a_program_looks_up_has_to_be_there(fake_lambda: FakeLambda) -> None:
    fake_lambda.refuse(404, "ResourceNotFoundException")
    with pytest.raises(InvalidInputError, match=f"There is no layer version `{ARN}`"):
        configured(fake_lambda.endpoint).read(ARN, {})


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(403, "AccessDeniedException", AccessDeniedError), (500, "ServiceException", RefusedError)],
)
def test_read_drops_nothing_for_another_reason(
    fake_lambda: FakeLambda, status: int, code: str, error: type[Exception]
) -> None:
    fake_lambda.refuse(status, code)
    with pytest.raises(error):
        configured(fake_lambda.endpoint).read(ARN, olds())


# Update.


def test_update_keeps_every_output_and_asks_nobody() -> None:
    outs = LayerProvider().update(ARN, olds(), news(skip_destroy=True)).outs or {}
    assert outs.items() >= olds(skip_destroy=True).items()
    assert inputs.PLAN not in outs


@pytest.mark.parametrize(("key", "value"), [("skip_destroy", True), ("profile", "dev")])
def test_what_the_program_no_longer_says_is_forgotten(key: str, value: Any) -> None:
    provider = LayerProvider()
    outs = provider.update(ARN, olds(**{key: value}), news()).outs or {}
    assert not outs[key]
    assert provider.diff(ARN, outs, news()).changes is False


# Delete.


@pytest.mark.usefixtures("built")
def test_delete_deletes_the_version_where_it_is(moto: str) -> None:
    created = configured(moto).create(news(region="eu-central-1"))
    elsewhere = configured(moto, **{"aws:region": "us-east-1"})
    elsewhere.delete(created.id, created.outs or {})
    assert elsewhere.read(created.id, created.outs or {}).id == ""


def test_delete_names_the_layer_by_its_arn(fake_lambda: FakeLambda) -> None:
    configured(fake_lambda.endpoint).delete(ARN, olds())
    assert [request.partition(" ")[0] for request in fake_lambda.requests] == ["DELETE"]
    assert split_arn(ARN)[0].replace(":", "%3A") in fake_lambda.requests[0]


def test_delete_of_a_version_that_stays_asks_nobody(fake_lambda: FakeLambda) -> None:
    configured(fake_lambda.endpoint).delete(ARN, olds(skip_destroy=True))
    assert fake_lambda.requests == []


def test_delete_of_what_is_gone_is_no_error(fake_lambda: FakeLambda) -> None:
    fake_lambda.refuse(404, "ResourceNotFoundException")
    configured(fake_lambda.endpoint).delete(ARN, olds())
    assert len(fake_lambda.requests) == 1


def test_delete_that_aws_refuses_fails(fake_lambda: FakeLambda) -> None:
    fake_lambda.refuse(403, "AccessDeniedException")
    with pytest.raises(AccessDeniedError):
        configured(fake_lambda.endpoint).delete(ARN, olds())
