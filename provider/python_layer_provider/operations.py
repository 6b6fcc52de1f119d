"""What happens to a resource's versions in AWS: made, moved to other regions, shared, looked up, deleted."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from python_layer_provider import publish
from python_layer_provider.delivery import Delivery, Order, deliver
from python_layer_provider.layer_version import LayerVersion, Marker, Permission, region_of_arn
from python_layer_provider.lifecycle import Versions
from python_layer_provider.publish import AwsSettings, Wanted

Aws: TypeAlias = Callable[[str], AwsSettings]
"""A region to how AWS is reached there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """What this resource has been so far."""

    owner: str
    """Tells the resource from every other one; empty where nobody knows who it is."""
    versions: Versions | None = None
    """Those of its state; None where there is none, or where the engine does not tell."""
    permissions: Collection[Permission] = ()
    """Whom they are shared with, as the state says."""
    let_go: bool = False
    """Whether the present versions stay in AWS for good when they are replaced."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Created:
    """Versions that are there now."""

    version: LayerVersion
    """In the layer's own region."""
    versions: Versions
    delivery: Delivery


def create_versions(order: Order, own: str, past: Past) -> Created:
    """Have the layer in AWS, in its own region and in every further one.

    Raises:
        LayerError: Something failed; nothing that was published is left, or the message says what.
    """
    wanted, standing = order.wanted, past.versions or Versions(current={})
    regions = tuple(dict.fromkeys([own, *wanted.regions]))
    delivery = deliver(order, regions, own)
    used = _used(standing.known, order.aws) if wanted.delete_unused_only else frozenset()
    let_go = past.let_go or wanted.skip_destroy
    retained = standing.replaced(regions, wanted.keep_versions, let_go=let_go, used=used)
    with publish.published_everywhere(delivery.places, _wanted(order, delivery, past), order.progress) as found:
        if wanted.permissions or past.permissions:
            _share(retained, wanted.permissions, order.aws)
    marker = found[own].marker
    versions = Versions(
        current={region: version.arn for region, version in found.items()},
        retained=retained,
        lineage=marker.lineage if marker else standing.lineage,
    )
    return Created(version=found[own], versions=versions, delivery=delivery)


def update_versions(order: Order, own: str, past: Past) -> Versions:
    """Have versions that stand where they should be, shared with whom they should be, and no more of them than wanted.

    Args:
        order: The layer.
        own: Its own region.
        past: The versions that stand.

    Raises:
        LayerError: Something failed; what was done before is found again by the next update.
    """
    wanted, standing = order.wanted, past.versions or Versions(current={})
    regions = {own, *wanted.regions}
    missing = tuple(sorted(regions - {*standing.current}))
    current = {region: arn for region, arn in standing.current.items() if region in regions}
    if wanted.permissions or past.permissions:
        _share([arn for arn in standing.known if region_of_arn(arn) in regions], wanted.permissions, order.aws)
    used = _used(standing.known, order.aws) if wanted.delete_unused_only else frozenset()
    if not missing:
        return _settled(order, standing, current, used)
    delivery = deliver(order, missing, own)
    with publish.published_everywhere(delivery.places, _wanted(order, delivery, past), order.progress) as found:
        made = {region: version.arn for region, version in found.items()}
        return _settled(order, standing, {**current, **made}, used)


def _settled(order: Order, standing: Versions, current: Mapping[str, str], used: frozenset[str]) -> Versions:
    """The versions after an update, with those gone that nobody wants any more."""
    versions = Versions(current=current, retained=standing.retained, lineage=standing.lineage)
    stay = {*current.values(), *versions.kept(order.wanted.keep_versions), *used}
    if not order.wanted.skip_destroy:
        _delete([arn for arn in standing.known if arn not in stay], order.aws)
    return replace(versions, retained=tuple(arn for arn in standing.known if arn in stay - {*current.values()}))


def delete_versions(arns: Collection[str], aws: Aws, *, unused_only: bool) -> tuple[str, ...]:
    """Delete versions; what is gone is no error.

    Returns:
        Those that stay because a function uses them.

    Raises:
        PublishError: AWS refused or cannot be reached.
    """
    used = _used(arns, aws) if unused_only else frozenset()
    _delete([arn for arn in arns if arn not in used], aws)
    return tuple(arn for arn in arns if arn in used)


def versions_that_are_there(versions: Versions, aws: Aws) -> tuple[Versions, Mapping[str, LayerVersion]]:
    """The versions of a state that AWS still has, and what AWS says of the current ones, by region.

    Raises:
        PublishError: AWS refused or cannot be reached.
    """
    looked = {
        region: publish.read_layer_version(arn, aws(region_of_arn(arn))) for region, arn in versions.current.items()
    }
    found = {region: version for region, version in looked.items() if version}
    retained = [arn for arn in versions.retained if publish.read_layer_version(arn, aws(region_of_arn(arn)))]
    current = {region: version.arn for region, version in found.items()}
    return replace(versions, current=current, retained=tuple(retained)), found


def permissions_that_are_there(arns: Iterable[str], wanted: Collection[Permission], aws: Aws) -> Collection[Permission]:
    """Whom versions are shared with: what is wanted, unless one of them says otherwise.

    Raises:
        PublishError: AWS refused or cannot be reached.
    """
    looked = (publish.read_permissions(arn, aws(region_of_arn(arn))) for arn in arns)
    return next((found for found in looked if found != frozenset(wanted)), wanted)


def _wanted(order: Order, delivery: Delivery, past: Past) -> Wanted:
    wanted, standing = order.wanted, past.versions
    lineage = standing.lineage if standing else None
    marker = Marker.of(past.owner, lineage or secrets.token_hex(3), wanted.triggers) if past.owner else None
    return Wanted(
        metadata=replace(wanted.metadata, marker=marker),
        code_sha256=delivery.archive.zip.code_sha256,
        permissions=wanted.permissions,
        known=standing.known if standing else (),
        lineage=lineage,
    )


def _used(arns: Iterable[str], aws: Aws) -> frozenset[str]:
    regions = {region_of_arn(arn) for arn in arns}
    return frozenset[str]().union(*(publish.used_layer_versions(aws(region)) for region in sorted(regions)))


def _share(arns: Iterable[str], wanted: Collection[Permission], aws: Aws) -> None:
    for arn in arns:
        publish.share_layer_version(arn, wanted, aws(region_of_arn(arn)))


def _delete(arns: Iterable[str], aws: Aws) -> None:
    for arn in arns:
        publish.delete_layer_version(arn, aws(region_of_arn(arn)))
