"""What a `PythonFunction` is made from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

import pulumi

from pulumi_python_layer.layer import Build, PythonLayer


class PythonFunctionArgs(TypedDict, total=False):
    """What a function is made from; all that is not told here goes to `aws.lambda_.Function` as it is."""

    entry: str | os.PathLike[str]
    """The folder with the handler's code; relative to the program's folder. Required."""
    index: str
    """The file with the handler, relative to `entry`. Defaults to `index.py`."""
    handler: str
    """The handler's name in `index`, or AWS's form of both, `app.handler`. Defaults to `handler`."""
    runtime: str
    """Lambda's identifier of the runtime. Defaults to `python3.13`."""
    architecture: str
    """`x86_64` or `arm64`. Defaults to `x86_64`."""
    exclude: Sequence[str]
    """What of `entry` stays out, in the syntax of `.gitignore`; what git ignores stays out anyway."""
    dependencies: Literal["layer", "code", "at-cold-start", "none"]
    """Where the locked dependencies are: in a layer of the function's own, beside its code in `s3_bucket`, nowhere
    because the function installs them whenever it starts, for experiments, or there are none. Defaults to `layer`."""
    requirements: str | os.PathLike[str] | Sequence[str]
    """The lock file, as `PythonLayer` takes it. Defaults to the one in `entry`."""
    groups: Sequence[str]
    """As in `PythonLayer`."""
    extras: Sequence[str]
    """As in `PythonLayer`."""
    omit_runtime_packages: bool
    """As in `PythonLayer`."""
    strict: bool
    """As in `PythonLayer`."""
    build: Build
    """As in `PythonLayer`."""
    s3_bucket: pulumi.Input[str]
    """As in `PythonLayer`; with `dependencies="code"`, where the code travels through."""
    s3_prefix: str
    """As in `PythonLayer`."""
    max_size: int
    """As in `PythonLayer`."""
    keep_versions: pulumi.Input[int]
    """As in `PythonLayer`."""
    delete_unused_only: pulumi.Input[bool]
    """As in `PythonLayer`."""
    function_name: pulumi.Input[str]
    """The function's name in AWS. Defaults to the component's with a random end, as Pulumi names things."""
    layers: Sequence[PythonLayer | pulumi.Input[str]]
    """Further layers, or ARNs of layer versions; the function's own comes before them."""
    role: pulumi.Input[str]
    """The ARN of the function's role. Defaults to a role of its own that may write the function's log, and with
    `vpc_config` attach it to the network."""

    # As in aws.lambda_.Function.
    code_signing_config_arn: pulumi.Input[str]
    dead_letter_config: pulumi.Input[Any]
    description: pulumi.Input[str]
    environment: pulumi.Input[Any]
    ephemeral_storage: pulumi.Input[Any]
    file_system_config: pulumi.Input[Any]
    kms_key_arn: pulumi.Input[str]
    logging_config: pulumi.Input[Any]
    memory_size: pulumi.Input[int]
    publish: pulumi.Input[bool]
    region: pulumi.Input[str]
    replace_security_groups_on_destroy: pulumi.Input[bool]
    replacement_security_group_ids: pulumi.Input[Sequence[pulumi.Input[str]]]
    reserved_concurrent_executions: pulumi.Input[int]
    skip_destroy: pulumi.Input[bool]
    snap_start: pulumi.Input[Any]
    tags: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    timeout: pulumi.Input[int]
    tracing_config: pulumi.Input[Any]
    vpc_config: pulumi.Input[Any]


OF_THE_LAYER = ("groups", "extras", "omit_runtime_packages", "strict", "build", "max_size", "s3_bucket", "s3_prefix")
"""Arguments that the function's own layer has too, or what takes its place."""
OF_ITS_VERSIONS = ("keep_versions", "delete_unused_only")
"""Arguments that only a layer has."""
OURS = (
    *("entry", "index", "handler", "runtime", "architecture", "exclude", "dependencies", "requirements"),
    *("layers", "role", "function_name", *OF_THE_LAYER, *OF_ITS_VERSIONS),
)
"""Arguments that do not go to `aws.lambda_.Function` as they are."""
