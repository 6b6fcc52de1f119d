"""A layer under random changes, and what has to hold after each: state and AWS agree, and others are left alone."""

import json
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import boto3

from python_layer_provider.layer_version import region_of_arn
from python_layer_provider.lifecycle import Versions
from tests.engine.stacks import REGION, Aws

REGIONS = (REGION, "eu-central-1", "us-east-1")
ACCOUNTS = ("111111111111", "222222222222")
Settings = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A resource in the state, or one that is still to be deleted."""

    versions: Versions
    skip_destroy: bool
    delete_unused_only: bool

    @classmethod
    def of(cls, outputs: Mapping[str, Any]) -> "Standing":
        flags = {name: bool(outputs.get(name)) for name in ("skip_destroy", "delete_unused_only")}
        return cls(versions=Versions.of(outputs), **flags)


class Driver(Protocol):
    """An engine, or what stands in for it, with one layer."""

    def standing(self) -> Standing | None:
        """The layer in the state."""

    def pending(self) -> list[Standing]:
        """What was replaced and is still to be deleted."""

    def up(self, settings: Settings, *, delete: bool = True) -> str:
        """What was done; without `delete`, what was replaced is left to the next operation."""

    def preview(self, settings: Settings) -> str:
        """What would be done."""

    def killed(self, settings: Settings) -> None:
        """An up that dies before the state is written."""

    def refresh(self) -> None: ...

    def destroy(self) -> None: ...

    def lose(self) -> None:
        """Lose the state."""


@dataclass
class Others:
    """What is none of the layer's, on the same name."""

    versions: set[str] = field(default_factory=set)
    statements: set[tuple[str, str]] = field(default_factory=set)
    """ARN and name of statements that somebody else has made."""


class Soak:
    """A layer, what is asked of it, and what is known about AWS from beside it."""

    def __init__(self, driver: Driver, layer_name: str) -> None:
        self.driver = driver
        self.layer_name = layer_name
        self.settings: dict[str, Any] = {"lock": "old"}
        self.others = Others()
        self.lost: set[str] = set()
        """Ours, and of no state any more: let go, lost with a state or with a process."""
        self._lambda = {region: boto3.client("lambda", region_name=region) for region in REGIONS}
        self._users: dict[str, str] = {}

    def there(self) -> set[str]:
        """The ARNs of all versions of the layer's name but those of others."""
        pages = (client.list_layer_versions(LayerName=self.layer_name) for client in self._lambda.values())
        return {found["LayerVersionArn"] for page in pages for found in page["LayerVersions"]} - self.others.versions

    def ours(self) -> list[str]:
        """Those that the state knows."""
        standing = self.driver.standing()
        return sorted(standing.versions.known) if standing else []

    def up(self, *, delete: bool = True, **changes: Any) -> None:
        """Change the program and bring it up."""
        before, pending, there = self.driver.standing(), self.driver.pending(), self.there()
        self.settings.update(changes)
        step = self.driver.up(self.settings, delete=delete)
        after = self.driver.standing()
        assert after
        stay, let_go = self._retention(step, before, after)
        assert set(after.versions.retained) == stay
        assert len(after.versions.retained) == len(stay)
        assert {*after.versions.current} == {REGION, *self.settings.get("regions", [])}
        gone = [*pending, before] if delete and before else pending if delete else []
        if step == "update" and before:
            # It deletes by itself, and only what the program says now counts.
            gone = [*(pending if delete else []), replace(before, skip_destroy=False)]
        if delete or step == "update":
            # What is still to be deleted is let go by the operation that gets to it, and not by a destroy.
            self.lost |= let_go
        self._aws_has_what_it_should(there, after, gone)
        self._permissions_are_those_asked_for(after)
        assert self.driver.preview(self.settings) == "same"
        self.check()

    def _retention(self, step: str, before: Standing | None, after: Standing) -> tuple[set[str], set[str]]:
        """Which earlier versions stay in the state, and which stay in AWS beside it."""
        if before is None or step == "same":
            return ({*before.versions.retained} if before else set()), set()
        current, keep = {*after.versions.current.values()}, int(self.settings.get("keep_versions", 0))
        skip = before.skip_destroy or after.skip_destroy
        let_go = {*before.versions.current.values()} - current if step == "replace" and skip else set()
        earlier = {*before.versions.known} - current - let_go
        stay = {arn for region in after.versions.current for arn in _newest(earlier, region, keep)}
        if self.settings.get("delete_unused_only"):
            stay |= earlier & self._used()
        over = earlier - stay
        return stay, let_go | (over if (skip if step == "replace" else after.skip_destroy) else set())

    def _aws_has_what_it_should(self, before: set[str], after: Standing, gone: Iterable[Standing]) -> None:
        """What was there is there, less what was outdated and not let go."""
        deleted: set[str] = set()
        for standing in gone:
            known = {*standing.versions.known} - {*after.versions.known}
            if standing.skip_destroy or after.skip_destroy:
                self.lost |= known
            elif after.delete_unused_only:
                self.lost |= known & self._used()
            deleted |= known
        self.lost -= {*after.versions.known}
        current = {*after.versions.current.values()}
        assert self.there() == (before | current) - (deleted - self.lost)

    def killed_up(self, changes: Mapping[str, Any]) -> None:
        """Have an up die after it has published; the next one takes over what it has."""
        program = {**self.settings, **changes}
        if self.driver.preview(program) not in {"create", "replace"}:
            return
        before = self.there()
        self.driver.killed(program)
        published = self.there() - before
        self.lost |= published
        self.up(**changes)
        assert self.there() <= before | published

    def refresh(self) -> None:
        self.driver.refresh()
        assert {*self.ours()} <= self.there()
        self.check()

    def destroy(self) -> None:
        standing, before = self.driver.standing(), self.there()
        everything = [*self.driver.pending(), *([standing] if standing else [])]
        self.driver.destroy()
        for each in everything:
            known = {*each.versions.known}
            kept = known if each.skip_destroy else known & self._used() if each.delete_unused_only else set()
            self.lost |= kept
        deleted = {arn for each in everything for arn in each.versions.known} - self.lost
        assert self.there() == before - deleted
        assert self.driver.standing() is None
        self.check()

    def lose(self) -> None:
        known = [*self.driver.pending(), *filter(None, [self.driver.standing()])]
        self.lost |= {arn for each in known for arn in each.versions.known}
        self.driver.lose()

    def delete_by_hand(self, arn: str) -> None:
        layer, _, version = arn.rpartition(":")
        self._lambda[region_of_arn(arn)].delete_layer_version(LayerName=layer, VersionNumber=int(version))
        self.lost.discard(arn)
        self.others.statements = {(of, sid) for of, sid in self.others.statements if of != arn}

    def unshare_by_hand(self, arn: str) -> None:
        """Take all statements of ours away."""
        layer, _, version = arn.rpartition(":")
        ours = [sid for sid in self._statements(arn) if (arn, sid) not in self.others.statements]
        for sid in ours:
            self._lambda[region_of_arn(arn)].remove_layer_version_permission(
                LayerName=layer, VersionNumber=int(version), StatementId=sid
            )

    def publish_by_hand(self, region: str) -> None:
        """Somebody else publishes on the same name, and shares what is theirs."""
        arn = Aws().publish(self.layer_name, region)
        self.others.versions.add(arn)
        self.share_by_hand(arn)

    def share_by_hand(self, arn: str) -> None:
        """Somebody else adds a statement."""
        layer, _, version = arn.rpartition(":")
        sid = f"by-hand-{uuid.uuid4().hex[:6]}"
        self._lambda[region_of_arn(arn)].add_layer_version_permission(
            LayerName=layer,
            VersionNumber=int(version),
            StatementId=sid,
            Action="lambda:GetLayerVersion",
            Principal="999999999999",
        )
        self.others.statements.add((arn, sid))

    def use(self, arn: str) -> None:
        """A function takes a version."""
        name = f"user-{uuid.uuid4().hex[:8]}"
        make_function(name, arn)
        self._users[name] = arn

    def leave(self) -> None:
        """All functions go."""
        for name, arn in self._users.items():
            self._lambda[region_of_arn(arn)].delete_function(FunctionName=name)
        self._users.clear()

    def check(self) -> None:
        """What nobody may have touched is there."""
        for arn in self.others.versions:
            assert self._statements(arn)
        there = self.there()
        for arn, sid in self.others.statements:
            assert arn in self.others.versions or arn not in there or sid in self._statements(arn)
        assert self.lost <= there

    def _permissions_are_those_asked_for(self, after: Standing) -> None:
        wanted = {permission["principal"] for permission in self.settings.get("permissions", ())}
        for arn in {*after.versions.known} & self.there():
            made = {sid: who for sid, who in self._statements(arn).items() if (arn, sid) not in self.others.statements}
            assert {*made.values()} == wanted

    def _statements(self, arn: str) -> dict[str, str]:
        """Name to account of each statement in a version's policy."""
        layer, _, version = arn.rpartition(":")
        client = self._lambda[region_of_arn(arn)]
        try:
            policy = client.get_layer_version_policy(LayerName=layer, VersionNumber=int(version))["Policy"]
        except client.exceptions.ResourceNotFoundException:
            return {}
        return {found["Sid"]: found["Principal"]["AWS"].split(":")[4] for found in json.loads(policy)["Statement"]}

    def _used(self) -> set[str]:
        return {*self._users.values()}


def make_function(name: str, layer: str) -> None:
    """Make a function that takes a layer version, by hand."""
    region = region_of_arn(layer)
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = boto3.client("iam", region_name=region).create_role(RoleName=name, AssumeRolePolicyDocument=policy)
    boto3.client("lambda", region_name=region).create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role["Role"]["Arn"],
        Handler="app.handler",
        Code={"ZipFile": b"PK\5\6" + bytes(18)},
        Layers=[layer],
    )


def _newest(arns: Collection[str], region: str, count: int) -> list[str]:
    found = [arn for arn in arns if region_of_arn(arn) == region]
    return sorted(found, key=lambda arn: -int(arn.rpartition(":")[2]))[:count]
