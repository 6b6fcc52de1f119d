"""Layer versions in Lambda: publish, find, read, share and delete."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from python_layer_provider.errors import AccessDeniedError
from python_layer_provider.layer_version import (
    STATEMENT_PREFIX,
    LayerMetadata,
    LayerVersion,
    Permission,
    split_arn,
    split_description,
)
from python_layer_provider.progress import Progress
from python_layer_provider.publish.session import ATTEMPTS, THROTTLED, AwsSettings, client, translated

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import (
        GetLayerVersionResponseTypeDef,
        LayerVersionContentInputTypeDef,
        PublishLayerVersionResponseTypeDef,
    )

# Seconds; a slow line needs minutes for 50 MB.
_LONGEST_PAUSE, _PATIENCE = 20, 300
_MAY_USE = "lambda:GetLayerVersion"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredZip:
    """A zip that Lambda fetches from a bucket itself."""

    bucket: str
    key: str
    object_version: str | None = None


ZipSource: TypeAlias = Path | StoredZip
"""Where the bytes are: in a file, which travels with the call, or in a bucket."""


def publish_layer_version(
    source: ZipSource, metadata: LayerMetadata, settings: AwsSettings, progress: Progress
) -> LayerVersion:
    """Publish a layer version (`lambda:PublishLayerVersion`).

    If the run is interrupted while AWS works, the new version is deleted again: nobody would know of it.

    Raises:
        CancelledError: The run was interrupted; nothing is left.
        PublishError: AWS refused or cannot be reached.
    """
    lambda_ = client(settings, "lambda", attempts=1, patience=_PATIENCE)
    progress.check()
    with translated("lambda:PublishLayerVersion", f"layer `{metadata.layer_name}`"):
        version = _version(_published(lambda_, source, metadata, progress))
    if progress.interrupted:
        delete_layer_version(version.arn, settings)
        progress.check()
    return version


def _published(
    lambda_: LambdaClient, source: ZipSource, metadata: LayerMetadata, progress: Progress
) -> PublishLayerVersionResponseTypeDef:
    """Publish, again and again while AWS says that it has not.

    botocore would try again after a broken connection too, when AWS may have published already: that would make
    a version that nobody asked for.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return lambda_.publish_layer_version(
                LayerName=metadata.layer_name,
                Content=_content(source),
                CompatibleRuntimes=list(metadata.compatible_runtimes),  # type: ignore[arg-type]
                CompatibleArchitectures=list(metadata.compatible_architectures),  # type: ignore[arg-type]
                Description=metadata.text,
                LicenseInfo=metadata.license_info or "",
            )
        except lambda_.exceptions.ClientError as error:
            if attempt == ATTEMPTS or not _passing(error.response):
                raise
        progress.step(f"AWS is busy: waiting before attempt {attempt + 1} of {ATTEMPTS}")
        time.sleep(random.uniform(0, min(2**attempt, _LONGEST_PAUSE)))  # noqa: S311 (jitter needs no secret)
        progress.check()
    raise AssertionError


def _content(source: ZipSource) -> LayerVersionContentInputTypeDef:
    if isinstance(source, Path):
        return {"ZipFile": source.read_bytes()}
    stored: LayerVersionContentInputTypeDef = {"S3Bucket": source.bucket, "S3Key": source.key}
    return {**stored, "S3ObjectVersion": source.object_version} if source.object_version else stored


def _passing(response: Mapping[str, Any]) -> bool:
    """Whether AWS refused for a reason that passes."""
    server_error = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= HTTPStatus.INTERNAL_SERVER_ERROR
    return server_error or response.get("Error", {}).get("Code") in THROTTLED


def newest_layer_version(metadata: LayerMetadata, settings: AwsSettings) -> LayerVersion | None:
    """The newest version that a resource has published, whether its state knows of it or not.

    Calls `lambda:ListLayerVersions` and `lambda:GetLayerVersion`.

    Returns:
        None where there is none, where the credentials may not look, and where the versions carry no marker.

    Raises:
        PublishError: AWS refused or cannot be reached.
    """
    if metadata.marker is None or str(metadata.marker) not in metadata.text:
        return None
    lambda_ = client(settings, "lambda")
    try:
        with translated("lambda:ListLayerVersions", f"layer `{metadata.layer_name}`"):
            arn = next(_owned(lambda_, metadata.layer_name, metadata.marker.owner), None)
    except AccessDeniedError:
        # Rather one version too many after a crash than one more right that everybody has to give.
        return None
    return read_layer_version(arn, settings) if arn else None


def _owned(lambda_: LambdaClient, layer_name: str, owner: str) -> Iterator[str]:
    """The ARNs of the versions that carry an owner's marker, newest first, as AWS lists them."""
    try:
        for page in lambda_.get_paginator("list_layer_versions").paginate(LayerName=layer_name):
            for found in page["LayerVersions"]:
                _, marker = split_description(found.get("Description", ""))
                if marker and marker.owner == owner:
                    yield found["LayerVersionArn"]
    except lambda_.exceptions.ResourceNotFoundException:
        return


def read_layer_version(arn: str, settings: AwsSettings) -> LayerVersion | None:
    """A layer version (`lambda:GetLayerVersion`); None where AWS says that there is none.

    Raises:
        PublishError: AWS refused or cannot be reached.
    """
    layer_arn, version = split_arn(arn)
    lambda_ = client(settings, "lambda")
    with translated("lambda:GetLayerVersion", f"`{arn}`"):
        try:
            return _version(lambda_.get_layer_version(LayerName=layer_arn, VersionNumber=version))
        except lambda_.exceptions.ResourceNotFoundException:
            return None


def delete_layer_version(arn: str, settings: AwsSettings) -> None:
    """Delete a layer version (`lambda:DeleteLayerVersion`); nothing happens where it is gone.

    The layer is named by its ARN: credentials of another account are refused, where a bare name
    would quietly delete a namesake there.

    Raises:
        PublishError: AWS refused or cannot be reached.
    """
    layer_arn, version = split_arn(arn)
    lambda_ = client(settings, "lambda")
    with translated("lambda:DeleteLayerVersion", f"`{arn}`"):
        try:
            lambda_.delete_layer_version(LayerName=layer_arn, VersionNumber=version)
        except lambda_.exceptions.ResourceNotFoundException:
            return


def used_layer_versions(settings: AwsSettings) -> frozenset[str]:
    """The ARNs of the layer versions that functions of a region use (`lambda:ListFunctions`).

    Every version of a function counts, so what an alias leads to does as well.

    Raises:
        PublishError: AWS refused or cannot be reached.
    """
    lambda_ = client(settings, "lambda")
    with translated("lambda:ListFunctions", f"functions in {settings.region}"):
        pages = lambda_.get_paginator("list_functions").paginate(FunctionVersion="ALL")
        return frozenset(
            layer["Arn"] for page in pages for function in page["Functions"] for layer in function.get("Layers", ())
        )


def read_permissions(arn: str, settings: AwsSettings) -> frozenset[Permission]:
    """Whom a version is shared with by statements of ours (`lambda:GetLayerVersionPolicy`).

    A statement of our name that somebody has changed by hand is none of ours any more.

    Raises:
        PublishError: AWS refused or cannot be reached.
    """
    return frozenset(found for found in map(_permission, _statements(arn, settings)) if found)


def share_layer_version(arn: str, wanted: Collection[Permission], settings: AwsSettings) -> None:
    """Have a version's policy say whom it is shared with; statements that others have made stay.

    Calls `lambda:GetLayerVersionPolicy`, `lambda:AddLayerVersionPermission`, `lambda:RemoveLayerVersionPermission`.

    Raises:
        PublishError: AWS refused or cannot be reached.
    """
    standing = {str(statement.get("Sid")): _permission(statement) for statement in _statements(arn, settings)}
    by_id = {permission.statement_id: permission for permission in wanted}
    for sid, permission in standing.items():
        if sid.startswith(STATEMENT_PREFIX) and (permission is None or sid not in by_id):
            _unshare(arn, sid, settings)
    for sid, permission in by_id.items():
        if standing.get(sid) != permission:
            _share(arn, permission, settings)


def _statements(arn: str, settings: AwsSettings) -> list[dict[str, Any]]:
    layer_arn, version = split_arn(arn)
    lambda_ = client(settings, "lambda")
    with translated("lambda:GetLayerVersionPolicy", f"`{arn}`"):
        try:
            answer = lambda_.get_layer_version_policy(LayerName=layer_arn, VersionNumber=version)
        except lambda_.exceptions.ResourceNotFoundException:
            return []
        return list(json.loads(answer["Policy"])["Statement"])


def _permission(statement: Mapping[str, Any]) -> Permission | None:
    """What a statement grants, if it is one of ours as we make them."""
    found = Permission(principal=_principal(statement), organization_id=_organization(statement))
    ours = statement.get("Sid") == found.statement_id and statement.get("Effect") == "Allow"
    return found if ours and statement.get("Action") == _MAY_USE else None


def _principal(statement: Mapping[str, Any]) -> str:
    """The principal as it was given: AWS shows an account as its root's ARN."""
    principal = statement.get("Principal")
    text = str(principal.get("AWS", "") if isinstance(principal, Mapping) else principal)
    return text.split(":")[4] if text.startswith("arn:") else text


def _organization(statement: Mapping[str, Any]) -> str | None:
    found = statement.get("Condition", {}).get("StringEquals", {}).get("aws:PrincipalOrgID")
    return str(found) if found else None


def _share(arn: str, permission: Permission, settings: AwsSettings) -> None:
    layer_arn, version = split_arn(arn)
    lambda_ = client(settings, "lambda")
    organization = {"OrganizationId": permission.organization_id} if permission.organization_id else {}
    with translated("lambda:AddLayerVersionPermission", f"`{arn}`"):
        try:
            lambda_.add_layer_version_permission(
                LayerName=layer_arn,
                VersionNumber=version,
                StatementId=permission.statement_id,
                Action=_MAY_USE,
                Principal=permission.principal,
                **organization,
            )
        except (lambda_.exceptions.ResourceConflictException, lambda_.exceptions.ResourceNotFoundException):
            # An earlier attempt has got through, and its answer has not; or the version is gone, which a refresh tells.
            return


def _unshare(arn: str, statement_id: str, settings: AwsSettings) -> None:
    layer_arn, version = split_arn(arn)
    lambda_ = client(settings, "lambda")
    with translated("lambda:RemoveLayerVersionPermission", f"`{arn}`"):
        try:
            lambda_.remove_layer_version_permission(
                LayerName=layer_arn, VersionNumber=version, StatementId=statement_id
            )
        except lambda_.exceptions.ResourceNotFoundException:
            return


def _version(answer: PublishLayerVersionResponseTypeDef | GetLayerVersionResponseTypeDef) -> LayerVersion:
    # AWS leaves out what is empty.
    description, marker = split_description(answer.get("Description", ""))
    return LayerVersion(
        arn=answer["LayerVersionArn"],
        layer_arn=answer["LayerArn"],
        version=str(answer["Version"]),
        code_sha256=answer["Content"]["CodeSha256"],
        code_size=answer["Content"]["CodeSize"],
        created_date=answer["CreatedDate"],
        description=description,
        license_info=answer.get("LicenseInfo", ""),
        compatible_runtimes=tuple(answer.get("CompatibleRuntimes", ())),
        compatible_architectures=tuple(answer.get("CompatibleArchitectures", ())),
        marker=marker,
    )
