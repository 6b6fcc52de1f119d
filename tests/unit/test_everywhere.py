"""Publishing in regions, all or none, and what a lost run has left: on moto."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from python_layer_provider.errors import CancelledError, PublishError, RefusedError, UnreachableError
from python_layer_provider.layer_version import LayerMetadata, LayerVersion, Marker, Permission
from python_layer_provider.progress import Progress
from python_layer_provider.publish import (
    Place,
    Wanted,
    delete_layer_version,
    newest_layer_version,
    publish_layer_version,
    published_everywhere,
    read_layer_version,
    read_permissions,
    share_layer_version,
    versions,
)
from python_layer_provider.publish.session import client
from tests.unit.aws_fake import FakeLambda
from tests.unit.helpers import METADATA, an_archive, settings_for

ZIP = base64.b64decode("UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==")
HERE, THERE = "eu-west-1", "us-east-1"
MARKER = Marker.of("somebody/urn", "abcdef", None)
FRIEND = Permission(principal="123456789012")


@pytest.fixture
def metadata() -> LayerMetadata:
    """Of a layer that no other test has."""
    return replace(METADATA, layer_name=f"deps-{uuid.uuid4().hex[:8]}", description="d", marker=MARKER)


@pytest.fixture
def wanted(metadata: LayerMetadata, tmp_path: Path) -> Wanted:
    return Wanted(metadata=metadata, code_sha256=an_archive(tmp_path, ZIP).zip.code_sha256)


@pytest.fixture
def places(moto: str, tmp_path: Path) -> dict[str, Place]:
    path = an_archive(tmp_path, ZIP).zip.path
    return {region: Place(settings=settings_for(moto, region=region), source=path) for region in (HERE, THERE)}


def published(places: dict[str, Place], wanted: Wanted, progress: Progress | None = None) -> dict[str, LayerVersion]:
    with published_everywhere(places, wanted, progress or Progress()) as found:
        return found


def newest(places: dict[str, Place], wanted: Wanted, region: str = HERE) -> LayerVersion | None:
    return newest_layer_version(wanted.metadata, places[region].settings)


def lost(places: dict[str, Place], metadata: LayerMetadata) -> LayerVersion:
    """A version that a run has published and told nobody of."""
    return publish_layer_version(places[HERE].source, metadata, places[HERE].settings, Progress())


def test_each_region_gets_its_version(places: dict[str, Place], wanted: Wanted) -> None:
    found = published(places, wanted)
    assert [version.arn.split(":")[3] for version in found.values()] == [HERE, THERE]
    for region, version in found.items():
        assert read_layer_version(version.arn, places[region].settings) == version


def test_a_person_reads_the_description_and_its_owner_the_marker(places: dict[str, Place], wanted: Wanted) -> None:
    version = published(places, wanted)[HERE]
    assert (version.description, version.marker) == ("d", MARKER)


def test_a_region_that_refuses_takes_the_others_with_it(
    places: dict[str, Place], wanted: Wanted, fake_lambda: FakeLambda
) -> None:
    fake_lambda.refuse(403, "AccessDeniedException")
    refusing = replace(places[THERE], settings=settings_for(fake_lambda.endpoint, region=THERE))
    with pytest.raises(PublishError, match="may not lambda:PublishLayerVersion"):
        published({**places, THERE: refusing}, wanted)
    assert newest(places, wanted) is None


def test_what_cannot_be_taken_back_is_told(
    places: dict[str, Place], wanted: Wanted, fake_lambda: FakeLambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_lambda.refuse(403, "AccessDeniedException")
    refusing = replace(places[THERE], settings=settings_for(fake_lambda.endpoint, region=THERE))

    def denied(*_: object) -> None:
        raise RefusedError("denied")

    monkeypatch.setattr("python_layer_provider.publish.everywhere.delete_layer_version", denied)
    with pytest.raises(PublishError) as caught:
        published({**places, THERE: refusing}, wanted)
    left = newest(places, wanted)
    assert left is not None
    assert caught.value.detail.splitlines()[-1] == f"{left.arn} is left in AWS"


def test_a_run_that_is_interrupted_leaves_nothing(places: dict[str, Place], wanted: Wanted) -> None:
    class Impatient(Progress):
        def step(self, message: str) -> None:
            if THERE in message:
                self.interrupt()

    with pytest.raises(CancelledError):
        published(places, wanted, Impatient())
    assert newest(places, wanted) is None
    assert newest(places, wanted, THERE) is None


def test_bytes_that_are_not_the_layers_are_taken_back(places: dict[str, Place], wanted: Wanted) -> None:
    with pytest.raises(RefusedError, match="AWS has published other bytes"):
        published(places, replace(wanted, code_sha256="others"))
    assert newest(places, wanted) is None


# What a lost run has left.


def test_what_a_lost_run_has_published_is_taken_over(places: dict[str, Place], wanted: Wanted) -> None:
    left = lost(places, wanted.metadata)
    assert published(places, wanted)[HERE] == left


def test_a_state_that_begins_anew_takes_over_what_the_lost_one_had(places: dict[str, Place], wanted: Wanted) -> None:
    left = lost(places, replace(wanted.metadata, marker=replace(MARKER, lineage="000000")))
    assert published(places, wanted)[HERE] == left


@pytest.mark.parametrize(
    "others",
    [
        {"marker": replace(MARKER, owner="0" * 10)},
        {"marker": replace(MARKER, generation="0000")},
        {"marker": None},
        {"description": "another"},
        {"license_info": "MIT"},
        {"compatible_runtimes": ("python3.12",)},
        {"compatible_architectures": ("arm64",)},
    ],
)
def test_another_version_is_not_taken_over(places: dict[str, Place], wanted: Wanted, others: dict[str, object]) -> None:
    left = lost(places, replace(wanted.metadata, **others))  # type: ignore[arg-type]
    assert published(places, wanted)[HERE].arn != left.arn
    assert read_layer_version(left.arn, places[HERE].settings) == left


def test_a_version_with_other_bytes_is_not_taken_over(places: dict[str, Place], wanted: Wanted, tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    other.write_bytes(ZIP[:-2] + b"\1\0!")
    left = lost({HERE: replace(places[HERE], source=other)}, wanted.metadata)
    assert published(places, wanted)[HERE].arn != left.arn


def test_a_version_that_the_state_knows_is_not_taken_over(places: dict[str, Place], wanted: Wanted) -> None:
    known = lost(places, wanted.metadata)
    assert published(places, replace(wanted, known=(known.arn,)))[HERE].arn != known.arn


def test_a_version_of_another_state_is_left_alone_while_one_stands(places: dict[str, Place], wanted: Wanted) -> None:
    other = lost(places, replace(wanted.metadata, marker=replace(MARKER, lineage="000000")))
    assert published(places, replace(wanted, lineage="abcdef"))[HERE].arn != other.arn


def test_an_answer_that_is_lost_on_the_way_is_no_lost_version(
    places: dict[str, Place], wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = versions.publish_layer_version

    def broken_off(*given: object) -> None:
        publish(*given)  # type: ignore[arg-type]
        raise UnreachableError("the connection broke off")

    with _publishing(monkeypatch, broken_off):
        found = published(places, wanted)
    assert newest(places, wanted) == found[HERE]
    assert found[HERE].version == "1"


def test_a_call_that_never_arrived_is_told(
    places: dict[str, Place], wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never_arrived(*_: object) -> None:
        raise UnreachableError("nobody answers")

    with _publishing(monkeypatch, never_arrived), pytest.raises(UnreachableError, match="nobody answers"):
        published(places, wanted)


@contextmanager
def _publishing(patch: pytest.MonkeyPatch, publish: object) -> Iterator[None]:
    with patch.context() as context:
        context.setattr("python_layer_provider.publish.everywhere.publish_layer_version", publish)
        yield


# Sharing.


def test_a_version_is_shared_as_it_is_published(places: dict[str, Place], wanted: Wanted) -> None:
    for region, version in published(places, replace(wanted, permissions=(FRIEND,))).items():
        assert read_permissions(version.arn, places[region].settings) == {FRIEND}


def test_permissions_are_changed_in_place(places: dict[str, Place], wanted: Wanted) -> None:
    arn, settings = published(places, wanted)[HERE].arn, places[HERE].settings
    for granted in ([FRIEND], [FRIEND, Permission(principal="*")], []):
        share_layer_version(arn, granted, settings)
        assert read_permissions(arn, settings) == frozenset(granted)


def test_statements_of_others_stay(places: dict[str, Place], wanted: Wanted) -> None:
    settings = places[HERE].settings
    version = published(places, wanted)[HERE]
    lambda_ = client(settings, "lambda")
    theirs = {"StatementId": "theirs", "Action": "lambda:GetLayerVersion", "Principal": "210987654321"}
    lambda_.add_layer_version_permission(LayerName=version.layer_arn, VersionNumber=1, **theirs)
    share_layer_version(version.arn, [FRIEND], settings)
    share_layer_version(version.arn, [], settings)
    policy = lambda_.get_layer_version_policy(LayerName=version.layer_arn, VersionNumber=1)["Policy"]
    assert "theirs" in policy
    assert FRIEND.statement_id not in policy


def test_an_organization_is_read_as_aws_writes_it(fake_lambda: FakeLambda) -> None:
    ours = Permission(principal="*", organization_id="o-a1b2c3d4e5")
    fake_lambda.body = (
        b'{"Policy": "{\\"Statement\\": [{\\"Sid\\": \\"%s\\", \\"Effect\\": \\"Allow\\", \\"Principal\\": \\"*\\",'
        b' \\"Action\\": \\"lambda:GetLayerVersion\\", \\"Condition\\": {\\"StringEquals\\":'
        b' {\\"aws:PrincipalOrgID\\": \\"o-a1b2c3d4e5\\"}}}]}"}' % ours.statement_id.encode()
    )
    arn = f"arn:aws:lambda:{HERE}:123456789012:layer:deps:3"
    assert read_permissions(arn, settings_for(fake_lambda.endpoint)) == {ours}


# A marker's place.


def test_a_description_without_room_goes_without_a_marker(places: dict[str, Place], wanted: Wanted) -> None:
    full = replace(wanted, metadata=replace(wanted.metadata, description="d" * 250))
    version = published(places, full)[HERE]
    assert (version.description, version.marker) == ("d" * 250, None)
    assert newest(places, full) is None


def test_a_right_that_is_missing_only_costs_the_look(wanted: Wanted, fake_lambda: FakeLambda) -> None:
    fake_lambda.refuse(403, "AccessDeniedException")
    assert newest_layer_version(wanted.metadata, settings_for(fake_lambda.endpoint)) is None


def test_a_layer_that_was_deleted_has_no_newest_version(places: dict[str, Place], wanted: Wanted) -> None:
    version = published(places, wanted)[HERE]
    delete_layer_version(version.arn, places[HERE].settings)
    assert newest(places, wanted) is None
