"""Finished layers in a bucket: what one machine has built, every other one publishes without a build.

An object is named by the content hash of its plan. It says of itself with which checksum it was stored, and S3 keeps
the one of its bytes: an object whose two differ is not taken for a layer.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypedDict

from python_layer_provider.archive import LayerArchive, Zip
from python_layer_provider.errors import AccessDeniedError, PublishError, RefusedError
from python_layer_provider.progress import Progress
from python_layer_provider.publish.session import AwsSettings, client, translated
from python_layer_provider.publish.versions import StoredZip

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, HeadObjectOutputTypeDef, PartTypeDef

# S3 takes 10,000 parts of 5 MiB and more: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_PART = 8 << 20
# Parts under way at a time; each is in memory.
_AT_ONCE = 4
_TYPE = "application/zip"
# Kept for those who look at the bucket, and for the next machine.
_CODE_SHA256, _CHECKSUM, _UNPACKED, _IMAGE = "code-sha256", "checksum", "unpacked-size", "image-digest"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """Where finished layers are kept."""

    name: str
    prefix: str
    settings: AwsSettings
    """In the bucket's own region."""

    def key(self, content_hash: str) -> str:
        """The name of a plan's layer in the bucket."""
        return object_key(self.prefix, content_hash)


def object_key(prefix: str, content_hash: str) -> str:
    """The name of what has this content hash."""
    return f"{prefix}{content_hash.replace(':', '-')}.zip"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredLayer:
    """A finished layer in a bucket."""

    zip: StoredZip
    archive: LayerArchive
    """What it is; its file is only there where this run has built it."""


def find_layer(bucket: Bucket, content_hash: str, packages: Mapping[str, str]) -> StoredLayer | None:
    """The finished layer of a plan (`s3:GetObject`); None where there is none, or where its bytes are not what it says.

    Raises:
        PublishError: AWS refused or cannot be reached.
    """
    s3, key = client(bucket.settings, "s3"), bucket.key(content_hash)
    with translated("s3:GetObject", f"`s3://{bucket.name}/{key}`"):
        try:
            found = s3.head_object(Bucket=bucket.name, Key=key, ChecksumMode="ENABLED")
        except s3.exceptions.ClientError as error:
            # Without s3:ListBucket, S3 answers 403 for what is not there; whether more is denied, storing will tell.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in {403, 404}:
                return None
            raise
    archive = _described(found, Path(key), packages)
    return StoredLayer(zip=_stored(bucket, key, found.get("VersionId")), archive=archive) if archive else None


def store_layer(bucket: Bucket, content_hash: str, archive: LayerArchive, progress: Progress) -> StoredLayer:
    """Upload a finished layer (`s3:PutObject`), above 8 MiB in parts, four at a time, each with its checksum.

    It goes on with the parts that an earlier upload has left (`s3:ListBucketMultipartUploads`,
    `s3:ListMultipartUploadParts`), and removes its own when it is interrupted, others of the same layer when it is
    done (`s3:AbortMultipartUpload`).

    Raises:
        CancelledError: The run was interrupted; nothing is left.
        PublishError: AWS refused or cannot be reached.
    """
    key, parts = bucket.key(content_hash), _parts(archive.zip)
    metadata = {
        _CODE_SHA256: archive.zip.code_sha256,
        _CHECKSUM: _checksum(parts),
        _UNPACKED: str(archive.unpacked_size),
        _IMAGE: archive.image_digest,
    }
    upload = _Upload(bucket=bucket, key=key, archive=archive.zip, parts=parts, progress=progress)
    try:
        version = upload.run(metadata)
    except RefusedError:
        # Another machine may have ended the same upload.
        found = find_layer(bucket, content_hash, archive.packages)
        if found is None:
            raise
        version = found.zip.object_version
    return StoredLayer(zip=_stored(bucket, key, version), archive=archive)


def fetch_layer(bucket: Bucket, stored: StoredLayer, path: Path) -> LayerArchive:
    """Download a finished layer (`s3:GetObject`), for regions that publish it without a bucket of their own.

    Raises:
        PublishError: AWS refused or cannot be reached.
    """
    s3 = client(bucket.settings, "s3")
    with translated("s3:GetObject", f"`s3://{bucket.name}/{stored.zip.key}`"), path.open("wb") as file:
        s3.download_fileobj(bucket.name, stored.zip.key, file)
    found = stored.archive
    local = Zip(path=path, code_sha256=found.zip.code_sha256, size=found.zip.size)
    return LayerArchive(
        zip=local, unpacked_size=found.unpacked_size, packages=found.packages, image_digest=found.image_digest
    )


def _stored(bucket: Bucket, key: str, version: str | None) -> StoredZip:
    # Buckets that keep no versions say "null".
    return StoredZip(bucket=bucket.name, key=key, object_version=None if version == "null" else version)


def _described(found: HeadObjectOutputTypeDef, path: Path, packages: Mapping[str, str]) -> LayerArchive | None:
    """What an object says it is, if its bytes have the checksum with which it was stored."""
    said = found.get("Metadata", {})
    # Behind that of an object in parts stands their number.
    checksum = found.get("ChecksumSHA256", "").partition("-")[0]
    if not checksum or said.get(_CHECKSUM) != checksum:
        return None
    try:
        unpacked, digest = int(said[_UNPACKED]), said[_IMAGE]
        stored = Zip(path=path, code_sha256=said[_CODE_SHA256], size=found["ContentLength"])
    except (KeyError, ValueError):
        return None
    return LayerArchive(zip=stored, unpacked_size=unpacked, packages=dict(packages), image_digest=digest)


class _Where(TypedDict):
    Bucket: str
    Key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    number: int
    offset: int
    size: int
    sha256: bytes
    md5: str
    """What S3 calls the ETag of a part, where it does not tell the checksum."""

    @property
    def checksum(self) -> str:
        return base64.b64encode(self.sha256).decode()

    def is_there(self, found: PartTypeDef) -> bool:
        """Whether S3 has this very part."""
        if "ChecksumSHA256" in found:
            return found["ChecksumSHA256"] == self.checksum
        return found["Size"] == self.size and found["ETag"].strip('"') == self.md5


def _parts(archive: Zip) -> list[_Part]:
    with archive.path.open("rb") as file:
        return [
            _Part(
                number=number,
                offset=(number - 1) * _PART,
                size=len(block),
                sha256=hashlib.sha256(block).digest(),
                md5=hashlib.md5(block, usedforsecurity=False).hexdigest(),
            )
            for number, block in zip(count(1), iter(lambda: file.read(_PART), b""), strict=False)
        ]


def _checksum(parts: Sequence[_Part]) -> str:
    """The checksum that S3 tells of an object; of one in parts, that of the parts' checksums.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    if len(parts) == 1:
        return parts[0].checksum
    digest = hashlib.sha256(b"".join(part.sha256 for part in parts)).digest()
    return base64.b64encode(digest).decode()


class _Upload:
    """A zip on its way into a bucket."""

    def __init__(self, *, bucket: Bucket, key: str, archive: Zip, parts: Sequence[_Part], progress: Progress) -> None:
        self._bucket, self._key, self._archive, self._parts = bucket, key, archive, parts
        self._progress = progress
        self._s3: S3Client = client(bucket.settings, "s3")
        self._where: _Where = {"Bucket": bucket.name, "Key": key}
        self._sent = 0
        self._lock = Lock()

    def run(self, metadata: Mapping[str, str]) -> str | None:
        """Send the zip, in one piece where it is small; the object's version, where the bucket keeps versions."""
        self._progress.check()
        if len(self._parts) == 1:
            return self._put(metadata)
        standing = next(iter(self._standing()), None)
        upload_id = standing or self._begun(metadata)
        with self._ending(upload_id, ours=not standing):
            etags = self._etags(upload_id) if standing else {}
            missing = [part for part in self._parts if part.number not in etags]
            self._sent = self._archive.size - sum(part.size for part in missing)
            etags.update(self._send(upload_id, missing))
            version = self._complete(upload_id, etags)
        # Of no use to anybody now: begun by calls whose answers were lost, or by another machine, which will find
        # the layer there.
        for other in self._standing():
            self._abort(other)
        return version

    def _put(self, metadata: Mapping[str, str]) -> str | None:
        body = self._archive.path.read_bytes()
        with self._translated("s3:PutObject"):
            answer = self._s3.put_object(
                **self._where,
                Body=body,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=self._parts[0].checksum,
                ContentType=_TYPE,
                Metadata=metadata,
            )
        return answer.get("VersionId")

    def _begun(self, metadata: Mapping[str, str]) -> str:
        with self._translated("s3:PutObject"):
            return self._s3.create_multipart_upload(
                **self._where, ChecksumAlgorithm="SHA256", ContentType=_TYPE, Metadata=metadata
            )["UploadId"]

    def _standing(self) -> list[str]:
        """The uploads of this key that were begun and not ended, last first; none where one may not look."""
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket.name, Prefix=self._key)
        try:
            with self._translated("s3:ListBucketMultipartUploads"):
                uploads = [found for page in pages for found in page.get("Uploads", ()) if found["Key"] == self._key]
        except AccessDeniedError:
            return []
        last_first = sorted(uploads, key=lambda found: found["Initiated"], reverse=True)
        return [found["UploadId"] for found in last_first]

    def _etags(self, upload_id: str) -> dict[int, str]:
        """The parts that S3 has already, and has as they are here."""
        ours = {part.number: part for part in self._parts}
        with self._translated("s3:ListMultipartUploadParts"):
            pages = self._s3.get_paginator("list_parts").paginate(**self._where, UploadId=upload_id)
            found = [part for page in pages for part in page.get("Parts", ())]
        return {
            part["PartNumber"]: part["ETag"]
            for part in found
            if part["PartNumber"] in ours and ours[part["PartNumber"]].is_there(part)
        }

    def _send(self, upload_id: str, parts: Sequence[_Part]) -> dict[int, str]:
        with ThreadPoolExecutor(_AT_ONCE) as workers:
            try:
                etags = list(workers.map(lambda part: self._send_part(upload_id, part), parts))
            except BaseException:
                workers.shutdown(cancel_futures=True)
                raise
        return {part.number: etag for part, etag in zip(parts, etags, strict=True)}

    def _send_part(self, upload_id: str, part: _Part) -> str:
        self._progress.check()
        with self._archive.path.open("rb") as file:
            file.seek(part.offset)
            body = file.read(part.size)
        with self._translated("s3:PutObject"):
            answer = self._s3.upload_part(
                **self._where, UploadId=upload_id, PartNumber=part.number, Body=body, ChecksumSHA256=part.checksum
            )
        with self._lock:
            self._sent += part.size
            self._progress.step(f"Uploading {self._sent / 1e6:.1f} of {self._archive.size / 1e6:.1f} MB")
        return answer["ETag"]

    def _complete(self, upload_id: str, etags: Mapping[int, str]) -> str | None:
        self._progress.check()
        parts: list[CompletedPartTypeDef] = [
            {"PartNumber": part.number, "ETag": etags[part.number], "ChecksumSHA256": part.checksum}
            for part in self._parts
        ]
        with self._translated("s3:PutObject"):
            answer = self._s3.complete_multipart_upload(
                **self._where, UploadId=upload_id, MultipartUpload={"Parts": parts}
            )
        return answer.get("VersionId")

    @contextmanager
    def _ending(self, upload_id: str, *, ours: bool) -> Iterator[None]:
        """Leave the parts where they are only if the next run can go on with them.

        Parts that another run has begun to send are left to it: it may be sending more this very moment.
        """
        try:
            yield
        except PublishError as error:
            error.hint = f"{error.hint}; the next run goes on with the parts that are there"
            raise
        except BaseException:
            if ours:
                self._abort(upload_id)
            raise

    def _abort(self, upload_id: str) -> None:
        # What led here is what the person should read.
        with suppress(PublishError), self._translated("s3:AbortMultipartUpload"):
            self._s3.abort_multipart_upload(**self._where, UploadId=upload_id)

    def _translated(self, action: str) -> AbstractContextManager[None]:
        return translated(action, f"`s3://{self._bucket.name}/{self._key}`")
