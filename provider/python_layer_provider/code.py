"""A function's own code as a deterministic zip: the same files give the same bytes, wherever the folder is."""

from __future__ import annotations

import base64
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from types import MappingProxyType

from python_layer_provider.archive import Zip, write_archive
from python_layer_provider.errors import CodeTooLargeError, InvalidInputError, LockFileUnsupportedError
from python_layer_provider.gitignore import Rules
from python_layer_provider.limits import DIRECT_UPLOAD_LIMIT, FILES_LIMIT, UNZIPPED_LIMIT
from python_layer_provider.project_files import Travelling, project_files
from python_layer_provider.tree import Member, unpacks_everywhere

# Pulumi's own, which may hold secrets, and what dependencies are locked with: else a comment there would update the
# function. A line of `exclude` may let them in: `!/pyproject.toml`.
_NEVER_RUN = (
    *("Pulumi.yaml", "Pulumi.*.yaml"),
    *("/requirements.in", "/requirements.txt", "/uv.lock", "/poetry.lock", "/Pipfile", "/Pipfile.lock"),
    *("/pylock.toml", "/pylock.*.toml", "/pyproject.toml"),
)
_LARGEST = 5
_NOTHING: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeArchive:
    """A function's code, packed."""

    path: Path
    """The zip."""
    code_sha256: str
    """SHA-256 of the file in base64, as Lambda's `CodeSha256`."""
    size: int
    """Bytes of the zip."""
    unpacked_size: int
    """Bytes, unzipped."""


def pack_code(
    entry: Path, folder: Path, *, exclude: Sequence[str] = (), generated: Mapping[str, bytes] = _NOTHING
) -> CodeArchive:
    """Pack a function's code, with the contents of `entry` at the zip's root.

    Args:
        entry: The folder with the code.
        folder: Where the zip appears, named by its checksum, and with the time of this run.
        exclude: What stays out besides what git ignores; see `code_files`.
        generated: Files that are in no folder, by their paths in the zip.

    Raises:
        InvalidInputError: There is no such folder, there is nothing in it, something in it cannot be packed, or stands
            where a generated file has to.
        CodeTooLargeError: It is over Lambda's limits.
    """
    with _reading(entry):
        files = code_files(entry, exclude)
        _check_something(files, entry)
        _check_places(files, generated)
        members = [*map(_member, files.values()), *starmap(_generated, generated.items())]
        _check_size(members)
        archive = _written(members, folder)
    if archive.size > DIRECT_UPLOAD_LIMIT:
        raise _too_large(f"{archive.size / 1e6:,.1f} MB as a zip", f"{DIRECT_UPLOAD_LIMIT / 1e6:,.1f} MB", members)
    return CodeArchive(
        path=archive.path,
        code_sha256=archive.code_sha256,
        size=archive.size,
        unpacked_size=sum(member.size for member in members),
    )


def code_files(entry: Path, exclude: Sequence[str] = ()) -> dict[str, Travelling]:
    """The files of a function's code by their paths in it, sorted.

    Args:
        entry: The folder with the code.
        exclude: What stays out besides what git ignores: lines as in a `.gitignore` of `entry`. They let nothing in
            that git ignores, only Pulumi's own files and lock files, which else stay out.

    Raises:
        InvalidInputError: There is no such folder, or something in it cannot be packed.
    """
    rules = Rules().within("", "\n".join((*_NEVER_RUN, *exclude)))
    with _reading(entry):
        _check_folder(entry)
        files = {file.path: file for file in project_files(entry, f"`{entry}`", rules)}
    for path in files:
        if not unpacks_everywhere(path):
            raise InvalidInputError(
                f"`{entry}` has a file with a name that no zip should have: {path!r}",
                hint="rename it, or name it in `exclude`",
                input_name="entry",
            )
    return dict(sorted(files.items()))


def _check_folder(entry: Path) -> None:
    if not entry.is_dir():
        raise InvalidInputError(
            f"`{entry}` is no folder" if entry.exists() else f"there is no folder `{entry}`",
            hint="name the folder with the handler's code",
            input_name="entry",
        )


@contextmanager
def _reading(entry: Path) -> Iterator[None]:
    try:
        yield
    except LockFileUnsupportedError as error:
        raise InvalidInputError(error.what, hint=error.hint, input_name="entry") from error
    except OSError as error:
        raise InvalidInputError(
            f"the code in `{entry}` cannot be packed", detail=str(error), hint="check its rights", input_name="entry"
        ) from error


def _member(file: Travelling) -> Member:
    size = Path(file.source).stat().st_size
    return Member(
        path=file.path,
        size=size,
        executable=file.executable,
        origin=file.source,
        head=b"",
        content=_reader(file, size),
    )


def _reader(file: Travelling, size: int) -> Callable[[], bytes]:
    def content() -> bytes:
        found = Path(file.source).read_bytes()
        # The zip's headers tell the size that was there when the files were looked at.
        if len(found) != size:
            raise InvalidInputError(
                f"`{file.path}` changed while it was packed", hint="run it again", input_name="entry"
            )
        return found

    return content


def _generated(path: str, content: bytes) -> Member:
    return Member(path=path, size=len(content), executable=False, origin=path, head=b"", content=lambda: content)


def _check_something(files: Mapping[str, Travelling], entry: Path) -> None:
    if not files:
        raise InvalidInputError(
            f"there is nothing to pack in `{entry}`",
            hint="what git ignores and what `exclude` names stays out",
            input_name="entry",
        )


def _check_places(files: Iterable[str], generated: Iterable[str]) -> None:
    """See that nothing of the folder has the name of a package that is generated: one would hide the other."""
    packages = {path.partition("/")[0] for path in generated}
    for path in files:
        if path.partition("/")[0].removesuffix(".py") in packages:
            raise InvalidInputError(
                f"`{path}` has the name of what is packed beside it", hint="rename it", input_name="entry"
            )


def _check_size(members: Sequence[Member]) -> None:
    """See that it is no more than Lambda takes."""
    unpacked = sum(member.size for member in members)
    if len(members) > FILES_LIMIT:
        raise _too_large(f"{len(members):,} files", f"{FILES_LIMIT:,}", members)
    if unpacked > UNZIPPED_LIMIT:
        raise _too_large(f"{unpacked / 1e6:,.1f} MB unzipped", f"{UNZIPPED_LIMIT / 1e6:,.1f} MB", members)


def _too_large(what: str, limit: str, members: Sequence[Member]) -> CodeTooLargeError:
    sizes: Counter[str] = Counter()
    for member in members:
        sizes[member.path.partition("/")[0]] += member.size
    return CodeTooLargeError(
        f"the function's code is {what}; Lambda takes {limit}",
        detail="\n".join(f"{size / 1e6:8.1f} MB  {part}" for part, size in sizes.most_common(_LARGEST)),
        hint="name what is not needed at run time in `exclude`",
        input_name="entry",
    )


def _written(members: Sequence[Member], folder: Path) -> Zip:
    """The zip under the name that its bytes give it; another process may write the same one now."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as scratch:
        made = write_archive(members, Path(scratch, "code.zip"))
        path = folder / f"{base64.b64decode(made.code_sha256).hex()}.zip"
        # Always, so that its time tells when it was last wanted.
        made.path.replace(path)
    return Zip(path=path, code_sha256=made.code_sha256, size=made.size)
