"""What Lambda's Python runtimes have anyway, so that a layer need not repeat it: one table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from packaging.utils import NormalizedName, canonicalize_name

from python_layer_provider.target import RUNTIMES, Target

# "The Lambda Python runtimes include the AWS SDK for Python (Boto3) and its dependencies", in versions that AWS moves:
# https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
# Its dependencies are what boto3, botocore, s3transfer and python-dateutil declare for each of these Pythons.
_SDK = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
# Of these AWS brings new versions every few weeks.
_MOVING = frozenset(map(canonicalize_name, ("boto3", "botocore", "s3transfer")))
_PACKAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(dict.fromkeys(RUNTIMES, _SDK))


def runtime_packages(target: Target) -> frozenset[NormalizedName]:
    """The distributions that the target's runtime has, by normalised name."""
    return frozenset(map(canonicalize_name, _PACKAGES[target.runtime]))


def is_moving(name: NormalizedName) -> bool:
    """Whether AWS moves the version of a distribution so often that a bound from above will not hold for long."""
    return name in _MOVING
