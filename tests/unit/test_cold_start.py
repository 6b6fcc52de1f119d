"""What runs in Lambda, with real pip and wheels of a folder; in read-only containers it is tried in `tests/engine`."""

from __future__ import annotations

import ast
import hashlib
import importlib
import re
import shutil
import sys
import threading
import venv
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from pulumi_python_layer import cold_start
from pulumi_python_layer.cold_start import ColdStartError, ensure, start
from python_layer_provider.build import pip_at_indexes
from tests.unit.test_imports import loaded_by

RUNS = [["--no-deps", "-r", "requirements.txt"]]
HASHED = [["--require-hashes", *RUNS[0]]]
WRONG = f"--hash=sha256:{'0' * 64}"


def wheel(folder: Path, name: str, version: str = "1.0", requires: str = "") -> None:
    """A wheel with a module that knows its version."""
    info = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter whose pip may install for its user, which that of a virtual environment may not."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, system_site_packages=True, symlinks=True)
    return folder / "bin/python"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "ours")
    wheel(folder, "ours", "2.0")
    wheel(folder, "needy", requires="ours")
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The folder of the function's code that installs."""
    folder = tmp_path / "task" / "pulumi_python_layer"
    folder.mkdir(parents=True)
    shutil.copy(pip_at_indexes.__file__, folder)
    (folder / "requirements.txt").write_text("ours==1.0\n")
    (folder.parent / "handlers.py").write_text("import ours\n\ndef handle(event, context):\n    return ours.VERSION\n")
    return folder


@pytest.fixture
def place(tmp_path: Path, here: Path, wheels: Path, python: Path) -> Iterator[Path]:
    """As in Lambda: the function's code on the path, and this folder for /tmp."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cold_start, "_PLACE", tmp_path / "tmp/pulumi-python-layer")
        patch.setattr(cold_start, "_HERE", here)
        patch.setattr(sys, "executable", str(python))
        patch.setattr(sys, "path", [str(here.parent), *sys.path])
        patch.setenv("LAMBDA_TASK_ROOT", str(here.parent))
        patch.setenv("AWS_LAMBDA_FUNCTION_NAME", "tried")
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        yield tmp_path / "tmp/pulumi-python-layer"
    for module in ("handlers", "ours", "needy"):
        sys.modules.pop(module, None)
    importlib.invalidate_caches()


def folders(place: Path) -> set[str]:
    """The installs that there are, whole or not."""
    return {path.name for path in place.iterdir() if path.is_dir()}


# The module itself.


def test_it_is_python_3_9_with_nothing_but_the_standard_library() -> None:
    tree = ast.parse(Path(cold_start.__file__).read_bytes(), feature_version=(3, 9))
    named = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    named += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in named} <= sys.stdlib_module_names


def test_importing_it_does_nothing_and_loads_no_pulumi() -> None:
    loaded = loaded_by("from pulumi_python_layer.cold_start import ensure")
    assert loaded.isdisjoint({"pulumi", "boto3", "packaging", "pip"})


# At the start.


def test_it_installs_and_hands_out_the_handler(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start("handlers.handle", runs=RUNS)({}, None) == "1.0"
    assert str(sys.modules["ours"].__file__).startswith(str(place))
    said = r"pulumi-python-layer: installed ours 1\.0 in \d+\.\d s, \d+\.\d MB in /tmp, \d+ MB free\n"
    assert re.fullmatch(said, capsys.readouterr().out)


def test_what_is_installed_comes_after_the_functions_code_and_before_all_else(place: Path, here: Path) -> None:
    others = sys.path[1:]
    start("handlers.handle", runs=RUNS)
    assert sys.path[0] == str(here.parent)
    assert sys.path[1].startswith(str(place))
    assert sys.path[-len(others) :] == others


def test_a_module_of_the_function_named_as_one_of_pythons_does_not_reach_pip(place: Path, here: Path) -> None:
    (here.parent / "logging.py").write_text("raise SystemExit\n")
    assert start("handlers.handle", runs=RUNS)({}, None) == "1.0"
    assert len(folders(place)) == 1


def test_a_second_start_installs_nothing(place: Path, wheels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start("handlers.handle", runs=RUNS)
    shutil.rmtree(wheels)
    start("handlers.handle", runs=RUNS)
    assert capsys.readouterr().out.count("installed") == 1
    assert len(folders(place)) == 1


def test_other_requirements_are_installed_beside_the_first(place: Path, here: Path) -> None:
    start("handlers.handle", runs=RUNS)
    (here / "requirements.txt").write_text("ours==2.0\n")
    del sys.modules["ours"], sys.modules["handlers"]
    assert start("handlers.handle", runs=RUNS)({}, None) == "2.0"
    assert len(folders(place)) == 2


def test_what_was_cut_off_is_removed_and_not_taken_for_installed(place: Path) -> None:
    start("handlers.handle", runs=RUNS)
    (complete,) = place.glob("[!.]*/")
    complete.rename(place / ".half")
    shutil.rmtree(place / ".half/lib")
    del sys.modules["ours"], sys.modules["handlers"]
    assert start("handlers.handle", runs=RUNS)({}, None) == "1.0"
    assert folders(place) == {complete.name}


def test_a_hash_that_does_not_fit_fails_with_pips_words_and_leaves_nothing(place: Path, here: Path) -> None:
    (here / "requirements.txt").write_text(f"ours==1.0 {WRONG}\n")
    with pytest.raises(ColdStartError, match="THESE PACKAGES DO NOT MATCH THE HASHES"):
        start("handlers.handle", runs=HASHED)
    assert folders(place) == set()


def test_a_pin_without_a_hash_switches_off_nobody_elses(here: Path, wheels: Path, place: Path) -> None:
    (here / "requirements.txt").write_text(f"needy==1.0 {WRONG}\n")
    (here / "without-hashes.txt").write_text(f"ours @ {(wheels / 'ours-1.0-py3-none-any.whl').as_uri()}\n")
    with pytest.raises(ColdStartError, match="DO NOT MATCH"):
        start("handlers.handle", runs=[*HASHED, ["--no-deps", "-r", "without-hashes.txt"]])
    (here / "requirements.txt").unlink()
    assert start("handlers.handle", runs=[["--no-deps", "-r", "without-hashes.txt"]])({}, None) == "1.0"
    assert len(folders(place)) == 1


def test_too_little_room_is_told_before_anything_is_fetched(place: Path) -> None:
    with pytest.raises(ColdStartError, match=r"takes about 1000000000 MB in /tmp, where \d+ MB are free\nhint: "):
        start("handlers.handle", runs=RUNS, needs=10**15)
    assert folders(place) == set()


def test_what_was_cut_off_takes_no_room(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / ".half").mkdir(parents=True)
    monkeypatch.setattr(cold_start, "_free", lambda: 0 if (place / ".half").exists() else 1000)
    assert start("handlers.handle", runs=RUNS, needs=500)({}, None) == "1.0"


def test_a_runtime_without_pip_is_told_what_to_do(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "find_spec", lambda _: None)
    with pytest.raises(ColdStartError, match='no pip\nhint: dependencies="layer"'):
        start("handlers.handle", runs=RUNS)
    assert folders(place) == set()


def test_the_indexes_of_the_lock_file_are_asked(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    with pytest.raises(ColdStartError, match=r"no\.such\.index\.invalid"):
        start("handlers.handle", runs=[["--retries", "0", *RUNS[0]]], indexes=["https://no.such.index.invalid/simple"])
    assert folders(place) == set()


def test_the_functions_index_comes_before_that_of_the_lock_file(
    place: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simple = wheels.parent / "simple/ours"
    simple.mkdir(parents=True)
    link = (wheels / "ours-1.0-py3-none-any.whl").as_uri()
    (simple / "index.html").write_text(f'<a href="{link}">ours-1.0-py3-none-any.whl</a>')
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", simple.parent.as_uri())
    run = ["--retries", "0", *RUNS[0]]
    assert start("handlers.handle", runs=[run], indexes=["https://no.such.index.invalid/simple"])({}, None) == "1.0"
    assert len(folders(place)) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://someone:canary@no.such.index.invalid/simple",
        # As it comes of a mistake in writing it; pip does not mask what it cannot read.
        '"https://someone:canary@no.such.index.invalid/simple"',
        "https:/someone:canary@no.such.index.invalid/simple",
    ],
)
def test_credentials_of_the_functions_index_are_in_no_error(
    place: Path, here: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", url)
    (here / "requirements.txt").write_text("nowhere==1\n")
    with pytest.raises(ColdStartError) as caught:
        start("handlers.handle", runs=[["--retries", "0", *RUNS[0]]])
    assert "no.such.index.invalid" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert folders(place) == set()


# Later, from code.


def test_ensure_installs_what_is_missing_and_what_that_needs(place: Path) -> None:
    ensure("needy==1.0")
    assert str(importlib.import_module("needy").__file__).startswith(str(place))
    assert importlib.import_module("ours").VERSION == "2.0"


def test_ensure_brings_another_version_than_the_one_that_is_there(place: Path) -> None:
    start("handlers.handle", runs=RUNS)
    ensure("ours==2.0")
    assert metadata.version("ours") == "2.0"
    assert len(folders(place)) == 2


def test_ensure_does_nothing_where_the_version_is_there(place: Path) -> None:
    ensure(f"pytest=={pytest.__version__}")
    assert not place.exists()


def test_ensure_wants_all_hashes_where_there_is_one_as_pip_does(place: Path, wheels: Path) -> None:
    digest = hashlib.sha256((wheels / "needy-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    with pytest.raises(ColdStartError, match=r"all requirements must have their versions pinned[^$]+ours"):
        ensure(f"needy==1.0 --hash=sha256:{digest}")
    with pytest.raises(ColdStartError, match="DO NOT MATCH"):
        ensure(f"needy==1.0 {WRONG}")
    assert folders(place) == set()


def test_ensure_installs_once_for_all_threads(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threads = [threading.Thread(target=ensure, args=("ours==1.0",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capsys.readouterr().out.count("installed ours 1.0") == 1
    assert len(folders(place)) == 1


@pytest.mark.parametrize(
    "loose", ["ours", "ours>=1", "ours==1.*", "ours==1\nneedy", "ours==1 --pre", "-r x", "ours @ x"]
)
def test_ensure_refuses_what_is_not_pinned(place: Path, loose: str) -> None:
    with pytest.raises(ValueError, match=r"is not pinned\nhint: "):
        ensure(loose)
    assert not place.exists()


@pytest.mark.parametrize("version", [None, "0.1"])
def test_outside_of_lambda_ensure_tells_what_to_install(
    place: Path, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME")
    monkeypatch.setattr(metadata, "version", _version_of("ours", version))
    with pytest.raises(ImportError, match=r"hint: pip install ours==1\.0$"):
        ensure(f"ours==1.0 {WRONG}", f"pytest=={pytest.__version__}")
    assert not place.exists()


def test_a_version_is_the_same_with_and_without_its_last_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", _version_of("ours", "1.0.0"))
    ensure("ours==1")
    with pytest.raises(ImportError):
        ensure("ours==10")


def _version_of(name: str, version: str | None) -> Callable[[str], str]:
    """What is installed, with one distribution in another version or in none."""
    real = metadata.version

    def found(asked: str) -> str:
        if asked == name and version is None:
            raise metadata.PackageNotFoundError(asked)
        return str(version) if asked == name else real(asked)

    return found
