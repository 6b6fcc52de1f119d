from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from python_layer_provider.lifecycle import Versions

NOBODY: frozenset[str] = frozenset()


def arn(number: int, region: str = "eu-west-1") -> str:
    return f"arn:aws:lambda:{region}:123456789012:layer:deps:{number}"


def versions(current: int, *retained: int) -> Versions:
    return Versions(current={"eu-west-1": arn(current)}, retained=tuple(map(arn, retained)))


def after(
    standing: Versions, number: int, keep: int, *, let_go: bool = False, used: frozenset[str] = NOBODY
) -> Versions:
    current = {"eu-west-1": arn(number)}
    return Versions(current=current, retained=standing.replaced(current, keep, let_go=let_go, used=used))


def test_a_state_of_an_earlier_release_has_one_version() -> None:
    assert Versions.of({"arn": arn(3)}) == versions(3)


def test_a_state_whose_version_was_deleted_by_hand_has_none() -> None:
    found = Versions.of({"arn": arn(3), "arns": {}, "retained_arns": [arn(2)]})
    assert (found.current, found.known) == ({}, (arn(2),))


def test_nothing_is_kept_where_nothing_was_asked_for() -> None:
    standing = versions(3)
    successor = after(standing, 4, 0)
    assert successor == versions(4)
    assert standing.outdated(successor, 0) == (arn(3),)


def test_the_newest_earlier_versions_are_kept() -> None:
    standing = versions(3, 2, 1)
    successor = after(standing, 4, 2)
    assert successor == versions(4, 3, 2)
    assert standing.outdated(successor, 2) == (arn(1),)


def test_versions_are_counted_in_each_region() -> None:
    here, there = arn(3), arn(7, "us-east-1")
    standing = Versions(current={"eu-west-1": here, "us-east-1": there})
    regions = ("eu-west-1", "us-east-1")
    assert standing.replaced(regions, 1, let_go=False, used=NOBODY) == (here, there)


def test_versions_go_with_their_region() -> None:
    here, there = arn(3), arn(7, "us-east-1")
    standing = Versions(current={"eu-west-1": here, "us-east-1": there}, retained=(arn(2), arn(6, "us-east-1")))
    assert standing.replaced(["eu-west-1"], 5, let_go=False, used=NOBODY) == (here, arn(2))


def test_versions_that_stay_for_good_are_nobodys() -> None:
    assert after(versions(3, 2), 4, 5, let_go=True) == versions(4, 2)


def test_a_version_that_a_function_uses_is_remembered_whatever_is_kept() -> None:
    standing = versions(3, 2, 1)
    successor = after(standing, 4, 0, used=frozenset({arn(1), arn(3)}))
    assert successor == versions(4, 3, 1)
    # Whether it goes is decided once functions have moved on.
    assert standing.outdated(successor, 0) == (arn(3), arn(2), arn(1))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_no_version_is_forgotten_and_no_current_one_goes(keeps: list[int]) -> None:
    standing, there = versions(0), {arn(0)}
    for number, keep in enumerate(keeps, start=1):
        successor = after(standing, number, keep)
        outdated = set(standing.outdated(successor, keep))
        there = (there | {arn(number)}) - outdated
        assert arn(number) not in outdated
        assert there == set(successor.known)
        assert len(successor.retained) <= keep
        standing = successor
