"""The component `PythonFunction`: from a folder with a handler and a lock file to a function that runs."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, cast

import pulumi
from typing_extensions import Unpack

from pulumi_python_layer.layer import Build, PythonLayer
from python_layer_provider.build.cache import code_folder
from python_layer_provider.code import CodeArchive, pack_code
from python_layer_provider.errors import InputError, InvalidInputError
from python_layer_provider.estimate import estimated_size
from python_layer_provider.handler import check_handler
from python_layer_provider.limits import UNZIPPED_LIMIT
from python_layer_provider.project_files import repository
from python_layer_provider.target import DEFAULT_ARCHITECTURE, DEFAULT_RUNTIME, Target

if TYPE_CHECKING:
    import pulumi_aws as aws

_T = TypeVar("_T")
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_LAYERS_LIMIT = 5
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
    dependencies: Literal["layer", "none"]
    """Whether the locked dependencies become a layer of the function's own, or there are none. Defaults to `layer`."""
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


_OURS = (
    *("entry", "index", "handler", "runtime", "architecture", "exclude", "dependencies", "requirements"),
    *("groups", "extras", "omit_runtime_packages", "strict", "build", "layers", "role", "function_name"),
)
_OF_THE_LAYER = ("groups", "extras", "omit_runtime_packages", "strict", "build")


class PythonFunction(pulumi.ComponentResource):
    """A folder with a handler and a lock file as an AWS Lambda function that runs.

    The locked dependencies are a `PythonLayer` of the function's own, so that a change of the code is published in
    seconds and the layer only when the lock file changes. The code is zipped reproducibly: no change, no update.
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
        plan = _Plan(name, given)
        child = pulumi.ResourceOptions(parent=self)
        provider = self.get_provider(_FUNCTION)
        region = given.get("region") or getattr(provider, "region", None)
        self.layer = plan.layer(child, region, getattr(provider, "profile", None))
        plan.check_layers(self.layer)
        self.role = None if "role" in given else _role(name, given, region, child)
        self.function = _function(name, plan, self.layer, self.role, child)
        self.arn = self.function.arn
        self.invoke_arn = self.function.invoke_arn
        self.function_name = self.function.name
        self.register_outputs({"arn": self.arn, "invoke_arn": self.invoke_arn, "function_name": self.function_name})


class _Plan:
    """What the arguments come to, with all that is wrong with them found at once."""

    def __init__(self, name: str, given: PythonFunctionArgs) -> None:
        self._name = name
        self.given = given
        self._problems: list[str] = []
        for key in given:
            self._try(lambda key=key: _check_known(key))  # type: ignore[misc]
        self.entry = self._try(lambda: _entry(given))
        self.target = self._try(
            lambda: Target.of(given.get("runtime", DEFAULT_RUNTIME), given.get("architecture", DEFAULT_ARCHITECTURE))
        )
        self.handler = self._try(self._check_handler) if self.entry else None
        self.code = self._try(self._pack) if self.entry else None
        self._try(self._check_dependencies)
        self._refuse()

    def layer(
        self, child: pulumi.ResourceOptions, region: pulumi.Input[str] | None, profile: pulumi.Input[str] | None
    ) -> PythonLayer | None:
        """Declare the layer of the function's dependencies."""
        if self.given.get("dependencies") == "none" or self.target is None:
            return None
        options: dict[str, Any] = {key: self.given[key] for key in _OF_THE_LAYER if key in self.given}  # type: ignore[literal-required]
        return PythonLayer(
            f"{self._name}-deps",
            child,
            requirements=self.given.get("requirements") or os.fspath(self.given["entry"]),
            runtime=self.target.runtime,
            architecture=self.target.architecture,
            region=region,
            profile=profile,
            **options,
        )

    def check_layers(self, own: PythonLayer | None) -> None:
        """See that all layers together are what Lambda takes, as far as that is known in preview."""
        layers = [*([own] if own else []), *self.given.get("layers", ())]
        if len(layers) > _LAYERS_LIMIT:
            self._problems.append(
                f"`layers`: {len(layers)} layers, the function's own among them; Lambda takes {_LAYERS_LIMIT}\n"
                "hint: lock what belongs together in one layer [PYL-INPUT-INVALID]"
            )
        known = [layer for layer in layers if isinstance(layer, PythonLayer)]
        self._problems.extend(_misfits(known, self.target))
        self._problems.extend(self._too_large(known, all_known=len(known) == len(layers)))
        self._refuse()

    def _too_large(self, layers: Sequence[PythonLayer], *, all_known: bool) -> Iterator[str]:
        sizes = [estimated_size(layer.plan) if layer.plan else None for layer in layers]
        total = sum(size or 0 for size in sizes) + (self.code.unpacked_size if self.code else 0)
        if total > UNZIPPED_LIMIT:
            least = "about" if all_known and None not in sizes else "at least about"
            yield (
                f"`layers`: the function and its layers take {least} {total / 1e6:.0f} MB unzipped; "
                f"Lambda takes {UNZIPPED_LIMIT / 1e6:.0f} MB\n"
                "hint: leave out what is not needed at run time [PYL-INPUT-INVALID]"
            )

    def _check_handler(self) -> str:
        index, handler = self.given.get("index", "index.py"), self.given.get("handler", "handler")
        exclude = self.given.get("exclude", ())
        return check_handler(cast("Path", self.entry), index, handler, target=self.target, exclude=exclude)

    def _pack(self) -> CodeArchive:
        return pack_code(cast("Path", self.entry), code_folder(), exclude=self.given.get("exclude", ()))

    def _check_dependencies(self) -> None:
        how = self.given.get("dependencies", "layer")
        if how not in ("layer", "none"):
            raise InvalidInputError(
                f"`dependencies` is `{how}`", hint='use "layer" or "none"', input_name="dependencies"
            )

    def _try(self, make: Callable[[], _T]) -> _T | None:
        try:
            return make()
        except InputError as error:
            where = f"`{error.input_name}`: " if error.input_name else ""
            self._problems.append(f"{where}{error}")
            return None

    def _refuse(self) -> None:
        if self._problems:
            raise pulumi.RunError("\n".join([f"PythonFunction `{self._name}`:", *self._problems]))


def _check_known(key: str) -> None:
    known = PythonFunctionArgs.__annotations__
    if key not in known:
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean `{close[0]}`" if close else "it takes the arguments of aws.lambda_.Function and its own"
        raise InvalidInputError("there is no such argument", hint=hint, input_name=key)


def _entry(given: PythonFunctionArgs) -> Path:
    entry = given.get("entry")
    if not entry:
        raise InvalidInputError("the folder with the handler is missing", hint='entry="app"', input_name="entry")
    base, path = Path.cwd().resolve(), Path(entry)
    place = (base / path).resolve()
    if not place.is_dir():
        raise InvalidInputError(
            f"no such folder: `{os.fspath(entry)}`", hint=f"relative paths start at `{base}`", input_name="entry"
        )
    project = repository(base)
    if not place.is_relative_to(project):
        raise InvalidInputError(
            f"`{os.fspath(entry)}` is outside of the project `{project}`",
            hint="what is there may change without anybody's review: move it into the project",
            input_name="entry",
        )
    return place


def _need_pulumi_aws() -> None:
    """See that pulumi_aws is there, which only a program with a function has to have."""
    if find_spec("pulumi_aws") is None:
        raise pulumi.RunError("PythonFunction needs pulumi_aws\nhint: pip install 'pulumi-python-layer[aws]'")


def _misfits(layers: Sequence[PythonLayer], target: Target | None) -> Iterator[str]:
    """Layers that are built for another target than the function's."""
    for layer in layers:
        built = layer.plan.target if layer.plan else None
        if built and target and built != target:
            yield (
                f"`layers`: the layer `{layer.pulumi_resource_name}` is built for {built.runtime} on "
                f"{built.architecture}, the function runs {target.runtime} on {target.architecture}\n"
                "hint: give both the same runtime and architecture [PYL-INPUT-INVALID]"
            )


def _role(
    name: str, given: PythonFunctionArgs, region: pulumi.Input[str] | None, child: pulumi.ResourceOptions
) -> aws.iam.Role:
    """A role that may do what every function has to, and no more."""
    import pulumi_aws as aws  # noqa: PLC0415 (13 MB of Python, loaded when used)

    policy = "AWSLambdaVPCAccessExecutionRole" if given.get("vpc_config") else "AWSLambdaBasicExecutionRole"
    role = aws.iam.Role(f"{name}-role", assume_role_policy=_ASSUMED_BY_LAMBDA, tags=given.get("tags"), opts=child)
    region = region or pulumi.Config("aws").get("region") or os.environ.get("AWS_REGION") or ""
    arn = pulumi.Output.from_input(region).apply(
        lambda known: f"arn:{_partition(known or '')}:iam::aws:policy/service-role/{policy}"
    )
    aws.iam.RolePolicyAttachment(f"{name}-logs", role=role.name, policy_arn=arn, opts=child)
    return role


def _partition(region: str) -> str:
    """The partition of a region: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html."""
    return next((f"aws-{name}" for name in ("cn", "us-gov") if region.startswith(f"{name}-")), "aws")


def _function(
    name: str,
    plan: _Plan,
    layer: PythonLayer | None,
    role: aws.iam.Role | None,
    child: pulumi.ResourceOptions,
) -> aws.lambda_.Function:
    import pulumi_aws as aws  # noqa: PLC0415 (13 MB of Python, loaded when used)

    given, code, target = plan.given, cast("CodeArchive", plan.code), cast("Target", plan.target)
    layers = [one.arn if isinstance(one, PythonLayer) else one for one in given.get("layers", ())]
    passed: dict[str, Any] = {key: value for key, value in given.items() if key not in _OURS}
    return aws.lambda_.Function(
        name,
        aws.lambda_.FunctionArgs(
            architectures=[target.architecture],
            code=pulumi.FileArchive(str(code.path)),
            handler=plan.handler,
            name=given.get("function_name"),
            layers=[*([layer.arn] if layer else []), *layers],
            role=role.arn if role else given["role"],
            runtime=target.runtime,
            source_code_hash=code.code_sha256,
            **passed,
        ),
        child,
    )
