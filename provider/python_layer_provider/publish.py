"""The one door to AWS: publish, read and delete layer versions."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from python_layer_provider.archive import LayerArchive
from python_layer_provider.errors import (
    AccessDeniedError,
    CredentialsError,
    DirectUploadTooLargeError,
    InvalidInputError,
    PublishError,
    RefusedError,
    RegionMissingError,
    ThrottledError,
    UnreachableError,
)
from python_layer_provider.layer_version import LayerMetadata, LayerVersion, split_arn
from python_layer_provider.limits import DIRECT_UPLOAD_LIMIT
from python_layer_provider.progress import Progress

if TYPE_CHECKING:
    from boto3 import Session
    from botocore.config import Config
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import GetLayerVersionResponseTypeDef, PublishLayerVersionResponseTypeDef

ATTEMPTS = 5
"""How often a call is tried while AWS throttles or fails."""

# Seconds: a slow line needs minutes for 50 MB.
_READ_TIMEOUT = 300
_LONGEST_PAUSE = 20
_THROTTLED = {"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded", "SlowDown"}
_DENIED = {"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"}
_EXPIRED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidSignatureException",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsSettings:
    """Where pulumi-aws takes these from, we do: `aws:*` config first, then boto3's own sources."""

    region: str | None = None
    profile: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Service (`lambda`, `sts`) to URL."""
    assume_roles: Sequence[Mapping[str, Any]] = ()
    """One after the other, each as in `aws:assumeRoles`: `roleArn`, `sessionName`, `externalId`, …"""

    @classmethod
    def of(cls, config: Mapping[str, str], *, region: str | None = None, profile: str | None = None) -> AwsSettings:
        """The settings of a stack's `aws:*` configuration, with a resource's own region and profile before them.

        Raises:
            InvalidInputError: `aws:endpoints` or `aws:assumeRoles` is no JSON.
        """
        return cls(
            region=region or config.get("aws:region") or region_of(os.environ),
            profile=profile or config.get("aws:profile"),
            access_key=config.get("aws:accessKey"),
            secret_key=config.get("aws:secretKey"),
            token=config.get("aws:token"),
            endpoints=_endpoints(config),
            assume_roles=_roles(config),
        )


def region_of(environ: Mapping[str, str]) -> str | None:
    """The region that the environment names."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None


def check_session(settings: AwsSettings) -> None:
    """See that there are a region and credentials, before minutes go into a build.

    Raises:
        CredentialsError: There are no credentials, or a role cannot be assumed.
        RegionMissingError: No region is set.
    """
    session = _session(settings)
    with _translated("the credentials", "the session"):
        found = session.get_credentials()
    if found is None:
        raise _no_credentials("looked in configuration, environment, shared files and instance metadata")


def check_upload(archive: LayerArchive) -> None:
    """See that the zip can be published, before any call.

    Raises:
        DirectUploadTooLargeError: It is over `DIRECT_UPLOAD_LIMIT`.
    """
    if archive.zip.size > DIRECT_UPLOAD_LIMIT:
        raise DirectUploadTooLargeError(
            f"The zip is {archive.zip.size / 1e6:.1f} MB; Lambda takes {DIRECT_UPLOAD_LIMIT / 1e6:.1f} MB "
            "in a direct upload",
            hint="split the lock file into two layers; `pulumi-python-layer inspect` shows what takes the room",
        )


def publish_layer_version(
    archive: LayerArchive, metadata: LayerMetadata, settings: AwsSettings, progress: Progress
) -> LayerVersion:
    """Publish a layer version (`lambda:PublishLayerVersion`).

    If the run is interrupted while AWS works, the new version is deleted again: nobody would know of it.

    Raises:
        DirectUploadTooLargeError: The zip is too large; nothing was called.
        CancelledError: The run was interrupted; nothing is left.
        PublishError: AWS refused or cannot be reached.
    """
    check_upload(archive)
    client = _client(settings, attempts=1)
    progress.check()
    progress.step(f"Publishing {metadata.layer_name} ({archive.zip.size / 1e6:.1f} MB)")
    with _translated("lambda:PublishLayerVersion", f"layer `{metadata.layer_name}`"):
        version = _version(_published(client, archive, metadata, progress))
    if progress.interrupted:
        delete_layer_version(version.arn, settings)
        progress.check()
    progress.step(f"Published version {version.version}")
    return version


def _published(
    client: LambdaClient, archive: LayerArchive, metadata: LayerMetadata, progress: Progress
) -> PublishLayerVersionResponseTypeDef:
    """Publish, again and again while AWS says that it has not.

    botocore would try again after a broken connection too, when AWS may have published already: nobody would
    know of the first version.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return client.publish_layer_version(
                LayerName=metadata.layer_name,
                Content={"ZipFile": archive.zip.path.read_bytes()},
                CompatibleRuntimes=list(metadata.compatible_runtimes),  # type: ignore[arg-type]
                CompatibleArchitectures=list(metadata.compatible_architectures),  # type: ignore[arg-type]
                Description=metadata.description or "",
                LicenseInfo=metadata.license_info or "",
            )
        except client.exceptions.ClientError as error:
            if attempt == ATTEMPTS or not _passing(error.response):
                raise
        progress.step(f"AWS is busy: waiting before attempt {attempt + 1} of {ATTEMPTS}")
        time.sleep(random.uniform(0, min(2**attempt, _LONGEST_PAUSE)))  # noqa: S311 (jitter needs no secret)
        progress.check()
    raise AssertionError


def _passing(response: Mapping[str, Any]) -> bool:
    """Whether AWS refused for a reason that passes."""
    server_error = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= HTTPStatus.INTERNAL_SERVER_ERROR
    return server_error or response.get("Error", {}).get("Code") in _THROTTLED


def read_layer_version(arn: str, settings: AwsSettings) -> LayerVersion | None:
    """A layer version (`lambda:GetLayerVersion`); None where AWS says that there is none.

    Raises:
        PublishError: AWS refused or cannot be reached.
    """
    layer_arn, version = split_arn(arn)
    client = _client(settings)
    with _translated("lambda:GetLayerVersion", f"`{arn}`"):
        try:
            return _version(client.get_layer_version(LayerName=layer_arn, VersionNumber=version))
        except client.exceptions.ResourceNotFoundException:
            return None


def delete_layer_version(arn: str, settings: AwsSettings) -> None:
    """Delete a layer version (`lambda:DeleteLayerVersion`); nothing happens where it is gone.

    The layer is named by its ARN: credentials of another account are refused, where a bare name
    would quietly delete a namesake there.

    Raises:
        PublishError: AWS refused or cannot be reached.
    """
    layer_arn, version = split_arn(arn)
    client = _client(settings)
    with _translated("lambda:DeleteLayerVersion", f"`{arn}`"):
        try:
            client.delete_layer_version(LayerName=layer_arn, VersionNumber=version)
        except client.exceptions.ResourceNotFoundException:
            return


def _client(settings: AwsSettings, *, attempts: int = ATTEMPTS) -> LambdaClient:
    session = _session(settings)
    with _translated("a Lambda client", "the session"):
        return session.client("lambda", endpoint_url=settings.endpoints.get("lambda"), config=_client_config(attempts))


def _client_config(attempts: int = ATTEMPTS) -> Config:
    from botocore.config import Config  # noqa: PLC0415 (botocore loads when used)

    return Config(
        # Standard mode waits a random time that doubles, up to 20 seconds.
        retries={"mode": "standard", "total_max_attempts": attempts},
        read_timeout=_READ_TIMEOUT,
        user_agent_extra="pulumi-python-layer",
    )


def _session(settings: AwsSettings) -> Session:
    import boto3  # noqa: PLC0415 (boto3 loads when used)

    with _translated("a session", "the settings"):
        session = boto3.Session(
            region_name=settings.region,
            profile_name=settings.profile,
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=settings.secret_key,
            aws_session_token=settings.token,
        )
        for role in settings.assume_roles:
            session = _assumed(session, role, settings.endpoints.get("sts"))
    if not session.region_name:
        raise RegionMissingError("No AWS region is set", hint="pulumi config set aws:region eu-west-1")
    return session


def _assumed(session: Session, role: Mapping[str, Any], endpoint: str | None) -> Session:
    import boto3  # noqa: PLC0415 (boto3 loads when used)

    optional: dict[str, Any] = {
        "ExternalId": role.get("externalId"),
        "Policy": role.get("policy"),
        "PolicyArns": [{"arn": arn} for arn in role.get("policyArns", ())],
        "SourceIdentity": role.get("sourceIdentity"),
        "Tags": [{"Key": key, "Value": value} for key, value in role.get("tags", {}).items()],
        "TransitiveTagKeys": role.get("transitiveTagKeys"),
    }
    sts = session.client("sts", endpoint_url=endpoint, config=_client_config())
    with _translated("sts:AssumeRole", f"`{role['roleArn']}`"):
        credentials = sts.assume_role(
            RoleArn=role["roleArn"],
            RoleSessionName=role.get("sessionName") or "pulumi-python-layer",
            **{key: value for key, value in optional.items() if value},
        )["Credentials"]
    return boto3.Session(
        region_name=session.region_name,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def _version(answer: PublishLayerVersionResponseTypeDef | GetLayerVersionResponseTypeDef) -> LayerVersion:
    return LayerVersion(
        arn=answer["LayerVersionArn"],
        layer_arn=answer["LayerArn"],
        version=str(answer["Version"]),
        code_sha256=answer["Content"]["CodeSha256"],
        code_size=answer["Content"]["CodeSize"],
        created_date=answer["CreatedDate"],
        # AWS leaves out what is empty.
        description=answer.get("Description", ""),
        license_info=answer.get("LicenseInfo", ""),
        compatible_runtimes=tuple(answer.get("CompatibleRuntimes", ())),
        compatible_architectures=tuple(answer.get("CompatibleArchitectures", ())),
    )


_LOOK_UP = "the line above is AWS's own; its code is explained in the API reference of Lambda"


@contextmanager
def _translated(action: str, what: str) -> Iterator[None]:
    """Every exception of boto3 and botocore as one of ours."""
    from boto3.exceptions import Boto3Error  # noqa: PLC0415 (boto3 loads when used)
    from botocore import exceptions as boto  # noqa: PLC0415 (as boto3)
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 (as boto3)

    try:
        yield
    except boto.ClientError as error:
        raise _client_error(action, what, error.response.get("Error", {})) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError) as error:
        raise _no_credentials(str(error)) from error
    except (boto.ProfileNotFound, boto.TokenRetrievalError, boto.UnauthorizedSSOTokenError) as error:
        raise _no_credentials(str(error)) from error
    except boto.NoRegionError as error:
        raise RegionMissingError("No AWS region is set", hint="pulumi config set aws:region eu-west-1") from error
    except (boto.HTTPClientError, boto.ConnectionError) as error:
        raise UnreachableError(
            f"AWS does not answer to {action}", detail=str(error), hint="check network, proxy and `aws:endpoints`"
        ) from error
    except (boto.BotoCoreError, Boto3Error) as error:
        raise RefusedError(f"{action} failed for {what}", detail=str(error), hint=_LOOK_UP) from error
    except (ResponseParserError, ValueError, KeyError, TypeError, AttributeError) as error:
        # What botocore raises over an endpoint that is no URL, and over an answer that is none of AWS's.
        raise UnreachableError(
            f"What answers to {action} is not AWS", detail=repr(error), hint="check proxy and `aws:endpoints`"
        ) from error


def _client_error(action: str, what: str, error: Mapping[str, Any]) -> PublishError:
    code, message = error.get("Code", ""), error.get("Message", "")
    if code in _THROTTLED:
        return ThrottledError(
            f"AWS throttled {action} for {what} {ATTEMPTS} times",
            detail=f"{code}: {message}",
            hint="run the command again; Lambda's control plane takes 15 requests a second in an account and region",
        )
    if code in _DENIED:
        return AccessDeniedError(
            f"The credentials may not {action} for {what}",
            detail=message,
            hint=f'allow "{action}" on it in the policy of the user or role',
        )
    if code in _EXPIRED:
        return _no_credentials(message)
    return RefusedError(f"AWS refused {action} for {what}", detail=f"{code}: {message}", hint=_LOOK_UP)


def _no_credentials(detail: str) -> CredentialsError:
    return CredentialsError(
        "There are no valid AWS credentials",
        detail=detail,
        hint="aws sso login, or set AWS_PROFILE, or `pulumi config set aws:profile NAME`",
    )


def _endpoints(config: Mapping[str, str]) -> dict[str, str]:
    """`aws:endpoints` is a list of objects in pulumi-aws, each service to URL; one object is taken as well."""
    return {service: url for entry in _objects(config, "aws:endpoints") for service, url in entry.items() if url}


def _roles(config: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """`aws:assumeRoles` of pulumi-aws 7, or `aws:assumeRole` of the releases before."""
    found = _objects(config, "aws:assumeRoles") or _objects(config, "aws:assumeRole")
    return [role for role in found if role.get("roleArn")]


def _objects(config: Mapping[str, str], key: str) -> list[Mapping[str, Any]]:
    """The objects in a configuration value, which is JSON text: a list of them, or one."""
    try:
        value = json.loads(config.get(key) or "[]")
    except ValueError as error:
        raise InvalidInputError(f"`{key}` is no JSON: {error}", hint=f"pulumi config get {key}") from error
    objects = value if isinstance(value, list) else [value]
    if not all(isinstance(entry, dict) for entry in objects):
        raise InvalidInputError(f"`{key}` is no list of objects", hint=f"pulumi config get {key}")
    return objects
