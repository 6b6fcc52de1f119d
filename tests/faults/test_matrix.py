"""What has to hold whatever goes wrong with a call to AWS; each cell is run once, and looked at by all tests."""

from collections.abc import Iterator

import pytest

from tests.engine.servers import Fault
from tests.faults.matrix import Cell, Matrix, Outcome, cells, matrix
from tests.faults.table import PAGE, page

# What is called otherwise than the right to it.
_RIGHTS = {
    "HeadObject": "s3:GetObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
}
_EVERY = pytest.mark.parametrize("cell", [*cells()], ids=str)


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    with matrix(tmp_path_factory.mktemp("faults")) as found:
        yield found


@_EVERY
def test_no_version_is_left_that_no_state_knows_of(cell: Cell, tried: Matrix) -> None:
    outcome = tried.run(cell)
    # What a run that died has left was there before.
    lost = outcome.before.versions - outcome.known
    assert outcome.after.versions - outcome.kept <= lost


@_EVERY
def test_no_version_is_lost_that_a_state_or_a_function_names(cell: Cell, tried: Matrix) -> None:
    outcome = tried.run(cell)
    if cell.fault is Fault.MISSING and cell.scene.gone:
        # Somebody else has deleted it; that no error comes of it is all there is to see.
        assert outcome.code == ""
        return
    assert outcome.after.used <= outcome.after.versions
    if cell.scene.call != "DeleteLayerVersion" or cell.scene.operation == "up, other content":
        assert outcome.in_use <= outcome.after.versions


@_EVERY
def test_an_unfinished_upload_is_left_only_where_the_next_up_goes_on_with_it(cell: Cell, tried: Matrix) -> None:
    outcome = tried.run(cell)
    assert not outcome.after.uploads or (outcome.code and "CreateMultipartUpload" not in outcome.then)
    assert not outcome.settled.uploads


@_EVERY
def test_a_message_says_what_failed_and_what_to_do(cell: Cell, tried: Matrix) -> None:
    outcome = tried.run(cell)
    if not outcome.code:
        assert outcome.message == ""
        return
    assert f"[{outcome.code}]" in outcome.message
    assert "hint: " in outcome.message
    named = _RIGHTS.get(cell.scene.call, cell.scene.call)
    assert ("aws sso login" if cell.fault is Fault.EXPIRED else named) in outcome.message


@_EVERY
def test_once_aws_works_again_state_and_aws_come_together(cell: Cell, tried: Matrix) -> None:
    outcome = tried.run(cell)
    assert outcome.current <= outcome.settled.versions <= outcome.standing | _forsaken(cell, outcome)
    assert outcome.settled.used <= outcome.current
    assert outcome.shared


@_EVERY
def test_destroy_leaves_nothing(cell: Cell, tried: Matrix) -> None:
    outcome = tried.run(cell)
    assert outcome.left.versions <= _forsaken(cell, outcome)
    assert not outcome.left.uploads


def _forsaken(cell: Cell, outcome: Outcome) -> frozenset[str]:
    """What a run that died has published, where the next one may not look for it."""
    blind = cell.fault is Fault.DENIED and cell.scene.call == "ListLayerVersions"
    return outcome.before.versions - outcome.known if blind else frozenset()


def test_the_page_says_what_was_seen(tried: Matrix) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(tried), "python -m tests.faults.table"
