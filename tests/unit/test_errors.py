from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from python_layer_provider import errors
from python_layer_provider.errors import LayerError, LockFileSyntaxError


def tree(cls: type[LayerError] = LayerError, depth: int = 0) -> Iterator[tuple[int, str, str]]:
    """Each class under its base: depth, name and its own code."""
    yield depth, cls.__name__, vars(cls).get("code", "") if depth else ""
    for child in cls.__subclasses__():
        yield from tree(child, depth + 1)


def classes(cls: type[LayerError] = LayerError) -> Iterator[type[LayerError]]:
    for child in cls.__subclasses__():
        yield child
        yield from classes(child)


LEAVES = [cls for cls in classes() if not cls.__subclasses__()]


def test_the_tree_that_is_drawn_is_the_tree_that_is() -> None:
    drawing = re.findall(r"^([│ ├└─]*)(\w+Error) *(PYL-\S+)?", errors.__doc__ or "", re.MULTILINE)
    assert [(len(lines) // 4, name, code) for lines, name, code in drawing] == list(tree())


def test_every_code_is_one_errors_own() -> None:
    codes = [cls.code for cls in LEAVES]
    assert len(codes) == len(set(codes))
    assert LayerError.code not in codes


@pytest.mark.parametrize("cls", LEAVES)
def test_a_code_is_words_in_capitals(cls: type[LayerError]) -> None:
    assert re.fullmatch(r"PYL(-[A-Z]+)+", cls.code)


@pytest.mark.parametrize("cls", LEAVES)
def test_a_message_ends_with_the_code(cls: type[LayerError]) -> None:
    assert str(cls("It broke", hint="mend it")) == f"It broke\nhint: mend it [{cls.code}]"
    ending = f"hint: {cls.usual_hint} [{cls.code}]" if cls.usual_hint else f"[{cls.code}]"
    assert str(cls("It broke")) == f"It broke\n{ending}"


def test_details_are_indented_between_what_happened_and_the_hint() -> None:
    error = LockFileSyntaxError("It broke", detail="one\ntwo", hint="mend it")
    assert str(error) == "It broke\n    one\n    two\nhint: mend it [PYL-LOCK-SYNTAX]"


def test_an_error_keeps_its_parts() -> None:
    error = LockFileSyntaxError("what", hint="hint", detail="detail", input_name="requirements")
    assert (error.what, error.hint, error.detail, error.input_name) == ("what", "hint", "detail", "requirements")


def test_the_documentation_explains_every_code_and_no_other() -> None:
    text = (Path(__file__).parents[2] / "docs/errors.md").read_text()
    assert set(re.findall(r"^\| `(PYL-[A-Z-]+)`", text, re.MULTILINE)) == {kind.code for kind in LEAVES}
