"""Stands in for `pulumi-resource-aws`, so that tests run programs with `pulumi_aws` against the AWS emulator.

For tests only. It knows Lambda functions and their URLs, IAM roles, their policies and policy attachments, DynamoDB
tables with a hash key, and of those what such programs use: a function's code comes as a `FileArchive` or an
`AssetArchive` or from S3, not as an image; a URL brings no permissions with it; there are no tags, no published
versions and no look-ups (`get_...`). Refresh notices what is gone, and no other change made by hand.
Nothing fails here by itself: what AWS refuses is told as AWS says it, and a layer version that is not there is refused.

Run by its path, so it imports nothing of this project. The engine reads a port from its first line and speaks
`pulumirpc.ResourceProvider` to it. Calls go to AWS_ENDPOINT_URL.
"""

# ruff: noqa: ARG002, N802 - the protocol chose the names and the arguments

import io
import os
import signal
import threading
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

# How an asset or an archive is told from other maps.
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_ORPHAN_CHECK_SECONDS = 1
_NAME_SUFFIX = 7
_GONE = ("ResourceNotFoundException", "NoSuchEntity")

_Properties = Mapping[str, Any]


class _Kind(ABC):
    """One type of resource."""

    service: str
    fixed: frozenset[str]
    """Inputs that no update changes."""
    computed: tuple[str, ...]
    """Outputs that are unknown until it is there."""

    @abstractmethod
    def create(self, client: Any, inputs: _Properties) -> str:
        """Make it; its ID."""

    @abstractmethod
    def read(self, client: Any, inputs: _Properties) -> dict[str, Any]:
        """Return the computed outputs."""

    @abstractmethod
    def delete(self, client: Any, inputs: _Properties) -> None:
        """Take it away."""

    def update(self, client: Any, inputs: _Properties, changed: list[str]) -> None:
        """Change it in place; only a kind with inputs that are not fixed is asked to."""
        raise NotImplementedError


_CODE = frozenset({"code", "s3Bucket", "s3Key"})


def _code(inputs: _Properties) -> dict[str, Any]:
    """Where a function's code is, as Lambda's calls take it."""
    if "s3Key" in inputs:
        return {"S3Bucket": inputs["s3Bucket"], "S3Key": inputs["s3Key"]}
    return {"ZipFile": _zipped(inputs["code"])}


class _Function(_Kind):
    service = "lambda"
    fixed = frozenset({"name", "region"})
    computed = ("arn", "codeSha256", "lastModified", "version")
    _settings: Mapping[str, str] = {
        "description": "Description",
        "handler": "Handler",
        "memorySize": "MemorySize",
        "role": "Role",
        "runtime": "Runtime",
        "timeout": "Timeout",
    }

    def create(self, client: Any, inputs: _Properties) -> str:
        more = {"Architectures": inputs["architectures"]} if "architectures" in inputs else {}
        client.create_function(FunctionName=inputs["name"], Code=_code(inputs), **self._configuration(inputs), **more)
        return str(inputs["name"])

    def read(self, client: Any, inputs: _Properties) -> dict[str, Any]:
        found = client.get_function_configuration(FunctionName=inputs["name"])
        names = {"arn": "FunctionArn", "codeSha256": "CodeSha256", "lastModified": "LastModified", "version": "Version"}
        return {name: found[theirs] for name, theirs in names.items()}

    def update(self, client: Any, inputs: _Properties, changed: list[str]) -> None:
        if not set(changed) <= _CODE:
            client.update_function_configuration(FunctionName=inputs["name"], **self._configuration(inputs))
        if _CODE & set(changed):
            client.update_function_code(FunctionName=inputs["name"], **_code(inputs))

    def delete(self, client: Any, inputs: _Properties) -> None:
        client.delete_function(FunctionName=inputs["name"])

    def _configuration(self, inputs: _Properties) -> dict[str, Any]:
        settings = {theirs: inputs[name] for name, theirs in self._settings.items() if name in inputs}
        variables = inputs.get("environment", {}).get("variables", {})
        return {**settings, "Layers": inputs.get("layers", []), "Environment": {"Variables": variables}}


class _FunctionUrl(_Kind):
    service = "lambda"
    fixed = frozenset({"functionName"})
    computed = ("functionArn", "functionUrl")

    def create(self, client: Any, inputs: _Properties) -> str:
        client.create_function_url_config(**self._configuration(inputs))
        return str(inputs["functionName"])

    def read(self, client: Any, inputs: _Properties) -> dict[str, Any]:
        found = client.get_function_url_config(FunctionName=inputs["functionName"])
        return {"functionArn": found["FunctionArn"], "functionUrl": found["FunctionUrl"]}

    def update(self, client: Any, inputs: _Properties, changed: list[str]) -> None:
        client.update_function_url_config(**self._configuration(inputs))

    def delete(self, client: Any, inputs: _Properties) -> None:
        client.delete_function_url_config(FunctionName=inputs["functionName"])

    def _configuration(self, inputs: _Properties) -> dict[str, Any]:
        return {"FunctionName": inputs["functionName"], "AuthType": inputs["authorizationType"]}


class _Role(_Kind):
    service = "iam"
    fixed = frozenset({"name", "assumeRolePolicy"})
    computed = ("arn", "uniqueId")

    def create(self, client: Any, inputs: _Properties) -> str:
        client.create_role(RoleName=inputs["name"], AssumeRolePolicyDocument=inputs["assumeRolePolicy"])
        return str(inputs["name"])

    def read(self, client: Any, inputs: _Properties) -> dict[str, Any]:
        role = client.get_role(RoleName=inputs["name"])["Role"]
        return {"arn": role["Arn"], "uniqueId": role["RoleId"]}

    def delete(self, client: Any, inputs: _Properties) -> None:
        client.delete_role(RoleName=inputs["name"])


class _Attachment(_Kind):
    service = "iam"
    fixed = frozenset({"role", "policyArn"})
    computed = ()

    def create(self, client: Any, inputs: _Properties) -> str:
        client.attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
        return f"{inputs['role']}/{inputs['policyArn']}"

    def read(self, client: Any, inputs: _Properties) -> dict[str, Any]:
        client.get_role(RoleName=inputs["role"])
        return {}

    def delete(self, client: Any, inputs: _Properties) -> None:
        client.detach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])


class _RolePolicy(_Kind):
    service = "iam"
    fixed = frozenset({"name", "role"})
    computed = ()

    def create(self, client: Any, inputs: _Properties) -> str:
        client.put_role_policy(RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"])
        return f"{inputs['role']}:{inputs['name']}"

    def read(self, client: Any, inputs: _Properties) -> dict[str, Any]:
        client.get_role_policy(RoleName=inputs["role"], PolicyName=inputs["name"])
        return {}

    def update(self, client: Any, inputs: _Properties, changed: list[str]) -> None:
        self.create(client, inputs)

    def delete(self, client: Any, inputs: _Properties) -> None:
        client.delete_role_policy(RoleName=inputs["role"], PolicyName=inputs["name"])


class _Table(_Kind):
    service = "dynamodb"
    fixed = frozenset({"name", "attributes", "billingMode", "hashKey"})
    computed = ("arn",)

    def create(self, client: Any, inputs: _Properties) -> str:
        client.create_table(
            TableName=inputs["name"],
            AttributeDefinitions=[
                {"AttributeName": one["name"], "AttributeType": one["type"]} for one in inputs["attributes"]
            ],
            KeySchema=[{"AttributeName": inputs["hashKey"], "KeyType": "HASH"}],
            BillingMode=inputs["billingMode"],
        )
        return str(inputs["name"])

    def read(self, client: Any, inputs: _Properties) -> dict[str, Any]:
        return {"arn": client.describe_table(TableName=inputs["name"])["Table"]["TableArn"]}

    def delete(self, client: Any, inputs: _Properties) -> None:
        client.delete_table(TableName=inputs["name"])


_KINDS: Mapping[str, _Kind] = {
    "aws:dynamodb/table:Table": _Table(),
    "aws:lambda/functionUrl:FunctionUrl": _FunctionUrl(),
    "aws:iam/rolePolicy:RolePolicy": _RolePolicy(),
    "aws:lambda/function:Function": _Function(),
    "aws:iam/role:Role": _Role(),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _Attachment(),
}


class AwsPlugin(provider_pb2_grpc.ResourceProviderServicer):
    """The calls that the engine makes."""

    def __init__(self) -> None:
        """Take the environment's region until the program's is known."""
        self._region = os.environ.get("AWS_REGION")

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        """Tell the version that programs expect: the one of their `pulumi_aws`."""
        return plugin_pb2.PluginInfo(version=version("pulumi_aws"))

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: Any) -> provider_pb2.CheckResponse:
        """Accept any configuration."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        """Never ask for another provider."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: provider_pb2.ConfigureRequest, context: Any) -> provider_pb2.ConfigureResponse:
        """Take the program's region."""
        self._region = _plain(request.args).get("region") or self._region
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(self, request: provider_pb2.CheckRequest, context: Any) -> provider_pb2.CheckResponse:
        """Keep the name that AWS knows, or make one that is not taken."""
        inputs = _plain(request.news)
        if request.type not in _KINDS:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"this stand-in for pulumi-resource-aws has no {request.type}")
        if "name" in _KINDS[request.type].fixed and "name" not in inputs:
            made = f"{request.name}-{request.randomSeed.hex()[:_NAME_SUFFIX]}"
            inputs["name"] = _plain(request.olds).get("name", made)
        return provider_pb2.CheckResponse(inputs=_struct(inputs))

    def Diff(self, request: provider_pb2.DiffRequest, context: Any) -> provider_pb2.DiffResponse:
        """Compare inputs with inputs."""
        changed = _changed(request)
        replaces = [name for name in changed if name in _KINDS[request.type].fixed]
        some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some if changed else none, diffs=changed, replaces=replaces)

    def Create(self, request: provider_pb2.CreateRequest, context: Any) -> provider_pb2.CreateResponse:
        """Make it, or tell what it would be."""
        kind, inputs = _KINDS[request.type], _plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=_struct({**inputs, **dict.fromkeys(kind.computed, UNKNOWN)}))
        with _told(context):
            client = self._client(kind, inputs)
            made = kind.create(client, inputs)
            return provider_pb2.CreateResponse(id=made, properties=_struct({**inputs, **kind.read(client, inputs)}))

    def Update(self, request: provider_pb2.UpdateRequest, context: Any) -> provider_pb2.UpdateResponse:
        """Change it in place, or tell what it would be."""
        kind, inputs, before = _KINDS[request.type], _plain(request.news), _plain(request.olds)
        if request.preview:
            kept = {name: before[name] for name in kind.computed}
            return provider_pb2.UpdateResponse(properties=_struct({**inputs, **kept}))
        with _told(context):
            client = self._client(kind, inputs)
            kind.update(client, inputs, _changed(request))
            return provider_pb2.UpdateResponse(properties=_struct({**inputs, **kind.read(client, inputs)}))

    def Read(self, request: provider_pb2.ReadRequest, context: Any) -> provider_pb2.ReadResponse:
        """Tell whether it is still there."""
        kind, before = _KINDS[request.type], _plain(request.properties)
        with _told(context):
            try:
                found = kind.read(self._client(kind, before), before)
            except ClientError as error:
                if error.response["Error"]["Code"] in _GONE:
                    return provider_pb2.ReadResponse()
                raise
        return provider_pb2.ReadResponse(
            id=request.id, properties=_struct({**before, **found}), inputs=_struct(_plain(request.inputs))
        )

    def Delete(self, request: provider_pb2.DeleteRequest, context: Any) -> empty_pb2.Empty:
        """Take it away; what is gone already is fine."""
        kind, before = _KINDS[request.type], _plain(request.properties)
        with _told(context):
            try:
                kind.delete(self._client(kind, before), before)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _GONE:
                    raise
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        """Let what is under way end."""
        return empty_pb2.Empty()

    def _client(self, kind: _Kind, inputs: _Properties) -> Any:
        # A session each: calls come from several threads, and making clients of a shared one is not safe in them.
        return boto3.Session().client(kind.service, region_name=inputs.get("region") or self._region)  # type: ignore[call-overload]


@contextmanager
def _told(context: grpc.ServicerContext) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, OSError) as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _changed(request: provider_pb2.DiffRequest | provider_pb2.UpdateRequest) -> list[str]:
    before, after = _compared(_plain(request.old_inputs)), _compared(_plain(request.news))
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _compared(value: Any) -> Any:
    """Return the value with only the hash of each asset and archive: of old ones, the engine sends no more."""
    if not isinstance(value, dict):
        return value
    if _SIGNATURE in value:
        return value["hash"]
    return {name: _compared(inner) for name, inner in value.items()}


def _plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    return {name: _whole(value) for name, value in json_format.MessageToDict(struct).items() if value is not None}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _struct(properties: _Properties) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(properties), struct_pb2.Struct())


def _zipped(archive: _Properties) -> bytes:
    """Return an archive as a zip; its path is that of a zip or of a folder."""
    if "path" in archive and Path(archive["path"]).is_file():
        return Path(archive["path"]).read_bytes()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as writer:
        for name, content in _members(archive):
            info = zipfile.ZipInfo(name)
            # Functions are run by somebody else than the owner.
            info.external_attr = 0o644 << 16
            writer.writestr(info, content)
    return stream.getvalue()


def _members(asset: _Properties, name: str = ".") -> Iterator[tuple[str, bytes]]:
    """Return names and bytes of the files in an archive, or of the one that an asset is."""
    if "text" in asset:
        yield os.path.normpath(name), asset["text"].encode()
    elif "path" in asset:
        root = Path(asset["path"])
        files = [root] if root.is_file() else [file for file in root.rglob("*") if file.is_file()]
        yield from ((os.path.normpath(Path(name, file.relative_to(root))), file.read_bytes()) for file in files)
    for inner_name, inner in asset.get("assets", {}).items():
        yield from _members(inner, f"{name}/{inner_name}")


def main() -> None:
    """Serve until told to end, or until the engine is gone."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    engine = os.getppid()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(AwsPlugin(), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    while not ended.wait(_ORPHAN_CHECK_SECONDS) and os.getppid() == engine:
        pass
    server.stop(None)


if __name__ == "__main__":
    main()
