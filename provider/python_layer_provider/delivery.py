"""From a plan to versions in every region: taken from the bucket, from this machine's cache, or built.

The bucket is asked first: a machine that has built nothing publishes what another one has, without a container engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from python_layer_provider import publish
from python_layer_provider.archive import LayerArchive
from python_layer_provider.build import Built, build_layer
from python_layer_provider.contents import size_table
from python_layer_provider.errors import DirectUploadTooLargeError, LayerTooLargeError
from python_layer_provider.inputs import LayerInputs
from python_layer_provider.limits import DIRECT_UPLOAD_LIMIT
from python_layer_provider.progress import Progress
from python_layer_provider.publish import AwsSettings, Bucket, Place, StoredLayer, ZipSource
from python_layer_provider.settings import BuildSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A finished layer, and where each region gets it from."""

    archive: LayerArchive
    places: Mapping[str, Place]
    origin: str
    """Where it came from: `bucket`, `cache` or `build`."""
    stages: Mapping[str, float]
    """Stage of the build to seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A layer, and what is needed to have it."""

    wanted: LayerInputs
    settings: BuildSettings
    aws: Callable[[str], AwsSettings]
    """A region to how AWS is reached there."""
    folder: Path
    """Where files may be written; see `workspace`."""
    progress: Progress


def deliver(order: Order, regions: tuple[str, ...], own: str) -> Delivery:
    """Have the layer where each region can take it from.

    Args:
        order: The layer.
        regions: Where it is wanted.
        own: The layer's own region.

    Raises:
        LayerTooLargeError: It is over `max_size`.
        DirectUploadTooLargeError: It needs a bucket and has none; nothing was uploaded.
        LayerError: As `build_layer` and the calls to AWS.
    """
    buckets = _buckets(order, regions, own)
    stored = _stored(order, buckets)
    built = None if stored else _built(order)
    archive = built.archive if built else next(iter(stored.values())).archive
    _check_size(archive, order.wanted.max_size)
    if len(buckets) < len(regions):
        _check_direct_upload(archive, next(region for region in regions if region not in buckets))
    local = archive if built or len(stored) == len(regions) else _fetched(order, buckets, stored)
    sources: dict[str, ZipSource] = {}
    for region in regions:
        sources[region] = _source(order, buckets.get(region), stored.get(region), local)
    return Delivery(
        archive=archive,
        places={region: Place(settings=order.aws(region), source=source) for region, source in sources.items()},
        origin="bucket" if built is None else "cache" if built.cached else "build",
        stages=built.stages if built else {},
    )


def _buckets(order: Order, regions: tuple[str, ...], own: str) -> dict[str, Bucket]:
    """The bucket of each region that has one; one that is named alone is in the layer's own region."""
    named = order.wanted.buckets
    found = {region: named.get(region) or (named.get(None) if region == own else None) for region in regions}
    return {
        region: Bucket(name=name, prefix=order.wanted.prefix, settings=order.aws(region))
        for region, name in found.items()
        if name
    }


def _stored(order: Order, buckets: Mapping[str, Bucket]) -> dict[str, StoredLayer]:
    """The layer in the buckets that have it, where its plan alone decides what it is."""
    plan = order.wanted.plan
    if not plan.reproducible:
        return {}
    looked = {
        region: publish.find_layer(bucket, plan.content_hash(), plan.packages) for region, bucket in buckets.items()
    }
    found = {region: layer for region, layer in looked.items() if layer}
    first = next(iter(found.values()), None)
    # Buckets that disagree are not both right: the others get the first one's bytes.
    return {region: layer for region, layer in found.items() if first and layer.archive.zip == first.archive.zip}


def _built(order: Order) -> Built:
    return build_layer(order.wanted.plan, order.settings, order.folder, order.progress)


def _fetched(order: Order, buckets: Mapping[str, Bucket], stored: Mapping[str, StoredLayer]) -> LayerArchive:
    region, layer = next(iter(stored.items()))
    order.progress.step(f"Downloading {layer.archive.zip.size / 1e6:.1f} MB from {buckets[region].name}")
    return publish.fetch_layer(buckets[region], layer, order.folder / "fetched.zip")


def _source(order: Order, bucket: Bucket | None, stored: StoredLayer | None, local: LayerArchive) -> ZipSource:
    """Where Lambda takes the bytes from: the bucket, filled first where it has to be, or the call itself."""
    if bucket is None:
        return local.zip.path
    if stored is None:
        stored = publish.store_layer(bucket, order.wanted.plan.content_hash(), local, order.progress)
    return stored.zip


def _check_size(archive: LayerArchive, limit: int) -> None:
    if archive.unpacked_size > limit:
        raise LayerTooLargeError(
            f"The layer is {archive.unpacked_size / 1e6:,.1f} MB unzipped; its `max_size` is {limit / 1e6:,.1f} MB",
            detail=_table(archive),
            hint="leave out what is not needed at run time, or raise `max_size`",
        )


def _check_direct_upload(archive: LayerArchive, region: str) -> None:
    """See that the zip can travel with the call to Lambda, before anything is uploaded."""
    if archive.zip.size > DIRECT_UPLOAD_LIMIT:
        raise DirectUploadTooLargeError(
            f"The zip is {archive.zip.size / 1e6:.1f} MB; Lambda takes {DIRECT_UPLOAD_LIMIT / 1e6:.1f} MB "
            f"in a direct upload, and there is no bucket in {region}",
            detail=_table(archive),
            hint=f's3_bucket="a-bucket-in-{region}"',
        )


def _table(archive: LayerArchive) -> str:
    """What takes the room; nothing is known of it where the zip is in a bucket alone."""
    return size_table(archive.zip.path) if archive.zip.path.is_file() else ""
