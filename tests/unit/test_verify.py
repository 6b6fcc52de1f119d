from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pytest
from packaging.utils import canonicalize_name

from python_layer_provider.errors import (
    EmptyTreeError,
    HostileTreeError,
    LayerTooLargeError,
    WrongArchitectureError,
    WrongPythonError,
)
from python_layer_provider.limits import FILES_LIMIT, UNZIPPED_LIMIT
from python_layer_provider.target import Target
from python_layer_provider.tree import Member
from python_layer_provider.verify import Verification
from tests.unit.helpers import TARGET, a_member

ARM = Target.of("python3.13", "arm64")


def verified(*members: Member, target: Target = TARGET) -> Verification:
    verification = Verification(target=target)
    assert list(verification.checked(members)) == list(members)
    return verification


def elf(machine: int, *, big_endian: bool = False) -> Member:
    """A shared object for a machine, as far as its header goes."""
    number = machine.to_bytes(2, "big" if big_endian else "little")
    header = b"\x7fELF\x02" + (b"\x02" if big_endian else b"\x01") + bytes(12) + number
    return a_member("python/pkg/_c.so", header)


def wheel(*tags: str) -> Member:
    lines = ["Wheel-Version: 1.0", "Root-Is-Purelib: false", *(f"Tag: {tag}" for tag in tags)]
    return a_member("python/pkg-1.dist-info/WHEEL", "\n".join(lines).encode())


def metadata(*lines: str, name: str = "pkg") -> Member:
    text = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *lines])
    return a_member(f"python/{name}-1.0.dist-info/METADATA", text.encode())


# Sizes.


def test_members_pass_and_are_counted() -> None:
    found = verified(a_member(size=3), a_member("python/b.py", size=4))
    assert (found.files, found.unpacked_size) == (2, 7)


def test_an_empty_tree_is_an_error() -> None:
    with pytest.raises(EmptyTreeError, match="the layer would be empty"):
        verified()


def test_a_layer_may_be_as_large_as_lambda_takes_it() -> None:
    assert UNZIPPED_LIMIT == 262_144_000
    assert verified(a_member(size=UNZIPPED_LIMIT)).unpacked_size == UNZIPPED_LIMIT


def test_a_layer_over_the_limit_is_added_up_to_its_end() -> None:
    members = [
        a_member("python/torch/lib.so", size=200_000_000),
        a_member("python/numpy/core.so", size=60_000_000),
        a_member("python/torch/more.so", size=100_000_000),
        a_member("python/six.py", size=1_000),
    ]
    with pytest.raises(LayerTooLargeError, match=r"The layer is 360\.0 MB unzipped; Lambda takes 262\.1 MB") as caught:
        list(Verification(target=TARGET).checked(members))
    assert caught.value.detail == "   300.0 MB  torch\n    60.0 MB  numpy\n     0.0 MB  six.py"


def test_nothing_past_the_limit_is_handed_on() -> None:
    handed_on = Verification(target=TARGET).checked([a_member(), a_member("python/b", size=UNZIPPED_LIMIT + 1)])
    assert next(handed_on).path == "python/a.py"
    with pytest.raises(LayerTooLargeError):
        next(handed_on)


def endless(*, size: int) -> Iterator[Member]:
    """A hostile tree that never ends."""
    number = 0
    while True:
        number += 1
        yield a_member(f"python/{number % 100_000}", size=size)


@pytest.mark.parametrize(("size", "error"), [(UNZIPPED_LIMIT, LayerTooLargeError), (0, HostileTreeError)])
def test_a_tree_without_end_is_given_up(size: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        deque(Verification(target=TARGET).checked(endless(size=size)), maxlen=0)


def test_more_files_than_a_zip_can_have_are_refused() -> None:
    member = a_member()
    assert verified(*[member] * FILES_LIMIT).files == 65_535
    with pytest.raises(HostileTreeError, match="more than 65,535 files"):
        verified(*[member] * (FILES_LIMIT + 1))


# Machines.


@pytest.mark.parametrize(("target", "machine"), [(TARGET, 62), (ARM, 183)])
def test_what_is_compiled_for_the_target_passes(target: Target, machine: int) -> None:
    assert verified(elf(machine), target=target).files == 1


@pytest.mark.parametrize(
    ("target", "member", "name"),
    [
        (TARGET, elf(183), "arm64"),
        (ARM, elf(62), "x86_64"),
        (TARGET, elf(3), "ELF machine 3"),
        (TARGET, elf(22, big_endian=True), "ELF machine 22"),
        (TARGET, a_member("python/pkg/_c.so", b"\x7fELF"), "ELF machine 0"),
    ],
)
def test_what_is_compiled_for_another_machine_is_refused(target: Target, member: Member, name: str) -> None:
    with pytest.raises(WrongArchitectureError) as caught:
        verified(member, target=target)
    assert caught.value.what == (f"`python/pkg/_c.so` is compiled for {name}, the layer is for {target.architecture}")


@pytest.mark.parametrize("content", [b"", b"\x7fEL", b"MZ\x90", b"#!/usr/bin/python\n", b"x\x7fELF"])
def test_what_is_not_elf_is_for_every_machine(content: bytes) -> None:
    assert verified(a_member("python/pkg/data", content)).files == 1


# Pythons.


@pytest.mark.parametrize(
    "tags",
    [
        ["py3-none-any"],
        ["py2-none-any", "py3-none-any"],
        ["cp313-cp313-manylinux_2_17_x86_64"],
        ["cp313-cp313-linux_aarch64"],
        ["cp38-abi3-manylinux2014_x86_64"],
        [],
    ],
)
def test_a_wheel_for_the_targets_python_passes(tags: list[str]) -> None:
    assert verified(wheel(*tags)).files == 1


def test_a_wheel_for_another_python_is_refused() -> None:
    with pytest.raises(WrongPythonError) as caught:
        verified(wheel("cp312-cp312-manylinux2014_x86_64", "cp312-cp312-linux_x86_64"))
    assert caught.value.what == "`pkg-1` is a wheel for cp312-cp312, the layer is for python3.13"


@pytest.mark.parametrize("tag", ["garbage", "", "py3-none", "a-b-c-d"])
def test_a_tag_that_cannot_be_read_is_left_out(tag: str) -> None:
    assert verified(wheel(tag, "py3-none-any")).files == 1


def test_only_the_metadata_of_an_install_counts() -> None:
    text = b"Tag: cp27-cp27-any\n"
    for path in ("python/pkg/x.dist-info/WHEEL", "python/WHEEL", "python/pkg.egg-info/WHEEL"):
        assert verified(a_member(path, text)).files == 1


# Distributions.


def test_the_installed_distributions_are_known_by_name_and_version() -> None:
    found = verified(metadata(name="Foo_Bar.baz"), metadata(name="idna"))
    assert found.packages == {"foo-bar-baz": "1.0", "idna": "1.0"}


def test_a_requirement_that_is_not_installed_is_missing() -> None:
    found = verified(metadata("Requires-Dist: IDNA>=2", "Requires-Dist: Six", name="requests"), metadata(name="idna"))
    assert found.missing() == ["`requests` needs `Six`"]


def left_to_the_runtime(*members: Member) -> Verification:
    found = Verification(target=TARGET, omitted=[canonicalize_name(name) for name in ("botocore", "urllib3")])
    list(found.checked(members))
    return found


def test_what_is_left_to_the_runtime_is_not_missing() -> None:
    found = left_to_the_runtime(metadata("Requires-Dist: botocore", "Requires-Dist: six", name="app"))
    assert found.missing() == ["`app` needs `six`"]


@pytest.mark.parametrize("bound", ["<1.41,>=1.40", "==1.40.*", "~=1.40", "===1.40"])
def test_a_bound_that_the_runtimes_version_may_outgrow_is_told(bound: str) -> None:
    found = left_to_the_runtime(metadata(f"Requires-Dist: botocore{bound}", name="aiobotocore"))
    assert found.bounded() == [f"`aiobotocore` needs `botocore{bound}`"]


@pytest.mark.parametrize("line", ["botocore>=1.40", "botocore", "botocore!=1.40", "urllib3<3", "s3transfer<1"])
def test_other_bounds_are_not_told(line: str) -> None:
    assert left_to_the_runtime(metadata(f"Requires-Dist: {line}")).bounded() == []


@pytest.mark.parametrize(
    "line",
    [
        'six; sys_platform == "win32"',
        'six; python_version < "3.8"',
        'six; extra == "dev"',
        "this (does not) parse !",
        "pkg[all]",
    ],
)
def test_what_is_not_needed_on_the_target_is_not_missing(line: str) -> None:
    assert verified(metadata(f"Requires-Dist: {line}")).missing() == []


@pytest.mark.parametrize("marker", ['os_name ~= "posix"', '"x" in extras'])
def test_a_requirement_with_a_marker_that_cannot_be_evaluated_is_left_out(marker: str) -> None:
    assert verified(metadata(f"Requires-Dist: six; {marker}")).missing() == []


def test_a_description_is_no_metadata() -> None:
    assert verified(metadata("", "Requires-Dist: six", "Name: other")).missing() == []


def test_metadata_may_be_no_utf_8() -> None:
    assert verified(a_member("python/pkg-1.dist-info/METADATA", b"Name: pkg\nVersion: \xff\n")).packages.keys() == {
        "pkg"
    }
