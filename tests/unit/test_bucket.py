"""Finished layers in a bucket, on moto."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from python_layer_provider.archive import LayerArchive
from python_layer_provider.errors import CancelledError, RefusedError
from python_layer_provider.progress import Progress
from python_layer_provider.publish import Bucket, StoredZip, fetch_layer, find_layer, publish_layer_version, store_layer
from tests.unit.helpers import METADATA, an_archive, settings_for

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HASH = f"1:{'ab' * 32}"
KEY = f"team/{HASH.replace(':', '-')}.zip"
PACKAGES = {"idna": "3.11"}
# Three parts, the last one short.
LARGE = (16 << 20) + 5


@pytest.fixture
def s3(moto: str) -> Iterator[S3Client]:
    """moto's S3, with an empty bucket `ours`."""
    client = boto3.client(
        "s3", endpoint_url=moto, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket="ours", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    yield client
    for version in client.list_object_versions(Bucket="ours").get("Versions", ()):
        client.delete_object(Bucket="ours", Key=version["Key"], VersionId=version["VersionId"])
    for upload in client.list_multipart_uploads(Bucket="ours").get("Uploads", ()):
        client.abort_multipart_upload(Bucket="ours", Key=upload["Key"], UploadId=upload["UploadId"])
    client.delete_bucket(Bucket="ours")


@pytest.fixture
def bucket(moto: str, s3: S3Client) -> Bucket:
    assert s3.meta.endpoint_url == moto
    return Bucket(name="ours", prefix="team/", settings=settings_for(moto))


@pytest.fixture
def small(tmp_path: Path) -> LayerArchive:
    return an_archive(tmp_path, b"PK small")


@pytest.fixture
def large(tmp_path: Path) -> LayerArchive:
    return an_archive(tmp_path, os.urandom(LARGE))


class InterruptedAfter(Progress):
    """Progress whose run ends when so many steps were told."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps

    def step(self, message: str) -> None:
        assert message
        self._left -= 1
        if self._left <= 0:
            self.interrupt()


def uploads(s3: S3Client) -> int:
    return len(s3.list_multipart_uploads(Bucket="ours").get("Uploads", ()))


def test_a_layer_is_found_as_it_was_stored(bucket: Bucket, small: LayerArchive, s3: S3Client) -> None:
    assert find_layer(bucket, HASH, PACKAGES) is None
    stored = store_layer(bucket, HASH, small, Progress())
    found = find_layer(bucket, HASH, PACKAGES)
    assert found is not None
    assert found.zip == stored.zip == StoredZip(bucket="ours", key=KEY)
    assert (found.archive.zip.code_sha256, found.archive.zip.size) == (small.zip.code_sha256, small.zip.size)
    assert (found.archive.unpacked_size, found.archive.image_digest) == (7, "sha256:beef")
    assert s3.get_object(Bucket="ours", Key=KEY)["Body"].read() == b"PK small"


def test_a_large_layer_goes_up_in_parts_and_comes_down_whole(
    bucket: Bucket, large: LayerArchive, s3: S3Client, tmp_path: Path
) -> None:
    store_layer(bucket, HASH, large, Progress())
    found = find_layer(bucket, HASH, PACKAGES)
    assert found is not None
    assert s3.head_object(Bucket="ours", Key=KEY)["ETag"].endswith('-3"')
    fetched = fetch_layer(bucket, found, tmp_path / "fetched.zip")
    assert fetched.zip.path.read_bytes() == large.zip.path.read_bytes()
    assert uploads(s3) == 0


def test_lambda_publishes_what_is_in_the_bucket(bucket: Bucket, large: LayerArchive) -> None:
    stored = store_layer(bucket, HASH, large, Progress())
    version = publish_layer_version(stored.zip, METADATA, bucket.settings, Progress())
    assert version.code_sha256 == large.zip.code_sha256


def test_a_bucket_that_keeps_versions_hands_out_the_one_that_was_stored(
    bucket: Bucket, small: LayerArchive, s3: S3Client
) -> None:
    s3.put_bucket_versioning(Bucket="ours", VersioningConfiguration={"Status": "Enabled"})
    stored = store_layer(bucket, HASH, small, Progress())
    assert stored.zip.object_version == s3.head_object(Bucket="ours", Key=KEY)["VersionId"]
    found = find_layer(bucket, HASH, PACKAGES)
    assert found is not None
    assert found.zip == stored.zip


@pytest.mark.parametrize("metadata", [{}, {"code-sha256": "x", "checksum": "x", "unpacked-size": "7"}])
def test_an_object_that_somebody_else_has_put_there_is_no_layer(
    bucket: Bucket, s3: S3Client, metadata: dict[str, str]
) -> None:
    s3.put_object(Bucket="ours", Key=KEY, Body=b"PK other", Metadata=metadata, ChecksumAlgorithm="SHA256")
    assert find_layer(bucket, HASH, PACKAGES) is None


def test_an_object_whose_bytes_were_changed_is_no_layer(bucket: Bucket, small: LayerArchive, s3: S3Client) -> None:
    store_layer(bucket, HASH, small, Progress())
    said = s3.head_object(Bucket="ours", Key=KEY)["Metadata"]
    s3.put_object(Bucket="ours", Key=KEY, Body=b"PK other", Metadata=said, ChecksumAlgorithm="SHA256")
    assert find_layer(bucket, HASH, PACKAGES) is None


def test_an_interrupted_upload_leaves_nothing(bucket: Bucket, large: LayerArchive, s3: S3Client) -> None:
    with pytest.raises(CancelledError):
        store_layer(bucket, HASH, large, InterruptedAfter(1))
    assert uploads(s3) == 0
    assert find_layer(bucket, HASH, PACKAGES) is None


def test_an_upload_that_broke_off_is_gone_on_with(bucket: Bucket, large: LayerArchive, s3: S3Client) -> None:
    begun = s3.create_multipart_upload(Bucket="ours", Key=KEY, ChecksumAlgorithm="SHA256", Metadata={"of": "before"})
    first = large.zip.path.read_bytes()[: 8 << 20]
    for number, body in ((1, first), (2, b"not what is wanted")):
        s3.upload_part(Bucket="ours", Key=KEY, UploadId=begun["UploadId"], PartNumber=number, Body=body)
    said: list[str] = []
    progress = Progress()
    progress.step = said.append  # type: ignore[method-assign, assignment]
    store_layer(bucket, HASH, large, progress)
    # The second and third part alone.
    assert len(said) == 2
    assert s3.get_object(Bucket="ours", Key=KEY)["Body"].read() == large.zip.path.read_bytes()
    assert uploads(s3) == 0


def test_a_bucket_that_is_not_there_is_told_by_its_input(moto: str, small: LayerArchive) -> None:
    nowhere = Bucket(name="nowhere", prefix="", settings=settings_for(moto))
    with pytest.raises(RefusedError, match="make the bucket, or name another in `s3_bucket`"):
        store_layer(nowhere, HASH, small, Progress())
