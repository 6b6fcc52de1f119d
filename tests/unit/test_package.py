from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from python_layer_provider.archive import LayerArchive, read_members, write_archive
from python_layer_provider.errors import CodeTooLargeError, InvalidInputError
from python_layer_provider.package import package_hash, write_package
from tests.unit.helpers import a_member


def a_layer(folder: Path, *files: tuple[str, bytes], executable: bool = False) -> LayerArchive:
    members = [a_member(f"python/{path}", content, executable=executable) for path, content in files]
    return LayerArchive(
        zip=write_archive(members, folder / "layer.zip"),
        unpacked_size=0,
        packages={"six": "1"},
        image_digest="sha256:b",
    )


def a_code(folder: Path, *files: tuple[str, bytes]) -> Path:
    return write_archive([a_member(path, content) for path, content in files], folder / "code.zip").path


def test_a_package_holds_the_code_and_what_a_layer_would(tmp_path: Path) -> None:
    layer = a_layer(tmp_path, ("six.py", b"import sys"), ("bin/tool", b""), executable=True)
    packed = write_package(layer, a_code(tmp_path, ("app.py", b"import six"), ("lib/b.py", b"x")), tmp_path / "p.zip")
    with zipfile.ZipFile(packed.zip.path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["app.py", "bin/tool", "lib/b.py", "six.py"]
        assert archive.read("six.py") == b"import sys"
        assert archive.getinfo("bin/tool").external_attr >> 16 & 0o777 == 0o755
        assert archive.getinfo("app.py").external_attr >> 16 & 0o777 == 0o644
    assert (packed.unpacked_size, packed.packages, packed.image_digest) == (21, {"six": "1"}, "sha256:b")


def test_the_same_parts_make_the_same_package(tmp_path: Path) -> None:
    content = os.urandom(1000)
    made = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        layer, code = a_layer(tmp_path / name, ("a.bin", content)), a_code(tmp_path / name, ("app.py", b"pass"))
        made.append(write_package(layer, code, tmp_path / name / "p.zip").zip.code_sha256)
    assert made[0] == made[1]


def test_one_file_of_both_is_an_error_that_names_it(tmp_path: Path) -> None:
    layer = a_layer(tmp_path, *((f"m{number}.py", b"") for number in range(5)))
    code = a_code(tmp_path, *((f"m{number}.py", b"") for number in range(5)))
    with pytest.raises(InvalidInputError, match=r"`m0\.py`, `m1\.py`, `m2\.py` and 2 more"):
        write_package(layer, code, tmp_path / "p.zip")


def test_code_and_dependencies_share_a_limit(tmp_path: Path) -> None:
    layer, code = a_layer(tmp_path, ("a.py", b"12345")), a_code(tmp_path, ("b.py", b"1234"))
    write_package(layer, code, tmp_path / "p.zip", limit=9)
    with pytest.raises(CodeTooLargeError):
        write_package(layer, code, tmp_path / "p.zip", limit=8)


def test_what_a_package_is_made_from_moves_its_hash() -> None:
    one = package_hash("1:aa", "code")
    assert package_hash("1:aa", "code") == one
    assert len({one, package_hash("1:ab", "code"), package_hash("1:aa", "other")}) == 3


def test_members_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    written = [a_member("python/é.py", b"content" * 99), a_member("python/empty.py"), a_member("other.txt", b"x")]
    path = write_archive(written, tmp_path / "a.zip").path
    found = {member.path: member.content() for member in read_members(path, "python/")}
    assert found == {"é.py": b"content" * 99, "empty.py": b""}
