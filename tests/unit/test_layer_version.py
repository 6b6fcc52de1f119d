from __future__ import annotations

from dataclasses import replace

import pytest

from python_layer_provider.errors import InvalidInputError
from python_layer_provider.layer_version import DESCRIPTION_LIMIT, Marker, region_of_arn, split_arn, split_description
from tests.unit.helpers import ARN, METADATA


def test_an_arn_has_a_layer_a_version_and_a_region() -> None:
    assert split_arn(ARN) == (ARN.removesuffix(":3"), 3)
    assert region_of_arn(ARN.replace("arn:aws:", "arn:aws-cn:")) == "eu-west-1"


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "deps",
        ARN.removesuffix(":3"),
        ARN.replace(":3", ":three"),
        ARN.replace(":layer:", ":function:"),
        f"{ARN}:4",
    ],
)
def test_what_is_no_layer_versions_arn_is_told_as_such(arn: str) -> None:
    with pytest.raises(InvalidInputError, match="is no layer version's ARN"):
        split_arn(arn)


def test_a_marker_is_read_back_behind_what_a_person_wrote() -> None:
    marker = Marker.of("acme/urn:pulumi:dev::app::type::deps", "abcdef", ["v2"])
    for text in ("", "what it is", "ends with [brackets]"):
        metadata = replace(METADATA, description=text, marker=marker)
        assert split_description(metadata.text) == (text, marker)


def test_a_marker_tells_owners_and_triggers_apart() -> None:
    one = Marker.of("a", "abcdef", None)
    assert Marker.of("a", "abcdef", []) == one
    assert Marker.of("b", "abcdef", None).owner != one.owner
    assert Marker.of("a", "abcdef", ["x"]).generation != one.generation


def test_a_description_of_somebody_else_has_no_marker() -> None:
    text = "about [python-layer something]"
    assert split_description(text) == (text, None)


def test_a_description_is_never_longer_than_lambda_takes() -> None:
    marker = Marker.of("a", "abcdef", None)
    for length in range(DESCRIPTION_LIMIT + 1):
        text = replace(METADATA, description="d" * length, marker=marker).text
        assert len(text) <= DESCRIPTION_LIMIT
        assert text.startswith("d" * length)
