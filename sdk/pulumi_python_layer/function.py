"""The component `PythonFunction`: from a folder with a handler and a lock file to a function that runs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import pulumi
from typing_extensions import Unpack

from pulumi_python_layer.function_args import OF_ITS_VERSIONS, OF_THE_LAYER, OURS, PythonFunctionArgs
from pulumi_python_layer.function_plan import FunctionPlan
from pulumi_python_layer.layer import Build, PythonLayer
from pulumi_python_layer.package import FunctionPackage
from python_layer_provider import at_cold_start
from python_layer_provider.code import CodeArchive
from python_layer_provider.inputs import DEFAULT_PREFIX
from python_layer_provider.target import Target

if TYPE_CHECKING:
    import pulumi_aws as aws

__all__ = ["PythonFunction", "PythonFunctionArgs"]

_TOKEN = "pulumi-python-layer:index:PythonFunction"  # noqa: S105 (a resource type's name)
_FUNCTION = "aws:lambda/function:Function"
_ASSUMED_BY_LAMBDA = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


class PythonFunction(pulumi.ComponentResource):
    """A folder with a handler and a lock file as an AWS Lambda function that runs.

    The locked dependencies are a `PythonLayer` of the function's own, so that a change of the code is published in
    seconds and the layer only when the lock file changes; or they are beside the code, or elsewhere (`dependencies`).
    The code is zipped reproducibly: no change, no update.
    Region and profile follow the `aws.Provider` that the component is given.

    Attributes:
        function: The `aws.lambda_.Function`.
        layer: The layer of its dependencies; None where it has none.
        role: The `aws.iam.Role` that was made; None where one was given.
        arn: The function's ARN.
        invoke_arn: The ARN by which API Gateway invokes the function.
        function_name: The function's name in AWS.
    """

    # Only what pulumi_aws is not needed for: Pulumi evaluates these when the class is first used.
    arn: pulumi.Output[str]
    invoke_arn: pulumi.Output[str]
    function_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        args: PythonFunctionArgs | None = None,
        opts: pulumi.ResourceOptions | None = None,
        **keywords: Unpack[PythonFunctionArgs],
    ) -> None:
        """Declare a function.

        Args:
            name: The component's name in the stack; its children are named after it.
            args: What it is made from, as a dictionary.
            opts: Pulumi's options; an `aws.Provider` counts for all children.
            keywords: What it is made from, as arguments.

        Raises:
            pulumi.RunError: Something is wrong with what it is made from; names all of it, in preview.
        """
        _need_pulumi_aws()
        super().__init__(_TOKEN, name, {}, opts)
        given = cast("PythonFunctionArgs", {**(args or {}), **keywords})
        plan = FunctionPlan(name, given)
        for warning in plan.warnings:
            pulumi.log.warn(warning, self)
        around = self._around(given.get("region"))
        self.layer = _layer(name, plan, around)
        plan.check_layers(self.layer)
        package = _package(name, plan, around)
        self.role = None if "role" in given else _role(name, given, around)
        self.function = _function(name, plan, self.layer or package, self.role, around.child)
        self.arn = self.function.arn
        self.invoke_arn = self.function.invoke_arn
        self.function_name = self.function.name
        self.register_outputs({"arn": self.arn, "invoke_arn": self.invoke_arn, "function_name": self.function_name})

    def _around(self, region: pulumi.Input[str] | None) -> _Around:
        provider = self.get_provider(_FUNCTION)
        return _Around(
            region=region or getattr(provider, "region", None),
            profile=getattr(provider, "profile", None),
            child=pulumi.ResourceOptions(parent=self),
        )


@dataclass(frozen=True, kw_only=True)
class _Around:
    """What all children of a component have in common."""

    region: pulumi.Input[str] | None
    profile: pulumi.Input[str] | None
    child: pulumi.ResourceOptions


def _need_pulumi_aws() -> None:
    """See that pulumi_aws is there, which only a program with a function has to have."""
    if find_spec("pulumi_aws") is None:
        raise pulumi.RunError("PythonFunction needs pulumi_aws\nhint: pip install 'pulumi-python-layer[aws]'")


def _role(name: str, given: PythonFunctionArgs, around: _Around) -> aws.iam.Role:
    """A role that may do what every function has to, and no more."""
    import pulumi_aws as aws  # noqa: PLC0415 (13 MB of Python, loaded when used)

    policy = "AWSLambdaVPCAccessExecutionRole" if given.get("vpc_config") else "AWSLambdaBasicExecutionRole"
    role = aws.iam.Role(
        f"{name}-role", assume_role_policy=_ASSUMED_BY_LAMBDA, tags=given.get("tags"), opts=around.child
    )
    region = around.region or pulumi.Config("aws").get("region") or os.environ.get("AWS_REGION") or ""
    arn = pulumi.Output.from_input(region).apply(
        lambda known: f"arn:{_partition(known or '')}:iam::aws:policy/service-role/{policy}"
    )
    aws.iam.RolePolicyAttachment(f"{name}-logs", role=role.name, policy_arn=arn, opts=around.child)
    return role


def _partition(region: str) -> str:
    """The partition of a region: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html."""
    return next((f"aws-{name}" for name in ("cn", "us-gov") if region.startswith(f"{name}-")), "aws")


def _layer(name: str, plan: FunctionPlan, around: _Around) -> PythonLayer | None:
    """The layer of the function's dependencies."""
    if plan.how != "layer" or plan.target is None:
        return None
    given = plan.given
    options: dict[str, Any] = {
        key: given[key]  # type: ignore[literal-required]
        for key in (*OF_THE_LAYER, *OF_ITS_VERSIONS)
        if key in given
    }
    return PythonLayer(
        f"{name}-deps",
        around.child,
        requirements=given.get("requirements") or os.fspath(given["entry"]),
        runtime=plan.target.runtime,
        architecture=plan.target.architecture,
        region=around.region,
        profile=around.profile,
        **options,
    )


def _package(name: str, plan: FunctionPlan, around: _Around) -> FunctionPackage | None:
    """The function's code with its dependencies beside it."""
    if plan.how != "code" or plan.locked is None or plan.code is None:
        return None
    return FunctionPackage(
        f"{name}-package",
        around.child,
        plan=plan.locked,
        code=plan.code,
        build=plan.given.get("build") or Build(),
        s3_bucket=plan.given["s3_bucket"],
        s3_prefix=plan.given.get("s3_prefix", DEFAULT_PREFIX),
        max_size=plan.given.get("max_size"),
        region=around.region,
        profile=around.profile,
    )


def _function(
    name: str,
    plan: FunctionPlan,
    dependencies: PythonLayer | FunctionPackage | None,
    role: aws.iam.Role | None,
    child: pulumi.ResourceOptions,
) -> aws.lambda_.Function:
    import pulumi_aws as aws  # noqa: PLC0415 (13 MB of Python, loaded when used)

    given, target = plan.given, cast("Target", plan.target)
    own = [dependencies] if isinstance(dependencies, PythonLayer) else []
    layers = [one.arn if isinstance(one, PythonLayer) else one for one in (*own, *given.get("layers", ()))]
    passed: dict[str, Any] = {key: value for key, value in given.items() if key not in OURS}
    return aws.lambda_.Function(
        name,
        aws.lambda_.FunctionArgs(
            architectures=[target.architecture],
            handler=at_cold_start.HANDLER if plan.how == "at-cold-start" else plan.handler,
            name=given.get("function_name"),
            layers=layers,
            role=role.arn if role else given["role"],
            runtime=target.runtime,
            **_code(plan, dependencies),
            **passed,
        ),
        child,
    )


def _code(plan: FunctionPlan, dependencies: PythonLayer | FunctionPackage | None) -> dict[str, Any]:
    """Where the function's code is: in a zip on this machine, or in a bucket."""
    if isinstance(dependencies, FunctionPackage):
        # By an output, so that the function waits for the object, whose name is known before.
        return {"s3_bucket": dependencies.s3_bucket, "s3_key": dependencies.s3_key}
    code = cast("CodeArchive", plan.code)
    return {"code": pulumi.FileArchive(str(code.path)), "source_code_hash": code.code_sha256}
