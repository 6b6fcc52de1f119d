from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import boto3.exceptions
import botocore.exceptions
import botocore.parsers
import pytest

from python_layer_provider.archive import LayerArchive
from python_layer_provider.errors import (
    AccessDeniedError,
    CancelledError,
    CredentialsError,
    InvalidInputError,
    PublishError,
    RefusedError,
    RegionMissingError,
    ThrottledError,
    UnreachableError,
)
from python_layer_provider.layer_version import LayerMetadata, LayerVersion
from python_layer_provider.progress import Progress
from python_layer_provider.publish import (
    AwsSettings,
    Bucket,
    check_session,
    delete_layer_version,
    find_layer,
    publish_layer_version,
    read_layer_version,
    session,
)
from python_layer_provider.publish.session import TIMEOUT_VARIABLE
from tests.unit.aws_fake import FakeLambda
from tests.unit.helpers import ARN, METADATA, an_archive, settings_for

PUBLISH = "POST /2018-10-31/layers/deps/versions"
# Lambda takes a layer's name or its ARN in the path.
DELETE = f"DELETE /2018-10-31/layers/{quote(ARN.removesuffix(':3'), safe='')}/versions/3"
GET = DELETE.replace("DELETE", "GET")
FULL = LayerMetadata(
    layer_name="deps",
    description="what it is",
    license_info="MIT",
    compatible_runtimes=("python3.12", "python3.13"),
    compatible_architectures=("arm64", "x86_64"),
)
ZIP = base64.b64decode("UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==")
"""The smallest zip, an empty one."""


@pytest.fixture
def archive(tmp_path: Path) -> LayerArchive:
    return an_archive(tmp_path, ZIP)


def published(archive: LayerArchive, endpoint: str, progress: Progress | None = None) -> LayerVersion:
    return publish_layer_version(archive.zip.path, METADATA, settings_for(endpoint), progress or Progress())


# A version's life, on moto.


def test_a_version_is_read_as_it_was_published(archive: LayerArchive, moto: str) -> None:
    version = publish_layer_version(archive.zip.path, FULL, settings_for(moto), Progress())
    assert version.arn == f"{version.layer_arn}:{version.version}"
    assert (version.code_sha256, version.code_size) == (archive.zip.code_sha256, len(ZIP))
    assert (version.description, version.license_info) == ("what it is", "MIT")
    assert set(version.compatible_runtimes) == set(FULL.compatible_runtimes)
    assert set(version.compatible_architectures) == set(FULL.compatible_architectures)
    assert read_layer_version(version.arn, settings_for(moto)) == version


def test_a_checksum_is_lambdas(archive: LayerArchive, moto: str) -> None:
    assert published(archive, moto).code_sha256 == base64.b64encode(hashlib.sha256(ZIP).digest()).decode()


def test_each_publish_makes_a_version(archive: LayerArchive, moto: str) -> None:
    one, other = published(archive, moto), published(archive, moto)
    assert int(other.version) == int(one.version) + 1
    assert isinstance(one.version, str)


def test_a_deleted_version_is_not_found_and_its_neighbours_are(archive: LayerArchive, moto: str) -> None:
    one, other = published(archive, moto), published(archive, moto)
    delete_layer_version(one.arn, settings_for(moto))
    assert read_layer_version(one.arn, settings_for(moto)) is None
    assert read_layer_version(other.arn, settings_for(moto)) == other


def test_deleting_what_is_gone_is_no_error(archive: LayerArchive, moto: str) -> None:
    version = published(archive, moto)
    delete_layer_version(version.arn, settings_for(moto))
    delete_layer_version(version.arn, settings_for(moto))


def test_a_layer_that_never_was_is_not_found(moto: str) -> None:
    assert read_layer_version(ARN.replace("deps", "never"), settings_for(moto)) is None


def test_roles_are_assumed_one_after_the_other(archive: LayerArchive, moto: str) -> None:
    roles = [
        {"roleArn": "arn:aws:iam::111111111111:role/a", "externalId": "xx", "tags": {"k": "v"}},
        {
            "roleArn": "arn:aws:iam::222222222222:role/b",
            "sessionName": "me",
            "policyArns": ["arn:aws:iam::aws:policy/c"],
        },
    ]
    version = publish_layer_version(archive.zip.path, METADATA, settings_for(moto, assume_roles=roles), Progress())
    # moto gives an assumed role's account to what is made with it.
    assert ":222222222222:" in version.arn
    check_session(settings_for(moto, assume_roles=roles))


# What is asked of Lambda, on the fake.


def test_publishing_is_one_request(archive: LayerArchive, fake_lambda: FakeLambda) -> None:
    assert published(archive, fake_lambda.endpoint).arn == ARN
    assert fake_lambda.requests == [PUBLISH]


def test_a_version_is_deleted_and_read_by_its_layers_arn(fake_lambda: FakeLambda) -> None:
    read_layer_version(ARN, settings_for(fake_lambda.endpoint))
    delete_layer_version(ARN, settings_for(fake_lambda.endpoint))
    assert fake_lambda.requests == [GET, DELETE]


def test_what_aws_leaves_out_is_empty(fake_lambda: FakeLambda) -> None:
    version = read_layer_version(ARN, settings_for(fake_lambda.endpoint))
    assert version is not None
    assert (version.description, version.license_info) == ("", "")
    assert (version.compatible_runtimes, version.compatible_architectures) == ((), ())


def test_only_lambdas_own_not_found_means_that_a_version_is_gone(fake_lambda: FakeLambda) -> None:
    fake_lambda.refuse(404, "UnknownOperationException")
    with pytest.raises(RefusedError):
        read_layer_version(ARN, settings_for(fake_lambda.endpoint))
    with pytest.raises(RefusedError):
        delete_layer_version(ARN, settings_for(fake_lambda.endpoint))


def test_lambdas_not_found_means_that_a_version_is_gone(fake_lambda: FakeLambda) -> None:
    fake_lambda.refuse(404, "ResourceNotFoundException")
    assert read_layer_version(ARN, settings_for(fake_lambda.endpoint)) is None
    delete_layer_version(ARN, settings_for(fake_lambda.endpoint))


# Faults.


def test_throttling_is_tried_five_times_and_then_told(archive: LayerArchive, fake_lambda: FakeLambda) -> None:
    fake_lambda.refuse(429, "TooManyRequestsException", "Rate exceeded")
    with pytest.raises(
        ThrottledError, match=r"throttled lambda:PublishLayerVersion for layer `deps` 5 times"
    ) as caught:
        published(archive, fake_lambda.endpoint)
    assert caught.value.detail == "TooManyRequestsException: Rate exceeded"
    assert fake_lambda.requests == [PUBLISH] * 5


def test_what_passes_is_waited_for(archive: LayerArchive, fake_lambda: FakeLambda) -> None:
    good = fake_lambda.body

    def recover() -> None:
        if len(fake_lambda.requests) == 3:
            fake_lambda.status, fake_lambda.error, fake_lambda.body = 201, "", good

    fake_lambda.refuse(503, "ServiceException")
    fake_lambda.on_request = recover
    assert published(archive, fake_lambda.endpoint).arn == ARN
    assert len(fake_lambda.requests) == 3


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failure_of_lambdas_is_tried_five_times_and_then_told(fake_lambda: FakeLambda, status: int) -> None:
    fake_lambda.refuse(status, "ServiceException")
    with pytest.raises(RefusedError, match="ServiceException: said the fake"):
        read_layer_version(ARN, settings_for(fake_lambda.endpoint))
    assert len(fake_lambda.requests) == 5


@pytest.mark.parametrize("action", ["GetLayerVersion", "DeleteLayerVersion"])
def test_a_denial_names_the_right_that_is_missing(fake_lambda: FakeLambda, action: str) -> None:
    fake_lambda.refuse(403, "AccessDeniedException", "not authorized")
    call = {"GetLayerVersion": read_layer_version, "DeleteLayerVersion": delete_layer_version}[action]
    with pytest.raises(AccessDeniedError, match=f'allow "lambda:{action}"') as caught:
        call(ARN, settings_for(fake_lambda.endpoint))
    assert caught.value.detail == "AccessDeniedException: not authorized"
    assert len(fake_lambda.requests) == 1


@pytest.mark.parametrize(
    "code",
    ["ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId"],
)
def test_credentials_that_are_no_longer_valid_are_told_as_such(fake_lambda: FakeLambda, code: str) -> None:
    fake_lambda.refuse(403, code, "The security token is expired")
    with pytest.raises(CredentialsError, match="The security token is expired"):
        read_layer_version(ARN, settings_for(fake_lambda.endpoint))


def test_another_refusal_is_quoted(archive: LayerArchive, fake_lambda: FakeLambda) -> None:
    fake_lambda.refuse(400, "InvalidParameterValueException", "Could not unzip uploaded file")
    with pytest.raises(RefusedError, match="InvalidParameterValueException: Could not unzip uploaded file"):
        published(archive, fake_lambda.endpoint)


@pytest.mark.parametrize("body", [b"<html>Please log in</html>", b"", b"{}", b"[]", b"null", b"\xff"])
def test_an_answer_that_is_none_is_an_error_of_ours(fake_lambda: FakeLambda, body: bytes) -> None:
    fake_lambda.body = body
    with pytest.raises(PublishError):
        read_layer_version(ARN, settings_for(fake_lambda.endpoint))


def test_a_connection_that_breaks_off_is_told_as_such(fake_lambda: FakeLambda) -> None:
    fake_lambda.reset = True
    with pytest.raises(UnreachableError, match="AWS does not answer to lambda:GetLayerVersion"):
        read_layer_version(ARN, settings_for(fake_lambda.endpoint))


@pytest.mark.usefixtures("fake_lambda")
def test_an_endpoint_where_nobody_listens_is_told_as_such() -> None:
    with pytest.raises(UnreachableError, match="check network, proxy and `aws:endpoints`"):
        read_layer_version(ARN, settings_for("http://127.0.0.1:9"))


def test_an_endpoint_that_is_no_url_is_an_error_of_ours() -> None:
    with pytest.raises((PublishError, InvalidInputError)):
        read_layer_version(ARN, settings_for("localhost:4566"))


def test_a_role_that_may_not_be_assumed_names_the_right_and_the_role(fake_lambda: FakeLambda) -> None:
    fake_lambda.status = 403
    fake_lambda.body = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
    settings = settings_for(fake_lambda.endpoint, assume_roles=[{"roleArn": "arn:aws:iam::1:role/a"}])
    with pytest.raises(AccessDeniedError, match="may not sts:AssumeRole for `arn:aws:iam::1:role/a`"):
        check_session(settings)


def subclasses(cls: type[Exception]) -> Iterator[type[Exception]]:
    for child in cls.__subclasses__():
        yield child
        yield from subclasses(child)


# Whatever the library can raise, whoever adds to it.
FOREIGN = [
    botocore.exceptions.BotoCoreError,
    *subclasses(botocore.exceptions.BotoCoreError),
    boto3.exceptions.Boto3Error,
    *subclasses(boto3.exceptions.Boto3Error),
    botocore.parsers.ResponseParserError,
    *subclasses(botocore.parsers.ResponseParserError),
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda cls: cls.__name__)
def test_every_exception_of_the_library_is_translated(foreign: type[Exception]) -> None:
    # Made without __init__, each of which asks for something else.
    error = foreign.__new__(foreign, "said the library")
    with pytest.raises(PublishError) as caught, session.translated("lambda:GetLayerVersion", "it"):
        raise error
    assert caught.value.__cause__ is error


# Interruptions.


def test_nothing_is_published_after_an_interruption(archive: LayerArchive, fake_lambda: FakeLambda) -> None:
    progress = Progress()
    progress.interrupt()
    with pytest.raises(CancelledError):
        published(archive, fake_lambda.endpoint, progress)
    assert fake_lambda.requests == []


def test_what_an_interruption_came_too_late_for_is_deleted_again(
    archive: LayerArchive, fake_lambda: FakeLambda
) -> None:
    progress = Progress()
    fake_lambda.on_request = progress.interrupt
    with pytest.raises(CancelledError):
        published(archive, fake_lambda.endpoint, progress)
    assert fake_lambda.requests == [PUBLISH, DELETE]


# Settings.


def test_a_stacks_configuration_is_that_of_pulumi_aws() -> None:
    config = {
        "aws:region": "eu-west-1",
        "aws:profile": "dev",
        "aws:accessKey": "key",
        "aws:secretKey": "secret",
        "aws:token": "token",
        "aws:endpoints": '[{"lambda": "http://l", "s3": ""}, {"sts": "http://s"}]',
        "aws:assumeRoles": '[{"roleArn": "arn:a"}, {"sessionName": "no role"}]',
    }
    assert AwsSettings.of(config) == AwsSettings(
        region="eu-west-1",
        profile="dev",
        access_key="key",
        secret_key="secret",
        token="token",
        endpoints={"lambda": "http://l", "sts": "http://s"},
        assume_roles=[{"roleArn": "arn:a"}],
    )


def test_a_resources_own_region_and_profile_come_first() -> None:
    found = AwsSettings.of({"aws:region": "a", "aws:profile": "b"}, region="c", profile="d")
    assert (found.region, found.profile) == ("c", "d")


def test_the_region_comes_from_the_configuration_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert AwsSettings.of({}).region is None
    monkeypatch.setenv("AWS_DEFAULT_REGION", "c")
    assert AwsSettings.of({}).region == "c"
    monkeypatch.setenv("AWS_REGION", "b")
    assert AwsSettings.of({}).region == "b"
    assert AwsSettings.of({"aws:region": "a"}).region == "a"


@pytest.mark.parametrize("value", ['{"lambda": "http://l"}', '[{"lambda": "http://l"}]'])
def test_endpoints_are_a_list_of_objects_or_one(value: str) -> None:
    assert AwsSettings.of({"aws:endpoints": value}).endpoints == {"lambda": "http://l"}


@pytest.mark.parametrize("key", ["aws:assumeRole", "aws:assumeRoles"])
@pytest.mark.parametrize("value", ['{"roleArn": "arn:a"}', '[{"roleArn": "arn:a"}]'])
def test_roles_have_their_old_name_and_their_new_one(key: str, value: str) -> None:
    assert AwsSettings.of({key: value}).assume_roles == [{"roleArn": "arn:a"}]


@pytest.mark.parametrize("key", ["aws:endpoints", "aws:assumeRoles", "aws:assumeRole"])
@pytest.mark.parametrize("value", ["{", "lambda=http://l", '"x"', "5", "[1]"])
def test_configuration_of_another_shape_names_its_key(key: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=f"`{key}`"):
        AwsSettings.of({key: value})


@pytest.mark.parametrize("given", ["soon", "0", "0.0", "-1", "inf", "1e3"])
def test_a_time_to_answer_that_is_none_names_its_variable(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(TIMEOUT_VARIABLE, given)
    with pytest.raises(InvalidInputError, match=f"`{TIMEOUT_VARIABLE}` is no time: {given}"):
        read_layer_version(ARN, settings_for("http://127.0.0.1:9"))


@pytest.mark.parametrize(("status", "error"), [(503, ThrottledError), (400, CredentialsError), (500, RefusedError)])
def test_what_s3_says_without_a_body_is_told_by_its_status(
    fake_lambda: FakeLambda, status: int, error: type[Exception]
) -> None:
    fake_lambda.status, fake_lambda.body = status, b""
    bucket = Bucket(name="ours", prefix="", settings=settings_for(fake_lambda.endpoint))
    with pytest.raises(error, match=r"s3:GetObject|no valid AWS credentials"):
        find_layer(bucket, "1:ab", {})


def test_secrets_are_in_no_representation() -> None:
    assert "hunter2" not in repr(AwsSettings(access_key="a", secret_key="hunter2", token="hunter2"))


# The session.


def test_a_session_without_a_region_says_how_to_set_one() -> None:
    with pytest.raises(RegionMissingError, match="pulumi config set aws:region"):
        check_session(AwsSettings(access_key="a", secret_key="b"))


def test_a_session_without_credentials_says_where_it_looked() -> None:
    with pytest.raises(CredentialsError, match="looked in configuration, environment"):
        check_session(AwsSettings(region="eu-west-1"))


def test_a_profile_that_is_nowhere_is_told_as_such() -> None:
    with pytest.raises(CredentialsError, match=r"profile \(nowhere\) could not be found"):
        check_session(AwsSettings(region="eu-west-1", profile="nowhere"))


def test_a_profile_brings_its_region_and_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "[profile dev]\nregion = eu-west-1\naws_access_key_id = a\naws_secret_access_key = b\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    check_session(AwsSettings(profile="dev"))
    with pytest.raises(RegionMissingError):
        check_session(AwsSettings())


@pytest.mark.parametrize("text", ["aws_access_key_id = half", "credential_process = false"])
def test_broken_credentials_are_an_error_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(f"[default]\n{text}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(CredentialsError):
        check_session(AwsSettings(region="eu-west-1"))


def test_half_of_a_key_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half")
    with pytest.raises(CredentialsError, match="AWS_SECRET_ACCESS_KEY"):
        check_session(AwsSettings(region="eu-west-1"))


def test_a_connection_that_breaks_off_while_aws_publishes_is_not_tried_again(
    archive: LayerArchive, fake_lambda: FakeLambda
) -> None:
    # AWS may have published already, and nobody would know of that version.
    fake_lambda.reset = True
    with pytest.raises(UnreachableError):
        published(archive, fake_lambda.endpoint)
    assert len(fake_lambda.requests) == 1
