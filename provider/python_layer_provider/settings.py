"""How a layer is built, which changes nothing about what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from python_layer_provider.target import DEFAULT_IMAGE

IMAGE_VARIABLE = "PYTHON_LAYER_IMAGE"
"""Environment variable with a template for the runtimes' images, where they come from a mirror."""
DEFAULT_TIMEOUT = 1800.0
"""Seconds that a build may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSettings:
    """How a layer is built, which changes nothing about what it is."""

    image_template: str = DEFAULT_IMAGE
    """Where the runtimes' images come from."""
    timeout: float = DEFAULT_TIMEOUT
    """Seconds."""
    use_cache: bool = True
    """Whether a finished layer of the same content hash will do."""


def image_template(given: str | None, environ: Mapping[str, str]) -> str:
    """Where the runtimes' images come from: what was given, else what the environment says, else the default."""
    return given or environ.get(IMAGE_VARIABLE) or DEFAULT_IMAGE
