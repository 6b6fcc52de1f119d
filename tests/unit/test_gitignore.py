"""The expectations are what `git check-ignore` says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_layer_provider.gitignore import Rules


def ignored(text: str, path: str) -> bool:
    """Whether a `.gitignore` ignores a path; that of a folder has a slash at its end."""
    return Rules().within("", text).ignore(path.removesuffix("/"), is_folder=path.endswith("/"))


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a", ("a", "a/", "x/a"), ("ab", "b")),
        ("a/", ("a/", "x/a/"), ("a", "x/a")),
        ("/a", ("a", "a/"), ("x/a",)),
        ("x/a", ("x/a", "x/a/"), ("a", "y/x/a")),
        ("*.py", ("a.py", "x/.py"), ("a.pyc",)),
        ("x/*.py", ("x/a.py",), ("x/y/a.py",)),
        ("a?c", ("abc",), ("ac", "abbc")),
        ("x/?", ("x/a",), ("x/",)),
        ("[ab]", ("a", "b"), ("c", "ab")),
        ("[!ab]", ("c",), ("a",)),
        ("[^ab]", ("c",), ("a",)),
        ("[a-c]", ("b",), ("d", "-")),
        ("[c-a]", (), ("a", "b", "c", "-")),
        ("[]a]", ("]", "a"), ("[",)),
        ("[a\\]]", ("]", "a"), ("\\",)),
        ("[[:digit:]a]", ("1", "a"), ("b",)),
        ("x[!a]y", ("xby",), ("x/y",)),
        ("**/a", ("a", "x/a", "x/y/a/"), ("xa",)),
        ("x/**", ("x/a", "x/y/a"), ("x", "x/")),
        ("x/**/a", ("x/a", "x/y/z/a"), ("xa", "x/ya")),
        ("x/***/a", ("x/a", "x/y/a"), ()),
        ("x**y", ("xy", "xaay"), ("x/y",)),
        ("**", ("a", "x/a"), ()),
        ("**/", ("a/", "x/a/"), ("a",)),
        ("\\#a", ("#a",), ("\\#a",)),
        ("\\!a", ("!a",), ("a",)),
        ("\\*", ("*",), ("a",)),
        ("a\\ ", ("a ",), ("a",)),
        ("a  ", ("a",), ("a  ",)),
        (" a", (" a",), ("a",)),
        ("a.b(c)", ("a.b(c)",), ("axb(c)", "a.bc")),
        ("\ufeffa", ("a",), ()),
        ("ä?", ("äö",), ("ä",)),
    ],
)
def test_a_pattern_ignores_what_it_fits(pattern: str, yes: tuple[str, ...], no: tuple[str, ...]) -> None:
    assert {path: ignored(pattern, path) for path in (*yes, *no)} == {
        **dict.fromkeys(yes, True),
        **dict.fromkeys(no, False),
    }


@pytest.mark.parametrize("line", ["", "   ", "# a", "!", "/", "//", "!/", "a//", "[a", "a\\", "[[:nothing:]]"])
def test_a_line_that_is_no_pattern_ignores_nothing(line: str) -> None:
    assert not any(ignored(line, path) for path in ("a", "a/", "x/a", "[a", "# a", "n", " "))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_last_pattern_that_fits_has_the_last_word(end: str) -> None:
    text = end.join(["*.py", "!keep.py", "/keep.py"])
    assert [ignored(text, path) for path in ("a.py", "x/keep.py", "keep.py")] == [True, False, True]


def test_the_rules_further_in_come_first() -> None:
    rules = Rules().within("", "*.py\nx/a\n").within("x/", "!keep.py\n/b\n")
    ignores = [rules.ignore(path, is_folder=False) for path in ("x/a.py", "x/keep.py", "x/a", "x/b", "x/y/b")]
    assert ignores == [True, False, True, True, False]


@given(st.text("ab*?[]!^-\\/# .:\n", max_size=30), st.text("ab/.", min_size=1, max_size=8), st.booleans())
def test_any_text_is_rules(text: str, path: str, is_folder: bool) -> None:  # noqa: FBT001 (Hypothesis gives it)
    assert Rules().within("", text).ignore(path, is_folder=is_folder) in {True, False}


@given(st.text())
def test_any_text_at_all_is_rules(text: str) -> None:
    assert Rules().within("", text).ignore("a", is_folder=False) in {True, False}
