from __future__ import annotations

import base64
import hashlib
import os
import random
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from python_layer_provider.archive import write_archive
from python_layer_provider.errors import HostileTreeError
from python_layer_provider.tree import Member
from tests.unit.helpers import a_member, deflated

MIB = 1 << 20
NOISE = random.Random(0).randbytes(3 * MIB + 17)


def written(folder: Path, *members: Member) -> zipfile.ZipFile:
    return zipfile.ZipFile(write_archive(members, folder / "layer.zip").path)


def test_a_zip_holds_what_its_members_hold(tmp_path: Path) -> None:
    contents = {"python/a.py": b"a = 1\n", "python/é/ü.py": b"", "python/noise": NOISE, "python/zeros": bytes(2 * MIB)}
    with written(tmp_path, *(a_member(path, content) for path, content in contents.items())) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == contents


def test_members_are_sorted_by_the_bytes_of_their_names(tmp_path: Path) -> None:
    names = ["python/é.py", "python/b.py", "python/Z.py", "python/b/a.py", "python/b-c.py"]
    with written(tmp_path, *map(a_member, names)) as archive:
        assert archive.namelist() == sorted(names, key=str.encode)


def test_every_member_is_of_the_first_day_that_a_zip_can_tell(tmp_path: Path) -> None:
    with written(tmp_path, a_member(), a_member("python/b.py", b"x")) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(("executable", "mode"), [(True, 0o100755), (False, 0o100644)])
def test_a_member_is_readable_by_all_and_executable_if_it_was(tmp_path: Path, *, executable: bool, mode: int) -> None:
    with written(tmp_path, a_member(executable=executable)) as archive:
        assert archive.infolist()[0].external_attr >> 16 == mode
        assert archive.infolist()[0].create_system == 3


def test_an_empty_file_is_stored_and_any_other_deflated(tmp_path: Path) -> None:
    with written(tmp_path, a_member("python/a"), a_member("python/b", b"x")) as archive:
        assert [info.compress_type for info in archive.infolist()] == [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]


def test_the_umask_changes_nothing(tmp_path: Path) -> None:
    before = write_archive([a_member()], tmp_path / "a.zip").code_sha256
    umask = os.umask(0o077)
    try:
        assert write_archive([a_member()], tmp_path / "b.zip").code_sha256 == before
    finally:
        os.umask(umask)


def test_no_member_at_all_is_a_zip_too(tmp_path: Path) -> None:
    with written(tmp_path) as archive:
        assert archive.namelist() == []


def test_size_and_checksum_are_those_of_the_file(tmp_path: Path) -> None:
    found = write_archive([a_member("python/noise", NOISE)], tmp_path / "layer.zip")
    data = found.path.read_bytes()
    assert found.size == len(data)
    assert base64.b64decode(found.code_sha256) == hashlib.sha256(data).digest()


@pytest.mark.skipif(not shutil.which("unzip"), reason="Info-ZIP is not installed")
def test_info_zip_has_nothing_to_complain_of(tmp_path: Path) -> None:
    written(tmp_path, a_member(), a_member("python/bin/é", NOISE, executable=True)).close()
    tested = subprocess.run(["unzip", "-t", "layer.zip"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "No errors detected" in tested.stdout
    subprocess.run(["unzip", "-q", "layer.zip"], cwd=tmp_path, check=True)
    assert (tmp_path / "python/bin/é").read_bytes() == NOISE
    assert os.access(tmp_path / "python/bin/é", os.X_OK)
    assert (tmp_path / "python/a.py").stat().st_mode & 0o777 == 0o644


def test_the_headers_of_a_zip_are_these(tmp_path: Path) -> None:
    # What zlib makes of contents may change with its releases; what we write ourselves does not.
    found = write_archive([a_member("python/a", executable=True)], tmp_path / "layer.zip")
    assert found.path.read_bytes().hex(" ", -4) == (
        "504b0304 14000008 00000000 21000000 00000000 00000000 00000800 00007079 74686f6e 2f61504b 01021403 "
        "14000008 00000000 21000000 00000000 00000000 00000800 00000000 00000000 0000ed81 00000000 70797468 "
        "6f6e2f61 504b0506 00000000 01000100 36000000 26000000 0000"
    )


# What a wheel has deflated.


def test_a_deflated_member_is_copied_as_it_is(tmp_path: Path) -> None:
    member = deflated(a_member("python/a.py", b"a = 1\n" * 999))
    assert member.deflated is not None
    with written(tmp_path, member) as archive:
        assert archive.testzip() is None
        assert member.deflated.read() in (tmp_path / "layer.zip").read_bytes()


# At these sizes the last of a stream comes out of zlib after all of it has gone in.
@pytest.mark.parametrize(
    "size", [1, 65_535, MIB - 1, MIB, MIB + 1, MIB + 5, MIB + 131, MIB + 258, 2 * MIB + 131, 5 * MIB]
)
def test_a_deflated_member_may_have_any_size(tmp_path: Path, size: int) -> None:
    with written(tmp_path, deflated(a_member("python/zeros", bytes(size)))) as archive:
        assert archive.read("python/zeros") == bytes(size)


@pytest.mark.parametrize("says", [{"crc": 1}, {"size": 5}, {"size": 7}, {"size": 0}])
def test_a_deflated_member_that_is_not_what_its_wheel_says_is_refused(tmp_path: Path, says: dict[str, int]) -> None:
    with pytest.raises(HostileTreeError, match=r"`python/a\.py` of `a-1-py3-none-any\.whl` is broken"):
        write_archive([deflated(a_member(content=b"abcdef"), **says)], tmp_path / "layer.zip")


@pytest.mark.parametrize("stream", [b"", b"\xff\xff", b"\x03", b"\x03\x00trailing"])
def test_a_stream_that_is_none_is_refused(tmp_path: Path, stream: bytes) -> None:
    member = deflated(a_member(content=b"abcdef"))
    assert member.deflated is not None
    broken = replace(member, deflated=replace(member.deflated, read=lambda: stream))
    with pytest.raises(HostileTreeError):
        write_archive([broken], tmp_path / "layer.zip")


def test_a_stream_that_inflates_without_end_is_given_up(tmp_path: Path) -> None:
    bomb = replace(deflated(a_member(content=bytes(64 * MIB))), size=10)
    with pytest.raises(HostileTreeError):
        write_archive([bomb], tmp_path / "layer.zip")


# Two members with one path.


# What fails leaves nothing.


class UnreadableError(Exception):
    """Stands for whatever can go wrong with a member."""


def unreadable() -> bytes:
    raise UnreadableError


def broken_off() -> Iterator[Member]:
    yield from (a_member(f"python/{n}", b"x") for n in range(50))
    raise UnreadableError


def with_an_unreadable_one() -> Iterator[Member]:
    yield from (a_member(f"python/{n}", b"x") for n in range(50))
    yield replace(a_member("python/zz"), size=1, content=unreadable)


@pytest.mark.parametrize("members", [broken_off, with_an_unreadable_one])
@pytest.mark.parametrize("before", [None, b"an older zip"])
def test_nothing_appears_when_a_member_fails(
    tmp_path: Path, members: Callable[[], Iterator[Member]], before: bytes | None
) -> None:
    path = tmp_path / "layer.zip"
    if before:
        path.write_bytes(before)
    with pytest.raises(UnreadableError):
        write_archive(members(), path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([before] if before else [])


def test_nothing_but_the_zip_appears(tmp_path: Path) -> None:
    write_archive([a_member()], tmp_path / "layer.zip")
    assert [file.name for file in tmp_path.iterdir()] == ["layer.zip"]
