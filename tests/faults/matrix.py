"""Every call to AWS that a layer makes, met with everything that can go wrong with it, and what comes of it.

The provider is driven by the stand-in for the engine, against the emulator behind a gate; the layer is in the cache
already. `python -m tests.faults.table` writes down what comes of it.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import boto3
import pytest

from python_layer_provider.archive import LayerArchive, Zip
from python_layer_provider.build import cache as layers
from python_layer_provider.errors import LayerError
from python_layer_provider.plan import LayerPlan
from python_layer_provider.publish import AwsSettings, session
from tests.engine.servers import Fault, gate
from tests.faults.scenes import LARGE, NEW, OLD, OWN, SCENES, Clients, Scene, Seen, World
from tools.aws_emulator import aws_emulator

# Two parts, the second one short.
_LARGE_SIZE = (8 << 20) + 5
# Seconds that AWS has to answer, where it never does and where it may be slow.
_NO_PATIENCE, _PATIENCE = "0.25", "60"
# With how many calls AWS fails before it works again: more than one, fewer than are tried.
_TWICE = 2
_SILENT = frozenset({Fault.SILENT, Fault.SILENT_AFTER})
# What passes by itself; rights and what is not there do not, and silence costs time.
PASSING = frozenset({Fault.THROTTLED, Fault.FAILED, Fault.RESET, Fault.RESET_AFTER})


@dataclass(frozen=True)
class Cell:
    """A call in an operation, and what goes wrong with it."""

    scene: Scene
    fault: Fault
    lasts: bool

    def __str__(self) -> str:
        how = "always" if self.lasts else "twice"
        return f"{self.scene.operation}: {self.scene.title}: {self.fault.value}, {how}"


def cells() -> Iterator[Cell]:
    """All that is tried."""
    for scene in SCENES:
        for fault in Fault:
            if not scene.meets(fault):
                continue
            yield Cell(scene, fault, lasts=True)
            if fault in PASSING:
                yield Cell(scene, fault, lasts=False)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a cell."""

    message: str
    """The error's, empty where there was none."""
    code: str
    met: int
    """How often the call was made."""
    known: frozenset[str]
    """The ARNs that the state named before."""
    kept: frozenset[str]
    """The ARNs that the state names after the operation."""
    in_use: frozenset[str]
    """Those of them that functions take."""
    before: Seen
    after: Seen
    tried: Sequence[str]
    """The calls of the operation."""
    then: Sequence[str]
    """The calls of the next one, with AWS working again."""
    settled: Seen
    """What is in AWS after that."""
    standing: frozenset[str]
    """The ARNs that the state names after that."""
    current: frozenset[str]
    """Those of them that functions take."""
    shared: bool
    """Whether they are shared as the program says."""
    left: Seen
    """What is in AWS after all was taken down."""


class Matrix:
    """Runs cells, each once."""

    def __init__(self, endpoint: str, patch: pytest.MonkeyPatch) -> None:
        self._endpoint = endpoint
        self._patch = patch
        self._clients = Clients(endpoint)
        self.run = cache(self._run)

    def _run(self, cell: Cell) -> Outcome:
        """Try a cell; what came of it."""
        with gate(self._endpoint) as (url, before_aws):
            self._patch.setenv("AWS_ENDPOINT_URL", url)
            return self._seen(cell, World(self._clients, before_aws))

    def _seen(self, cell: Cell, world: World) -> Outcome:
        scene, found = cell.scene, world.gate
        scene.before(world)
        known, before = world.known(), world.seen()
        error = self._failed(cell, world)
        met, tried = found.recover(), [*found.names]
        kept, after = world.known(), world.seen()
        found.names.clear()
        in_use = world.current()
        scene.repeat(world)
        then = [*found.names]
        settled, standing, current = world.seen(), world.known(), world.current()
        shared = world.is_shared()
        world.destroy()
        return Outcome(
            message=str(error or ""),
            code=error.code if error else "",
            met=met,
            known=known,
            kept=kept,
            in_use=in_use,
            before=before,
            after=after,
            tried=tried,
            then=then,
            settled=settled,
            standing=standing,
            current=current,
            shared=shared,
            left=world.seen(),
        )

    def _failed(self, cell: Cell, world: World) -> LayerError | None:
        """Do what the scene is about while its call fails; the error that a person reads."""
        scene, fault = cell.scene, cell.fault
        world.gate.names.clear()
        if fault is Fault.MISSING and scene.gone:
            scene.gone(world)
        else:
            world.gate.fail(scene.call, fault, None if cell.lasts else _TWICE, region=scene.region)
        self._patch.setenv(session.TIMEOUT_VARIABLE, _NO_PATIENCE if fault in _SILENT else _PATIENCE)
        try:
            scene.act(world)
        except LayerError as error:
            return error
        finally:
            self._patch.setenv(session.TIMEOUT_VARIABLE, _PATIENCE)
        return None


@contextmanager
def matrix(folder: Path) -> Iterator[Matrix]:
    """An emulator, a cache that has all layers, and an environment that leads to both; retries do not wait."""
    with aws_emulator() as emulator, pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment(os.environ, region=OWN).items():
            patch.setenv(name, value)
        for name in {*os.environ} - {*emulator.environment(os.environ, region=OWN)}:
            patch.delenv(name)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr("botocore.endpoint.time.sleep", lambda _: None)
        patch.setattr("python_layer_provider.publish.versions.time.sleep", lambda _: None)
        _share_sessions(patch)
        for plan, size in ((OLD, 1000), (NEW, 1001), (LARGE, _LARGE_SIZE)):
            _finish(plan, size, folder)
        yield Matrix(emulator.endpoint, patch)


def _share_sessions(patch: pytest.MonkeyPatch) -> None:
    """Have one session in each region: making one takes longer than the calls."""
    made, make = dict[str | None, boto3.Session](), session._session

    def shared(settings: AwsSettings) -> boto3.Session:
        if settings.region not in made:
            made[settings.region] = make(settings)
        return made[settings.region]

    patch.setattr(session, "_session", shared)


def _finish(plan: LayerPlan, size: int, folder: Path) -> None:
    """Have a plan's layer in the cache."""
    content = b"PK" + bytes(size - 2)
    path = folder / "layer.zip"
    path.write_bytes(content)
    sha256 = base64.b64encode(hashlib.sha256(content).digest()).decode()
    found = Zip(path=path, code_sha256=sha256, size=size)
    layers.store(plan, LayerArchive(zip=found, unpacked_size=7, packages=plan.packages, image_digest="sha256:beef"))
