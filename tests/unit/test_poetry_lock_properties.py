from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import rtoml
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.version import Version

from python_layer_provider.errors import LayerError
from python_layer_provider.lockfile import Lockfile
from python_layer_provider.lockfile.poetry import parse_poetry
from python_layer_provider.lockfile.poetry_constraint import admits, alternatives, python_marker
from python_layer_provider.selection import select
from tests.unit.helpers import HASH, TARGET, a_source, chosen

SECRET = "s3cr3tCanary"
COMMIT = "0" * 40
PACKAGES: list[dict[str, Any]] = [
    {
        "name": "a",
        "version": "1.0",
        "category": "main",
        "optional": False,
        "python-versions": ">=3.8, !=3.9.*",
        "groups": ["main", "dev"],
        "markers": {"main": "python_version >= '3.9'", "dev": "extra == 'x'"},
        "files": [{"file": "a-1.0-py3-none-any.whl", "hash": HASH}, {"file": "a-1.0.tar.gz", "hash": "md5:0"}],
        "dependencies": {
            "b": [{"version": "^1", "extras": ["y"], "markers": "os_name == 'posix'"}, {"version": ">=1 || <1"}],
            "c": {"git": "https://git.example/c.git", "optional": True},
        },
        "extras": {"y": ["c (>=1)", "a[y]"]},
    },
    {"name": "b", "version": "1.0", "optional": False, "python-versions": "*", "groups": ["main"]},
    {
        "name": "b",
        "version": "1.5",
        "optional": False,
        "python-versions": "~3.12 || ~3.13",
        "groups": ["dev"],
        "marker": "sys_platform == 'linux'",
        "source": {"type": "legacy", "url": f"https://u:{SECRET}@index.example/simple", "reference": "i"},
    },
    {
        "name": "c",
        "version": "2.0",
        "optional": True,
        "python-versions": "*",
        "groups": ["main"],
        "markers": "extra == 'x'",
        "develop": False,
        "source": {
            "type": "git",
            "url": "https://git.example/c.git",
            "reference": "main",
            "resolved_reference": COMMIT,
            "subdirectory": "python",
        },
    },
    {
        "name": "d",
        "version": "1.0",
        "optional": False,
        "python-versions": "*",
        "groups": ["main"],
        "requirements": {"python": "^3.9", "platform": "linux"},
        "source": {"type": "directory", "url": "../d"},
    },
]
PROJECT: Mapping[str, Any] = {
    "tool": {
        "poetry": {
            "name": "app",
            "dependencies": {
                "python": "^3.9",
                "a": {"version": "^1", "extras": ["y"], "python": ">=3.9", "platform": "linux || win32"},
                "b": [{"version": "1.0", "markers": "os_name == 'nt'"}, {"version": ">1", "source": "i"}],
                "c": {"git": "https://git.example/c.git", "optional": True},
                "d": {"path": "../d", "develop": True},
            },
            "dev-dependencies": {"b": "*"},
            "group": {"docs": {"dependencies": {"a": "*"}}},
            "extras": {"x": ["c"]},
        }
    },
    "project": {"name": "app", "dependencies": ["a>=1"], "optional-dependencies": {"x": ["c @ git+https://h/c@v"]}},
    "dependency-groups": {"dev": ["b", {"include-group": "docs"}], "docs": ["a"]},
}
# What stands in lock files, and what does not: each may come to stand where another was.
VALUE = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from([[], {}, [[]], [{}], ["a"], [{"name": "b"}], {"version": "x"}, {"a": "*"}, {"a": ["b"]}]),
    st.sampled_from(["", "*", "a", "A_b", "1.0", "^", "^x", "~=1", ">=1,", "3.*", "1 || 2", "\0", "(" * 500, "é", "-"]),
    st.sampled_from(["extra == 'x'", "os_name ~= 'x'", "python_version >= '3.*'", "'x' in extras", "file:", "git@h:p"]),
    st.sampled_from(
        ["git", "url", "file", "directory", "legacy", "main", "https://", "https://[", "http://h:x/", HASH]
    ),
)


def a_lock(version: str, packages: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "package": packages,
        "extras": {"x": ["c"]},
        "metadata": {
            "lock-version": version,
            "python-versions": "^3.9",
            "content-hash": "0",
            "files": {"b": [{"file": "b-1.0.tar.gz", "hash": HASH}]},
        },
    }


def places(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all values within a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*at, key)
        yield from places(inner, (*at, key))


def changed(document: object, at: tuple[str | int, ...], value: object) -> Any:
    """The document with another value at a place; without it where the value is None."""
    if not at:
        return value
    if isinstance(document, dict):
        inner = changed(document[at[0]], at[1:], value)
        return {
            key: inner if key == at[0] else one for key, one in document.items() if key != at[0] or inner is not None
        }
    assert isinstance(document, list)
    inner = changed(document[int(at[0])], at[1:], value)
    return [inner if n == at[0] else one for n, one in enumerate(document) if n != at[0] or inner is not None]


def parse(lock: str, project: str | None, groups: tuple[str, ...] = ("dev",), extras: tuple[str, ...] = ()) -> Lockfile:
    files = {} if project is None else {"pyproject.toml": project}
    return parse_poetry(a_source(lock, "poetry.lock", files, groups=groups, extras=extras))


def told(lock: str, project: str | None, extras: tuple[str, ...]) -> str:
    """What an error says, if there is one."""
    try:
        select(parse(lock, project, extras=extras), TARGET)
    except LayerError as error:
        return str(error)
    return ""


def only_our_errors(lock: str, project: str | None) -> None:
    assert SECRET not in told(lock, project, ())
    assert SECRET not in told(lock, project, ("x",))


@pytest.mark.parametrize("version", ["1.0", "1.1", "2.0", "2.1"])
@given(place=st.sampled_from(list(places(a_lock("", PACKAGES)))), value=st.one_of(st.none(), VALUE))
def test_a_lock_file_with_a_wrong_value_is_read_or_refused(
    version: str, place: tuple[str | int, ...], value: object
) -> None:
    lock = rtoml.dumps(changed(a_lock(version, PACKAGES), place, value))
    only_our_errors(lock, rtoml.dumps(PROJECT))
    only_our_errors(lock, None)


@pytest.mark.parametrize("version", ["2.0", "2.1"])
@given(place=st.sampled_from(list(places(PROJECT))), value=st.one_of(st.none(), VALUE))
def test_a_project_with_a_wrong_value_is_read_or_refused(
    version: str, place: tuple[str | int, ...], value: object
) -> None:
    project = changed(PROJECT, place, value)
    only_our_errors(rtoml.dumps(a_lock(version, PACKAGES)), rtoml.dumps(project))


@given(st.text(), st.one_of(st.none(), st.text()))
def test_any_text_is_read_or_refused(lock: str, project: str | None) -> None:
    only_our_errors(lock, project)


@pytest.mark.parametrize("version", ["1.1", "2.0", "2.1"])
@given(seed=st.integers(), extras=st.sampled_from([(), ("x",)]))
def test_the_order_of_packages_says_nothing(version: str, seed: int, extras: tuple[str, ...]) -> None:
    shuffled = random.Random(seed).sample(PACKAGES, len(PACKAGES))
    project = rtoml.dumps({"tool": PROJECT["tool"]})
    first, second = (
        parse(rtoml.dumps(a_lock(version, packages)), project, (), extras) for packages in (PACKAGES, shuffled)
    )
    assert chosen(first) == chosen(second)


# --- constraints ---

NUMBERS = st.lists(st.integers(0, 12), min_size=1, max_size=4)
VERSION = NUMBERS.map(lambda numbers: ".".join(map(str, numbers)))


@given(VERSION, st.sampled_from(["^", "~", "", "==", ">=", "<=", "~="]))
def test_a_version_is_within_its_own_constraint(version: str, operator: str) -> None:
    assert admits(f"{operator}{version}", version)


@given(VERSION)
def test_a_caret_ends_where_the_first_number_that_counts_changes(version: str) -> None:
    release = Version(version).release
    place = next((place for place, number in enumerate(release[:3]) if number), min(len(release), 3) - 1)
    after = [*release[:place], release[place] + 1]
    assert not admits(f"^{version}", ".".join(map(str, after)))
    assert admits(f"^{version}", ".".join(map(str, [*release[: place + 1], *[99] * 3])))


@given(VERSION, VERSION, st.sampled_from(["^", "~", ">=", "<", "!=", "<="]))
def test_alternatives_admit_what_either_does(one: str, other: str, operator: str) -> None:
    for version in ("0.1", "1.0", "3.5", one, other):
        either = admits(f"{operator}{one}", version) or admits(f"^{other}", version)
        assert admits(f"{operator}{one} || ^{other}", version) == either


@given(
    st.lists(
        st.tuples(st.sampled_from(["^", "~", ">=", "<", "!=", "<=", ">"]), st.sampled_from(["3", "3.9", "3.13.7"])),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([", ", " || "]),
)
def test_a_constraint_on_python_and_its_marker_are_one(parts: list[tuple[str, str]], separator: str) -> None:
    text = separator.join(f"{operator}{version}" for operator, version in parts)
    marker = python_marker(text)
    assert marker
    environment = TARGET.marker_environment()
    assert Marker(marker).evaluate(environment) == admits(text, environment["python_full_version"])


@given(st.text(alphabet="^~=<>!|,. x*0123v-+", max_size=12))
def test_any_constraint_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        alternatives(text)
        python_marker(text)
    admits(text, "1.0")
