"""Property dict to inputs and outputs and back, with all that is wrong found at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeGuard

from python_layer_provider.errors import InputError
from python_layer_provider.layer_version import (
    DESCRIPTION_LIMIT,
    LayerMetadata,
    LayerVersion,
    Permission,
    region_of_arn,
)
from python_layer_provider.lifecycle import Versions
from python_layer_provider.limits import UNZIPPED_LIMIT
from python_layer_provider.plan import LayerPlan
from python_layer_provider.settings import DEFAULT_TIMEOUT
from python_layer_provider.target import ARCHITECTURES

PLAN = "__plan"
"""The plan as JSON. Keys with two underscores are in no diff that a person sees."""
NAMED = "__named"
"""Whether the program names the layer itself; else a resource that is renamed keeps the name that its layer has."""
ORGANIZATION = "__organization"
"""The organization of the stack, which the provider is not told."""
PROBLEMS = "__problems"
"""What the constructor found wrong, for `check` to report."""

REPLACING = (
    "content_hash",
    "layer_name",
    "description",
    "license_info",
    "compatible_runtimes",
    "compatible_architectures",
    "region",
    "triggers",
)
"""Inputs whose change publishes a new version: the bytes, and what AWS never changes in a version."""
UPDATING = ("skip_destroy", "profile", "keep_versions", "delete_unused_only", "permissions", "regions")
"""Inputs whose change leaves the version as it is: who may use it, where else it is, what happens to it later."""

# https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LIMITS = {"description": DESCRIPTION_LIMIT, "license_info": 512}
_RUNTIMES_LIMIT = 15
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_ACCOUNT = re.compile(r"\d{12}")
_ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
DEFAULT_PREFIX = "python-layers/"
"""What the names of layers in a bucket begin with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """An input that cannot be."""

    input_name: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerInputs:
    """What a layer is made from."""

    plan: LayerPlan
    metadata: LayerMetadata
    region: str | None
    regions: tuple[str, ...]
    """Further regions."""
    profile: str | None
    timeout: float
    triggers: Sequence[Any]
    permissions: tuple[Permission, ...]
    keep_versions: int
    delete_unused_only: bool
    skip_destroy: bool
    buckets: Mapping[str | None, str]
    """Region to the bucket in it; None stands for the layer's own region."""
    prefix: str
    max_size: int

    @classmethod
    def of(cls, props: Mapping[str, Any]) -> LayerInputs:
        """The inputs in the properties that `check` has passed."""
        build = props.get("build") or {}
        return cls(
            plan=LayerPlan.from_json(props[PLAN]),
            metadata=LayerMetadata(
                layer_name=props["layer_name"],
                description=props.get("description"),
                license_info=props.get("license_info"),
                compatible_runtimes=tuple(props["compatible_runtimes"]),
                compatible_architectures=tuple(props["compatible_architectures"]),
            ),
            region=props.get("region"),
            regions=tuple(props.get("regions") or ()),
            profile=props.get("profile"),
            timeout=build.get("timeout") or DEFAULT_TIMEOUT,
            triggers=props.get("triggers") or [],
            permissions=permissions(props),
            keep_versions=int(props.get("keep_versions") or 0),
            delete_unused_only=bool(props.get("delete_unused_only")),
            skip_destroy=bool(props.get("skip_destroy")),
            buckets=_buckets(props.get("s3_bucket")),
            prefix=DEFAULT_PREFIX if props.get("s3_prefix") is None else props["s3_prefix"],
            max_size=int(props.get("max_size") or UNZIPPED_LIMIT),
        )


def permissions(props: Mapping[str, Any]) -> tuple[Permission, ...]:
    """Whom the properties share a version with."""
    return tuple(Permission(**granted) for granted in props.get("permissions") or ())


def shown(granted: Iterable[Permission]) -> list[dict[str, str]] | None:
    """Permissions as properties, in one order; None where there are none, as where nobody asked for any."""
    found = [
        {key: value for key, value in asdict(permission).items() if value is not None} for permission in set(granted)
    ]
    return sorted(found, key=lambda permission: sorted(permission.items())) or None


def _buckets(given: Any) -> Mapping[str | None, str]:
    if not given:
        return {}
    return dict(given) if isinstance(given, Mapping) else {None: given}


def normalised(props: Mapping[str, Any]) -> dict[str, Any]:
    """The properties with lists that mean sets in one order."""
    return {key: _in_order(key, value) for key, value in props.items()}


def _in_order(key: str, value: Any) -> Any:
    if (key.startswith("compatible_") or key == "regions") and _strings(value):
        return sorted(set(value)) if key == "regions" else sorted(value)
    if key == "permissions" and not any(_permission_failures({key: value})):
        return shown(permissions({key: value}))
    return value


def failures(props: Mapping[str, Any]) -> list[Failure]:
    """All that is wrong with the inputs that are known, the constructor's findings first."""
    return [
        *(Failure(input_name=name, reason=reason) for name, reason in json.loads(props.get(PROBLEMS) or "[]")),
        *_metadata_failures(props),
    ]


def failure(error: InputError) -> Failure:
    """An error of the constructor's as a failed check."""
    return Failure(input_name=error.input_name or "requirements", reason=str(error))


def problems(found: Sequence[Failure]) -> str | None:
    """The constructor's findings as the property `PROBLEMS`; None where there are none."""
    return json.dumps([[failure.input_name, failure.reason] for failure in found]) if found else None


def replaced_by(olds: Mapping[str, Any], news: Mapping[str, Any], *, unknown: Callable[[Any], bool]) -> list[str]:
    """The inputs whose change asks for a new version. What is not known yet counts as changed."""
    found = [key for key in REPLACING if unknown(news.get(key)) or _changed(key, olds, news)]
    arn = olds.get("arn")
    # Somebody has deleted the version that functions take, and others of the resource are still there.
    gone = arn and region_of_arn(arn) not in Versions.of(olds).current
    return [*found, "arn"] if gone else found


def updated_by(olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """The inputs whose change is taken over without a new version."""
    return [
        key
        for key in UPDATING
        if (_elsewhere(olds, news) if key == "regions" else (olds.get(key) or None) != (news.get(key) or None))
    ]


def _elsewhere(olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    """Whether the versions are in other regions than they should be."""
    regions = news.get("regions") or []
    if not _strings(regions):
        return True
    there = Versions.of(olds).current
    own = region_of_arn(olds["arn"]) if olds.get("arn") else None
    return {*there} - {own} != {*regions} - {own}


def outputs(props: Mapping[str, Any], version: LayerVersion, versions: Versions) -> dict[str, Any]:
    """The properties that are kept in the state: the inputs, and what AWS says of the version."""
    return {
        **visible(props),
        "arn": version.arn,
        **shown_versions(versions),
        "layer_arn": version.layer_arn,
        "version": version.version,
        "code_sha256": version.code_sha256,
        "source_code_hash": version.code_sha256,
        "source_code_size": version.code_size,
        "created_date": version.created_date,
    }


def shown_versions(versions: Versions) -> dict[str, Any]:
    """What of a resource is where, as properties."""
    return {
        "arns": dict(versions.current),
        "retained_arns": list(versions.retained),
        "lineage": versions.lineage,
    }


def visible(props: Mapping[str, Any]) -> dict[str, Any]:
    """The properties without those that only travel from constructor to provider."""
    return {key: value for key, value in props.items() if not key.startswith("__")}


def _changed(key: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    old, new = olds.get(key) or None, news.get(key) or None
    if key == "region" and new is None:
        # Nobody names a region any more: the version stays where it is.
        return False
    if key == "content_hash" and old and new and old != new:
        return _other_content(old, olds, news)
    return bool(old != new)


def _other_content(old: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    """Whether the contents differ, by the recipe with which the old hash was made."""
    recipe = int(old.partition(":")[0])
    try:
        return LayerPlan.from_json(news[PLAN]).content_hash(recipe) != old
    except KeyError:
        # A later release has written the state: what both understand has to do.
        return any(olds.get(key) != news.get(key) for key in ("packages", "runtime", "architecture"))


def _metadata_failures(props: Mapping[str, Any]) -> Iterator[Failure]:
    name = props.get("layer_name")
    if isinstance(name, str) and not _NAME.fullmatch(name):
        yield Failure(
            input_name="layer_name",
            reason=f"`{name}` is no layer name: Lambda takes 1 to 64 letters, digits, hyphens and underscores\n"
            'hint: layer_name="a-shorter-name" [PYL-INPUT-INVALID]',
        )
    for key, limit in _LIMITS.items():
        text = props.get(key)
        if isinstance(text, str) and len(text) > limit:
            yield Failure(
                input_name=key,
                reason=f"{len(text)} characters; Lambda takes {limit}\nhint: shorten it [PYL-INPUT-INVALID]",
            )
    yield from _compatible_failures(props)
    yield from _permission_failures(props)
    yield from _place_failures(props)
    yield from _number_failures(props)


def _permission_failures(props: Mapping[str, Any]) -> Iterator[Failure]:
    granted = props.get("permissions")
    for permission in granted if isinstance(granted, list) else ():
        if not isinstance(permission, Mapping) or not all(
            isinstance(value, str) for value in permission.values() if value is not None
        ):
            continue
        principal, organization = permission.get("principal", ""), permission.get("organization_id")
        if principal != "*" and not _ACCOUNT.fullmatch(principal):
            yield _invalid("permissions", f"`{principal}` is no account", 'principal="123456789012", or "*" for all')
        if organization and (principal != "*" or not _ORGANIZATION.fullmatch(organization)):
            yield _invalid(
                "permissions",
                f"`{organization}` is no organization, or its principal is not `*`",
                'LayerPermission(principal="*", organization_id="o-a1b2c3d4e5")',
            )


def _place_failures(props: Mapping[str, Any]) -> Iterator[Failure]:
    regions, bucket, prefix = props.get("regions"), props.get("s3_bucket"), props.get("s3_prefix")
    for region in regions if _strings(regions) else ():
        if not _REGION.fullmatch(region):
            yield _invalid("regions", f"`{region}` is no region", 'regions=["eu-west-1", "us-east-1"]')
    for name in bucket.values() if isinstance(bucket, Mapping) else [bucket]:
        if isinstance(name, str) and not _BUCKET.fullmatch(name):
            yield _invalid("s3_bucket", f"`{name}` is no bucket's name", "the name alone, without s3:// and folders")
    if isinstance(prefix, str) and prefix.startswith("/"):
        yield _invalid("s3_prefix", "begins with a slash", 's3_prefix="team/layers/"')


def _number_failures(props: Mapping[str, Any]) -> Iterator[Failure]:
    keep, size = props.get("keep_versions"), props.get("max_size")
    if isinstance(keep, (int, float)) and (keep < 0 or keep != int(keep)):
        yield _invalid("keep_versions", f"{keep:g} is no number of versions", "keep_versions=3")
    if isinstance(size, (int, float)) and not 0 < size <= UNZIPPED_LIMIT:
        yield _invalid("max_size", f"{size:g} is not between 1 and Lambda's {UNZIPPED_LIMIT} bytes", "it counts bytes")


def _invalid(name: str, what: str, hint: str) -> Failure:
    return Failure(input_name=name, reason=f"{what}\nhint: {hint} [PYL-INPUT-INVALID]")


def _compatible_failures(props: Mapping[str, Any]) -> Iterator[Failure]:
    runtimes, runtime = props.get("compatible_runtimes"), props.get("runtime")
    if _strings(runtimes) and (len(runtimes) > _RUNTIMES_LIMIT or (runtime and runtime not in runtimes)):
        yield Failure(
            input_name="compatible_runtimes",
            reason=f"has to name `{runtime}`, which the layer is built for, and at most {_RUNTIMES_LIMIT} runtimes\n"
            f'hint: compatible_runtimes=["{runtime}"] [PYL-INPUT-INVALID]',
        )
    architectures, architecture = props.get("compatible_architectures"), props.get("architecture")
    if _strings(architectures) and (
        not set(architectures) <= {*ARCHITECTURES, architecture} or (architecture and architecture not in architectures)
    ):
        yield Failure(
            input_name="compatible_architectures",
            reason=f"has to name `{architecture}`, which the layer is built for, and none "
            f'but {", ".join(ARCHITECTURES)}\nhint: compatible_architectures=["{architecture}"] [PYL-INPUT-INVALID]',
        )


def _strings(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
