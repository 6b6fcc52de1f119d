"""Lock files, whatever their format: one module per format, each from text to `Lockfile`."""

from python_layer_provider.lockfile.model import IndexOptions, Lockfile, Pin
from python_layer_provider.lockfile.read import read_lockfile

__all__ = ["IndexOptions", "Lockfile", "Pin", "read_lockfile"]
