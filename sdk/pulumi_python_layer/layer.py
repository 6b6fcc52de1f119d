"""The resource `PythonLayer`: its typed inputs and outputs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from inspect import isawaitable
from pathlib import Path
from typing import Any, TypeVar

import pulumi
from pulumi.dynamic import Resource

from pulumi_python_layer.findings import of_this_run
from python_layer_provider import inputs
from python_layer_provider.errors import InputError
from python_layer_provider.inputs import Failure
from python_layer_provider.lockfile import read_lockfile
from python_layer_provider.lockfile.problem import masked
from python_layer_provider.plan import LayerPlan
from python_layer_provider.planning import plan_layer
from python_layer_provider.provider import LayerProvider
from python_layer_provider.publish import region_of
from python_layer_provider.settings import DEFAULT_TIMEOUT
from python_layer_provider.target import DEFAULT_ARCHITECTURE, DEFAULT_RUNTIME, Target

_T = TypeVar("_T")
# Made by the provider: unknown in preview while something changes.
_OUTPUTS = (
    "arn",
    "arns",
    "retained_arns",
    "layer_arn",
    "version",
    "code_sha256",
    "source_code_hash",
    "source_code_size",
    "created_date",
    "unpacked_size",
    "image_digest",
)


@dataclass(frozen=True, kw_only=True)
class Build:
    """How a layer is built.

    Args:
        image: The image in which pip runs; its architecture and Python have to be the layer's.
            Part of the content hash, by name. Defaults to AWS SAM's build image of the runtime, or to the
            mirror of it that the configuration `python-layer:image` or the environment variable
            `PYTHON_LAYER_IMAGE` names.
        timeout: Seconds after which the build is given up. Defaults to 1800.
    """

    image: pulumi.Input[str] | None = None
    timeout: float = DEFAULT_TIMEOUT


@dataclass(frozen=True, kw_only=True)
class LayerPermission:
    """Who else may use a layer's versions.

    Args:
        principal: An account's number, or `*` for every account.
        organization_id: With the principal `*`: only accounts of this organization.
    """

    principal: pulumi.Input[str]
    organization_id: pulumi.Input[str] | None = None


class PythonLayer(Resource, module="python_layer", name="PythonLayer"):
    """Locked Python dependencies, published as an AWS Lambda layer version.

    A preview needs no container engine and makes no call to AWS: it reads the lock file, and tells by name which
    packages change. An update installs them in a container that is like the Lambda runtime, zips them
    reproducibly, checks them against the runtime and publishes. The former version is deleted after the
    functions that use the layer have moved on.

    Attributes:
        arn: The ARN of the layer version, with the version; what a function's `layers` takes.
        arns: Region to the ARN of the version there, for each of `regions` and the layer's own.
        retained_arns: The ARNs of earlier versions that are kept, newest first.
        layer_arn: The ARN of the layer, without the version.
        version: The version's number.
        content_hash: The hash of what is installed, known in preview; decides whether anything changes.
        packages: Distribution name to version, known in preview.
        code_sha256: SHA-256 of the zip in base64, as AWS tells it.
        source_code_hash: The same, under pulumi-aws's name for it.
        source_code_size: Bytes of the zip.
        unpacked_size: Bytes of the layer, unzipped; Lambda's limit is 262,144,000 for a function and its layers.
        image_digest: The digest of the image in which pip ran.
        created_date: When the version was published, ISO 8601.
        layer_name: The layer's name.
        region: The version's region.
    """

    arn: pulumi.Output[str]
    arns: pulumi.Output[Mapping[str, str]]
    retained_arns: pulumi.Output[Sequence[str]]
    layer_arn: pulumi.Output[str]
    version: pulumi.Output[str]
    content_hash: pulumi.Output[str]
    packages: pulumi.Output[Mapping[str, str]]
    code_sha256: pulumi.Output[str]
    source_code_hash: pulumi.Output[str]
    source_code_size: pulumi.Output[int]
    unpacked_size: pulumi.Output[int]
    image_digest: pulumi.Output[str]
    created_date: pulumi.Output[str]
    layer_name: pulumi.Output[str]
    description: pulumi.Output[str | None]
    license_info: pulumi.Output[str | None]
    compatible_runtimes: pulumi.Output[Sequence[str]]
    compatible_architectures: pulumi.Output[Sequence[str]]
    runtime: pulumi.Output[str]
    architecture: pulumi.Output[str]
    region: pulumi.Output[str]
    regions: pulumi.Output[Sequence[str] | None]
    permissions: pulumi.Output[Sequence[Mapping[str, str]] | None]
    s3_bucket: pulumi.Output[str | Mapping[str, str] | None]
    s3_prefix: pulumi.Output[str | None]
    max_size: pulumi.Output[int | None]
    keep_versions: pulumi.Output[int | None]
    delete_unused_only: pulumi.Output[bool | None]
    skip_destroy: pulumi.Output[bool | None]

    def __init_subclass__(cls, **_: object) -> None:
        """Keep the type token: a subclass of a program is the same resource in the state."""
        super().__init_subclass__(module="python_layer", name="PythonLayer")

    def __init__(  # noqa: PLR0913 (a resource has as many inputs as it has)
        self,
        resource_name: str,
        opts: pulumi.ResourceOptions | None = None,
        *,
        requirements: pulumi.Input[str | os.PathLike[str] | Sequence[pulumi.Input[str]]],
        runtime: pulumi.Input[str] = DEFAULT_RUNTIME,
        architecture: pulumi.Input[str] = DEFAULT_ARCHITECTURE,
        groups: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        extras: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        omit_runtime_packages: bool = False,
        strict: bool = False,
        layer_name: pulumi.Input[str] | None = None,
        description: pulumi.Input[str] | None = None,
        license_info: pulumi.Input[str] | None = None,
        compatible_runtimes: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        compatible_architectures: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        build: Build | None = None,
        region: pulumi.Input[str] | None = None,
        profile: pulumi.Input[str] | None = None,
        regions: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        permissions: Sequence[LayerPermission] | None = None,
        s3_bucket: pulumi.Input[str] | Mapping[str, pulumi.Input[str]] | None = None,
        s3_prefix: pulumi.Input[str] | None = None,
        max_size: int | None = None,
        keep_versions: pulumi.Input[int] | None = None,
        delete_unused_only: pulumi.Input[bool] | None = None,
        skip_destroy: pulumi.Input[bool] | None = None,
        triggers: pulumi.Input[Sequence[Any]] | None = None,
    ) -> None:
        """Declare a layer.

        Args:
            resource_name: The resource's name in the stack.
            opts: Pulumi's options.
            requirements: A lock file (`uv.lock`, `poetry.lock`, `Pipfile.lock`, `pylock.toml`, `requirements.txt`), a
                folder that holds one, a member of a uv workspace, or a list of pins such as
                `["requests==2.32.3"]`. Paths are relative to the program's folder.
            runtime: Lambda's identifier of the runtime. Defaults to `python3.13`.
            architecture: `x86_64` or `arm64`. Defaults to `x86_64`.
            groups: Dependency groups (Pipfile: categories) to install beside the main one. Defaults to none:
                development groups stay out.
            extras: Extras of the project to install. Defaults to none.
            omit_runtime_packages: Whether boto3 and what comes with it, which Lambda's runtime has anyway, stays out.
            strict: Whether a requirement that is not locked is an error instead of a warning, and a lock file that is
                older than its project.
            layer_name: Defaults to `<project>-<stack>-<resource_name>`; a resource that an alias renames keeps it.
            description: Shown in the console; at most 256 characters.
            license_info: An SPDX identifier, a URL or the licence's text; at most 512 characters.
            compatible_runtimes: What the layer declares itself fit for. Defaults to `[runtime]`.
            compatible_architectures: What the layer declares itself fit for. Defaults to `[architecture]`.
            build: How the layer is built.
            region: Defaults to `aws:region`, `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's; in this order.
            profile: Defaults to `aws:profile`, `AWS_PROFILE`.
            regions: Further regions to publish in, from the same build; `arns` has the ARN in each.
            permissions: Who else may use the layer: applied to each new version and to the kept ones.
            s3_bucket: A bucket through which the zip travels, in the layer's region: needed above 50 MB, and what one
                machine has built, every other one publishes from there without a build. With `regions`, a bucket by
                region.
            s3_prefix: What the names of its objects begin with. Defaults to `python-layers/`.
            max_size: Bytes that the layer may have, unzipped. Defaults to Lambda's limit of 262,144,000.
            keep_versions: How many earlier versions stay for a rollback; all go when the layer is destroyed.
                Defaults to 0.
            delete_unused_only: Whether an earlier version stays as long as a function in the account, in any of its
                versions, uses it; it goes with a later update.
            skip_destroy: Whether versions stay in AWS for good when they are replaced or destroyed.
            triggers: The layer is published anew when any of these values changes.

        What is wrong with the inputs or the lock file is reported by Pulumi as a failed check of this resource,
        in preview; see the errors below `InputError`.
        """
        how = build or Build()
        selected = {
            "requirements": requirements,
            "runtime": runtime,
            "architecture": architecture,
            "groups": groups or [],
            "extras": extras or [],
            "omit_runtime_packages": omit_runtime_packages,
            "strict": strict,
            "max_size": max_size,
            "in_bucket": s3_bucket is not None,
        }
        # At once where that is possible: findings are told for all layers of a program together.
        select = partial(_select, base=Path.cwd())
        known = None if _is_output(selected) else select(selected)
        selection = pulumi.Output.from_input(known) if known else pulumi.Output.from_input(selected).apply(select)
        content = pulumi.Output.all(selection, how.image).apply(lambda both: _content(*both))
        props: dict[str, Any] = {
            **dict.fromkeys(_OUTPUTS),
            "requirements": pulumi.Output.from_input(requirements).apply(_shown),
            "runtime": runtime,
            "architecture": architecture,
            "groups": groups,
            "extras": extras,
            "layer_name": layer_name or _default_name(resource_name),
            "description": description,
            "license_info": license_info,
            "compatible_runtimes": compatible_runtimes or [runtime],
            "compatible_architectures": compatible_architectures or [architecture],
            "build": {"image": how.image, "timeout": how.timeout},
            "region": region or pulumi.Config("aws").get("region") or region_of(os.environ),
            "profile": profile,
            "regions": regions,
            "permissions": [vars(permission) for permission in permissions] if permissions else None,
            "s3_bucket": s3_bucket,
            "s3_prefix": s3_prefix,
            "max_size": max_size,
            "keep_versions": keep_versions,
            "delete_unused_only": delete_unused_only,
            "skip_destroy": skip_destroy,
            "triggers": triggers,
            "packages": selection.apply(lambda found: found.plan.packages if found.plan else {}),
            "content_hash": content.apply(lambda plan: plan.content_hash() if plan else ""),
            inputs.PLAN: content.apply(travelling),
            inputs.NAMED: layer_name is not None,
            inputs.ORGANIZATION: pulumi.get_organization(),
        }
        findings = of_this_run()
        plain = {key: value for key, value in props.items() if not _is_output(value)}
        findings.note(resource_name, [*(known.failures if known else ()), *inputs.failures(plain)])
        props[inputs.PROBLEMS] = selection.apply(
            lambda found: inputs.problems(findings.told_by(resource_name, found.failures))
        )
        super().__init__(LayerProvider(), resource_name, props, opts)
        self.plan = known.plan if known else None
        """What will be installed, where that is known while the program runs; nothing of it is an output."""
        selection.apply(self._warn)
        if not props["region"] and not _profile_may_have_one(profile):
            pulumi.log.warn("No AWS region is set\nhint: pulumi config set aws:region eu-west-1", self)

    @classmethod
    def get(
        cls,
        resource_name: str,
        id: pulumi.Input[str],  # noqa: A002 (Pulumi's name for it)
        opts: pulumi.ResourceOptions | None = None,
    ) -> PythonLayer:
        """Look up a layer version that exists, published by whomever.

        Args:
            resource_name: The resource's name in the stack.
            id: The ARN of the layer version.
            opts: Pulumi's options.
        """
        layer = cls.__new__(cls)
        names = (*_OUTPUTS, *(key for key in PythonLayer.__annotations__ if key not in _OUTPUTS))
        options = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(id=id))
        Resource.__init__(layer, LayerProvider(), resource_name, dict.fromkeys(names), options)
        layer.plan = None
        return layer

    def _warn(self, found: _Selection) -> None:
        for warning in found.warnings:
            pulumi.log.warn(warning, self)


@dataclass(frozen=True, kw_only=True)
class _Selection:
    """What the lock file says for the target, or what is wrong."""

    plan: LayerPlan | None
    failures: Sequence[Failure] = ()
    warnings: Sequence[str] = ()


def _select(given: Mapping[str, Any], *, base: Path) -> _Selection:
    found: list[Failure] = []
    target = _collect(found, lambda: Target.of(given["runtime"], given["architecture"]))
    lockfile = _collect(
        found,
        lambda: read_lockfile(
            given["requirements"], base=base, environ=os.environ, groups=given["groups"], extras=given["extras"]
        ),
    )
    if not target or not lockfile:
        return _Selection(plan=None, failures=found)
    options = {key: given[key] for key in ("strict", "omit_runtime_packages", "max_size", "in_bucket")}
    planned = _collect(found, lambda: plan_layer(lockfile, target, base=base, **options))
    if not planned:
        return _Selection(plan=None, failures=found, warnings=lockfile.warnings)
    return _Selection(plan=planned.plan, warnings=planned.warnings)


def _collect(found: list[Failure], make: Callable[[], _T]) -> _T | None:
    try:
        return make()
    except InputError as error:
        found.append(inputs.failure(error))
        return None


def _content(selection: _Selection, image: str | None) -> LayerPlan | None:
    return replace(selection.plan, image=image) if selection.plan else None


def travelling(plan: LayerPlan | None) -> pulumi.Output[str]:
    """The plan on its way to the provider, encrypted in the state where its URLs hold credentials."""
    if plan is None:
        return pulumi.Output.from_input("")
    return pulumi.Output.secret(plan.to_json()) if plan.secrets else pulumi.Output.from_input(plan.to_json())


def _shown(requirements: Any) -> Any:
    """What the state shows of a lock file: what it is called, or its lines without their credentials."""
    if isinstance(requirements, (list, tuple)):
        return [masked(str(item)) for item in requirements]
    return os.fspath(requirements) if isinstance(requirements, (str, os.PathLike)) else repr(requirements)


def _is_output(value: Any) -> bool:
    """Whether some of a value is only known later."""
    if isinstance(value, Mapping):
        return any(map(_is_output, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_is_output, value))
    return isinstance(value, pulumi.Output) or isawaitable(value)


def _profile_may_have_one(profile: pulumi.Input[str] | None) -> bool:
    return bool(profile or pulumi.Config("aws").get("profile") or os.environ.get("AWS_PROFILE"))


def _default_name(resource_name: str) -> str:
    name = f"{pulumi.get_project()}-{pulumi.get_stack()}-{resource_name}"
    return re.sub(r"[^a-zA-Z0-9_-]", "-", name)
