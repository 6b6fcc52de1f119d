"""What the tests' stand-in for the aws plugin makes of a function's code."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tools.aws_plugin import _zipped


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app/inner").mkdir(parents=True)
    (tmp_path / "app/main.py").write_text("main")
    (tmp_path / "app/inner/more.py").write_text("more")
    return tmp_path / "app"


FOLDER = {"path": "app"}
FILE = {"path": "app/main.py"}
TEXT = {"text": "said"}


@pytest.mark.parametrize(
    ("archive", "files"),
    [
        (FOLDER, {"main.py": "main", "inner/more.py": "more"}),
        ({"assets": {".": FOLDER, "said.py": TEXT}}, {"main.py": "main", "inner/more.py": "more", "said.py": "said"}),
        ({"assets": {"below": FOLDER}}, {"below/main.py": "main", "below/inner/more.py": "more"}),
        ({"assets": {"a": {"assets": {"b.py": FILE, "c.py": TEXT}}}}, {"a/b.py": "main", "a/c.py": "said"}),
    ],
)
def test_an_archive_is_zipped_as_lambda_unpacks_it(folder: Path, archive: Any, files: dict[str, str]) -> None:
    assert folder.is_dir()
    with zipfile.ZipFile(io.BytesIO(_zipped(archive))) as zipped:
        assert {name: zipped.read(name).decode() for name in zipped.namelist()} == files
        assert {member.external_attr >> 16 for member in zipped.infolist()} == {0o644}


def test_a_zip_goes_as_it_is(folder: Path) -> None:
    path = folder / "code.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("app.py", "code")
    assert _zipped({"path": str(path)}) == path.read_bytes()
