from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from python_layer_provider.changes import package_changes

PACKAGES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"))


def told(olds: dict[str, str], news: dict[str, str]) -> str:
    return ", ".join(map(str, package_changes(olds, news)))


def test_other_versions_come_first_then_what_is_new_then_what_goes() -> None:
    olds = {"urllib3": "2.2.1", "six": "1.17.0", "idna": "3.10", "certifi": "2025"}
    news = {"urllib3": "2.5.0", "idna": "3.11", "certifi": "2025", "attrs": "25"}
    assert told(olds, news) == "idna 3.10 -> 3.11, urllib3 2.2.1 -> 2.5.0, + attrs 25, - six 1.17.0"


@given(PACKAGES, PACKAGES)
def test_each_change_is_told_once(olds: dict[str, str], news: dict[str, str]) -> None:
    changed = [change.name for change in package_changes(olds, news)]
    assert sorted(changed) == sorted({name for name, _ in olds.items() ^ news.items()})
