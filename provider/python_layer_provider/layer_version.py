"""A layer version: what it says of itself, what AWS tells of it, and by what its owner knows it again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from python_layer_provider.errors import InvalidInputError

_ARN_PARTS = 8
# https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html
DESCRIPTION_LIMIT = 256
"""Characters that a description may have."""
_MARKER = re.compile(
    r" ?\[python-layer (?P<owner>[0-9a-f]{10})\.(?P<lineage>[0-9a-f]{6})\.(?P<generation>[0-9a-f]{4})\]$"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Marker:
    """Who published a layer version, at the end of its description: AWS has no tags for layer versions."""

    owner: str
    """Of the resource: organization, project, stack and name."""
    lineage: str
    """Of its state, made with the first version; a state that is lost begins another one."""
    generation: str
    """Of the `triggers`, by which the same content is wanted anew."""

    @classmethod
    def of(cls, owner: str, lineage: str, triggers: Sequence[Any] | None) -> Marker:
        """The marker of a resource, with `lineage` as it stands in the state."""
        return cls(owner=_digest(owner)[:10], lineage=lineage, generation=_digest(triggers or [])[:4])

    def __str__(self) -> str:
        return f"[python-layer {self.owner}.{self.lineage}.{self.generation}]"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def split_description(text: str) -> tuple[str, Marker | None]:
    """A description as AWS has it: what a person has written, and whose the version is where that is known."""
    found = _MARKER.search(text)
    return (text[: found.start()], Marker(**found.groupdict())) if found else (text, None)


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
    """Without the marker."""
    license_info: str
    compatible_runtimes: tuple[str, ...]
    compatible_architectures: tuple[str, ...]
    marker: Marker | None = None
    """Whose it is; None where somebody else published it, or where there was no room for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerMetadata:
    """What a layer version says of itself; immutable once published."""

    layer_name: str
    description: str | None
    license_info: str | None
    compatible_runtimes: tuple[str, ...]
    compatible_architectures: tuple[str, ...]
    marker: Marker | None = None

    @property
    def text(self) -> str:
        """The description as it is published: with the marker where there is room for it."""
        parts = [self.description] if self.description else []
        marked = " ".join([*parts, str(self.marker)]) if self.marker else " ".join(parts)
        return marked if len(marked) <= DESCRIPTION_LIMIT else " ".join(parts)

    def told_by(self, version: LayerVersion) -> bool:
        """Whether a version says all of this, whoever began its state."""
        said, wanted = version.marker, self.marker
        return (
            said is not None
            and wanted is not None
            and (said.owner, said.generation) == (wanted.owner, wanted.generation)
            and version.description == (self.description or "")
            and version.license_info == (self.license_info or "")
            and set(version.compatible_runtimes) == set(self.compatible_runtimes)
            and set(version.compatible_architectures) == set(self.compatible_architectures)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Permission:
    """Who else may use a layer version: https://docs.aws.amazon.com/lambda/latest/api/API_AddLayerVersionPermission.html."""

    principal: str
    """An account's number, or `*`."""
    organization_id: str | None = None
    """With the principal `*`: only accounts of this organization."""

    @property
    def statement_id(self) -> str:
        """The statement's name in the version's policy; tells ours from others'."""
        return f"{STATEMENT_PREFIX}{_digest([self.principal, self.organization_id])[:16]}"


STATEMENT_PREFIX = "python-layer-"
"""What the names of our statements in a policy begin with."""


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
