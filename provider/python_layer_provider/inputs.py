"""Property dict to inputs and outputs and back, with all that is wrong found at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from python_layer_provider.errors import InputError
from python_layer_provider.layer_version import LayerMetadata, LayerVersion
from python_layer_provider.plan import LayerPlan
from python_layer_provider.settings import DEFAULT_TIMEOUT
from python_layer_provider.target import ARCHITECTURES

PLAN = "__plan"
"""The plan as JSON. Keys with two underscores are in no diff that a person sees."""
PROBLEMS = "__problems"
"""What the constructor found wrong, for `check` to report."""

REPLACING = (
    "content_hash",
    "layer_name",
    "description",
    "license_info",
    "compatible_runtimes",
    "compatible_architectures",
    "region",
    "triggers",
)
"""Inputs whose change publishes a new version: the bytes, and what AWS never changes in a version."""
UPDATING = ("skip_destroy", "profile")
"""Inputs whose change only concerns what happens to the version later."""

# https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LIMITS = {"description": 256, "license_info": 512}
_RUNTIMES_LIMIT = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """An input that cannot be."""

    input_name: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerInputs:
    """What a layer is made from."""

    plan: LayerPlan
    metadata: LayerMetadata
    region: str | None
    profile: str | None
    timeout: float

    @classmethod
    def of(cls, props: Mapping[str, Any]) -> LayerInputs:
        """The inputs in the properties that `check` has passed."""
        build = props.get("build") or {}
        return cls(
            plan=LayerPlan.from_json(props[PLAN]),
            metadata=LayerMetadata(
                layer_name=props["layer_name"],
                description=props.get("description"),
                license_info=props.get("license_info"),
                compatible_runtimes=tuple(props["compatible_runtimes"]),
                compatible_architectures=tuple(props["compatible_architectures"]),
            ),
            region=props.get("region"),
            profile=props.get("profile"),
            timeout=build.get("timeout") or DEFAULT_TIMEOUT,
        )


def normalised(props: Mapping[str, Any]) -> dict[str, Any]:
    """The properties with lists that mean sets in one order."""
    return {
        key: sorted(value) if key.startswith("compatible_") and _strings(value) else value
        for key, value in props.items()
    }


def failures(props: Mapping[str, Any]) -> list[Failure]:
    """All that is wrong with the inputs that are known, the constructor's findings first."""
    return [
        *(Failure(input_name=name, reason=reason) for name, reason in json.loads(props.get(PROBLEMS) or "[]")),
        *_metadata_failures(props),
    ]


def failure(error: InputError) -> Failure:
    """An error of the constructor's as a failed check."""
    return Failure(input_name=error.input_name or "requirements", reason=str(error))


def problems(found: Sequence[Failure]) -> str | None:
    """The constructor's findings as the property `PROBLEMS`; None where there are none."""
    return json.dumps([[failure.input_name, failure.reason] for failure in found]) if found else None


def replaced_by(olds: Mapping[str, Any], news: Mapping[str, Any], *, unknown: Callable[[Any], bool]) -> list[str]:
    """The inputs whose change asks for a new version. What is not known yet counts as changed."""
    return [key for key in REPLACING if unknown(news.get(key)) or _changed(key, olds, news)]


def updated_by(olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """The inputs whose change is taken over without a new version."""
    return [key for key in UPDATING if (olds.get(key) or None) != (news.get(key) or None)]


def outputs(props: Mapping[str, Any], version: LayerVersion) -> dict[str, Any]:
    """The properties that are kept in the state: the inputs, and what AWS says of the version."""
    return {
        **visible(props),
        "arn": version.arn,
        "layer_arn": version.layer_arn,
        "version": version.version,
        "code_sha256": version.code_sha256,
        "source_code_hash": version.code_sha256,
        "source_code_size": version.code_size,
        "created_date": version.created_date,
    }


def visible(props: Mapping[str, Any]) -> dict[str, Any]:
    """The properties without those that only travel from constructor to provider."""
    return {key: value for key, value in props.items() if not key.startswith("__")}


def _changed(key: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    old, new = olds.get(key) or None, news.get(key) or None
    if key == "region" and new is None:
        # Nobody names a region any more: the version stays where it is.
        return False
    if key == "content_hash" and old and new and old != new:
        return _other_content(old, olds, news)
    return bool(old != new)


def _other_content(old: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    """Whether the contents differ, by the recipe with which the old hash was made."""
    recipe = int(old.partition(":")[0])
    try:
        return LayerPlan.from_json(news[PLAN]).content_hash(recipe) != old
    except KeyError:
        # A later release has written the state: what both understand has to do.
        return any(olds.get(key) != news.get(key) for key in ("packages", "runtime", "architecture"))


def _metadata_failures(props: Mapping[str, Any]) -> Iterator[Failure]:
    name = props.get("layer_name")
    if isinstance(name, str) and not _NAME.fullmatch(name):
        yield Failure(
            input_name="layer_name",
            reason=f"`{name}` is no layer name: Lambda takes 1 to 64 letters, digits, hyphens and underscores\n"
            'hint: layer_name="a-shorter-name" [PYL-INPUT-INVALID]',
        )
    for key, limit in _LIMITS.items():
        text = props.get(key)
        if isinstance(text, str) and len(text) > limit:
            yield Failure(
                input_name=key,
                reason=f"{len(text)} characters; Lambda takes {limit}\nhint: shorten it [PYL-INPUT-INVALID]",
            )
    yield from _compatible_failures(props)


def _compatible_failures(props: Mapping[str, Any]) -> Iterator[Failure]:
    runtimes, runtime = props.get("compatible_runtimes"), props.get("runtime")
    if _strings(runtimes) and (len(runtimes) > _RUNTIMES_LIMIT or (runtime and runtime not in runtimes)):
        yield Failure(
            input_name="compatible_runtimes",
            reason=f"has to name `{runtime}`, which the layer is built for, and at most {_RUNTIMES_LIMIT} runtimes\n"
            f'hint: compatible_runtimes=["{runtime}"] [PYL-INPUT-INVALID]',
        )
    architectures, architecture = props.get("compatible_architectures"), props.get("architecture")
    if _strings(architectures) and (
        not set(architectures) <= {*ARCHITECTURES, architecture} or (architecture and architecture not in architectures)
    ):
        yield Failure(
            input_name="compatible_architectures",
            reason=f"has to name `{architecture}`, which the layer is built for, and none "
            f'but {", ".join(ARCHITECTURES)}\nhint: compatible_architectures=["{architecture}"] [PYL-INPUT-INVALID]',
        )


def _strings(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
