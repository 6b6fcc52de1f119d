"""Credentials in a lock file's URLs reach pip and nothing else: a canary is looked for wherever one could leak."""

import base64
import json
import zipfile
from pathlib import Path

import pytest

from python_layer_provider.build.cache import cache_folder
from tests.engine.conftest import Containers
from tests.engine.servers import Shelf, make_wheel
from tests.engine.stacks import CommandLineStack, new_project
from tests.engine.test_signals import PROGRAM, SECONDS, UP

CANARY = "canary-5f0c"


@pytest.fixture
def stack(tmp_path: Path, wheels: Shelf) -> CommandLineStack:
    """A stack whose layer comes from an index that takes a password."""
    found = CommandLineStack(new_project("secrets"), tmp_path / "program", PROGRAM)
    place = wheels.folder / "simple" / "private"
    place.mkdir(parents=True)
    make_wheel(place, "private", {"private.py": f"RUN = {found.project!r}\n".encode()})
    scheme, _, host = wheels.base.partition("://")
    lock = f"--extra-index-url {scheme}://deploy:{CANARY}@{host}/simple\n--trusted-host {host}\nprivate==1.0\n"
    (found.folder / "requirements.txt").write_text(lock)
    return found


def test_credentials_reach_pip_and_nothing_else(
    stack: CommandLineStack, wheels: Shelf, containers: Containers, tmp_path: Path
) -> None:
    wheels.giving.clear()
    previewed = stack.run("preview", "--diff", "--json", "--non-interactive")
    process = stack.start(*UP, "--diff", "--show-full-output")
    assert wheels.asked.wait(SECONDS)
    (build,) = containers.builds()
    in_engine = json.dumps([build.attrs, build.logs().decode(), build.top()["Processes"]])
    wheels.giving.set()
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert base64.b64encode(f"deploy:{CANARY}".encode()).decode() in "".join(wheels.authorizations)
    exported = stack.run("stack", "export").text
    assert "private" in exported
    for text in (previewed.text, said, in_engine, exported):
        assert CANARY not in text
    assert _files_with_the_canary(tmp_path / "program") == ["requirements.txt"]
    assert _files_with_the_canary(cache_folder()) == []


def test_credentials_are_masked_where_pip_says_them(stack: CommandLineStack, wheels: Shelf) -> None:
    lock = stack.folder / "requirements.txt"
    lock.write_text(lock.read_text().replace("private==1.0", "private==2.0"))
    outcome = stack.run(*UP, "--diff")
    assert not outcome.ok
    assert "PYL-PIP-NO-MATCH" in outcome.text
    assert CANARY not in outcome.text
    assert wheels.authorizations
    assert CANARY not in stack.run("stack", "export").text


def _files_with_the_canary(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if CANARY.encode() in _bytes(path))


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        return b""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return b"".join(archive.read(member) for member in archive.infolist())
