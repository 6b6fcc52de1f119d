"""The command line, as far as it goes without a container engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pulumi_python_layer.cli import EXIT_CODES, main
from python_layer_provider.build.cache import store
from python_layer_provider.errors import LayerError
from python_layer_provider.lockfile import read_lockfile
from python_layer_provider.plan import make_plan
from tests.unit.helpers import A_UV_LOCK, HASH, OTHER_HASH, TARGET, a_plan, an_archive

LOCK = f"idna==3.11 --hash={HASH}\nsix==1.17.0 --hash={HASH}\n"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text(LOCK)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_plan_prints_packages_and_hash(lock: Path) -> None:
    result = run("plan", "--requirements", lock)
    assert result.exit_code == 0
    assert "idna" in result.stdout
    assert "3.11" in result.stdout
    assert "content hash 1:" in result.stdout
    assert result.stderr == ""


def test_plan_as_json_has_packages_and_content_hash(lock: Path) -> None:
    found = json.loads(run("plan", "--requirements", lock, "--json").stdout)
    assert found["packages"] == {"idna": "3.11", "six": "1.17.0"}
    assert found["content_hash"].startswith("1:")
    assert found["locked"] is True


def test_runtime_and_architecture_move_the_hash(lock: Path) -> None:
    targets = [("python3.13", "x86_64"), ("python3.12", "x86_64"), ("python3.13", "arm64")]
    hashes = {
        json.loads(run("plan", "-r", lock, "--runtime", r, "--architecture", a, "--json").stdout)["content_hash"]
        for r, a in targets
    }
    assert len(hashes) == len(targets)


def test_what_is_not_locked_is_a_warning_on_stderr(lock: Path) -> None:
    lock.write_text("idna\n")
    result = run("plan", "-r", lock, "--json")
    assert result.exit_code == 0
    assert "warning: 1 of 1 requirements are not locked" in result.stderr
    assert json.loads(result.stdout)["locked"] is False


def test_strict_refuses_what_is_not_locked(lock: Path) -> None:
    lock.write_text("idna\n")
    result = run("plan", "-r", lock, "--strict")
    assert result.exit_code == 2
    assert "[PYL-LOCK-INCOMPLETE]" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--runtime", "python2.7"), "PYL-RUNTIME-UNKNOWN"),
        (("--architecture", "aarch64"), "PYL-ARCHITECTURE-UNKNOWN"),
    ],
)
def test_a_mistake_is_told_with_its_code_and_no_traceback(lock: Path, arguments: tuple[str, str], code: str) -> None:
    result = run("plan", "-r", lock, *arguments)
    assert result.exit_code == 2
    assert code in result.stderr
    assert "Traceback" not in result.output


def test_a_missing_lock_file_exits_with_2(tmp_path: Path) -> None:
    result = run("plan", "-r", tmp_path / "none.txt")
    assert result.exit_code == 2
    assert "[PYL-LOCK-NOT-FOUND]" in result.stderr


def test_a_build_without_engine_exits_with_3(lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    result = run("build", "-r", lock, "-o", tmp_path / "layer.zip")
    assert result.exit_code == 3
    assert "[PYL-ENGINE-NOT-RUNNING]" in result.stderr
    assert not (tmp_path / "layer.zip").exists()


def test_every_kind_of_error_has_an_exit_code_above_1() -> None:
    kinds = {kind for kind in LayerError.__subclasses__() if kind.__name__ != "PublishError"}
    assert kinds == set(EXIT_CODES)
    assert min(EXIT_CODES.values()) == 2


@pytest.fixture
def older(tmp_path: Path) -> Path:
    path = tmp_path / "older.txt"
    path.write_text(f"idna==3.10 --hash={HASH}\ntyping-extensions==4.1 --hash={HASH}\n")
    return path


def cells(table: str) -> list[list[str]]:
    """The rows of a table that was printed."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if line.startswith("│")]


@pytest.mark.parametrize("command", ["diff", "plan"])
def test_what_changes_from_one_lock_file_to_another_is_a_table(lock: Path, older: Path, command: str) -> None:
    arguments = (older, lock) if command == "diff" else ("-r", lock, "--against", older)
    result = run(command, *arguments)
    assert result.exit_code == 0
    assert cells(result.stdout) == [
        ["~", "idna", "3.10", "3.11"],
        ["+", "six", "", "1.17.0"],
        ["-", "typing-extensions", "4.1", ""],
    ]


def test_what_changes_is_told_as_json(lock: Path, older: Path) -> None:
    assert json.loads(run("diff", older, lock, "--json").stdout) == {
        "same": False,
        "packages": {
            "idna": {"old": "3.10", "new": "3.11"},
            "six": {"old": None, "new": "1.17.0"},
            "typing-extensions": {"old": "4.1", "new": None},
        },
    }


def test_the_same_lock_file_is_no_change(lock: Path) -> None:
    assert run("diff", lock, lock).stdout == "no change\n"


def test_the_same_packages_of_other_files_are_told_to_be_published_anew(lock: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text(LOCK.replace(HASH, OTHER_HASH))
    result = run("diff", lock, tmp_path / "other.txt")
    assert result.stdout == "the same packages with other files: the layer is published anew\n"


def test_only_the_newer_lock_file_is_warned_about(lock: Path, older: Path) -> None:
    older.write_text("idna\n")
    assert run("diff", older, lock).stderr == ""
    assert "1 of 1 requirements are not locked" in run("diff", lock, older).stderr


@pytest.fixture
def uv_lock(tmp_path: Path) -> Path:
    path = tmp_path / "uv.lock"
    path.write_text(A_UV_LOCK)
    return path


def test_plan_shows_where_packages_come_from_and_what_they_weigh(uv_lock: Path) -> None:
    result = run("plan", "-r", uv_lock)
    assert cells(result.stdout) == [["boto3", "1", "sdist", "1.0 MB", "1"], ["idna", "3.11", "wheel", "20.0 MB", "1"]]
    assert "about 69 MB of 262 MB unzipped" in result.stdout


@pytest.mark.parametrize(
    ("option", "packages"),
    [
        (("--group", "dev"), {"attrs", "boto3", "idna"}),
        (("--extra", "fast"), {"boto3", "idna", "six"}),
        (("--omit-runtime-packages",), {"idna"}),
    ],
)
def test_options_select_what_is_installed(uv_lock: Path, option: tuple[str, ...], packages: set[str]) -> None:
    assert set(json.loads(run("plan", "-r", uv_lock, *option, "--json").stdout)["packages"]) == packages


def test_what_is_left_to_the_runtime_is_shown(uv_lock: Path) -> None:
    assert "left to the runtime: boto3 1\n" in run("plan", "-r", uv_lock, "--omit-runtime-packages").stdout


def test_an_unknown_group_is_told_with_those_there_are(uv_lock: Path) -> None:
    result = run("plan", "-r", uv_lock, "--group", "docs")
    assert result.exit_code == 2
    assert "no `docs` in the groups of" in result.stderr
    assert "has `dev`" in result.stderr


@pytest.mark.parametrize("command", [(), ("plan",), ("diff",), ("build",), ("inspect",)])
def test_help_is_there_for_every_command(command: tuple[str, ...]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


@pytest.fixture
def built(lock: Path, tmp_path: Path) -> None:
    """A machine that has built the layer of the lock before."""
    lockfile = read_lockfile(str(lock), base=tmp_path, environ={})
    store(make_plan(lockfile, TARGET), an_archive(tmp_path))


@pytest.mark.usefixtures("built")
def test_a_layer_that_was_built_before_needs_no_engine(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    result = run("build", "-r", lock, "-o", tmp_path / "new" / "layer.zip", "--json")
    found = json.loads(result.stdout)
    assert found["cached"] is True
    assert found["zipped_size"] == (tmp_path / "new" / "layer.zip").stat().st_size


@pytest.mark.usefixtures("built")
def test_an_output_that_cannot_be_written_is_no_traceback(lock: Path) -> None:
    result = run("build", "-r", lock, "-o", lock / "layer.zip")
    assert result.exit_code == 1
    assert "A file cannot be read or written" in result.stderr


@pytest.fixture
def kept_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The content hash of the only layer in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plan = a_plan()
    store(plan, an_archive(tmp_path, b"a zip"))
    return plan.content_hash()


def test_the_cache_shows_what_it_keeps(kept_layer: str) -> None:
    result = run("cache")
    assert kept_layer[:14] in result.stdout
    assert "idna" in result.stdout
    assert "1 layers, 0.0 MB of 4295.0 MB" in result.stdout
    (layer,) = json.loads(run("cache", "--json").stdout)["layers"]
    assert (layer["content_hash"], layer["zipped_size"], layer["packages"]) == (kept_layer, 5, {"idna": "3.11"})


@pytest.mark.usefixtures("kept_layer")
def test_the_cache_is_pruned_of_what_nobody_has_asked_for() -> None:
    assert run("cache", "--prune", "1").stdout == "0 layers removed, 0.0 MB\n"
    assert run("cache", "--prune", "0").stdout == "1 layers removed, 0.0 MB\n"
    assert json.loads(run("cache", "--json").stdout)["layers"] == []
    assert run("cache", "--prune", "-1").exit_code == 2
