"""A layer version: what it says of itself, and what AWS tells of it."""

from __future__ import annotations

from dataclasses import dataclass

from python_layer_provider.errors import InvalidInputError

_ARN_PARTS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerVersion:
    """A layer version as AWS tells of it."""

    arn: str
    layer_arn: str
    version: str
    code_sha256: str
    code_size: int
    created_date: str
    description: str
    license_info: str
    compatible_runtimes: tuple[str, ...]
    compatible_architectures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerMetadata:
    """What a layer version says of itself; immutable once published."""

    layer_name: str
    description: str | None
    license_info: str | None
    compatible_runtimes: tuple[str, ...]
    compatible_architectures: tuple[str, ...]


def split_arn(arn: str) -> tuple[str, int]:
    """A layer version's ARN as the layer's ARN and the version.

    Raises:
        InvalidInputError: It is no layer version's ARN.
    """
    layer_arn, _, version = arn.rpartition(":")
    parts = arn.split(":")
    if len(parts) != _ARN_PARTS or parts[5] != "layer" or not version.isdecimal():
        raise InvalidInputError(
            f"`{arn}` is no layer version's ARN",
            hint="it looks like arn:aws:lambda:eu-west-1:123456789012:layer:name:3, with the version at its end",
        )
    return layer_arn, int(version)


def region_of_arn(arn: str) -> str:
    """The region in a layer version's ARN."""
    layer_arn, _ = split_arn(arn)
    return layer_arn.split(":")[3]
