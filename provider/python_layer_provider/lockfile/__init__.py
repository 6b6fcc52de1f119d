"""Lock files, whatever their format: one module per format, each from text to `Lockfile`."""

from python_layer_provider.lockfile.model import Dependency, File, IndexOptions, Lockfile, Pin, PythonBound
from python_layer_provider.lockfile.read import read_lockfile

__all__ = ["Dependency", "File", "IndexOptions", "Lockfile", "Pin", "PythonBound", "read_lockfile"]
