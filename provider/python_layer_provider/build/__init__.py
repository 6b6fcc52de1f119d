"""Plan to archive: wheels by pip in a container, then install, verify and zip in one pass over them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from python_layer_provider.archive import LayerArchive, write_archive
from python_layer_provider.build import cache, container, pip, wheels
from python_layer_provider.build.cache import workspace
from python_layer_provider.limits import UNZIPPED_LIMIT, WARNING_SHARE
from python_layer_provider.plan import LayerPlan
from python_layer_provider.progress import Progress
from python_layer_provider.settings import BuildSettings
from python_layer_provider.tree import unique
from python_layer_provider.verify import Verification

__all__ = ["Built", "build_layer", "workspace"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """A layer, and how it came about."""

    archive: LayerArchive
    cached: bool
    """Whether an earlier build had made it."""
    stages: dict[str, float] = field(default_factory=dict)
    """Stage to seconds, in the order in which they ran."""


def build_layer(plan: LayerPlan, settings: BuildSettings, folder: Path, progress: Progress) -> Built:
    """Build the layer of a plan, or take the one that an earlier build has made.

    Args:
        plan: What to install.
        settings: How.
        folder: Where the zip may be written; see `workspace`.
        progress: What to report to.

    Raises:
        EngineError: The container engine or the image is at fault.
        InstallError: pip could not install the plan.
        TreeError: What pip installed cannot be a layer.
        CancelledError: Nobody waits for the outcome any more.
    """
    clock = _Clock()
    found = _kept(plan, settings, clock)
    with nullcontext() if found else cache.building(plan, progress):
        # Whoever was waited for may have built this very layer.
        found = found or _kept(plan, settings, clock)
        if found:
            return Built(archive=found, cached=True, stages=clock.stages)
        archive = _assemble(plan, settings, folder, progress, clock)
        with clock("store"):
            cache.store(plan, archive)
    return Built(archive=archive, cached=False, stages=clock.stages)


def _kept(plan: LayerPlan, settings: BuildSettings, clock: _Clock) -> LayerArchive | None:
    with clock("cache"):
        return cache.load(plan) if settings.use_cache else None


def _assemble(
    plan: LayerPlan, settings: BuildSettings, folder: Path, progress: Progress, clock: _Clock
) -> LayerArchive:
    with clock("engine"):
        engine = container.connect()
        image = engine.image(plan.image or plan.target.image(settings.image_template), plan.target, progress)
    with engine.container(image, lifetime=settings.timeout, progress=progress) as box:
        with clock("pip"):
            pip.wheels(plan, box, progress)
        with clock("copy"):
            found = wheels.unpack(box.tar(pip.WHEELS), folder)
        box.go()
        progress.step("Zipping")
        with clock("zip"):
            verification = Verification(target=plan.target, omitted=[pin.name for pin in plan.omitted])
            members, overlaps = unique(wheels.tree(found, plan.target, {pin.name for pin in plan.pins}))
            zipped = write_archive(verification.checked(members), folder / "layer.zip")
    progress.check()
    _warn(verification, overlaps, progress)
    return LayerArchive(
        zip=zipped,
        unpacked_size=verification.unpacked_size,
        packages={name: verification.packages[name] for name in sorted(verification.packages)},
        image_digest=image.digest,
    )


def _warn(verification: Verification, overlaps: list[str], progress: Progress) -> None:
    for what, lines, hint in (
        ("The lock file leaves out what its distributions need", verification.missing(), "lock again"),
        ("The runtime's version may move past what is needed", verification.bounded(), "omit_runtime_packages=False"),
        ("Distributions have the same files", overlaps, "leave one of them out"),
    ):
        if lines:
            progress.warn("\n".join([f"{what}:", *(f"    {line}" for line in lines), f"hint: {hint}"]))
    share = verification.unpacked_size / UNZIPPED_LIMIT
    if share > WARNING_SHARE:
        progress.warn(f"The layer takes {share:.0%} of the {UNZIPPED_LIMIT / 1e6:.0f} MB that Lambda allows, unzipped")


class _Clock:
    """Seconds by stage."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self.stages: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = self._now()
        yield
        self.stages[stage] = round(self._now() - start, 3)
