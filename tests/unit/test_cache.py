from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from python_layer_provider.archive import LayerArchive
from python_layer_provider.build import cache
from python_layer_provider.build.cache import cache_folder, load, store, workspace
from python_layer_provider.errors import CancelledError
from python_layer_provider.plan import LayerPlan
from python_layer_provider.progress import Progress
from tests.unit.helpers import a_pin, a_plan, an_archive

PLAN = a_plan()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder()


@pytest.fixture
def archive(tmp_path: Path) -> LayerArchive:
    return an_archive(tmp_path, b"a zip")


def files() -> list[str]:
    return sorted(path.name for path in cache_folder().iterdir())


def aged(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def kept(number: int, folder: Path, *, seconds: float, size: int = 10) -> Path:
    """A layer in the cache that was last used so long ago."""
    plan = a_plan(a_pin(version=str(number)))
    store(plan, an_archive(folder, bytes(size)))
    path = cache_folder() / f"{plan.content_hash().replace(':', '-')}.zip"
    aged(path, seconds)
    return path


def test_a_layer_comes_back_as_it_was(archive: LayerArchive) -> None:
    store(PLAN, archive)
    found = load(PLAN)
    assert found is not None
    assert found.zip.path.read_bytes() == b"a zip"
    assert (found.zip.code_sha256, found.zip.size) == (archive.zip.code_sha256, archive.zip.size)
    assert (found.unpacked_size, found.packages, found.image_digest) == (7, {"idna": "3.11"}, "sha256:beef")


def test_an_empty_cache_has_nothing() -> None:
    assert load(PLAN) is None


def test_another_plan_is_another_layer(archive: LayerArchive) -> None:
    store(PLAN, archive)
    assert load(a_plan(a_pin("idna", "3.12"))) is None


@pytest.mark.parametrize("plan", [a_plan(a_pin(hashes=())), a_plan(a_pin(), a_pin("b", None, hashes=()))])
def test_what_the_plan_alone_does_not_decide_is_not_kept(plan: LayerPlan, archive: LayerArchive) -> None:
    store(plan, archive)
    assert files() == []


def test_a_layer_that_is_kept_twice_is_there_once(archive: LayerArchive) -> None:
    store(PLAN, archive)
    store(PLAN, archive)
    assert len(files()) == 2


def test_a_zip_whose_bytes_have_changed_is_not_used(archive: LayerArchive) -> None:
    store(PLAN, archive)
    next(cache_folder().glob("*.zip")).write_bytes(b"a zap")
    assert load(PLAN) is None


@pytest.mark.parametrize("suffix", ["json", "zip"])
def test_half_of_a_layer_is_not_used(archive: LayerArchive, suffix: str) -> None:
    store(PLAN, archive)
    next(cache_folder().glob(f"*.{suffix}")).unlink()
    assert load(PLAN) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"zip": 1}', '{"zip": {}, "later": 1}', "\x00"])
def test_a_description_that_cannot_be_read_is_not_used(archive: LayerArchive, text: str) -> None:
    store(PLAN, archive)
    next(cache_folder().glob("*.json")).write_text(text)
    assert load(PLAN) is None


def test_a_description_of_a_later_release_is_not_used(archive: LayerArchive) -> None:
    store(PLAN, archive)
    path = next(cache_folder().glob("*.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "later": 1}))
    assert load(PLAN) is None


def test_a_layer_that_is_used_is_new_again(tmp_path: Path) -> None:
    path = kept(1, tmp_path, seconds=9999)
    load(a_plan(a_pin(version="1")))
    assert time.time() - path.stat().st_mtime < 60


def test_the_longest_unused_layers_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oldest, older, newer = (kept(n, tmp_path, seconds=9000 - 1000 * n) for n in range(3))
    monkeypatch.setattr(cache, "LIMIT", 35)
    store(PLAN, an_archive(tmp_path, bytes(10)))
    assert [path.exists() for path in (oldest, older, newer)] == [False, True, True]
    assert not oldest.with_suffix(".json").exists()


def test_what_was_used_within_the_hour_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept(1, tmp_path, seconds=3000)
    monkeypatch.setattr(cache, "LIMIT", 0)
    store(PLAN, an_archive(tmp_path))
    assert path.exists()


def test_a_workspace_is_gone_afterwards() -> None:
    with workspace() as folder:
        (folder / "file").write_text("x")
    assert files() == []


def test_a_workspace_is_gone_after_a_failure() -> None:
    with pytest.raises(KeyError), workspace() as folder:
        raise KeyError(folder)
    assert files() == []


@pytest.mark.parametrize(("hours", "stays"), [(25, False), (23, True)])
def test_what_a_killed_build_has_left_goes_after_a_day(archive: LayerArchive, hours: int, *, stays: bool) -> None:
    left = cache_folder() / "build-killed"
    left.mkdir()
    (left / "file").write_text("x")
    aged(left, hours * 3600)
    store(PLAN, archive)
    assert left.exists() is stays


@pytest.mark.parametrize("name", ["build-gone", "gone.zip"])
def test_what_another_process_removes_meanwhile_is_no_error(archive: LayerArchive, folder: Path, name: str) -> None:
    # A link that leads nowhere is listed and cannot be looked at, as a file that goes in between.
    (folder / name).symlink_to("nowhere")
    store(PLAN, archive)
    assert load(PLAN) is not None


def test_only_its_owner_can_read_the_cache(folder: Path) -> None:
    assert folder.stat().st_mode & 0o077 == 0


# What a person sees of it.


def test_a_person_sees_what_is_kept_the_longest_unused_first(tmp_path: Path) -> None:
    paths = [kept(number, tmp_path, seconds=seconds) for number, seconds in ((1, 10), (2, 1000))]
    found = cache.kept()
    assert [layer.used for layer in found] == [path.stat().st_mtime for path in reversed(paths)]
    assert {layer.content_hash for layer in found} == {a_plan(a_pin(version=v)).content_hash() for v in "12"}
    assert all((layer.size, layer.packages) == (10, {"idna": "3.11"}) for layer in found)


def test_layers_that_nobody_has_asked_for_are_removed(tmp_path: Path) -> None:
    old, new = kept(1, tmp_path, seconds=1000), kept(2, tmp_path, seconds=10)
    assert [layer.used for layer in cache.remove(500)] == [pytest.approx(time.time() - 1000, abs=60)]
    assert not old.exists()
    assert new.exists()
    cache.remove(0)
    assert files() == []


def test_half_of_a_layer_is_shown_and_removed(tmp_path: Path) -> None:
    path = kept(1, tmp_path, seconds=10)
    path.with_suffix(".json").write_text("{")
    assert cache.kept()[0].packages == {}
    cache.remove(0)
    assert files() == []


# One build at a time.


def test_the_same_plan_is_built_by_one_at_a_time() -> None:
    inside: list[int] = []
    most: list[int] = []

    def build(number: int) -> None:
        with cache.building(PLAN, Progress()):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.05)
            inside.remove(number)

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(build, range(4)))
    assert most == [1, 1, 1, 1]


def test_other_plans_do_not_wait() -> None:
    with cache.building(PLAN, Progress()), cache.building(a_plan(a_pin("six")), Progress()):
        pass


def test_a_lock_goes_with_the_process_that_holds_it() -> None:
    program = (
        "from python_layer_provider.build import cache\n"
        "from python_layer_provider.progress import Progress\n"
        "from tests.unit.test_cache import PLAN\n"
        "with cache.building(PLAN, Progress()):\n    print('holds it', flush=True)\n    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"holds it\n"
        waiting = Noting(until=process.kill)
        with cache.building(PLAN, waiting):
            assert waiting.said == {"The same layer is being built already; waiting for it"}


def test_who_waits_can_be_interrupted() -> None:
    with cache.building(PLAN, Progress()), pytest.raises(CancelledError), cache.building(PLAN, Impatient()):
        pytest.fail("two build the same layer")


class Noting(Progress):
    """Progress that remembers what was said, and does something once it hears of it."""

    def __init__(self, until: Callable[[], None]) -> None:
        super().__init__()
        self.said: set[str] = set()
        self._until = until

    def step(self, message: str) -> None:
        self.said.add(message)
        self._until()


class Impatient(Progress):
    """Progress whose run ends as soon as it is told something."""

    def step(self, message: str) -> None:
        assert message
        self.interrupt()
