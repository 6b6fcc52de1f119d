from __future__ import annotations

import json
from pathlib import Path

import pytest

from python_layer_provider.errors import RefusedError
from python_layer_provider.progress import Progress
from python_layer_provider.record import LOG_VARIABLE, recorded


class Noting(Progress):
    """Progress that is remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def debug(self, message: str) -> None:
        self.said.append(message)

    def warn(self, message: str) -> None:
        self.said.append(f"warning: {message}")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_an_operation_is_a_line_with_its_facts_and_calls(log: Path) -> None:
    for number in range(2):
        with recorded("create", Progress(), {LOG_VARIABLE: str(log)}) as record:
            record.fact(content_hash="1:ab", number=number)
            record.call("PublishLayerVersion", "a1b2", 201)
    first, second = lines(log)
    assert (first["operation"], first["outcome"], first["number"], second["number"]) == ("create", "ok", 0, 1)
    assert first["aws"] == [{"call": "PublishLayerVersion", "request_id": "a1b2", "status": 201}]
    assert "error" not in first


def test_a_failure_is_told_by_its_name_and_passed_on(log: Path) -> None:
    with pytest.raises(RefusedError), recorded("delete", Progress(), {LOG_VARIABLE: str(log)}):
        raise RefusedError("AWS refused", hint="ask again")
    (line,) = lines(log)
    assert (line["outcome"], line["error"]) == ("PYL-AWS-REFUSED", "AWS refused\nhint: ask again [PYL-AWS-REFUSED]")


def test_credentials_are_in_no_line(log: Path) -> None:
    with recorded("build", Progress(), {LOG_VARIABLE: str(log)}) as record:
        record.fact(index="https://deploy:hidden@index.example/simple")
    assert "hidden" not in log.read_text()


def test_only_its_owner_reads_the_file(log: Path) -> None:
    with recorded("build", Progress(), {LOG_VARIABLE: str(log)}):
        pass
    assert log.stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_where_nobody_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    progress = Noting()
    with recorded("create", progress, {}) as record:
        record.call("GetLayerVersion", "c3d4", 200)
    assert list(tmp_path.iterdir()) == []
    # A run with --debug tells it all the same.
    assert progress.said == ["AWS GetLayerVersion: 200, request c3d4"]


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    progress = Noting()
    with recorded("create", progress, {LOG_VARIABLE: str(tmp_path / "no" / "such" / "folder")}):
        pass
    assert progress.said[0].startswith(f"warning: `{LOG_VARIABLE}` cannot be written: ")
