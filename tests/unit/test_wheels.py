from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import NormalizedName

from python_layer_provider.build.wheels import tree, unpack
from python_layer_provider.errors import HostileTreeError
from python_layer_provider.tree import Member
from tests.unit.helpers import TARGET, a_tar, cut

PKG = NormalizedName("pkg")
NAME = "pkg-1.0-py3-none-any.whl"
DIST_INFO = "pkg-1.0.dist-info"
METADATA = b"Metadata-Version: 2.1\nName: pkg\nVersion: 1.0\n"
WHEEL = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
SHEBANG = b"#!/var/lang/bin/python3.13\n"


def a_wheel(folder: Path, files: Mapping[str, bytes], name: str = NAME, *, record: bytes | None = None) -> Path:
    """A wheel that holds these files and its metadata."""
    whole = {f"{DIST_INFO}/METADATA": METADATA, f"{DIST_INFO}/WHEEL": WHEEL, **files}
    rows = [f'"{path}",sha256={digest(content)},{len(content)}' for path, content in whole.items()]
    text = "\n".join([*rows, f"{DIST_INFO}/RECORD,,", ""]).encode() if record is None else record
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in {**whole, f"{DIST_INFO}/RECORD": text}.items():
            archive.writestr(path, content)
    return folder / name


def digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def installed(*wheels: Path, requested: bool = True) -> dict[str, Member]:
    """The tree of these wheels, path to member."""
    return {member.path: member for member in tree(wheels, TARGET, {PKG} if requested else set())}


def placed(folder: Path, path: str, content: bytes = b"x", **others: bytes) -> dict[str, bytes]:
    """Where a file of a wheel goes, beside its metadata."""
    found = installed(a_wheel(folder, {path: content, **others}))
    return {path: member.content() for path, member in found.items() if DIST_INFO not in path}


def recorded(members: Mapping[str, Member]) -> dict[str, list[str]]:
    text = members[f"python/{DIST_INFO}/RECORD"].content().decode()
    return {row[0]: row[1:] for row in csv.reader(io.StringIO(text, newline=""))}


# As pip does it.


def test_a_tree_is_what_pip_leaves(tmp_path: Path) -> None:
    entry_points = b"[console_scripts]\ntool = pkg.cli:main\nOther = pkg:cli.main [extra]\n[gui_scripts]\nwin=pkg:w\n"
    wheel = a_wheel(
        tmp_path,
        {
            "pkg/__init__.py": b"a = 1\n" * 99,
            "pkg/py.typed": b"",
            "single.py": b"",
            "pkg-1.0.data/scripts/hello": b"#!python\nprint()\n",
            "pkg-1.0.data/scripts/hello.sh": b"#!/bin/sh\n",
            "pkg-1.0.data/scripts/tool.exe": b"MZ",
            "pkg-1.0.data/purelib/more.py": b"m = 1\n",
            "pkg-1.0.data/platlib/_c.so": b"c",
            "pkg-1.0.data/data/share/doc": b"d",
            f"{DIST_INFO}/entry_points.txt": entry_points,
            f"{DIST_INFO}/licenses/LICENSE": b"MIT",
        },
    )
    target = tmp_path / "target"
    pip = [sys.executable, "-m", "pip", "install", "--isolated", "--no-index", "--no-compile", "--no-deps", "--quiet"]
    command = [*pip, "--disable-pip-version-check", "--find-links", str(tmp_path), "--target", str(target), "pkg"]
    subprocess.run(command, check=True)
    theirs = {f"python/{path.relative_to(target)}": path for path in target.rglob("*") if path.is_file()}
    ours = installed(wheel)
    assert ours.keys() == theirs.keys()
    for path, file in theirs.items():
        if not path.endswith("/RECORD"):
            assert without_shebang(ours[path].content()) == without_shebang(file.read_bytes()), path
        assert ours[path].executable == os.access(file, os.X_OK), path


def without_shebang(content: bytes) -> list[bytes]:
    """The lines of a script that depend neither on where Python is nor on the release of pip."""
    lines = content.replace(b"'", b'"').splitlines()
    return [line for line in lines if not line.startswith((b"#!", b"# -*-", b"import re", b"    sys.argv[0] = "))]


# Files and their places.


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("pkg/a.py", "python/pkg/a.py"),
        ("a.py", "python/a.py"),
        ("pkg-1.0.data/purelib/pkg/a.py", "python/pkg/a.py"),
        ("pkg-1.0.data/platlib/a.so", "python/a.so"),
        ("pkg-1.0.data/data/etc/a", "python/etc/a"),
        ("pkg-1.0.data/headers/a.h", "python/include/python/pkg/a.h"),
        ("pkg-1.0.data/scripts/tool", "python/bin/tool"),
        ("other-1.0.data/purelib/a.py", "python/other-1.0.data/purelib/a.py"),
    ],
)
def test_a_file_goes_where_its_scheme_says(tmp_path: Path, name: str, place: str) -> None:
    assert placed(tmp_path, name) == {place: b"x"}


@pytest.mark.parametrize("name", ["pkg/__pycache__/a.cpython-313.pyc", "__pycache__/a.pyc"])
def test_bytecode_is_left_out_of_tree_and_record(tmp_path: Path, name: str) -> None:
    members = installed(a_wheel(tmp_path, {name: b"x"}))
    assert f"python/{name}" not in members
    assert name not in recorded(members)


def test_a_script_for_python_names_lambdas_interpreter(tmp_path: Path) -> None:
    assert placed(tmp_path, "pkg-1.0.data/scripts/a", b"#!python -s\nx\n") == {"python/bin/a": SHEBANG + b"x\n"}


def test_another_script_stays_as_it_is(tmp_path: Path) -> None:
    assert placed(tmp_path, "pkg-1.0.data/scripts/a", b"#!/bin/sh\n") == {"python/bin/a": b"#!/bin/sh\n"}


def test_an_entry_point_becomes_a_script(tmp_path: Path) -> None:
    members = installed(a_wheel(tmp_path, {f"{DIST_INFO}/entry_points.txt": b"[console_scripts]\nTool=pkg:a.b\n"}))
    script = members["python/bin/Tool"]
    assert script.executable
    assert script.content() == SHEBANG + (
        b'import sys\nfrom pkg import a\nif __name__ == "__main__":\n    sys.exit(a.b())\n'
    )


def test_the_later_wheel_wins(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    wheels = [a_wheel(tmp_path, {"a.py": b"one"}), a_wheel(tmp_path / "b", {"a.py": b"two"})]
    assert installed(*wheels)["python/a.py"].content() == b"two"


def test_what_is_asked_for_by_name_is_marked(tmp_path: Path) -> None:
    wheel = a_wheel(tmp_path, {})
    assert installed(wheel)[f"python/{DIST_INFO}/REQUESTED"].content() == b""
    assert f"python/{DIST_INFO}/REQUESTED" not in installed(wheel, requested=False)
    assert installed(wheel)[f"python/{DIST_INFO}/INSTALLER"].content() == b"pip\n"


def test_the_record_names_every_file_with_its_hash_and_size(tmp_path: Path) -> None:
    entry_points = {f"{DIST_INFO}/entry_points.txt": b"[console_scripts]\ntool=pkg:main\n"}
    files = {"pkg/a.py": b"x", "pkg-1.0.data/scripts/b": b"#!python\n", "pkg-1.0.data/data/c,d": b"y", **entry_points}
    members = installed(a_wheel(tmp_path, files))
    record = recorded(members)
    own = record.pop(f"{DIST_INFO}/RECORD")
    assert own == ["", ""]
    assert {f"python/{path}" for path in record} == members.keys() - {f"python/{DIST_INFO}/RECORD"}
    for path, (found, size) in record.items():
        content = members[f"python/{path}"].content()
        assert (found, size) == (f"sha256={digest(content)}", str(len(content)))


def test_a_deflated_file_comes_as_it_is_in_the_wheel(tmp_path: Path) -> None:
    wheel = a_wheel(tmp_path, {"a.py": b"a = 1\n" * 999})
    member = installed(wheel)["python/a.py"]
    assert member.deflated is not None
    assert member.deflated.read() in wheel.read_bytes()
    assert member.content() == b"a = 1\n" * 999
    assert (member.size, len(member.head)) == (5994, 64)


def test_metadata_comes_whole(tmp_path: Path) -> None:
    member = installed(a_wheel(tmp_path, {}))[f"python/{DIST_INFO}/METADATA"]
    assert member.head == METADATA


# What no installer would unpack.


@pytest.mark.parametrize(
    "name", ["/a.py", "../a.py", "pkg/../../a.py", "pkg-1.0.data/data/../../a", "a\\b.py", "pkg-1.0.data/purelib//a.py"]
)
def test_a_file_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(HostileTreeError, match="a name that no layer can have"):
        installed(a_wheel(tmp_path, {name: b"x"}))


@pytest.mark.parametrize(
    "files",
    [
        {"pkg-1.0.data/nowhere/a": b"x"},
        {f"{DIST_INFO}/entry_points.txt": b"[console_scripts]\ntool = pkg\n"},
        {f"{DIST_INFO}/entry_points.txt": b"no section\n"},
        {f"{DIST_INFO}/entry_points.txt": b"\xff"},
        {f"{DIST_INFO}/entry_points.txt": b"[console_scripts]\n../../tool = pkg:main\n"},
        {f"{DIST_INFO}/entry_points.txt": b"[console_scripts]\ntool = not an entry point\n"},
        {"PKG-1.0.dist-info/METADATA": METADATA},
    ],
)
def test_a_wheel_that_breaks_the_format_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(HostileTreeError, match=NAME):
        installed(a_wheel(tmp_path, files))


def test_a_record_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostileTreeError, match=NAME):
        installed(a_wheel(tmp_path, {}, record=b"\xff"))


@pytest.mark.parametrize("content", [b"", b"PK", b"garbage" * 99])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(HostileTreeError, match=NAME):
        installed(tmp_path / NAME)


def test_a_zip_that_is_no_wheel_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / NAME, "w") as archive:
        archive.writestr("a.py", "")
    with pytest.raises(HostileTreeError, match=r"0 fitting \.dist-info folders"):
        installed(tmp_path / NAME)


def test_a_link_is_refused(tmp_path: Path) -> None:
    wheel = a_wheel(tmp_path, {})
    info = zipfile.ZipInfo("pkg/link")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(HostileTreeError, match="a link or an encrypted file: `pkg/link`"):
        installed(wheel)


@given(st.integers(0, 2000), st.integers(1, 255))
def test_a_wheel_with_any_byte_changed_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, position: int, change: int
) -> None:
    wheel = a_wheel(tmp_path_factory.mktemp("wheel"), {"pkg/a.py": b"a = 1\n" * 99})
    data = bytearray(wheel.read_bytes())
    data[position % len(data)] ^= change
    wheel.write_bytes(data)
    try:
        found = installed(wheel)
    except HostileTreeError:
        return
    assert all(path.startswith("python/") for path in found)


# Wheels out of the container.

WHEELS = [("layer-wheels/" + NAME, b"one" * 999), ("layer-wheels/six-1.17.0-py2.py3-none-any.whl", b"two")]


def test_wheels_are_written_and_sorted(tmp_path: Path) -> None:
    found = unpack([a_tar(*reversed(WHEELS))], tmp_path)
    assert [(path.name, path.read_bytes()) for path in found] == [(NAME, b"one" * 999), (WHEELS[1][0][13:], b"two")]


@given(st.lists(st.integers(0, 3000), max_size=8))
def test_where_the_engine_cuts_the_stream_never_matters(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    found = unpack(cut(a_tar(*WHEELS), sizes), tmp_path_factory.mktemp("wheels"))
    assert [path.read_bytes() for path in found] == [b"one" * 999, b"two"]


def test_folders_are_passed_over(tmp_path: Path) -> None:
    folder = tarfile.TarInfo("layer-wheels")
    folder.type = tarfile.DIRTYPE
    assert unpack([a_tar(folder)], tmp_path) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo(f"layer-wheels/{NAME}")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(HostileTreeError, match="a link or device where a wheel belongs"):
        unpack([a_tar(info)], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "layer-wheels/a.py",
        "layer-wheels/..",
        "/etc/passwd",
        "a\\pkg-1.0-py3-none-any.whl",
        "layer-wheels/.whl",
        "x\udcff",
    ],
)
def test_what_is_no_wheel_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(HostileTreeError, match="something else than wheels"):
        unpack([a_tar((name, b"x"))], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [f"../../{NAME}", f"/etc/{NAME}"])
def test_a_wheel_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    assert unpack([a_tar((name, b"x"))], folder) == [folder / NAME]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_wheel_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostileTreeError):
        unpack([a_tar(WHEELS[0], WHEELS[0])], tmp_path)


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x07" * 2048])
def test_a_stream_that_is_no_tar_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(HostileTreeError, match="no readable tar stream"):
        unpack([data], tmp_path)


# Two headers and two contents, in blocks of 512 bytes, before the zeros that say that this is all.
END = 512 + 3072 + 512 + 512


@given(st.integers(0, END + 511) | st.sampled_from([512, 512 + 3072, END]))
def test_a_stream_that_ends_early_is_refused(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    with pytest.raises(HostileTreeError):
        unpack([a_tar(*WHEELS)[:size]], tmp_path_factory.mktemp("wheels"))


def test_zeros_after_the_end_are_no_harm(tmp_path: Path) -> None:
    assert len(unpack([a_tar(*WHEELS), bytes(3 << 20)], tmp_path)) == 2


def test_anything_else_after_the_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostileTreeError, match="it breaks off"):
        unpack([a_tar(*WHEELS), bytes(3 << 20), b"x"], tmp_path)


def test_a_stream_that_turns_to_garbage_is_refused(tmp_path: Path) -> None:
    data = a_tar(*WHEELS)
    with pytest.raises(HostileTreeError):
        unpack([data[: 512 + 3072] + b"\x07" * 512 + data[512 + 3072 + 512 :]], tmp_path)


@pytest.mark.parametrize("name", [f"{DIST_INFO}/entry_points.txt", "pkg-1.0.data/scripts/run"])
def test_what_is_read_whole_has_a_bound(tmp_path: Path, name: str) -> None:
    with pytest.raises(HostileTreeError, match="larger than it can be"):
        installed(a_wheel(tmp_path, {name: bytes((64 << 20) + 1)}))


def test_a_licence_of_any_size_is_not_read_ahead(tmp_path: Path) -> None:
    member = installed(a_wheel(tmp_path, {f"{DIST_INFO}/LICENSE": bytes(1 << 20)}))[f"python/{DIST_INFO}/LICENSE"]
    assert len(member.head) == 64


def test_a_stream_without_end_is_given_up(tmp_path: Path) -> None:
    def endless() -> Iterator[bytes]:
        yield a_tar(WHEELS[0])
        while True:
            yield bytes(256 << 20)

    with pytest.raises(HostileTreeError, match="does not end"):
        unpack(endless(), tmp_path)
