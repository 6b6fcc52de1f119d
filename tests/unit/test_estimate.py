from __future__ import annotations

from python_layer_provider.estimate import estimated_size, size_line, size_warnings
from python_layer_provider.lockfile import File, Pin
from tests.unit.helpers import a_pin, a_plan

MB = 1_000_000


def weighing(name: str, size: int | None) -> Pin:
    return a_pin(name, files=(File(name=f"{name}-1-py3-none-any.whl", size=size),))


def test_the_estimate_is_the_sum_of_the_files_times_what_they_unzip_to() -> None:
    plan = a_plan(weighing("numpy", 20 * MB), weighing("pandas", 12 * MB))
    assert estimated_size(plan) == round(32 * MB * 3.3)
    assert size_line(plan) == "about 106 MB of 262 MB unzipped"


def test_there_is_no_estimate_where_one_size_is_not_told() -> None:
    for unknown in (weighing("six", None), a_pin("six")):
        plan = a_plan(weighing("numpy", 90 * MB), unknown)
        assert estimated_size(plan) is None
        assert size_line(plan) == ""
        assert list(size_warnings(plan)) == []


def test_nothing_is_warned_of_below_80_percent_and_50_mb() -> None:
    assert list(size_warnings(a_plan(weighing("numpy", 50 * MB)))) == []


def test_what_comes_close_to_the_limit_is_warned_of_with_the_largest_packages() -> None:
    plan = a_plan(*(weighing(f"p{size}", size * MB) for size in (40, 3, 2, 1, 20, 4)))
    unzipped, zipped = size_warnings(plan)
    assert unzipped.startswith("The layer will take about 231 MB unzipped, 88% of what Lambda allows")
    assert [line.split()[-1] for line in unzipped.splitlines()[1:-1]] == ["p40", "p20", "p4", "p3", "p2"]
    assert zipped.startswith("The layer will take about 70 MB zipped, and Lambda takes 52 MB in a direct upload")
    assert all(warning.splitlines()[-1].startswith("hint: ") for warning in (unzipped, zipped))
