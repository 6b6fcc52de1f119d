from __future__ import annotations

from collections.abc import Mapping

import pytest

from python_layer_provider.errors import (
    LayerError,
    LockFileNotFoundError,
    LockFileSyntaxError,
    LockFileUnsupportedError,
)
from python_layer_provider.lockfile import Lockfile, Pin
from python_layer_provider.lockfile.requirements import parse_requirements
from tests.unit.helpers import a_source

SHA = "a" * 64
NOTHING: Mapping[str, str] = {}
PROJECT = '[project]\nname = "My.Lib"\nversion = "1.2"\n'


def parse(
    text: str,
    *folders: str,
    label: str = "requirements.txt",
    files: Mapping[str, str] = NOTHING,
    environ: Mapping[str, str] = NOTHING,
) -> Lockfile:
    """A requirements file beside these files, and folders that each hold a project."""
    projects = {f"{folder}/pyproject.toml": PROJECT for folder in folders}
    return parse_requirements(a_source(text, label, {**projects, **files}, environ=environ))


def pin(text: str, *folders: str) -> Pin:
    (only,) = parse(text, *folders).pins
    return only


def refusal(text: str, files: Mapping[str, str] | None = None) -> LayerError:
    with pytest.raises(LayerError) as caught:
        parse_requirements(a_source(text, files=files))
    assert caught.value.input_name == "requirements"
    return caught.value


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("./lib", "lib"),
        ("./lib/", "lib"),
        ("lib/", "lib"),
        ("../lib", "../lib"),
        (".", "."),
        ("./a/../lib", "lib"),
        (".\\lib", "lib"),
        ("/opt/lib", "/opt/lib"),
        ("C:\\lib", "C:/lib"),
        ("file:///opt/my%20lib", "/opt/my lib"),
        ("FILE:///opt/lib", "/opt/lib"),
        ("file://localhost/opt/lib", "/opt/lib"),
        ("file:///C:/lib", "C:/lib"),
        ("file:lib", "lib"),
        ("file:///opt/lib#subdirectory=py", "/opt/lib/py"),
        ("-e ./lib", "lib"),
        ("-e lib", "lib"),
        ("-e .", "."),
        ("-e.", "."),
        ("--editable=lib", "lib"),
        ("--editable ./lib", "lib"),
        ("-e file:lib", "lib"),
        ("-e file:///opt/lib", "/opt/lib"),
    ],
)
def test_a_folder_is_a_pin_by_the_name_that_its_project_tells(line: str, path: str) -> None:
    one = pin(line, path)
    assert (one.name, one.path, one.version, one.url, one.specifier) == ("my-lib", path, "1.2", None, "")
    assert one.pinned
    assert one.locked


@pytest.mark.parametrize(
    ("line", "name", "path", "version"),
    [
        ("Other @ ./lib", "other", "lib", "1.2"),
        ("other @ lib", "other", "lib", "1.2"),
        ("other @ file:///opt/lib", "other", "/opt/lib", None),
        ("-e 'other @ file:///opt/lib'", "other", "/opt/lib", None),
        ("-e file:///opt/lib#egg=other", "other", "/opt/lib", None),
        ("./vendor/x-1.0-py3-none-any.whl", "x", "vendor/x-1.0-py3-none-any.whl", "1.0"),
        ("vendor/X_Y-1.0+cpu-py3-none-any.whl", "x-y", "vendor/X_Y-1.0+cpu-py3-none-any.whl", "1.0+cpu"),
        ("x-1.0-py3-none-any.whl", "x", "x-1.0-py3-none-any.whl", "1.0"),
        ("file:///w/X_Y-1.0%2Bcpu-py3-none-any.whl", "x-y", "/w/X_Y-1.0+cpu-py3-none-any.whl", "1.0+cpu"),
        ("x @ ./x-1.0-py3-none-any.whl", "x", "x-1.0-py3-none-any.whl", "1.0"),
        ("./x-1.0.tar.gz", "x", "x-1.0.tar.gz", "1.0"),
        ("x @ ./master.zip", "x", "master.zip", None),
        ("y @ ./x-1.0.tar.gz", "y", "x-1.0.tar.gz", None),
    ],
)
def test_a_name_before_the_path_or_in_the_files_name_needs_no_project(
    line: str, name: str, path: str, version: str | None
) -> None:
    one = pin(line, "lib")
    assert (one.name, one.path, one.version) == (name, path, version)


@pytest.mark.parametrize(
    "line", ["./lib[X_y,a]", ".\\lib[a, x-y]", "other[a,x.y] @ ./lib", "-e ./lib[a,x-y]", "-e lib[a,x-y]"]
)
def test_extras_stand_behind_the_path_or_the_name(line: str) -> None:
    one = pin(line, "lib")
    assert (one.path, one.extras) == ("lib", ("a", "x-y"))


@pytest.mark.parametrize(
    "line",
    [
        "./lib ; python_version < '4'",
        "./lib;python_version<'4'",
        "./lib[a] ; python_version < '4'",
        "file:///opt/lib ; python_version < '4'",
        "other @ ./lib ; python_version < '4'",
        "-e ./lib ; python_version < '4'",
        "-e file:///opt/lib ; python_version < '4'",
        "--editable=lib ; python_version < '4'",
        "./x-1.0-py3-none-any.whl ; python_version < '4'",
    ],
)
def test_a_marker_counts_behind_e_as_well(line: str) -> None:
    assert pin(line, "lib", "/opt/lib").marker == 'python_version < "4"'


@pytest.mark.parametrize(
    "line",
    [
        f"./x-1.0-py3-none-any.whl --hash=sha256:{SHA}",
        f"file:///w/x-1.0-py3-none-any.whl#sha256={SHA}",
        f"x @ file:///w/x-1.0-py3-none-any.whl#egg=x&sha256={SHA}",
    ],
)
def test_a_file_may_have_hashes(line: str) -> None:
    assert pin(line).hashes == (f"sha256:{SHA}",)


@pytest.mark.parametrize("line", ["./lib -C a=b", "-e ./lib -C a=b", "-e ./lib ; python_version < '4' -C a=b"])
def test_settings_reach_the_build_of_a_folder(line: str) -> None:
    assert pin(line, "lib").config_settings == ("a=b",)


# Where a path starts.


def test_a_path_in_an_included_file_starts_where_the_program_is_as_in_pip() -> None:
    lockfile = parse("-r sub/r.txt", "lib", files={"sub/r.txt": "./lib"})
    assert [(one.path, one.where) for one in lockfile.pins] == [("lib", "sub/r.txt:1")]
    assert lockfile.warnings == ()


def test_a_folder_of_that_name_beside_the_file_is_a_warning() -> None:
    lockfile = parse("-e .", ".", "fn", label="fn/requirements.txt")
    assert [one.path for one in lockfile.pins] == ["."]
    assert [warning.partition("; ")[2] for warning in lockfile.warnings] == [
        "the folder of that name beside the file is `./fn`"
    ]


def test_a_folder_that_is_only_beside_the_file_is_named() -> None:
    with pytest.raises(LockFileNotFoundError, match=r"no Python project at this path") as caught:
        parse("./lib", "fn/lib", label="fn/requirements.txt")
    assert caught.value.hint == "did you mean `./fn/lib`: relative paths start where the program is"


def test_a_variable_may_stand_for_the_root() -> None:
    assert parse("file://${ROOT}/lib", "/opt/lib", environ={"ROOT": "/opt"}).pins[0].path == "/opt/lib"


# What cannot be.


@pytest.mark.parametrize(
    ("line", "kind", "what"),
    [
        ("./none", LockFileNotFoundError, "no Python project at this path"),
        ("-e none", LockFileNotFoundError, "no Python project at this path"),
        ("./nameless", LockFileUnsupportedError, "only running the project would tell its name"),
        ("./master.zip", LockFileSyntaxError, "a file without a name"),
        ("./x.whl", LockFileSyntaxError, "not the name of a wheel"),
        ("y @ ./x-1-py3-none-any.whl", LockFileSyntaxError, "the wheel at this path is of another distribution"),
        ("~/lib", LockFileUnsupportedError, "pip does not know `~`"),
        ("file://host/lib", LockFileUnsupportedError, "a file of another machine"),
        ("file://[", LockFileSyntaxError, "not a URL"),
        ("file:", LockFileSyntaxError, "not a path"),
        ("file:///x;os_name=='nt'", LockFileSyntaxError, "unexpected text after a URL"),
        ("x @ file:///x-1.0.zip#subdirectory=a", LockFileUnsupportedError, "a folder in a file is not supported"),
        ("x @ ./lib[a]", LockFileSyntaxError, "extras stand behind the path"),
        (f"./lib --hash=sha256:{SHA}", LockFileSyntaxError, "a folder has no hash"),
        ("file:///x-1.0.zip#sha256=1", LockFileSyntaxError, "not a hash that pip takes"),
        ("-e https://files.example/x-1.0.zip", LockFileSyntaxError, "`-e` takes a folder or a repository"),
        ("-e x==1", LockFileSyntaxError, "`-e` takes a folder or a repository"),
        ("./broken", LockFileSyntaxError, "broken/pyproject.toml:1"),
        ("./bad-name", LockFileSyntaxError, "not a requirement"),
        ("./lib[!]", LockFileSyntaxError, "not a requirement"),
    ],
)
def test_a_path_that_cannot_be_is_an_error(line: str, kind: type[LayerError], what: str) -> None:
    error = refusal(
        line,
        {
            "lib/pyproject.toml": PROJECT,
            "nameless/setup.py": "setup(name=name())",
            "broken/pyproject.toml": "[",
            "bad-name/pyproject.toml": '[project]\nname = "-"\n',
        },
    )
    assert (type(error), error.what.startswith(f"requirements.txt:1: {what}")) == (kind, True), error.what
    assert error.hint


def test_a_path_is_no_constraint() -> None:
    with pytest.raises(LockFileUnsupportedError, match=r"^c\.txt:1: a path cannot be a constraint: `x @ \./lib`"):
        parse("-c c.txt", "lib", files={"c.txt": "x @ ./lib"})


def test_messages_never_show_what_a_variable_in_a_path_holds() -> None:
    for line in ("${V}", "-e ${V}", "x @ ${V}", "./broken/${V}"):
        with pytest.raises(LayerError) as caught:
            parse(
                line,
                environ={"V": "./s3cr3t"},
                files={"s3cr3t/pyproject.toml": "[", "broken/s3cr3t/pyproject.toml": "["},
            )
        assert "s3cr3t" not in str(caught.value)
