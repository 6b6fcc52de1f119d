"""The tree that is assembled from wheels, held against what `pip install --target` leaves of the same wheels."""

import csv
import io
import re
import tarfile
from pathlib import Path

import pytest

from python_layer_provider.build import container, pip, wheels
from python_layer_provider.lockfile import read_lockfile
from python_layer_provider.plan import LayerPlan, make_plan
from python_layer_provider.progress import Progress
from python_layer_provider.target import Target
from tests.engine.conftest import Containers

TARGET = Target.of("python3.11", "x86_64")
# With all that they need. Binary and pure, namespaces, headers and scripts in .data, console scripts, an sdist.
PINS = (
    "charset-normalizer==3.4.0",
    "greenlet==3.1.1",
    "googleapis-common-protos==1.66.0",
    "idna==3.10",
    "jmespath==1.0.1",
    "protobuf==5.29.3",
    "pyleri==1.4.3",
    "sphinxcontrib-jsmath==1.0.1",
)
Tree = dict[str, tuple[bool, bytes]]


def ours_and_pips(folder: Path, image: str, plan: LayerPlan) -> tuple[Tree, Tree]:
    """Path to executable bit and content: as we install the wheels, and as pip does."""
    progress = Progress()
    engine = container.connect()
    found = engine.image(image, TARGET, progress)
    requested = {pin.name for pin in plan.pins}
    with engine.container(found, lifetime=600, progress=progress) as box:
        pip.wheels(plan, box, progress)
        paths = wheels.unpack(box.tar(pip.WHEELS), folder)
        ours = {m.path: (m.executable, m.content()) for m in wheels.tree(paths, TARGET, requested)}
        installed = f"python3.11 -m pip install --no-index --find-links {pip.WHEELS} --no-compile --no-deps"
        command = f"mkdir /theirs && umask 022 && {installed} --target /theirs/python {' '.join(sorted(requested))}"
        output: list[str] = []
        assert box.run(["sh", "-c", command], {"PYTHONPATH": "/layer-in"}, output.append) == 0, output
        with tarfile.open(fileobj=io.BytesIO(b"".join(box.tar("/theirs/python")))) as tar:
            pips = {i.name: (bool(i.mode & 0o100), _read(tar, i)) for i in tar if i.isfile()}
    return ours, pips


def _read(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(info)
    assert file
    return file.read()


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory, containers: Containers) -> tuple[Tree, Tree]:
    plan = make_plan(read_lockfile(PINS, base=Path.cwd(), environ={}), TARGET)
    return ours_and_pips(tmp_path_factory.mktemp("wheels"), containers.image, plan)


def test_the_files_are_those_that_pip_leaves(trees: tuple[Tree, Tree]) -> None:
    ours, pips = trees
    assert set(ours) == {path for path in pips if "__pycache__" not in path}


def test_contents_and_modes_are_those_of_pip_but_for_scripts_and_records(trees: tuple[Tree, Tree]) -> None:
    ours, pips = trees
    different = {path for path in ours if ours[path] != pips[path]}
    assert {path for path in different if not path.startswith("python/bin/") and not path.endswith("/RECORD")} == set()
    assert {path for path in different if ours[path][0] != pips[path][0]} == set()


def test_scripts_call_what_pips_scripts_call_with_lambdas_interpreter(trees: tuple[Tree, Tree]) -> None:
    ours, pips = trees
    scripts = [path for path in ours if path.startswith("python/bin/")]
    assert len(scripts) >= 2
    for path in scripts:
        assert ours[path][1].startswith(b"#!/var/lang/bin/python3.11\n")
        assert _called(ours[path][1]) == _called(pips[path][1])


def _called(script: bytes) -> list[str]:
    return re.findall(r"^from .+|sys\.exit\(.+", script.decode(), re.MULTILINE)


def test_records_list_what_pips_list_with_scripts_where_they_are(trees: tuple[Tree, Tree]) -> None:
    ours, pips = trees
    records = [path for path in ours if path.endswith("/RECORD")]
    assert len(records) == len(PINS)
    for path in records:
        assert _rows(ours[path][1]) == {(row[0].removeprefix("../../"), *row[1:]) for row in _rows(pips[path][1])}


def _rows(record: bytes) -> set[tuple[str, ...]]:
    """The rows but for those of scripts, which have other contents than pip's."""
    rows = {tuple(row) for row in csv.reader(io.StringIO(record.decode(), newline=""))}
    return {row for row in rows if "__pycache__" not in row[0] and not row[0].removeprefix("../../").startswith("bin/")}
