from __future__ import annotations

from typing import Any

import pytest
from packaging.utils import canonicalize_name

from python_layer_provider.errors import LockFileConflictError, LockFileSyntaxError, LockFileTargetError
from python_layer_provider.lockfile import Dependency, File, IndexOptions, Lockfile, Pin, PythonBound
from python_layer_provider.selection import select
from python_layer_provider.target import Target
from tests.unit.helpers import TARGET, a_lockfile, a_pin, chosen


def needs(name: str, **others: Any) -> Dependency:
    return Dependency(name=canonicalize_name(name), **others)


def graph(*pins: Pin, roots: tuple[Dependency, ...], **others: Any) -> Lockfile:
    return a_lockfile(*pins, roots=roots, closed=True, **others)


# --- the graph ---


def test_only_what_the_roots_lead_to_is_selected() -> None:
    lockfile = graph(
        a_pin("app", "1", dependencies=(needs("lib"),)),
        a_pin("lib", "2"),
        a_pin("other", "3"),
        roots=(needs("app"),),
    )
    assert chosen(lockfile) == {"app": "1", "lib": "2"}


def test_a_cycle_ends() -> None:
    lockfile = graph(
        a_pin("a", "1", dependencies=(needs("b"),)),
        a_pin("b", "1", dependencies=(needs("a"),)),
        roots=(needs("a"),),
    )
    assert chosen(lockfile) == {"a": "1", "b": "1"}


def test_an_edge_counts_where_its_marker_holds() -> None:
    lockfile = graph(
        a_pin("a", "1", dependencies=(needs("win", marker='sys_platform == "win32"'), needs("new"))),
        a_pin("win", "1"),
        a_pin("new", "1"),
        roots=(needs("a"),),
    )
    assert chosen(lockfile) == {"a": "1", "new": "1"}


@pytest.mark.parametrize(("runtime", "version"), [("python3.9", "1"), ("python3.13", "2")])
def test_a_fork_is_taken_by_the_edge_that_holds(runtime: str, version: str) -> None:
    lockfile = graph(
        a_pin("a", "1"),
        a_pin("a", "2"),
        roots=(
            needs("a", version="1", marker='python_version < "3.10"'),
            needs("a", version="2", marker='python_version >= "3.10"'),
        ),
    )
    assert chosen(lockfile, Target.of(runtime, "x86_64")) == {"a": version}


def test_forks_of_one_version_are_told_apart_by_their_source() -> None:
    lockfile = graph(
        a_pin("torch", "2", index="https://index.example/cpu"),
        a_pin("torch", "2", index="https://index.example/cuda"),
        roots=(needs("torch", version="2", source="https://index.example/cuda"),),
    )
    (pin,) = select(lockfile, TARGET).pins.values()
    assert pin.index == "https://index.example/cuda"


def test_extras_bring_their_edges_whoever_asks_first() -> None:
    http = a_pin("http", "1", dependencies=(needs("socks", marker='"socks" in extras'),))
    asking = a_pin("asking", "1", dependencies=(needs("http", extras=("socks",)),))
    for roots in ((needs("http"), needs("asking")), (needs("asking"), needs("http"))):
        lockfile = graph(http, asking, a_pin("socks", "1"), roots=roots)
        assert set(chosen(lockfile)) == {"http", "asking", "socks"}
        assert select(lockfile, TARGET).pins[http.name].extras == ("socks",)


def test_an_extra_of_one_distribution_is_none_of_another() -> None:
    lockfile = graph(
        a_pin("a", "1", dependencies=(needs("b"),)),
        a_pin("b", "1", dependencies=(needs("c", marker='"x" in extras'),)),
        a_pin("c", "1"),
        roots=(needs("a", extras=("x",)),),
    )
    assert set(chosen(lockfile)) == {"a", "b"}


def test_an_edge_to_nowhere_is_told_with_both_ends() -> None:
    lockfile = graph(
        a_pin("a", "1", dependencies=(needs("b", version="2"),), where="uv.lock: package[0]"),
        a_pin("b", "1"),
        roots=(needs("a"),),
        relock="uv lock",
    )
    with pytest.raises(
        LockFileSyntaxError, match=r"^uv\.lock: package\[0\]: needs `b 2`, which the lock file"
    ) as caught:
        select(lockfile, TARGET)
    assert caught.value.hint == "lock again: uv lock"


def test_two_versions_for_one_target_are_a_conflict() -> None:
    lockfile = graph(a_pin("a", "1"), a_pin("a", "2"), roots=(needs("a", version="1"), needs("a", version="2")))
    with pytest.raises(LockFileConflictError, match="`a` is asked for twice"):
        select(lockfile, TARGET)


# --- groups and extras of the project ---


@pytest.mark.parametrize(
    ("marker", "others", "selected"),
    [
        ('"x" in extras', {"extras": ("x",)}, True),
        ('"x" in extras', {}, False),
        ('"dev" in dependency_groups', {"groups": ("dev",)}, True),
        ('"dev" in dependency_groups', {"groups": ("docs",)}, False),
    ],
)
def test_markers_see_the_selected_extras_and_groups(marker: str, others: dict[str, Any], *, selected: bool) -> None:
    lockfile = a_lockfile(a_pin("a"), a_pin("b", marker=marker), closed=True, **others)
    assert ("b" in chosen(lockfile)) is selected


def test_sets_of_extras_are_a_mistake_in_a_requirements_file() -> None:
    with pytest.raises(LockFileSyntaxError, match="the marker cannot be evaluated"):
        select(a_lockfile(a_pin(marker='"x" in extras')), TARGET)


# --- what is not wanted ---


def test_what_is_omitted_leaves_behind_what_it_needs_and_nobody_else_has() -> None:
    lockfile = graph(
        a_pin("app", "1", dependencies=(needs("boto3"),)),
        a_pin("boto3", "1", dependencies=(needs("botocore"), needs("crt"))),
        a_pin("botocore", "1"),
        a_pin("crt", "1"),
        roots=(needs("app"),),
    )
    found = select(lockfile, TARGET, omit={"boto3", "botocore"})
    assert set(found.pins) == {"app", "crt"}
    assert set(found.omitted) == {"boto3", "botocore"}


def test_what_is_omitted_is_left_out_of_a_flat_lock_file() -> None:
    found = select(a_lockfile(a_pin("boto3"), a_pin("idna")), TARGET, omit={"boto3", "six"})
    assert (set(found.pins), set(found.omitted)) == ({"idna"}, {"boto3"})


# --- the target ---


@pytest.mark.parametrize(
    ("specifier", "hint"),
    [
        ("<3.13,>=3.11", "use one of python3.11, python3.12"),
        ("==3.12.*", 'runtime="python3.12"'),
        (">=3.15", "no runtime of Lambda has such a Python"),
    ],
)
def test_a_lock_file_for_other_pythons_is_refused_with_those_that_fit(specifier: str, hint: str) -> None:
    bound = PythonBound(specifier=specifier, where="pyproject.toml")
    with pytest.raises(LockFileTargetError) as caught:
        select(a_lockfile(a_pin(), requires_python=(bound,)), TARGET)
    assert caught.value.what == (
        f"`requirements.txt` is not for python3.13: pyproject.toml requires Python `{specifier}`"
    )
    assert caught.value.hint.startswith(hint)


def test_the_lock_files_own_bound_is_not_named_twice() -> None:
    bound = PythonBound(specifier=">=3.14", where="requirements.txt")
    with pytest.raises(LockFileTargetError, match=r"not for python3\.13: it requires Python `>=3\.14`"):
        select(a_lockfile(a_pin(), requires_python=(bound,)), TARGET)


@pytest.mark.parametrize("specifier", [">=3.11", "==3.13.*", ">=3.13.2", "~=3.9"])
def test_a_lock_file_for_the_runtimes_python_is_taken(specifier: str) -> None:
    bound = PythonBound(specifier=specifier, where="pyproject.toml")
    assert chosen(a_lockfile(a_pin(), requires_python=(bound,)))


def test_a_bound_that_is_none_is_told() -> None:
    bound = PythonBound(specifier="^3.9", where="uv.lock")
    with pytest.raises(LockFileSyntaxError, match=r"uv\.lock: not a version specifier: `\^3\.9`"):
        select(a_lockfile(a_pin(), requires_python=(bound,)), TARGET)


def test_the_target_has_to_meet_one_of_the_environments() -> None:
    both = ("sys_platform == 'win32'", "platform_machine == 'x86_64'")
    assert chosen(a_lockfile(a_pin(), environments=both))
    with pytest.raises(LockFileTargetError, match=r"not for python3\.13 on arm64") as caught:
        select(a_lockfile(a_pin(), environments=both), Target.of("python3.13", "arm64"))
    assert "it is for `sys_platform == 'win32'`" in caught.value.detail


def files(*names: str) -> tuple[File, ...]:
    return tuple(File(name=name, size=5) for name in names)


GLIBC_239 = "new-1-cp313-cp313-manylinux_2_39_x86_64.whl"


def test_pins_without_a_file_that_fits_are_all_told_with_what_does() -> None:
    lockfile = a_lockfile(
        a_pin("pywin32", "306", files=files("pywin32-306-cp313-cp313-win_amd64.whl")),
        a_pin("old", "1", files=files("old-1-cp312-cp312-manylinux_2_17_x86_64.whl", "old-1-cp39-abi3-win32.whl")),
        a_pin("fine", "1", files=files("fine-1-py3-none-any.whl")),
        a_pin("later", "1", requires_python=">=3.14", where="pylock.toml: packages[3]"),
    )
    with pytest.raises(LockFileTargetError) as caught:
        select(lockfile, TARGET)
    assert caught.value.what == "3 of 4 pins have no file for python3.13 on x86_64"
    assert caught.value.detail.splitlines() == [
        "`pywin32` 306 has no wheel for any runtime of Lambda, such as pywin32-306-cp313-cp313-win_amd64.whl",
        "`old` 1 has wheels for python3.12 on x86_64",
        "`later` 1 requires Python `>=3.14`: pylock.toml: packages[3]",
    ]


def test_a_pin_keeps_the_one_file_that_fits_best() -> None:
    lockfile = a_lockfile(a_pin("a", files=files("a-1.tar.gz", GLIBC_239, "a-1-py3-none-any.whl")))
    (pin,) = select(lockfile, TARGET).pins.values()
    assert pin.files == files("a-1-py3-none-any.whl")


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (IndexOptions(), "a-1-py3-none-any.whl"),
        (IndexOptions(no_binary=("a",)), "a-1.tar.gz"),
        (IndexOptions(no_binary=(":all:",)), "a-1.tar.gz"),
        (IndexOptions(only_binary=(":all:",)), "a-1-py3-none-any.whl"),
    ],
)
def test_the_options_of_the_file_decide_which_files_count(index: IndexOptions, expected: str) -> None:
    lockfile = a_lockfile(a_pin("a", files=files("a-1.tar.gz", "a-1-py3-none-any.whl")), index=index)
    (pin,) = select(lockfile, TARGET).pins.values()
    assert pin.files == files(expected)


def test_a_source_distribution_does_not_count_where_only_wheels_may() -> None:
    lockfile = a_lockfile(a_pin("a", files=files("a-1.tar.gz")), index=IndexOptions(only_binary=("a",)))
    with pytest.raises(LockFileTargetError):
        select(lockfile, TARGET)
