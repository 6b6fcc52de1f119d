from __future__ import annotations

import base64
import hashlib
import os
import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from python_layer_provider import code
from python_layer_provider.archive import Zip, write_archive
from python_layer_provider.code import CodeArchive, code_files, pack_code
from python_layer_provider.errors import CodeTooLargeError, InputError, InvalidInputError
from python_layer_provider.tree import Member

FILES = {"index.py": b"def handler(event, context): ...\n", "lib/a.py": b"A = 1\n", "data/table.bin": b"\0\1" * 999}


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    return make(tmp_path / "app", FILES)


def make(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def packed(entry: Path, *exclude: str) -> CodeArchive:
    return pack_code(entry, entry.parent / "out", exclude=exclude)


def names(entry: Path, *exclude: str) -> list[str]:
    with zipfile.ZipFile(packed(entry, *exclude).path) as archive:
        return archive.namelist()


def refusal(entry: Path, *exclude: str) -> InputError:
    with pytest.raises(InputError) as caught:
        packed(entry, *exclude)
    assert caught.value.input_name == "entry"
    assert caught.value.hint
    return caught.value


# The zip.


def test_the_files_are_at_the_root_sorted(entry: Path) -> None:
    with zipfile.ZipFile(packed(entry).path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(FILES)
        assert {name: archive.read(name) for name in FILES} == FILES


def test_files_are_of_1980_and_for_all_to_read(entry: Path) -> None:
    (entry / "lib/a.py").chmod(0o700)
    (entry / "index.py").chmod(0o600)
    with zipfile.ZipFile(packed(entry).path) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        modes = {info.filename: stat.S_IMODE(info.external_attr >> 16) for info in archive.infolist()}
    assert modes == {"index.py": 0o644, "lib/a.py": 0o755, "data/table.bin": 0o644}


def test_checksum_and_sizes_are_those_of_the_zip(entry: Path) -> None:
    found = packed(entry)
    content = found.path.read_bytes()
    assert base64.b64decode(found.code_sha256) == hashlib.sha256(content).digest()
    assert found.path == entry.parent / f"out/{hashlib.sha256(content).hexdigest()}.zip"
    assert found.size == len(content)
    assert found.unpacked_size == sum(map(len, FILES.values()))


def test_the_bytes_are_the_same_elsewhere_and_at_another_time(entry: Path, tmp_path: Path) -> None:
    before = packed(entry)
    umask = os.umask(0o077)
    try:
        other = make(tmp_path / "else/where", dict(reversed(FILES.items())))
        for path in other.rglob("*"):
            os.utime(path, (0, 0))
        after = packed(other)
    finally:
        os.umask(umask)
    assert after.path.read_bytes() == before.path.read_bytes()
    assert after.code_sha256 == before.code_sha256


def change_a_byte(entry: Path) -> None:
    (entry / "lib/a.py").write_bytes(b"A = 2\n")


def rename_a_file(entry: Path) -> None:
    (entry / "lib/a.py").rename(entry / "lib/b.py")


def make_a_file_executable(entry: Path) -> None:
    (entry / "lib/a.py").chmod(0o755)


@pytest.mark.parametrize("change", [change_a_byte, rename_a_file, make_a_file_executable])
def test_what_the_function_is_made_of_moves_the_checksum(entry: Path, change: Callable[[Path], None]) -> None:
    before = packed(entry).code_sha256
    change(entry)
    assert packed(entry).code_sha256 != before


def test_the_age_of_a_zip_tells_when_it_was_last_wanted(entry: Path) -> None:
    path = packed(entry).path
    os.utime(path, (0, 0))
    assert packed(entry).path == path
    assert path.stat().st_mtime > 0


def test_nothing_but_the_zips_is_in_their_folder(entry: Path) -> None:
    first = packed(entry).path
    change_a_byte(entry)
    second = packed(entry).path
    assert set((entry.parent / "out").iterdir()) == {first, second}


# What goes in.


@pytest.mark.parametrize("kept", ["data/uv.lock", "docs/requirements.txt", "conf.yaml", ".hidden", "é.py"])
def test_data_and_metadata_go_in(entry: Path, kept: str) -> None:
    make(entry, {kept: b""})
    assert kept in names(entry)


@pytest.mark.parametrize(
    "left",
    [
        *(".git/config", ".venv/a.py", "__pycache__/a.pyc", "Pulumi.yaml", "Pulumi.dev.yaml"),
        # A comment in a lock file changes no dependency, so it may not change the code.
        *("requirements.txt", "requirements.in", "uv.lock", "poetry.lock", "pylock.api.toml", "pyproject.toml"),
    ],
)
def test_what_tools_leave_and_pulumis_own_stays_out(entry: Path, left: str) -> None:
    make(entry, {left: b""})
    assert names(entry) == sorted(FILES)


def test_what_git_ignores_stays_out(entry: Path) -> None:
    make(entry, {".gitignore": b"*.log\n", "a.log": b"", "lib/b.log": b""})
    assert names(entry) == sorted([".gitignore", *FILES])


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        (["*.bin"], {"data/table.bin"}),
        (["data/"], {"data/table.bin"}),
        (["/a.py"], set()),
        (["a.py"], {"lib/a.py"}),
        (["/lib"], {"lib/a.py"}),
        (["*.py", "!index.py"], {"lib/a.py"}),
        (["# a comment", ""], set()),
    ],
)
def test_exclude_is_read_as_git_reads_its_own(entry: Path, exclude: list[str], left: set[str]) -> None:
    assert set(FILES) - set(names(entry, *exclude)) == left


def test_exclude_counts_from_the_entry_also_inside_of_a_repository(entry: Path) -> None:
    make(entry.parent, {".git/HEAD": b""})
    assert names(entry, "/lib") == ["data/table.bin", "index.py"]


def test_exclude_lets_nothing_in_that_git_ignores(entry: Path) -> None:
    make(entry, {".gitignore": b"*.log\n", "a.log": b""})
    assert "a.log" not in names(entry, "!a.log")


def test_a_gitignore_lets_nothing_in_that_is_excluded(entry: Path) -> None:
    make(entry, {".gitignore": b"!*.bin\n"})
    assert "data/table.bin" not in names(entry, "*.bin")


def test_exclude_may_let_pulumis_own_in(entry: Path) -> None:
    make(entry, {"Pulumi.yaml": b"", "Pulumi.dev.yaml": b""})
    found = names(entry, "!Pulumi.yaml")
    assert "Pulumi.yaml" in found
    assert "Pulumi.dev.yaml" not in found


def test_a_link_inside_of_the_repository_goes_in_as_what_it_leads_to(entry: Path) -> None:
    (entry / "b.py").symlink_to("lib/a.py")
    with zipfile.ZipFile(packed(entry).path) as archive:
        assert archive.read("b.py") == b"A = 1\n"


# What is generated.


def test_generated_files_go_in_beside_the_folders_own(entry: Path) -> None:
    made = {"made/__init__.py": b"", "made/a.py": b"A = 2\n"}
    found = pack_code(entry, entry.parent / "out", generated=made)
    with zipfile.ZipFile(found.path) as archive:
        assert archive.namelist() == sorted([*FILES, *made])
        assert archive.read("made/a.py") == b"A = 2\n"
    assert found.unpacked_size == sum(map(len, FILES.values())) + 6


def test_generated_files_give_the_same_bytes_in_any_order_and_other_ones_when_they_change(entry: Path) -> None:
    made = {"made/a.py": b"", "made/b.py": b""}
    packs = [made, dict(reversed(made.items())), {**made, "made/b.py": b"1"}]
    one, same, other = (pack_code(entry, entry.parent / "out", generated=given).code_sha256 for given in packs)
    assert one == same != other


@pytest.mark.parametrize("theirs", ["made/b.py", "made.py", "made"])
def test_what_would_hide_a_generated_file_or_be_hidden_is_refused(entry: Path, theirs: str) -> None:
    make(entry, {theirs: b""})
    with pytest.raises(InvalidInputError) as caught:
        pack_code(entry, entry.parent / "out", generated={"made/a.py": b""})
    assert caught.value.what == f"`{theirs}` has the name of what is packed beside it"
    assert theirs in names(entry)


def test_generated_files_alone_are_no_function(entry: Path) -> None:
    with pytest.raises(InvalidInputError, match="there is nothing to pack"):
        pack_code(entry, entry.parent / "out", exclude=["*"], generated={"made/a.py": b""})


# What cannot be.


def test_an_entry_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "app").what == f"there is no folder `{tmp_path}/app`"


@pytest.mark.parametrize("name", ["a\0b", "a" * 5000])
def test_an_entry_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError):
        pack_code(tmp_path / name, tmp_path / "out")


def test_an_entry_that_is_a_file_is_refused(entry: Path) -> None:
    assert refusal(entry / "index.py").what == f"`{entry}/index.py` is no folder"


def test_nothing_to_pack_is_refused(entry: Path) -> None:
    assert refusal(entry, "*").what == f"there is nothing to pack in `{entry}`"


@pytest.mark.parametrize("target", ["nowhere", "/", "."])
def test_a_link_that_leads_astray_is_refused(entry: Path, target: str) -> None:
    (entry / "link").symlink_to(target)
    assert "the link `link`" in refusal(entry).what


def test_a_link_that_is_excluded_may_lead_anywhere(entry: Path) -> None:
    (entry / "link").symlink_to("nowhere")
    assert "link" not in names(entry, "link")


@pytest.mark.parametrize("name", [b"a\\b.py", b"a\nb.py", b"a\xff.py"])
def test_a_name_that_does_not_unpack_everywhere_is_refused(entry: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(entry) + b"/" + name)).write_bytes(b"")
    assert repr(os.fsdecode(name)) in refusal(entry).what


def test_a_folder_that_cannot_be_written_is_told(entry: Path) -> None:
    (entry.parent / "out").write_bytes(b"")
    assert str(entry.parent / "out") in refusal(entry).detail


def grows(file: Path) -> None:
    file.write_bytes(b"longer than it was\n")


@pytest.mark.parametrize(
    ("change", "told"),
    [(grows, "`lib/a.py` changed while it was packed"), (Path.unlink, "the code in `{entry}` cannot")],
)
def test_a_file_that_changes_while_it_is_packed_is_told(
    entry: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], told: str
) -> None:
    def late(members: list[Member], path: Path) -> Zip:
        change(entry / "lib/a.py")
        return write_archive(members, path)

    monkeypatch.setattr(code, "write_archive", late)
    assert refusal(entry).what.startswith(told.format(entry=entry))
    assert list((entry.parent / "out").iterdir()) == []


# Lambda's limits.


@pytest.mark.parametrize(
    ("limit", "value", "told"),
    [
        ("UNZIPPED_LIMIT", 1_000_000, "1.5 MB unzipped; Lambda takes 1.0 MB"),
        ("DIRECT_UPLOAD_LIMIT", 1_000_000, "1.5 MB as a zip; Lambda takes 1.0 MB"),
        ("FILES_LIMIT", 3, "4 files; Lambda takes 3"),
    ],
)
def test_code_over_a_limit_is_refused_with_its_largest_parts(
    entry: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, told: str
) -> None:
    make(entry, {"model/weights.bin": random.Random(0).randbytes(1_500_000)})
    monkeypatch.setattr(code, limit, value)
    error = refusal(entry)
    assert isinstance(error, CodeTooLargeError)
    assert error.what == f"the function's code is {told}"
    assert error.detail.splitlines()[0].split() == ["1.5", "MB", "model"]


@pytest.mark.parametrize(
    ("limit", "value"), [("UNZIPPED_LIMIT", sum(map(len, FILES.values()))), ("FILES_LIMIT", len(FILES))]
)
def test_code_of_just_a_limit_is_packed(entry: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(code, limit, value)
    assert packed(entry).path.is_file()


def test_code_files_are_sorted_by_their_paths(entry: Path) -> None:
    assert list(code_files(entry)) == sorted(FILES)
