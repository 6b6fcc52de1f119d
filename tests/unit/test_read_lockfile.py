from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from packaging.markers import Marker

from python_layer_provider.errors import (
    InvalidInputError,
    LayerError,
    LockFileEmptyError,
    LockFileNotFoundError,
    LockFileSyntaxError,
    LockFileUnsupportedError,
)
from python_layer_provider.lockfile import Lockfile, read_lockfile
from python_layer_provider.target import Target

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "locks"


def read(requirements: Any, base: Path, **environ: str) -> Lockfile:
    return read_lockfile(requirements, base=base, environ=environ)


def refusal(requirements: Any, base: Path) -> LayerError:
    with pytest.raises(LayerError) as caught:
        read(requirements, base)
    assert caught.value.input_name == "requirements"
    return caught.value


def names(lockfile: Lockfile) -> list[str]:
    return [pin.name for pin in lockfile.pins]


def test_a_relative_path_starts_at_the_base(tmp_path: Path) -> None:
    (tmp_path / "deps").mkdir()
    (tmp_path / "deps" / "lock.txt").write_text("a==1\n-r more.txt\n")
    (tmp_path / "deps" / "more.txt").write_text("b==${VERSION}\n")
    lockfile = read("deps/lock.txt", tmp_path, VERSION="2")
    assert lockfile.label == "deps/lock.txt"
    assert [(pin.requirement, pin.where) for pin in lockfile.pins] == [
        ("a==1", "deps/lock.txt:1"),
        ("b==2", "deps/more.txt:1"),
    ]


def test_an_absolute_path_and_a_path_object_are_taken(tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text("a==1")
    assert names(read(tmp_path / "lock.txt", Path("/nowhere"))) == ["a"]
    assert names(read(PurePosixPath("lock.txt"), tmp_path)) == ["a"]


@pytest.mark.parametrize("folder", [".", "deps", "deps/"])
def test_a_folder_stands_for_its_requirements_file(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "requirements.txt").write_text("a==1")
    lockfile = read(folder, tmp_path)
    assert lockfile.label == os.path.normpath(os.path.join(folder, "requirements.txt"))  # noqa: PTH118
    assert names(lockfile) == ["a"]


def test_a_list_of_requirements_is_taken(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("c==3")
    lockfile = read(("a==1", "b==2", "-r base.txt"), tmp_path)
    assert (lockfile.label, names(lockfile)) == ("requirements", ["a", "b", "c"])


def test_a_list_may_include_a_file_named_as_the_list_is(tmp_path: Path) -> None:
    (tmp_path / "requirements").write_text("a==1")
    assert names(read(["-r requirements"], tmp_path)) == ["a"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_read_by_its_mark(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text("a==1 # für alle\r\nb==2\r\n", encoding=encoding)
    assert names(read("lock.txt", tmp_path)) == ["a", "b"]


def test_other_encodings_are_an_error_that_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_bytes(b"a==1\n# f\xfcr alle\n")
    error = refusal("lock.txt", tmp_path)
    assert isinstance(error, LockFileSyntaxError)
    assert error.what == "lock.txt:2: not UTF-8: byte `0xfc`"
    assert error.hint.startswith("iconv ")


# --- nothing there ---


def test_a_missing_file_is_told_with_the_likely_one(tmp_path: Path) -> None:
    (tmp_path / "deps").mkdir()
    (tmp_path / "deps" / "requirements.txt").touch()
    error = refusal("deps/requirement.txt", tmp_path)
    assert isinstance(error, LockFileNotFoundError)
    assert error.what == "no such file: `deps/requirement.txt`"
    assert error.hint == "did you mean `deps/requirements.txt`"


def test_a_missing_file_is_told_with_the_place_where_paths_start(tmp_path: Path) -> None:
    assert refusal("nope/lock.txt", tmp_path).hint == f"relative paths start at `{tmp_path}`"


def test_a_missing_include_is_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text("a==1\n-r nope.txt\n")
    error = refusal("lock.txt", tmp_path)
    assert isinstance(error, LockFileNotFoundError)
    assert error.what == "lock.txt:2: no such file: `nope.txt`: `-r nope.txt`"


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    error = refusal(".", tmp_path)
    assert isinstance(error, LockFileNotFoundError)
    assert error.what == "no `requirements.txt` in the folder `.`"
    assert error.hint.startswith("uv pip compile ")


@pytest.mark.parametrize(
    ("files", "found", "hint"),
    [
        (["uv.lock", "pyproject.toml"], "`uv.lock`, `pyproject.toml`", "uv export --no-emit-project"),
        (["Pipfile", "Pipfile.lock"], "`Pipfile.lock`, `Pipfile`", "pipenv requirements --hash > requirements.txt"),
        (["poetry.lock", "dev-requirements.txt"], "`dev-requirements.txt`, `poetry.lock`", 'requirements="/'),
    ],
)
def test_a_folder_with_other_lock_files_is_told_with_them(
    files: list[str], found: str, hint: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).touch()
    error = refusal(tmp_path, Path())
    assert isinstance(error, LockFileNotFoundError)
    assert error.what == f"no `requirements.txt` in the folder `{tmp_path}`, which has {found}"
    assert error.hint.startswith(hint)


@pytest.mark.parametrize("text", ["", "# nothing\n\n", "--index-url https://index.example\n", "-c constraints.txt\n"])
def test_a_file_that_pins_nothing_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("a==1")
    (tmp_path / "lock.txt").write_text(text)
    error = refusal("lock.txt", tmp_path)
    assert isinstance(error, LockFileEmptyError)
    assert error.what == "`lock.txt` pins nothing"


def test_an_empty_list_is_an_error(tmp_path: Path) -> None:
    assert isinstance(refusal([], tmp_path), LockFileEmptyError)


# --- something else there ---


@pytest.mark.parametrize(
    "text", ["requests==2.32.3", "requests>=2", "requests[socks]", "a @ https://u:secret@h.example/x"]
)
def test_a_requirement_in_place_of_a_path_is_told(text: str, tmp_path: Path) -> None:
    error = refusal(text, tmp_path)
    assert isinstance(error, LockFileNotFoundError)
    assert error.what.startswith("`requirements` is a path or a list, and this is neither: `")
    assert error.hint.startswith('requirements=["')
    assert "secret" not in str(error)


def test_lines_in_place_of_a_path_are_told(tmp_path: Path) -> None:
    assert refusal("a==1\nb==2\nc==3\nd==4\n", tmp_path).hint == 'requirements=["a==1", "b==2", "c==3", …]'


def test_a_file_that_is_named_like_a_requirement_is_read(tmp_path: Path) -> None:
    (tmp_path / "lock==1").write_text("a==1")
    assert names(read("lock==1", tmp_path)) == ["a"]


@pytest.mark.parametrize("path", ["", " ", "\n"])
def test_an_empty_path_is_told(path: str, tmp_path: Path) -> None:
    assert refusal(path, tmp_path).what == "`requirements` is empty"


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000])
def test_a_path_that_cannot_be_is_told(path: str, tmp_path: Path) -> None:
    error = refusal(path, tmp_path)
    assert isinstance(error, LockFileNotFoundError)
    assert "cannot be read: " in error.what


def test_an_include_that_is_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "lock.txt").write_text("-r sub")
    error = refusal("lock.txt", tmp_path)
    assert isinstance(error, LockFileNotFoundError)
    assert error.what == "lock.txt:1: `sub` cannot be read: is a directory: `-r sub`"


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be somebody who may not read everything, where the tests are run by root."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(me)


def test_a_file_that_may_not_be_read_is_told() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "lock.txt").touch(mode=0)
        with as_nobody():
            found = refusal("lock.txt", folder)
    assert found.what == "`lock.txt` cannot be read: permission denied"


@pytest.mark.parametrize("value", [None, 3, b"a==1", {"a": 1}, {"a==1"}])
def test_what_is_neither_path_nor_list_is_told(value: Any, tmp_path: Path) -> None:
    error = refusal(value, tmp_path)
    assert isinstance(error, InvalidInputError)
    assert error.what == f"`requirements` is neither a path nor a list: `{type(value).__name__}`"


def test_an_item_that_is_no_string_is_told(tmp_path: Path) -> None:
    error = refusal(["a==1", 3], tmp_path)
    assert isinstance(error, InvalidInputError)
    assert error.what == "`requirements[1]` is not a string: `int`"


# --- formats that are not read yet ---

FORMATS = {
    "uv.lock": ('version = 1\nrevision = 3\n\n[[package]]\nname = "a"\n', "uv export "),
    "poetry.lock": ('[[package]]\nname = "a"\n\n[metadata]\ncontent-hash = "00"\n', "poetry export "),
    "pdm.lock": ('[metadata]\ncontent_hash = "00"\n\n[[package]]\nname = "a"\n', "pdm export "),
    "pylock.toml": ('lock-version = "1.0"\n\n[[packages]]\nname = "a"\n', "uv export "),
    "Pipfile.lock": ('{\n    "_meta": {\n        "hash": {}\n    }\n}\n', "pipenv requirements "),
    "Pipfile": ('[packages]\na = "*"\n', "pipenv lock "),
    "pyproject.toml": ('[project]\nname = "a"\n', "uv pip compile "),
    "environment.yml": ("name: a\ndependencies:\n  - python=3.12\n", "pip list "),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_that_is_not_read_yet_is_known_by_its_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FORMATS[name][0])
    error = refusal(name, tmp_path)
    assert isinstance(error, LockFileUnsupportedError)
    assert "is not read yet" in error.what
    assert error.hint.startswith(FORMATS[name][1])


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_that_is_not_read_yet_is_known_by_its_lines(name: str, tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(FORMATS[name][0])
    error = refusal("lock", tmp_path)
    assert isinstance(error, LockFileUnsupportedError)
    assert error.hint.startswith(FORMATS[name][1])


def test_an_include_of_a_format_that_is_not_read_yet_is_told(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").touch()
    (tmp_path / "lock.txt").write_text("-r uv.lock")
    error = refusal("lock.txt", tmp_path)
    assert isinstance(error, LockFileUnsupportedError)
    assert error.what.startswith("lock.txt:1: ")


# --- against real lock files, where they are at hand ---

CASES = sorted(
    (path.parent for path in CORPUS.glob("*/expected.json") if '"format": "requirements"' in path.read_text()),
    key=lambda path: path.name,
)
TARGETS = {
    "py311-x86_64": Target.of("python3.11", "x86_64"),
    "py313-x86_64": Target.of("python3.13", "x86_64"),
    "py313-aarch64": Target.of("python3.13", "arm64"),
}


@pytest.mark.skipif(not CASES, reason="the corpus of real lock files is not part of the repository")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_real_lock_files_give_what_the_real_tools_select(case: Path, target: str, tmp_path: Path) -> None:
    expected = json.loads((case / "expected.json").read_text())
    shutil.copytree(case, tmp_path, dirs_exist_ok=True)
    if expected[target] is None:
        with pytest.raises(LayerError):
            read_lockfile(expected["lock"], base=tmp_path, environ={})
        return
    lockfile = read_lockfile(expected["lock"], base=tmp_path, environ={})
    assert selected(lockfile, TARGETS[target]) == expected[target]


def selected(lockfile: Lockfile, target: Target) -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for one in lockfile.pins:
        if one.marker is None or Marker(one.marker).evaluate(target.marker_environment()):
            assert versions.setdefault(one.name, one.version) == one.version
    return versions
