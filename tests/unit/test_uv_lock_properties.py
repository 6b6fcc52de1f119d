from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping

import rtoml
from hypothesis import given
from hypothesis import strategies as st

from python_layer_provider.errors import LayerError
from python_layer_provider.lockfile import Lockfile
from python_layer_provider.lockfile.uv import parse_uv
from python_layer_provider.selection import select
from tests.unit.helpers import TARGET, a_source, chosen

SHA = f"sha256:{'a' * 64}"
INDEX = "https://index.example/simple"
NAME = st.sampled_from(["a", "b", "c", "d"])
# What stands in lock files, and what does not: each may come to stand where another was.
VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from([[], {}, [[]], [{}], "a", "1.0", ".", "..", "../a", "A_b", "\0", "(" * 500, "extra == 'x'", SHA]),
    st.sampled_from([{"virtual": "."}, {"git": "x#y?z"}, {"git": f"h?subdirectory=&x#{'c' * 40}"}, {"registry": "x"}]),
    st.sampled_from([[{"name": "a"}], [{"name": "a", "marker": "os_name ~= 'x'"}], [{"name": "app", "extra": ["x"]}]]),
)
DOCUMENT = {
    "version": 1,
    "requires-python": ">=3.9",
    "supported-markers": ["sys_platform == 'linux'"],
    "conflicts": [[{"package": "app", "extra": "x"}, {"package": "a", "extra": "y"}]],
    "manifest": {"members": ["app", "a"], "dependency-groups": {"g": [{"name": "a"}]}},
    "package": [
        {
            "name": "app",
            "source": {"editable": "."},
            "dependencies": [{"name": "a", "version": "1.0", "source": {"registry": INDEX}, "extra": ["y"]}],
            "optional-dependencies": {"x": [{"name": "b", "marker": "extra == 'extra-3-app-x'"}]},
            "dev-dependencies": {"dev": [{"name": "b"}]},
            "metadata": {
                "requires-dist": [{"name": "a", "specifier": ">=1", "marker": "extra == 'x'", "extras": ["y"]}],
                "requires-dev": {"dev": [{"name": "b"}]},
                "provides-extras": ["x"],
            },
        },
        {
            "name": "a",
            "version": "1.0",
            "source": {"registry": INDEX},
            "resolution-markers": ["python_full_version >= '3.9'"],
            "sdist": {"url": "https://files.example/a-1.0.tar.gz", "hash": SHA, "size": 1},
            "wheels": [{"url": "https://files.example/a-1.0-py3-none-any.whl", "hash": SHA, "size": 2}],
            "optional-dependencies": {"y": [{"name": "b"}]},
        },
        {"name": "b", "version": "2.0", "source": {"git": f"https://git.example/b?rev=x#{'c' * 40}"}},
    ],
}
PYPROJECT = {
    "project": {"requires-python": ">=3.9", "dependencies": ["a>=1"], "optional-dependencies": {"x": ["b"]}},
    "dependency-groups": {"dev": ["b", {"include-group": "lint"}], "lint": ["c"]},
    "tool": {"uv": {"sources": {"b": [{"git": "https://git.example/b"}]}, "dev-dependencies": ["d"]}},
}


def places(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where in a document something stands."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inner for place in places(one, (*at, key)))]


def replaced(value: object, at: tuple[str | int, ...], new: object) -> object:
    """The document with something else at that place."""
    if not at:
        return new
    if isinstance(value, dict):
        return {key: replaced(one, at[1:], new) if key == at[0] else one for key, one in value.items()}
    assert isinstance(value, list)
    return [replaced(one, at[1:], new) if number == at[0] else one for number, one in enumerate(value)]


def toml(value: object) -> str:
    return rtoml.dumps(value) if isinstance(value, dict) else "x"


def try_all(text: str, pyproject: str = "", **asked: tuple[str, ...]) -> None:
    with contextlib.suppress(LayerError):
        lockfile = parse_uv(a_source(text, "uv.lock", {"pyproject.toml": pyproject}, **asked))
        select(lockfile, TARGET)


@given(st.text(), st.text())
def test_any_text_is_a_lock_file_or_an_error_of_ours(text: str, pyproject: str) -> None:
    try_all(text, pyproject)
    try_all(f"version = 1\n{text}")


@given(st.sampled_from(places(DOCUMENT)), VALUE, st.sampled_from([{}, {"extras": ("x",)}, {"groups": ("dev", "g")}]))
def test_any_value_at_any_place_is_a_lock_file_or_an_error_of_ours(
    at: tuple[str | int, ...], value: object, asked: Mapping[str, tuple[str, ...]]
) -> None:
    try_all(toml(replaced(DOCUMENT, at, value)), toml(PYPROJECT), **asked)


@given(st.sampled_from(places(PYPROJECT)), VALUE)
def test_any_value_at_any_place_of_the_project_is_a_project_or_an_error_of_ours(
    at: tuple[str | int, ...], value: object
) -> None:
    try_all(toml(DOCUMENT), toml(replaced(PYPROJECT, at, value)))


Graph = Mapping[str, list[tuple[str, bool, bool]]]
"""Who needs whom: for the target or for another one, always or for its extra `x`."""
GRAPH = st.dictionaries(NAME, st.lists(st.tuples(NAME, st.booleans(), st.booleans()), max_size=4), min_size=4)


def written(graph: Graph, rng: random.Random) -> str:
    packages: list[dict[str, object]] = [
        {
            "name": name,
            "version": "1.0",
            "source": {"registry": INDEX},
            "dependencies": [edge(needed, here) for needed, here, always in edges if always],
            "optional-dependencies": {"x": [edge(needed, here) for needed, here, always in edges if not always]},
        }
        for name, edges in graph.items()
    ]
    needed = [{"name": "a", "extra": ["x"]}, {"name": "b"}]
    packages.append({"name": "app", "version": "1.0", "source": {"virtual": "."}, "dependencies": needed})
    rng.shuffle(packages)
    return rtoml.dumps({"version": 1, "package": packages})


def edge(name: str, here: bool) -> dict[str, object]:  # noqa: FBT001
    return {"name": name, "marker": f"sys_platform == '{'linux' if here else 'win32'}'", "extra": ["x"] if here else []}


def reached(graph: Graph) -> set[str]:
    """What the graph leads to from `a[x]` and `b`; whoever is needed here is needed with `x`."""
    found: dict[str, bool] = {}
    queue = [("a", True), ("b", False)]
    while queue:
        name, extra = queue.pop()
        if found.get(name, False) or (name in found and not extra):
            continue
        found[name] = extra
        queue += [(needed, True) for needed, here, always in graph.get(name, ()) if here and (always or extra)]
    return set(found)


def parse(text: str) -> Lockfile:
    return parse_uv(a_source(text, "uv.lock"))


@given(GRAPH, st.randoms(use_true_random=False))
def test_what_is_selected_is_what_the_graph_leads_to(graph: Graph, rng: random.Random) -> None:
    whole = {name: graph.get(name, []) for name in "abcd"}
    assert set(chosen(parse(written(whole, rng)))) == reached(whole)


@given(GRAPH, st.randoms(use_true_random=False))
def test_the_order_of_packages_does_not_matter(graph: Graph, rng: random.Random) -> None:
    whole = {name: graph.get(name, []) for name in "abcd"}
    assert chosen(parse(written(whole, rng))) == chosen(parse(written(whole, rng)))
