"""What is at a path of this machine: it lands in the layer, and a preview knows when it has changed."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from python_layer_provider.build import container, pip
from python_layer_provider.build.cache import cache_folder
from python_layer_provider.local import with_digests
from python_layer_provider.lockfile import Pin
from python_layer_provider.plan import LayerPlan
from python_layer_provider.progress import Progress
from python_layer_provider.target import Target
from tests.engine.conftest import Containers
from tests.engine.servers import make_wheel
from tests.engine.stacks import RUNTIME, Aws, CommandLineStack, LayerStack, new_project

PYPROJECT = """
[build-system]
requires = ["{requires}"]
build-backend = "{backend}"
[project]
name = "{name}"
{version}
"""
VERSION = 'version = "1.0"'
REQUIREMENTS = """
./libs/ours
vendored @ ./vendor/vendored-1.0-py3-none-any.whl
"""
PROGRAM = f"""
import pulumi
from pulumi_python_layer import PythonLayer

layer = PythonLayer("deps", requirements="requirements.txt", runtime="{RUNTIME}")
pulumi.export("packages", layer.packages)
"""


@pytest.fixture
def program_files(program_folder: Path) -> Path:
    return make_program_files(program_folder)


def make_program_files(folder: Path) -> Path:
    """A lock file, a folder and a wheel that it names, and what is in such folders."""
    make_project(folder / "libs/ours")
    (folder / "vendor").mkdir()
    make_wheel(folder / "vendor", "vendored", {"vendored.py": b"SAYS = 'from a wheel'\n"})
    (folder / "requirements.txt").write_text(REQUIREMENTS)
    return folder


def make_project(
    folder: Path, *, requires: str = "setuptools", backend: str = "setuptools.build_meta", version: str = VERSION
) -> None:
    for path, text in {
        "pyproject.toml": PYPROJECT.format(name=folder.name, requires=requires, backend=backend, version=version),
        f"src/{folder.name}/__init__.py": "SAYS = 'from a folder'\n",
        f"src/{folder.name}/generated.py": "",
        f"src/{folder.name}/__pycache__/left.pyc": "",
        ".gitignore": "generated.py\n*.log\n",
        ".venv/pyvenv.cfg": "",
        ".venv/lib/installed/__init__.py": "",
    }.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def test_a_folder_and_a_wheel_land_in_the_layer_and_import_from_there(stack: LayerStack, program_files: Path) -> None:
    assert program_files.is_dir()
    stack.declare(requirements="requirements.txt")
    done = stack.up()
    assert done.ok, done.text
    zipped = cache_folder() / f"{done.outputs['deps.content_hash'].replace(':', '-')}.zip"
    said = subprocess.run(
        [sys.executable, "-c", "import ours, vendored; print(ours.SAYS, vendored.SAYS)"],
        env={**os.environ, "PYTHONPATH": f"{zipped}/python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stdout == "from a folder from a wheel\n", said.stderr
    with zipfile.ZipFile(zipped) as archive:
        names = archive.namelist()
    assert [name for name in names if not name.startswith(("python/ours", "python/vendored"))] == []
    assert "python/ours/generated.py" not in names


def test_a_changed_line_is_seen_in_preview_and_replaces(stack: LayerStack, program_files: Path, aws: Aws) -> None:
    stack.declare(requirements="requirements.txt")
    assert stack.up().operations == ("create",)
    (program_files / "libs/ours/src/ours/__init__.py").write_text("SAYS = 'something else'\n")
    seen = stack.preview()
    assert re.search(r"^ *ours 1\.0 \(\w{8}\) -> 1\.0 \(\w{8}\)$", seen.text, re.MULTILINE), seen.text
    done = stack.up()
    assert done.ok, done.text
    assert aws.versions(stack.layer_name()) == [2]


def test_what_does_not_travel_changes_nothing(stack: LayerStack, program_files: Path) -> None:
    stack.declare(requirements="requirements.txt")
    assert stack.up().operations == ("create",)
    folder = program_files / "libs/ours"
    (folder / "a.log").write_text("said")
    (folder / "src/ours/generated.py").write_text("GENERATED = True\n")
    (folder / ".venv/lib/installed/more.py").write_text("")
    (folder / "build").mkdir()
    (folder / "build/left.py").write_text("")
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    assert stack.up().operations == ("same",)


def test_the_same_files_elsewhere_give_the_same_bytes(tmp_path: Path, containers: Containers) -> None:
    """In other folders, with other times and modes, with pip's cache and without."""
    make_program_files(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "else/where", copy_function=shutil.copyfile)
    for path in (tmp_path / "one").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (1, 1))
    one = built(tmp_path / "one")
    containers.forget_pip_cache()
    assert built(tmp_path / "else/where") == one


def built(folder: Path) -> tuple[str, bytes]:
    """Content hash and zip, as the command line makes them."""
    command = ["build", "-r", "requirements.txt", "--runtime", RUNTIME, "--json", "--no-cache"]
    done = subprocess.run(
        [sys.executable, "-m", "pulumi_python_layer.cli", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["content_hash"], (folder / "layer.zip").read_bytes()


@pytest.mark.parametrize(
    ("requires", "backend", "tables"),
    [
        ("setuptools-scm[toml]>=8", "setuptools.build_meta", "[tool.setuptools_scm]"),
        ('hatchling", "hatch-vcs', "hatchling.build", '[tool.hatch.version]\nsource = "vcs"'),
    ],
)
def test_a_version_in_gits_tags_is_the_one_that_the_lock_file_knows(
    tmp_path: Path, containers: Containers, requires: str, backend: str, tables: str
) -> None:
    version = f'dynamic = ["version"]\n{tables}'
    make_project(tmp_path / "tagged", requires=requires, backend=backend, version=version)
    pins = (Pin(name=canonicalize_name("tagged"), version="1.5", path="tagged"),)
    plan = with_digests(LayerPlan(target=Target.of(RUNTIME, "x86_64"), pins=pins), tmp_path)
    progress = Progress()
    engine = container.connect()
    image = engine.image(containers.image, plan.target, progress)
    with engine.container(image, lifetime=600, progress=progress) as box:
        pip.wheels(plan, box, progress)
        said: list[str] = []
        box.run(["ls", pip.WHEELS], {}, said.append)
    assert [name.partition("-py")[0] for name in said] == ["tagged-1.5"]


def test_paths_start_where_the_program_is_wherever_pulumi_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = CommandLineStack(new_project("paths"), tmp_path / "program", PROGRAM)
    make_program_files(stack.folder)
    folder = stack.folder
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(stack, "folder", tmp_path / "elsewhere")
    done = stack.run("-C", str(folder), "up", "--yes", "--non-interactive", "--stack", "dev")
    assert done.ok, done.text
    assert re.search(r'ours *: "1\.0 \(\w{8}\)"', done.text), done.text
