from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from python_layer_provider.errors import (
    InvalidInputError,
    LayerError,
    LockFileConflictError,
    LockFileEmptyError,
    LockFileNotFoundError,
    LockFileSyntaxError,
    LockFileUnsupportedError,
)
from python_layer_provider.lockfile import Lockfile, read_lockfile
from tests.unit.helpers import chosen


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
    assert error.what == "no lock file in the folder `.`"
    assert error.hint.startswith("uv pip compile ")


def test_a_requirements_file_of_another_name_is_named(tmp_path: Path) -> None:
    (tmp_path / "dev-requirements.txt").touch()
    error = refusal(tmp_path, Path())
    assert isinstance(error, LockFileNotFoundError)
    assert error.what == f"no lock file in the folder `{tmp_path}`, which has `dev-requirements.txt`"
    assert error.hint.startswith('requirements="/')


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


# --- formats ---

UV = """
version = 1
revision = 3

[[package]]
name = "p"
version = "0"
source = { virtual = "." }
dependencies = [{ name = "a" }]

[[package]]
name = "a"
version = "1"
source = { registry = "https://index.example/simple" }
"""
POETRY = """
[[package]]
name = "a"
version = "1"
optional = false
groups = ["main"]
files = []

[metadata]
lock-version = "2.1"
python-versions = ">=3.9"
content-hash = "00"
"""
PYLOCK = f"""
lock-version = "1.0"
created-by = "hand"

[[packages]]
name = "a"
version = "1"
wheels = [{{ url = "https://files.example/a-1-py3-none-any.whl", hashes = {{ sha256 = "{"0" * 64}" }} }}]
"""
PIPFILE = """{
    "_meta": {"pipfile-spec": 6, "sources": []},
    "default": {"a": {"version": "==1"}},
    "develop": {}
}"""
FORMATS = {
    "uv.lock": UV,
    "poetry.lock": POETRY,
    "pylock.toml": PYLOCK,
    "pylock.prod.toml": PYLOCK,
    "Pipfile.lock": PIPFILE,
    "requirements.txt": "a==1\n",
}
FOREIGN = {
    "pdm.lock": ('[metadata]\ncontent_hash = "00"\n\n[[package]]\nname = "a"\n', "pdm export "),
    "Pipfile": ('[packages]\na = "*"\n', "pipenv lock"),
    "pyproject.toml": ('[project]\nname = "a"\n', "uv lock"),
    "setup.py": ("from setuptools import setup\nsetup()\n", "uv pip compile "),
    "environment.yml": ("name: a\ndependencies:\n  - python=3.12\n", "pip list "),
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_known_by_its_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FORMATS[name])
    assert "a" in names(read(name, tmp_path))


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_known_by_its_lines(name: str, tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(FORMATS[name])
    assert "a" in names(read("lock", tmp_path))


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_stands_for_the_one_lock_file_in_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / name).write_text(FORMATS[name])
    (tmp_path / "app" / "README.md").touch()
    assert read("app", tmp_path).label == f"app/{name}"


def test_several_lock_files_in_a_folder_are_told(tmp_path: Path) -> None:
    for name in ("uv.lock", "requirements.txt", "pylock.dev.toml"):
        (tmp_path / name).touch()
    error = refusal(".", tmp_path)
    assert isinstance(error, LockFileConflictError)
    assert error.what == "the folder `.` holds 3 lock files: `pylock.dev.toml`, `requirements.txt`, `uv.lock`"
    assert error.hint == 'name the one that counts: requirements="pylock.dev.toml"'


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_lock_file_is_told_with_the_command_that_makes_one(name: str, tmp_path: Path) -> None:
    text, hint = FOREIGN[name]
    for label in (name, "lock"):
        (tmp_path / label).write_text(text)
        error = refusal(label, tmp_path)
        assert isinstance(error, LockFileUnsupportedError)
        assert error.hint.startswith(hint)


def test_a_member_of_a_workspace_is_looked_up_in_the_workspaces_lock(tmp_path: Path) -> None:
    member = UV.replace('virtual = "."', 'editable = "packages/p"')
    (tmp_path / "packages" / "p").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "packages" / "p"):
        (folder / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "0"\ndependencies = ["a"]\n')
    (tmp_path / "uv.lock").write_text(member)
    lockfile = read("packages/p", tmp_path)
    assert lockfile.label == "uv.lock"
    assert chosen(lockfile) == {"a": "1"}


def test_a_project_without_a_lock_is_told_how_to_lock(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    error = refusal(".", tmp_path)
    assert isinstance(error, LockFileNotFoundError)
    assert error.what == "no lock file in the folder `.`, which has `pyproject.toml`"
    assert error.hint == "uv lock"


@pytest.mark.parametrize("what", ["groups", "extras"])
@pytest.mark.parametrize("requirements", ["lock.txt", ["a==1"]])
def test_requirements_have_neither_groups_nor_extras(what: str, requirements: Any, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text("a==1")
    asked: dict[str, Any] = {what: ["dev"]}
    with pytest.raises(InvalidInputError, match=f"has no {what}") as caught:
        read_lockfile(requirements, base=tmp_path, environ={}, **asked)
    assert caught.value.input_name == what


@pytest.mark.parametrize("what", ["groups", "extras"])
@pytest.mark.parametrize("value", ["dev", None, 3, [3]])
def test_groups_and_extras_are_lists_of_names(what: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text("a==1")
    asked: dict[str, Any] = {what: value}
    with pytest.raises(InvalidInputError, match=f"`{what}` is not a list of names") as caught:
        read_lockfile("lock.txt", base=tmp_path, environ={}, **asked)
    assert caught.value.input_name == what
