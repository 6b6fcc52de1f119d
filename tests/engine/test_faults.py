"""Calls to AWS that fail, on the real engine: one of each kind. `tests/faults` has every call and every fault."""

import os
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest

from pulumi_python_layer import LayerPermission
from python_layer_provider.lifecycle import Versions
from python_layer_provider.publish.session import TIMEOUT_VARIABLE
from tests.engine.conftest import Containers
from tests.engine.servers import Fault, Gate, shelf
from tests.engine.stacks import LAYER_TYPE, LOCKS, REGION, Aws, CommandLineStack, Outcome, assert_explained, new_project

SMALL, SECOND = str(LOCKS / "old.txt"), "us-east-1"
# Two parts, the second one short.
LARGE = 9_000_000
QUIETLY = ("--yes", "--skip-preview", "--non-interactive")
SHARED = [LayerPermission(principal="210987654321")]
# By which the same content is published anew.
ANEW = count()
PROGRAM = """
from pulumi_python_layer import LayerPermission, PythonLayer

PythonLayer("deps", runtime="python3.11", {inputs})
"""


class Layer:
    """A layer, and a bucket for it, which the tests of this file change one after the other."""

    def __init__(self, folder: Path, aws: Aws) -> None:
        self._stack, self._aws = CommandLineStack(new_project("faults"), folder, ""), aws
        self.bucket = self._stack.project
        self.s3: Any = boto3.client("s3", region_name=REGION)
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})

    def wants(self, requirements: str = SMALL, **others: Any) -> None:
        """Have the program ask for a new version."""
        inputs = {"requirements": requirements, "triggers": [next(ANEW)], **others}
        text = ", ".join(f"{name}={value!r}" for name, value in inputs.items())
        (self._stack.folder / "__main__.py").write_text(PROGRAM.format(inputs=text))

    def up(self, **environment: str) -> Outcome:
        return self._stack.run("up", *QUIETLY, **environment)

    def destroy(self) -> Outcome:
        return self._stack.run("destroy", *QUIETLY)

    def known(self) -> set[str]:
        """What the state names, those that are still to be deleted included."""
        layers = [found for found in self._stack.state()["resources"] if found["type"] == LAYER_TYPE]
        return {arn for found in layers for arn in Versions.of(found["outputs"]).known}

    def there(self) -> set[str]:
        """What is in AWS."""
        name = self._stack.layer_name()
        return {
            f"arn:aws:lambda:{region}:123456789012:layer:{name}:{version}"
            for region in (REGION, SECOND)
            for version in self._aws.versions(name, region)
        }

    def uploads(self) -> int:
        """How many uploads were begun and not ended."""
        return len(self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ()))


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory, aws: Aws) -> Iterator[Layer]:
    found = Layer(tmp_path_factory.mktemp("program"), aws)
    found.wants()
    assert_done(found.up())
    yield found
    assert_done(found.destroy())
    assert found.there() == set()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, containers: Containers) -> Iterator[str]:
    """The path of a lock file whose layer is sent in parts."""
    folder = tmp_path_factory.mktemp("large")
    with shelf(folder, containers.gateway) as wheels:
        lock = folder / "requirements.txt"
        lock.write_text(wheels.wheel("noise", {"noise.bin": os.urandom(LARGE)}))
        yield str(lock)


def test_an_up_gets_through_all_that_passes(layer: Layer, before_aws: Gate, large: str) -> None:
    before_aws.fail("ListLayerVersions", Fault.FAILED, 1)
    before_aws.fail("HeadObject", Fault.THROTTLED, 1)
    before_aws.fail("CreateMultipartUpload", Fault.RESET_AFTER, 1)
    before_aws.fail("UploadPart", Fault.RESET, 1)
    before_aws.fail("CompleteMultipartUpload", Fault.RESET_AFTER, 1)
    before_aws.fail("PublishLayerVersion", Fault.THROTTLED, 1)
    before_aws.fail("AddLayerVersionPermission", Fault.RESET_AFTER, 1)
    before_aws.fail("DeleteLayerVersion", Fault.RESET_AFTER, 1)
    layer.wants(large, s3_bucket=layer.bucket, permissions=SHARED)
    assert_done(layer.up())
    # The second part is another call.
    assert before_aws.recover() == 2 * 8 + 1
    assert layer.there() == layer.known()
    assert layer.uploads() == 0


@pytest.mark.parametrize("fault", [Fault.SILENT_AFTER, Fault.RESET_AFTER])
def test_a_version_is_found_whose_answer_was_lost(layer: Layer, before_aws: Gate, fault: Fault) -> None:
    before_aws.fail("PublishLayerVersion", fault)
    layer.wants()
    assert_done(layer.up(**{TIMEOUT_VARIABLE: "2"}))
    assert before_aws.recover() == 1
    assert layer.there() == layer.known()


def assert_done(outcome: Outcome) -> None:
    assert outcome.ok, outcome.text


_FAILING: list[tuple[str, Fault, Mapping[str, Any], str, str]] = [
    ("PublishLayerVersion", Fault.RESET, {}, "PYL-AWS-UNREACHABLE", "lambda:PublishLayerVersion"),
    ("PublishLayerVersion", Fault.DENIED, {"regions": [SECOND]}, "PYL-AWS-ACCESS-DENIED", "lambda:PublishLayerVersion"),
    ("AddLayerVersionPermission", Fault.DENIED, {"permissions": SHARED}, "PYL-AWS-ACCESS-DENIED", "lambda:Add"),
    ("ListFunctions", Fault.EXPIRED, {"delete_unused_only": True}, "PYL-AWS-CREDENTIALS", "aws sso login"),
    ("DeleteLayerVersion", Fault.DENIED, {}, "PYL-AWS-ACCESS-DENIED", "lambda:DeleteLayerVersion"),
]


_NAMES = [f"{call} {fault.value}" for call, fault, *_ in _FAILING]


@pytest.mark.parametrize(("call", "fault", "inputs", "code", "phrase"), _FAILING, ids=_NAMES)
def test_what_fails_leaves_nothing_and_the_next_up_mends_it(
    layer: Layer, before_aws: Gate, call: str, fault: Fault, inputs: Mapping[str, Any], code: str, phrase: str
) -> None:
    layer.wants(**inputs)
    before_aws.fail(call, fault, region=SECOND if "regions" in inputs else "")
    assert_explained(layer.up(), code, phrase)
    assert before_aws.recover() > 0
    assert layer.there() == layer.known()
    assert_done(layer.up())
    assert layer.there() <= layer.known()


def test_an_upload_that_broke_off_is_gone_on_with(layer: Layer, before_aws: Gate, large: str, tmp_path: Path) -> None:
    layer.wants(large, s3_bucket=layer.bucket, s3_prefix=f"{tmp_path.name}/")
    before_aws.fail("CompleteMultipartUpload", Fault.DENIED)
    assert_explained(layer.up(), "PYL-AWS-ACCESS-DENIED", "s3:PutObject", "the next run goes on with the parts")
    before_aws.recover()
    assert layer.there() <= layer.known()
    assert layer.uploads() == 1
    before_aws.names.clear()
    assert_done(layer.up())
    assert "UploadPart" not in before_aws.names
    assert layer.uploads() == 0
