"""What comes of each fault, in words: `python -m tests.faults.table` writes it into the documentation."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tests.engine.servers import Fault
from tests.faults.matrix import PASSING, Cell, Matrix, Outcome, matrix
from tests.faults.scenes import SCENES, Scene

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
_HEAD = """\
# When AWS fails

What comes of it when a call to AWS goes wrong. Each line was tried: a proxy before an emulator of AWS throttles, fails,
falls silent, breaks the connection before or after the work is done, denies, says that the token has expired, or that
nothing is there. A fault that *lasts* stays until the command has ended, one that *passes* is over after two calls.
After each of them it was seen that

- no version is in AWS that no state knows of, and none is lost that a state or a function names;
- the bucket holds finished layers, and parts of an upload only where the next `up` goes on with them;
- the message names the call or the right to it, and the next step;
- once AWS works again, the next command brings AWS and the state together, and `destroy` leaves nothing.

The page is written by `python -m tests.faults.table`, and the tests in `tests/faults` fail where it says anything else
than the run. A stand-in takes the steps of Pulumi's engine there, so that hundreds of cases take two minutes. On the
real engine, `tests/engine/test_faults.py` tries one of each kind, and `tests/engine/test_signals.py` what Ctrl-C and
killed processes leave.

AWS has 60 seconds to answer a call, 300 where it publishes; `PYTHON_LAYER_AWS_TIMEOUT` gives other seconds. What it
throttles, fails at or does not answer is tried five times, with growing pauses. Publishing that is not answered is not
tried again, for AWS may have done the work: the version is looked for, and taken if it is there.
"""
_FOOT = """
Where the credentials may not call `lambda:ListLayerVersions`, a version that a run has published just before it died
is not found again, and stays in AWS.
"""


def page(tried: Matrix) -> str:
    """The page that says what a matrix has seen."""
    sections = (
        "\n".join([f"\n## {operation}\n", "| call | fault | lasts | passes |", "| --- | --- | --- | --- |", *lines])
        for operation, lines in (
            (operation, [line for scene in scenes for line in _lines(scene, tried)])
            for operation, scenes in groupby(SCENES, key=lambda scene: scene.operation)
        )
    )
    return "\n".join([_HEAD + "\n".join(sections), _FOOT])


def _lines(scene: Scene, tried: Matrix) -> Iterator[str]:
    """A line for all faults of which the same comes, but for the name of the error."""
    found: dict[tuple[str, str], list[str]] = {}
    for fault in filter(scene.meets, Fault):
        lasting = tried.run(Cell(scene, fault, lasts=True))
        said = words(Cell(scene, fault, lasts=True), lasting)
        passing = Cell(scene, fault, lasts=False)
        passed = words(passing, tried.run(passing)) if fault in PASSING else ""
        name = f"{fault.value} (`{lasting.code}`)" if lasting.code else fault.value
        found.setdefault((said, passed), []).append(name)
    for (lasts, passes), faults in found.items():
        yield f"| {scene.title} | {', '.join(faults)} | {lasts} | {passes} |"


def words(cell: Cell, outcome: Outcome) -> str:
    """What came of a cell, in words."""
    return "; ".join(_failed(cell, outcome) if outcome.code else _went_on(cell, outcome))


def _went_on(cell: Cell, outcome: Outcome) -> Iterator[str]:
    if outcome.met > 1:
        yield "tried again"
    elif cell.fault is Fault.MISSING:
        yield "gone, as it should be" if cell.scene.operation == "destroy" else "taken as it is: there is none"
    elif cell.fault is Fault.DENIED:
        yield "goes on without"
    else:
        yield "found in AWS, and kept"
    if outcome.settled.versions - outcome.standing:
        yield "the version of the run that died stays"


def _failed(cell: Cell, outcome: Outcome) -> Iterator[str]:
    if outcome.after.versions - outcome.before.versions:
        yield "the new version stands, the old one goes with the next `up`"
    elif "DeleteLayerVersion" in outcome.tried and cell.scene.call != "DeleteLayerVersion":
        yield "what was published is deleted again"
    elif outcome.after == outcome.before:
        yield "nothing has changed"
    elif outcome.after.uploads == outcome.before.uploads and outcome.after.objects == outcome.before.objects:
        yield "AWS has done it, and the next command finds it so"
    if outcome.after.uploads:
        yield "the next `up` goes on with the parts"
    if outcome.after.objects - outcome.before.objects:
        yield "the layer is in the bucket"
    if outcome.before.versions - outcome.known and not outcome.settled.versions - outcome.standing:
        yield "the next `up` takes the version over"


def main() -> None:
    """Try all, and write the page."""
    with tempfile.TemporaryDirectory() as folder, matrix(Path(folder)) as tried:
        PAGE.write_text(page(tried), encoding="utf-8")


if __name__ == "__main__":
    main()
