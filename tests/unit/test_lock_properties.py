from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_layer_provider.errors import LayerError
from python_layer_provider.lockfile import Lockfile
from python_layer_provider.lockfile.pipfile import parse_pipfile
from python_layer_provider.lockfile.pylock import parse_pylock
from python_layer_provider.lockfile.source import Source
from python_layer_provider.selection import select
from tests.unit.helpers import HASH, TARGET, a_source

SECRET = "s3cr3tCanary"
SHA = HASH.removeprefix("sha256:")
COMMIT = "0" * 40
PIPFILE_LOCK: Mapping[str, Any] = {
    "_meta": {
        "hash": {"sha256": SHA},
        "pipfile-spec": 6,
        "requires": {"python_version": "3.13"},
        "sources": [
            {"name": "pypi", "url": "https://u:${A}@index.example/simple", "verify_ssl": False},
            {"url": "https://index.example/other"},
        ],
    },
    "default": {
        "a": {"hashes": [HASH], "version": "==1.0", "markers": "python_version >= '3.9'", "index": "pypi"},
        "b": {"git": "https://git.example/r.git", "ref": COMMIT, "subdirectory": "py", "extras": ["x"]},
        "c": {"file": "https://files.example/c-1.0-py3-none-any.whl", "hashes": [HASH]},
        "d": {"path": ".", "editable": True, "sys_platform": "== 'linux'"},
    },
    "develop": {"e": {"version": "*"}},
}
PYLOCK: Mapping[str, Any] = {
    "lock-version": "1.0",
    "created-by": "uv",
    "requires-python": ">=3.9",
    "environments": ["sys_platform == 'linux'"],
    "extras": ["fast"],
    "dependency-groups": ["develop"],
    "default-groups": ["default"],
    "packages": [
        {
            "name": "a",
            "version": "1.0",
            "marker": "python_version >= '3.9' or 'fast' in extras",
            "requires-python": ">=3.9",
            "index": "https://index.example/simple",
            "wheels": [
                {
                    "name": "a-1.0-py3-none-any.whl",
                    "url": "https://files.example/x",
                    "hashes": {"sha256": SHA},
                    "size": 1,
                }
            ],
            "sdist": {"url": "https://files.example/a-1.0.tar.gz", "hashes": {"sha256": SHA}},
        },
        {"name": "b", "vcs": {"type": "git", "url": "https://git.example/r.git", "commit-id": COMMIT}},
        {
            "name": "c",
            "archive": {"url": "https://files.example/c.zip", "hashes": {"sha256": SHA}, "subdirectory": "py"},
        },
        {"name": "d", "directory": {"path": ".", "editable": True}},
        {"name": "e", "wheels": [{"path": "e-1-py3-none-any.whl", "hashes": {"sha256": SHA}}]},
    ],
}
WORD = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "",
            "*",
            "==",
            "==1",
            "1.0",
            "a",
            "A_b",
            "a b",
            "pypi",
            "os_name",
            "extra == 'x'",
            "(" * 40,
            "${A}",
            "$B",
            "'${",
        ]
    ),
    st.sampled_from(
        [
            "https://",
            "https://[",
            "https://u:p@h/x",
            "git+ssh://x",
            "git@h:o/r",
            "file:",
            "file:///a#b",
            "../..",
            "\x00",
        ]
    ),
    st.sampled_from(
        ["a-1-py3-none-any.whl", "b.whl", HASH, "sha256:", "md5:0", ">=3.9", "~=", "==3.*", "\ud800", "\n"]
    ),
)
VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False), WORD),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORD, inner, max_size=3)),
    max_leaves=6,
)


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys to every value."""
    items: Iterator[tuple[Any, object]] = iter(())
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for key, one in items:
        yield (*path, key)
        yield from places(one, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: object) -> Any:
    """The same with another value at that place."""
    if not path:
        return new
    first, *rest = path
    inner = changed(value[first], tuple(rest), new)
    if isinstance(value, dict):
        return {**value, first: inner}
    return [inner if number == first else one for number, one in enumerate(value)]


def as_toml(value: Any) -> str:
    """A value in TOML, on one line."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(key)} = {as_toml(one)}' for key, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    return "''" if value is None else json.dumps(value)


def toml(data: Mapping[str, Any]) -> str:
    return "\n".join(f"{json.dumps(key)} = {as_toml(value)}" for key, value in data.items())


FORMATS: Mapping[str, tuple[Callable[[Source], Lockfile], Mapping[str, Any], Callable[[Any], str]]] = {
    "Pipfile.lock": (parse_pipfile, PIPFILE_LOCK, json.dumps),
    "pylock.toml": (parse_pylock, PYLOCK, toml),
}
EACH_FORMAT = pytest.mark.parametrize("name", FORMATS)


def read(name: str, text: str, pipfile: str = '[packages]\na = "*"') -> str:
    """Read and select, and whatever is told."""
    groups = ("develop",) if "develop" in text else ()
    source = a_source(text, name, {"Pipfile": pipfile}, environ={"A": "a/b", "B": ""}, groups=groups)
    try:
        select(FORMATS[name][0](source), TARGET)
    except LayerError as error:
        return str(error)
    return ""


@EACH_FORMAT
def test_what_the_others_start_from_is_read(name: str) -> None:
    _, data, written = FORMATS[name]
    assert read(name, written(data)) == ""


@EACH_FORMAT
@given(st.text())
def test_any_text_is_a_lock_file_or_an_error_of_ours(name: str, text: str) -> None:
    read(name, text)


@EACH_FORMAT
@given(st.data())
def test_any_value_at_any_place_is_a_lock_file_or_an_error_of_ours(name: str, data: st.DataObject) -> None:
    _, valid, written = FORMATS[name]
    for _ in range(data.draw(st.integers(1, 3))):
        valid = changed(valid, data.draw(st.sampled_from(list(places(valid)) or [()])), data.draw(VALUE))
        valid = valid if isinstance(valid, dict) else {}
    read(name, written(valid))


@given(st.one_of(st.text(), st.dictionaries(WORD, VALUE, max_size=4).map(toml)), st.sampled_from(["packages", "docs"]))
def test_any_pipfile_may_stand_beside_a_lock_file(text: str, category: str) -> None:
    for pipfile in (text, f"[{category}]\n{text}", f"[{category}.a]\n{text}", f"{category} = {text}"):
        read("Pipfile.lock", json.dumps(PIPFILE_LOCK), pipfile)


@EACH_FORMAT
@given(st.data())
def test_a_part_of_a_file_is_a_lock_file_or_an_error_of_ours(name: str, data: st.DataObject) -> None:
    _, valid, written = FORMATS[name]
    text = written(valid)
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    for part in (text[:start], text[:start] + text[end:], text[:end] + data.draw(WORD) + text[end:]):
        read(name, part)


@EACH_FORMAT
@given(st.data(), st.text("ab :/#?@%[]", max_size=4), st.text("ab :/?@%[]", max_size=4))
def test_messages_never_show_a_password(name: str, data: st.DataObject, before: str, after: str) -> None:
    _, valid, written = FORMATS[name]
    scheme = data.draw(st.sampled_from(["https", "git+https", "s3"]))
    url = f"{scheme}://user:{before}{SECRET}{after}@h.example/a.whl"
    texts = [place for place in places(valid) if place[-1] not in ("created-by", "sha256")]
    assert SECRET not in read(name, written(changed(valid, data.draw(st.sampled_from(texts)), url)))


@EACH_FORMAT
@given(st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(name: str, rng: Any) -> None:
    parse, valid, written = FORMATS[name]

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = rng.sample(list(value), len(value))
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(one) for one in value] if isinstance(value, list) else value

    def pins(data: Mapping[str, Any]) -> set[Any]:
        return set(parse(a_source(written(data), name, environ={"A": "a"})).pins)

    assert pins(shuffled(valid)) == pins(valid)
