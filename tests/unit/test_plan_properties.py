from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from python_layer_provider.lockfile import IndexOptions, Pin
from python_layer_provider.plan import LayerPlan, make_plan
from python_layer_provider.target import ARCHITECTURES, RUNTIMES, Target
from tests.unit.helpers import TARGET, a_lockfile, a_pin, a_plan

WORD = st.from_regex(r"[a-z][a-z0-9]{0,7}", fullmatch=True)
WORDS = st.lists(WORD, unique=True, max_size=3).map(lambda words: tuple(sorted(words)))
TEXT = st.text(min_size=1, max_size=12)
VERSION = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}", fullmatch=True)
DIGESTS = st.lists(st.integers(0, 9).map(lambda n: f"sha256:{n:064x}"), unique=True, max_size=3)
HASHES = DIGESTS.map(lambda hashes: tuple(sorted(hashes)))
TARGETS = st.builds(Target.of, st.sampled_from(RUNTIMES), st.sampled_from(ARCHITECTURES))
PINS = st.builds(
    Pin,
    name=WORD.map(canonicalize_name),
    version=st.none() | VERSION,
    specifier=st.just("") | VERSION.map(lambda version: f"=={version}"),
    url=st.none() | WORD.map(lambda word: f"https://user:{word}@host/{word}.zip"),
    extras=WORDS,
    hashes=HASHES,
    config_settings=st.lists(TEXT, max_size=2).map(tuple),
    where=st.just("") | TEXT,
)
INDEXES = st.builds(
    IndexOptions,
    index_url=st.none() | TEXT,
    extra_index_urls=WORDS,
    find_links=WORDS,
    trusted_hosts=WORDS,
    no_index=st.booleans(),
    pre=st.booleans(),
    prefer_binary=st.booleans(),
    require_hashes=st.booleans(),
    no_binary=WORDS,
    only_binary=WORDS,
)
PLANS = st.builds(
    LayerPlan,
    target=TARGETS,
    pins=st.lists(PINS, min_size=1, max_size=4).map(tuple),
    constraints=st.lists(PINS, max_size=2).map(tuple),
    index=INDEXES,
    image=st.none() | TEXT,
)
LOCKED = st.lists(
    st.builds(a_pin, WORD, VERSION, hashes=HASHES, extras=WORDS), min_size=1, max_size=6, unique_by=lambda pin: pin.name
)
# So few that two draws are often alike.
FEW = st.lists(
    st.builds(a_pin, st.sampled_from("ab"), st.sampled_from("12")),
    min_size=1,
    max_size=2,
    unique_by=lambda pin: pin.name,
)


@given(PLANS)
def test_every_plan_survives_as_text(plan: LayerPlan) -> None:
    again = LayerPlan.from_json(plan.to_json())
    assert (again, again.content_hash()) == (plan, plan.content_hash())


@given(LOCKED.flatmap(lambda pins: st.tuples(st.just(pins), st.permutations(pins))))
def test_the_order_of_lines_never_matters(orders: tuple[list[Pin], list[Pin]]) -> None:
    one, other = (make_plan(a_lockfile(*pins), TARGET) for pins in orders)
    assert one == other


@given(LOCKED)
def test_saying_all_twice_never_matters(pins: list[Pin]) -> None:
    assert make_plan(a_lockfile(*pins, *pins), TARGET) == make_plan(a_lockfile(*pins), TARGET)


@given(FEW, FEW)
def test_two_plans_have_one_hash_if_and_only_if_they_install_the_same(pins: list[Pin], others: list[Pin]) -> None:
    one, other = make_plan(a_lockfile(*pins), TARGET), make_plan(a_lockfile(*others), TARGET)
    assert (one.content_hash() == other.content_hash()) is (one.packages == other.packages)


@given(LOCKED, st.data())
def test_another_version_of_any_pin_moves_the_hash(pins: list[Pin], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(pins) - 1))
    moved = [replace(pin, version="9.9.9.9") if i == number else pin for i, pin in enumerate(pins)]
    assert make_plan(a_lockfile(*moved), TARGET).content_hash() != make_plan(a_lockfile(*pins), TARGET).content_hash()


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_a_password_is_secret_as_it_stands_and_decoded(user: str, password: str) -> None:
    url = f"https://{quote(user, safe='')}:{quote(password, safe='')}@host/simple"
    plan = a_plan(a_pin(version=None, url=url))
    assert {password, quote(password, safe="")} <= {*plan.secrets, "git"}
    assert plan.packages == {"idna": "https://host/simple"}


@given(PLANS, WORD)
def test_credentials_never_move_the_hash(plan: LayerPlan, token: str) -> None:
    pins = [replace(pin, url=pin.url and f"https://{token}@{pin.url.partition('@')[2]}") for pin in plan.pins]
    assert replace(plan, pins=tuple(pins)).content_hash() == plan.content_hash()
