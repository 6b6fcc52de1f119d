"""TOML and JSON as tables whose every value is checked when it is read, so that messages name file and key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import rtoml
from packaging.utils import InvalidName, NormalizedName, canonicalize_name

from python_layer_provider.errors import LockFileSyntaxError
from python_layer_provider.lockfile.markers import with_extras
from python_layer_provider.lockfile.problem import shown

_TYPES = {
    bool: "a boolean",
    dict: "a table",
    float: "a number",
    int: "a number",
    list: "an array",
    str: "a string",
    type(None): "nothing",
}
_POSITION = re.compile(r"(?s)(?P<what>.*?),?\s+at line (?P<line>\d+) column (?P<column>\d+)\s*$")
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})(?: |$)", re.MULTILINE)


class Table:
    """A table of a lock file. Values of the wrong type are a `LockFileSyntaxError` that names the key."""

    __slots__ = ("data", "where")

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self.data = data
        self.where = where
        """File and key, as messages name them: `uv.lock: package[3].source`."""

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def text(self, key: str) -> str | None:
        """A string; None where there is none."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, str):
            self._wrong(key, value, "a string")
        return value

    def needed(self, key: str) -> str:
        """A string that has to be there."""
        value = self.text(key)
        if value is None:
            self.fail(f"`{key}` is missing")
        return value

    def number(self, key: str) -> int | None:
        """A whole number; None where there is none."""
        value = self.data.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            self._wrong(key, value, "a whole number")
        return value

    def flag(self, key: str) -> bool:
        """A boolean, false where there is none."""
        value = self.data.get(key, False)
        if not isinstance(value, bool):
            self._wrong(key, value, "a boolean")
        return value

    def table(self, key: str) -> Table:
        """A table, empty where there is none."""
        value = self.data.get(key, {})
        if not isinstance(value, dict):
            self._wrong(key, value, "a table")
        return Table(value, self.at(key))

    def tables(self, key: str) -> list[Table]:
        """An array of tables, empty where there is none."""
        value = self._array(key)
        for i, item in enumerate(value):
            if not isinstance(item, dict):
                self._wrong(f"{key}[{i}]", item, "a table")
        at = self.at(key)
        return [Table(item, f"{at}[{i}]") for i, item in enumerate(value)]

    def texts(self, key: str) -> tuple[str, ...]:
        """An array of strings, empty where there is none."""
        value = self._array(key)
        for i, item in enumerate(value):
            if not isinstance(item, str):
                self._wrong(f"{key}[{i}]", item, "a string")
        return tuple(value)

    def items(self) -> Iterator[tuple[str, Table]]:
        """The entries of a table of tables."""
        for key in self.data:
            yield key, self.table(key)

    def normal_name(self, text: str) -> NormalizedName:
        """A name that stands in this table, in its normal form (PEP 503)."""
        try:
            return canonicalize_name(text, validate=True)
        except InvalidName:
            self.fail(f"has a name that is none: `{shown(text)}`")

    def normal_marker(self, text: str) -> str:
        """A marker that stands in this table, in its normal form; see `markers.with_extras`."""
        try:
            return with_extras(text)
        # packaging's parser calls itself for each parenthesis.
        except (ValueError, RecursionError):
            self.fail(f"has a marker that is none: `{shown(text)}`")

    def at(self, key: str) -> str:
        """How messages name a key of this table."""
        return f"{self.where}.{key}" if ": " in self.where else f"{self.where}: {key}"

    def fail(self, what: str, *, hint: str = "") -> NoReturn:
        """Refuse this table.

        Raises:
            LockFileSyntaxError: Always.
        """
        raise LockFileSyntaxError(
            f"{self.where}: {what}" if ": " not in self.where else f"{self.where} {what}",
            hint=hint or "lock again: an edited or merged lock file is not what its tool has written",
            input_name="requirements",
        )

    def _array(self, key: str) -> list[Any]:
        value = self.data.get(key, [])
        if not isinstance(value, list):
            self._wrong(key, value, "an array")
        return value

    def _wrong(self, key: str, value: object, expected: str) -> NoReturn:
        found = _TYPES.get(type(value), type(value).__name__)
        raise LockFileSyntaxError(
            f"{self.at(key)} is {found}, not {expected}",
            hint="lock again: an edited or merged lock file is not what its tool has written",
            input_name="requirements",
        )


def load_toml(text: str, label: str) -> Table:
    """A TOML document.

    Raises:
        LockFileSyntaxError: It is none; names the line.
    """
    try:
        return Table(rtoml.loads(text), label)
    except ValueError as error:
        raise _not_readable(text, label, "TOML", str(error)) from None


def load_json(text: str, label: str) -> Table:
    """A JSON document that is an object.

    Raises:
        LockFileSyntaxError: It is none; names the line.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        what = f"{error.msg} at line {error.lineno} column {error.colno}"
        raise _not_readable(text, label, "JSON", what) from None
    # Deeply nested brackets, and numbers longer than anyone has ever written.
    except (RecursionError, ValueError) as error:
        raise _not_readable(text, label, "JSON", str(error)) from None
    if not isinstance(data, dict):
        raise _not_readable(text, label, "JSON", f"it is {_TYPES[type(data)]}, not an object")
    return Table(data, label)


def _not_readable(text: str, label: str, language: str, what: str) -> LockFileSyntaxError:
    if conflict := _CONFLICT.search(text):
        line = text.count("\n", 0, conflict.start()) + 1
        return LockFileSyntaxError(
            f"{label}:{line}: a merge conflict",
            hint="resolve it, or take one side and lock again",
            input_name="requirements",
        )
    found = _POSITION.match(what)
    where = f"{label}:{found['line']}:{found['column']}" if found else label
    reason = (found["what"] if found else what).strip()
    return LockFileSyntaxError(
        f"{where}: not {language}: {reason[:1].lower()}{reason[1:]}",
        hint="lock again, or mend the line",
        input_name="requirements",
    )
