"""Pulumi's protocol for a function's package: its code and its dependencies in one zip, in a bucket.

The path of `PackageProvider` stands in every stack's state: it never moves, and it carries no attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult

from python_layer_provider import inputs, publish
from python_layer_provider.build import build_layer, workspace
from python_layer_provider.configured import ConfiguredProvider
from python_layer_provider.limits import UNZIPPED_LIMIT
from python_layer_provider.package import write_package
from python_layer_provider.plan import LayerPlan
from python_layer_provider.publish import Bucket
from python_layer_provider.record import Record, recorded
from python_layer_provider.rpc import engine_call
from python_layer_provider.settings import DEFAULT_TIMEOUT

CODE = "__code"
"""The path of the zip of the function's code on this machine."""
# What a package is, and where.
_DECIDING = ("package_hash", "s3_bucket", "s3_prefix", "region", "s3_key")


class PackageProvider(ConfiguredProvider):
    """The life of a package. Objects stay in the bucket: they are what the next machine does not build again."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Hand the inputs back: `PythonFunction` has looked at them."""
        return CheckResult(news, [])

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Answer always: other contents or another place make another object."""
        changed = [key for key in _DECIDING if _olds.get(key) != _news.get(key)]
        return DiffResult(changes=bool(changed), replaces=[], delete_before_replace=False)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Have the package in the bucket: taken as it is, or built and uploaded."""
        outs = self._put("create", props)
        return CreateResult(outs["s3_key"], outs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Have another package in the bucket."""
        return UpdateResult(self._put("update", _news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look whether the object is still there."""
        with engine_call() as progress, recorded("read", progress) as record:
            found = publish.find_layer(self._bucket(props, record), props["package_hash"], {})
            return ReadResult(id_, props) if found else ReadResult("", {})

    def _put(self, operation: str, props: Mapping[str, Any]) -> dict[str, Any]:
        with engine_call() as progress, recorded(operation, progress) as record, workspace() as folder:
            plan, bucket = LayerPlan.from_json(props[inputs.PLAN]), self._bucket(props, record)
            publish.check_session(bucket.settings)
            stored = publish.find_layer(bucket, props["package_hash"], {}) if plan.reproducible else None
            if stored is None:
                settings = self.build_settings(props.get("timeout") or DEFAULT_TIMEOUT)
                layer = build_layer(plan, settings, folder, progress).archive
                limit = int(props.get("max_size") or UNZIPPED_LIMIT)
                archive = write_package(layer, Path(props[CODE]), folder / "package.zip", limit=limit)
                stored = publish.store_layer(bucket, props["package_hash"], archive, progress)
            record.fact(s3_key=stored.zip.key, unpacked_size=stored.archive.unpacked_size)
            return {
                **inputs.visible(props),
                "s3_key": stored.zip.key,
                "code_sha256": stored.archive.zip.code_sha256,
                "unpacked_size": stored.archive.unpacked_size,
            }

    def _bucket(self, props: Mapping[str, Any], record: Record) -> Bucket:
        settings = self.aws(props.get("region"), props.get("profile"), record)
        return Bucket(name=props["s3_bucket"], prefix=props["s3_prefix"], settings=settings)
