"""What an operation did, as one line of JSON in a file that a person asks for: for figures, and for bug reports."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from python_layer_provider.errors import LayerError
from python_layer_provider.lockfile.problem import masked
from python_layer_provider.progress import Progress

LOG_VARIABLE = "PYTHON_LAYER_LOG"
"""Environment variable with the file that lines are appended to; without it, none are written."""


class Record:
    """An operation on one layer; each of AWS's answers and each fact of it is noted as it comes."""

    def __init__(self, operation: str, progress: Progress) -> None:
        self._operation = operation
        self._progress = progress
        self._facts: dict[str, Any] = {}
        self._calls: list[dict[str, Any]] = []

    def call(self, name: str, request_id: str, status: int) -> None:
        """Note an answer of AWS's, by the request id that AWS's support and CloudTrail know it by."""
        self._calls.append({"call": name, "request_id": request_id, "status": status})
        self._progress.debug(f"AWS {name}: {status}, request {request_id}")

    def fact(self, **facts: Any) -> None:
        """Note what the operation is about, or what came of it."""
        self._facts.update(facts)
        self._progress.debug(", ".join(f"{name} {value}" for name, value in facts.items()))

    def line(self, seconds: float, error: BaseException | None) -> str:
        """All of it as a line of JSON, without credentials."""
        outcome = error.code if isinstance(error, LayerError) else type(error).__name__ if error else "ok"
        line = {
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "operation": self._operation,
            "outcome": outcome,
            "seconds": round(seconds, 3),
            **self._facts,
            "aws": self._calls,
        }
        if error:
            line["error"] = str(error)
        return masked(json.dumps(line, default=str))


@contextmanager
def recorded(operation: str, progress: Progress, environ: Mapping[str, str] = os.environ) -> Iterator[Record]:
    """Record what happens in the block, where `LOG_VARIABLE` asks for it.

    A file that cannot be written is warned of: the operation counts more than its record.
    """
    record, started, failure = Record(operation, progress), time.monotonic(), None
    try:
        yield record
    except BaseException as error:
        failure = error
        raise
    finally:
        path = environ.get(LOG_VARIABLE)
        if path:
            _append(path, record.line(time.monotonic() - started, failure), progress)


def _append(path: str, line: str, progress: Progress) -> None:
    try:
        # One write at the end of the file: lines of processes that write at the same time stay whole.
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)
    except OSError as error:
        progress.warn(f"`{LOG_VARIABLE}` cannot be written: {error}")
