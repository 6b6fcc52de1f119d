"""Pulumi's protocol: check, diff, create, read, update and delete of a layer version.

The path of `LayerProvider` stands in every stack's state: it never moves, and it carries no attributes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown

from python_layer_provider import inputs, publish
from python_layer_provider.build import build_layer, workspace
from python_layer_provider.changes import package_changes
from python_layer_provider.errors import InvalidInputError
from python_layer_provider.estimate import size_line
from python_layer_provider.inputs import LayerInputs
from python_layer_provider.layer_version import region_of_arn
from python_layer_provider.plan import LayerPlan
from python_layer_provider.publish import AwsSettings
from python_layer_provider.rpc import engine_call
from python_layer_provider.settings import BuildSettings, image_template

# What the stack's configuration may say to this provider. The AWS keys are those of pulumi-aws.
_CONFIG = (
    "aws:region",
    "aws:profile",
    "aws:accessKey",
    "aws:secretKey",
    "aws:token",
    "aws:endpoints",
    "aws:assumeRole",
    "aws:assumeRoles",
    "python-layer:image",
)


class LayerProvider(ResourceProvider):
    """The life of a layer version; the resource's id is the version's ARN."""

    # What is pickled is this class's path and nothing else: nothing in it is secret.
    serialize_as_secret_always = False
    _config: Mapping[str, str] = MappingProxyType({})

    def configure(self, req: ConfigureRequest) -> None:
        """Take the stack's configuration; runs once in a process, on the unpickled object."""
        found = {key: req.config.get(key) for key in _CONFIG}
        self._config = {key: value for key, value in found.items() if value}

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Report all that is wrong with the inputs, the constructor's findings included."""
        found = inputs.failures({key: value for key, value in news.items() if not _unknown(value)})
        if not found and not _olds and not _unknown(news.get("packages")):
            count = len(news.get("packages") or {})
            self._tell(f"{count} package{'' if count == 1 else 's'}", news, once=True)
        return CheckResult(
            inputs.normalised(news), [CheckFailure(failure.input_name, failure.reason) for failure in found]
        )

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Answer always: changed bytes or metadata replace, retention updates, everything else is no change."""
        olds, news = _olds, _news
        replaces = inputs.replaced_by(olds, news, unknown=_unknown)
        updates = inputs.updated_by(olds, news)
        if replaces and not _unknown(news.get("packages")):
            changes = package_changes(olds.get("packages") or {}, news.get("packages") or {})
            if changes:
                self._tell(", ".join(map(str, changes)), news)
        return DiffResult(changes=bool(replaces or updates), replaces=replaces, delete_before_replace=False)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Build, verify, publish; what fails leaves nothing behind."""
        with engine_call() as progress, workspace() as folder:
            wanted = LayerInputs.of(props)
            aws = self._aws(wanted.region, wanted.profile)
            publish.check_session(aws)
            images = image_template(self._config.get("python-layer:image"), os.environ)
            settings = BuildSettings(image_template=images, timeout=wanted.timeout)
            archive = build_layer(wanted.plan, settings, folder, progress).archive
            version = publish.publish_layer_version(archive, wanted.metadata, aws, progress)
            outs = {
                **inputs.outputs(props, version),
                "region": region_of_arn(version.arn),
                "unpacked_size": archive.unpacked_size,
                "image_digest": archive.image_digest,
            }
            return CreateResult(version.arn, outs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look the version up in AWS; only a definite "not found" drops it from the state."""
        with engine_call():
            region = region_of_arn(id_)
            version = publish.read_layer_version(id_, self._aws(region, props.get("profile")))
            if version is None:
                if "arn" not in props:
                    # Not a refresh, which knows the version from its state, but `PythonLayer.get`.
                    raise InvalidInputError(f"There is no layer version `{id_}`", hint="check region, name and version")
                return ReadResult("", {})
            found = {
                "layer_name": version.layer_arn.rpartition(":")[2],
                "description": version.description or None,
                "license_info": version.license_info or None,
                "compatible_runtimes": sorted(version.compatible_runtimes),
                "compatible_architectures": sorted(version.compatible_architectures),
                "region": region,
            }
            return ReadResult(id_, {**inputs.outputs(props, version), **found})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Take over what only concerns the version's later life; AWS is not asked."""
        # What the program no longer says does not arrive at all, and would stay in the state for good.
        return UpdateResult({**_olds, **dict.fromkeys(inputs.UPDATING), **inputs.visible(_news)})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete the version, where the outputs say it is; what is gone is no error."""
        if _props.get("skip_destroy"):
            return
        with engine_call():
            region = region_of_arn(_id)
            publish.delete_layer_version(_id, self._aws(region, _props.get("profile")))

    def _tell(self, what: str, props: Mapping[str, Any], *, once: bool = False) -> None:
        """Say a line under the resource, with the layer's size where the lock file lets it be estimated."""
        plan = props.get(inputs.PLAN)
        size = size_line(LayerPlan.from_json(plan)) if isinstance(plan, str) else ""
        with engine_call() as progress:
            # A layer that is replaced is checked once more, as if it were new.
            if not (once and progress.urn in _TOLD):
                progress.info(f"{what} ({size})" if size else what)
            _TOLD.add(progress.urn)

    def _aws(self, region: str | None, profile: str | None) -> AwsSettings:
        return AwsSettings.of(self._config, region=region, profile=profile)


# The resources of this run of which something was said.
_TOLD: set[str] = set()


def _unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_unknown, value.values()))
    return any(map(_unknown, value)) if isinstance(value, list) else isinstance(value, Unknown)
