"""Every way to be wrong, in every format: an error of ours that names the place and the next step."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from python_layer_provider.errors import (
    InputError,
    InvalidInputError,
    LockFileConflictError,
    LockFileEmptyError,
    LockFileNotFoundError,
    LockFileStaleError,
    LockFileSyntaxError,
    LockFileTargetError,
    LockFileUnsupportedError,
    NotLockedError,
)
from python_layer_provider.lockfile import read_lockfile
from python_layer_provider.plan import make_plan
from python_layer_provider.target import Target
from tests.lockfiles.locked import PROJECTS

FORMATS = ("requirements.txt", "pylock.toml", "uv.lock", "poetry.lock", "Pipfile.lock")
TABLES = FORMATS[1:]
TARGET = Target.of("python3.13", "x86_64")


def refusal(
    folder: Path,
    lock: str,
    *,
    runtime: str = "python3.13",
    groups: tuple[str, ...] = (),
    extras: tuple[str, ...] = (),
    strict: bool = False,
) -> InputError:
    """What reading and planning are refused with; any other exception is a failure of the test."""

    def plan() -> None:
        lockfile = read_lockfile(lock, base=folder, environ={}, groups=groups, extras=extras)
        make_plan(lockfile, Target.of(runtime, "x86_64"), strict=strict).content_hash()

    with pytest.raises(InputError) as caught:
        plan()
    return caught.value


def assert_says(error: InputError, kind: type[InputError], place: str, hint: str = "") -> None:
    """An error says where it is, in its first lines, and what to do next."""
    assert type(error) is kind, error
    assert re.search(place, f"{error.what}\n{error.detail}"), error
    assert error.hint or "hint: " in error.detail, error
    assert hint in error.hint
    assert error.input_name in {"requirements", "groups", "extras"}


def copied(folder: Path, project: str, *names: str) -> Path:
    """Files of a project, alone."""
    for name in names:
        shutil.copyfile(PROJECTS / project / name, folder / name)
    return folder


def changed(folder: Path, lock: str, change: Callable[[str], str], project: str = "five-formats") -> None:
    text = (PROJECTS / project / lock).read_text()
    new = change(text)
    assert new != text
    (folder / lock).write_text(new)


# --- what is no text, no file, or not the file that it is called ---


@pytest.mark.parametrize("lock", FORMATS)
def test_binary_junk(lock: str, tmp_path: Path) -> None:
    (tmp_path / lock).write_bytes(b"name = 1\n\x89PNG\r\n\x1a\n\x00\x00\xff")
    assert_says(refusal(tmp_path, lock), LockFileSyntaxError, rf"{lock}:2\b")


@pytest.mark.parametrize("lock", FORMATS)
def test_a_file_of_zeros(lock: str, tmp_path: Path) -> None:
    """What a power cut leaves."""
    (tmp_path / lock).write_bytes(bytes(512))
    assert_says(refusal(tmp_path, lock), LockFileSyntaxError, lock)


@pytest.mark.parametrize("lock", FORMATS)
def test_an_empty_lock(lock: str, tmp_path: Path) -> None:
    (tmp_path / lock).write_text("")
    error = refusal(tmp_path, lock)
    kinds = LockFileEmptyError, LockFileSyntaxError
    assert isinstance(error, kinds)
    assert_says(error, type(error), lock)


@pytest.mark.parametrize("lock", FORMATS)
def test_a_folder_with_the_name_of_a_lock(lock: str, tmp_path: Path) -> None:
    (tmp_path / lock).mkdir()
    assert_says(refusal(tmp_path, lock), LockFileNotFoundError, lock)


@pytest.mark.parametrize("lock", FORMATS)
def test_a_project_that_holds_a_folder_with_the_name_of_a_lock(lock: str, tmp_path: Path) -> None:
    (tmp_path / lock).mkdir()
    assert_says(refusal(tmp_path, "."), LockFileNotFoundError, re.escape(lock) + "|folder")


@pytest.mark.parametrize("lock", FORMATS)
def test_no_such_file(lock: str, tmp_path: Path) -> None:
    assert_says(refusal(tmp_path, lock), LockFileNotFoundError, lock)


@pytest.mark.parametrize("lock", TABLES)
@pytest.mark.parametrize("part", [0.3, 0.55, 0.9])
def test_a_truncated_file(lock: str, part: float, tmp_path: Path) -> None:
    """Cut within a string: cut between two tables it is a shorter document, and whole for all that it tells."""

    def cut(text: str) -> str:
        end = text.index("sha256", int(len(text) * part))
        return text[: end + 3]

    changed(tmp_path, lock, cut)
    assert_says(refusal(tmp_path, lock), LockFileSyntaxError, rf"{lock}:\d+")


def test_a_truncated_requirements_file(tmp_path: Path) -> None:
    changed(tmp_path, "requirements.txt", lambda text: text[: text.index("--hash=sha256:") + 30])
    assert_says(refusal(tmp_path, "requirements.txt"), LockFileSyntaxError, r"requirements\.txt:\d+")


@pytest.mark.parametrize("lock", FORMATS)
def test_a_merge_conflict(lock: str, tmp_path: Path) -> None:
    """Two versions of a package, with their hashes, as git leaves them."""
    text = (PROJECTS / "five-formats" / lock).read_text()
    # A requirement begins there, or some table's lines.
    start = text.index("native==") if lock == "requirements.txt" else text.index("\n", text.index("native")) + 1
    end = text.index("\n", start + 200) + 1
    theirs = text[start:end].replace("2.1", "2.2")
    conflict = f"<<<<<<< HEAD\n{text[start:end]}=======\n{theirs}>>>>>>> other\n"
    (tmp_path / lock).write_text(text[:start] + conflict + text[end:])
    error = refusal(tmp_path, lock)
    line = text.count("\n", 0, start) + 1
    assert_says(error, LockFileSyntaxError, rf"{lock}:{line}\b")
    assert "merge conflict" in str(error)


@pytest.mark.parametrize("lock", TABLES)
def test_a_file_of_another_language(lock: str, tmp_path: Path) -> None:
    other = "Pipfile.lock" if lock != "Pipfile.lock" else "uv.lock"
    shutil.copyfile(PROJECTS / "five-formats" / other, tmp_path / lock)
    assert_says(refusal(tmp_path, lock), LockFileSyntaxError, lock)


@pytest.mark.parametrize("lock", FORMATS)
def test_two_locks_in_a_folder(lock: str, tmp_path: Path) -> None:
    other = next(one for one in FORMATS if one != lock)
    copied(tmp_path, "five-formats", lock, other)
    error = refusal(tmp_path, ".")
    assert_says(error, LockFileConflictError, lock, hint="requirements=")
    assert other in error.what


# --- values that are not what they should be ---


@dataclass(frozen=True)
class Wrong:
    """A change to the lock file of `five-formats`, and what is said of it."""

    lock: str
    before: str
    """A regular expression; its first occurrence is replaced."""
    after: str
    place: str
    kind: type[InputError] = LockFileSyntaxError


WRONG_VALUES = {
    # The top of the document.
    "uv: packages are a table": Wrong("uv.lock", r"(?s)\[\[package\]\].*", '[package]\nname = "a"\n', "package"),
    "poetry: packages are a table": Wrong(
        "poetry.lock", r"(?s)\[\[package\]\].*?(?=\[metadata\])", '[package]\nname = "a"\n', "package"
    ),
    "pylock: packages are a table": Wrong(
        "pylock.toml", r"(?s)\[\[packages\]\].*", '[packages]\nname = "a"\n', "packages"
    ),
    "pipfile: an array": Wrong("Pipfile.lock", r"(?s)^.*$", "[]", "Pipfile.lock"),
    "pipfile: default is an array": Wrong("Pipfile.lock", r'(?s)"default": \{.*', '"default": []}', "default"),
    "pipfile: an entry is a string": Wrong(
        "Pipfile.lock", r'(?s)"default": \{.*', '"default": {"leaf": "==1.0"}}', "default.leaf"
    ),
    # Versions of the format.
    "uv: a newer format": Wrong("uv.lock", "version = 1", "version = 9", "version", LockFileUnsupportedError),
    "uv: no version of the format": Wrong("uv.lock", "version = 1\n", "", "version"),
    "poetry: a newer format": Wrong(
        "poetry.lock", 'lock-version = "2.1"', 'lock-version = "9.0"', "lock-version", LockFileUnsupportedError
    ),
    "pylock: a newer format": Wrong(
        "pylock.toml", 'lock-version = "1.0"', 'lock-version = "9.0"', "lock-version", LockFileUnsupportedError
    ),
    "pylock: no version of the format": Wrong("pylock.toml", 'lock-version = "1.0"\n', "", "lock-version"),
    "pipfile: another format": Wrong(
        "Pipfile.lock", '"pipfile-spec": 6', '"pipfile-spec": 9', "pipfile-spec", LockFileUnsupportedError
    ),
    # Missing keys.
    "uv: no name": Wrong("uv.lock", 'name = "leaf"\n', "", r"package\[\d+\]"),
    "poetry: no name": Wrong("poetry.lock", 'name = "leaf"\n', "", r"package\[\d+\]"),
    "poetry: no version": Wrong("poetry.lock", '(?<=name = "leaf"\n)version = "1.0"\n', "", "version"),
    "pylock: no name": Wrong("pylock.toml", 'name = "leaf"\n', "", r"packages\[\d+\]"),
    "pylock: no file": Wrong("pylock.toml", r"wheels = \[[^\n]*on_x86[^\n]*\n", "", r"packages\[\d+\]"),
    "pylock: no hash": Wrong("pylock.toml", r", hashes = \{[^}]*\}", "", r"hashes"),
    # Wrong types.
    "uv: a number as a name": Wrong("uv.lock", 'name = "leaf"\n', "name = 1\n", "name"),
    "uv: wheels are a string": Wrong("uv.lock", r"(?s)wheels = \[.*?\n\]", 'wheels = "a"', "wheels"),
    "poetry: files are a string": Wrong("poetry.lock", r"(?s)files = \[.*?\n\]", 'files = "a"', "files"),
    "poetry: a number as a version": Wrong("poetry.lock", 'version = "1.0"', "version = 1.0", "version"),
    "pylock: wheels are a string": Wrong("pylock.toml", r"wheels = \[\{[^\n]*\n", 'wheels = "a"\n', "wheels"),
    "pipfile: hashes are a string": Wrong("Pipfile.lock", r'(?s)"hashes": \[.*?\]', '"hashes": "a"', "hashes"),
    "pipfile: a number as a version": Wrong("Pipfile.lock", '"version": "==4.2"', '"version": 4.2', "version"),
    # Hashes.
    "requirements: a short hash": Wrong("requirements.txt", r"--hash=sha256:\w{4}", "--hash=sha256:", r":\d+"),
    "uv: a short hash": Wrong("uv.lock", r'hash = "sha256:\w{4}', 'hash = "sha256:', r"package\[\d+\]"),
    "poetry: a short hash": Wrong("poetry.lock", r'hash = "sha256:\w{4}', 'hash = "sha256:', r"package\[\d+\]"),
    "pylock: a short hash": Wrong("pylock.toml", r'sha256 = "\w{4}', 'sha256 = "', r"packages\[\d+\]"),
    "pipfile: a short hash": Wrong("Pipfile.lock", r'"sha256:\w{4}', '"sha256:', "default.inhouse"),
    # Versions and names.
    "requirements: no such version": Wrong("requirements.txt", "leaf==1.0", "leaf==one", r":\d+"),
    "uv: no such version": Wrong("uv.lock", '(?<=name = "leaf"\n)version = "1.0"', 'version = "one"', "leaf|package"),
    "poetry: no such version": Wrong(
        "poetry.lock", '(?<=name = "leaf"\n)version = "1.0"', 'version = "one"', "leaf|package"
    ),
    "pylock: no such version": Wrong(
        "pylock.toml", '(?<=name = "leaf"\n)version = "1.0"', 'version = "one"', r"packages\[\d+\]"
    ),
    "pipfile: no such version": Wrong("Pipfile.lock", '"version": "==4.2"', '"version": "==one"', "default.inhouse"),
    # Markers.
    "requirements: no such marker": Wrong("requirements.txt", "sys_platform == 'win32'", "sys_platfrm == 1", r":\d+"),
    "uv: no such marker": Wrong("uv.lock", "sys_platform == 'win32'", "sys_platfrm == 1", "marker|dependencies"),
    "poetry: no such marker": Wrong("poetry.lock", r'sys_platform == \\"win32\\"', "sys_platfrm == 1", "marker"),
    "pylock: no such marker": Wrong("pylock.toml", "sys_platform == 'win32'", "sys_platfrm == 1", "marker"),
    "pipfile: no such marker": Wrong("Pipfile.lock", "sys_platform == 'win32'", "sys_platfrm == 1", "on-windows"),
    # `packaging` reads these, and then not what it writes of them.
    "requirements: a marker that is read once": Wrong(
        "requirements.txt", "sys_platform == 'win32'", r"""os_name < '3."\ud800"'""", r":\d+"
    ),
    "pylock: a marker that is read once": Wrong(
        "pylock.toml", "sys_platform == 'win32'", r"""os_name < '3.\"\\ud800\"'""", "pylock.toml.*marker"
    ),
    "uv: a marker that is read once": Wrong(
        "uv.lock", "sys_platform == 'win32'", r"""os_name < '3.\"\\ud800\"'""", "uv.lock.*marker"
    ),
    "poetry: a marker that is read once": Wrong(
        "poetry.lock", r'sys_platform == \\"win32\\"', r"""os_name < '3.\"\\ud800\"'""", "poetry.lock.*marker"
    ),
    "pipfile: a marker that is read once": Wrong(
        "Pipfile.lock", "sys_platform == 'win32'", r"""os_name < '3.\"\\ud800\"'""", "Pipfile.lock.*marker"
    ),
    # Edges that lead nowhere.
    "uv: an edge to a package that is not there": Wrong(
        "uv.lock", r'\{ name = "leaf" \}', '{ name = "nowhere" }', "nowhere"
    ),
    "uv: an edge to a version that is not there": Wrong(
        "uv.lock", r'\{ name = "leaf" \}', '{ name = "leaf", version = "9.9" }', "leaf 9.9"
    ),
    "pipfile: a source that is not there": Wrong("Pipfile.lock", '"index": "inhouse"', '"index": "other"', "other"),
}


@pytest.mark.parametrize("wrong", WRONG_VALUES.values(), ids=list(WRONG_VALUES))
def test_a_wrong_value(wrong: Wrong, tmp_path: Path) -> None:
    changed(tmp_path, wrong.lock, lambda text: re.sub(wrong.before, lambda _: wrong.after, text, count=1))
    error = refusal(tmp_path, wrong.lock)
    assert_says(error, wrong.kind, wrong.place)
    assert wrong.lock in str(error)


@pytest.mark.parametrize("lock", FORMATS)
def test_an_address_that_is_none(lock: str, tmp_path: Path) -> None:
    shutil.copytree(PROJECTS / "sources" / "by-path", tmp_path / "by-path")
    copied(tmp_path, "sources", "by_wheel-1.0-py3-none-any.whl")
    changed(tmp_path, lock, lambda text: text.replace("files.example/direct", "files.exam[]ple/direct"), "sources")
    assert_says(refusal(tmp_path, lock), LockFileSyntaxError, lock)


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_a_dependency_that_an_older_poetry_lock_does_not_hold(version: str, tmp_path: Path) -> None:
    """Since 2.1 each package says itself for what it is needed, and nobody follows the edges."""

    def older(text: str) -> str:
        lines = [line for line in text.splitlines() if not line.startswith(("groups = ", "markers = "))]
        return "\n".join(lines).replace('"2.1"', f'"{version}"').replace('\nleaf = "*"', '\nnowhere = "*"')

    copied(tmp_path, "five-formats", "pyproject.toml")
    changed(tmp_path, "poetry.lock", older)
    assert_says(refusal(tmp_path, "poetry.lock"), LockFileSyntaxError, "poetry.lock.*nowhere", hint="poetry lock")


# --- what is not for the target ---


@pytest.mark.parametrize("lock", ["pylock.toml", "uv.lock", "poetry.lock"])
def test_a_lock_for_another_python(lock: str, tmp_path: Path) -> None:
    changed(tmp_path, lock, lambda text: re.sub(r'(requires-python|python-versions) = "[^"]*"', r'\1 = "<3.10"', text))
    error = refusal(tmp_path, lock)
    assert_says(error, LockFileTargetError, rf"{lock}.*3\.13", hint="python3.9")


PLATFORMS = {
    "only-windows": ("win_amd64", "no wheel for any runtime"),
    "only-musl": ("musllinux_1_2_x86_64", "no wheel for any runtime"),
    "newest-glibc": ("manylinux_2_38_x86_64", "no wheel for any runtime"),
    "arm": ("manylinux_2_17_aarch64", "python3.13 on arm64"),
}


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("lock", ["pylock.toml", "uv.lock", "poetry.lock"])
def test_no_file_for_the_target(lock: str, platform: str, tmp_path: Path) -> None:
    tag, says = PLATFORMS[platform]
    changed(
        tmp_path, lock, lambda text: re.sub(r"stable_abi-1.0-cp39-abi3-\w+", f"stable_abi-1.0-cp39-abi3-{tag}", text)
    )
    error = refusal(tmp_path, lock)
    assert_says(error, LockFileTargetError, f"stable-abi.*({says}|has wheels for .*arm64)")


@pytest.mark.parametrize("lock", ["pylock.toml", "uv.lock", "poetry.lock"])
def test_a_wheel_for_a_newer_glibc_fits_newer_runtimes_only(lock: str, tmp_path: Path) -> None:
    changed(tmp_path, lock, lambda text: re.sub(r"(cp39-abi3)-manylinux2014_", r"\1-manylinux_2_28_", text))
    assert_says(
        refusal(tmp_path, lock, runtime="python3.11"), LockFileTargetError, "stable-abi.*python3.12, python3.13"
    )
    lockfile = read_lockfile(lock, base=tmp_path, environ={})
    assert "stable-abi" in make_plan(lockfile, Target.of("python3.12", "x86_64")).packages


@pytest.mark.parametrize(
    ("lock", "empty"),
    [
        ("requirements.txt", "# nothing\n"),
        ("pylock.toml", 'lock-version = "1.0"\ncreated-by = "uv"\npackages = []\n'),
        ("uv.lock", 'version = 1\n[[package]]\nname = "a"\nversion = "1"\nsource = { virtual = "." }\n'),
        ("poetry.lock", 'package = []\n[metadata]\nlock-version = "2.1"\npython-versions = "*"\ncontent-hash = "0"\n'),
        ("Pipfile.lock", '{"_meta": {"pipfile-spec": 6, "sources": []}, "default": {}, "develop": {}}'),
    ],
)
def test_a_lock_that_pins_nothing(lock: str, empty: str, tmp_path: Path) -> None:
    (tmp_path / lock).write_text(empty)
    assert_says(refusal(tmp_path, lock), LockFileEmptyError, lock)


# --- what is asked for ---


@pytest.mark.parametrize("lock", FORMATS)
@pytest.mark.parametrize("what", ["groups", "extras"])
def test_an_unknown_group_or_extra(lock: str, what: str) -> None:
    project = "five-formats" if lock in {"requirements.txt", "pylock.toml"} else what
    error = refusal(PROJECTS / project, lock, **{what: ("nowhere",)})  # type: ignore[arg-type]
    assert_says(error, InvalidInputError, f"{lock}.*{what}|{what}.*{lock}")
    assert error.input_name == what


@pytest.mark.parametrize(
    ("lock", "project", "what", "known"),
    [
        ("uv.lock", "groups", "groups", "dev"),
        ("poetry.lock", "groups", "groups", "dev"),
        ("Pipfile.lock", "groups", "groups", "docs-site"),
        ("pylock.toml", "hand-written", "groups", "docs-site"),
        ("uv.lock", "extras", "extras", "fast"),
        ("poetry.lock", "extras", "extras", "fast"),
        ("pylock.toml", "hand-written", "extras", "two-words"),
    ],
)
def test_the_groups_and_extras_that_there_are_are_named(lock: str, project: str, what: str, known: str) -> None:
    assert known in refusal(PROJECTS / project, lock, **{what: ("nowhere",)}).what  # type: ignore[arg-type]


def test_extras_that_exclude_each_other() -> None:
    error = refusal(PROJECTS / "conflicts", "uv.lock", extras=("old", "new"))
    assert isinstance(error, InvalidInputError | LockFileConflictError)
    assert "old" in str(error)
    assert error.hint


# --- the project beside the lock ---

OLDER = {
    "uv.lock": ("pyproject.toml", '"source-only",', '"source-only",\n    "split",'),
    "poetry.lock": ("pyproject.toml", '"source-only",', '"source-only",\n    "split",'),
    "Pipfile.lock": ("Pipfile", 'source-only = "*"', 'source-only = "*"\nsplit = "*"'),
}


@pytest.mark.parametrize("lock", OLDER)
def test_a_lock_older_than_its_project(lock: str, tmp_path: Path) -> None:
    name, before, after = OLDER[lock]
    copied(tmp_path, "five-formats", lock)
    changed(tmp_path, name, lambda text: text.replace(before, after))
    lockfile = read_lockfile(lock, base=tmp_path, environ={})
    assert [warning for warning in lockfile.stale if name in warning and lock in warning]
    assert make_plan(lockfile, TARGET).packages
    assert_says(refusal(tmp_path, lock, strict=True), LockFileStaleError, name, hint="lock")


def test_pins_that_are_not_locked_in_strict_mode() -> None:
    error = refusal(PROJECTS / "markers", "Pipfile.lock", strict=True)
    assert_says(error, NotLockedError, r"linter.*Pipfile\.lock")


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    copied(tmp_path, "sources", "Pipfile.lock")
    shutil.copytree(PROJECTS / "sources" / "by-path", tmp_path / "by-path")
    copied(tmp_path, "sources", "by_wheel-1.0-py3-none-any.whl")
    assert_says(refusal(tmp_path, "Pipfile.lock"), LockFileSyntaxError, "INHOUSE_TOKEN", hint="export INHOUSE_TOKEN")


@pytest.mark.parametrize("lock", FORMATS)
def test_a_path_dependency_that_is_not_there(lock: str, tmp_path: Path) -> None:
    """Found when the lock file is read, or when the plan looks at it: never an error of the file system's own."""
    text = (PROJECTS / "sources" / lock).read_text().replace("${INHOUSE_TOKEN}", "token")
    (tmp_path / lock).write_text(json.dumps(json.loads(text)) if lock == "Pipfile.lock" else text)
    try:
        lockfile = read_lockfile(lock, base=tmp_path, environ={})
    except LockFileNotFoundError as error:
        assert_says(error, LockFileNotFoundError, "by-path|by_wheel")
        return
    assert "by-path" in {pin.path for pin in make_plan(lockfile, TARGET).pins}
