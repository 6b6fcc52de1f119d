"""Locked Python dependencies as an AWS Lambda layer, and functions that use them, as Pulumi resources."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi_python_layer.function import PythonFunction, PythonFunctionArgs
    from pulumi_python_layer.layer import Build, LayerPermission, PythonLayer

__all__ = ["Build", "LayerPermission", "PythonFunction", "PythonFunctionArgs", "PythonLayer"]

_MODULES = {
    "Build": "layer",
    "LayerPermission": "layer",
    "PythonLayer": "layer",
    "PythonFunction": "function",
    "PythonFunctionArgs": "function",
}


def __getattr__(name: str) -> object:
    # The command line shares this package and has no use for Pulumi, which takes half a second to load.
    if name in _MODULES:
        return getattr(import_module(f"pulumi_python_layer.{_MODULES[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
