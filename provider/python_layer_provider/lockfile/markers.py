"""Environment markers in the one form that selection takes: normal text, extras as a set (PEP 508, PEP 751)."""

from __future__ import annotations

import functools
import re

from packaging.markers import Marker

# In a lock file several extras may be selected at once: PEP 751's set takes the place of PEP 508's one extra.
_EXTRA_LEFT = re.compile(r"\bextra (==|!=) \"([^\"]*)\"")
_EXTRA_RIGHT = re.compile(r"\"([^\"]*)\" (==|!=) extra\b")


@functools.lru_cache(maxsize=4096)
def normal(text: str) -> str:
    """A marker as `packaging` writes it.

    Raises:
        ValueError: It is none.
        RecursionError: It has parentheses as nobody writes them.
    """
    return str(Marker(text))


@functools.lru_cache(maxsize=4096)
def with_extras(text: str) -> str:
    """A marker as `normal` gives it, with `extra == "x"` as `"x" in extras`; raises as `normal`."""
    if "extra" not in text:
        return normal(text)
    spelled = _EXTRA_LEFT.sub(lambda found: _membership(found[2], found[1]), normal(text))
    return normal(_EXTRA_RIGHT.sub(lambda found: _membership(found[1], found[2]), spelled))


def both(*markers: str | None) -> str | None:
    """The marker that holds where all of these do; None holds everywhere."""
    given = [marker for marker in markers if marker]
    if len(given) < 2:  # noqa: PLR2004 (nothing to join)
        return given[0] if given else None
    return " and ".join(f"({marker})" if " or " in marker else marker for marker in given)


def _membership(extra: str, operator: str) -> str:
    return f'"{extra}" {"in" if operator == "==" else "not in"} extras'
