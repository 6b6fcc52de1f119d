"""What is selected against what the tools that make lock files select themselves, for every runtime and architecture.

uv selects for any target when it installs from requirements.txt and pylock.toml. Of uv.lock, poetry.lock and
Pipfile.lock the tools export all lines with their markers, which `packaging` evaluates here. pip evaluates markers
for the interpreter that it runs on, so that it is asked for that one alone; which wheel it takes it tells for any.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import cast

import pytest
from packaging.markers import Environment, Marker
from packaging.pylock import PackageSdist, PackageWheel, Pylock
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from python_layer_provider.errors import LockFileTargetError
from python_layer_provider.lockfile import Lockfile, read_lockfile
from python_layer_provider.lockfile.table import load_toml
from python_layer_provider.selection import select
from python_layer_provider.target import ARCHITECTURES, RUNTIMES, Target
from tests.lockfiles.index import PRIVATE_INDEX, PUBLIC_INDEX, environment
from tests.lockfiles.locked import PROJECTS, ToolFailedError, tool
from tests.lockfiles.universe import PUBLIC, Served, listed
from tools.lockers import lockers

Selected = dict[str, str | None]
"""Name to version; to the URL or the last part of the path of what has one."""
TARGETS = [Target.of(runtime, architecture) for runtime, architecture in product(RUNTIMES, ARCHITECTURES)]


@dataclass(frozen=True)
class Tools:
    """The real tools, in an environment that shows them the index of these tests alone."""

    folder: Path
    """A copy of the projects."""
    variables: Mapping[str, str]

    def said(self, project: str, *words: str) -> str:
        """What a tool writes to standard output in the folder of a project."""
        return tool(words, self.folder / project, self.variables)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    projects = tmp_path_factory.mktemp("tools") / "projects"
    shutil.copytree(PROJECTS, projects)
    with environment(tmp_path_factory.mktemp("home"), lockers()) as variables:
        yield Tools(projects, variables)


def ours(
    project: str, lock: str, groups: Sequence[str] = (), extras: Sequence[str] = (), projects: Path = PROJECTS
) -> dict[Target, Selected | None]:
    """What we select for each target; None where we refuse."""
    variables = {"INHOUSE_TOKEN": "token"}
    lockfile = read_lockfile(lock, base=projects / project, environ=variables, groups=groups, extras=extras)
    assert not lockfile.stale
    return {target: selected(lockfile, target) for target in TARGETS}


def selected(lockfile: Lockfile, target: Target) -> Selected | None:
    """What we select; None where we refuse because nothing fits."""
    try:
        pins = select(lockfile, target).pins
    except LockFileTargetError:
        return None
    return {name: pin.url or (Path(pin.path).name if pin.path else pin.version) for name, pin in pins.items()}


# --- what tools export, with markers ---


def by_markers(lines: str) -> dict[Target, Selected | None]:
    """What exported lines select for each target."""
    wanted = [exported(line) for line in lines.splitlines() if line.strip() and not line.startswith(("-i", "--", "#"))]
    return {
        target: {name: what for name, what, marker in wanted if marker is None or holds(marker, target)}
        for target in TARGETS
    }


def exported(line: str) -> tuple[str, str | None, Marker | None]:
    """Name, version or place, and marker of an exported line."""
    head, _, marker = line.removeprefix("-e ").partition(";")
    place = head.strip()
    if "@ " not in place and ("/" in place or place.endswith(".whl")):
        last = place.rpartition("/")[2]
        name = parse_wheel_filename(last)[0] if last.endswith(".whl") else canonicalize_name(last)
        return name, place if "://" in place else last, Marker(marker) if marker.strip() else None
    requirement = Requirement(line)
    versions = [specifier.version for specifier in requirement.specifier]
    version = versions[0] if versions else None
    return canonicalize_name(requirement.name), short(requirement.url) or version, requirement.marker


def short(url: str | None) -> str | None:
    """The last part of a path; any other URL as it is."""
    return url.rpartition("/")[2] if url and url.startswith("file:") else url


def holds(marker: Marker, target: Target) -> bool:
    """Whether a marker holds for a target."""
    variables = {
        "implementation_name": "cpython",
        "implementation_version": f"{target.python}.5",
        "os_name": "posix",
        "platform_machine": {"x86_64": "x86_64", "arm64": "aarch64"}[target.architecture],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{target.python}.5",
        "python_version": target.python,
        "sys_platform": "linux",
    }
    return marker.evaluate(variables)


@pytest.mark.parametrize(
    ("project", "groups", "extras"),
    [
        ("conflicts", (), ()),
        ("conflicts", (), ("old",)),
        ("conflicts", (), ("new",)),
        ("conflicts", ("inhouse",), ()),
        ("conflicts", ("public",), ("new",)),
        ("extras", (), ()),
        ("extras", (), ("fast",)),
        ("extras", (), ("every",)),
        ("extras", (), ("Two_Words",)),
        ("extras", (), ("two-words", "fast")),
        ("five-formats", (), ()),
        ("groups", (), ()),
        ("groups", ("dev",), ()),
        ("groups", ("test",), ()),
        ("groups", ("docs-site", "test"), ()),
        ("markers", (), ()),
        ("platforms", (), ()),
        ("sources", (), ()),
        ("workspace", (), ()),
        ("workspace/packages/api", (), ()),
        ("workspace/packages/api", ("dev",), ("docs",)),
        ("workspace/packages/core", (), ("fast",)),
    ],
)
def test_uv_exports_the_same(project: str, groups: tuple[str, ...], extras: tuple[str, ...], tools: Tools) -> None:
    words = [*given("--group", groups), *given("--extra", extras)]
    plain = ("--no-hashes", "--no-header", "--no-annotate", "--no-emit-project", "--no-default-groups")
    lines = tools.said(project, "uv", "export", "--quiet", "--frozen", *plain, *words)
    # A member of a workspace has no lock file of its own.
    assert ours(project, "." if "/" in project else "uv.lock", groups, extras) == by_markers(lines)


@pytest.mark.parametrize(
    ("project", "groups", "extras"),
    [
        ("extras", (), ()),
        ("extras", (), ("fast",)),
        ("extras", (), ("every",)),
        ("extras", (), ("Two_Words", "fast")),
        ("five-formats", (), ()),
        ("groups", (), ()),
        ("groups", ("dev",), ()),
        ("groups", ("docs-site", "test"), ()),
        ("markers", (), ()),
        ("platforms", (), ()),
        ("sources", (), ()),
    ],
)
def test_poetry_exports_the_same(project: str, groups: tuple[str, ...], extras: tuple[str, ...], tools: Tools) -> None:
    words = [*given("--only", ("main", *groups)), *given("--extras", extras)]
    lines = tools.said(project, "poetry", "export", "--without-hashes", *words)
    assert ours(project, "poetry.lock", groups, extras) == by_markers(lines)


@pytest.mark.parametrize(
    ("project", "categories"),
    [
        ("extras", ()),
        ("five-formats", ()),
        ("groups", ()),
        ("groups", ("dev-packages",)),
        ("groups", ("docs-site",)),
        ("groups", ("docs-site", "dev-packages")),
        ("markers", ()),
        ("platforms", ()),
        ("sources", ()),
    ],
)
def test_pipenv_exports_the_same(project: str, categories: tuple[str, ...], tools: Tools) -> None:
    lines = tools.said(project, "pipenv", "requirements", "--categories", " ".join(("packages", *categories)))
    assert ours(project, "Pipfile.lock", categories) == by_markers(lines)


def given(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


# --- what uv would install ---

_REFUSED = re.compile("has no wheels with a matching|is not supported by the lockfile")


def of_uv(tools: Tools, project: str, target: Target, *words: str) -> Selected | None:
    """What uv says that it would install for a target; None where it refuses."""
    # It knows no glibc between 2.17 and 2.28.
    glibc = "2_34" if target.python in {"3.12", "3.13", "3.14"} else "2_17"
    machine = {"x86_64": "x86_64", "arm64": "aarch64"}[target.architecture]
    where = ("--python-version", target.python, "--python-platform", f"{machine}-manylinux_{glibc}")
    # The first of the two wins.
    indexes = ("--index", PUBLIC_INDEX, "--default-index", PRIVATE_INDEX)
    command = ["uv", "pip", *words, "--dry-run", "--target", "nowhere", *where, *indexes]
    try:
        # It tells what it would do where others tell of their progress.
        said = tools.said(project, "sh", "-c", '"$@" 2>&1', "sh", *command)
    except ToolFailedError as error:
        if not _REFUSED.search(str(error)):
            raise
        return None
    lines = [line.removeprefix(" + ") for line in said.splitlines() if line.startswith(" + ")]
    return {name: what for name, what, _ in map(exported, lines)}


@pytest.mark.parametrize("lock", ["requirements.txt", "pylock.toml"])
@pytest.mark.parametrize("project", ["five-formats", "markers", "platforms", "sources"])
def test_uv_would_install_the_same(project: str, lock: str, tools: Tools) -> None:
    assert ours(project, lock) == {target: of_uv(tools, project, target, "sync", lock) for target in TARGETS}


@pytest.mark.parametrize(
    ("groups", "extras"),
    [((), ()), (("dev",), ()), ((), ("fast",)), (("docs-site",), ("two-words",)), (("dev",), ("fast", "two-words"))],
)
def test_uv_would_install_the_same_groups_and_extras_of_pylock(
    groups: tuple[str, ...], extras: tuple[str, ...], tools: Tools
) -> None:
    # uv drops the default groups when others are asked for; we do not, as nobody else does.
    words = [*given("--group", ("main", *groups)), *given("--extra", extras)]
    expected = {target: of_uv(tools, "hand-written", target, "sync", "pylock.toml", *words) for target in TARGETS}
    assert ours("hand-written", "pylock.toml", groups, extras) == expected


@pytest.mark.parametrize(
    "name",
    [
        "new-glibc",
        "newest-glibc",
        "on-arm",
        "only-cp312",
        "only-musl",
        "only-windows",
        "only-x86",
    ],
)
def test_a_pin_is_refused_where_uv_finds_no_file(name: str, tools: Tools, tmp_path: Path) -> None:
    files = listed(PUBLIC)[name]
    version = files[0].name.split("-")[1]
    (tmp_path / "pylock.toml").write_text(a_pylock(name, version, files))
    found = ours(".", "pylock.toml", projects=tmp_path)
    expected = {target: of_uv(tools, ".", target, "install", f"{name}=={version}") for target in TARGETS}
    assert found == expected


def a_pylock(name: str, version: str, files: Sequence[Served]) -> str:
    """A pylock.toml of one distribution."""
    wheels = [
        f'{{ url = "https://files.example/public/{file.name}", hashes = {{ sha256 = "{file.sha256}" }} }}'
        for file in files
        if file.name.endswith(".whl")
    ]
    head = 'lock-version = "1.0"\ncreated-by = "tests"\n[[packages]]\n'
    return f'{head}name = "{name}"\nversion = "{version}"\nwheels = [{", ".join(wheels)}]\n'


# --- what pip would install ---


def of_pip(tools: Tools, project: str, *words: str) -> dict[str, tuple[str, str]]:
    """What pip reports: name to version and file."""
    command = ("pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps", "--report", "-")
    report = json.loads(tools.said(project, *command, "--extra-index-url", PRIVATE_INDEX, *words))
    return {
        canonicalize_name(one["metadata"]["name"]): (
            one["metadata"]["version"],
            one["download_info"]["url"].rpartition("/")[2].replace("%21", "!"),
        )
        for one in report["install"]
    }


def here() -> Target:
    """The target that is like the interpreter that pip runs on."""
    architecture = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64", "AMD64": "x86_64"}[platform.machine()]
    return Target.of(f"python3.{sys.version_info.minor}", architecture)


@pytest.mark.parametrize("lock", ["requirements.txt", "pylock.toml"])
@pytest.mark.parametrize("project", ["five-formats", "markers", "platforms"])
def test_pip_would_install_the_same_on_this_python(project: str, lock: str, tools: Tools) -> None:
    versions = {name: version for name, (version, _) in of_pip(tools, project, "-r", lock).items()}
    assert ours(project, lock)[here()] == versions


def test_pip_would_install_the_same_extras_of_pylock(tools: Tools) -> None:
    versions = {
        name: version for name, (version, _) in of_pip(tools, "hand-written", "-r", "pylock.toml[fast]").items()
    }
    assert ours("hand-written", "pylock.toml", extras=("fast",))[here()] == versions


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_pip_takes_the_same_wheels(target: Target, tools: Tools) -> None:
    lockfile = read_lockfile("platforms/pylock.toml", base=PROJECTS, environ={})
    chosen = {str(name): pin.files[0].name for name, pin in select(lockfile, target).pins.items()}
    newest = 34 if target.python in {"3.12", "3.13", "3.14"} else 26
    machine = {"x86_64": "x86_64", "arm64": "aarch64"}[target.architecture]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, 16, -1)]
    words = ("--only-binary=:all:", "--target=nowhere", f"--python-version={target.python}")
    names = ("native==2.1", "sped-up==1.0", "stable-abi==1.0")
    taken = of_pip(tools, "platforms", *words, *given("--platform", [*platforms, f"manylinux2014_{machine}"]), *names)
    assert {name: chosen[name] for name in taken} == {name: file for name, (_, file) in taken.items()}


# --- what packaging's own reader selects ---


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("project", ["five-formats", "markers", "platforms"])
def test_packaging_selects_the_same_files_of_pylock(project: str, target: Target) -> None:
    text = (PROJECTS / project / "pylock.toml").read_text()
    lock = Pylock.from_dict(load_toml(text, project).data)
    variables = cast("Environment", target.marker_environment())
    theirs = {
        package.name: file.filename
        for package, file in lock.select(environment=variables, tags=list(target.tags()))
        if isinstance(file, PackageSdist | PackageWheel)
    }
    pins = select(read_lockfile(f"{project}/pylock.toml", base=PROJECTS, environ={}), target).pins
    assert {name: pin.files[0].name for name, pin in pins.items()} == theirs
