"""Runtime and architecture, and all that follows from them: one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from packaging.tags import Tag, compatible_tags, cpython_tags

from python_layer_provider.errors import UnknownArchitectureError, UnknownRuntimeError

DEFAULT_RUNTIME = "python3.13"
DEFAULT_ARCHITECTURE = "x86_64"
DEFAULT_IMAGE = "public.ecr.aws/sam/build-python{python}:latest-{architecture}"
"""Where a runtime's build image comes from when nothing else is said: the images of AWS SAM."""

# glibc: Amazon Linux 2 has 2.26, Amazon Linux 2023 has 2.34.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
_AMAZON_LINUX_2 = (2, 26)
_AMAZON_LINUX_2023 = (2, 34)
# runtime -> (full Python version, for markers that name one; glibc of the runtime)
_RUNTIMES: Mapping[str, tuple[str, tuple[int, int]]] = MappingProxyType(
    {
        "python3.9": ("3.9.23", _AMAZON_LINUX_2),
        "python3.10": ("3.10.18", _AMAZON_LINUX_2),
        "python3.11": ("3.11.13", _AMAZON_LINUX_2),
        "python3.12": ("3.12.11", _AMAZON_LINUX_2023),
        "python3.13": ("3.13.7", _AMAZON_LINUX_2023),
        "python3.14": ("3.14.0", _AMAZON_LINUX_2023),
    }
)
# Lambda's word -> the wheel's and the kernel's word, the engine's word, ELF's e_machine
_ARCHITECTURES: Mapping[str, tuple[str, str, int]] = MappingProxyType(
    {"x86_64": ("x86_64", "amd64", 62), "arm64": ("aarch64", "arm64", 183)}
)
RUNTIMES = tuple(_RUNTIMES)
ARCHITECTURES = tuple(_ARCHITECTURES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where the layer runs: made by `Target.of`, never for the host."""

    runtime: str
    """Lambda's identifier, such as `python3.13`."""
    architecture: str
    """Lambda's instruction set: `x86_64` or `arm64`."""

    @classmethod
    def of(cls, runtime: str, architecture: str) -> Target:
        """The target of a runtime and an architecture.

        Raises:
            UnknownRuntimeError: The runtime is none of `RUNTIMES`.
            UnknownArchitectureError: The architecture is none of `ARCHITECTURES`.
        """
        if runtime not in _RUNTIMES:
            raise UnknownRuntimeError(
                f"Unknown runtime: `{runtime}`",
                hint=f"use one of {', '.join(RUNTIMES)}",
                input_name="runtime",
            )
        if architecture not in _ARCHITECTURES:
            meant = {"aarch64": "arm64", "amd64": "x86_64"}.get(architecture)
            raise UnknownArchitectureError(
                f"Unknown architecture: `{architecture}`",
                hint=f'use "{meant}", Lambda\'s word for it' if meant else f"use one of {', '.join(ARCHITECTURES)}",
                input_name="architecture",
            )
        return cls(runtime=runtime, architecture=architecture)

    @property
    def python(self) -> str:
        """The Python version of the runtime: `3.13`."""
        return self.runtime.removeprefix("python")

    @property
    def python_full(self) -> str:
        """The version that `python_full_version` has in markers: a recent patch release of the runtime."""
        return _RUNTIMES[self.runtime][0]

    @property
    def glibc(self) -> tuple[int, int]:
        """The runtime's glibc: no wheel that needs a newer one imports there."""
        return _RUNTIMES[self.runtime][1]

    @property
    def machine(self) -> str:
        """The architecture in the words of wheels and markers: `x86_64` or `aarch64`."""
        return _ARCHITECTURES[self.architecture][0]

    @property
    def engine_architecture(self) -> str:
        """The architecture in the words of container engines: `amd64` or `arm64`."""
        return _ARCHITECTURES[self.architecture][1]

    @property
    def elf_machine(self) -> int:
        """`e_machine` of the architecture's ELF files."""
        return _ARCHITECTURES[self.architecture][2]

    def image(self, template: str = DEFAULT_IMAGE) -> str:
        """The build image that a template with `{python}` and `{architecture}` names."""
        return template.replace("{python}", self.python).replace("{architecture}", self.architecture)

    def marker_environment(self) -> dict[str, str]:
        """The environment in which markers are evaluated (PEP 508), for the target and never for the host.

        The kernel's release and version are not known before the function runs: they are empty.
        """
        return {
            "implementation_name": "cpython",
            "implementation_version": self.python_full,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.python_full,
            "python_version": self.python,
            "sys_platform": "linux",
        }

    def tags(self) -> Iterator[Tag]:
        """The compatibility tags of wheels that run on the target, best first (PEP 425, PEP 600)."""
        version = tuple(int(part) for part in self.python.split("."))
        interpreter = f"cp{version[0]}{version[1]}"
        platforms = list(self._platforms())
        yield from cpython_tags(version, [interpreter], platforms)
        yield from compatible_tags(version, interpreter, platforms)

    def _platforms(self) -> Iterator[str]:
        # PEP 600 names glibc in the tag; the older names are aliases of three of them.
        aliases = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
        oldest = 5 if self.machine == "x86_64" else 17
        for minor in range(self.glibc[1], oldest - 1, -1):
            yield f"manylinux_2_{minor}_{self.machine}"
            if minor in aliases:
                yield f"{aliases[minor]}_{self.machine}"
        yield f"linux_{self.machine}"
