from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from python_layer_provider.build import pip
from python_layer_provider.build.container import Container
from python_layer_provider.errors import (
    BuildTimeoutError,
    CancelledError,
    HashMismatchError,
    ImageMismatchError,
    InstallError,
    LockFileStaleError,
    PipFailedError,
    SdistBuildError,
    VersionNotFoundError,
)
from python_layer_provider.local import with_digests
from python_layer_provider.lockfile import IndexOptions, Pin
from python_layer_provider.plan import LayerPlan
from python_layer_provider.progress import Progress
from python_layer_provider.target import Target
from tests.unit.helpers import HASH, OTHER_HASH, a_pin, a_plan

LOOSE = a_pin("flask", None, hashes=())


class FakeContainer:
    """A fake of a container: takes files, and answers commands with an exit code and lines."""

    def __init__(self, code: int | None = 0, output: str = "", on_run: Callable[[], None] = lambda: None) -> None:
        self.code, self.output, self.on_run = code, output, on_run
        self.files: dict[str, str] = {}
        self.executable: set[str] = set()
        self.commands: list[list[str]] = []
        self.environment: dict[str, str] = {}

    def put(self, folder: str, files: Mapping[str, bytes], executable: Collection[str] = ()) -> None:
        self.files.update({f"{folder}/{name}": content.decode() for name, content in files.items()})
        self.executable.update(f"{folder}/{name}" for name in executable)

    def run(self, command: Sequence[str], environment: Mapping[str, str], on_line: Callable[[str], None]) -> int | None:
        self.commands.append(list(command))
        self.environment = dict(environment)
        for line in self.output.splitlines():
            on_line(line)
        self.on_run()
        return self.code


class Said(Progress):
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []

    def step(self, message: str) -> None:
        self.steps.append(message)


def ran(plan: LayerPlan, box: FakeContainer | None = None, progress: Progress | None = None) -> FakeContainer:
    """A container in which pip has run for the plan."""
    box = box or FakeContainer()
    pip.wheels(plan, cast("Container", box), progress or Progress())
    return box


def runs(plan: LayerPlan) -> list[str]:
    """What follows `--wheel-dir` in each run of pip."""
    return [" ".join(command).partition(f"{pip.WHEELS} ")[2] for command in ran(plan).commands]


def failure(output: str, code: int | None = 1, plan: LayerPlan | None = None) -> InstallError:
    with pytest.raises(InstallError) as caught:
        ran(plan or a_plan(), FakeContainer(code, output))
    return caught.value


# What pip is told.


def test_pip_is_that_of_the_targets_python() -> None:
    (command,) = ran(a_plan(target=Target.of("python3.12", "arm64"))).commands
    assert "python3.12 -m pip wheel --wheel-dir /layer-wheels" in " ".join(command)


def test_pins_with_hashes_are_checked_and_bring_nothing_along() -> None:
    assert runs(a_plan()) == ["--require-hashes --no-deps -r /layer-in/locked.txt"]


def test_a_pin_without_a_hash_switches_off_nobody_elses() -> None:
    plan = a_plan(a_pin(), a_pin("six", "1.17", hashes=()))
    assert runs(plan) == [
        "--require-hashes --no-deps -r /layer-in/locked.txt",
        "--no-deps -r /layer-in/requirements.txt",
    ]


def test_a_list_without_hashes_is_resolved_within_its_constraints() -> None:
    assert runs(a_plan(LOOSE)) == ["-c /layer-in/constraints.txt -r /layer-in/requirements.txt"]


def test_each_pin_is_a_line_of_the_file_of_its_run() -> None:
    plan = a_plan(
        a_pin("a", "1", extras=("x",), hashes=(HASH, OTHER_HASH)),
        a_pin("b", "2", config_settings=("k=v",)),
        LOOSE,
        constraints=(a_pin("c", "3", hashes=()),),
    )
    files = ran(plan).files
    assert files["/layer-in/locked.txt"] == (
        f'a[x]==1 --hash={HASH} --hash={OTHER_HASH}\nb==2 --hash={HASH} --config-settings="k=v"\n'
    )
    assert files["/layer-in/requirements.txt"] == "flask\n"
    assert files["/layer-in/constraints.txt"] == "c==3\n"


@pytest.mark.parametrize(
    ("options", "variable", "value"),
    [
        (IndexOptions(index_url="https://a/"), "PIP_INDEX_URL", "https://a/"),
        (IndexOptions(extra_index_urls=("https://a/", "https://b/")), "PIP_EXTRA_INDEX_URL", "https://a/ https://b/"),
        (IndexOptions(find_links=("https://a/",)), "PIP_FIND_LINKS", "https://a/"),
        (IndexOptions(trusted_hosts=("a", "b")), "PIP_TRUSTED_HOST", "a b"),
        (IndexOptions(no_binary=("a", "b")), "PIP_NO_BINARY", "a,b"),
        (IndexOptions(only_binary=(":all:",)), "PIP_ONLY_BINARY", ":all:"),
        (IndexOptions(no_index=True), "PIP_NO_INDEX", "1"),
        (IndexOptions(pre=True), "PIP_PRE", "1"),
        (IndexOptions(prefer_binary=True), "PIP_PREFER_BINARY", "1"),
    ],
)
def test_an_option_of_the_lock_file_reaches_pip(options: IndexOptions, variable: str, value: str) -> None:
    assert ran(a_plan(index=options)).environment[variable] == value
    assert variable not in ran(a_plan()).environment


@pytest.mark.parametrize("target", [Target.of("python3.11", "x86_64"), Target.of("python3.13", "arm64")])
def test_pip_takes_wheels_for_the_runtimes_glibc_and_not_the_images(target: Target) -> None:
    box = ran(a_plan(target=target))
    found: dict[str, Any] = {}
    exec(box.files["/layer-in/_manylinux.py"], found)
    compatible = found["manylinux_compatible"]
    assert box.environment["PYTHONPATH"] == "/layer-in"
    assert compatible(*target.glibc, target.machine)
    assert not compatible(2, target.glibc[1] + 1, target.machine)
    assert not compatible(2, 17, "i686")


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "NO_PROXY"])
def test_a_proxy_of_this_machine_reaches_pip(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "http://proxy:3128")
    assert ran(a_plan()).environment[variable] == "http://proxy:3128"


@pytest.mark.parametrize("variable", ["PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"])
def test_what_this_machine_trusts_reaches_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str) -> None:
    (tmp_path / "ca.pem").write_text("a certificate")
    monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
    box = ran(a_plan())
    assert box.files["/layer-in/ca.pem"] == "a certificate"
    assert box.environment["PIP_CERT"] == box.environment["SSL_CERT_FILE"] == "/layer-in/ca.pem"


def test_a_certificate_that_is_not_there_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    assert "PIP_CERT" not in ran(a_plan()).environment


# Secrets.

SECRET = a_plan(
    a_pin(version=None, url="https://user:hunter2@host/idna.zip"),
    index=IndexOptions(index_url="https://user:hunter3@host/simple"),
)


def test_credentials_are_in_the_environment_and_in_no_file_or_command() -> None:
    box = ran(SECRET)
    assert "hunter" not in str((box.files, box.commands))
    assert box.environment["PIP_INDEX_URL"] == "https://user:hunter3@host/simple"


def test_pip_fills_in_the_credentials_of_a_url() -> None:
    box = ran(SECRET)
    line = box.files["/layer-in/locked.txt"]
    for variable, value in box.environment.items():
        line = line.replace(f"${{{variable}}}", value)
    assert line == f"idna @ https://user:hunter2@host/idna.zip --hash={HASH}\n"


def test_credentials_are_masked_in_what_pip_says() -> None:
    said = Said()
    with pytest.raises(PipFailedError) as caught:
        ran(SECRET, FakeContainer(1, "Looking in https://user:hunter3@host/simple\nhunter2"), said)
    assert "hunter" not in str((said.steps, str(caught.value)))
    assert "pip: Looking in https://****@host/simple" in said.steps


# What pip says.


def test_each_line_is_a_step_and_empty_ones_are_none() -> None:
    said = Said()
    ran(a_plan(), FakeContainer(0, "Collecting idna\n\n  Downloading idna\n"), said)
    assert said.steps == ["pip: Collecting idna", "pip: Downloading idna"]


MISMATCH = """\
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package versions, \
please update the hashes. Otherwise, examine the package contents carefully; someone may have tampered with them.
    idna==3.11 from https://files.example/idna-3.11-py3-none-any.whl (from -r /layer-in/locked.txt (line 1)):
        Expected sha256 aaaa
             Got        bbbb
"""
NO_MATCH = """\
ERROR: Could not find a version that satisfies the requirement idna==99 (from versions: 2.0, 3.11)
ERROR: No matching distribution found for idna==99 (from -r /layer-in/locked.txt (line 1))
"""
OFFLINE = f"""\
WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)': /simple/idna/
{NO_MATCH}"""
BUILD = """\
  error: subprocess-exited-with-error
  gcc: fatal error: no input files
  ERROR: Failed building wheel for psycopg2
ERROR: Failed to build psycopg2
"""


@pytest.mark.parametrize(
    ("output", "error", "what"),
    [
        (MISMATCH, HashMismatchError, "The index serves another file for `idna==3.11` than the lock file names"),
        (NO_MATCH, VersionNotFoundError, "The index has no `idna==99` that fits the target"),
        (OFFLINE, PipFailedError, "pip cannot reach the index for `idna==99`"),
        (BUILD, SdistBuildError, "The source distribution of `psycopg2` does not build"),
        ("error: metadata-generation-failed", SdistBuildError, "The source distribution of a pin does not build"),
        (
            "ERROR: six-1-cp27-none-any.whl is not a supported wheel on this platform.",
            VersionNotFoundError,
            "The wheel `six-1-cp27-none-any.whl` does not fit python3.13 on x86_64",
        ),
        ("ERROR: out of luck", PipFailedError, "pip failed"),
        ("", PipFailedError, "pip failed"),
    ],
)
def test_a_failure_is_told_by_what_pip_says(output: str, error: type[InstallError], what: str) -> None:
    found = failure(output)
    assert (type(found), found.what) == (error, what)


def test_a_mismatch_shows_both_hashes() -> None:
    assert failure(MISMATCH).detail.splitlines()[1:] == ["Expected sha256 aaaa", "Got        bbbb"]


def test_a_failure_quotes_the_last_lines() -> None:
    detail = failure("\n".join(f"line {n}\n" for n in range(1000))).detail
    assert detail.splitlines() == [f"line {n}" for n in range(985, 1000)]


def test_a_build_that_looks_for_tags_is_told_how_to_do_without() -> None:
    error = failure(f"LookupError: setuptools-scm was unable to detect version for /layer-in\n{BUILD}")
    assert error.hint.startswith("git's tags do not travel: set `fallback_version` below [tool.setuptools_scm]")


def test_an_image_without_the_targets_python_is_told_as_such() -> None:
    with pytest.raises(ImageMismatchError, match=r"The build image has no `python3\.13`"):
        ran(a_plan(), FakeContainer(127, "sh: exec: python3.13: not found"))


def test_a_container_that_is_gone_has_reached_its_timeout() -> None:
    with pytest.raises(BuildTimeoutError, match="Collecting torch"):
        ran(a_plan(), FakeContainer(None, "Collecting torch"))


def test_a_container_that_is_gone_after_an_interruption_is_no_timeout() -> None:
    progress = Progress()
    with pytest.raises(CancelledError):
        ran(a_plan(), FakeContainer(None, on_run=progress.interrupt), progress)


def test_the_second_run_does_not_happen_after_the_first_failed() -> None:
    box = FakeContainer(1)
    with pytest.raises(PipFailedError):
        ran(a_plan(a_pin(), LOOSE), box)
    assert len(box.commands) == 1


# What is at a path.


def a_local_plan(folder: Path, *pins: Pin) -> LayerPlan:
    """A plan whose pins are at paths below a folder."""
    return with_digests(a_plan(*pins), folder)


def a_project(folder: Path) -> None:
    (folder / "lib").mkdir()
    (folder / "lib/pyproject.toml").write_text("")
    (folder / "lib/run.sh").write_text("")
    (folder / "lib/run.sh").chmod(0o755)


def test_what_is_at_a_path_travels_and_is_named_by_where_it_arrives(tmp_path: Path) -> None:
    a_project(tmp_path)
    box = ran(a_local_plan(tmp_path, a_pin("my-lib", None, path="lib", extras=("x",), hashes=())))
    assert box.files["/layer-in/requirements.txt"] == "my-lib[x] @ file:///layer-in/path-dependencies/my-lib\n"
    assert {path for path in box.files if "path-dep" in path} == {
        "/layer-in/path-dependencies/my-lib/pyproject.toml",
        "/layer-in/path-dependencies/my-lib/run.sh",
    }
    assert box.executable == {"/layer-in/path-dependencies/my-lib/run.sh"}


def test_a_wheel_with_hashes_is_checked_by_pip_too(tmp_path: Path) -> None:
    name = "x-1.0+cpu-py3-none-any.whl"
    (tmp_path / name).write_bytes(b"PK")
    sha256 = f"sha256:{hashlib.sha256(b'PK').hexdigest()}"
    box = ran(a_local_plan(tmp_path, a_pin("x", "1.0+cpu", specifier="", path=name, hashes=(sha256,))))
    url = "file:///layer-in/path-dependencies/x/x-1.0%2Bcpu-py3-none-any.whl"
    assert box.files["/layer-in/locked.txt"] == f"x @ {url} --hash={sha256}\n"
    assert box.files[f"/layer-in/path-dependencies/x/{name}"] == "PK"


def test_a_version_that_the_lock_file_knows_is_there_for_builds_that_look_for_tags(tmp_path: Path) -> None:
    a_project(tmp_path)
    at = "/layer-in/path-dependencies/my-lib/PKG-INFO"
    assert at not in ran(a_local_plan(tmp_path, a_pin("my-lib", None, path="lib", hashes=()))).files
    box = ran(a_local_plan(tmp_path, a_pin("my-lib", "1.5", path="lib", hashes=())))
    assert box.files[at] == "Metadata-Version: 2.1\nName: my-lib\nVersion: 1.5\n"
    (tmp_path / "lib/PKG-INFO").write_text("Version: 1.4")
    box = ran(a_local_plan(tmp_path, a_pin("my-lib", "1.5", path="lib", hashes=())))
    assert box.files[at] == "Version: 1.4"


def test_nothing_is_installed_of_what_has_changed_since_the_preview(tmp_path: Path) -> None:
    a_project(tmp_path)
    plan = a_local_plan(tmp_path, a_pin("my-lib", None, path="lib", hashes=()))
    (tmp_path / "lib/new.py").write_text("")
    box = FakeContainer()
    with pytest.raises(LockFileStaleError, match="has changed since the preview"):
        ran(plan, box)
    assert box.commands == []


# Indexes that lock files name.


def test_the_indexes_of_a_lock_file_reach_pip() -> None:
    one, other = "https://one.example/simple", "https://me:hunter2@other.example/simple"
    box = ran(a_plan(a_pin(index=one), a_pin("six", index=other), a_pin("attrs", index=one)))
    assert "python3.13 /layer-in/pip_at_indexes.py wheel --wheel-dir" in " ".join(box.commands[0])
    assert box.environment["PYTHON_LAYER_INDEXES"] == f"{one} {other}"
    assert "hunter2" not in str(box.files)


def test_a_pin_without_an_index_is_looked_for_at_the_default_one_as_well() -> None:
    box = ran(a_plan(a_pin(index="https://one.example/simple"), a_pin("six")))
    assert box.environment["PYTHON_LAYER_INDEXES"] == "https://one.example/simple -"


def test_pins_from_elsewhere_ask_no_index() -> None:
    there = a_pin("six", None, url="https://h.example/six-1.zip")
    box = ran(a_plan(a_pin(index="https://one.example/simple"), there))
    assert box.environment["PYTHON_LAYER_INDEXES"] == "https://one.example/simple"
