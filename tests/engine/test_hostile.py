"""What a container hands out is hostile until it is checked: wheels that no installer should unpack, really built."""

import hashlib
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.servers import Shelf, make_wheel
from tests.engine.stacks import Aws, LayerStack, assert_explained

Spoil = Callable[[zipfile.ZipFile], None]


def _file(name: str) -> Spoil:
    return lambda wheel: wheel.writestr(name, b"x")


def _special(kind: int) -> Spoil:
    def spoil(wheel: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("evil/passwd")
        info.external_attr = (kind | 0o644) << 16
        wheel.writestr(info, b"/etc/passwd")

    return spoil


def _many(wheel: zipfile.ZipFile) -> None:
    for number in range(70_000):
        wheel.writestr(f"evil/{number}", b"")


def _bomb(wheel: zipfile.ZipFile) -> None:
    for number in range(4):
        wheel.writestr(f"evil/{number}", bytes(100 << 20), zipfile.ZIP_DEFLATED, 1)


@pytest.mark.parametrize(
    ("spoil", "code", "phrase"),
    [
        (_file("../../../outside.py"), "PYL-TREE-HOSTILE", "outside.py"),
        (_file("/outside.py"), "PYL-TREE-HOSTILE", "outside.py"),
        (_file("evil\\..\\outside.py"), "PYL-TREE-HOSTILE", "outside.py"),
        (_special(stat.S_IFLNK), "PYL-TREE-HOSTILE", "evil/passwd"),
        (_many, "PYL-TREE-HOSTILE", "more than 65,535 files"),
        (_bomb, "PYL-LAYER-TOO-LARGE", "evil"),
    ],
    ids=["leads outside", "absolute", "backslashes", "link", "too many files", "bomb"],
)
def test_a_hostile_wheel_is_refused_and_nothing_is_written(
    stack: LayerStack, aws: Aws, wheels: Shelf, program_folder: Path, spoil: Spoil, code: str, phrase: str
) -> None:
    path = make_wheel(wheels.folder, "evil", {"evil/__init__.py": b""})
    with zipfile.ZipFile(path, "a") as wheel:
        spoil(wheel)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    lock = program_folder / "requirements.txt"
    lock.write_text(f"evil @ {wheels.base}/{path.name} --hash=sha256:{digest}\n")
    stack.declare(requirements=str(lock))
    outcome = stack.up()
    assert not outcome.ok
    assert_explained(outcome, code, phrase)
    assert aws.versions(stack.layer_name()) == []
    assert not list(program_folder.parent.rglob("outside.py"))
