"""Files of a distribution against a target: which wheel fits best, and where others would."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from itertools import product

from python_layer_provider.lockfile import File
from python_layer_provider.target import ARCHITECTURES, RUNTIMES, Target


def best_file(files: Sequence[File], target: Target) -> File | None:
    """The file that pip would take: the wheel that fits best, else a source distribution; None where none fits."""
    best, source, rank = None, None, len(_ranks(target))
    for file in files:
        # Once for each of thousands of files: every call counts.
        name = file.name
        if name.endswith(".whl"):
            found = _rank(_tags(name[:-4]), target)
            if found is not None and found < rank:
                best, rank = file, found
        elif source is None:
            source = file
    return best or source


def fitting_targets(files: Sequence[File]) -> list[str]:
    """The targets for which some wheel fits, as messages name them: `python3.12`, or `python3.12 on arm64`."""
    found: list[str] = []
    for runtime in RUNTIMES:
        fits = [
            architecture
            for architecture in ARCHITECTURES
            if any(
                _rank(_tags(file.name.removesuffix(".whl")), Target.of(runtime, architecture)) is not None
                for file in files
            )
        ]
        if fits:
            found.append(runtime if len(fits) == len(ARCHITECTURES) else f"{runtime} on {fits[0]}")
    return found


def _tags(stem: str) -> str:
    """The compatibility tags at the end of a wheel's name: `cp313-cp313-manylinux_2_17_x86_64`."""
    return "-".join(stem.rsplit("-", 3)[1:])


# A lock file of hundreds of pins names thousands of wheels, with few different tags.
@functools.lru_cache(maxsize=16384)
def _rank(tags: str, target: Target) -> int | None:
    """How well a wheel of these tags fits, 0 best; None where it does not."""
    ranks = _ranks(target)
    # Compressed tag sets (PEP 425): `py2.py3-none-any`.
    each = ("-".join(parts) for parts in product(*(part.split(".") for part in tags.split("-"))))
    return min((ranks[tag] for tag in each if tag in ranks), default=None)


@functools.lru_cache(maxsize=16)
def _ranks(target: Target) -> Mapping[str, int]:
    return {str(tag): rank for rank, tag in enumerate(target.tags())}
