"""Distributions that no index has: pure, compiled, source only, with extras and markers; all of it made up here.

They are made anew for each run, to the last byte the same, so that hashes in committed lock files stay true.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_PYTHONS = ("cp39", "cp310", "cp311", "cp312", "cp313", "cp314")
_MACHINES = ("x86_64", "aarch64")
_WHEN = (2025, 1, 1, 0, 0, 0)
# The least that a build backend is: no tool asks it for more than metadata.
_BACKEND = """\
import pathlib


def prepare_metadata_for_build_wheel(folder, config_settings=None):
    text = pathlib.Path("PKG-INFO").read_text()
    name, version = (line.split(": ")[1] for line in text.splitlines()[1:3])
    info = pathlib.Path(folder, f"{name.replace('-', '_')}-{version}.dist-info")
    info.mkdir()
    (info / "METADATA").write_text(text)
    (info / "WHEEL").write_text("Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    return info.name


def build_wheel(folder, config_settings=None, metadata_directory=None):
    raise NotImplementedError
"""
_PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@dataclass(frozen=True, kw_only=True)
class Release:
    """A version of a distribution: what its metadata says and which files an index has of it."""

    name: str
    version: str = "1.0"
    needs: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    python: str = ">=3.9"
    wheels: tuple[str, ...] = ("py3-none-any",)
    """The wheels' compatibility tags."""
    source: bool = False
    """Whether there is a source distribution."""

    @property
    def metadata(self) -> str:
        """The text of METADATA and of PKG-INFO."""
        lines = ["Metadata-Version: 2.2", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Requires-Python: {self.python}", *(f"Requires-Dist: {need}" for need in self.needs)]
        for extra, needs in self.extras.items():
            lines += [f"Provides-Extra: {extra}", *(_with_extra(need, extra) for need in needs)]
        return "\n".join([*lines, ""])

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of each file."""
        stem = f"{self.name.lower().replace('-', '_').replace('.', '_')}-{self.version}"
        for tag in self.wheels:
            yield f"{stem}-{tag}.whl", self._wheel(stem, tag)
        if self.source:
            yield f"{stem}.tar.gz", self._source(stem)

    def _wheel(self, stem: str, tag: str) -> bytes:
        info = f"{stem}.dist-info"
        said = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
        members = {f"{stem.partition('-')[0]}.py": "", f"{info}/METADATA": self.metadata, f"{info}/WHEEL": said}
        record = "".join(f"{path},,\n" for path in [*members, f"{info}/RECORD"])
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as wheel:
            for path, text in {**members, f"{info}/RECORD": record}.items():
                wheel.writestr(zipfile.ZipInfo(path, _WHEN), text)
        return stream.getvalue()

    def _source(self, stem: str) -> bytes:
        stream = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=0, filename="", mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for path, text in self.source_tree().items():
                info = tarfile.TarInfo(f"{stem}/{path}")
                info.size = len(text.encode())
                tar.addfile(info, io.BytesIO(text.encode()))
        return stream.getvalue()

    def source_tree(self) -> dict[str, str]:
        """The files of the source distribution, from which metadata can be had without any other distribution."""
        return {"PKG-INFO": self.metadata, "backend.py": _BACKEND, "pyproject.toml": _PROJECT}


def _with_extra(need: str, extra: str) -> str:
    requirement, _, marker = need.partition(" ; ")
    where = f"({marker}) and extra == '{extra}'" if marker else f"extra == '{extra}'"
    return f"Requires-Dist: {requirement} ; {where}"


def _linux(pythons: Sequence[str], platform: str, machines: Sequence[str] = _MACHINES) -> tuple[str, ...]:
    return tuple(f"{python}-{python}-{platform}_{machine}" for python in pythons for machine in machines)


_ELSEWHERE = ("cp313-cp313-win_amd64", "cp313-cp313-macosx_11_0_arm64", "cp313-cp313-musllinux_1_2_x86_64")

PUBLIC = (
    Release(name="plain"),
    Release(name="leaf", source=True),
    Release(name="other-leaf"),
    # Markers.
    Release(name="backport", python=">=3.9,<3.11"),
    Release(name="on-windows", wheels=("py3-none-win_amd64",)),
    Release(name="on-arm", wheels=("py3-none-manylinux2014_aarch64",)),
    Release(name="on-x86", wheels=("py3-none-manylinux2014_x86_64",)),
    Release(
        name="by-marker",
        needs=(
            "backport ; python_version < '3.11'",
            "leaf ; python_version >= '3.12' and python_version < '3.14'",
            "on-windows ; sys_platform == 'win32'",
            "on-arm ; platform_machine == 'aarch64'",
            "on-x86 ; platform_machine == 'x86_64' and sys_platform == 'linux'",
            "never ; implementation_name == 'pypy'",
        ),
    ),
    Release(name="never"),
    # Two names of one distribution, and a ring.
    Release(name="Mixed.Case-Name", needs=("ring-a",)),
    Release(name="ring-a", needs=("ring-b",)),
    Release(name="ring-b", needs=("ring-a", "other-leaf ; python_version >= '3.10'")),
    # Versions that are not just two numbers.
    Release(name="odd-version", version="1!2.0.post1"),
    # Versions of which each is for some Pythons.
    Release(name="forked", version="1.0", python=">=3.9,<3.12", needs=("leaf",)),
    Release(name="forked", version="2.0", python=">=3.12", needs=("other-leaf",)),
    Release(name="split", version="1.0", needs=("plain ; python_version < '3.13'",)),
    Release(name="split", version="2.0"),
    # Compiled ones.
    Release(
        name="native",
        version="2.1",
        wheels=(*_linux(_PYTHONS, "manylinux_2_17"), *_linux(("cp313",), "manylinux_2_28"), *_ELSEWHERE),
        source=True,
    ),
    Release(
        name="stable-abi",
        wheels=("cp39-abi3-manylinux2014_x86_64", "cp39-abi3-manylinux2014_aarch64", "cp39-abi3-win_amd64"),
    ),
    Release(name="source-only", wheels=(), source=True, needs=("plain",)),
    # Two of a kind: the compiled wheel is better than the pure one.
    Release(name="sped-up", wheels=("py2.py3-none-any", *_linux(("cp312", "cp313"), "manylinux_2_17", ("x86_64",)))),
    # Wheels that some targets cannot load.
    Release(name="new-glibc", wheels=_linux(_PYTHONS, "manylinux_2_28")),
    Release(name="newest-glibc", wheels=_linux(_PYTHONS, "manylinux_2_38")),
    Release(name="only-windows", wheels=tuple(f"{python}-{python}-win_amd64" for python in _PYTHONS)),
    Release(name="only-musl", wheels=_linux(_PYTHONS, "musllinux_1_2")),
    Release(name="only-x86", wheels=("cp39-abi3-manylinux2014_x86_64",)),
    Release(name="only-cp312", wheels=_linux(("cp312",), "manylinux_2_17")),
    # Extras of distributions.
    Release(
        name="with-extras",
        version="3.0",
        needs=("leaf",),
        extras={
            "fast": ("native",),
            "old": ("backport ; python_version < '3.11'", "plain ; python_version >= '3.11'"),
            "all": ("with-extras[fast]", "other-leaf"),
            "unused": ("never",),
        },
    ),
    Release(name="needs-extra", needs=("with-extras[old] ; platform_machine == 'aarch64'", "with-extras")),
    # Groups.
    Release(name="docs-tool", needs=("plain",)),
    Release(name="test-tool", version="2.0", needs=("leaf", "backport ; python_version < '3.11'")),
    Release(name="linter"),
)
PRIVATE = (
    Release(name="inhouse", version="4.2", needs=("leaf",), source=True),
    # A name that the public index has too, for what no other should be able to slip in.
    Release(name="plain", version="1.0+inhouse"),
)
DIRECT = Release(name="by-url", needs=("leaf",))
BY_GIT = Release(name="by-git", needs=("other-leaf",))
BY_PATH = Release(name="by-path", needs=("plain ; python_version < '3.12'",))
BY_WHEEL = Release(name="by-wheel", needs=("odd-version",))


@dataclass(frozen=True)
class Served:
    """A file as an index lists it."""

    name: str
    content: bytes
    python: str

    @property
    def sha256(self) -> str:
        """The file's hash, as lock files write it."""
        return hashlib.sha256(self.content).hexdigest()


def listed(releases: Sequence[Release]) -> dict[str, list[Served]]:
    """The files of an index: normalised name to files."""
    found: dict[str, list[Served]] = {}
    for release in releases:
        files = found.setdefault(release.name.lower().replace(".", "-"), [])
        files.extend(Served(name, content, release.python) for name, content in release.files())
    return found
