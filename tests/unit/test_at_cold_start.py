from __future__ import annotations

import ast
from typing import Any

import pytest

from python_layer_provider.at_cold_start import (
    asked_indexes,
    carried,
    check_space,
    check_travels,
    needed_space,
    warning,
)
from python_layer_provider.errors import InvalidInputError, LockFileUnsupportedError
from python_layer_provider.lockfile import File, IndexOptions, Pin
from python_layer_provider.plan import LayerPlan
from tests.unit.helpers import HASH, OTHER_HASH, TARGET, a_pin, a_plan

INDEX, OTHER = "https://index.example/simple", "https://other.example/simple"
CHECKOUT = a_pin("lib", None, url=f"git+https://git.example/lib@{'a' * 40}", hashes=())


def texts(plan: LayerPlan) -> dict[str, str]:
    """What the function's code carries, by the names in its folder."""
    found = carried(plan, "app.handle")
    assert all(path.startswith("pulumi_python_layer/") for path in found)
    return {path.partition("/")[2]: content.decode() for path, content in found.items()}


def started(plan: LayerPlan) -> dict[str, Any]:
    """What the bootstrap hands to `start`."""
    call = next(node for node in ast.walk(ast.parse(texts(plan)["bootstrap.py"])) if isinstance(node, ast.Call))
    assert [ast.literal_eval(argument) for argument in call.args] == ["app.handle"]
    return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}


def sized(size: int | None) -> Pin:
    return a_pin(files=(File(name="idna-3.11-py3-none-any.whl", size=size),))


# What the code carries.


def test_pins_with_hashes_are_required_to_have_them() -> None:
    plan = a_plan(a_pin(hashes=(HASH, OTHER_HASH)), a_pin("six", "1.17.0"))
    assert texts(plan)["requirements.txt"].splitlines() == [
        f"idna==3.11 --hash={HASH} --hash={OTHER_HASH}",
        f"six==1.17.0 --hash={HASH}",
    ]
    assert started(plan)["runs"] == [["--require-hashes", "--no-deps", "-r", "requirements.txt"]]
    assert set(texts(plan)) == {"__init__.py", "bootstrap.py", "requirements.txt"}


def test_a_checkout_switches_off_nobody_elses_hashes() -> None:
    plan = a_plan(a_pin(), CHECKOUT)
    assert texts(plan)["requirements.txt"] == f"idna==3.11 --hash={HASH}\n"
    assert texts(plan)["without-hashes.txt"] == f"lib @ {CHECKOUT.url}\n"
    assert started(plan)["runs"] == [
        ["--require-hashes", "--no-deps", "-r", "requirements.txt"],
        ["--no-deps", "-r", "without-hashes.txt"],
    ]


def test_what_nobody_has_locked_is_resolved_within_its_constraints() -> None:
    plan = a_plan(a_pin("flask", None, hashes=()), constraints=(a_pin("werkzeug", "3.1", hashes=()),))
    assert started(plan)["runs"] == [["-c", "constraints.txt", "-r", "without-hashes.txt"]]
    assert texts(plan)["constraints.txt"] == "werkzeug==3.1\n"


def test_the_same_plan_gives_the_same_files() -> None:
    assert carried(a_plan(a_pin(), CHECKOUT), "app.handle") == carried(a_plan(a_pin(), CHECKOUT), "app.handle")


def test_options_of_the_lock_file_travel_without_credentials_and_the_index_on_no_line() -> None:
    index = IndexOptions(
        index_url="https://me:canary@index.example/simple",
        extra_index_urls=("https://canary@other.example/simple?token=canary",),
        find_links=("https://me:canary@files.example/wheels",),
        trusted_hosts=("other.example",),
        only_binary=("idna",),
        pre=True,
    )
    plan = a_plan(index=index)
    assert texts(plan)["requirements.txt"].splitlines()[:-1] == [
        f"--extra-index-url {OTHER}",
        "--find-links https://files.example/wheels",
        "--trusted-host other.example",
        "--only-binary idna",
        "--pre",
    ]
    assert started(plan)["indexes"] == [INDEX]
    assert not any(b"canary" in content for content in carried(plan, "app.handle").values())


@pytest.mark.parametrize(
    ("indexes", "expected"),
    [((None, None), []), ((OTHER, OTHER), [OTHER]), ((None, OTHER), [OTHER, "-"]), ((INDEX, OTHER), [INDEX, OTHER])],
)
def test_indexes_of_pins_are_asked_and_the_default_one_where_a_pin_names_none(
    indexes: tuple[str | None, ...], expected: list[str]
) -> None:
    pins = [a_pin(name, "1", index=index) for name, index in zip("ab", indexes, strict=True)]
    assert asked_indexes(a_plan(*pins)) == expected


def test_credentials_of_a_pins_index_stay() -> None:
    assert asked_indexes(a_plan(a_pin(index="https://me:canary@other.example/simple"))) == [OTHER]


# What cannot be.


def test_a_path_dependency_stays() -> None:
    lib = a_pin("lib", None, path="./lib", hashes=(), where="uv.lock: lib")
    with pytest.raises(LockFileUnsupportedError) as caught:
        check_travels(a_plan(a_pin(), lib))
    assert caught.value.what == "`lib` is at `./lib`, where a function cannot install it from: uv.lock: lib"
    assert caught.value.hint == 'dependencies="layer"'


@pytest.mark.parametrize(
    "url",
    [
        "https://me:canary@files.example/a-1-py3-none-any.whl",
        "https://files.example/a-1-py3-none-any.whl?signature=canary",
        f"git+https://canary@git.example/a@{'a' * 40}",
    ],
)
@pytest.mark.parametrize("role", ["pins", "constraints"])
def test_a_url_with_credentials_stays(url: str, role: str) -> None:
    given: dict[str, Any] = {"pins": (a_pin("b", None, hashes=()),), role: (a_pin("a", None, url=url),)}
    with pytest.raises(LockFileUnsupportedError) as caught:
        check_travels(LayerPlan(target=TARGET, **given))
    assert "`a` is at a URL with credentials or a query" in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://files.example/a-1-py3-none-any.whl", "git+ssh://git@git.example/a@v1"])
def test_other_urls_travel(url: str) -> None:
    check_travels(a_plan(a_pin("a", None, url=url)))


# Room.


def test_the_room_that_is_needed_is_for_downloads_and_what_they_unzip_to() -> None:
    assert needed_space(a_plan(sized(10_000_000))) == 43_000_000
    assert started(a_plan(sized(10_000_000)))["needs"] == 43_000_000


def test_without_sizes_nobody_knows_the_room_and_nothing_is_refused() -> None:
    assert needed_space(a_plan(sized(None))) is None
    assert "needs" not in started(a_plan(sized(None)))
    check_space(a_plan(sized(None)), 512)


def test_what_finds_no_room_is_refused_with_the_room_that_will_do() -> None:
    plan = a_plan(sized(150_000_000))
    with pytest.raises(InvalidInputError) as caught:
        check_space(plan, 512)
    assert caught.value.what == (
        "the dependencies take about 645 MB in /tmp, downloads and all; the function has 512 MB there"
    )
    assert caught.value.hint == 'ephemeral_storage={"size": 768}, or dependencies="layer"'
    check_space(plan, 768)


# What to know.


def test_the_warning_says_why_it_is_for_development() -> None:
    found = warning(a_plan())
    for part in ("not for production", "each cold start pays", "10 seconds", 'dependencies="layer"'):
        assert part in found


def test_the_warning_names_what_the_runtimes_have_no_tools_for() -> None:
    source = a_pin("slow", files=(File(name="slow-3.11.tar.gz", size=1),))
    found = warning(a_plan(source, CHECKOUT))
    assert "`slow` is built from source at each cold start, and Lambda's runtimes have no compiler" in found
    assert "`lib` is checked out at each cold start, and Lambda's runtimes have no git" in found
