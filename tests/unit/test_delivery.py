"""Where a layer comes from, and how each region gets it: on moto, with the build's outcome in the cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from python_layer_provider import inputs
from python_layer_provider.build import cache
from python_layer_provider.delivery import Delivery, Order, deliver
from python_layer_provider.errors import DirectUploadTooLargeError, EngineNotRunningError, LayerTooLargeError
from python_layer_provider.inputs import LayerInputs
from python_layer_provider.limits import DIRECT_UPLOAD_LIMIT
from python_layer_provider.progress import Progress
from python_layer_provider.publish import Bucket, StoredZip, store_layer
from python_layer_provider.publish.session import client
from python_layer_provider.settings import BuildSettings
from tests.unit.helpers import a_pin, a_plan, an_archive, settings_for

HERE, THERE = "eu-west-1", "us-east-1"
PLAN = a_plan()
Ask = Callable[..., Delivery]


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")


@pytest.fixture
def ask(moto: str, tmp_path: Path) -> Ask:
    """Asks for the layer in regions."""

    def asked(*regions: str, **others: Any) -> Delivery:
        props = {
            "layer_name": "deps",
            "compatible_runtimes": ["python3.13"],
            "compatible_architectures": ["x86_64"],
            inputs.PLAN: PLAN.to_json(),
            **others,
        }
        order = Order(
            wanted=LayerInputs.of(props),
            settings=BuildSettings(),
            aws=lambda region: settings_for(moto, region=region),
            folder=tmp_path,
            progress=Progress(),
        )
        return deliver(order, regions or (HERE,), HERE)

    return asked


@pytest.fixture
def buckets(moto: str) -> Iterator[Mapping[str, str]]:
    """An empty bucket in each region, by region."""
    found = {HERE: "delivery-here", THERE: "delivery-there"}
    for region, name in found.items():
        s3 = client(settings_for(moto, region=region), "s3")
        # us-east-1 is no constraint that S3 takes.
        s3.create_bucket(Bucket=name, **({} if region == THERE else _constraint(region)))
    yield found
    for region, name in found.items():
        s3 = client(settings_for(moto, region=region), "s3")
        for found_object in s3.list_objects_v2(Bucket=name).get("Contents", ()):
            s3.delete_object(Bucket=name, Key=found_object["Key"])
        s3.delete_bucket(Bucket=name)


def _constraint(region: str) -> Any:
    return {"CreateBucketConfiguration": {"LocationConstraint": region}}


def built(folder: Path, content: bytes = b"PK", **others: Any) -> None:
    """This machine has built the layer before."""
    cache.store(PLAN, an_archive(folder, content, **others))


def test_without_a_bucket_the_zip_travels_with_the_call(ask: Ask, tmp_path: Path) -> None:
    built(tmp_path)
    delivery = ask(HERE, THERE)
    sources = {place.source for place in delivery.places.values()}
    assert delivery.origin == "cache"
    assert [isinstance(source, Path) for source in sources] == [True]


def test_a_machine_that_has_built_nothing_takes_what_is_in_the_bucket(
    ask: Ask, tmp_path: Path, buckets: Mapping[str, str]
) -> None:
    built(tmp_path)
    first = ask(s3_bucket=buckets[HERE])
    cache.remove(0)
    with pytest.raises(EngineNotRunningError):
        ask()
    second = ask(s3_bucket=buckets[HERE])
    assert (first.origin, second.origin) == ("cache", "bucket")
    assert first.places[HERE].source == second.places[HERE].source
    assert second.archive.zip.code_sha256 == first.archive.zip.code_sha256


def test_a_layer_that_is_not_locked_is_never_taken_from_the_bucket(
    ask: Ask, moto: str, tmp_path: Path, buckets: Mapping[str, str]
) -> None:
    loose = a_plan(a_pin(hashes=()))
    place = Bucket(name=buckets[HERE], prefix="python-layers/", settings=settings_for(moto))
    store_layer(place, loose.content_hash(), an_archive(tmp_path), Progress())
    with pytest.raises(EngineNotRunningError):
        ask(s3_bucket=buckets[HERE], **{inputs.PLAN: loose.to_json()})


def test_objects_are_named_by_prefix_and_content_hash(ask: Ask, tmp_path: Path, buckets: Mapping[str, str]) -> None:
    built(tmp_path)
    name = PLAN.content_hash().replace(":", "-")
    for given, prefix in ((None, "python-layers/"), ("team/", "team/"), ("", "")):
        place = ask(s3_bucket=buckets[HERE], s3_prefix=given).places[HERE]
        assert place.source == StoredZip(bucket=buckets[HERE], key=f"{prefix}{name}.zip")


def test_each_region_has_its_bucket(ask: Ask, tmp_path: Path, buckets: Mapping[str, str]) -> None:
    built(tmp_path)
    places = ask(HERE, THERE, s3_bucket=buckets).places
    assert {region: place.source.bucket for region, place in places.items() if isinstance(place.source, StoredZip)} == (
        buckets
    )


def test_a_bucket_that_is_named_alone_is_in_the_layers_own_region(
    ask: Ask, tmp_path: Path, buckets: Mapping[str, str]
) -> None:
    built(tmp_path)
    places = ask(HERE, THERE, s3_bucket=buckets[HERE]).places
    assert isinstance(places[HERE].source, StoredZip)
    assert isinstance(places[THERE].source, Path)


def test_a_region_without_the_layer_gets_it_from_one_that_has_it(
    ask: Ask, tmp_path: Path, buckets: Mapping[str, str]
) -> None:
    content = os.urandom(100)
    built(tmp_path, content)
    ask(s3_bucket=buckets[HERE])
    cache.remove(0)
    delivery = ask(HERE, THERE, s3_bucket=buckets[HERE])
    source = delivery.places[THERE].source
    assert delivery.origin == "bucket"
    assert isinstance(source, Path)
    assert source.read_bytes() == content


def test_buckets_that_disagree_both_get_one_of_the_two(ask: Ask, tmp_path: Path, buckets: Mapping[str, str]) -> None:
    built(tmp_path, b"PK one")
    ask(s3_bucket=buckets[HERE])
    built(tmp_path, b"PK other")
    ask(THERE, s3_bucket=buckets)
    cache.remove(0)
    delivery = ask(HERE, THERE, s3_bucket=buckets)
    assert delivery.archive.zip.size == len(b"PK one")
    cache.remove(0)
    assert ask(THERE, s3_bucket=buckets).archive.zip.code_sha256 == delivery.archive.zip.code_sha256


# Limits.


def test_a_large_zip_without_a_bucket_is_told_where_one_is_missing(
    ask: Ask, moto: str, tmp_path: Path, buckets: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = an_archive(tmp_path, claims=DIRECT_UPLOAD_LIMIT + 1)
    monkeypatch.setattr("python_layer_provider.build.cache.load", lambda _: archive)
    with pytest.raises(DirectUploadTooLargeError) as caught:
        ask(HERE, THERE, s3_bucket=buckets[HERE])
    assert str(caught.value).splitlines()[0].endswith("in a direct upload, and there is no bucket in us-east-1")
    assert caught.value.hint == 's3_bucket="a-bucket-in-us-east-1"'
    # Nothing was uploaded to the region that has one.
    assert "Contents" not in client(settings_for(moto), "s3").list_objects_v2(Bucket=buckets[HERE])


def test_a_layer_over_a_budget_of_ones_own_is_refused(ask: Ask, tmp_path: Path) -> None:
    built(tmp_path)
    ask(max_size=7)
    with pytest.raises(LayerTooLargeError, match=r"its `max_size` is 0\.0 MB"):
        ask(max_size=6)
