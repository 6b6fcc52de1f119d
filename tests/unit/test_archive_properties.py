from __future__ import annotations

import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from python_layer_provider.archive import write_archive
from python_layer_provider.tree import Member
from tests.unit.helpers import a_member, deflated

PATHS = st.lists(st.text("abé-_.", min_size=1, max_size=6), min_size=1, max_size=3).map(
    lambda parts: "/".join(["python", *parts])
)
CONTENTS = st.binary(max_size=64) | st.builds(
    lambda block, count: block * count, st.binary(max_size=64), st.integers(0, 4096)
)
MEMBERS = st.lists(
    st.builds(
        lambda path, content, executable: a_member(path, content, executable=executable), PATHS, CONTENTS, st.booleans()
    ),
    max_size=12,
    unique_by=lambda member: member.path,
)


def zipped(members: list[Member]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_archive(members, Path(folder, "layer.zip")).path.read_bytes()


@given(MEMBERS)
def test_what_goes_in_comes_out(members: list[Member]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(write_archive(members, Path(folder, "z")).path) as archive,
    ):
        assert archive.testzip() is None
        found = {
            info.filename: (archive.read(info), bool(info.external_attr >> 16 & 0o111)) for info in archive.infolist()
        }
    assert found == {member.path: (member.content(), member.executable) for member in members}


@given(MEMBERS.flatmap(lambda members: st.tuples(st.just(members), st.permutations(members))))
def test_the_order_of_members_never_matters(orders: tuple[list[Member], list[Member]]) -> None:
    one, other = orders
    assert zipped(one) == zipped(other)


@given(MEMBERS)
def test_a_members_origin_never_matters(members: list[Member]) -> None:
    assert zipped([replace(member, origin="other.whl", head=b"") for member in members]) == zipped(members)


@given(MEMBERS)
def test_deflated_members_hold_the_same(members: list[Member]) -> None:
    kept = [deflated(member) if member.size else member for member in members]
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(write_archive(kept, Path(folder, "z")).path) as archive,
    ):
        assert {name: archive.read(name) for name in archive.namelist()} == {m.path: m.content() for m in members}
