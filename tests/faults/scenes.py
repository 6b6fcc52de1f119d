"""A layer, its function and its bucket in the emulator, and the operations in which a call to AWS can fail."""

from __future__ import annotations

import io
import re
import uuid
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import boto3

from python_layer_provider.inputs import shown
from python_layer_provider.layer_version import Permission, region_of_arn
from python_layer_provider.lifecycle import Versions
from python_layer_provider.plan import LayerPlan
from tests.engine.servers import Fault, Gate
from tests.engine.stand_in import StandIn, program_of
from tests.unit.helpers import a_pin, a_plan

OWN: Final = "eu-west-1"
SECOND = "us-east-1"
BUCKET = "layers"
OLD, NEW, LARGE = a_plan(), a_plan(a_pin("idna", "3.12")), a_plan(a_pin("numpy", "2.1.0"))
SHARED = shown([Permission(principal="210987654321")])
_ROLE = "arn:aws:iam::123456789012:role/function"


@dataclass(frozen=True)
class Seen:
    """What is in AWS of one layer."""

    versions: frozenset[str]
    """ARNs, in all regions."""
    objects: frozenset[str]
    uploads: frozenset[str]
    """Those that were begun and not ended."""
    used: frozenset[str]
    """What the function names."""
    shared: frozenset[str]
    """Those of the versions in use that are shared."""


class Clients:
    """AWS, looked at from beside the stack; made once, for making them takes longer than most calls."""

    def __init__(self, endpoint: str) -> None:
        self.s3 = boto3.client("s3", region_name=OWN, endpoint_url=endpoint)
        self.lambdas = {
            region: boto3.client("lambda", region_name=region, endpoint_url=endpoint) for region in (OWN, SECOND)
        }
        iam = boto3.client("iam", region_name=OWN, endpoint_url=endpoint)
        iam.create_role(RoleName="function", AssumeRolePolicyDocument="{}")
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": OWN})


class World:
    """A layer with a name of its own, and a function that uses it."""

    def __init__(self, clients: Clients, gate: Gate) -> None:
        self.gate = gate
        self.name = f"deps-{uuid.uuid4().hex[:8]}"
        self.stack = StandIn(f"urn:pulumi:dev::faults::layer::{self.name}")
        self.program: Mapping[str, Any] = {}
        """What the program says now."""
        self._clients = clients
        self._lambda = clients.lambdas[OWN]
        self._there = False
        self._sharing = False

    def says(self, plan: LayerPlan, **others: Any) -> World:
        """Have the program say this from now on."""
        more = {"s3_prefix": f"{self.name}/", **others} if "s3_bucket" in others else others
        self.program = program_of(plan, self.name, OWN, **more)
        self._sharing |= "permissions" in more
        return self

    def up(self) -> None:
        """Bring the layer up, then the function, then delete what was replaced: as the engine orders it."""
        self.stack.up(self.program, delete=False)
        self._move_the_function()
        self.stack._delete_pending()

    def killed(self) -> None:
        """Have an `up` publish, and die before the state is written."""
        self.stack.killed(self.program)

    def destroy(self) -> None:
        """Take all down, the function first."""
        self.forget_the_function()
        self.stack.destroy()

    def forget_the_function(self) -> None:
        """Delete the function."""
        if self._there:
            self._lambda.delete_function(FunctionName=self.name)
            self._there = False

    def gone(self, region: str = "") -> None:
        """Have somebody else delete what stands, in one region or in all."""
        for arn in self.known():
            if region not in arn:
                continue
            self._clients.lambdas[region_of_arn(arn)].delete_layer_version(
                LayerName=self.name, VersionNumber=int(arn.rpartition(":")[2])
            )

    def known(self) -> frozenset[str]:
        """The ARNs that the state names, those that are still to be deleted included."""
        resources = [*filter(None, [self.stack.resource]), *self.stack.pending]
        return frozenset(arn for resource in resources for arn in Versions.of(resource.outputs).known)

    def current(self) -> frozenset[str]:
        """The ARNs that the state says to be in use."""
        resource = self.stack.resource
        return frozenset(Versions.of(resource.outputs).current.values() if resource else ())

    def seen(self) -> Seen:
        """What is in AWS."""
        versions = [
            found["LayerVersionArn"]
            for client in self._clients.lambdas.values()
            for found in client.list_layer_versions(LayerName=self.name)["LayerVersions"]
        ]
        in_bucket = "s3_bucket" in self.program
        return Seen(
            versions=frozenset(versions),
            objects=frozenset(self._objects() if in_bucket else ()),
            uploads=frozenset(self._uploads() if in_bucket else ()),
            used=frozenset(self._used()),
            shared=frozenset(arn for arn in self.current() if self._sharing and self._is_shared(arn)),
        )

    def _objects(self) -> list[str]:
        found = self._clients.s3.list_objects_v2(Bucket=BUCKET, Prefix=self.name).get("Contents", [])
        return [each["Key"] for each in found]

    def _uploads(self) -> list[str]:
        found = self._clients.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [each["UploadId"] for each in found if each["Key"].startswith(self.name)]

    def is_shared(self) -> bool:
        """Whether the versions that functions take are shared as the program says."""
        wanted = bool(self.program.get("permissions"))
        return all(self._is_shared(arn) == wanted for arn in self.current())

    def _is_shared(self, arn: str) -> bool:
        client = self._clients.lambdas[region_of_arn(arn)]
        try:
            policy = client.get_layer_version_policy(LayerName=self.name, VersionNumber=int(arn.rpartition(":")[2]))
        except client.exceptions.ResourceNotFoundException:
            return False
        return "210987654321" in policy["Policy"]

    def _used(self) -> list[str]:
        if not self._there:
            return []
        return [layer["Arn"] for layer in self._lambda.get_function_configuration(FunctionName=self.name)["Layers"]]

    def _move_the_function(self) -> None:
        arn = next(arn for arn in self.current() if region_of_arn(arn) == OWN)
        if self._there:
            self._lambda.update_function_configuration(FunctionName=self.name, Layers=[arn])
            return
        self._lambda.create_function(
            FunctionName=self.name,
            Runtime="python3.11",
            Handler="app.handler",
            Role=_ROLE,
            Code={"ZipFile": _empty_zip()},
            Layers=[arn],
        )
        self._there = True


def _empty_zip() -> bytes:
    stream = io.BytesIO()
    zipfile.ZipFile(stream, "w").close()
    return stream.getvalue()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An operation in which a call is made."""

    operation: str
    """As a heading."""
    call: str
    before: Callable[[World], None]
    """Brings a world to where the operation can begin."""
    act: Callable[[World], None]
    """The operation."""
    repeat: Callable[[World], None] = World.up
    """What a person does once AWS works again."""
    region: str = ""
    """Where the call fails; empty stands for everywhere."""
    gone: Callable[[World], None] | None = None
    """How what is asked for is really gone; without it, AWS says so of what it has."""
    where: str = ""
    """Tells the scene from others with this call."""
    never_missing: bool = False
    """Whether AWS never says of what is there that it is not, in a way that can be told from the truth."""

    def meets(self, fault: Fault) -> bool:
        """Whether this can go wrong with the call, in a way that matters."""
        if fault is Fault.MISSING:
            return not self.never_missing
        if fault is Fault.SILENT_AFTER:
            # All others are tried again, as after a connection that was reset.
            return self.call == "PublishLayerVersion"
        return fault is not Fault.RESET_AFTER or not re.match("Get|Head|List", self.call)

    @property
    def title(self) -> str:
        """The call, and where it is made if that matters."""
        return f"{self.call}, {self.where}" if self.where else self.call


def _change(call: str, to: LayerPlan = NEW, **more: Any) -> Scene:
    """Other content is published, and the old version deleted."""
    of_scene = {key: more.pop(key) for key in ("region", "where", "never_missing", "gone") if key in more}
    return Scene(
        operation="up, other content",
        call=call,
        before=lambda world: world.says(OLD, **more).up(),
        act=lambda world: world.says(to, **more).up(),
        **of_scene,
    )


def _update(call: str, before: Mapping[str, Any], after: Mapping[str, Any], **more: Any) -> Scene:
    """The same content is shared with others, or is in other regions."""
    return Scene(
        operation="up, the same content",
        call=call,
        before=lambda world: world.says(OLD, **before).up(),
        act=lambda world: world.says(OLD, **after).up(),
        **more,
    )


def _after_a_crash(call: str, **more: Any) -> Scene:
    """A run has published and died before its state was written."""

    def crashed(world: World) -> None:
        world.says(OLD).up()
        world.says(NEW).killed()

    return Scene(operation="up, after a run that died", call=call, before=crashed, act=World.up, **more)


def _refresh(call: str, **more: Any) -> Scene:
    return Scene(
        operation="refresh",
        call=call,
        before=lambda world: world.says(OLD, permissions=SHARED).up(),
        act=lambda world: world.stack.refresh(),
        **more,
    )


def _destroy(call: str, **more: Any) -> Scene:
    gone = more.pop("gone", None)

    def standing(world: World) -> None:
        world.says(OLD, **more).up()
        world.forget_the_function()

    return Scene(operation="destroy", call=call, before=standing, act=World.destroy, repeat=World.destroy, gone=gone)


_IN_A_BUCKET: Mapping[str, Any] = {"s3_bucket": BUCKET}

SCENES = (
    _change("ListLayerVersions"),
    _change("HeadObject", **_IN_A_BUCKET),
    _change("PutObject", **_IN_A_BUCKET),
    _change("CreateMultipartUpload", LARGE, **_IN_A_BUCKET),
    _change("UploadPart", LARGE, **_IN_A_BUCKET),
    _change("CompleteMultipartUpload", LARGE, **_IN_A_BUCKET),
    _change("PublishLayerVersion"),
    _change("PublishLayerVersion", regions=[SECOND], region=SECOND, where="second region"),
    _change("GetLayerVersionPolicy", permissions=SHARED),
    _change("AddLayerVersionPermission", permissions=SHARED, never_missing=True),
    _change("ListFunctions", delete_unused_only=True, never_missing=True),
    _change("DeleteLayerVersion", gone=World.gone),
    _update("PublishLayerVersion", {}, {"regions": [SECOND]}, where="further region"),
    _update("GetLayerVersionPolicy", {}, {"permissions": SHARED}),
    _update("AddLayerVersionPermission", {}, {"permissions": SHARED}, never_missing=True),
    _update("RemoveLayerVersionPermission", {"permissions": SHARED}, {}, never_missing=True),
    _update(
        "DeleteLayerVersion", {"regions": [SECOND]}, {}, where="region left", gone=lambda world: world.gone(SECOND)
    ),
    _after_a_crash("ListLayerVersions", never_missing=True),
    _after_a_crash("GetLayerVersion", never_missing=True),
    _refresh("GetLayerVersion", gone=World.gone),
    _refresh("GetLayerVersionPolicy", never_missing=True),
    _destroy("DeleteLayerVersion", gone=World.gone),
    _destroy("ListFunctions", delete_unused_only=True),
)
