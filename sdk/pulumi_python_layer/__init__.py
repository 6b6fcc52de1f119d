"""Locked Python dependencies as an AWS Lambda layer, as a Pulumi resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi_python_layer.layer import Build, PythonLayer

__all__ = ["Build", "PythonLayer"]


def __getattr__(name: str) -> object:
    # The command line shares this package and has no use for Pulumi, which takes half a second to load.
    if name in __all__:
        from pulumi_python_layer import layer  # noqa: PLC0415 (see above)

        return getattr(layer, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
