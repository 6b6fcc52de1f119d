from __future__ import annotations

import platform
import sys

import pytest
from packaging.markers import Marker, default_environment
from packaging.tags import parse_tag

from python_layer_provider.errors import UnknownArchitectureError, UnknownRuntimeError
from python_layer_provider.target import ARCHITECTURES, RUNTIMES, Target
from tests.unit.helpers import TARGET


def runs(wheel: str, runtime: str = "python3.13", architecture: str = "x86_64") -> bool:
    return bool(parse_tag(wheel) & set(Target.of(runtime, architecture).tags()))


def holds(marker: str, target: Target = TARGET) -> bool:
    environment: dict[str, str] = {**target.marker_environment(), "extra": ""}
    return Marker(marker).evaluate(environment)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_runtime_names_its_python_everywhere(runtime: str, architecture: str) -> None:
    target = Target.of(runtime, architecture)
    assert f"python{target.python}" == runtime
    assert target.python_full.startswith(f"{target.python}.")
    assert holds(f'python_version == "{target.python}"', target)
    assert next(target.tags()).interpreter == f"cp{target.python.replace('.', '')}"
    assert target.image() == f"public.ecr.aws/sam/build-{runtime}:latest-{architecture}"


@pytest.mark.parametrize(
    ("architecture", "machine", "engine", "elf"),
    [("x86_64", "x86_64", "amd64", 62), ("arm64", "aarch64", "arm64", 183)],
)
def test_each_trade_has_its_own_word_for_an_architecture(
    architecture: str, machine: str, engine: str, elf: int
) -> None:
    target = Target.of("python3.13", architecture)
    assert (target.machine, target.engine_architecture, target.elf_machine) == (machine, engine, elf)
    assert holds(f'platform_machine == "{machine}"', target)


@pytest.mark.parametrize("runtime", ["python3.8", "python3.15", "python3", "nodejs22.x", "", "Python3.13"])
def test_an_unknown_runtime_names_the_known_ones(runtime: str) -> None:
    with pytest.raises(UnknownRuntimeError) as caught:
        Target.of(runtime, "x86_64")
    assert f"`{runtime}`" in caught.value.what
    assert all(known in caught.value.hint for known in RUNTIMES)
    assert caught.value.input_name == "runtime"


@pytest.mark.parametrize(("given", "meant"), [("aarch64", "arm64"), ("amd64", "x86_64")])
def test_another_trades_word_for_an_architecture_is_answered_with_lambdas(given: str, meant: str) -> None:
    with pytest.raises(UnknownArchitectureError, match=f'use "{meant}"'):
        Target.of("python3.13", given)


def test_an_unknown_architecture_names_the_known_ones() -> None:
    with pytest.raises(UnknownArchitectureError, match="use one of x86_64, arm64") as caught:
        Target.of("python3.13", "riscv64")
    assert caught.value.input_name == "architecture"


def test_a_runtime_is_judged_before_an_architecture() -> None:
    with pytest.raises(UnknownRuntimeError):
        Target.of("python2.7", "mips")


def test_markers_take_nothing_from_the_host() -> None:
    # What the environment lacks, packaging fills in from the interpreter that runs.
    assert TARGET.marker_environment().keys() == default_environment().keys()


def test_another_host_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = (TARGET.marker_environment(), list(TARGET.tags()))
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "version_info", (3, 99, 0, "final", 0))
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert (TARGET.marker_environment(), list(TARGET.tags())) == before


@pytest.mark.parametrize(
    "marker",
    ['sys_platform == "win32"', 'os_name == "nt"', 'platform_system == "Darwin"', 'implementation_name == "pypy"'],
)
def test_what_is_for_other_systems_does_not_hold(marker: str) -> None:
    assert not holds(marker)


@pytest.mark.parametrize("marker", ['platform_release >= "5"', 'platform_version == "x"'])
def test_a_marker_on_the_kernel_does_not_hold(marker: str) -> None:
    assert not holds(marker)


@pytest.mark.parametrize(
    ("runtime", "newest"),
    [
        ("python3.9", 26),
        ("python3.10", 26),
        ("python3.11", 26),
        ("python3.12", 34),
        ("python3.13", 34),
        ("python3.14", 34),
    ],
)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_wheel_may_need_the_runtimes_glibc_and_no_newer_one(runtime: str, newest: int, architecture: str) -> None:
    target = Target.of(runtime, architecture)
    tag = f"cp{target.python.replace('.', '')}-cp{target.python.replace('.', '')}"
    assert runs(f"{tag}-manylinux_2_{newest}_{target.machine}", runtime, architecture)
    assert not runs(f"{tag}-manylinux_2_{newest + 1}_{target.machine}", runtime, architecture)


@pytest.mark.parametrize(
    "wheel",
    [
        "py3-none-any",
        "py2.py3-none-any",
        "py313-none-any",
        "cp313-cp313-manylinux2014_x86_64",
        "cp313-cp313-manylinux1_x86_64",
        "cp313-cp313-linux_x86_64",
        "cp38-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp313-abi3-manylinux_2_28_x86_64",
        "cp313-none-any",
        "py3-none-manylinux_2_17_x86_64",
    ],
)
def test_a_wheel_for_the_target_runs(wheel: str) -> None:
    assert runs(wheel)


@pytest.mark.parametrize(
    "wheel",
    [
        "cp312-cp312-manylinux2014_x86_64",
        "cp313-cp313t-manylinux2014_x86_64",
        "cp314-abi3-manylinux2014_x86_64",
        "cp313-cp313-manylinux2014_aarch64",
        "cp313-cp313-musllinux_1_2_x86_64",
        "cp313-cp313-win_amd64",
        "cp313-cp313-macosx_11_0_x86_64",
        "pp310-pypy310_pp73-manylinux2014_x86_64",
        "py2-none-any",
        "py314-none-any",
    ],
)
def test_a_wheel_for_another_target_does_not_run(wheel: str) -> None:
    assert not runs(wheel)


def test_manylinux_on_arm_begins_with_2014() -> None:
    assert runs("cp313-cp313-manylinux2014_aarch64", architecture="arm64")
    assert not runs("cp313-cp313-manylinux_2_12_aarch64", architecture="arm64")


def test_the_best_wheel_comes_first() -> None:
    tags = [str(tag) for tag in TARGET.tags()]
    best = ["cp313-cp313-manylinux_2_34_x86_64", "cp313-abi3-manylinux_2_34_x86_64", "py3-none-any"]
    assert [tag for tag in tags if tag in best] == best
    assert len(tags) == len(set(tags))


def test_a_template_names_the_image() -> None:
    image = Target.of("python3.12", "arm64").image("mirror.corp:5000/{architecture}/py{python}@sha256:0{x}")
    assert image == "mirror.corp:5000/arm64/py3.12@sha256:0{x}"
