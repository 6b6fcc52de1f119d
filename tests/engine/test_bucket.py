"""Layers through a bucket: published without a build, in parts above 8 MiB, and what a layer may weigh."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from pulumi_python_layer import PythonLayer
from python_layer_provider.build.cache import cache_folder
from tests.engine.conftest import Containers
from tests.engine.servers import Gate, shelf
from tests.engine.stacks import LOCKS, REGION, RUNTIME, Aws, LayerStack, assert_explained, new_project

OLD = str(LOCKS / "old.txt")
PART = 8 << 20
# Over what Lambda takes in a call.
BIG = 53_000_000


class Store:
    """A bucket, looked at from beside the stack."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.s3: Any = boto3.client("s3", region_name=REGION)
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def keys(self) -> list[str]:
        return [found["Key"] for found in self.s3.list_objects_v2(Bucket=self.name).get("Contents", ())]

    def uploads(self) -> list[str]:
        """What was begun to be sent in parts and not ended."""
        return [found["Key"] for found in self.s3.list_multipart_uploads(Bucket=self.name).get("Uploads", ())]

    def empty(self) -> None:
        for key in self.keys():
            self.s3.delete_object(Bucket=self.name, Key=key)


@pytest.fixture
def store() -> Store:
    return Store(new_project("layers"))


@pytest.fixture
def go_to_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Go on at a machine that has built nothing, and has no container engine."""

    def go() -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another-cache"))
        monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")

    return go


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory, containers: Containers) -> Iterator[str]:
    """The path of a lock file whose layer takes more than 50 MB, zipped."""
    folder = tmp_path_factory.mktemp("big")
    with shelf(folder, containers.gateway) as wheels:
        lock = folder / "requirements.txt"
        lock.write_text(wheels.wheel("noise", {"noise.bin": os.urandom(BIG)}))
        yield str(lock)


def test_what_is_in_the_bucket_is_published_without_a_build(
    stack: LayerStack,
    new_stack: Callable[[], LayerStack],
    store: Store,
    aws: Aws,
    go_to_another_machine: Callable[[], None],
) -> None:
    stack.declare(requirements=OLD, s3_bucket=store.name, s3_prefix="team/")
    outputs = stack.up().outputs
    assert store.keys() == [f"team/{outputs['deps.content_hash'].replace(':', '-')}.zip"]
    assert stack.destroy().ok
    go_to_another_machine()
    other = new_stack()
    other.declare(requirements=OLD, s3_bucket=store.name, s3_prefix="team/")
    outcome = other.up()
    assert outcome.ok, outcome.text
    assert outcome.outputs["deps.code_sha256"] == outputs["deps.code_sha256"]
    assert aws.version(outcome.outputs["deps.arn"])["Content"]["CodeSha256"] == outputs["deps.code_sha256"]
    other.declare("second", requirements=OLD, s3_bucket=store.name, s3_prefix="team/", max_size=1000)
    assert_explained(other.up(), "PYL-LAYER-TOO-LARGE", "max_size")


@pytest.mark.parametrize("wrong", ["bytes", "metadata"])
def test_an_object_that_is_not_what_it_says_is_replaced(stack: LayerStack, store: Store, aws: Aws, wrong: str) -> None:
    stack.declare(requirements=OLD, s3_bucket=store.name)
    outputs = stack.up().outputs
    (key,) = store.keys()
    there = store.s3.get_object(Bucket=store.name, Key=key)
    good, said = there["Body"].read(), there["Metadata"]
    body = good[:-1] + b"\1" if wrong == "bytes" else good
    said = said if wrong == "bytes" else {**said, "checksum": "made up"}
    store.s3.put_object(Bucket=store.name, Key=key, Body=body, Metadata=said, ChecksumAlgorithm="SHA256")
    stack.declare(requirements=OLD, s3_bucket=store.name, triggers=["anew"])
    outcome = stack.up()
    assert outcome.ok, outcome.text
    assert aws.version(outcome.outputs["deps.arn"])["Content"]["CodeSha256"] == outputs["deps.code_sha256"]
    there = store.s3.get_object(Bucket=store.name, Key=key)
    assert there["Body"].read() == good
    assert there["Metadata"]["checksum"] != "made up"


def test_without_an_engine_an_object_that_is_not_what_it_says_is_not_published(
    stack: LayerStack, store: Store, aws: Aws, go_to_another_machine: Callable[[], None]
) -> None:
    go_to_another_machine()
    stack.declare(requirements=OLD, s3_bucket=store.name)
    key = f"python-layers/{_content_hash(stack).replace(':', '-')}.zip"
    store.s3.put_object(Bucket=store.name, Key=key, Body=b"PK", ChecksumAlgorithm="SHA256")
    assert_explained(stack.up(), "PYL-ENGINE-NOT-RUNNING")
    assert aws.versions(stack.layer_name()) == []


def test_the_bucket_may_be_known_during_the_update_only(stack: LayerStack, store: Store) -> None:
    stack.extra = lambda: _layer_in_a_bucket_that_another_resource_names(store.name)
    previewed = stack.preview()
    assert previewed.ok, previewed.text
    outcome = stack.up()
    assert outcome.ok, outcome.text
    assert len(store.keys()) == 1
    assert stack.up().operations == ("same", "same")


def test_a_zip_over_50_mb_without_a_bucket_fails_before_anything_is_uploaded(
    stack: LayerStack, big: str, before_aws: Gate
) -> None:
    stack.declare(requirements=big)
    outcome = stack.up()
    assert_explained(outcome, "PYL-UPLOAD-TOO-LARGE", f's3_bucket="a-bucket-in-{REGION}"', "noise")
    assert [call for call in before_aws.calls if not call.startswith("GET")] == []


def test_a_layer_over_its_own_limit_fails_before_anything_is_uploaded(
    stack: LayerStack, store: Store, before_aws: Gate
) -> None:
    stack.declare(requirements=OLD, s3_bucket=store.name, max_size=1000)
    assert_explained(stack.up(), "PYL-LAYER-TOO-LARGE", "max_size", "idna")
    assert [call for call in before_aws.calls if call.startswith(("POST", "PUT"))] == []


def test_an_upload_goes_on_with_the_parts_that_are_there(
    stack: LayerStack, big: str, store: Store, aws: Aws, before_aws: Gate
) -> None:
    store.s3.put_bucket_versioning(Bucket=store.name, VersioningConfiguration={"Status": "Enabled"})
    stack.declare(requirements=big, s3_bucket=store.name)
    key = f"python-layers/{_content_hash(stack).replace(':', '-')}.zip"
    stack.up()
    zipped = (cache_folder() / Path(key).name).read_bytes()
    assert stack.destroy().ok
    store.empty()
    upload = store.s3.create_multipart_upload(Bucket=store.name, Key=key, ChecksumAlgorithm="SHA256", Metadata={})
    parts = {1: zipped[:PART], 2: b"another run's", 3: zipped[2 * PART : 3 * PART]}
    for number, body in parts.items():
        store.s3.upload_part(Bucket=store.name, Key=key, UploadId=upload["UploadId"], PartNumber=number, Body=body)
    before_aws.calls.clear()
    outcome = stack.up()
    assert outcome.ok, outcome.text
    sent = sorted(call.partition("partNumber=")[2][:1] for call in before_aws.calls if "partNumber=" in call)
    assert sent == ["2", "4", "5", "6", "7"]
    assert store.uploads() == []
    assert aws.version(outcome.outputs["deps.arn"])["Content"]["CodeSize"] == len(zipped)


def _content_hash(stack: LayerStack) -> str:
    known: dict[str, str] = {}

    class Noting(PythonLayer):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.content_hash.apply(lambda value: known.update(hash=value))

    stack.layer_class = Noting
    assert stack.preview().ok
    stack.layer_class = PythonLayer
    return known["hash"]


def _layer_in_a_bucket_that_another_resource_names(bucket: str) -> None:
    first = PythonLayer("first", requirements=OLD, runtime=RUNTIME)
    PythonLayer("second", requirements=OLD, runtime=RUNTIME, s3_bucket=first.code_sha256.apply(lambda _: bucket))
