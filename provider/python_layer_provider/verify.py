"""The tree against the target and AWS's limits, checked while it streams by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, parse_tag
from packaging.utils import NormalizedName, canonicalize_name

from python_layer_provider.errors import (
    EmptyTreeError,
    HostileTreeError,
    LayerTooLargeError,
    WrongArchitectureError,
    WrongPythonError,
)
from python_layer_provider.limits import FILES_LIMIT, UNZIPPED_LIMIT
from python_layer_provider.runtime_packages import is_moving
from python_layer_provider.target import ARCHITECTURES, Target
from python_layer_provider.tree import Member

_FROM_ABOVE = frozenset({"<", "<=", "==", "===", "~="})
_ELF = b"\x7fELF"
# Sizes past the limit are still added up, to tell what to leave out; this bounds a stream without end.
_GIVE_UP = 16 * UNZIPPED_LIMIT


@dataclass(kw_only=True)
class Verification:
    """What was found in a tree; complete once `checked` is exhausted."""

    target: Target
    omitted: Collection[NormalizedName] = ()
    """What is left to the runtime."""
    packages: dict[NormalizedName, str] = field(default_factory=dict)
    """The installed distributions: name to version."""
    unpacked_size: int = 0
    """Bytes."""
    files: int = 0
    _requires: dict[NormalizedName, list[str]] = field(default_factory=dict)
    _sizes: Counter[str] = field(default_factory=Counter)

    def checked(self, members: Iterable[Member]) -> Iterator[Member]:
        """The same members, once each has passed.

        Raises:
            EmptyTreeError: There is none.
            LayerTooLargeError: They are over `UNZIPPED_LIMIT` together; names the largest parts.
            WrongArchitectureError: A compiled file is for another machine than the target's.
            WrongPythonError: An installed wheel is for another Python.
            HostileTreeError: There are more files than a zip can have, or the tree does not end.
        """
        for member in members:
            self._count(member)
            self._check_machine(member)
            self._check_metadata(member)
            if self.unpacked_size <= UNZIPPED_LIMIT:
                yield member
        if not self.files:
            raise EmptyTreeError(
                "pip installed nothing: the layer would be empty",
                hint="check that the lock file pins something for this runtime and architecture",
            )
        if self.unpacked_size > UNZIPPED_LIMIT:
            raise _too_large(self.unpacked_size, self._sizes)

    def missing(self) -> list[str]:
        """Requirements of the installed distributions that neither the layer nor the runtime has, as sentences."""
        there = {*self.packages, *self.omitted}
        return sorted(
            f"`{name}` needs `{needed.name}`"
            for name, needed in self._needs()
            if canonicalize_name(needed.name) not in there
        )

    def bounded(self) -> list[str]:
        """Requirements that a distribution left to the runtime may outgrow, as sentences."""
        return sorted(
            f"`{name}` needs `{needed.name}{needed.specifier}`"
            for name, needed in self._needs()
            if canonicalize_name(needed.name) in self.omitted
            and is_moving(canonicalize_name(needed.name))
            and any(part.operator in _FROM_ABOVE for part in needed.specifier)
        )

    def _needs(self) -> Iterator[tuple[NormalizedName, Requirement]]:
        for name, lines in self._requires.items():
            for line in lines:
                needed = self._needed(line)
                if needed:
                    yield name, needed

    def _needed(self, line: str) -> Requirement | None:
        """A requirement, where it counts for the target."""
        environment: dict[str, str] = {**self.target.marker_environment(), "extra": ""}
        try:
            requirement = Requirement(line)
            admitted = requirement.marker is None or requirement.marker.evaluate(environment)
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
            # Old sdists carry requirements that no longer parse (PEP 508); pip with --no-deps does not mind either.
            return None
        return requirement if admitted else None

    def _count(self, member: Member) -> None:
        self.files += 1
        self.unpacked_size += member.size
        self._sizes[_part(member.path)] += member.size
        if self.files > FILES_LIMIT:
            raise HostileTreeError(
                f"The layer has more than {FILES_LIMIT:,} files", hint="leave out distributions, or split the layer"
            )
        if self.unpacked_size > _GIVE_UP:
            raise _too_large(self.unpacked_size, self._sizes)

    def _check_machine(self, member: Member) -> None:
        if not member.head.startswith(_ELF):
            return
        # Byte 5 of an ELF header is the byte order, bytes 18 and 19 the machine.
        big_endian = member.head[5:6] == b"\x02"
        machine = int.from_bytes(member.head[18:20], "big" if big_endian else "little")
        if machine != self.target.elf_machine:
            raise WrongArchitectureError(
                f"`{member.path}` is compiled for {_machine(machine)}, the layer is for {self.target.architecture}",
                hint=f"build in an image for {self.target.architecture}, and check the wheels that the lock file names",
            )

    def _check_metadata(self, member: Member) -> None:
        parts = member.path.split("/")
        if len(parts) != 3 or not parts[1].endswith(".dist-info"):  # noqa: PLR2004 (python/NAME.dist-info/FILE)
            return
        if parts[2] == "WHEEL":
            self._check_tags(parts[1], member.head.decode(errors="replace"))
        elif parts[2] == "METADATA":
            self._note(member.head.decode(errors="replace"))

    def _check_tags(self, dist_info: str, text: str) -> None:
        wheel = {tag for line in _values(text, "Tag") for tag in _tags(line)}
        # Only interpreter and ABI: what the platform part says is often wrong, and ELF headers tell the machine.
        ours = {(tag.interpreter, tag.abi) for tag in self.target.tags()}
        if wheel and not ours & {(tag.interpreter, tag.abi) for tag in wheel}:
            raise WrongPythonError(
                f"`{dist_info.removesuffix('.dist-info')}` is a wheel for {_pythons(wheel)}, "
                f"the layer is for {self.target.runtime}",
                hint=f"build in an image whose pip runs on Python {self.target.python}",
            )

    def _note(self, text: str) -> None:
        name = canonicalize_name(next(_values(text, "Name"), ""))
        self.packages[name] = next(_values(text, "Version"), "")
        self._requires[name] = list(_values(text, "Requires-Dist"))


def largest(sizes: Counter[str], count: int = 8) -> str:
    """The largest parts, a line each, in MB."""
    return "\n".join(f"{size / 1e6:8.1f} MB  {part}" for part, size in sizes.most_common(count))


def _too_large(size: int, sizes: Counter[str]) -> LayerTooLargeError:
    return LayerTooLargeError(
        f"The layer is {size / 1e6:,.1f} MB unzipped; "
        f"Lambda takes {UNZIPPED_LIMIT / 1e6:,.1f} MB for a function with all its layers",
        detail=largest(sizes),
        hint="leave out what is not needed at run time, or use a container image function",
    )


def _part(path: str) -> str:
    """The folder or file directly below `python/`, the import package as a rule."""
    return path.split("/", 2)[1]


def _machine(number: int) -> str:
    for architecture in ARCHITECTURES:
        if Target(runtime="", architecture=architecture).elf_machine == number:
            return architecture
    return f"ELF machine {number}"


def _pythons(tags: Iterable[Tag]) -> str:
    return ", ".join(sorted({f"{tag.interpreter}-{tag.abi}" for tag in tags}))


def _values(text: str, key: str) -> Iterator[str]:
    """The values of a header in the e-mail format of METADATA and WHEEL, before the body."""
    for line in text.splitlines():
        if not line:
            return
        name, _, value = line.partition(":")
        if name.lower() == key.lower():
            yield value.strip()


def _tags(line: str) -> Collection[Tag]:
    try:
        return parse_tag(line)
    except ValueError:
        return ()
