"""Sessions and clients of AWS, and every exception of boto3 and botocore as one of ours."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from python_layer_provider.errors import (
    AccessDeniedError,
    CredentialsError,
    InvalidInputError,
    PublishError,
    RefusedError,
    RegionMissingError,
    ThrottledError,
    UnreachableError,
)

if TYPE_CHECKING:
    from boto3 import Session
    from botocore.config import Config
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

ATTEMPTS = 5
"""How often a call is tried while AWS throttles or fails."""

TIMEOUT_VARIABLE = "PYTHON_LAYER_AWS_TIMEOUT"
"""Environment variable with the seconds that AWS has to answer a call."""
# Seconds.
_PATIENCE = 60
# A number is all that S3 says where it is asked for an object's headers: its codes are in bodies.
THROTTLED = {"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded", "SlowDown", "503"}
_DENIED = {"AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "AllAccessDisabled", "403"}
_EXPIRED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "400",
}
_HINTS = {
    "NoSuchBucket": "make the bucket, or name another in `s3_bucket`",
    "PermanentRedirect": "the bucket has to be in the layer's region",
    "301": "the bucket has to be in the layer's region",
}


Noting: TypeAlias = Callable[[str, str, int], None]
"""Takes what was called, AWS's request id, and the HTTP status of the answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsSettings:
    """Where pulumi-aws takes these from, we do: `aws:*` config first, then boto3's own sources."""

    region: str | None = None
    profile: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Service (`lambda`, `s3`, `sts`) to URL."""
    assume_roles: Sequence[Mapping[str, Any]] = ()
    """One after the other, each as in `aws:assumeRoles`: `roleArn`, `sessionName`, `externalId`, …"""
    path_style: bool = False
    """Whether S3's buckets stand in the path of URLs instead of the host."""
    noting: Noting | None = field(default=None, repr=False, compare=False)
    """Called for each answer of AWS's."""
    clients: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    """Those that were made: a session takes a tenth of a second, and each assumed role a call."""

    @classmethod
    def of(
        cls,
        config: Mapping[str, str],
        *,
        region: str | None = None,
        profile: str | None = None,
        noting: Noting | None = None,
    ) -> AwsSettings:
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
            path_style=config.get("aws:s3UsePathStyle") == "true",
            noting=noting,
        )


def region_of(environ: Mapping[str, str]) -> str | None:
    """The region that the environment names."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None


def check_session(settings: AwsSettings) -> str:
    """See that there are a region and credentials, before minutes go into a build.

    Returns:
        The region, wherever it comes from.

    Raises:
        CredentialsError: There are no credentials, or a role cannot be assumed.
        RegionMissingError: No region is set.
    """
    session = _session(settings)
    with translated("the credentials", "the session"):
        found = session.get_credentials()
    if found is None:
        raise _no_credentials("looked in configuration, environment, shared files and instance metadata")
    return str(session.region_name)


@overload
def client(
    settings: AwsSettings, service: Literal["lambda"], *, attempts: int = ..., patience: float = ...
) -> LambdaClient: ...


@overload
def client(
    settings: AwsSettings, service: Literal["s3"], *, attempts: int = ..., patience: float = ...
) -> S3Client: ...


def client(
    settings: AwsSettings, service: Literal["lambda", "s3"], *, attempts: int = ATTEMPTS, patience: float = _PATIENCE
) -> Any:
    """A client of a service of AWS's, which tries a call again while AWS throttles, fails or breaks off.

    Args:
        settings: How AWS is reached.
        service: Which one.
        attempts: How often a call is tried.
        patience: Seconds that AWS has to answer, unless `TIMEOUT_VARIABLE` gives others.

    Raises:
        PublishError: There are no credentials, no region, or a role cannot be assumed.
    """
    key = (service, attempts, patience)
    if key not in settings.clients:
        settings.clients[key] = _made(
            settings, service, _client_config(attempts, patience, path_style=settings.path_style)
        )
    return settings.clients[key]


def _made(settings: AwsSettings, service: Literal["lambda", "s3"], config: Config) -> Any:
    session = _session(settings)
    with translated(f"a client of {service}", "the session"):
        made = session.client(service, endpoint_url=settings.endpoints.get(service), config=config)
    if settings.noting:
        made.meta.events.register("after-call", partial(_note, settings.noting))
    return made


def _note(noting: Noting, model: Any, parsed: Mapping[str, Any], **_: object) -> None:
    """Note a call that was answered, as boto3 hands it over."""
    told = parsed.get("ResponseMetadata", {})
    noting(model.name, str(told.get("RequestId", "")), int(told.get("HTTPStatusCode", 0)))


def _client_config(attempts: int = ATTEMPTS, patience: float = _PATIENCE, *, path_style: bool = False) -> Config:
    from botocore.config import Config  # noqa: PLC0415 (botocore loads when used)

    return Config(
        # Standard mode waits a random time that doubles, up to 20 seconds.
        retries={"mode": "standard", "total_max_attempts": attempts},
        read_timeout=_patience(os.environ, patience),
        user_agent_extra="pulumi-python-layer",
        s3={"addressing_style": "path" if path_style else "auto"},
    )


def _patience(environ: Mapping[str, str], usual: float) -> float:
    given = environ.get(TIMEOUT_VARIABLE) or str(usual)
    if not re.fullmatch(r"0*[1-9]\d*|\d+\.\d*[1-9]\d*", given):
        raise InvalidInputError(f"`{TIMEOUT_VARIABLE}` is no time: {given}", hint=f"{TIMEOUT_VARIABLE}=600, in seconds")
    return float(given)


def _session(settings: AwsSettings) -> Session:
    import boto3  # noqa: PLC0415 (boto3 loads when used)

    with translated("a session", "the settings"):
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
    with translated("sts:AssumeRole", f"`{role['roleArn']}`"):
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


_LOOK_UP = "the line above is AWS's own; its code is explained in the API reference of the service"
_OUTAGE = "run the command again; https://health.aws.amazon.com/health/status tells of outages"
_LIMITS = {
    "lambda": "run the command again; Lambda's control plane takes 15 requests a second in an account and region",
    "s3": "run the command again; S3 slows down who asks for more than it has got ready for",
    "sts": "run the command again; STS takes 600 requests a second in an account and region",
}


@contextmanager
def translated(action: str, what: str) -> Iterator[None]:
    """Every exception of boto3 and botocore as one of ours."""
    from boto3.exceptions import Boto3Error  # noqa: PLC0415 (boto3 loads when used)
    from botocore import exceptions as boto  # noqa: PLC0415 (as boto3)
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 (as boto3)

    try:
        yield
    except boto.ClientError as error:
        raise _client_error(action, what, error.response) from error
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


def _client_error(action: str, what: str, response: Mapping[str, Any]) -> PublishError:
    error = response.get("Error", {})
    code, message = error.get("Code", ""), error.get("Message", "")
    request_id = response.get("ResponseMetadata", {}).get("RequestId")
    said = f"{code}: {message}" + (f" (request {request_id})" if request_id else "")
    if code in THROTTLED:
        return ThrottledError(
            f"AWS throttled {action} for {what} {ATTEMPTS} times", detail=said, hint=_LIMITS[action.partition(":")[0]]
        )
    if code in _DENIED:
        return AccessDeniedError(
            f"The credentials may not {action} for {what}",
            detail=said,
            hint=f'allow "{action}" on it in the policy of the user or role',
        )
    if code in _EXPIRED:
        return _no_credentials(said)
    if response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RefusedError(f"AWS failed at {action} for {what} {ATTEMPTS} times", detail=said, hint=_OUTAGE)
    return RefusedError(f"AWS refused {action} for {what}", detail=said, hint=_HINTS.get(code, _LOOK_UP))


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
