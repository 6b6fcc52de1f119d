from __future__ import annotations

import pytest

from python_layer_provider.errors import InvalidInputError
from python_layer_provider.layer_version import region_of_arn, split_arn
from tests.unit.helpers import ARN


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
