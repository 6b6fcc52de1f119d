"""A function's code with its dependencies beside it, in one zip: for functions that take no layers."""

from __future__ import annotations

import hashlib
from pathlib import Path

from python_layer_provider.archive import LayerArchive, read_members, write_archive
from python_layer_provider.errors import CodeTooLargeError, InvalidInputError
from python_layer_provider.limits import UNZIPPED_LIMIT
from python_layer_provider.tree import Member

_SHOWN = 3


def package_hash(content_hash: str, code_sha256: str) -> str:
    """What a package is made from, known before it is: the content hash of its plan, and the zip of its code."""
    return f"1:{hashlib.sha256(f'{content_hash} {code_sha256}'.encode()).hexdigest()}"


def write_package(layer: LayerArchive, code: Path, path: Path, *, limit: int = UNZIPPED_LIMIT) -> LayerArchive:
    """Put a function's code and what a layer would hold into one zip.

    Args:
        layer: The dependencies, as a layer.
        code: The zip of the code, made by `pack_code`.
        path: Where the zip appears.
        limit: Bytes that both may have, unzipped.

    Raises:
        InvalidInputError: A file of the code has the place of one of a dependency.
        CodeTooLargeError: Both together are over the limit.
    """
    own, theirs = list(read_members(code)), list(read_members(layer.zip.path, "python/"))
    _check_apart(own, theirs)
    members = [*own, *theirs]
    unpacked = sum(member.size for member in members)
    if unpacked > limit:
        raise CodeTooLargeError(
            f"the function's code and its dependencies are {unpacked / 1e6:,.1f} MB unzipped; "
            f"the limit is {limit / 1e6:,.1f} MB",
            hint="leave out what is not needed at run time",
            input_name="dependencies",
        )
    return LayerArchive(
        zip=write_archive(members, path),
        unpacked_size=unpacked,
        packages=layer.packages,
        image_digest=layer.image_digest,
    )


def _check_apart(own: list[Member], theirs: list[Member]) -> None:
    both = sorted({member.path for member in own} & {member.path for member in theirs})
    if both:
        more = f" and {len(both) - _SHOWN} more" if len(both) > _SHOWN else ""
        names = ", ".join(f"`{path}`" for path in both[:_SHOWN])
        raise InvalidInputError(
            f"the function's code has files that its dependencies have too: {names}{more}",
            hint='rename yours, name it in `exclude`, or use dependencies="layer", where yours come first',
            input_name="entry",
        )
