from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_layer_provider.errors import HostileTreeError
from python_layer_provider.tree import member_path, unique
from tests.unit.helpers import a_member

PARTS = st.lists(st.text("abcé -_.", min_size=1).filter(lambda part: part not in {".", ".."}), min_size=1, max_size=4)


@given(PARTS)
def test_a_plain_name_is_below_python(parts: list[str]) -> None:
    assert member_path("/".join(parts), "a.whl") == "/".join(["python", *parts])


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../a.py",
        "a/../../b.py",
        "a/..",
        "..",
        ".",
        "./a.py",
        "a/./b.py",
        "a//b.py",
        "a/",
        "",
        "a\\b.py",
        "..\\a.py",
        "a\nb.py",
        "a\x00b.py",
        "a\x1b[2Jb.py",
        "a\u202eb.py",
        "a\udcffb.py",
    ],
)
def test_a_name_that_leads_elsewhere_or_hides_something_is_refused(name: str) -> None:
    with pytest.raises(HostileTreeError) as caught:
        member_path(name, "a-1-py3-none-any.whl")
    assert caught.value.what == f"`a-1-py3-none-any.whl` has a file with a name that no layer can have: {name!r}"


@given(st.text(max_size=12))
def test_a_name_that_is_taken_stays_below_python(name: str) -> None:
    try:
        path = member_path(name, "a.whl")
    except HostileTreeError:
        return
    assert path.startswith("python/")
    assert ".." not in path.split("/")
    assert path.isprintable()
    path.encode()


def test_of_two_members_with_one_path_the_later_one_counts() -> None:
    members, _ = unique([a_member(content=b"one"), a_member("python/b"), a_member(content=b"two")])
    assert {member.path: member.content() for member in members} == {"python/a.py": b"two", "python/b": b""}


def test_a_file_that_replaces_another_is_told() -> None:
    _, overlaps = unique([a_member(content=b"one"), a_member(content=b"two")])
    assert overlaps == ["`python/a.py` of `a-1-py3-none-any.whl` is replaced by that of `a-1-py3-none-any.whl`"]


def test_the_same_file_twice_is_nothing_to_tell() -> None:
    _, overlaps = unique([a_member(content=b"one"), a_member(content=b"one")])
    assert overlaps == []
