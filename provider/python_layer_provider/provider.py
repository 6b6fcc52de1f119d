"""Pulumi's protocol: check, diff, create, read, update and delete of a layer version.

The path of `LayerProvider` stands in every stack's state: it never moves, and it carries no attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    UpdateResult,
)
from pulumi.output import Unknown

from python_layer_provider import inputs, publish
from python_layer_provider.build import workspace
from python_layer_provider.changes import package_changes
from python_layer_provider.configured import ConfiguredProvider
from python_layer_provider.delivery import Order
from python_layer_provider.errors import InvalidInputError
from python_layer_provider.estimate import size_line
from python_layer_provider.inputs import LayerInputs
from python_layer_provider.layer_version import LayerVersion, region_of_arn
from python_layer_provider.lifecycle import Versions
from python_layer_provider.operations import (
    Created,
    Past,
    create_versions,
    delete_versions,
    permissions_that_are_there,
    update_versions,
    versions_that_are_there,
)
from python_layer_provider.plan import LayerPlan
from python_layer_provider.progress import Progress
from python_layer_provider.record import Record, recorded
from python_layer_provider.rpc import engine_call


class LayerProvider(ConfiguredProvider):
    """The life of a layer version; the resource's id is the version's ARN."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Report all that is wrong with the inputs, the constructor's findings included."""
        found = inputs.failures({key: value for key, value in news.items() if not _unknown(value)})
        with engine_call() as progress:
            run = _run(progress.urn)
            # A layer that is replaced is checked once more, as if it were new.
            run.stands = run.stands or bool(_olds)
            standing = _olds or run.olds or {}
        if news.get(inputs.NAMED) is False and standing.get("layer_name"):
            news = {**news, "layer_name": standing["layer_name"]}
        if not found and not _olds and not _unknown(news.get("packages")):
            count = len(news.get("packages") or {})
            self._tell(f"{count} package{'' if count == 1 else 's'}", news, once=True)
        return CheckResult(
            inputs.normalised(news), [CheckFailure(failure.input_name, failure.reason) for failure in found]
        )

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Answer always: changed bytes or metadata replace, retention and sharing update, the rest is no change."""
        olds, news = _olds, _news
        replaces = inputs.replaced_by(olds, news, unknown=_unknown)
        with engine_call() as progress:
            run = _run(progress.urn)
            # A refresh asks too, without a check before, and replaces nothing.
            run.olds, run.instead = olds, news if replaces and run.stands else None
        updates = inputs.updated_by(olds, news)
        if replaces and not _unknown(news.get("packages")):
            changes = package_changes(olds.get("packages") or {}, news.get("packages") or {})
            if changes:
                self._tell(", ".join(map(str, changes)), news)
        return DiffResult(changes=bool(replaces or updates), replaces=replaces, delete_before_replace=False)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Build, verify, publish everywhere; what fails leaves nothing behind."""
        with engine_call() as progress, recorded("create", progress) as record, workspace() as folder:
            order = self._order(props, folder, progress, record)
            record.fact(layer_name=order.wanted.metadata.layer_name, content_hash=order.wanted.plan.content_hash())
            region = publish.check_session(self.aws(order.wanted.region, order.wanted.profile, record))
            run = _run(progress.urn)
            created = create_versions(order, region, run.past(props, progress.urn))
            archive = created.delivery.archive
            record.fact(**_made(created))
            run.stands_now = {
                **inputs.outputs(props, created.version, created.versions),
                "region": region_of_arn(created.version.arn),
                "unpacked_size": archive.unpacked_size,
                "image_digest": archive.image_digest,
            }
            return CreateResult(created.version.arn, dict(run.stands_now))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look the versions up in AWS; only a definite "not found" drops them from the state."""
        with engine_call() as progress, recorded("read", progress) as record:
            record.fact(arn=id_)
            region, aws = region_of_arn(id_), self.in_regions(props.get("profile"), record)
            standing = Versions.of({"arn": id_, **props})
            there, found = versions_that_are_there(standing, aws)
            if not there.known:
                if "arn" not in props:
                    # Not a refresh, which knows the version from its state, but `PythonLayer.get`.
                    raise InvalidInputError(f"There is no layer version `{id_}`", hint="check region, name and version")
                return ReadResult("", {})
            outs = {**inputs.outputs(props, found[region], there), **_said(found[region])} if region in found else props
            outs = {**outs, **inputs.shown_versions(there), "region": region}
            granted = inputs.permissions(props)
            if granted:
                outs["permissions"] = inputs.shown(permissions_that_are_there(there.known, granted, aws))
            return ReadResult(id_, outs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Take over what changes no bytes: where the layer is, who may use it, what of it stays."""
        with engine_call() as progress, recorded("update", progress) as record, workspace() as folder:
            record.fact(arn=_id)
            order = self._order(_news, folder, progress, record)
            owner, shared = _owner(_news, progress.urn), inputs.permissions(_olds)
            past = Past(owner=owner, versions=Versions.of(_olds), permissions=shared)
            versions = update_versions(order, region_of_arn(_id), past)
            record.fact(arns=dict(versions.current), retained_arns=list(versions.retained))
        # What the program no longer says does not arrive at all, and would stay in the state for good.
        given = {**dict.fromkeys(inputs.UPDATING), **inputs.visible(_news)}
        outs = {**_olds, **given, **inputs.shown_versions(versions), "region": _olds.get("region")}
        # What an earlier operation has left to be deleted goes by what the program says now.
        _run(progress.urn).stands_now = outs
        return UpdateResult(outs)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete what the outputs name, or what a replacement does not keep; what is gone is no error."""
        with engine_call() as progress, recorded("delete", progress) as record:
            run, standing = _run(progress.urn), Versions.of({"arn": _id, **_props})
            successor = run.now(_id) or run.instead
            said = [_props, successor or {}]
            if any(each.get("skip_destroy") for each in said):
                # Pulumi says of it that it was deleted.
                progress.info("stays in AWS: `skip_destroy`")
                return
            outdated = _outdated(standing, {"region": region_of_arn(_id), **successor}) if successor else standing.known
            progress.step("Deleting what is outdated" if outdated else "Keeping it for a rollback")
            unused_only = bool((successor or _props).get("delete_unused_only"))
            left = delete_versions(outdated, self.in_regions(_props.get("profile"), record), unused_only=unused_only)
            record.fact(arn=_id, deleted=[arn for arn in outdated if arn not in left], left=left)
            if left and not successor:
                names = "\n".join(f"    {arn}" for arn in left)
                progress.warn(f"Functions still use these versions, which stay in AWS:\n{names}")

    def _tell(self, what: str, props: Mapping[str, Any], *, once: bool = False) -> None:
        """Say a line under the resource, with the layer's size where the lock file lets it be estimated."""
        plan = props.get(inputs.PLAN)
        size = size_line(LayerPlan.from_json(plan)) if isinstance(plan, str) else ""
        with engine_call() as progress:
            # A layer that is replaced is checked once more, as if it were new.
            if not (once and progress.urn in _TOLD):
                progress.info(f"{what} ({size})" if size else what)
            _TOLD.add(progress.urn)

    def _order(self, props: Mapping[str, Any], folder: Path, progress: Progress, record: Record) -> Order:
        wanted = LayerInputs.of(props)
        return Order(
            wanted=wanted,
            settings=self.build_settings(wanted.timeout),
            aws=self.in_regions(wanted.profile, record),
            folder=folder,
            progress=progress,
        )


@dataclass
class _Run:
    """What this process, which serves one operation of the engine's, has seen of a resource.

    Pulumi tells a create nothing of what it replaces, and a delete nothing of what came instead.
    """

    stands: bool = False
    """Whether there is a state."""
    olds: Mapping[str, Any] | None = None
    """The state's outputs, once the engine has asked for a diff; it does not where a replacement is forced."""
    instead: Mapping[str, Any] | None = None
    """The inputs of what is to replace it; it may be deleted before that is created."""
    stands_now: Mapping[str, Any] | None = None
    """The outputs after a create or an update."""

    def past(self, props: Mapping[str, Any], urn: str) -> Past:
        """What a create replaces."""
        return Past(
            owner=_owner(props, urn),
            versions=Versions.of(self.olds) if self.olds else None,
            permissions=inputs.permissions(self.olds or {}),
            let_go=bool((self.olds or {}).get("skip_destroy")),
        )

    def now(self, id_: str) -> Mapping[str, Any] | None:
        """The outputs of what stands in the place of a version; None where the resource itself goes.

        Where a replacement is forced, nobody tells the create of the state: it takes over the very version that is
        to be replaced, which has to stay then.
        """
        if self.stands_now:
            return self.stands_now
        return self.olds if self.olds and self.olds.get("arn") != id_ else None


# By URN; without an engine that tells it, nothing is known of anybody.
_RUNS: dict[str, _Run] = {}
# The resources of this run of which something was said.
_TOLD: set[str] = set()


def _run(urn: str) -> _Run:
    return _RUNS.setdefault(urn, _Run()) if urn else _Run()


def _outdated(standing: Versions, successor: Mapping[str, Any]) -> tuple[str, ...]:
    """The versions that go for a successor, of which there may be no more than inputs so far."""
    keep = int(successor.get("keep_versions") or 0)
    if successor.get("arn"):
        return standing.outdated(Versions.of(successor), keep)
    regions = {*(successor.get("regions") or ()), successor["region"]}
    stay = standing.replaced(regions, keep, let_go=False, used=frozenset())
    return tuple(arn for arn in standing.known if arn not in stay)


def _owner(props: Mapping[str, Any], urn: str) -> str:
    """Who a resource is, in all the world: a URN is unique within an organization."""
    return f"{props.get(inputs.ORGANIZATION, '')}/{urn}" if urn else ""


def _made(created: Created) -> dict[str, Any]:
    """What a record tells of a layer that was published."""
    archive, delivery = created.delivery.archive, created.delivery
    return {
        "origin": delivery.origin,
        "stages": dict(delivery.stages),
        "zipped_size": archive.zip.size,
        "unpacked_size": archive.unpacked_size,
        "code_sha256": archive.zip.code_sha256,
        "arns": dict(created.versions.current),
        "retained_arns": list(created.versions.retained),
    }


def _said(version: LayerVersion) -> dict[str, Any]:
    """What a version says of itself, as inputs."""
    return {
        "layer_name": version.layer_arn.rpartition(":")[2],
        "description": version.description or None,
        "license_info": version.license_info or None,
        "compatible_runtimes": sorted(version.compatible_runtimes),
        "compatible_architectures": sorted(version.compatible_architectures),
    }


def _unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_unknown, value.values()))
    return any(map(_unknown, value)) if isinstance(value, list) else isinstance(value, Unknown)
