from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_layer_provider.errors import LayerError, LockFileNotFoundError, LockFileSyntaxError
from python_layer_provider.lockfile.project import Project, read_project


def told(**files: str) -> Project:
    """What the files of the folder `lib` tell; `setup_py` is `lib/setup.py`."""
    texts = {
        f"lib/{name.replace('_', '.', 1) if name != 'pyproject' else 'pyproject.toml'}": files[name] for name in files
    }

    def read(path: str) -> str:
        if path not in texts:
            raise LockFileNotFoundError(path)
        return texts[path]

    return read_project("lib", read)


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject": '[project]\nname = "x"\nversion = "1"'},
        {"pyproject": '[tool.poetry]\nname = "x"\nversion = "1"'},
        {"setup_cfg": "[metadata]\nname = x\nversion = 1\n"},
        {"setup_py": "from setuptools import setup\nsetup(name='x', version='1')"},
        {"setup_py": "import setuptools\nif True:\n    setuptools.setup(version='1', name='x')"},
        {"setup_py": "NAME = 'x'\nVERSION = '1'\nsetup(name=NAME, version=VERSION)"},
        {"pyproject": '[build-system]\nrequires = ["setuptools"]', "setup_cfg": "[metadata]\nname = x\nversion: 1"},
        {"setup_cfg": "[metadata]\nname = x", "setup_py": "setup(version='1')"},
    ],
)
def test_name_and_version_are_found_in_each_file_that_may_have_them(files: dict[str, str]) -> None:
    assert told(**files) == Project(exists=True, name="x", version="1")


def test_pyproject_toml_comes_first() -> None:
    found = told(pyproject='[project]\nname = "x"', setup_cfg="[metadata]\nname = y", setup_py="setup(name='z')")
    assert found.name == "x"


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject": '[project]\nname = "x"\ndynamic = ["version"]'},
        {"setup_cfg": "[metadata]\nname = x\nversion = attr: x.__version__"},
        {"setup_cfg": "[metadata]\nname = x\nversion = %(here)s"},
        {"setup_py": "setup(name='x', version=version())"},
        {"setup_py": "setup(name='x', version=1)"},
        {"setup_py": "setup(name='x', **more)"},
    ],
)
def test_a_version_that_only_a_build_would_tell_is_none(files: dict[str, str]) -> None:
    assert told(**files) == Project(exists=True, name="x", version=None)


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject": ""},
        {"setup_cfg": "no section"},
        {"setup_cfg": "[metadata]\n[metadata]"},
        {"setup_py": "setup(name=f'{x}')"},
        {"setup_py": "print 'python 2'"},
        {"setup_py": "\0"},
        {"setup_py": "(" * 5000},
        {"setup_py": "-" * 100_000 + "1"},
        {"setup_py": "other(name='x')"},
    ],
)
def test_a_name_that_only_running_would_tell_is_none(files: dict[str, str]) -> None:
    assert told(**files) == Project(exists=True)


def test_a_folder_without_any_of_them_is_no_project() -> None:
    assert told() == Project(exists=False)


@pytest.mark.parametrize("text", ["[", "project = 1", "[project]\nname = 1"])
def test_a_pyproject_toml_that_cannot_be_read_is_an_error_that_names_it(text: str) -> None:
    with pytest.raises(LockFileSyntaxError, match=r"^lib/pyproject\.toml"):
        told(pyproject=text)


def test_setup_py_is_never_run() -> None:
    assert told(setup_py="raise SystemExit\nsetup(name='x')").name == "x"


def test_what_python_has_to_say_of_the_code_is_nobodys_business() -> None:
    assert told(setup_py="setup(name='x', version='1', doc='\\d', other=1 is 1)").name == "x"


@given(st.text(), st.text(), st.text())
def test_any_texts_are_a_project_or_an_error_of_ours(pyproject: str, setup_cfg: str, setup_py: str) -> None:
    with contextlib.suppress(LayerError):
        told(pyproject=pyproject, setup_cfg=setup_cfg, setup_py=setup_py)
