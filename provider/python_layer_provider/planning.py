"""Lock file to finished plan, with what a person should know of it: all that a preview does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from python_layer_provider.estimate import size_warnings
from python_layer_provider.limits import UNZIPPED_LIMIT
from python_layer_provider.local import with_digests
from python_layer_provider.lockfile import Lockfile
from python_layer_provider.plan import LayerPlan, lock_warnings, make_plan
from python_layer_provider.target import Target


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A plan, and what a person should know of it."""

    plan: LayerPlan
    warnings: tuple[str, ...]
    """Each with its hint."""


def plan_layer(
    lockfile: Lockfile,
    target: Target,
    *,
    base: Path,
    strict: bool = False,
    omit_runtime_packages: bool = False,
    max_size: int | None = None,
    in_bucket: bool = False,
) -> Planned:
    """Plan a layer.

    Args:
        lockfile: What was locked.
        target: Where the layer runs.
        base: Where relative paths of path dependencies start.
        strict: Whether a pin that is not locked is an error, and a lock file older than its project.
        omit_runtime_packages: Whether what Lambda's runtime has anyway is left out.
        max_size: Bytes that the layer may have, unzipped. Defaults to Lambda's limit.
        in_bucket: Whether Lambda takes the zip from a bucket.

    Raises:
        InputError: As `make_plan` and `with_digests`.
    """
    made = make_plan(lockfile, target, strict=strict, omit_runtime_packages=omit_runtime_packages)
    plan = with_digests(made, base)
    sizes = size_warnings(plan, limit=max_size or UNZIPPED_LIMIT, in_bucket=in_bucket)
    return Planned(plan=plan, warnings=(*lock_warnings(lockfile, plan), *sizes))
