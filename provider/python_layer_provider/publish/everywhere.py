"""One layer in every region that asks for it: all of them, or none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from python_layer_provider.errors import LayerError, PublishError, RefusedError, UnreachableError
from python_layer_provider.layer_version import LayerMetadata, LayerVersion, Permission, region_of_arn
from python_layer_provider.progress import Progress
from python_layer_provider.publish.session import AwsSettings
from python_layer_provider.publish.versions import (
    ZipSource,
    delete_layer_version,
    newest_layer_version,
    publish_layer_version,
    share_layer_version,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A region, and where Lambda gets the bytes from there."""

    settings: AwsSettings
    source: ZipSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is published, and what of it may be there already."""

    metadata: LayerMetadata
    code_sha256: str
    """Of the zip."""
    permissions: Collection[Permission] = ()
    known: Collection[str] = ()
    """ARNs that the state knows already: never what a lost run has left."""
    lineage: str | None = None
    """The one that a version to be taken over has to have; None where no state stands."""


@contextmanager
def published_everywhere(
    places: Mapping[str, Place], wanted: Wanted, progress: Progress
) -> Iterator[dict[str, LayerVersion]]:
    """Publish a layer in each region, with its permissions, for a block that does what else belongs to it.

    A version that an earlier run has published and never told anybody of is taken over, where it is the newest of this
    resource and says and holds the same. What fails, here or in the block, takes back what was published before.

    Args:
        places: By region; in this order.
        wanted: What is published.
        progress: What to report to.

    Raises:
        CancelledError: The run was interrupted; nothing is left.
        PublishError: AWS refused or cannot be reached; says what is left, where something is.
    """
    made: list[str] = []
    try:
        yield {region: _in_one_region(region, place, wanted, made, progress) for region, place in places.items()}
        progress.check()
    except BaseException as error:
        _take_back(made, places, error)
        raise


def _in_one_region(region: str, place: Place, wanted: Wanted, made: list[str], progress: Progress) -> LayerVersion:
    """Publish or take over, and share; what is published goes to `made` at once."""
    version = _identical(place, wanted)
    if version:
        progress.step(f"Taking over version {version.version}, which an earlier run has published")
    else:
        progress.step(f"Publishing {wanted.metadata.layer_name} in {region}")
        version = _published(place, wanted, progress)
        made.append(version.arn)
    if version.code_sha256 != wanted.code_sha256:
        raise RefusedError(
            f"AWS has published other bytes than those of this layer: {version.code_sha256}, not {wanted.code_sha256}",
            hint="remove the layer's object from the bucket, and run the command again",
        )
    if wanted.permissions or version.arn not in made:
        # What is taken over may be shared with whom nobody wants any more.
        share_layer_version(version.arn, wanted.permissions, place.settings)
    progress.check()
    progress.step(f"Published version {version.version} in {region}")
    return version


def _identical(place: Place, wanted: Wanted) -> LayerVersion | None:
    """This resource's newest version, if it says and holds the same and no state knows of it."""
    found = newest_layer_version(wanted.metadata, place.settings)
    if found is None or found.marker is None or found.arn in wanted.known:
        return None
    same = wanted.metadata.told_by(found) and found.code_sha256 == wanted.code_sha256
    return found if same and wanted.lineage in (None, found.marker.lineage) else None


def _published(place: Place, wanted: Wanted, progress: Progress) -> LayerVersion:
    """Publish; where AWS did the work and its answer was lost on the way, find the version."""
    try:
        return publish_layer_version(place.source, wanted.metadata, place.settings, progress)
    except UnreachableError:
        found = _found_after_all(place, wanted)
        if found is None:
            raise
        return found


def _found_after_all(place: Place, wanted: Wanted) -> LayerVersion | None:
    try:
        found = newest_layer_version(wanted.metadata, place.settings)
    except PublishError:
        # AWS is still out of reach: the next run takes the version over.
        return None
    ours = found is not None and found.marker == wanted.metadata.marker and found.arn not in wanted.known
    return found if ours else None


def _take_back(made: Collection[str], places: Mapping[str, Place], error: BaseException) -> None:
    """Delete what was published; what cannot be deleted is told with the error that led here."""
    left = [arn for arn in made if not _deleted(arn, places[region_of_arn(arn)].settings)]
    if left and isinstance(error, LayerError):
        error.detail = "\n".join(filter(None, [error.detail, *(f"{arn} is left in AWS" for arn in left)]))


def _deleted(arn: str, settings: AwsSettings) -> bool:
    try:
        delete_layer_version(arn, settings)
    except PublishError:
        return False
    return True
