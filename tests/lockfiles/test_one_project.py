"""The five formats of one project give one plan where their tools lock the same."""

from __future__ import annotations

from itertools import product

import pytest

from python_layer_provider.lockfile import Lockfile, read_lockfile
from python_layer_provider.plan import make_plan
from python_layer_provider.selection import select
from python_layer_provider.target import ARCHITECTURES, RUNTIMES, Target
from tests.lockfiles.locked import PROJECTS

TARGETS = [Target.of(runtime, architecture) for runtime, architecture in product(RUNTIMES, ARCHITECTURES)]
FORMATS = ("requirements.txt", "pylock.toml", "uv.lock", "poetry.lock", "Pipfile.lock")


def read(project: str, lock: str) -> Lockfile:
    return read_lockfile(lock, base=PROJECTS / project, environ={"INHOUSE_TOKEN": "token"})


@pytest.mark.parametrize("lock", FORMATS)
def test_a_lock_file_beside_its_project_is_not_stale(lock: str) -> None:
    assert read("five-formats", lock).stale == ()


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_the_five_formats_give_one_content_hash(target: Target) -> None:
    hashes = {lock: make_plan(read("five-formats", lock), target).content_hash() for lock in FORMATS}
    assert len(set(hashes.values())) == 1, hashes


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_the_five_formats_show_the_same_packages(target: Target) -> None:
    expected = {
        "inhouse": "4.2",
        "leaf": "1.0",
        "native": "2.1",
        "other-leaf": "1.0",
        "plain": "1.0",
        "source-only": "1.0",
        "stable-abi": "1.0",
        "with-extras": "3.0",
    }
    if target.architecture == "arm64" or target.python in {"3.9", "3.10", "3.11"}:
        expected["odd-version"] = "1!2.0.post1"
    if target.architecture == "x86_64":
        expected["on-x86"] = "1.0"
    for lock in FORMATS:
        assert make_plan(read("five-formats", lock), target).packages == expected, lock


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_every_pin_of_the_five_formats_is_locked(target: Target) -> None:
    for lock in FORMATS:
        plan = make_plan(read("five-formats", lock), target, strict=True)
        assert plan.reproducible, lock
        assert plan.complete, lock


@pytest.mark.parametrize("lock", [lock for lock in FORMATS if lock != "requirements.txt"])
def test_the_private_index_of_a_pin_is_known(lock: str) -> None:
    """A requirements file of uv's names no index for a pin."""
    indexes = {str(pin.name): pin.index for pin in select(read("five-formats", lock), TARGETS[0]).pins.values()}
    assert indexes["inhouse"] == "https://private.example/simple"
    assert indexes["leaf"] == "https://index.example/simple"


@pytest.mark.parametrize("lock", ["pylock.toml", "uv.lock", "poetry.lock"])
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_formats_that_name_files_choose_the_same_ones(lock: str, target: Target) -> None:
    def files(lock: str) -> dict[str, str]:
        return {name: pin.files[0].name for name, pin in select(read("platforms", lock), target).pins.items()}

    assert files(lock) == files("pylock.toml")
    assert files(lock)["source-only"] == "source_only-1.0.tar.gz"


# --- where tools do not lock the same, by their nature ---


@pytest.mark.parametrize("lock", ["requirements.txt", "pylock.toml", "uv.lock", "poetry.lock"])
def test_other_tools_lock_what_only_another_python_needs(lock: str) -> None:
    assert "backport" in select(read("markers", lock), Target.of("python3.9", "x86_64")).pins


def test_pipenv_locks_what_the_python_that_it_runs_on_needs() -> None:
    """`by-marker` needs `backport` before Python 3.11, on which pipenv ran: the file knows nothing of it."""
    assert "backport" not in {pin.name for pin in read("markers", "Pipfile.lock").pins}


def test_pipenv_leaves_open_what_its_own_platform_does_not_need() -> None:
    pins = {str(pin.name): pin for pin in read("markers", "Pipfile.lock").pins}
    assert pins["on-arm"].marker == 'platform_machine == "aarch64"'
    assert not pins["on-arm"].pinned
    assert pins["by-marker"].locked


def test_uv_leaves_out_files_for_platforms_on_which_it_never_installs() -> None:
    """`native` is asked for on x86_64 alone: uv lists no other wheel, while Poetry lists all that the index has."""
    core = read_lockfile("packages/core", base=PROJECTS / "workspace", environ={}, extras=["fast"])
    of_uv, of_poetry = native_files(core), native_files(read("platforms", "poetry.lock"))
    assert of_uv < of_poetry
    assert {name for name in of_poetry if name.endswith("x86_64.whl")} <= of_uv
    assert not any(name.endswith("aarch64.whl") for name in of_uv)


def native_files(lockfile: Lockfile) -> set[str]:
    return {file.name for pin in lockfile.pins if pin.name == "native" for file in pin.files}
