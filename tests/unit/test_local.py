from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from python_layer_provider.errors import (
    LayerError,
    LockFileConflictError,
    LockFileNotFoundError,
    LockFileStaleError,
    LockFileTargetError,
    LockFileUnsupportedError,
)
from python_layer_provider.local import files, with_digests
from python_layer_provider.lockfile import Pin
from python_layer_provider.plan import LayerPlan
from tests.unit.helpers import HASH, a_pin, a_plan

WHEEL = "x-1.0-py3-none-any.whl"


def at(path: str, version: str | None = "1.0", **others: object) -> Pin:
    return a_pin("x", version, specifier="", path=path, **{"hashes": (), "where": "requirements.txt:1", **others})


@pytest.fixture
def lib(tmp_path: Path) -> Path:
    folder = tmp_path / "lib"
    (folder / "src").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1.0"\n')
    (folder / "src/a.py").write_text("A = 1\n")
    return folder


def planned(base: Path, *pins: Pin) -> LayerPlan:
    return with_digests(a_plan(*(pins or (at("lib"),))), base)


def digest(base: Path) -> str | None:
    return planned(base).pins[0].digest


def refusal(base: Path, pin: Pin) -> LayerError:
    with pytest.raises(LayerError) as caught:
        planned(base, pin)
    assert caught.value.input_name == "requirements"
    assert "requirements.txt:1" in caught.value.what
    assert caught.value.hint
    return caught.value


# Digests.


def test_a_plan_without_paths_stays_as_it_is(tmp_path: Path) -> None:
    plan = a_plan()
    assert with_digests(plan, tmp_path) is plan


def test_a_plan_with_paths_knows_where_they_start(tmp_path: Path, lib: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lib.is_dir()
    monkeypatch.chdir(tmp_path)
    assert planned(Path()).base == str(tmp_path)


def test_only_pins_with_a_path_have_a_digest(tmp_path: Path, lib: Path) -> None:
    assert lib.is_dir()
    assert [bool(pin.digest) for pin in planned(tmp_path, a_pin("idna"), at("lib")).pins] == [False, True]


def test_a_preview_shows_the_beginning_of_the_digest(tmp_path: Path, lib: Path) -> None:
    assert lib.is_dir()
    plan = planned(tmp_path)
    assert plan.packages == {"x": f"1.0 ({(plan.pins[0].digest or '')[:8]})"}


def test_the_digest_is_the_same_elsewhere_and_at_another_time(tmp_path: Path, lib: Path) -> None:
    before = digest(tmp_path)
    elsewhere = tmp_path / "else/where"
    shutil.copytree(lib, elsewhere / "lib", copy_function=shutil.copyfile)
    for path in [*elsewhere.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (0, 0))
    assert digest(elsewhere) == before
    assert planned(elsewhere).content_hash() == planned(tmp_path).content_hash()


def change_a_line(lib: Path) -> None:
    (lib / "src/a.py").write_text("A = 2\n")


def add_a_file(lib: Path) -> None:
    (lib / "src/b.py").write_text("")


def remove_a_file(lib: Path) -> None:
    (lib / "src/a.py").unlink()


def rename_a_file(lib: Path) -> None:
    (lib / "src/a.py").rename(lib / "src/b.py")


def make_a_file_executable(lib: Path) -> None:
    (lib / "src/a.py").chmod(0o755)


CHANGES = [change_a_line, add_a_file, remove_a_file, rename_a_file, make_a_file_executable]


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_layer_depends_on_moves_digest_and_content_hash(
    tmp_path: Path, lib: Path, change: Callable[[Path], None]
) -> None:
    before = planned(tmp_path)
    change(lib)
    after = planned(tmp_path)
    assert after.pins[0].digest != before.pins[0].digest
    assert after.content_hash() != before.content_hash()


def test_what_does_not_travel_moves_nothing(tmp_path: Path, lib: Path) -> None:
    (lib / ".gitignore").write_text("*.log\n")
    before = digest(tmp_path)
    for path in ("a.log", ".venv/lib/b.py", "src/__pycache__/a.pyc", "build/lib/a.py", "empty/"):
        place = lib / path
        (place if path.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            place.write_text("x")
    os.utime(lib / "src/a.py", (0, 0))
    assert digest(tmp_path) == before


def test_a_name_and_its_content_are_not_mixed_up(tmp_path: Path, lib: Path) -> None:
    (lib / "src/b.py").write_text("")
    before = digest(tmp_path)
    (lib / "src/a.py").write_text("")
    (lib / "src/b.py").write_text("A = 1\n")
    assert digest(tmp_path) != before


def test_the_digest_of_a_file_is_its_hash(tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(b"PK")
    assert planned(tmp_path, at(WHEEL)).pins[0].digest == hashlib.sha256(b"PK").hexdigest()


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_one_of_a_files_hashes_has_to_match(tmp_path: Path, algorithm: str) -> None:
    (tmp_path / WHEEL).write_bytes(b"PK")
    right = f"{algorithm}:{hashlib.new(algorithm, b'PK').hexdigest()}"
    assert planned(tmp_path, at(WHEEL, hashes=(HASH, right))).pins[0].digest


# What cannot be.


def test_nothing_at_the_path_is_told_with_the_line_that_names_it(tmp_path: Path) -> None:
    error = refusal(tmp_path, at("none"))
    assert isinstance(error, LockFileNotFoundError)
    assert error.what == "there is nothing at the path of `x` at `none` (requirements.txt:1)"
    assert error.hint == f"relative paths start at `{tmp_path}`"


def test_a_path_that_cannot_be_is_not_found(tmp_path: Path) -> None:
    assert isinstance(refusal(tmp_path, at("a\0b")), LockFileNotFoundError)
    assert isinstance(refusal(tmp_path, at("a" * 5000)), LockFileNotFoundError)


def test_a_folder_without_a_project_is_unsupported(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    error = refusal(tmp_path, at("lib"))
    assert isinstance(error, LockFileUnsupportedError)
    assert "is no Python project: it has neither pyproject.toml nor setup.py" in error.what


def test_a_file_that_is_none_is_unsupported(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lib")
    assert "neither a folder nor a file" in refusal(tmp_path, at("lib")).what


def test_a_link_that_leads_astray_is_told_with_the_line(tmp_path: Path, lib: Path) -> None:
    (lib / "link").symlink_to("nowhere")
    assert "the link `link` in `x` at `lib`" in refusal(tmp_path, at("lib")).what


def test_a_file_of_another_hash_is_an_error_that_shows_its_own(tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(b"PK")
    error = refusal(tmp_path, at(WHEEL, hashes=(HASH,)))
    assert isinstance(error, LockFileConflictError)
    assert error.detail == f"sha256:{hashlib.sha256(b'PK').hexdigest()}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("x-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", "it fits python3.12 on x86_64"),
        ("x-1.0-cp313-cp313-win_amd64.whl", "build it for the target"),
    ],
)
def test_a_wheel_for_elsewhere_does_not_fit(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    error = refusal(tmp_path, at(name))
    assert isinstance(error, LockFileTargetError)
    assert error.hint.startswith(hint)


# Files for the build.


def test_the_build_gets_contents_and_modes(tmp_path: Path, lib: Path) -> None:
    (lib / "src/a.py").chmod(0o755)
    (pin,) = planned(tmp_path).pins
    found = {path: (file.content, file.executable) for path, file in files(pin, tmp_path).items()}
    assert found == {
        "pyproject.toml": ((lib / "pyproject.toml").read_bytes(), False),
        "src/a.py": (b"A = 1\n", True),
    }


def test_the_build_gets_a_file_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / WHEEL).write_bytes(b"PK")
    (pin,) = planned(tmp_path, at(f"w/{WHEEL}")).pins
    assert {path: file.content for path, file in files(pin, tmp_path).items()} == {WHEEL: b"PK"}


@pytest.mark.parametrize("change", CHANGES)
def test_the_build_does_not_get_what_nobody_has_seen_in_the_preview(
    tmp_path: Path, lib: Path, change: Callable[[Path], None]
) -> None:
    (pin,) = planned(tmp_path).pins
    change(lib)
    with pytest.raises(LockFileStaleError, match=r"`x` at `lib` \(requirements\.txt:1\) has changed") as caught:
        files(pin, tmp_path)
    assert caught.value.hint == "run it again: pulumi up"


def test_what_is_gone_since_the_preview_is_not_found(tmp_path: Path, lib: Path) -> None:
    (pin,) = planned(tmp_path).pins
    shutil.rmtree(lib)
    with pytest.raises(LockFileNotFoundError):
        files(pin, tmp_path)
