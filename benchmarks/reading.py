"""How long a preview takes to read 500 pins, select and hash them; beside it what the syntax alone takes."""

import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import rtoml
from rich.table import Table

from python_layer_provider.lockfile import read_lockfile
from python_layer_provider.plan import make_plan
from python_layer_provider.target import Target

_PINS = 500
# As in real lock files: half of the distributions are pure, the others have wheels for many Pythons and platforms.
_PLATFORMS = ("manylinux_2_17_x86_64.manylinux2014_x86_64", "manylinux_2_17_aarch64.manylinux2014_aarch64", "win_amd64")
_PYTHONS = ("cp310", "cp311", "cp312", "cp313", "cp314")
_TAGS = [f"{python}-{python}-{platform}" for python in _PYTHONS for platform in _PLATFORMS]
_TARGET = Target.of("python3.13", "x86_64")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The reading of one format."""

    name: str
    size: int
    """Bytes of the lock file."""
    ours: float
    """Seconds from text to content hash."""
    syntax: float
    """Seconds for TOML or JSON alone, by the parsers that we use; for a requirements file, for its lines."""


@dataclass(frozen=True)
class _Distribution:
    name: str
    files: tuple[tuple[str, str], ...]
    """Name and hash."""
    needs: tuple[str, ...]


def readings(runs: int) -> Iterator[Reading]:
    """Read a lock file of each format, the median of so many runs."""
    distributions = list(_distributions())
    with tempfile.TemporaryDirectory() as folder:
        for name, (written, parsed) in _FORMATS.items():
            path = Path(folder, name)
            path.write_text(written(distributions))
            text = path.read_text()
            yield Reading(
                name=name,
                size=len(text),
                ours=_median(runs, partial(_content_hash, path)),
                syntax=_median(runs, partial(parsed, text)),
            )


def table(found: list[Reading]) -> Table:
    """The readings for a terminal."""
    shown = Table("lock file", title=f"{_PINS} pins: from text to content hash")
    for column in ("size, kB", "ours, ms", "syntax alone, ms", "ratio"):
        shown.add_column(column, justify="right")
    for one in found:
        figures = (one.size / 1e3, one.ours * 1e3, one.syntax * 1e3)
        shown.add_row(one.name, *(f"{figure:.0f}" for figure in figures), f"{one.ours / one.syntax:.2f}")
    return shown


def _content_hash(path: Path) -> str:
    return make_plan(read_lockfile(path.name, base=path.parent, environ={}), _TARGET).content_hash()


def _median(runs: int, work: Callable[[], object]) -> float:
    return statistics.median(_seconds(work) for _ in range(runs))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _distributions() -> Iterator[_Distribution]:
    chance = random.Random(0)  # noqa: S311 (the same lock files each time, nothing secret)
    for number in range(_PINS):
        name = f"dist-{number}"
        tags = ["py3-none-any"] if number % 2 else _TAGS
        names = [f"dist_{number}-1.{number}.tar.gz", *(f"dist_{number}-1.{number}-{tag}.whl" for tag in tags)]
        files = tuple((name, f"sha256:{chance.randbytes(32).hex()}") for name in names)
        needs = tuple(f"dist-{other}" for other in range(number + 1, min(number + 4, _PINS)))
        yield _Distribution(name, files, needs)


def _version(distribution: _Distribution) -> str:
    return f"1.{distribution.name.removeprefix('dist-')}"


def _uv(distributions: list[_Distribution]) -> str:
    blocks = ['version = 1\nrequires-python = ">=3.10"\n', _uv_package("app", "0", 'virtual = "."', ["dist-0"])]
    for one in distributions:
        entries = [
            f'{{ url = "https://files.example/packages/{name}", hash = "{digest}", size = 123456 }}'
            for name, digest in one.files
        ]
        wheels = "".join(f"    {entry},\n" for entry in entries[1:])
        head = _uv_package(one.name, _version(one), 'registry = "https://index.example/simple"', one.needs)
        blocks.append(f"{head}sdist = {entries[0]}\nwheels = [\n{wheels}]\n")
    return "\n".join(blocks)


def _uv_package(name: str, version: str, source: str, needs: list[str] | tuple[str, ...]) -> str:
    edges = "".join(f'    {{ name = "{need}" }},\n' for need in needs)
    head = f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ {source} }}\n'
    return f"{head}dependencies = [\n{edges}]\n"


def _poetry(distributions: list[_Distribution]) -> str:
    blocks = []
    for one in distributions:
        files = "".join(f'    {{file = "{name}", hash = "{digest}"}},\n' for name, digest in one.files)
        needs = "".join(f'{need} = "*"\n' for need in one.needs)
        blocks.append(
            f'[[package]]\nname = "{one.name}"\nversion = "{_version(one)}"\ndescription = ""\noptional = false\n'
            f'python-versions = ">=3.9"\ngroups = ["main"]\nfiles = [\n{files}]\n\n[package.dependencies]\n{needs}'
        )
    blocks.append('[metadata]\nlock-version = "2.1"\npython-versions = ">=3.10"\ncontent-hash = "unknown"\n')
    return "\n".join(blocks)


def _pylock(distributions: list[_Distribution]) -> str:
    blocks = ['lock-version = "1.0"\ncreated-by = "benchmark"\nrequires-python = ">=3.10"\n']
    for one in distributions:
        entries = [
            f'{{ name = "{name}", url = "https://files.example/packages/{name}", size = 123456, '
            f'hashes = {{ sha256 = "{digest.removeprefix("sha256:")}" }} }}'
            for name, digest in one.files
        ]
        wheels = "".join(f"    {entry},\n" for entry in entries[1:])
        head = (
            f'[[packages]]\nname = "{one.name}"\nversion = "{_version(one)}"\nindex = "https://index.example/simple"\n'
        )
        blocks.append(f"{head}sdist = {entries[0]}\nwheels = [\n{wheels}]\n")
    return "\n".join(blocks)


def _pipfile(distributions: list[_Distribution]) -> str:
    entries = {
        one.name: {
            "hashes": [digest for _, digest in one.files],
            "index": "main",
            "markers": "python_version >= '3.9'",
            "version": f"=={_version(one)}",
        }
        for one in distributions
    }
    sources = [{"name": "main", "url": "https://index.example/simple", "verify_ssl": True}]
    meta = {"hash": {"sha256": "unknown"}, "pipfile-spec": 6, "requires": {}, "sources": sources}
    return json.dumps({"_meta": meta, "default": entries, "develop": {}}, indent=4)


def _requirements(distributions: list[_Distribution]) -> str:
    blocks = []
    for one in distributions:
        hashes = " \\\n".join(f"    --hash={digest}" for _, digest in one.files)
        blocks.append(f"{one.name}=={_version(one)} ; python_version >= '3.9' \\\n{hashes}\n")
    return "".join(blocks)


_FORMATS: Mapping[str, tuple[Callable[[list[_Distribution]], str], Callable[[str], object]]] = {
    "uv.lock": (_uv, rtoml.loads),
    "poetry.lock": (_poetry, rtoml.loads),
    "pylock.toml": (_pylock, rtoml.loads),
    "Pipfile.lock": (_pipfile, json.loads),
    "requirements.txt": (_requirements, str.splitlines),
}
