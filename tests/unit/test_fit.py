from __future__ import annotations

import pytest

from python_layer_provider.fit import best_file, fitting_targets
from python_layer_provider.lockfile import File
from python_layer_provider.target import Target

SDIST = "a-1.tar.gz"
PURE = "a-1-py3-none-any.whl"
GLIBC_217 = "a-1-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
GLIBC_228 = "a-1-cp313-cp313-manylinux_2_28_x86_64.whl"
GLIBC_239 = "a-1-cp313-cp313-manylinux_2_39_x86_64.whl"
ABI3 = "a-1-cp39-abi3-manylinux_2_17_x86_64.whl"
MUSL = "a-1-cp313-cp313-musllinux_1_2_x86_64.whl"
ARM = "a-1-cp313-cp313-manylinux_2_28_aarch64.whl"
WINDOWS = "a-1-cp313-cp313-win_amd64.whl"
MAC = "a-1-cp313-cp313-macosx_11_0_arm64.whl"


def best(names: list[str], runtime: str = "python3.13", architecture: str = "x86_64") -> str | None:
    file = best_file([File(name=name) for name in names], Target.of(runtime, architecture))
    return file.name if file else None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([SDIST, PURE], PURE),
        ([PURE, GLIBC_217, GLIBC_228, SDIST], GLIBC_228),
        ([GLIBC_239, GLIBC_217], GLIBC_217),
        ([ABI3, PURE], ABI3),
        ([ABI3, GLIBC_217], GLIBC_217),
        (["a-1-py2.py3-none-any.whl"], "a-1-py2.py3-none-any.whl"),
        (["a-1-1-py3-none-any.whl"], "a-1-1-py3-none-any.whl"),
        ([WINDOWS, MAC, SDIST], SDIST),
        ([GLIBC_239, MUSL, ARM, WINDOWS, MAC], None),
        (["a-1-cp312-cp312-manylinux_2_17_x86_64.whl"], None),
        (["no-wheel.whl"], None),
        ([], None),
    ],
)
def test_the_wheel_that_fits_best_is_taken_else_a_source_distribution(names: list[str], expected: str | None) -> None:
    assert best(names) == expected


def test_glibc_decides_by_runtime_and_not_by_host() -> None:
    wheel = ["a-1-py3-none-manylinux_2_28_x86_64.whl"]
    assert best(wheel, "python3.11") is None
    assert best(wheel, "python3.12") == wheel[0]


def test_the_targets_that_would_fit_are_named() -> None:
    files = [File(name=name) for name in (GLIBC_228, ARM, "a-1-cp311-cp311-manylinux_2_17_x86_64.whl", WINDOWS)]
    assert fitting_targets(files) == ["python3.11 on x86_64", "python3.13"]


def test_wheels_for_windows_fit_no_target() -> None:
    assert fitting_targets([File(name=WINDOWS), File(name="a-1-cp313-cp313-manylinux_2_39_x86_64.whl")]) == []
