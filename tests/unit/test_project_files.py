from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from python_layer_provider.errors import LockFileUnsupportedError
from python_layer_provider.project_files import project_files


def make(folder: Path, *paths: str, **texts: str) -> Path:
    """A folder of these files; a path with a slash at its end is a folder."""
    for path in paths:
        place = folder / path
        (place if path.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            place.write_text("")
    for name, text in texts.items():
        (folder / name.replace("__", "/") / ".gitignore").write_text(text)
    return folder


def travelling(folder: Path) -> set[str]:
    return {file.path for file in project_files(folder, "`lib`")}


def refusal(folder: Path) -> str:
    with pytest.raises(LockFileUnsupportedError) as caught:
        travelling(folder)
    assert caught.value.hint.startswith("put a copy of the file there")
    return caught.value.what


def test_all_files_travel_by_their_paths_in_the_folder(tmp_path: Path) -> None:
    make(tmp_path, "pyproject.toml", "src/a/b.py", ".hidden", "empty/")
    assert travelling(tmp_path) == {"pyproject.toml", "src/a/b.py", ".hidden"}


def test_the_executable_bit_is_the_owners(tmp_path: Path) -> None:
    make(tmp_path, "a", "b", "c")
    (tmp_path / "b").chmod(0o700)
    (tmp_path / "c").chmod(0o654)
    assert {file.path for file in project_files(tmp_path, "") if file.executable} == {"b"}


@pytest.mark.parametrize(
    "path",
    [
        *(
            ".git/config",
            ".git",
            "x/.git",
            ".hg/a",
            ".svn/a",
            ".venv/lib/a.py",
            ".tox/a",
            ".nox/a",
            "node_modules/a/b.py",
        ),
        *("src/__pycache__/a.txt", "a.pyc", "x.egg-info/PKG-INFO", ".mypy_cache/a", ".pytest_cache/a", ".ruff_cache/a"),
        *(".DS_Store", "src/.DS_Store", "build/lib/a.py", "dist/a.whl"),
    ],
)
def test_what_tools_leave_stays(tmp_path: Path, path: str) -> None:
    assert travelling(make(tmp_path, "pyproject.toml", path)) == {"pyproject.toml"}


def test_a_virtual_environment_stays_whatever_it_is_called(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "env-3.11/pyvenv.cfg", "env-3.11/lib/b.py", "venv/c.py")
    assert travelling(tmp_path) == {"a.py", "venv/c.py"}


@pytest.mark.parametrize("path", ["build/__init__.py", "dist/__init__.py", "src/build/a.py", "src/dist/a.py", "build"])
def test_what_is_only_called_like_an_output_travels(tmp_path: Path, path: str) -> None:
    assert travelling(make(tmp_path, path)) == {path}


# What git ignores.


def test_what_git_ignores_stays_and_the_rules_themselves_travel(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "a.log", "src/b.py", "src/gen.py", "src/keep.log", "data/x")
    (tmp_path / ".gitignore").write_text("*.log\n/data/\n")
    (tmp_path / "src/.gitignore").write_text("gen.py\n!keep.log\n")
    assert travelling(tmp_path) == {".gitignore", "a.py", "src/.gitignore", "src/b.py", "src/keep.log"}


def test_the_rules_of_the_repository_around_count(tmp_path: Path) -> None:
    make(tmp_path, ".git/", "libs/one/a.py", "libs/one/a.log", "libs/one/gen.py", "libs/one/x/gen.py")
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "libs/.gitignore").write_text("/one/gen.py\n")
    assert travelling(tmp_path / "libs/one") == {"a.py", "x/gen.py"}


def test_rules_outside_of_the_repository_do_not_count(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*\n")
    make(tmp_path, "repository/.git/", "repository/lib/a.py", "alone/a.py")
    assert travelling(tmp_path / "repository/lib") == {"a.py"}
    assert travelling(tmp_path / "alone") == {"a.py"}


@pytest.mark.parametrize("rules", ["vendor/\n", "/vendor/lib\n", "*\n"])
def test_a_folder_that_is_ignored_as_a_whole_has_only_its_own_rules(tmp_path: Path, rules: str) -> None:
    make(tmp_path, ".git/", "vendor/lib/a.py", "vendor/lib/b.log")
    (tmp_path / ".gitignore").write_text(rules)
    (tmp_path / "vendor/lib/.gitignore").write_text("*.log")
    assert travelling(tmp_path / "vendor/lib") == {".gitignore", "a.py"}


def test_an_ignored_folder_is_not_looked_into(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "data/secret/x")
    (tmp_path / ".gitignore").write_text("data/\n")
    (tmp_path / "data/broken").symlink_to("nowhere")
    assert travelling(tmp_path) == {".gitignore", "a.py"}


# Links.


def test_a_link_within_the_repository_is_what_it_leads_to(tmp_path: Path) -> None:
    make(tmp_path, ".git/", "LICENSE", "shared/data/x.txt", "lib/a.py")
    (tmp_path / "lib/LICENSE").symlink_to("../LICENSE")
    (tmp_path / "lib/data").symlink_to(tmp_path / "shared/data")
    found = {file.path: file.source for file in project_files(tmp_path / "lib", "")}
    assert found.keys() == {"a.py", "LICENSE", "data/x.txt"}
    assert found["LICENSE"] == str(tmp_path.resolve() / "LICENSE")


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    make(tmp_path, "real/a.py")
    (tmp_path / "lib").symlink_to("real")
    assert travelling(tmp_path / "lib") == {"a.py"}


@pytest.mark.parametrize(
    ("target", "what"),
    [("nowhere", "leads nowhere"), ("link", "leads nowhere"), ("../secret", "leads out of its repository")],
)
def test_a_link_that_leads_astray_is_an_error_that_names_it(tmp_path: Path, target: str, what: str) -> None:
    make(tmp_path, "secret", "lib/src/")
    (tmp_path / "lib/link").symlink_to(target)
    assert refusal(tmp_path / "lib") == f"the link `link` in `lib` {what}"


def test_a_link_into_itself_is_an_error(tmp_path: Path) -> None:
    make(tmp_path, ".git/", "lib/src/a.py")
    (tmp_path / "lib/src/up").symlink_to("..")
    assert refusal(tmp_path / "lib") == "the link `src/up` in `lib` leads into itself"


def test_a_broken_link_that_git_ignores_is_none(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / ".gitignore").write_text("link")
    assert travelling(tmp_path) == {".gitignore"}


def test_what_is_neither_file_nor_folder_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.py")
    os.mkfifo(tmp_path / "fifo")
    # The path of a socket is short.
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
        assert travelling(tmp_path) == {"a.py"}
