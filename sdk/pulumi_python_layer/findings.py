"""What is wrong with the layers of one run of a program, so that whichever is checked first tells all of it.

The engine stops at the first resource whose check fails. Constructors all run before that.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import pulumi
from pulumi.runtime import get_root_resource

from python_layer_provider.inputs import Failure


class Findings:
    """The failures of each layer of a run."""

    def __init__(self) -> None:
        self._failures: dict[str, Sequence[Failure]] = {}

    def note(self, layer: str, failures: Sequence[Failure]) -> None:
        """Remember what is wrong with a layer."""
        self._failures[layer] = failures

    def told_by(self, layer: str, failures: Sequence[Failure]) -> list[Failure]:
        """What the check of a layer tells: what is wrong with it and with the others; nothing where it is right."""
        if not failures and not self._failures.get(layer):
            return []
        others = [
            Failure(input_name=failure.input_name, reason=f"and in layer `{other}`: {failure.reason}")
            for other, found in self._failures.items()
            for failure in found
            if other != layer
        ]
        return [*failures, *others]


# A process may run programs one after the other, each with a stack of its own at its root.
_RUNS: WeakKeyDictionary[pulumi.Resource, Findings] = WeakKeyDictionary()


def of_this_run() -> Findings:
    """The findings of the run that is under way."""
    root = get_root_resource()
    return _RUNS.setdefault(root, Findings()) if root else Findings()
