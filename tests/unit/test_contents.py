from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from python_layer_provider.contents import read_contents
from python_layer_provider.errors import ArchiveError


def a_layer(folder: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(folder / "layer.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return folder / "layer.zip"


def test_a_layer_is_its_packages_and_files_the_largest_first(tmp_path: Path) -> None:
    files = {
        "python/a.py": "a" * 10,
        "python/a-1.0.dist-info/RECORD": "a.py,,\na-1.0.dist-info/RECORD,,\ngone.py,,\n",
        "python/big/b.py": "b" * 5000,
        "python/big/c.py": "c" * 9,
        "python/Big_Name-2.dist-info/RECORD": "big/b.py,,\nbig/c.py,,\n",
    }
    path = a_layer(tmp_path, files)
    found = read_contents(path)
    assert [(package.name, package.version) for package in found.packages] == [("big-name", "2"), ("a", "1.0")]
    assert found.packages[0].size == 5009
    assert found.packages[0].zipped_size < 100
    assert found.files[0] == ("python/big/b.py", 5000)
    assert found.unpacked_size == sum(map(len, files.values()))
    assert found.zipped_size == path.stat().st_size


def test_scripts_belong_to_the_package_that_brings_them(tmp_path: Path) -> None:
    record = "../../bin/old,,\nbin/new,,\n"
    found = read_contents(
        a_layer(tmp_path, {"python/bin/old": "xx", "python/bin/new": "yyy", "python/a-1.dist-info/RECORD": record})
    )
    assert found.packages[0].size == 5


def test_a_zip_that_is_no_layer_says_what_a_layer_is(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="Lambda finds packages below `python/`"):
        read_contents(a_layer(tmp_path, {"a.py": ""}))


def test_a_file_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="There is no file"):
        read_contents(tmp_path / "layer.zip")


@pytest.mark.parametrize("content", [b"", b"PK", b"garbage" * 99])
def test_what_is_no_zip_is_told_as_such(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "layer.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match="is no zip that can be read"):
        read_contents(tmp_path / "layer.zip")


def test_a_folder_is_no_zip(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError):
        read_contents(tmp_path)


def test_a_record_that_is_broken_is_told_as_such(tmp_path: Path) -> None:
    path = a_layer(tmp_path, {"python/a-1.dist-info/RECORD": "a.py,,\n" * 99})
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ArchiveError):
        read_contents(path)
