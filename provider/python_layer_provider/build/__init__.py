"""Plan to archive: install in a container, verify, zip, in one pass over what the install left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from python_layer_provider.archive import LayerArchive, write_archive
from python_layer_provider.build import cache, container, pip
from python_layer_provider.build.cache import workspace
from python_layer_provider.plan import LayerPlan
from python_layer_provider.progress import Progress
from python_layer_provider.target import DEFAULT_IMAGE
from python_layer_provider.tree import members
from python_layer_provider.verify import UNZIPPED_LIMIT, Verification

__all__ = ["DEFAULT_TIMEOUT", "IMAGE_VARIABLE", "BuildSettings", "Built", "build_layer", "workspace"]

IMAGE_VARIABLE = "PYTHON_LAYER_IMAGE"
"""Environment variable with a template for the runtimes' images, where they come from a mirror."""
DEFAULT_TIMEOUT = 1800.0
"""Seconds that a build may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSettings:
    """How a layer is built, which changes nothing about what it is."""

    image_template: str = DEFAULT_IMAGE
    """Where the runtimes' images come from."""
    timeout: float = DEFAULT_TIMEOUT
    """Seconds."""
    use_cache: bool = True
    """Whether a finished layer of the same content hash will do."""

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ, *, image: str | None = None, **others: float) -> BuildSettings:
        """The settings with the image template that was given, else the environment's, else the default."""
        template = image or environ.get(IMAGE_VARIABLE) or DEFAULT_IMAGE
        return cls(image_template=template, **others)  # type: ignore[arg-type]


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
    with clock("cache"):
        archive = cache.load(plan) if settings.use_cache else None
    if archive:
        return Built(archive=archive, cached=True, stages=clock.stages)
    archive = _assemble(plan, settings, folder, progress, clock)
    with clock("store"):
        cache.store(plan, archive)
    return Built(archive=archive, cached=False, stages=clock.stages)


def _assemble(
    plan: LayerPlan, settings: BuildSettings, folder: Path, progress: Progress, clock: _Clock
) -> LayerArchive:
    with clock("engine"):
        engine = container.connect()
        image = engine.image(plan.image or plan.target.image(settings.image_template), plan.target, progress)
    with engine.container(image, lifetime=settings.timeout, progress=progress) as box:
        with clock("install"):
            pip.install(plan, box, progress)
        progress.step("Zipping")
        with clock("zip"):
            verification = Verification(target=plan.target)
            zipped = write_archive(verification.checked(members(box.tar(pip.TREE))), folder / "layer.zip")
    progress.check()
    _warn(verification, progress)
    return LayerArchive(
        zip=zipped,
        unpacked_size=verification.unpacked_size,
        packages={name: verification.packages[name] for name in sorted(verification.packages)},
        image_digest=image.digest,
    )


def _warn(verification: Verification, progress: Progress) -> None:
    missing = verification.missing()
    if missing:
        lines = "\n".join(f"    {line}" for line in missing)
        progress.warn(f"The lock file leaves out what its distributions need:\n{lines}\nhint: lock again")
    share = verification.unpacked_size / UNZIPPED_LIMIT
    if share > 0.8:  # noqa: PLR2004 (the share at which there is still time to act)
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
